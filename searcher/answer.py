"""What the engine answers with: hits, their reasons, and the query as it was understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from searcher.query import Kind
from services.catalogue.product import Product
from services.encoder.base import Vectors
from services.encoder.regions import Box


@dataclass(frozen=True)
class HitWeight:
    """What one query part had to say about one field of a hit: its weight (negative parts: <= 0) and the
    raw similarity in the collection's measure, or for keywords `services.keywords.similarity`."""

    part: int
    label: str
    field: str
    weight: float
    similarity: float


@dataclass(frozen=True)
class HeatMap:
    """Where in a picture something is seen. `part` is the query part it belongs to; `words` what is looked
    for, "" for what a picture shows; `of` whose picture it lies over, the hit's ("product") or the part's
    ("query"). `grid` is float32 [rows, columns], cosines stretched to 0..1 from `low` to `high`."""

    part: int
    words: str
    of: Literal["product", "query"]
    grid: Vectors
    low: float
    high: float


@dataclass(frozen=True)
class StoredProduct:
    """A product as stored: the record, where its picture is, and the hash of all it was made from."""

    product: Product
    source: str | None
    hash: str


@dataclass(frozen=True)
class ScoredHit:
    """A found product; the score is comparable within one answer only."""

    product: Product
    source: str | None
    score: float
    weights: list[HitWeight]
    maps: tuple[HeatMap, ...] = ()


@dataclass(frozen=True)
class AnsweredPart:
    """A part of the query as it was understood."""

    index: int
    kind: Kind
    label: str
    weight: float
    box: Box | None = None


@dataclass(frozen=True)
class Answer:
    """One page of hits. `total` says how many results can be paged through, at most the window; `took`
    milliseconds by stage: encode, retrieve, fuse, total."""

    hits: list[ScoredHit]
    parts: list[AnsweredPart]
    total: int
    limit: int
    offset: int
    fusion: str
    took: dict[str, float]
    explained: bool = False
