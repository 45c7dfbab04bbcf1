"""Vectors and keywords of products by id, kept in memory: reading a few hundred from a store costs more than
all the rest of a search."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.store.base import VECTORS, Point, Vector, VectorStore

Present = npt.NDArray[np.bool_]
#: Tokens uint32 [k] of a product, each once, with their stored values float32 [k].
Keywords = tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]

_FIRST_ROWS = 1024
_NO_KEYWORDS: Keywords = (np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.float32))


class Rows(NamedTuple):
    """Stored products: `ids` [n], `vectors` float32 [n, f, d] (zero where a product lacks the field) and
    `present` bool [n, f], whether it has it, fields in order of `VECTORS`; and their `keywords` [n]."""

    ids: list[str]
    vectors: Vector
    present: Present
    keywords: list[Keywords]


class VectorTable:
    """The most recently used vectors and keywords of up to `size` products; 0 keeps none. Thread-safe.

    Whoever changes products through the same process must call `forget`. Changes by other processes
    show after `seconds` (None: there are no other processes).
    """

    def __init__(self, store: VectorStore, dim: int, *, size: int, seconds: float | None = None) -> None:
        self._store = store
        self._dim = dim
        self._size = size
        self._seconds = seconds
        self._lock = threading.Lock()
        self._generation = 0
        self._clear()

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, ids: Sequence[str]) -> Rows:
        """Those of `ids` that are stored."""
        with self._lock:
            generation = self._generation
            rows = self._known(ids)
            found = rows >= 0
            if found.all():
                words = [self._keywords[row] for row in rows.tolist()]
                return Rows(list(ids), self._vectors[rows], self._present[rows], words)
            vectors = np.zeros((len(ids), len(VECTORS), self._dim), dtype=np.float32)
            present = np.zeros((len(ids), len(VECTORS)), dtype=np.bool_)
            vectors[found], present[found] = self._vectors[rows[found]], self._present[rows[found]]
            keywords = [_NO_KEYWORDS if row < 0 else self._keywords[row] for row in rows.tolist()]
        missing = [one for one, there in zip(ids, found, strict=True) if not there]
        points = self._store.fetch(missing, vectors=True)
        place_of = {one: place for place, one in enumerate(ids)}
        new = [place_of[point.id] for point in points]
        vectors[new], present[new] = stack(points, self._dim)
        words = [_keywords(point) for point in points]
        for place, own in zip(new, words, strict=True):
            keywords[place] = own
        found[new] = True
        with self._lock:
            # What was forgotten meanwhile may be what was just read.
            if generation == self._generation and len(ids) <= self._size:
                self._keep([point.id for point in points], vectors[new], present[new], words)
        if found.all():
            return Rows(list(ids), vectors, present, keywords)
        left = np.flatnonzero(found).tolist()
        return Rows([ids[row] for row in left], vectors[left], present[left], [keywords[row] for row in left])

    def forget(self, ids: Sequence[str] | None = None) -> None:
        """Read these products anew when they are next wanted (None: all of them)."""
        with self._lock:
            self._generation += 1
            if ids is None:
                self._clear()
            else:
                for one in ids:
                    if (row := self._rows.pop(one, None)) is not None:
                        self._free.append(row)

    def _clear(self) -> None:
        rows = min(self._size, _FIRST_ROWS)
        self._rows: dict[str, int] = {}
        self._names = [""] * rows
        self._free = list(range(rows))
        self._vectors = np.zeros((rows, len(VECTORS), self._dim), dtype=np.float32)
        self._present = np.zeros((rows, len(VECTORS)), dtype=np.bool_)
        self._until = np.zeros(rows)
        #: When a row was last read or written, counted in calls.
        self._used = np.zeros(rows, dtype=np.int64)
        self._calls = 0
        self._keywords = [_NO_KEYWORDS] * rows

    def _known(self, ids: Sequence[str]) -> npt.NDArray[np.intp]:
        """Rows of these products, -1 for what is to be read anew."""
        row_of = self._rows
        rows = np.array([row_of.get(one, -1) for one in ids], dtype=np.intp)
        if self._seconds is not None and len(rows) and len(self._until):
            rows[(rows >= 0) & (self._until[rows] <= time.monotonic())] = -1
        self._calls += 1
        self._used[rows[rows >= 0]] = self._calls
        return rows

    def _keep(
        self, ids: Sequence[str], vectors: Vector, present: Present, keywords: Sequence[Keywords]
    ) -> None:
        self._calls += 1
        old = [row for one in ids if (row := self._rows.get(one)) is not None]
        self._used[old] = self._calls
        self._make_room(len(ids) - len(old), spared=len(old))
        rows = []
        for one in ids:
            row = self._rows.get(one)
            if row is None:
                row = self._rows[one] = self._free.pop()
                self._names[row] = one
            rows.append(row)
        self._vectors[rows], self._present[rows] = vectors, present
        self._until[rows] = time.monotonic() + (self._seconds or 0.0)
        self._used[rows] = self._calls
        for row, own in zip(rows, keywords, strict=True):
            self._keywords[row] = own

    def _make_room(self, count: int, spared: int) -> None:
        """So many free rows: by growing, and then by those that were not used for the longest time, but for
        the `spared` last used."""
        while len(self._free) < count and len(self._present) < self._size:
            old, new = len(self._present), min(2 * len(self._present), self._size)
            self._free += range(old, new)
            self._names += [""] * (new - old)
            self._vectors = np.resize(self._vectors, (new, len(VECTORS), self._dim))
            self._present = np.resize(self._present, (new, len(VECTORS)))
            self._until, self._used = np.resize(self._until, new), np.resize(self._used, new)
            self._keywords += [_NO_KEYWORDS] * (new - old)
        if (lacking := count - len(self._free)) > 0:
            used = np.array(list(self._rows.values()), dtype=np.intp)
            # More than what is needed, so that not every search has to look for the oldest.
            most = min(max(lacking, self._size // 16), len(used) - spared)
            for row in used[np.argsort(self._used[used], kind="stable")[:most]].tolist():
                del self._rows[self._names[row]]
                self._free.append(row)


def stack(points: Sequence[Point], dim: int) -> tuple[Vector, Present]:
    """Vectors float32 [n, f, d] of points, zero where one lacks the field, and bool [n, f], whether it has
    it; fields in order of `VECTORS`."""
    vectors = np.zeros((len(points), len(VECTORS), dim), dtype=np.float32)
    present = np.zeros((len(points), len(VECTORS)), dtype=np.bool_)
    for column, field in enumerate(VECTORS):
        rows = [row for row, point in enumerate(points) if field in point.vectors]
        if rows:
            vectors[rows, column] = [points[row].vectors[field] for row in rows]
            present[rows, column] = True
    return vectors, present


def _keywords(point: Point) -> Keywords:
    if point.keywords is None:
        return _NO_KEYWORDS
    return (
        np.array(point.keywords.indices, dtype=np.uint32),
        np.array(point.keywords.values, dtype=np.float32),
    )
