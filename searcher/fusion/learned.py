"""Attention-weighted fusion by a learned head, where one fits the encoder; else by the closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from searcher.fusion.attention import Attention
from searcher.fusion.base import Bools, Embeddings, Floats, Fused, Fusion, register
from searcher.fusion.head import Head
from services.calibration import Calibration
from services.encoder.base import EncoderIdentity
from services.settings import Settings

#: Heads that ship with the product; a user's own lie in `heads` of the data folder.
SHIPPED = Path(__file__).with_name("heads")


@dataclass(frozen=True)
class Learned:
    """Scores of a `Head` over the positive parts, less what each negative part scores by itself.

    Falls back to `closed` where there are no embeddings to look at.
    """

    head: Head
    closed: Attention = field(default_factory=Attention)

    def score(
        self,
        similarities: Floats,
        mask: Bools,
        modalities: Sequence[str],
        weights: Sequence[float],
        calibration: Calibration,
        *,
        gram: Floats | None = None,
        embeddings: Embeddings | None = None,
    ) -> Fused:
        """See `Fusion.score`. Scores are in standard deviations above chance."""
        if embeddings is None:
            return self.closed.score(similarities, mask, modalities, weights, calibration)
        parts = np.asarray(embeddings.parts, dtype=np.float32)
        fields = np.asarray(embeddings.fields, dtype=np.float32)
        present = np.broadcast_to(mask, similarities.shape)[:, 0]
        w = np.asarray(weights, dtype=np.float64)
        shares = np.zeros(similarities.shape, dtype=np.float64)
        wanted = np.flatnonzero(w > 0).tolist()
        scores, shares[:, wanted] = self.head.score(
            parts[wanted], [modalities[part] for part in wanted], w[wanted].tolist(), fields, present
        )
        for part in np.flatnonzero(w < 0).tolist():
            own, attention = self.head.score(parts[[part]], [modalities[part]], [1.0], fields, present)
            taken = abs(w[part]) * self.head.refused(own)
            scores = scores - taken
            resembles = (taken > 0)[:, None]
            shares[:, part] = np.where(resembles, -abs(w[part]) * attention[:, 0], 0.0)
        return Fused(np.where(present.any(axis=1), scores, -np.inf).astype(np.float64), shares)


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
