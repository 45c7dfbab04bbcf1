"""How alike two vectors are by the measure of their collection: the higher, the nearer, for every measure.

    cosine   q . v / (|q| |v|)       the angle alone counts, what CLIP and its kin are trained for
    euclid   - |q - v|               a distance below 0, as metric learning trains it (Hadsell et al. 2006)
    dot      q . v                   a longer vector is nearer to all that lie in its half of the space

With unit vectors all three give one order, since |q - v|^2 = 2 - 2 q . v. A store searches by the same
measures (`services.store.base.Distance`); here they are computed exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from services.store.base import DISTANCES, Distance, Vector

Measure = Distance
MEASURES = DISTANCES

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)

#: A shorter mean of unit vectors has no direction to speak of.
_LEAST_LENGTH = 1e-6


def similarity(queries: Floats, vectors: Floats, measure: Measure, *, unit: bool = False) -> Doubles:
    """Similarities float64 [..., p] of vectors [..., d] with queries [p, d]. A vector of no length has the
    cosine 0 with all. `unit`: those compared by cosine are of unit length, as a store gives them back."""
    asked, held = np.asarray(queries, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
    if measure == "cosine" and not unit:
        asked, held = normalised(asked), normalised(held)
    products: Doubles = held @ asked.T
    if measure != "euclid":
        return products
    squares = (held**2).sum(axis=-1)[..., None] + (asked**2).sum(axis=-1) - 2 * products
    distances: Doubles = np.sqrt(np.maximum(squares, 0.0))
    return -distances


def normalised(vectors: npt.NDArray[Real]) -> npt.NDArray[Real]:
    """The vectors at unit length, along the last axis; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: npt.NDArray[Real] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def comparable(vectors: Vector, measure: Measure) -> Vector:
    """Vectors float32 [..., d] as a store gives them back: by cosine at unit length."""
    # Not by np.allclose, which takes as long as a search of the store.
    if measure != "cosine" or (np.abs(np.linalg.norm(vectors, axis=-1) - 1) <= 1e-6).all():
        return vectors
    return normalised(vectors.astype(np.float64)).astype(np.float32)


def mean(vectors: Sequence[Vector] | Floats, weights: Sequence[float], measure: Measure) -> Vector | None:
    """The one vector float32 [d] that what is near to all of `vectors` [p, d] is near to, each counting by
    its weight; None if they cancel out.

    By cosine it is the direction of the weighted sum of their directions, by dot product and distance their
    weighted mean, whose product is the mean of theirs, and about which squared distances to all of them are
    least. Unwanted vectors (weights below 0) push it away.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    shares = np.asarray(weights, dtype=np.float64)
    shares = shares / np.maximum(shares, 0.0).sum()
    if measure != "cosine":
        return np.asarray(shares @ rows, dtype=np.float32)
    total = shares @ normalised(rows)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length, dtype=np.float32) if length > _LEAST_LENGTH else None


def scale(queries: Floats, vectors: Floats, measure: Measure) -> float:
    """About how large the measure's values can be for vectors of these lengths: 1 for cosines."""
    if measure == "cosine":
        return 1.0
    one, other = (
        float((np.asarray(rows, dtype=np.float64) ** 2).sum(axis=-1).mean()) for rows in (queries, vectors)
    )
    return math.sqrt(one * other if measure == "dot" else one + other)
