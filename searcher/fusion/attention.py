"""Attention-weighted fusion: per product, the parts and fields that match best speak loudest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from searcher.fusion.base import Bools, Doubles, Evidence, Fused, register, softmax, take_off
from services.encoder.base import EncoderIdentity
from services.errors import InvalidInput
from services.settings import Settings


@dataclass(frozen=True)
class Attention:
    """Softmax attention over query parts and product fields, after Vaswani et al. 2017 (arXiv 1706.03762).

    With calibrated similarity s(p, f), user weight w_p and temperature T, over the positive parts and
    the fields the product has::

        a(p, f) = softmax over (p, f) of ( s(p, f) / T + log w_p )        score = sum of a(p, f) * s(p, f)

    As T grows this becomes the weighted mean, as it falls the best single match. The same softmax, taken
    in two steps (hierarchical attention, Yang et al. 2016, NAACL), may have a temperature for each::

        a(f | p) = softmax over f of s(p, f) / T             m(p) = T * log mean over f of exp( s(p, f) / T )
        a(p) = softmax over p of ( m(p) / T_p + log w_p )    a(p, f) = a(p) * a(f | p)

    which is the first form when T_p = T (the default) and all parts see the same fields. A high T_p makes
    parts count by the user's weights, so that "this photo, but in blue" asks for both, while a low T lets
    the better of picture, title and keywords speak.

    Each negative part attends to the fields by itself and takes off |w| times its similarity, where that is
    above chance.
    """

    temperature: float = 0.5
    part_temperature: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("temperature", self.temperature), ("part_temperature", self.part_temperature)):
            if value is not None and not value > 0:
                raise InvalidInput(
                    f"The {name.replace('_', ' ')} {value:g} is not above 0.",
                    mend=f"Set VITRINE_{name.upper()} to a positive number.",
                    field=name,
                )

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. The score is the sum of weight x calibrated similarity."""
        s, present = given.calibrated(), given.present
        w = np.asarray(given.weights, dtype=np.float64)
        positive = w > 0
        attention = np.zeros_like(s)
        attention[:, positive] = self._attend(s[:, positive], w[positive], present[:, positive])
        scores = (attention * s).sum(axis=(1, 2))
        if not positive.all():
            own = softmax(
                s[:, ~positive], np.ones((1, 1, 1)), present[:, ~positive], self.temperature, axis=(2,)
            )
            scores, attention[:, ~positive] = take_off(scores, own, s[:, ~positive], w[~positive])
        return Fused(np.where(present.any(axis=(1, 2)), scores, -np.inf), attention)

    def _attend(self, s: Doubles, w: Doubles, present: Bools) -> Doubles:
        """Weights [c, p, f] of positive parts, summing to 1 for every candidate with a field."""
        if self.part_temperature is None or self.part_temperature == self.temperature:
            return softmax(s, w[None, :, None], present, self.temperature, axis=(1, 2))
        fields = softmax(s, np.ones((1, 1, 1)), present, self.temperature, axis=(2,))
        best = np.max(s, axis=2, where=present, initial=-np.inf)
        some = np.isfinite(best)
        best = np.where(some, best, 0.0)
        count = np.maximum(present.sum(axis=2), 1)
        if np.isinf(self.temperature):
            match = np.where(present, s, 0.0).sum(axis=2) / count
        else:
            # T log mean exp: the mean instead of the sum, so that a part does not count for more because it
            # has keywords besides; expm1 and log1p keep what a high T would round away.
            with np.errstate(over="ignore"):
                grown = np.where(present, np.expm1((s - best[:, :, None]) / self.temperature), 0.0)
            match = best + self.temperature * np.log1p(grown.sum(axis=2) / count)
        parts = softmax(match, w[None, :], some, self.part_temperature, axis=(1,))
        return parts[:, :, None] * fields


@register("attention")
def _attention(settings: Settings, encoder: EncoderIdentity | None) -> Attention:
    return Attention(settings.temperature, settings.part_temperature)
