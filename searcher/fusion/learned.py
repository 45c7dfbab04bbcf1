"""Attention-weighted fusion by a learned head, where one fits the encoder; else by the closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from searcher.fusion.attention import Attention
from searcher.fusion.base import (
    Bools,
    Doubles,
    Embeddings,
    Evidence,
    Floats,
    Fused,
    Fusion,
    register,
    softmax,
)
from searcher.fusion.head import Head
from services.calibration import Calibration
from services.encoder.base import EncoderIdentity
from services.settings import Settings
from services.store.base import VECTORS

#: Heads that ship with the product; a user's own lie in `heads` of the data folder.
SHIPPED = Path(__file__).with_name("heads")


#: The closed form beside the head, at the temperatures that `benchmarks.composed` finds best on validation.
_BESIDE = Attention(temperature=2.0, part_temperature=32.0)

#: What is not wanted weighs more beside the closed form than the head learnt alone: on validation queries 2
#: to 4 times as much was about equally good, once as much clearly worse.
_STERNNESS = 2.5


@dataclass(frozen=True)
class Learned:
    """Scores of a `Head` over the positive parts, less what each negative part scores by itself.

    A `share` of the score is the closed form's: on validation queries the mean of both beat either. Where one
    part alone is wanted, it is the larger share `alone`, since the head has nothing to weigh it against: the
    first ten for a picture then hold a right answer as often as by the closed form, and rank it better. Falls
    back to `closed` where there are no embeddings to look at.
    """

    head: Head
    closed: Attention = field(default_factory=Attention)
    share: float = 0.5
    alone: float = 0.75

    def score(self, given: Evidence) -> Fused:
        """See `Fusion.score`. Scores are in standard deviations above chance."""
        if given.embeddings is None:
            return self.closed.score(given)
        s, w = given.calibrated(), np.asarray(given.weights, dtype=np.float64)
        wanted = np.flatnonzero(w > 0).tolist()
        shares = np.zeros_like(s)
        share = self.share if len(wanted) > 1 else self.alone
        scores, shares[:, wanted] = self._score(given, given.embeddings, s, wanted, share)
        for part in np.flatnonzero(w < 0).tolist():
            own, attention = self._score(given, given.embeddings, s, [part], self.share)
            taken = abs(w[part]) * (_STERNNESS if self.share else 1.0) * self.head.refused(own)
            scores = scores - taken
            shares[:, [part]] = np.where((taken > 0)[:, None, None], w[part] * attention, 0.0)
        return Fused(np.where(given.present.any(axis=(1, 2)), scores, -np.inf), shares)

    def _score(
        self, given: Evidence, embeddings: Embeddings, s: Doubles, parts: list[int], by_closed: float
    ) -> tuple[Doubles, Doubles]:
        """Scores [c] by these parts alone, of calibrated similarities `s`, with this share of the closed
        form, and their attention [c, p, f], which sums to 1.

        What the head sees in the vectors and what each part says by keywords are joined as the closed form
        joins fields, but by the logarithm of the sum, so that a word in common never counts against a
        product.
        """
        weights = np.abs([given.weights[part] for part in parts])
        modalities = [given.modalities[part] for part in parts]
        dense, present = len(VECTORS), given.present[:, parts]
        has = present[:, 0, :dense]
        seen: Doubles
        attention: Doubles
        own, shares = self.head.score(
            np.asarray(embeddings.parts, dtype=np.float32)[parts],
            modalities,
            weights.tolist(),
            np.asarray(embeddings.fields, dtype=np.float32),
            has,
        )
        seen, attention = own.astype(np.float64), shares.astype(np.float64)
        if by_closed:
            calibration = Calibration.identity()  # they are calibrated already
            plain = _BESIDE.score(
                Evidence(
                    s[:, parts, :dense], present[:, :, :dense], modalities, weights.tolist(), calibration
                )
            )
            seen = (1 - by_closed) * seen + by_closed * np.where(has.any(axis=1), plain.scores, 0.0)
            attention = (1 - by_closed) * attention + by_closed * plain.weights
        words, shared = s[:, parts, dense:], present[:, :, dense:]
        counts = np.repeat(weights / weights.max(), words.shape[2])
        # Column 0 is the head, each other one a part by its keywords.
        evidence = np.concatenate([seen[:, None], words.reshape(len(words), counts.size)], axis=1)
        there: Bools = np.concatenate(
            [has.any(axis=1, keepdims=True), shared.reshape(len(shared), counts.size)], axis=1
        )
        prior = np.concatenate([[1.0], counts])[None]
        temperature = self.closed.temperature
        share = softmax(evidence, prior, there, temperature, axis=(1,))
        top = np.max(evidence, axis=1, where=there, initial=-np.inf)
        top = np.where(np.isfinite(top), top, 0.0)
        grown = np.where(there, np.exp((evidence - top[:, None]) / temperature) * prior, 0.0).sum(axis=1)
        scores = top + temperature * np.log(np.maximum(grown, np.finfo(np.float64).tiny))
        by_words = share[:, 1:].reshape(words.shape)
        return scores, np.concatenate([attention * share[:, 0, None, None], by_words], axis=2)


def composed(
    fusion: Fusion, parts: Floats, modalities: Sequence[str], weights: Sequence[float]
) -> npt.NDArray[np.float32] | None:
    """What this fusion would search each field with, unit vectors float32 [f, d], for a query of several
    wanted parts; None where each part by itself says as much."""
    wanted = [part for part, weight in enumerate(weights) if weight > 0]
    if not isinstance(fusion, Learned) or len(wanted) < 2:
        return None
    return fusion.head.composed(
        np.asarray(parts[wanted], dtype=np.float32),
        [modalities[part] for part in wanted],
        [weights[part] for part in wanted],
    )


def used(name: str, fusion: Fusion) -> str:
    """The name of a fusion made under `name`: attention, where there was no head for learned."""
    return "attention" if name == "learned" and not isinstance(fusion, Learned) else name


def head_path(folder: Path, identity: EncoderIdentity) -> Path:
    """Where the head of an encoder lies in a folder of heads."""
    return folder / f"{identity.weights}-{identity.preprocess}.safetensors"


def find_head(settings: Settings, identity: EncoderIdentity) -> Head | None:
    """The head for this encoder: the user's own before the one that ships; None if there is neither."""
    for folder in (settings.data_dir / "heads", SHIPPED):
        path = head_path(folder, identity)
        if path.exists():
            return _load(path, identity, path.stat().st_mtime_ns)
    return None


@lru_cache(maxsize=4)
def _load(path: Path, identity: EncoderIdentity, changed: int) -> Head:
    return Head.load(path, identity)


@register("learned")
def _learned(settings: Settings, encoder: EncoderIdentity | None) -> Fusion:
    closed = Attention(settings.temperature, settings.part_temperature)
    head = find_head(settings, encoder) if encoder is not None else None
    return closed if head is None else Learned(head, closed)
