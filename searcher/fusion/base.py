"""What every fusion offers: similarities of all candidates in, one score and its attribution out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from services.calibration import Calibration
from services.encoder.base import EncoderIdentity
from services.errors import InvalidInput
from services.measures import Measure
from services.settings import Settings
from services.store.base import FIELDS

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fused:
    """Scores float64 [c], higher is better, -inf for a candidate without any field; and weights float64
    [c, p, f], how much each (part, field) had to say: those of positive parts sum to 1 for every
    candidate, those of negative parts are zero or negative."""

    scores: Doubles
    weights: Doubles


@dataclass(frozen=True)
class Embeddings:
    """What similarities are made of: vectors of the query's parts, [p, d], and of the candidates' fields,
    [c, f, d], zero where a candidate lacks the field; of unit length where the measure is cosine."""

    parts: Floats
    fields: Floats

    def similarities(self) -> Floats:
        """Cosines [c, p, f], of unit vectors."""
        count, fields, dim = self.fields.shape
        flat: Floats = self.fields.reshape(-1, dim) @ self.parts.T
        return flat.reshape(count, fields, len(self.parts)).transpose(0, 2, 1)


@dataclass(frozen=True)
class Evidence:
    """How c candidates compare with p query parts on f product fields (in order of `FIELDS`; the last ones
    may be left out).

    `similarities` [c, p, f] are raw, in the calibration's measure, and by keywords
    `services.keywords.similarity`; anything (NaN)
    where `mask` [c, p, f], or what broadcasts to it, is False because the product lacks the field or shares
    no token with the part. `modalities` [p] are "text" or "image", `weights` [p] the user's, at least one
    positive and none zero. `embeddings` are the vectors themselves, for fusions that look at them.
    """

    similarities: Floats
    mask: Bools
    modalities: Sequence[str]
    weights: Sequence[float]
    calibration: Calibration
    embeddings: Embeddings | None = None

    @property
    def present(self) -> Bools:
        """The mask at its full shape."""
        return np.broadcast_to(self.mask, self.similarities.shape)

    def calibrated(self) -> Doubles:
        """Similarities in standard deviations above chance, 0 where masked."""
        fields = FIELDS[: self.similarities.shape[2]]
        mean, std = self.calibration.statistics(self.modalities, fields)
        return np.where(self.present, (self.similarities.astype(np.float64) - mean) / std, 0.0)


class Fusion(Protocol):
    """One way to combine the parts of a query and the fields of a product. Pure arithmetic."""

    def score(self, given: Evidence) -> Fused:
        """Score all candidates."""


Factory = Callable[[Settings, EncoderIdentity | None], Fusion]

_FUSIONS: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
    """Make a factory known under `name`, for `make_fusion` and the setting `fusion`."""

    def keep(factory: Factory) -> Factory:
        _FUSIONS[name] = factory
        return factory

    return keep


def fusion_names() -> list[str]:
    """Names that `make_fusion` knows, in order of registration."""
    return list(_FUSIONS)


def make_fusion(
    name: str, settings: Settings, encoder: EncoderIdentity | None = None, measure: Measure = "cosine"
) -> Fusion:
    """The fusion of that name, for vectors of that encoder. Raises `InvalidInput` for an unknown one.

    What is learned about an encoder's vectors holds for unit vectors, so by another measure than cosine it is
    left aside.
    """
    if name not in _FUSIONS:
        raise InvalidInput(
            f"There is no fusion '{name[:64]}'.", mend=f"Use one of: {', '.join(_FUSIONS)}.", field="fusion"
        )
    return _FUSIONS[name](settings, encoder if measure == "cosine" else None)


def softmax(
    values: Doubles, prior: Doubles, mask: Bools, temperature: float, axis: tuple[int, ...]
) -> Doubles:
    """softmax(values / temperature + log prior) over `axis` where `mask`, 0 elsewhere; all 0 if nothing is
    left. Exact for temperatures from the smallest float to infinity."""
    top = np.max(values, axis=axis, keepdims=True, where=mask, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(over="ignore"):
        grown = np.where(mask, np.exp(np.minimum((values - top) / temperature, 0.0)) * prior, 0.0)
    total = grown.sum(axis=axis, keepdims=True)
    shares: Doubles = np.divide(grown, total, out=np.zeros_like(grown), where=total > 0)
    return shares


def take_off(
    scores: Doubles, attention: Doubles, similarities: Doubles, weights: Doubles
) -> tuple[Doubles, Doubles]:
    """Negative parts taken off `scores` [c]: |w| times what `attention` [c, n, f] over their own fields
    makes of their calibrated `similarities` [c, n, f], as far as that is above chance.

    A part that a product does not resemble takes nothing away and adds nothing. Returns the scores
    and the weights [c, n, f] (<= 0) such that the loss is the sum of weight x similarity.
    """
    resembles = (attention * similarities).sum(axis=2, keepdims=True) > 0
    lost = np.where(resembles, -np.abs(weights)[None, :, None] * attention, 0.0)
    return scores + (lost * similarities).sum(axis=(1, 2)), lost
