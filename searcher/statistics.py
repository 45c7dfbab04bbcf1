"""What a collection says of itself: how many products it holds, and how rare its tokens are."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence

from services.store.base import SparseVector, VectorStore

#: Most tokens remembered; a shop's customers use fewer words.
_MOST = 50_000


class Statistics:
    """Numbers that every search needs and no search changes. Thread-safe.

    Whoever changes products through the same process must call `forget`. Changes by other processes show
    after `seconds` (None: there are no other processes).
    """

    def __init__(self, store: VectorStore, *, seconds: float | None = None) -> None:
        self._store = store
        self._seconds = seconds
        self._lock = threading.Lock()
        self._generation = 0
        self._count: int | None = None
        self._idf: dict[int, float] = {}
        self._until = 0.0
        self._clear()

    def count(self) -> int:
        """How many products are stored, exactly."""
        with self._lock:
            self._age()
            if self._count is not None:
                return self._count
            generation = self._generation
        count = self._store.count()
        with self._lock:
            if generation == self._generation:
                self._count = count
        return count

    def idf(self, tokens: Sequence[int]) -> dict[int, float]:
        """What the store weighs each token by in BM25, see `VectorStore.search_keywords`.

        The store does not say so itself: it is the score of a token's best product over the value stored with
        it. A token that no product has is worth most.
        """
        with self._lock:
            self._age()
            known = {token: self._idf[token] for token in tokens if token in self._idf}
            generation = self._generation
        if missing := [token for token in dict.fromkeys(tokens) if token not in known]:
            new = self._measured(missing)
            known |= new
            with self._lock:
                if generation == self._generation:
                    if len(self._idf) + len(new) > _MOST:
                        self._idf.clear()
                    self._idf |= new
        return known

    def forget(self) -> None:
        """Ask the store anew when something is next wanted."""
        with self._lock:
            self._generation += 1
            self._clear()

    def _measured(self, tokens: Sequence[int]) -> dict[int, float]:
        best = {}
        for token in tokens:
            for hit in self._store.search_keywords(SparseVector((token,), (1.0,)), 1):
                best[token] = hit
        points = self._store.fetch(list({hit.id for hit in best.values()}), vectors=True) if best else []
        stored = {
            point.id: dict(zip(point.keywords.indices, point.keywords.values, strict=True))
            for point in points
            if point.keywords is not None
        }
        unknown = math.log1p((self.count() + 0.5) / 0.5) if len(best) < len(tokens) else 0.0
        found = {}
        for token in tokens:
            value = stored.get(best[token].id, {}).get(token) if token in best else None
            # Without a value the product was changed in between; its score is near enough.
            found[token] = unknown if token not in best else best[token].score / (value or 1.0)
        return found

    def _clear(self) -> None:
        self._count = None
        self._idf = {}
        self._until = time.monotonic() + (self._seconds or 0.0)

    def _age(self) -> None:
        if self._seconds is not None and time.monotonic() >= self._until:
            self._generation += 1
            self._clear()
