"""Which store the settings ask for."""

from __future__ import annotations

from services.settings import Settings
from services.store.base import VectorStore


def open_store(settings: Settings) -> VectorStore:
    """The store of `settings.collection`: on a Qdrant server if `settings.qdrant_url` is set, else embedded.

    Nothing is read or created yet: ask it for `meta()`, or `open(meta)` it.
    """
    # Each store's engine takes a while to import; only the one in use is.
    if settings.qdrant_url:
        from services.store.server import ServerStore

        return ServerStore(settings)
    from services.store.edge import EdgeStore

    return EdgeStore(settings)
