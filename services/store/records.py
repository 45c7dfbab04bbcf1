"""Between a point and what an engine keeps of it: both stores store and read the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from services.store.base import KEYWORDS, PATCHES, VECTORS, Distance, Point, SparseVector
from services.store.schema import ID_KEY, TERMS_KEY
from services.store.terms import terms


def to_payload(point: Point) -> dict[str, Any]:
    """The payload to store: the point's own with its id and its terms."""
    return point.payload | {ID_KEY: point.id, TERMS_KEY: terms(point.payload)}


def from_payload(payload: Mapping[str, Any] | None, vectors: Any) -> Point:
    """The inverse of `to_payload`, with the named vectors that the engine gave, if any."""
    kept = dict(payload or {})
    product = kept.pop(ID_KEY)
    kept.pop(TERMS_KEY, None)
    named = dict(vectors or {})
    patches = named.pop(PATCHES, None)
    sparse = named.pop(KEYWORDS, None)
    arrays = {name: np.asarray(values, dtype=np.float32) for name, values in named.items()}
    keywords = None if sparse is None else SparseVector(tuple(sparse.indices), tuple(sparse.values))
    tokens = None if patches is None else np.asarray(patches, dtype=np.float32)
    return Point(product, arrays, kept, keywords, tokens)


def wanted(*, vectors: bool, patches: bool, keywords: bool) -> bool | list[str]:
    """Names of what to read with a point, or False for nothing; `keywords`: the collection has a place for
    them. Named one by one, because True would bring patches too."""
    names = [*VECTORS, *([KEYWORDS] if keywords else [])] if vectors else []
    return names + [PATCHES] * patches or False


def score_of(given: float, distance: Distance) -> float:
    """The engine's score as that of a `Hit`; a Euclidean distance it gives as such."""
    return -abs(given) if distance == "euclid" else float(given)
