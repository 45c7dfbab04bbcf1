"""Vitrine's own types as those of qdrant-client, and back: what a collection is created with, points,
conditions, hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from qdrant_client import models

from services.store import schema
from services.store.base import (
    KEYWORDS,
    PATCHES,
    VECTORS,
    CollectionMeta,
    Distance,
    Filter,
    Hit,
    Point,
    Range,
    Search,
    SparseVector,
)
from services.store.profiles import SearchProfile
from services.store.records import from_payload, score_of, to_payload

Condition = models.FieldCondition | models.HasIdCondition | models.Filter

_DISTANCES: dict[Distance, models.Distance] = {
    "cosine": models.Distance.COSINE,
    "euclid": models.Distance.EUCLID,
    "dot": models.Distance.DOT,
}


def quantization(
    profile: SearchProfile,
) -> models.ScalarQuantization | models.TurboQuantization | None:
    """How vectors are compressed; those of full size then stay on disk, see `vectors_config`."""
    if profile.bits == 8:
        scalar = models.ScalarQuantizationConfig(
            type=models.ScalarType.INT8, quantile=schema.QUANTILE, always_ram=True
        )
        return models.ScalarQuantization(scalar=scalar)
    if profile.bits == 4:
        turbo = models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS4, always_ram=True)
        return models.TurboQuantization(turbo=turbo)
    return None


def vectors_config(meta: CollectionMeta, profile: SearchProfile) -> dict[str, models.VectorParams]:
    """Dense vectors and, if there are any, patches: those only score what other searches found, so they need
    no graph, less precision and no memory."""
    distance = _DISTANCES[meta.distance]
    vectors = {
        name: models.VectorParams(
            size=meta.dim,
            distance=distance,
            quantization_config=quantization(profile),
            on_disk=True if profile.quantized else None,
        )
        for name in VECTORS
    }
    if meta.patches:
        vectors[PATCHES] = models.VectorParams(
            size=meta.dim,
            distance=models.Distance.COSINE,
            datatype=models.Datatype.FLOAT16,
            on_disk=True,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            hnsw_config=models.HnswConfigDiff(m=0),
        )
    return vectors


def payload_indexes() -> dict[str, models.KeywordIndexParams | models.FloatIndexParams]:
    # No links in the graph along payload values: ACORN finds what they would, and building stays quick.
    indexes: dict[str, models.KeywordIndexParams | models.FloatIndexParams] = {}
    for key in schema.KEYWORD_KEYS:
        indexes[key] = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=False)
    for key in schema.FLOAT_KEYS:
        indexes[key] = models.FloatIndexParams(type=models.FloatIndexType.FLOAT, enable_hnsw=False)
    return indexes


def search_params(
    limit: int, filter: Filter | None, profile: SearchProfile, points: int
) -> models.SearchParams:
    """How to look for `limit` of about as many `points`."""
    rescored = models.QuantizationSearchParams(rescore=True, oversampling=profile.oversampling)
    return models.SearchParams(
        hnsw_ef=schema.search_ef(limit, points),
        exact=profile.exact,
        quantization=rescored if profile.quantized else None,
        acorn=models.AcornSearchParams(enable=filter is not None, max_selectivity=1.0),
    )


def nearest(search: Search) -> list[float] | models.SparseVector:
    """The query of a checked search."""
    return to_sparse(search.query) if isinstance(search.query, SparseVector) else search.query.tolist()


def to_sparse(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def to_engine(uid: str, point: Point, *, keywords: bool, patches: bool) -> models.PointStruct:
    """A checked point; `keywords` and `patches` say whether the collection has a place for them."""
    vectors: dict[str, Any] = {name: vector.tolist() for name, vector in point.vectors.items()}
    if keywords and point.keywords is not None:
        vectors[KEYWORDS] = to_sparse(point.keywords)
    if patches and point.patches is not None:
        vectors[PATCHES] = point.patches.tolist()
    return models.PointStruct(id=uid, vector=vectors, payload=to_payload(point))


def from_engine(record: models.Record) -> Point:
    return from_payload(record.payload, record.vector)


def to_hit(hit: models.ScoredPoint, distance: Distance) -> Hit:
    """`distance` is that of the vector searched by."""
    return Hit(cast(dict[str, str], hit.payload)[schema.ID_KEY], score_of(hit.score, distance))


class _ServerDialect:
    def texts(self, path: str, values: Sequence[str]) -> Condition:
        return models.FieldCondition(key=path, match=models.MatchAny(any=list(values)))

    def interval(self, path: str, bounds: Range) -> Condition:
        span = models.Range(gte=bounds.gte, gt=bounds.gt, lte=bounds.lte, lt=bounds.lt)
        return models.FieldCondition(key=path, range=span)

    def point_ids(self, ids: Sequence[str]) -> Condition:
        return models.HasIdCondition(has_id=list(ids))

    def any_of(self, conditions: Sequence[Condition]) -> Condition:
        return models.Filter(should=list(conditions))

    def combine(self, must: Sequence[Condition], must_not: Sequence[Condition]) -> models.Filter:
        return models.Filter(must=list(must), must_not=list(must_not))


DIALECT = _ServerDialect()
