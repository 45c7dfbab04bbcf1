"""Which pictures a step sees: drawn from the seed and the step alone, so that no state has to be kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


def in_turn(count: int, size: int, seed: int, step: int) -> Rows:
    """Every row once in each pass, in an order that is drawn for the pass; the last few rows of a pass that
    fill no batch sit it out. Int [min(size, count)]."""
    size = min(size, count)
    passes, place = divmod(step, count // size)
    order = np.random.default_rng([seed, passes]).permutation(count)
    return order[place * size : (place + 1) * size]


def by_class(classes: list[Rows], size: int, per_class: int, seed: int, step: int) -> Rows:
    """`per_class` rows of each of `size / per_class` classes, so that every batch holds pairs.

    Fewer classes than that give more rows each; a class with fewer rows gives some of them twice, of which
    training sees two views. Int [about size].
    """
    rng = np.random.default_rng([seed, step])
    chosen = rng.permutation(len(classes))[: max(2, size // per_class)]
    each = max(per_class, size // len(chosen))
    return np.concatenate(
        [rng.choice(classes[one], each, replace=len(classes[one]) < each) for one in chosen.tolist()]
    )
