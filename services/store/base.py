"""The vector store: points with named vectors and payload, searched, filtered and counted.

Two implementations keep this contract, `edge` (embedded, in-process) and `server` (a Qdrant server
or cluster); `tests/contract` runs one suite over both. A store knows vectors and payload and
nothing of CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

#: The dense named vectors of every collection, both cosine.
VECTORS = ("image", "title")
#: The sparse one, scored by BM25.
KEYWORDS = "keywords"
#: All that a query can be compared with.
FIELDS = (*VECTORS, KEYWORDS)


@dataclass(frozen=True)
class Match:
    """`key` equals any of `values` (a list field: contains any); numbers are compared by value."""

    key: str
    values: tuple[str | float | bool, ...]


@dataclass(frozen=True)
class Range:
    """`key` lies within the given bounds; None means unbounded."""

    key: str
    gte: float | None = None
    lte: float | None = None
    gt: float | None = None
    lt: float | None = None


@dataclass(frozen=True)
class Filter:
    """All of `must` hold and none of `must_not`; `ids`, if given, limits to these products."""

    must: tuple[Match | Range, ...] = ()
    must_not: tuple[Match | Range, ...] = ()
    ids: tuple[str, ...] | None = None
    not_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class SparseVector:
    """Values by token: `indices` are distinct unsigned 32-bit numbers, `values` are kept as float32."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass
class Point:
    """A stored product: `vectors` maps a name of `VECTORS` to float32 [d] (unit length); a product
    without picture or title simply lacks that name. `keywords` are those of `services.keywords`."""

    id: str
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    keywords: SparseVector | None = None


@dataclass(frozen=True)
class Hit:
    """A search result: `score` is the cosine similarity in [-1, 1], or BM25 (above 0) by keywords."""

    id: str
    score: float


@dataclass
class CollectionMeta:
    """What is kept beside the points: vector width, encoder identity, calibration statistics, and the
    version of `services.keywords` that all products have keywords of (0: none)."""

    dim: int
    encoder: dict[str, Any]
    calibration: dict[str, Any] | None = None
    keywords: int = 0
    schema_version: int = 2


class VectorStore(Protocol):
    """The store interface. Every method raises `StoreUnavailable` when the engine cannot answer.

    Product ids are free strings; implementations map them to UUIDv5 point ids.
    """

    def open(self, meta: CollectionMeta) -> CollectionMeta:
        """Open the collection, creating it if absent. Returns the stored metadata.

        A collection of schema version 1 is upgraded in place: it gets a place for keywords, and its
        products have none until they are set or written anew. Raises `EncoderMismatch` if it exists with
        another width; comparing encoder identities is the caller's business
        (`services.points.check_encoder`).
        """

    def meta(self) -> CollectionMeta | None:
        """Stored metadata, or None if the collection does not exist."""

    def save_meta(self, meta: CollectionMeta) -> None:
        """Replace the stored metadata (for new calibration statistics)."""

    def upsert(self, points: Sequence[Point]) -> None:
        """Insert or replace whole points; durable (survives kill -9) once this returns."""

    def delete(self, ids: Sequence[str]) -> int:
        """Delete by product id; returns how many were there."""

    def fetch(self, ids: Sequence[str], *, vectors: bool = False) -> list[Point]:
        """Points in the order of `ids`; those not stored are left out. `vectors`: with their vectors and
        keywords."""

    def search(self, name: str, vector: Vector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        """Nearest points by the named vector, best first (approximate: HNSW)."""

    def search_keywords(self, query: SparseVector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        """Points that share a token with the query, best first, exactly.

        The score is BM25: the sum over shared tokens of query value x stored value x IDF, with
        ln(1 + (n - df + 0.5) / (df + 0.5)) over all n points that have keywords, whatever the filter (each
        shard of a server's collection counts by itself). None for a collection that has no keywords.
        """

    def set_keywords(self, keywords: Mapping[str, SparseVector]) -> None:
        """Replace the keywords of stored points, by product id, and nothing else of them; ids that are not
        stored are passed over. Durable as `upsert` is."""

    def count(self, filter: Filter | None = None) -> int:
        """How many points match, exactly."""

    def scroll(
        self,
        *,
        limit: int = 256,
        cursor: str | None = None,
        filter: Filter | None = None,
        keys: Sequence[str] | None = None,
        vectors: bool = False,
    ) -> tuple[list[Point], str | None]:
        """One page of all matching points in a stable order, and the cursor of the next page (None: done).

        `keys` limits the payload to these keys (None: all of it).
        """

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        """Most frequent values of a payload key with their counts, most frequent first."""

    def optimize(self) -> None:
        """Build the HNSW graphs now (embedded) or do nothing (a server does so by itself)."""

    def drop(self) -> None:
        """Delete the collection and all its points."""

    def close(self) -> None:
        """Flush and let go; the store may not be used afterwards."""
