"""Late interaction: the best products ranked anew by how well the places of their pictures meet the query.

A picture's one vector says what it shows as a whole. Here each token of the query is held against the patch
of the picture that it is most like, and the best likenesses are averaged: MaxSim of ColBERT (Khattab and
Zaharia 2020, arXiv 2004.12832), over the mean of tokens instead of their sum, so that queries of different
lengths compare. The store computes it, over the multivectors that a collection keeps for it.

Tokens of a text are its words, each encoded alone; those of a picture its patches. Chosen on validation
products (420 queries of all kinds over drawn products and as many over photos; shipped encoder): words
alone did as well as words beside the whole text (recall@10 0.962, mAP 0.688 by both; 0.960 and 0.691
without re-ranking). Patches of a picture beside other parts cost mAP (0.696 to 0.689 on photos), for they
ask for all that is in it again, whatever the words said; so a picture takes part where it is all of the
query, as "more like this" is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from searcher.encode import QueryEncoder
from searcher.parts import EncodedParts
from searcher.query import Part
from services.errors import InvalidInput
from services.store.base import Filter, Vector, VectorStore

Rows = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]

#: Products that are ranked anew. Fixed, so that pages neither repeat nor skip one.
WINDOW = 100
#: Standard deviations of the score that one standard deviation of MaxSim is worth. Of 0.1, 0.2, 0.4 and 0.8
#: the best recall@10 on validation.
WEIGHT = 0.2
#: Words of one text that are looked for.
MOST_WORDS = 24

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


class LateInteraction:
    """Ranks the head of an answer anew. Thread-safe."""

    def __init__(self, queries: QueryEncoder, store: VectorStore) -> None:
        self._queries = queries
        self._store = store

    def tokens(self, parts: Sequence[Part], encoded: EncodedParts) -> list[Vector | None]:
        """Unit tokens float32 [k, d] of every part; None for one that takes no part.

        Raises `InvalidInput` if no part has any, `EncoderUnavailable` for a photo if the encoder has no
        patches.
        """
        found = [
            self._words(part.text)
            if part.text is not None
            else self._picture(part, encoded)
            if len(parts) == 1
            else None
            for part in parts
        ]
        if all(tokens is None for tokens in found):
            raise InvalidInput(
                "Nothing in the query can be looked for place by place: it has no words, and no picture "
                "of its own.",
                mend="Give words, or one picture alone, or leave rerank out.",
                field="rerank",
            )
        return found

    def _words(self, text: str) -> Vector | None:
        words = list(dict.fromkeys(_WORD.findall(text)))[:MOST_WORDS]
        return np.stack(self._queries.texts(words)) if words else None

    def _picture(self, part: Part, encoded: EncodedParts) -> Vector | None:
        if 0 in encoded.pictures:
            return self._queries.tokens(encoded.pictures[0])
        stored = self._store.fetch([str(part.product)], patches=True)
        return stored[0].patches if stored else None

    def rerank(
        self,
        order: Rows,
        scores: Doubles,
        ids: Sequence[str],
        tokens: Sequence[Vector | None],
        weights: Sequence[float],
    ) -> tuple[Rows, Doubles]:
        """Rows of `order` (best first) with its first `WINDOW` ranked anew, and the scores [c] to match.

        Score and MaxSim are both standardised over the window; parts count by their weights [p], unwanted
        ones against. A product without patches stays where its score puts it. New scores are brought back
        to the range that the window had, so that what follows it still follows.
        """
        window = order[:WINDOW]
        window = window[np.isfinite(scores[window])]
        if len(window) < 2:
            return order, scores
        filter = Filter(ids=tuple(ids[row] for row in window))
        total = float(np.abs(np.asarray(weights)).sum())
        mixed = _standardised(scores[window])
        for own, weight in zip(tokens, weights, strict=True):
            if own is not None:
                hits = self._store.search_patches(own, len(window), filter=filter)
                of = {hit.id: hit.score / len(own) for hit in hits}
                near = np.array([of.get(ids[row], np.nan) for row in window])
                mixed += WEIGHT * weight / total * _standardised(near)
        # Equal ones keep the order that they had.
        again = np.argsort(-np.round(mixed, 7), kind="stable")
        low, high = float(scores[window].min()), float(scores[window].max())
        span = float(mixed.max() - mixed.min())
        renewed = scores.copy()
        if span > 0:
            renewed[window] = low + (mixed - mixed.min()) * ((high - low) / span)
        return np.concatenate([window[again], order[len(window) :]]), renewed


def _standardised(values: Doubles) -> Doubles:
    """Values [n] in standard deviations from their mean; 0 for one that is not there (NaN)."""
    there = np.isfinite(values)
    if there.sum() < 2 or (spread := float(values[there].std())) < 1e-9:
        return np.zeros_like(values)
    return np.where(there, (values - values[there].mean()) / spread, 0.0)


def refuse_without_patches() -> InvalidInput:
    """What a collection without patches answers."""
    return InvalidInput(
        "The collection keeps no patches of its pictures, which re-ranking needs.",
        mend="Leave rerank out, or build a collection that does while this one is served: "
        "VITRINE_LATE_INTERACTION=true vitrine index CATALOGUE --switch.",
        field="rerank",
    )
