"""A learned distance over the vectors of an encoder that stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from services.encoder.base import Vectors
from services.encoder.extractors.folder import write_folder
from services.encoder.extractors.learned_measure import LearnedMap, is_measure
from services.encoder.fit.objectives import measure_objective, optimiser_of
from services.encoder.fit.plan import Plan
from services.encoder.fit.task import Lesson, Task
from services.encoder.fit.views import Bytes, as_bytes, far_views, generator_of
from services.encoder.identity import hash_configuration
from services.encoder.registry import load_encoder
from services.encoder.torch_encoder import TorchEncoder
from services.errors import InvalidInput
from services.settings import Settings

_HIDDEN = 256
#: Without labels: views of each photo whose vectors are computed, once, beside that of the photo itself.
_VIEWS = 3
#: What squared distances of two pictures come to on average at the start, where a softmax of them tells near
#: from far without being blind to all but the nearest.
_SPREAD = 20.0
_DECAY = 1e-3


class MeasureStart:
    """The encoder to learn over, loaded. Raises `EncoderUnavailable` if it cannot be had, and `InvalidInput`
    if it is a learned distance itself."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        name = _absolute(plan.start)
        if is_measure(name):
            raise InvalidInput(
                f"{plan.start!r} is a learned distance already.",
                mend="Start from the encoder that it was learned over.",
                field="start",
            )
        self.base = load_encoder(settings.model_copy(update={"encoder": name}))
        self.side = self.base.image_size

    def begin(self, lesson: Lesson) -> Task:
        return _MeasureTask(self.base, lesson)


class _MeasureTask(Task):
    model: LearnedMap

    def __init__(self, base: TorchEncoder, lesson: Lesson) -> None:
        plan, judge = lesson.plan, lesson.judge
        self._base, self._lesson = base, lesson
        self._vectors = torch.from_numpy(_vectors(base, lesson))
        self._held = torch.from_numpy(_encode(base, judge.pixels))
        self._held_views = None if judge.views is None else torch.from_numpy(_encode(base, judge.views))
        self._hidden = (plan.hidden or _HIDDEN) if plan.learn == "network" else 0
        self._dim = min(plan.dim, base.dim)
        # A few numbers to a row: moving them to a GPU and back would take longer than to compute with them.
        self.model = LearnedMap(base.dim, self._dim, self._hidden)
        with torch.no_grad():
            self.model.linear.weight.copy_(_principal_axes(self._vectors[:, 0], self._dim))
        self.objective = measure_objective()
        self.optimiser = optimiser_of(self.model, self.objective, plan.peak_rate, _DECAY)
        self.scored_by = judge.scored_by

    def loss(self, step: int) -> Tensor:
        lesson = self._lesson
        places, classes = lesson.draw(step, paired=True)
        rows = torch.from_numpy(places)
        if lesson.classes is not None:
            found: Tensor = self.objective(self.model(self._vectors[rows, 0]), classes)
            return found
        generator = generator_of(lesson.plan.seed, step + 1)
        order = torch.rand(len(rows), 1 + _VIEWS, generator=generator).argsort(dim=1)
        pair = torch.cat([self._vectors[rows, order[:, 0]], self._vectors[rows, order[:, 1]]])
        found = self.objective(self.model(pair), torch.cat([classes, classes]))
        return found

    def score(self) -> float:
        with torch.inference_mode():
            held = self.model(self._held).numpy()
            views = None if self._held_views is None else self.model(self._held_views).numpy()
        return self._lesson.judge.of_vectors(held, views, "euclid")

    def write(self, out: Path, training: dict[str, Any]) -> None:
        identity = self._base.identity.as_dict()
        description = {
            "method": "measure",
            "image_size": self._base.image_size,
            "dim": self._dim,
            "measure": "euclid",
            "config": {
                "learn": self._lesson.plan.learn,
                "hidden": self._hidden,
                "base": self._base.name,
                "identity": {key: identity[key] for key in ("weights", "preprocess", "dim")},
            },
            "training": training,
        }
        write_folder(out, description, self.model.state_dict())


def _vectors(base: TorchEncoder, lesson: Lesson) -> Vectors:
    """What is trained on: float32 [rows, views, d], the first view being the picture itself. Kept beside the
    checkpoint, since encoding may take far longer than learning."""
    views = 0 if lesson.classes is not None else _VIEWS
    asked = [lesson.pictures.digest, base.identity.as_dict(), lesson.rows.tolist(), views, lesson.plan.seed]
    file = lesson.folder / f"vectors-{hash_configuration({'asked': asked})}.npy"
    if file.is_file():
        kept: Vectors = np.load(file, allow_pickle=False)
        return kept
    vectors = np.empty((len(lesson.rows), 1 + views, base.dim), dtype=np.float32)
    starts = range(0, len(lesson.rows), base.batch_size)
    for at in track(starts, "encoding", console=lesson.console, transient=True):
        rows = lesson.rows[at : at + base.batch_size]
        pixels = np.array(lesson.pictures.pixels[rows])
        vectors[at : at + len(rows), 0] = _encode(base, pixels)
        for view in range(1, 1 + views):
            generator = generator_of(lesson.plan.seed + view, at)
            seen = as_bytes(far_views(pixels, pixels.shape[1], generator))
            vectors[at : at + len(rows), view] = _encode(base, seen)
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, vectors)
    part.replace(file)
    return vectors


def _encode(base: TorchEncoder, pixels: Bytes) -> Vectors:
    return base.encode_images([Image.fromarray(one) for one in pixels])


def _principal_axes(vectors: Tensor, dim: int) -> Tensor:
    """The directions [dim, d] in which vectors [n, d] differ most, of equal length: distances as they were,
    up to one factor and the directions left out."""
    centred = (vectors - vectors.mean(dim=0)).double()
    covariance = centred.T @ centred / len(vectors)
    axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :dim].T
    factor = (_SPREAD / (2 * covariance.trace().clamp(min=1e-12))).sqrt()
    scaled: Tensor = axes * factor
    return scaled.float()


def _absolute(name: str) -> str:
    """The name of an encoder, its folder independent of where the command is run."""
    prefix, colon, place = name.strip().partition(":")
    if colon and prefix == "local-dir" and place:
        return f"local-dir:{Path(place).expanduser().resolve()}"
    return name.strip()
