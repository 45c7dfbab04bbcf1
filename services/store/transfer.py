"""All products of one collection into a new one, which then takes over in one step.

The new collection is built beside whatever is served under the name (see `services.store.alias`), on the
same store or on another; if it cannot be finished it is removed, and what was served is served as before.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from contextlib import closing

from services.errors import InvalidInput, StoreUnavailable
from services.settings import Settings
from services.store.alias import Alias, open_alias
from services.store.base import CollectionMeta, Point, VectorStore
from services.store.factory import open_store
from services.store.snapshot import Progress


def transfer(
    settings: Settings,
    pages: Iterable[list[Point]],
    meta: CollectionMeta,
    *,
    replace: bool = False,
    progress: Progress = lambda done: None,
) -> str:
    """Put all points into a new collection on the store of the settings, and serve it under their name.

    Returns what the collection is called. Raises `InvalidInput` if one is served already and it was not
    said that it may be replaced, and what `fill` raises.
    """
    with closing(open_alias(settings)) as alias:
        live = settings.model_copy(update={"collection": alias.read().live})
        with closing(open_store(live)) as store:
            if not replace and store.meta() is not None:
                raise InvalidInput(
                    f"There is a collection '{settings.collection}' already.",
                    mend="Add --replace to have the new one served in its place, or set VITRINE_COLLECTION.",
                    field="collection",
                )
        collection = f"{settings.collection}@{uuid.uuid4().hex[:12]}"
        with closing(open_store(settings.model_copy(update={"collection": collection}))) as store:
            fill(store, pages, meta, alias, collection, progress=progress)
    return collection


def fill(
    store: VectorStore,
    pages: Iterable[list[Point]],
    meta: CollectionMeta,
    alias: Alias,
    collection: str,
    *,
    progress: Progress = lambda done: None,
) -> None:
    """Make the store's collection of that name, write all points, and switch the alias to it.

    Raises `StoreUnavailable` if not all of them arrive, and whatever reading or writing raises; the new
    collection is dropped then, and nothing has changed.
    """
    try:
        store.open(meta)
        done = 0
        for page in pages:
            store.upsert(page)
            done += len(page)
            progress(done)
        if (stored := store.count()) != done:
            raise StoreUnavailable(
                f"{stored:,} products arrived of {done:,}.", mend="Look after the store and start again."
            )
        store.optimize()
        alias.switch(collection)
    except BaseException:
        store.drop()
        raise
