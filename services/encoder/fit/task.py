"""What the loop trains: a model, an objective, the loss of a step, and how good the model is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from services.encoder.device import Precision
from services.encoder.fit.batches import Rows, by_class, in_turn
from services.encoder.fit.judge import Judge
from services.encoder.fit.pictures import Pictures
from services.encoder.fit.plan import Plan

#: Pictures of one class in a batch that is drawn by class.
_PER_CLASS = 8


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from: `rows` of the pictures to train on, their `classes` (int64 [rows]; None:
    without labels), the rows `held` back for validation, and the judge that scores by them. `folder` is a
    place for what takes long to compute again, beside the checkpoint."""

    plan: Plan
    pictures: Pictures
    rows: Rows
    classes: torch.Tensor | None
    held: Rows
    judge: Judge
    device: torch.device
    precision: Precision
    folder: Path
    console: Console

    def arithmetic(self) -> torch.autocast:
        """Mixed precision on a GPU that has it; on a CPU training stays exact, so that it can be repeated."""
        mixed = self.device.type == "cuda" and self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=mixed)

    @property
    def class_count(self) -> int:
        return 0 if self.classes is None else int(self.classes.max()) + 1

    @cached_property
    def _members(self) -> list[Rows]:
        """Places in `rows` of each class."""
        assert self.classes is not None
        return [np.flatnonzero(self.classes.numpy() == one) for one in range(self.class_count)]

    def draw(self, step: int, *, paired: bool) -> tuple[Rows, Tensor]:
        """Places in `rows` of a step's pictures, int [n], and the class of each, int64 [n].

        `paired` draws by class. Without labels each photo is a class, and n is half a batch, for two views
        of each.
        """
        size, seed = self.plan.batch_size, self.plan.seed
        if self.classes is None:
            places = in_turn(len(self.rows), size // 2, seed, step)
            return places, torch.arange(len(places))
        if paired:
            places = by_class(self._members, size, _PER_CLASS, seed, step)
        else:
            places = in_turn(len(self.rows), size, seed, step)
        return places, self.classes[torch.from_numpy(places)]


class Task(ABC):
    """`model` is what is kept, as it was when `score` was best; `objective` is trained beside it."""

    model: nn.Module
    objective: nn.Module
    optimiser: torch.optim.Optimizer
    #: What `score` measures.
    scored_by: str

    @abstractmethod
    def loss(self, step: int) -> Tensor:
        """Of the batch of that step, with gradients; the model is in training mode."""

    @abstractmethod
    def score(self) -> float:
        """On the validation products, 0..1; the model is in evaluation mode."""

    @abstractmethod
    def write(self, out: Path, training: dict[str, Any]) -> None:
        """The model folder, in one step. `training` is what is known of how it came about, JSON-ready."""


class Start(Protocol):
    """A method made ready: it knows the `side` of the pictures it wants, in pixels, before there are any."""

    side: int

    def begin(self, lesson: Lesson) -> Task: ...
