"""The places that the contract is checked in; see `test_collection` for what they can show."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from services.settings import Settings
from services.store.alias import Alias, FileAlias, ServerAlias
from services.store.base import CollectionMeta, Point, VectorStore
from services.store.edge import EdgeStore
from services.store.server import ServerStore

DIM = 8
META = CollectionMeta(dim=DIM, encoder={"name": "toy", "weights": "ab12", "preprocess": "cd34", "dim": DIM})
#: client-disk differs from client-memory in how it reopens; costly tests leave it out.
COSTLY = ["edge", "client-memory"] + (["server"] if os.environ.get("QDRANT_URL") else [])
PLACES = [*COSTLY, "client-disk"]


class Place:
    """Somewhere a collection lives. `connect` gives another store on it, once the last one is closed."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        url = os.environ.get("QDRANT_URL") if kind == "server" else None
        self.settings = Settings(
            _env_file=None, data_dir=folder, collection=f"test-{uuid.uuid4().hex}", qdrant_url=url
        )
        self._client: QdrantClient | None = None

    def connect(self, collection: str | None = None) -> VectorStore:
        settings = self.settings.model_copy(update={"collection": collection or self.settings.collection})
        match self.kind:
            case "edge":
                return EdgeStore(settings)
            case "server":
                return ServerStore(settings)
        return ServerStore(settings, self._connected(reopen=collection is None), exclusive=True)

    def alias(self) -> Alias:
        match self.kind:
            case "edge":
                return FileAlias(self.settings)
            case "server":
                return ServerAlias(self.settings)
        return ServerAlias(self.settings, self._connected(reopen=False), exclusive=True)

    def _connected(self, *, reopen: bool) -> QdrantClient:
        match self.kind:
            case "client-memory":
                self._client = self._client or QdrantClient(":memory:")
            case "client-disk" if reopen or self._client is None:
                if self._client is not None:
                    self._client.close()
                folder = str(self.settings.data_dir / "client")
                self._client = QdrantClient(path=folder, force_disable_check_same_thread=True)
        assert self._client is not None
        return self._client

    def clear(self) -> None:
        if self.kind == "server":
            alias = self.alias()
            for name in alias.collections():
                self.connect(name).drop()
            alias.close()
        if self._client is not None:
            self._client.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    yield place
    place.clear()


@pytest.fixture
def store(place: Place) -> Iterator[VectorStore]:
    """An open, empty collection of 8-d vectors."""
    store = place.connect()
    store.open(META)
    yield store
    store.close()


@pytest.fixture
def unit() -> Callable[..., np.ndarray]:
    """unit(seed, ..., dim=8) -> float32 [dim] of length 1, the same for the same seed."""

    def make(*seed: int, dim: int = DIM) -> np.ndarray:
        vector = np.random.default_rng(seed).standard_normal(dim).astype(np.float32)
        return vector / np.linalg.norm(vector)

    return make


def everything(store: VectorStore, **options: object) -> list[Point]:
    """All points, page by page."""
    points: list[Point] = []
    cursor = None
    while True:
        page, cursor = store.scroll(cursor=cursor, **options)  # type: ignore[arg-type]
        points += page
        if cursor is None:
            return points
