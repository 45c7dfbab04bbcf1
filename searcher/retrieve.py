"""Candidates: whatever any part of the query finds in any field, with all similarities computed exactly.

The store's searches are approximate and each sees one part and one field; they only nominate. What
counts is computed here from the stored vectors themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searcher.lexical import KeywordScores
from searcher.statistics import Statistics
from searcher.vectors import VectorTable
from services.measures import Measure, comparable, mean, similarity
from services.store.base import KEYWORDS, VECTORS, Filter, Search, SparseVector, Vector, VectorStore
from services.traces import span

#: How deep the first tier searches: among few products a part finds what counts among its first ones, among
#: many it takes more. What either gives of the first page of 1,000 candidates is in docs/speed.md.
_FEW, _DEPTH_OF_FEW, _DEPTH = 25_000, 128, 200


def depth_among(products: int) -> int:
    """Candidates that every search of the first tier asks for, in a collection of so many products."""
    return _DEPTH_OF_FEW if products <= _FEW else _DEPTH


@dataclass(frozen=True)
class PartVector:
    """An encoded query part: vector float32 [d], modality "text" or "image", user weight, and the
    keywords of words that were typed."""

    vector: Vector
    modality: str
    weight: float
    keywords: SparseVector | None = None


@dataclass(frozen=True)
class Candidates:
    """`ids` [c] with `similarities` float32 [c, p, f] in order of `FIELDS`: raw ones and, by keywords,
    `services.keywords.similarity`; NaN where a product lacks the field or shares no token, which `mask`
    bool [c, p, f] says too; `vectors` float32 [c, v, d] in order of `VECTORS`, zero where it lacks one.
    `exhausted` says that no search had more to give."""

    ids: list[str]
    similarities: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    exhausted: bool
    vectors: Vector


def tiers(
    store: VectorStore,
    table: VectorTable,
    statistics: Statistics,
    parts: Sequence[PartVector],
    filter: Filter | None,
    *,
    depth: int,
    window: int,
    composed: Vector | None = None,
    measure: Measure = "cosine",
) -> Iterator[Candidates]:
    """Candidates in tiers, each searched twice as deep as the one before and without its products.

    The first tier is the union of the `depth` best of every search; further ones are only computed if a
    page reaches beyond it. Tiers do not depend on the page asked for, so ranking tier after tier gives
    pages that neither repeat nor skip a product. Ends when searches are exhausted or as deep as
    `window`, at which point at least `window` products were found if so many match. `composed`, float32
    [f, d], is what the fusion itself would search each field with; `measure` is that of the collection.
    """
    searches = [
        Search(field, query)
        for directions in _directions(parts, composed, measure)
        for field, query in zip(VECTORS, directions, strict=True)
    ]
    searches += [
        Search(KEYWORDS, part.keywords) for part in parts if part.weight > 0 and part.keywords is not None
    ]
    keywords = KeywordScores([part.keywords for part in parts], statistics)
    seen: set[str] = set()
    while True:
        with span("store search", searches=len(searches), depth=depth):
            found = [[hit.id for hit in hits] for hits in store.search_many(searches, depth, filter=filter)]
        exhausted = all(len(ids) < depth for ids in found)
        # A dict keeps the order of nomination, so that equal runs see equal matrices.
        fresh = [one for one in dict.fromkeys(one for ids in found for one in ids) if one not in seen]
        last = exhausted or depth >= window
        if fresh or last:
            yield compare(table, keywords, parts, fresh, exhausted=exhausted, measure=measure)
        if last:
            return
        seen.update(fresh)
        depth = min(2 * depth, window)


def compare(
    table: VectorTable,
    keywords: KeywordScores,
    parts: Sequence[PartVector],
    ids: Sequence[str],
    *,
    exhausted: bool = True,
    measure: Measure = "cosine",
) -> Candidates:
    """All similarities between the parts and the stored vectors and keywords of these products."""
    queries = comparable(np.stack([part.vector for part in parts]), measure)
    found, vectors, present, words = table.read(ids)
    # Double precision, then rounded: rows of equal vectors get equal similarities wherever they stand in the
    # matrix, so that ties stay ties and are broken by id.
    alike = np.round(similarity(queries, vectors, measure, unit=True), 7)
    dense = np.where(present[:, :, None], alike, np.nan).transpose(0, 2, 1).astype(np.float32)
    similarities = np.concatenate([dense, keywords.scores(words)[:, :, None]], axis=2)
    return Candidates(found, similarities, ~np.isnan(similarities), exhausted, vectors)


def _directions(parts: Sequence[PartVector], composed: Vector | None, measure: Measure) -> list[list[Vector]]:
    """What to search the fields with, a vector float32 [d] for each of `VECTORS` at a time.

    Several parts together nominate by their mean and, where the fusion has a view of its own, by that one;
    searches with the parts alone then find hardly anything that counts in the end. Where it has none, they
    nominate too. With unwanted parts all of that is also asked with these taken off, in full and by half,
    lest the candidates are those that the unwanted parts then push down. Measured on 100,000 jittered
    products, share of the first ten of 1,000 candidates that 200 still give: text and photo 0.998, with an
    unwanted text 0.90 (0.81 without that), one text less another 0.97 (0.86).
    """
    wanted = [part for part in parts if part.weight > 0]
    unwanted = [part for part in parts if part.weight < 0]
    queries = [part.vector for part in wanted] if composed is None else []
    if len(wanted) > 1:
        together = mean([part.vector for part in wanted], [part.weight for part in wanted], measure)
        if together is not None:
            queries.append(together)
    directions = [[query] * len(VECTORS) for query in queries]
    if composed is not None:
        directions.append(list(composed))
    pushed = [
        _taken_off(own, wanted, unwanted, share, measure)
        for own in directions
        for share in (1.0, 0.5)
        if unwanted
    ]
    return directions + [own for own in pushed if own is not None]


def _taken_off(
    directions: Sequence[Vector],
    wanted: Sequence[PartVector],
    unwanted: Sequence[PartVector],
    share: float,
    measure: Measure,
) -> list[Vector] | None:
    """The directions away from that share of the unwanted parts; None if nothing of one is left."""
    most = max(part.weight for part in wanted)
    vectors = [part.vector for part in unwanted]
    weights = [share * part.weight / most for part in unwanted]
    pushed = [mean([one, *vectors], [1.0, *weights], measure) for one in directions]
    left = [one for one in pushed if one is not None]
    return left if len(left) == len(pushed) else None
