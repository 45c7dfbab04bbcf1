"""Calibration: what a similarity means for each pair of query modality and product field.

CLIP embeds pictures and words into two separate cones of one sphere (the "modality gap", Liang et
al. 2022, arXiv 2203.02053): a perfect match of a sentence with a photo may reach a cosine of 0.3
where two unrelated photos already reach 0.5. Raw cosines of different pairs therefore cannot be
compared. For each pair we keep mean and standard deviation of the similarity between query-like vectors
and fields of *other* products, in the measure of the collection, and count every similarity in standard
deviations above chance.

The worker fits the statistics from the vectors it stored; the searcher applies them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from services import measures
from services.encoder.base import Encoder
from services.keywords import query_keywords, similarity, words_of
from services.measures import Measure
from services.store.base import FIELDS, KEYWORDS, VECTORS, SparseVector, Vector, VectorStore

Floats = npt.NDArray[np.floating[Any]]

#: Modalities a query part may have, each with the stored field whose vectors resemble such parts.
LIKE = {"text": "title", "image": "image"}
MODALITIES = tuple(LIKE)

#: Fewer vectors than this say nothing reliable about a spread.
MIN_VECTORS = 16
#: More points than this no longer move the statistics.
SAMPLE = 1000
#: A narrower spread (a catalogue of copies) would blow rounding errors up into evidence. As a share of how
#: large similarities are in the measure, which for cosines is 1.
MIN_STD = 1e-3

_PHRASES = tuple(
    f"{colour} {thing}"
    for colour in ("red", "dark blue", "green", "white", "black", "striped", "wooden", "small")
    for thing in ("dress", "running shoes", "mug", "armchair", "backpack", "lamp", "shirt", "watch")
)


@dataclass(frozen=True)
class PairStats:
    """Similarities of unrelated pairs: their mean and standard deviation, and how many were measured.

    `count` 0 marks a pair that could not be measured.
    """

    mean: float = 0.0
    std: float = 1.0
    count: int = 0


_NONE = PairStats()

#: Keywords are compared by the root of a sum of -log P, and n standard deviations have a -log P of n^2 / 2:
#: this is what makes one. Where titles hardly share a word the spread is next to nothing, and a
#: single common word would outweigh every picture.
KEYWORDS_STD = math.sqrt(0.5)


@dataclass(frozen=True)
class Calibration:
    """Statistics of each (query modality, product field), of similarities in `measure`; `sample` counts the
    products behind them."""

    pairs: Mapping[tuple[str, str], PairStats]
    sample: int = 0
    measure: Measure = "cosine"

    @classmethod
    def identity(cls, measure: Measure = "cosine") -> Calibration:
        """The calibration that changes nothing, for collections too small to measure."""
        pairs = {(modality, field): PairStats() for modality in MODALITIES for field in VECTORS}
        return cls(pairs | {("text", KEYWORDS): PairStats(std=KEYWORDS_STD)}, measure=measure)

    @classmethod
    def fit(
        cls,
        image_vectors: Vector,
        title_vectors: Vector,
        *,
        image_ids: Sequence[str] | None = None,
        title_ids: Sequence[str] | None = None,
        query_texts: Vector | None = None,
        keywords: PairStats | None = None,
        measure: Measure = "cosine",
    ) -> Calibration:
        """Measure all pairs from stored vectors, float32 [n, d] and [m, d].

        `image_ids` and `title_ids` name the product of each row, so that a product is never measured
        against itself; without them row i of both belongs to product i. `query_texts` [k, d] stand in
        for text queries where fewer than 16 titles are stored. A pair with fewer than 16 vectors on
        either side gets mean 0 and the spread of the other pair on the same field, if measured, so
        that both stay on one scale, else 1. `keywords` are the statistics of `keyword_stats`.
        """
        stored = {"image": np.asarray(image_vectors), "title": np.asarray(title_vectors)}
        ids = {"image": image_ids, "title": title_ids}
        codes: dict[str, int] = {}
        owners = {field: _owners(ids[field], len(stored[field]), codes) for field in VECTORS}
        pairs: dict[tuple[str, str], PairStats] = {}
        for modality, like in LIKE.items():
            queries, query_owners = stored[like], owners[like]
            if modality == "text" and len(queries) < MIN_VECTORS and query_texts is not None:
                # Phrases belong to no product.
                queries, query_owners = query_texts, np.full(len(query_texts), -1, dtype=np.intp)
            for field in VECTORS:
                pairs[modality, field] = _measure(
                    queries, stored[field], query_owners, owners[field], measure
                )
        for (modality, field), stats in list(pairs.items()):
            if stats.count == 0:
                other = next(pairs[name, field] for name in MODALITIES if name != modality)
                pairs[modality, field] = PairStats(std=other.std if other.count else 1.0)
        pairs["text", KEYWORDS] = keywords or PairStats(std=KEYWORDS_STD)
        return cls(pairs, len(codes), measure)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready form, for `CollectionMeta.calibration`."""
        return {
            "sample": self.sample,
            "pairs": {
                f"{modality}/{field}": {"mean": stats.mean, "std": stats.std, "count": stats.count}
                for (modality, field), stats in self.pairs.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None, measure: Measure = "cosine") -> Calibration:
        """The calibration of `as_dict`, of a collection with that measure; None, or a pair that is missing or
        unusable, is the identity."""
        pairs = dict(cls.identity().pairs)
        for name, values in (data or {}).get("pairs", {}).items():
            modality, _, field = name.partition("/")
            mean, std = float(values["mean"]), float(values["std"])
            if (modality, field) in pairs and math.isfinite(mean) and math.isfinite(std) and std > 0:
                pairs[modality, field] = PairStats(mean, std, int(values.get("count", 0)))
        return cls(pairs, int((data or {}).get("sample", 0)), measure)

    @overload
    def apply(self, sim: float, modality: str, field: str) -> float: ...
    @overload
    def apply(self, sim: Floats, modality: str, field: str) -> Floats: ...
    def apply(self, sim: float | Floats, modality: str, field: str) -> float | Floats:
        """Similarities of any shape -> standard deviations above chance (NaN stays NaN)."""
        stats = self.pairs[modality, field]
        return (sim - stats.mean) / stats.std

    def statistics(
        self, modalities: Sequence[str], fields: Sequence[str] = FIELDS
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Means and standard deviations, float64 [parts, fields] each, of parts of these modalities; 0 and 1
        for a picture and keywords, which cannot be compared."""
        table = [[self.pairs.get((modality, field), _NONE) for field in fields] for modality in modalities]
        shape = (len(modalities), len(fields))
        means = np.array([[stats.mean for stats in row] for row in table], dtype=np.float64)
        stds = np.array([[stats.std for stats in row] for row in table], dtype=np.float64)
        return means.reshape(shape), stds.reshape(shape)


def sample_calibration(
    store: VectorStore, encoder: Encoder | None = None, *, sample: int = SAMPLE
) -> Calibration:
    """Measure the calibration of an opened store from up to `sample` of its products.

    Stores scroll in order of their point ids, which are hashes, so the first page is a random sample.
    With `encoder`, catalogues of pictures without titles get their text statistics from generic
    product phrases. Raises `StoreUnavailable`.
    """
    vectors: dict[str, list[Vector]] = {field: [] for field in VECTORS}
    ids: dict[str, list[str]] = {field: [] for field in VECTORS}
    titles: dict[str, str] = {}
    keywords: dict[str, SparseVector] = {}
    cursor: str | None = None
    left = sample
    while left > 0:
        points, cursor = store.scroll(limit=min(left, 256), cursor=cursor, keys=("title",), vectors=True)
        for point in points:
            titles[point.id] = str(point.payload.get("title", ""))
            if point.keywords is not None:
                keywords[point.id] = point.keywords
            for field in VECTORS:
                if (vector := point.vectors.get(field)) is not None:
                    vectors[field].append(vector)
                    ids[field].append(point.id)
        left -= len(points)
        if cursor is None or not points:
            break
    meta = store.meta()
    texts: Vector | None = None
    if (
        encoder is not None
        and encoder.sees_text
        and len(vectors["title"]) < MIN_VECTORS <= len(vectors["image"])
    ):
        texts = encoder.encode_texts(_PHRASES)
    return Calibration.fit(
        _stack(vectors["image"]),
        _stack(vectors["title"]),
        image_ids=ids["image"],
        title_ids=ids["title"],
        query_texts=texts,
        keywords=keyword_stats(titles, keywords),
        measure=meta.distance if meta is not None else "cosine",
    )


def keyword_stats(titles: Mapping[str, str], keywords: Mapping[str, SparseVector]) -> PairStats:
    """What titles are like the keywords of other products, by product id; 0 where they share no token. IDF
    is that of these products."""
    asked = {one: query for one, title in titles.items() if (query := query_keywords(title)) is not None}
    if min(len(asked), len(keywords)) < MIN_VECTORS:
        return PairStats(std=KEYWORDS_STD)
    rows = {one: row for row, one in enumerate(keywords)}
    postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for row, vector in enumerate(keywords.values()):
        for index, value in zip(vector.indices, vector.values, strict=True):
            postings[index].append((row, value))
    total = squares = 0.0
    count = 0
    for one, query in asked.items():
        scores = np.zeros(len(rows))
        idf = {}
        for index, weight in zip(query.indices, query.values, strict=True):
            found = postings.get(index, [])
            idf[index] = math.log1p((len(rows) - len(found) + 0.5) / (len(found) + 0.5))
            if found:
                where, values = np.array(found).T
                scores[where.astype(np.intp)] += weight * idf[index] * values
        if one in rows:
            scores[rows[one]] = 0.0
        alike = similarity(scores, sum(idf[index] for index in words_of(query)))
        total += float(alike.sum())
        squares += float((alike**2).sum())
        count += len(rows) - (one in rows)
    mean = total / count
    std = math.sqrt(max(squares / count - mean**2, 0.0))
    return PairStats(mean, max(std, KEYWORDS_STD), count)


def _stack(vectors: Sequence[Vector]) -> Vector:
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, 0), dtype=np.float32)


def _owners(ids: Sequence[str] | None, count: int, codes: dict[str, int]) -> npt.NDArray[np.intp]:
    names = [str(row) for row in range(count)] if ids is None else ids
    if len(names) != count:
        raise ValueError(f"{len(names)} ids for {count} vectors")
    return np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.intp)


def _measure(
    queries: Vector,
    fields: Vector,
    query_owners: npt.NDArray[np.intp],
    field_owners: npt.NDArray[np.intp],
    measure: Measure,
) -> PairStats:
    if min(len(queries), len(fields)) < MIN_VECTORS:
        return PairStats()
    # float64: a million float32 addends lose the digits that a narrow spread lives in.
    alike = measures.similarity(queries, fields, measure)[field_owners[:, None] != query_owners[None, :]]
    if len(alike) < MIN_VECTORS:
        return PairStats()
    least = MIN_STD * measures.scale(queries, fields, measure)
    # Vectors of no length at all have no spread and no scale.
    return PairStats(float(alike.mean()), max(float(alike.std()), least) or 1.0, len(alike))
