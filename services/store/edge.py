"""The embedded store: Qdrant's engine inside this process, its files in `data_dir/COLLECTION`.

Every write goes through the engine's write-ahead log, so what `upsert` acknowledged is there after
kill -9; `flush` (now and then, and on `close`) also carries it through a power cut. One process at a
time has a collection open. The engine holds Python's interpreter lock during its calls: searches and
writes take turns at milliseconds each, and `optimize` stops every other thread until it is done.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast
from uuid import UUID

import qdrant_edge as engine

from services.errors import StoreUnavailable, VitrineError
from services.settings import Settings
from services.store import checks, schema
from services.store.base import (
    KEYWORDS,
    PATCHES,
    PLAIN_VERSION,
    CollectionMeta,
    Distance,
    Filter,
    Hit,
    Point,
    Search,
    SparseVector,
    Vector,
    VectorStore,
)
from services.store.edge_models import (
    DIALECT,
    config,
    from_engine,
    index_operations,
    nearest,
    rows,
    search_params,
    to_engine,
    to_sparse,
)
from services.store.facets import count_by_scan, rank
from services.store.filters import compile_filter
from services.store.folder import StoreFolder
from services.store.names import Names
from services.store.profiles import PROFILES, SearchProfile
from services.store.records import score_of, wanted

T = TypeVar("T")

#: Points written between flushes; bounds the write-ahead log and the replay after a crash.
_FLUSH_EVERY = 20_000
#: Bytes that must be free on the disk for a new collection (most of it the log, which the engine makes at its
#: full length), and for a batch.
_ROOM_TO_CREATE, _ROOM_TO_WRITE = 192_000_000, 64_000_000
#: Points handed to the engine in one operation; longer batches hold up searches.
_BATCH = 1000


class EdgeStore(VectorStore):
    """A store over qdrant-edge. Safe to call from several threads of one process."""

    def __init__(self, settings: Settings) -> None:
        self._collection = settings.collection
        self._folder = StoreFolder(settings.data_dir / settings.collection)
        self._profile = PROFILES[settings.search_profile]
        self._write_lock = threading.RLock()
        self._shard: engine.EdgeShard | None = None
        self._meta: CollectionMeta | None = None
        self._unflushed = 0
        self._names = Names()

    def open(self, meta: CollectionMeta) -> CollectionMeta:
        """As `VectorStore.open`. Raises `StoreLocked` if another store has the collection open."""
        with self._write_lock:
            if self._meta is not None:
                schema.check_layout(self._meta, meta)
                return self._meta
            self._folder.lock()
            try:
                self._shard, self._meta = self._open_locked(meta)
            except BaseException:
                self._folder.unlock()
                raise
            return self._meta

    def _open_locked(self, meta: CollectionMeta) -> tuple[engine.EdgeShard, CollectionMeta]:
        stored = self._folder.read_meta()
        if stored is not None:
            schema.check_layout(stored, meta)
        with self._engine("opened"):
            self._folder.tidy()
            if stored is None:
                self._folder.check_room(_ROOM_TO_CREATE)
                self._folder.create(meta, partial(_create_shard, meta, self._profile))
                stored = meta
            shard = self._load(stored)
            if stored.schema_version < PLAIN_VERSION:
                stored = self._upgrade(shard, stored)
            return shard, stored

    def _upgrade(self, shard: engine.EdgeShard, stored: CollectionMeta) -> CollectionMeta:
        # Killed in between, it is upgraded again, which the engine takes as a matter of course.
        shard.update(engine.UpdateOperation.create_sparse_vector(KEYWORDS, engine.Modifier.Idf))
        shard.flush()
        upgraded = replace(stored, schema_version=PLAIN_VERSION)
        self._folder.write_meta(upgraded)
        return upgraded

    def _load(self, meta: CollectionMeta) -> engine.EdgeShard:
        # The engine makes a missing segment folder anew and would carry on without its products.
        segments = self._folder.shard / "segments"
        if not segments.is_dir() or not any(segments.iterdir()):
            raise StoreUnavailable(
                f"The store in {self._folder.path} has lost its files ({segments}).",
                mend="Restore the folder from a backup, or drop the collection and index again.",
                field="data_dir",
            )
        shard = engine.EdgeShard.load(str(self._folder.shard), config(meta, self._profile))
        known = shard.info().payload_schema
        for operation in index_operations(skip=known):
            shard.update(operation)
        return shard

    def meta(self) -> CollectionMeta | None:
        return self._folder.read_meta()

    def save_meta(self, meta: CollectionMeta) -> None:
        with self._write_lock:
            stored = checks.check_open(self._meta, self._collection)
            checks.check_same_layout(stored, meta)
            schema.encode_meta(meta)
            with self._engine("written"):
                self._folder.write_meta(meta)
            self._meta = meta

    def upsert(self, points: Sequence[Point]) -> None:
        meta = checks.check_open(self._meta, self._collection)
        checked = list(checks.check_points(points, meta.dim).items())
        for start in range(0, len(checked), _BATCH):
            batch = [
                to_engine(uid, point, patches=meta.patches) for uid, point in checked[start : start + _BATCH]
            ]
            with self._write_lock:
                self._folder.check_room(_ROOM_TO_WRITE)
                self._call("written", partial(_write, engine.UpdateOperation.upsert_points(batch)))
                self._unflushed += len(batch)
                if self._unflushed >= _FLUSH_EVERY:
                    self._call("written", lambda shard: shard.flush())
                    self._unflushed = 0

    def delete(self, ids: Sequence[str]) -> int:
        uids = _point_ids(ids)
        with self._write_lock:
            records = self._call("read", lambda shard: shard.retrieve(uids, False, False))
            there = [record.id for record in records]
            if there:
                self._call("written", partial(_write, engine.UpdateOperation.delete_points(there)))
                self._unflushed += len(there)
        return len(there)

    def fetch(self, ids: Sequence[str], *, vectors: bool = False, patches: bool = False) -> list[Point]:
        uids, named = _point_ids(ids), self._wanted(vectors, patches)
        records = self._call("read", lambda shard: shard.retrieve(uids, True, named))
        found = {point.id: point for point in map(from_engine, records)}
        return [found[product] for product in ids if product in found]

    def _wanted(self, vectors: bool, patches: bool) -> bool | list[str]:
        meta = checks.check_open(self._meta, self._collection)
        return wanted(vectors=vectors, patches=patches and meta.patches, keywords=True)

    def search_many(
        self, searches: Sequence[Search], limit: int, *, filter: Filter | None = None
    ) -> list[list[Hit]]:
        meta = checks.check_open(self._meta, self._collection)
        asked = [checks.check_search(search, meta.dim) for search in searches]
        points = self._call("read", lambda shard: shard.info().points_count)
        params = search_params(checks.check_limit(limit), filter, self._profile, points)
        condition = compile_filter(filter, DIALECT)
        finding = [search for search in asked if not search.empty]
        requests = [
            engine.QueryRequest(
                limit=limit,
                query=nearest(search),
                filter=condition,
                with_payload=False,
                params=None if search.name == KEYWORDS else params,
            )
            for search in finding
        ]
        distances: list[Distance] = ["cosine" if name == KEYWORDS else meta.distance for name, _ in finding]
        found = iter(self._hits(requests, distances))
        return [[] if search.empty else next(found) for search in asked]

    def search_patches(self, tokens: Vector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        meta = checks.check_open(self._meta, self._collection)
        query = checks.check_tokens(tokens, meta.dim, "The query")
        request = engine.QueryRequest(
            limit=checks.check_limit(limit),
            query=engine.Query.Nearest(rows(query), using=PATCHES),
            filter=compile_filter(filter, DIALECT),
            with_payload=False,
            params=engine.SearchParams(exact=True),
        )
        return self._hits([request], ["cosine"])[0] if meta.patches else []

    def _hits(self, requests: list[engine.QueryRequest], distances: Sequence[Distance]) -> list[list[Hit]]:
        """What each request finds; `distances` are those of what it searches by."""
        batch = engine.QueryBatchRequest(requests)
        found = self._call("searched", lambda shard: shard.query_batch(batch))
        points = [[cast(UUID, hit.id).int for hit in hits] for hits in found]
        names = self._names.of([point for own in points for point in own], self._read_names)
        return [
            [
                Hit(name, score_of(hit.score, distance))
                for point, hit in zip(own, hits, strict=True)
                if (name := names.get(point)) is not None
            ]
            for own, hits, distance in zip(points, found, distances, strict=True)
        ]

    def _read_names(self, points: list[int]) -> Iterator[tuple[int, str]]:
        wanted_ids: list[int | UUID | str] = [UUID(int=point) for point in points]
        for record in self._call("read", lambda shard: shard.retrieve(wanted_ids, [schema.ID_KEY], False)):
            yield cast(UUID, record.id).int, cast(dict[str, str], record.payload)[schema.ID_KEY]

    def set_keywords(self, keywords: Mapping[str, SparseVector]) -> None:
        checked = {
            schema.point_id(product): checks.check_sparse(vector, f"The keywords of product {product!r}")
            for product, vector in keywords.items()
            if vector.indices
        }
        with self._write_lock:
            records = self._call("read", lambda shard: shard.retrieve([*checked], False, False))
            there = [str(record.id) for record in records]
            changes = [engine.PointVectors(uid, {KEYWORDS: to_sparse(checked[uid])}) for uid in there]
            if changes:
                self._call("written", partial(_write, engine.UpdateOperation.update_vectors(changes)))
                self._unflushed += len(changes)

    def count(self, filter: Filter | None = None) -> int:
        request = engine.CountRequest(exact=True, filter=compile_filter(filter, DIALECT))
        return self._call("read", lambda shard: shard.count(request))

    def scroll(
        self,
        *,
        limit: int = 256,
        cursor: str | None = None,
        filter: Filter | None = None,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
        patches: bool = False,
    ) -> tuple[list[Point], str | None]:
        request = engine.ScrollRequest(
            offset=checks.check_cursor(cursor),
            limit=checks.check_limit(limit),
            filter=compile_filter(filter, DIALECT),
            with_payload=True if keys is None else [schema.ID_KEY, *map(schema.json_path, keys)],
            with_vector=self._wanted(vectors, patches),
        )
        records, following = self._call("read", lambda shard: shard.scroll(request))
        return [from_engine(record) for record in records], None if following is None else str(following)

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        if key not in schema.FACET_KEYS:
            schema.json_path(key)
            return count_by_scan(self, key, checks.check_limit(limit), filter)
        request = engine.FacetRequest(
            key=key, limit=checks.check_limit(limit), exact=True, filter=compile_filter(filter, DIALECT)
        )
        found = self._call("counted", lambda shard: shard.facet(request))
        return rank(Counter({str(hit.value): hit.count for hit in found.hits}), limit)

    def optimize(self) -> None:
        """Build the HNSW graphs, and compress vectors as the profile says: about 10 s for 20,000 products,
        during which nothing else runs.

        Products written later are searched exactly until the next call, so a few thousand may wait.
        """
        with self._write_lock:
            # Segments are built anew beside the old ones.
            self._folder.check_room(_ROOM_TO_WRITE + self._folder.shard_bytes())
            self._call("optimised", lambda shard: shard.optimize())
            self._call("written", lambda shard: shard.flush())
            self._unflushed = 0

    def drop(self) -> None:
        with self._write_lock:
            if self._shard is None:
                self._folder.lock()
            try:
                with self._engine("dropped"):
                    if self._shard is not None:
                        self._shard.close()
                    self._shard = self._meta = None
                    self._folder.drop()
            finally:
                self._folder.unlock()

    def close(self) -> None:
        with self._write_lock:
            if self._shard is None:
                return
            shard, self._shard, self._meta = self._shard, None, None
            try:
                with self._engine("closed"):
                    shard.close()
            finally:
                self._folder.unlock()

    def _call(self, done: str, work: Callable[[engine.EdgeShard], T]) -> T:
        shard = self._shard
        if shard is None:
            checks.check_open(None, self._collection)
        with self._engine(done):
            return work(cast(engine.EdgeShard, shard))

    @contextmanager
    def _engine(self, done: str) -> Iterator[None]:
        """Turn whatever the engine or the file system throws into `StoreUnavailable`."""
        try:
            yield
        except VitrineError:
            raise
        except BaseException as error:
            # A Rust panic (damaged files) arrives as pyo3's PanicException, no subclass of Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise StoreUnavailable(
                f"The store in {self._folder.path} cannot be {done}: {error}.",
                mend="See that the disk is not full and the folder belongs to this user; if its files are "
                "damaged, restore it from a backup, or drop the collection and index again.",
                field="data_dir",
            ) from error


def _write(operation: engine.UpdateOperation, shard: engine.EdgeShard) -> None:
    shard.update(operation)


def _point_ids(products: Sequence[str]) -> list[int | UUID | str]:
    return list(dict.fromkeys(schema.point_id(product) for product in products))


def _create_shard(meta: CollectionMeta, profile: SearchProfile, path: Path) -> None:
    shard = engine.EdgeShard.create(str(path), config(meta, profile, new=True))
    for operation in index_operations():
        shard.update(operation)
    shard.close()
