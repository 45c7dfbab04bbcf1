"""Variety among the results: Maximal Marginal Relevance over the best candidates.

MMR (Carbonell and Goldstein, SIGIR 1998) picks products one at a time, each for being relevant and unlike
those picked before it. Qdrant has an MMR of its own, whose meaning is kept here: `diversity` 0 asks for
relevance alone and 1 for difference alone, the first product is always the most relevant one, and only a
number of candidates takes part. It is not used, because it knows one vector of one field only; ours runs
over the fused score, with all parts and fields of the query in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from searcher.vectors import VectorTable
from services.calibration import LIKE, Calibration
from services.measures import similarity
from services.store.base import VECTORS

Rows = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]

#: Candidates that are picked from (Qdrant: `candidates_limit`); those after them follow by relevance. Fixed,
#: so that no page depends on how much was asked for.
HEAD = 200


def diversify(
    order: Rows,
    scores: Doubles,
    ids: Sequence[str],
    table: VectorTable,
    calibration: Calibration,
    diversity: float,
) -> Rows:
    """The rows of `order` (best first) with the first `HEAD` of them picked for variety as well.

    `scores` [c] and `ids` [c] are those of all candidates. Scores and likenesses are both put on a scale
    from 0 to 1 over the head: a `diversity` then means the same for every fusion and encoder.
    """
    head = order[:HEAD]
    alike = likeness([ids[row] for row in head], table, calibration)
    apart = ~np.eye(len(head), dtype=np.bool_)
    picked = mmr(_unit_scale(scores[head]), _unit_scale(alike, where=apart), diversity)
    return np.concatenate([head[picked], order[HEAD:]])


def mmr(relevance: Doubles, alike: Doubles, diversity: float) -> Rows:
    """All rows in the order in which MMR picks them, from `relevance` [n] and the likeness `alike` [n, n].

    The next one is that of the largest (1 - diversity) x relevance - diversity x (likeness to the most
    like of those picked); among equals, the one that comes first.
    """
    left = np.ones(len(relevance), dtype=np.bool_)
    nearest = np.full(len(relevance), -np.inf)
    picked: list[int] = []
    for _ in range(len(relevance)):
        marginal = (1 - diversity) * relevance - diversity * nearest if picked else relevance
        row = int(np.argmax(np.where(left, marginal, -np.inf)))
        picked.append(row)
        left[row] = False
        np.maximum(nearest, alike[row], out=nearest)
    return np.array(picked, dtype=np.intp)


def likeness(ids: Sequence[str], table: VectorTable, calibration: Calibration) -> Doubles:
    """How alike stored products are, float64 [n, n]: the mean similarity of the fields that both have, each
    in standard deviations above chance, so that pictures and titles count alike; chance (0) where they
    share no field."""
    found, vectors, present, _ = table.read(ids)
    total, shared = np.zeros((len(found),) * 2), np.zeros((len(found),) * 2)
    for modality, field in LIKE.items():
        column = VECTORS.index(field)
        own, has = vectors[:, column], present[:, column]
        # Rounded as in `retrieve`, so that equal vectors stay equal.
        near = np.round(similarity(own, own, calibration.measure, unit=True), 7)
        stats = calibration.pairs[modality, field]
        both = np.outer(has, has)
        total += np.where(both, (near - stats.mean) / stats.std, 0.0)
        shared += both
    alike = np.zeros((len(ids),) * 2)
    # A product deleted since it was found has no vectors any more.
    place = {one: row for row, one in enumerate(ids)}
    rows = [place[one] for one in found]
    alike[np.ix_(rows, rows)] = total / np.maximum(shared, 1)
    return alike


def _unit_scale(values: Doubles, where: Any = True) -> Doubles:
    """Values from 0 to 1 between the least and the greatest finite one `where`; all 0 if those are equal."""
    counted = np.isfinite(values) & where
    low = np.min(values, where=counted, initial=np.inf)
    high = np.max(values, where=counted, initial=-np.inf)
    if not high > low:
        return np.zeros_like(values)
    scaled: Doubles = np.clip((values - low) / (high - low), 0.0, 1.0)
    return scaled
