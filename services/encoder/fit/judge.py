"""How good vectors are, on products that nothing was trained on: what the best weights are chosen by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from services.encoder.base import Measure, Vectors
from services.encoder.fit.views import Bytes, as_bytes, far_views, generator_of
from services.errors import InvalidInput
from services.measures import Floats, similarity

#: More pictures than these no longer change which weights are best, and each is compared with each.
MOST = 2000
#: A rank among fewer says nothing.
_LEAST = 4

#: Pictures uint8 [n, s, s, 3] -> vectors [n, d].
Embed = Callable[[Bytes], Vectors]


class Judge:
    """Scores vectors by the pictures of the validation products.

    With labels (`scored_by` "class mAP"): each picture is searched with, and those of its label should come
    first. Without ("view recall@1"): does an augmented view of a photo find the photo itself?
    Raises `InvalidInput` if the pictures are too few to tell.
    """

    def __init__(self, pixels: Bytes, labels: Sequence[str] | None, seed: int) -> None:
        #: Of the validation products, uint8 [n, s, s, 3].
        self.pixels: Bytes = pixels
        self._labels = np.array(labels) if labels is not None else None
        pairs = len(self.pixels) if labels is None else _pairs(self._labels)
        if len(self.pixels) < _LEAST or not pairs:
            raise InvalidInput(
                f"Only {len(self.pixels)} pictures are left to choose the best weights by"
                + (", no two of one label." if labels is not None and not pairs else "."),
                mend="Give more products, or a larger share of them with --validation.",
                field="validation",
            )
        self.scored_by = "class mAP" if labels is not None else "view recall@1"
        #: An augmented view of each picture, where there are no labels.
        self.views: Bytes | None = None
        if labels is None:
            self.views = as_bytes(far_views(self.pixels, pixels.shape[1], generator_of(seed, 0)))

    def __call__(self, embed: Embed, measure: Measure) -> float:
        """0..1, higher is better."""
        return self.of_vectors(embed(self.pixels), None if self.views is None else embed(self.views), measure)

    def of_vectors(self, vectors: Vectors, views: Vectors | None, measure: Measure) -> float:
        """As a call, of the vectors [n, d] of `pixels` and those of `views`."""
        if self._labels is not None:
            scores = similarity(vectors, vectors, measure).T
            np.fill_diagonal(scores, -np.inf)
            relevant = self._labels[:, None] == self._labels[None, :]
            np.fill_diagonal(relevant, False)
            return mean_average_precision(scores, relevant)
        assert views is not None
        found = similarity(views, vectors, measure).T.argmax(axis=1)
        return float((found == np.arange(len(vectors))).mean())


def mean_average_precision(scores: Floats, relevant: npt.NDArray[np.bool_]) -> float:
    """Over the queries [q, n] that have anything relevant."""
    asked = relevant.any(axis=1)
    order = np.argsort(-scores[asked], axis=1, kind="stable")
    hits = np.take_along_axis(relevant[asked], order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean())


def _pairs(labels: npt.NDArray[np.str_] | None) -> int:
    """How many labels occur twice or more."""
    return 0 if labels is None else int((np.unique(labels, return_counts=True)[1] > 1).sum())
