"""The store on a Qdrant server or cluster, through qdrant-client.

Metadata is kept in the collection's own metadata, which Qdrant knows since 1.16. Failures that may
pass (no connection, overload, a node that restarts) are tried again with growing pauses; every call
here can be repeated without harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import structlog
from qdrant_client import QdrantClient, models

from services.errors import StoreUnavailable
from services.settings import Settings
from services.store import checks, schema
from services.store.base import (
    KEYWORDS,
    PATCHES,
    PLAIN_VERSION,
    VECTORS,
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
from services.store.connection import Connection
from services.store.facets import count_by_scan, rank
from services.store.filters import compile_filter
from services.store.profiles import PROFILES
from services.store.records import wanted
from services.store.server_models import (
    DIALECT,
    from_engine,
    nearest,
    payload_indexes,
    quantization,
    search_params,
    to_engine,
    to_hit,
    to_sparse,
    vectors_config,
)

log = structlog.get_logger(__name__)

#: Key of ours in the collection's metadata.
_META = "vitrine"
#: Points in one request: about 2 MB of 512-d vectors, far below the server's limit of 32 MB.
_BATCH = 256
_IDS_BATCH = 1000


class ServerStore(VectorStore):
    """A store over a Qdrant server. Safe to call from several threads.

    `client` is used as it is and left open by `close`; without one, a client is built from the
    settings. `exclusive` lets in one call at a time, for a client that is not thread-safe itself, as
    qdrant-client's local mode is not.
    """

    def __init__(
        self, settings: Settings, client: QdrantClient | None = None, *, exclusive: bool = False
    ) -> None:
        self._settings = settings
        self._collection = settings.collection
        self._profile = PROFILES[settings.search_profile]
        self._connection = Connection(settings, client, exclusive)
        self._call = self._connection.call
        self._meta: CollectionMeta | None = None
        #: Whether the collection has a place for keywords.
        self._keywords = False
        #: About how many points it holds, as of the last `open`.
        self._points = 0

    def open(self, meta: CollectionMeta) -> CollectionMeta:
        """As `VectorStore.open`. Refuses a collection that Vitrine did not make."""
        stored = self.meta() or self._create(meta)
        schema.check_layout(stored, meta)
        self._create_indexes()
        self._keywords = self._has_keywords() or self._add_keywords()
        if self._keywords and stored.schema_version < PLAIN_VERSION:
            stored = replace(stored, schema_version=PLAIN_VERSION, keywords=0)
            self._write_meta(stored)
        self._meta = stored
        return stored

    def _has_keywords(self) -> bool:
        found = self._call("read", lambda client: client.get_collection(self._collection))
        return KEYWORDS in (found.config.params.sparse_vectors or {})

    def _add_keywords(self) -> bool:
        """Make the place for keywords in a collection of schema version 1; False if the server is too old
        to change collections so, which leaves the collection as it is, searched without keywords."""
        sparse = models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF))
        try:
            self._call(
                "upgraded", lambda client: client.create_vector_name(self._collection, KEYWORDS, sparse)
            )
        except StoreUnavailable as error:
            # Another process may have been quicker.
            if not self._has_keywords():
                log.warning("keywords are left out", collection=self._collection, reason=error.message)
                return False
        return True

    def meta(self) -> CollectionMeta | None:
        data = self._stored_meta()
        return None if data is None else schema.decode_meta(data, f"the collection {self._collection!r}")

    def _stored_meta(self) -> Any:
        if not self._call("read", lambda client: client.collection_exists(self._collection)):
            return None
        found = self._call("read", lambda client: client.get_collection(self._collection))
        data = (found.config.metadata or {}).get(_META)
        if data is None:
            raise StoreUnavailable(
                f"The collection {self._collection!r} on the Qdrant server was not made by Vitrine.",
                mend="Set VITRINE_COLLECTION to another name. Nothing was changed.",
                field="collection",
            )
        return data

    def _create(self, meta: CollectionMeta) -> CollectionMeta:
        data = {_META: schema.encode_meta(meta)}
        settings = self._settings
        try:
            self._call(
                "created",
                lambda client: client.create_collection(
                    self._collection,
                    vectors_config=vectors_config(meta, self._profile),
                    sparse_vectors_config={KEYWORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                    hnsw_config=models.HnswConfigDiff(m=schema.HNSW_M, ef_construct=schema.HNSW_EF_CONSTRUCT),
                    shard_number=settings.shard_number,
                    replication_factor=settings.replication_factor,
                    write_consistency_factor=settings.write_consistency,
                    metadata=data,
                ),
            )
        except StoreUnavailable:
            # Another process, or an attempt of ours whose answer was lost, may have made it.
            if (stored := self.meta()) is not None:
                return stored
            raise
        found = self._call("read", lambda client: client.get_collection(self._collection))
        if _META not in (found.config.metadata or {}):
            self._call("removed", lambda client: client.delete_collection(self._collection))
            raise StoreUnavailable(
                "The Qdrant server does not keep metadata of collections.",
                mend="Upgrade it to Qdrant 1.16 or newer.",
                field="qdrant_url",
            )
        return meta

    def _create_indexes(self) -> None:
        found = self._call("read", lambda client: client.get_collection(self._collection))
        self._points = found.points_count or 0
        for key, index in payload_indexes().items():
            if key not in found.payload_schema:
                self._call("indexed", partial(_create_index, self._collection, key, index))

    def save_meta(self, meta: CollectionMeta) -> None:
        stored = checks.check_open(self._meta, self._collection)
        checks.check_same_layout(stored, meta)
        self._write_meta(meta)
        self._meta = meta

    def _write_meta(self, meta: CollectionMeta) -> None:
        data = {_META: schema.encode_meta(meta)}
        self._call("written", lambda client: client.update_collection(self._collection, metadata=data))

    def upsert(self, points: Sequence[Point]) -> None:
        """As `VectorStore.upsert`: waits until `write_consistency` replicas have the points on disk."""
        meta = checks.check_open(self._meta, self._collection)
        checked = list(checks.check_points(points, meta.dim).items())
        for start in range(0, len(checked), _BATCH):
            batch = [
                to_engine(uid, point, keywords=self._keywords, patches=meta.patches)
                for uid, point in checked[start : start + _BATCH]
            ]
            self._call("written", partial(_upsert, self._collection, batch))

    def delete(self, ids: Sequence[str]) -> int:
        checks.check_open(self._meta, self._collection)
        there = [str(record.id) for record in self._retrieve(ids)]
        for start in range(0, len(there), _IDS_BATCH):
            selector = models.PointIdsList(points=list(there[start : start + _IDS_BATCH]))
            self._call("written", partial(_delete, self._collection, selector))
        return len(there)

    def fetch(self, ids: Sequence[str], *, vectors: bool = False, patches: bool = False) -> list[Point]:
        meta = checks.check_open(self._meta, self._collection)
        records = self._retrieve(ids, True, self._wanted(meta, vectors, patches))
        found = {point.id: point for point in map(from_engine, records)}
        return [found[product] for product in ids if product in found]

    def _wanted(self, meta: CollectionMeta, vectors: bool, patches: bool) -> bool | list[str]:
        return wanted(vectors=vectors, patches=patches and meta.patches, keywords=self._keywords)

    def _retrieve(
        self, ids: Sequence[str], payload: bool = False, vectors: bool | list[str] = False
    ) -> list[models.Record]:
        uids = list(dict.fromkeys(schema.point_id(product) for product in ids))
        records = []
        for start in range(0, len(uids), _IDS_BATCH):
            part = uids[start : start + _IDS_BATCH]
            records += self._call("read", partial(_retrieve, self._collection, part, payload, vectors))
        return records

    def search_many(
        self, searches: Sequence[Search], limit: int, *, filter: Filter | None = None
    ) -> list[list[Hit]]:
        meta = checks.check_open(self._meta, self._collection)
        asked = [checks.check_search(search, meta.dim) for search in searches]
        params = search_params(checks.check_limit(limit), filter, self._profile, self._points)
        condition = compile_filter(filter, DIALECT)
        requests = [
            models.QueryRequest(
                query=nearest(search),
                using=search.name,
                limit=limit,
                filter=condition,
                with_payload=[schema.ID_KEY],
                params=None if search.name == KEYWORDS else params,
            )
            for search in asked
            if self._finds(search)
        ]
        found = iter(self._hits(requests, meta.distance))
        return [next(found) if self._finds(search) else [] for search in asked]

    def _finds(self, search: Search) -> bool:
        return not search.empty and (self._keywords or search.name != KEYWORDS)

    def search_patches(self, tokens: Vector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        meta = checks.check_open(self._meta, self._collection)
        query = checks.check_tokens(tokens, meta.dim, "The query").tolist()
        request = models.QueryRequest(
            query=query,
            using=PATCHES,
            limit=checks.check_limit(limit),
            filter=compile_filter(filter, DIALECT),
            with_payload=[schema.ID_KEY],
            params=models.SearchParams(exact=True),
        )
        return self._hits([request], meta.distance)[0] if meta.patches else []

    def _hits(self, requests: list[models.QueryRequest], distance: Distance) -> list[list[Hit]]:
        """What each request finds; `distance` is that of the collection."""
        if not requests:
            return []
        found = self._call(
            "searched", lambda client: client.query_batch_points(self._collection, requests=requests)
        )
        return [
            [to_hit(hit, distance if request.using in VECTORS else "cosine") for hit in answer.points]
            for request, answer in zip(requests, found, strict=True)
        ]

    def set_keywords(self, keywords: Mapping[str, SparseVector]) -> None:
        checks.check_open(self._meta, self._collection)
        checked = {
            schema.point_id(product): checks.check_sparse(vector, f"The keywords of product {product!r}")
            for product, vector in keywords.items()
            if vector.indices
        }
        if not self._keywords:
            return
        there = [str(record.id) for record in self._retrieve(list(keywords))]
        changes = [
            models.PointVectors(id=uid, vector={KEYWORDS: to_sparse(checked[uid])})
            for uid in there
            if uid in checked
        ]
        for start in range(0, len(changes), _IDS_BATCH):
            self._call(
                "written", partial(_update_vectors, self._collection, changes[start : start + _IDS_BATCH])
            )

    def count(self, filter: Filter | None = None) -> int:
        checks.check_open(self._meta, self._collection)
        compiled = compile_filter(filter, DIALECT)
        found = self._call(
            "read", lambda client: client.count(self._collection, count_filter=compiled, exact=True)
        )
        return int(found.count)

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
        meta = checks.check_open(self._meta, self._collection)
        checks.check_limit(limit)
        offset = checks.check_cursor(cursor)
        compiled = compile_filter(filter, DIALECT)
        payload = True if keys is None else [schema.ID_KEY, *map(schema.json_path, keys)]
        named = self._wanted(meta, vectors, patches)
        records, following = self._call(
            "read",
            lambda client: client.scroll(
                self._collection,
                limit=limit,
                offset=offset,
                scroll_filter=compiled,
                with_payload=payload,
                with_vectors=named,
            ),
        )
        return [from_engine(record) for record in records], None if following is None else str(following)

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        checks.check_open(self._meta, self._collection)
        checks.check_limit(limit)
        if key not in schema.FACET_KEYS:
            schema.json_path(key)
            return count_by_scan(self, key, limit, filter)
        compiled = compile_filter(filter, DIALECT)
        found = self._call(
            "counted",
            lambda client: client.facet(
                self._collection, key=key, facet_filter=compiled, limit=limit, exact=True
            ),
        )
        return rank(Counter({str(hit.value): hit.count for hit in found.hits}), limit)

    def optimize(self) -> None:
        """Ask for what the profile needs, if the collection has something else; the server builds that, and
        its graphs, in the background."""
        checks.check_open(self._meta, self._collection)
        found = self._call("read", lambda client: client.get_collection(self._collection))
        vectors = cast(dict[str, models.VectorParams], found.config.params.vectors)
        compressed = quantization(self._profile)
        if all(vectors[name].quantization_config == compressed for name in VECTORS):
            return
        change = models.VectorParamsDiff(
            quantization_config=compressed or models.Disabled.DISABLED, on_disk=self._profile.quantized
        )
        self._call(
            "changed",
            lambda client: client.update_collection(
                self._collection, vectors_config=dict.fromkeys(VECTORS, change)
            ),
        )

    def drop(self) -> None:
        if self._stored_meta() is not None:
            self._call("dropped", lambda client: client.delete_collection(self._collection))
        self._meta = None

    def close(self) -> None:
        self._meta = None
        self._connection.close()


def _create_index(collection: str, key: str, index: Any, client: QdrantClient) -> None:
    client.create_payload_index(collection, field_name=key, field_schema=index, wait=True)


def _upsert(collection: str, points: list[models.PointStruct], client: QdrantClient) -> None:
    client.upsert(collection, points=points, wait=True)


def _update_vectors(collection: str, changes: list[models.PointVectors], client: QdrantClient) -> None:
    client.update_vectors(collection, points=changes, wait=True)


def _delete(collection: str, selector: models.PointIdsList, client: QdrantClient) -> None:
    client.delete(collection, points_selector=selector, wait=True)


def _retrieve(
    collection: str, uids: list[str], payload: bool, vectors: bool | list[str], client: QdrantClient
) -> list[models.Record]:
    return client.retrieve(collection, ids=uids, with_payload=payload, with_vectors=vectors)
