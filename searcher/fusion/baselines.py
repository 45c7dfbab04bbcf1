"""What others do with a query of several parts, to compare with: fixed weights, mean vectors, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searcher.fusion.base import Bools, Doubles, Embeddings, Evidence, Fused, register, take_off
from services import measures
from services.encoder.base import EncoderIdentity
from services.measures import Measure
from services.settings import Settings
from services.store.base import VECTORS


@dataclass(frozen=True)
class Weighted:
    """Calibrated similarities averaged with user weight x a fixed weight for each field and kind of part.

    The same for all queries and products, as in WeiMoCIR (arXiv 2409.04918). `field_weights` [f] are shared
    out among the fields a product has; a text counts `text_weight` times what a picture does. Negative
    parts are taken off as in attention.
    """

    field_weights: tuple[float, ...] = (0.5, 0.5, 0.5)
    text_weight: float = 1.0

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. The score is the sum of weight x calibrated similarity."""
        s, present = given.calibrated(), given.present
        w = np.asarray(given.weights, dtype=np.float64)
        positive = w > 0
        fixed = np.asarray(self.field_weights[: s.shape[2]], dtype=np.float64)
        fields = np.where(present, fixed, 0.0)
        counted = w * np.where([kind == "text" for kind in given.modalities], self.text_weight, 1.0)
        shares = _normalised(fields * np.where(positive, counted, 0.0)[None, :, None], axis=(1, 2))
        scores = (shares * s).sum(axis=(1, 2))
        if not positive.all():
            own = _normalised(fields[:, ~positive], axis=(2,))
            scores, shares[:, ~positive] = take_off(scores, own, s[:, ~positive], w[~positive])
        return Fused(np.where(present.any(axis=(1, 2)), scores, -np.inf), shares)


@dataclass(frozen=True)
class Mean:
    """Mean of embeddings: how alike the weighted mean of the part vectors is to a product's fields.

    Negative weights enter the mean as they are. A product with several fields gets the average over them.
    Without embeddings the weighted mean of the similarities has to do: that is the same for products, the
    same but for a common factor for cosines, and not the same for distances. Keywords, which are no
    embeddings, have no say.
    """

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. The scores are in the measure of the collection: cosines are in [-1, 1]."""
        present = given.present.copy()
        present[:, :, len(VECTORS) :] = False
        w = np.asarray(given.weights, dtype=np.float64)
        w = w / w[w > 0].sum()
        shares = _normalised(present.astype(np.float64), axis=(2,)) * w[None, :, None]
        scores = (shares * np.where(present, given.similarities, 0.0)).sum(axis=(1, 2))
        if given.embeddings is not None:
            scores = _of_mean(given.embeddings, given.weights, given.calibration.measure, present)
        return Fused(np.where(present.any(axis=(1, 2)), scores, -np.inf), shares)


def _of_mean(embeddings: Embeddings, weights: Sequence[float], measure: Measure, present: Bools) -> Doubles:
    """Similarities [c] of the mean of the parts, averaged over the fields that each candidate has."""
    together = measures.mean(embeddings.parts, weights, measure)
    if together is None:  # it has no direction: every product is as near
        return np.zeros(len(present))
    near = measures.similarity(together[None], embeddings.fields, measure)[..., 0]
    fields = np.asarray(present[:, :, : near.shape[1]].any(axis=1), dtype=np.float64)
    scores: Doubles = (_normalised(fields, axis=(1,)) * near).sum(axis=1)
    return scores


@dataclass(frozen=True)
class ReciprocalRank:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009) over the (part, field) rankings.

    Each ranking gives w / (k + rank) to the candidates that have the field; equal similarities share
    the better rank. Negative parts take theirs off.
    """

    k: float = 60.0

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. Scores depend on the other candidates, unlike those of other fusions."""
        similarities, present = given.similarities, given.present
        credit = np.zeros(similarities.shape, dtype=np.float64)
        for part, weight in enumerate(given.weights):
            for field in range(similarities.shape[2]):
                rows = present[:, part, field]
                ordered = np.sort(similarities[rows, part, field])
                above = len(ordered) - np.searchsorted(ordered, similarities[rows, part, field], side="right")
                credit[rows, part, field] = weight / (self.k + 1 + above)
        shares = credit / _positive_sum(credit)
        return Fused(np.where(present.any(axis=(1, 2)), credit.sum(axis=(1, 2)), -np.inf), shares)


@dataclass(frozen=True)
class RelativeScore:
    """Relative score fusion, as Weaviate does it: every (part, field) list of similarities is stretched to
    0..1 between its least and its greatest, and the stretched ones are added with the user's weights.

    A field that a product lacks gives it nothing. Negative parts take theirs off.
    """

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. Scores depend on the other candidates, unlike those of other fusions."""
        similarities, present = given.similarities, given.present
        low = np.min(similarities, axis=0, where=present, initial=np.inf)
        high = np.max(similarities, axis=0, where=present, initial=-np.inf)
        span = np.where(high > low, high - low, 1.0)
        stretched = np.where(present, np.where(high > low, (similarities - low) / span, 1.0), 0.0)
        w = np.asarray(given.weights, dtype=np.float64)
        counted = np.where(present, (w / w[w > 0].sum())[None, :, None], 0.0)
        credit = stretched * counted
        # The last of every list is credited nothing by any; its lists then share alike.
        nothing = np.maximum(credit, 0.0).sum(axis=(1, 2), keepdims=True) == 0
        told = np.where(nothing, counted, credit)
        shares = told / _positive_sum(told)
        return Fused(np.where(present.any(axis=(1, 2)), credit.sum(axis=(1, 2)), -np.inf), shares)


def _positive_sum(values: Doubles) -> Doubles:
    total: Doubles = np.maximum(values, 0.0).sum(axis=(1, 2), keepdims=True)
    return np.where(total > 0, total, 1.0)


def _normalised(values: Doubles, axis: tuple[int, ...]) -> Doubles:
    total = values.sum(axis=axis, keepdims=True)
    shares: Doubles = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    return shares


@register("mean")
def _mean(settings: Settings, encoder: EncoderIdentity | None) -> Mean:
    return Mean()


@register("weighted")
def _weighted(settings: Settings, encoder: EncoderIdentity | None) -> Weighted:
    return Weighted()


@register("relative")
def _relative(settings: Settings, encoder: EncoderIdentity | None) -> RelativeScore:
    return RelativeScore()


@register("rrf")
def _rrf(settings: Settings, encoder: EncoderIdentity | None) -> ReciprocalRank:
    return ReciprocalRank()
