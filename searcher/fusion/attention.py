"""Attention-weighted fusion: per product, the parts and fields that match best speak loudest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searcher.fusion.base import Bools, Floats, Fused, calibrated, register, softmax, take_off
from services.calibration import Calibration
from services.errors import InvalidInput
from services.settings import Settings


@dataclass(frozen=True)
class Attention:
    """Softmax attention over query parts and product fields, after Vaswani et al. 2017 (arXiv 1706.03762).

    With calibrated similarity s(p, f), user weight w_p and temperature T, over the positive parts and
    the fields the product has::

        a(p, f) = softmax over (p, f) of ( s(p, f) / T + log w_p )        score = sum of a(p, f) * s(p, f)

    As T grows this becomes the weighted mean, as it falls the best single match. Each negative part
    attends to the fields by itself and takes off |w| times its similarity, where that is above chance.
    """

    temperature: float = 0.5

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InvalidInput(
                f"The temperature {self.temperature:g} is not above 0.",
                mend="Set VITRINE_TEMPERATURE to a positive number.",
                field="temperature",
            )

    def score(
        self,
        similarities: Floats,
        mask: Bools,
        modalities: Sequence[str],
        weights: Sequence[float],
        calibration: Calibration,
        *,
        gram: Floats | None = None,
    ) -> Fused:
        """See `Fusion.score`. The score is the sum of weight x calibrated similarity."""
        s, present = calibrated(similarities, mask, modalities, calibration)
        w = np.asarray(weights, dtype=np.float64)
        positive = w > 0
        attention = np.zeros_like(s)
        attention[:, positive] = softmax(
            s[:, positive], w[positive][None, :, None], present[:, positive], self.temperature, axis=(1, 2)
        )
        scores = (attention * s).sum(axis=(1, 2))
        if not positive.all():
            own = softmax(
                s[:, ~positive], np.ones((1, 1, 1)), present[:, ~positive], self.temperature, axis=(2,)
            )
            scores, attention[:, ~positive] = take_off(scores, own, s[:, ~positive], w[~positive])
        return Fused(np.where(present.any(axis=(1, 2)), scores, -np.inf), attention)


@register("attention")
def _attention(settings: Settings) -> Attention:
    return Attention(temperature=settings.temperature)
