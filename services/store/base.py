"""The vector store: points with named vectors and payload, searched, filtered and counted.

Two implementations keep this contract, `edge` (embedded, in-process) and `server` (a Qdrant server
or cluster); `tests/contract` runs one suite over both. A store knows vectors and payload and
nothing of CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

#: What makes two vectors near: the angle between them, the straight line, the product.
Distance = Literal["cosine", "euclid", "dot"]
DISTANCES: tuple[Distance, ...] = get_args(Distance)

#: The dense named vectors of every collection, compared by its distance.
VECTORS = ("image", "title")
#: The sparse one, scored by BM25.
KEYWORDS = "keywords"
#: The multivector of a collection with patches, scored by MaxSim.
PATCHES = "patches"
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
    """A stored product: `vectors` maps a name of `VECTORS` to float32 [d] (by the distance cosine they come
    back at unit length); a product without picture or title simply lacks that name. `keywords` are those of
    `services.keywords`. `patches` float32 [k, d] come back at unit length and rounded to float16; a
    collection without patches leaves them out."""

    id: str
    vectors: Mapping[str, Vector] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    keywords: SparseVector | None = None
    patches: Vector | None = None


class Search(NamedTuple):
    """What to search for: a vector float32 [d] by the field of `VECTORS` called `name`, or keywords, whose
    name is `KEYWORDS`."""

    name: str
    query: Vector | SparseVector

    @property
    def empty(self) -> bool:
        """Whether it is for no token at all, which finds nothing."""
        return isinstance(self.query, SparseVector) and not self.query.indices


class Hit(NamedTuple):
    """A search result: the higher its `score`, the nearer. By a vector it is the cosine in [-1, 1], the
    product, or the Euclidean distance below 0; by keywords BM25 (above 0); by patches MaxSim."""

    id: str
    score: float


#: Layouts of what is stored; a store of a higher version than it knows is refused by every Vitrine.
#: Version 1 had no keywords. Version 3 says that a collection has what Vitrine before it would misread:
#: another distance than cosine, or patches. All others stay at version 2.
PLAIN_VERSION, SCHEMA_VERSION = 2, 3


@dataclass
class CollectionMeta:
    """What is kept beside the points: vector width, encoder identity, calibration statistics, the version of
    `services.keywords` that all products have keywords of (0: none), the distance that `VECTORS` are
    compared by, and whether there is a place for patches. Width, distance and patches are decided when a
    collection is created."""

    dim: int
    encoder: dict[str, Any]
    calibration: dict[str, Any] | None = None
    keywords: int = 0
    schema_version: int = PLAIN_VERSION
    distance: Distance = "cosine"
    patches: bool = False

    def __post_init__(self) -> None:
        if self.distance != "cosine" or self.patches:
            self.schema_version = SCHEMA_VERSION


class VectorStore(Protocol):
    """The store interface, which stores inherit from. Every method raises `StoreUnavailable` when the engine
    cannot answer.

    Product ids are free strings; implementations map them to UUIDv5 point ids.
    """

    def open(self, meta: CollectionMeta) -> CollectionMeta:
        """Open the collection, creating it if absent. Returns the stored metadata.

        A collection of schema version 1 is upgraded in place: it gets a place for keywords, and its
        products have none until they are set or written anew. Raises `EncoderMismatch` if it exists with
        another width, distance or choice of patches; comparing encoder identities is the caller's business
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

    def fetch(self, ids: Sequence[str], *, vectors: bool = False, patches: bool = False) -> list[Point]:
        """Points in the order of `ids`; those not stored are left out. `vectors`: with their vectors and
        keywords; `patches`: with their patches, which are many times as large."""

    def search(self, name: str, vector: Vector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        """Nearest points by the named vector and the distance of the collection, best first (approximate:
        HNSW)."""
        return self.search_many([Search(name, vector)], limit, filter=filter)[0]

    def search_many(
        self, searches: Sequence[Search], limit: int, *, filter: Filter | None = None
    ) -> list[list[Hit]]:
        """What `search` and `search_keywords` find for each of these, asked for at once: one round trip to a
        server, one pass over the segments of an embedded store."""

    def search_patches(self, tokens: Vector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        """Points with patches by MaxSim, best first, exactly: the sum over `tokens` float32 [q, d] of each
        one's cosine with the patch it is most like (Khattab and Zaharia 2020, arXiv 2004.12832).

        Every point that passes the filter is compared, so name the ids of a few. None for a collection
        without patches.
        """

    def search_keywords(self, query: SparseVector, limit: int, *, filter: Filter | None = None) -> list[Hit]:
        """Points that share a token with the query, best first, exactly.

        The score is BM25: the sum over shared tokens of query value x stored value x IDF, with
        ln(1 + (n - df + 0.5) / (df + 0.5)) over all n points that have keywords, whatever the filter (each
        shard of a server's collection counts by itself). None for a collection that has no keywords.
        """
        return self.search_many([Search(KEYWORDS, query)], limit, filter=filter)[0]

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
        patches: bool = False,
    ) -> tuple[list[Point], str | None]:
        """One page of all matching points in a stable order, and the cursor of the next page (None: done).

        `keys` limits the payload to these keys (None: all of it); `vectors` and `patches` as for `fetch`.
        """

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        """Most frequent values of a payload key with their counts, most frequent first."""

    def optimize(self) -> None:
        """Build the HNSW graphs now (embedded) or do nothing (a server does so by itself)."""

    def drop(self) -> None:
        """Delete the collection and all its points."""

    def close(self) -> None:
        """Flush and let go; the store may not be used afterwards."""
