"""Keywords of a query's words: who they nominate, and what candidates score by them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from services.keywords import similarity, words_of
from services.store.base import Filter, SparseVector, VectorStore


class KeywordSearch:
    """The keywords of each part of one query (None: it has none) against the products of a store.

    `scores` asks the store only for what the last nominations leave open.
    """

    def __init__(self, store: VectorStore, queries: Sequence[SparseVector | None]) -> None:
        self._store = store
        self._queries = queries
        self._known: dict[int, dict[str, float]] = {}
        self._complete: set[int] = set()
        self._masses: dict[int, float] = {}

    def nominate(self, part: int, limit: int, filter: Filter | None) -> list[str] | None:
        """The `limit` best by the keywords of a part, best first; None for one without keywords."""
        query = self._queries[part]
        if query is None:
            return None
        hits = self._store.search_keywords(query, limit, filter=filter)
        self._known[part] = {hit.id: hit.score for hit in hits}
        if len(hits) < limit:
            self._complete.add(part)
        return [hit.id for hit in hits]

    def scores(self, ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """`services.keywords.similarity` as float32 [c, p], NaN where part and product share no token.

        `ids` are products that pass the filter of the nominations, if there were any.
        """
        found = np.full((len(ids), len(self._queries)), np.nan, dtype=np.float64)
        for part, query in enumerate(self._queries):
            if query is None or not ids:
                continue
            known = self._known.get(part, {})
            if part not in self._complete and (missing := tuple(one for one in ids if one not in known)):
                hits = self._store.search_keywords(query, len(missing), filter=Filter(ids=missing))
                known = known | {hit.id: hit.score for hit in hits}
            if known:
                if part not in self._masses:
                    self._masses[part] = sum(self._idf(words_of(query)))
                bm25 = np.array([known.get(one, np.nan) for one in ids], dtype=np.float64)
                found[:, part] = similarity(bm25, self._masses[part])
        # Rounded, so that products with the same words tie, in whatever order their tokens were added up.
        return np.round(found, 5).astype(np.float32)

    def _idf(self, words: Sequence[int]) -> list[float]:
        """What each word is worth to the store, which does not say so itself: the score of its best product
        over the value stored with it. A word that no product has is worth most."""
        best = {}
        for word in words:
            for hit in self._store.search_keywords(SparseVector((word,), (1.0,)), 1):
                best[word] = hit
        points = self._store.fetch(list({hit.id for hit in best.values()}), vectors=True) if best else []
        stored = {
            point.id: dict(zip(point.keywords.indices, point.keywords.values, strict=True))
            for point in points
            if point.keywords is not None
        }
        unknown = math.log1p((self._store.count() + 0.5) / 0.5) if len(best) < len(words) else 0.0
        found = []
        for word in words:
            value = stored.get(best[word].id, {}).get(word) if word in best else None
            # Without a value the product was changed in between; its score is near enough.
            found.append(unknown if word not in best else best[word].score / (value or 1.0))
        return found
