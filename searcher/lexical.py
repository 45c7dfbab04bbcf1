"""What candidates score by the keywords of a query's words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from searcher.statistics import Statistics
from searcher.vectors import Keywords
from services.keywords import similarity, words_of
from services.store.base import SparseVector


class KeywordScores:
    """The keywords of each part of one query (None: it has none) against those of products."""

    def __init__(self, queries: Sequence[SparseVector | None], statistics: Statistics) -> None:
        self._queries = queries
        self._statistics = statistics

    def scores(self, stored: Sequence[Keywords]) -> npt.NDArray[np.float32]:
        """`services.keywords.similarity` float32 [c, p] of products with these keywords, NaN where part and
        product share no token.

        BM25 is computed here, from stored values and the store's own weights of tokens: asking the store for
        the scores of named products takes many times as long.
        """
        found = np.full((len(stored), len(self._queries)), np.nan, dtype=np.float64)
        if not stored or all(query is None for query in self._queries):
            return found.astype(np.float32)
        tokens = np.concatenate([indices for indices, _ in stored])
        values = np.concatenate([values for _, values in stored])
        rows = np.repeat(np.arange(len(stored)), [len(indices) for indices, _ in stored])
        for part, query in enumerate(self._queries):
            if query is None:
                continue
            idf = self._statistics.idf(query.indices)
            weights = dict(zip(query.indices, query.values, strict=True))
            own = np.array([weights[token] * idf[token] for token in sorted(weights)])
            asked = np.array(sorted(weights), dtype=np.uint32)
            at = np.minimum(np.searchsorted(asked, tokens), len(asked) - 1)
            there = asked[at] == tokens
            gains, shared = own[at[there]] * values[there], rows[there]
            bm25 = np.bincount(shared, gains, minlength=len(stored))
            shares = np.bincount(shared, minlength=len(stored)) > 0
            mass = sum(idf[word] for word in words_of(query))
            found[:, part] = similarity(np.where(shares, bm25, np.nan), mass)
        # Rounded, so that products with the same words tie, in whatever order their tokens were added up.
        return np.round(found, 5).astype(np.float32)
