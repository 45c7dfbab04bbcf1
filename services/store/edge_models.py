"""Vitrine's own types as those of the embedded engine, and back: what a collection is created with, points,
conditions, hits."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, cast

import qdrant_edge as engine

from services.store import schema
from services.store.base import (
    KEYWORDS,
    PATCHES,
    VECTORS,
    CollectionMeta,
    Distance,
    Filter,
    Point,
    Range,
    Search,
    SparseVector,
    Vector,
)
from services.store.profiles import SearchProfile
from services.store.records import from_payload, to_payload

Condition = engine.FieldCondition | engine.HasIdCondition | engine.Filter

_DISTANCES: dict[Distance, engine.Distance] = {
    "cosine": engine.Distance.Cosine,
    "euclid": engine.Distance.Euclid,
    "dot": engine.Distance.Dot,
}


def config(meta: CollectionMeta, profile: SearchProfile, *, new: bool = False) -> engine.EdgeConfig:
    """What a collection is created (`new`) or loaded with."""
    vectors = {
        name: engine.EdgeVectorParams(
            size=meta.dim,
            distance=_DISTANCES[meta.distance],
            quantization_config=_quantization(profile),
            # Beside compressed ones, those of full size are only read to score what was found.
            memory=engine.Memory.Cold if profile.quantized else None,
        )
        for name in VECTORS
    }
    if meta.patches:
        vectors[PATCHES] = _patches(meta.dim)
    return engine.EdgeConfig(
        vectors=vectors,
        # A collection of schema version 1 has none until it is upgraded, and the engine keeps what it finds.
        sparse_vectors={KEYWORDS: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)}
        if new
        else None,
        hnsw_config=engine.HnswIndexConfig(
            m=schema.HNSW_M,
            ef_construct=schema.HNSW_EF_CONSTRUCT,
            full_scan_threshold=schema.INDEXING_THRESHOLD_KB,
        ),
        optimizers=engine.EdgeOptimizersConfig(indexing_threshold=schema.INDEXING_THRESHOLD_KB),
    )


def _quantization(
    profile: SearchProfile,
) -> engine.ScalarQuantizationConfig | engine.TurboQuantQuantizationConfig | None:
    pinned = engine.Memory.Pinned
    if profile.bits == 8:
        return engine.ScalarQuantizationConfig(
            engine.ScalarType.Int8, quantile=schema.QUANTILE, memory=pinned
        )
    if profile.bits == 4:
        return engine.TurboQuantQuantizationConfig(bits=engine.TurboQuantBitSize.Bits4, memory=pinned)
    return None


def _patches(dim: int) -> engine.EdgeVectorParams:
    # They only score what other searches found, so they need no graph, less precision and no memory.
    return engine.EdgeVectorParams(
        size=dim,
        distance=engine.Distance.Cosine,
        datatype=engine.VectorStorageDatatype.Float16,
        memory=engine.Memory.Cold,
        multivector_config=engine.MultiVectorConfig(engine.MultiVectorComparator.MaxSim),
        hnsw_config=engine.HnswIndexConfig(
            m=0,
            ef_construct=schema.HNSW_EF_CONSTRUCT,
            full_scan_threshold=schema.INDEXING_THRESHOLD_KB,
        ),
    )


def index_operations(skip: Any = ()) -> Iterator[engine.UpdateOperation]:
    # No links in the graph along payload values: ACORN finds what they would, and building stays quick.
    for key in schema.KEYWORD_KEYS:
        if key not in skip:
            index = engine.KeywordIndexParams(enable_hnsw=False)
            yield engine.UpdateOperation.create_field_index(key, index)
    for key in schema.FLOAT_KEYS:
        if key not in skip:
            yield engine.UpdateOperation.create_field_index(key, engine.FloatIndexParams(enable_hnsw=False))


def search_params(
    limit: int, filter: Filter | None, profile: SearchProfile, points: int
) -> engine.SearchParams:
    """How to look for `limit` of about as many `points`."""
    rescored = engine.QuantizationSearchParams(rescore=True, oversampling=profile.oversampling)
    return engine.SearchParams(
        hnsw_ef=schema.search_ef(limit, points),
        exact=profile.exact,
        quantization=rescored if profile.quantized else None,
        acorn=engine.AcornSearchParams(enable=filter is not None, max_selectivity=1.0),
    )


def floats(vector: Vector) -> list[float]:
    # The engine reads any sequence of floats; from an array of C floats it does so twice as fast as
    # from a list and three times as fast as from numpy.
    return cast(list[float], array("f", vector.tobytes()))


def rows(vectors: Vector) -> list[list[float]]:
    return [floats(vector) for vector in vectors]


def to_engine(uid: str, point: Point, *, patches: bool) -> engine.Point:
    """A checked point; `patches` says whether the collection has a place for them."""
    vectors: dict[str, Any] = {name: floats(vector) for name, vector in point.vectors.items()}
    if point.keywords is not None:
        vectors[KEYWORDS] = to_sparse(point.keywords)
    if patches and point.patches is not None:
        vectors[PATCHES] = rows(point.patches)
    return engine.Point(uid, vectors, to_payload(point))


def nearest(search: Search) -> engine.Query:
    """The query of a checked search."""
    name, query = search
    return engine.Query.Nearest(
        to_sparse(query) if isinstance(query, SparseVector) else floats(query), using=name
    )


def to_sparse(vector: SparseVector) -> engine.SparseVector:
    return engine.SparseVector(list(vector.indices), list(vector.values))


def from_engine(record: engine.Record) -> Point:
    return from_payload(record.payload, record.vector)


class _EdgeDialect:
    def texts(self, path: str, values: Sequence[str]) -> Condition:
        return engine.FieldCondition(path, match=engine.MatchAny(list(values)))

    def interval(self, path: str, bounds: Range) -> Condition:
        span = engine.RangeFloat(gte=bounds.gte, gt=bounds.gt, lte=bounds.lte, lt=bounds.lt)
        return engine.FieldCondition(path, range=span)

    def point_ids(self, ids: Sequence[str]) -> Condition:
        return engine.HasIdCondition(set(ids))

    def any_of(self, conditions: Sequence[Condition]) -> Condition:
        return engine.Filter(should=list(conditions))

    def combine(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> engine.Filter:
        return engine.Filter(must=list(must), must_not=list(must_not))


DIALECT = _EdgeDialect()
