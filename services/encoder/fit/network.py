"""Networks from scratch, or from published weights: classes, siamese, triplet, proxy, simclr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from services.encoder.base import Vectors
from services.encoder.extractors.folder import write_folder
from services.encoder.extractors.handmade import library
from services.encoder.extractors.network import NetworkConfig, build, description_of
from services.encoder.extractors.pretrained import pretrained_trunk
from services.encoder.fit.objectives import network_objective, optimiser_of
from services.encoder.fit.plan import Plan
from services.encoder.fit.task import Lesson, Task
from services.encoder.fit.views import Bytes, far_views, generator_of, labelled_views
from services.encoder.train.augment import plain
from services.encoder.train.model import memory_format
from services.settings import Settings

#: Pictures are kept this much larger than the network sees them, so that crops stay sharp.
ROOM = 1.25
_DECAY = 0.05
#: Methods whose batches are drawn by class, so that there are pairs in them.
_PAIRED = ("siamese", "triplet", "proxy")


class NetworkStart:
    """The network before its first step. Raises `InvalidInput`, naming the field, for one that cannot be, and
    `EncoderUnavailable` if published weights are asked for and cannot be had."""

    def __init__(self, plan: Plan, settings: Settings) -> None:
        library("pytorch_metric_learning", "pytorch-metric-learning")
        size = plan.image_size or plan.usual.image_size
        self.config = NetworkConfig.from_dict(plan.as_dict() | {"image_size": size})
        trunk = pretrained_trunk(plan.trunk, settings) if plan.pretrained else None
        self.network = build(self.config, trunk)
        self.side = round(self.config.image_size * ROOM)

    def begin(self, lesson: Lesson) -> Task:
        return _NetworkTask(self, lesson)


class _NetworkTask(Task):
    def __init__(self, start: NetworkStart, lesson: Lesson) -> None:
        plan = lesson.plan
        self._config, self._lesson = start.config, lesson
        self._format = memory_format(plan.trunk.partition(":")[2])
        self.model = start.network.to(lesson.device).to(memory_format=self._format)
        self.objective = network_objective(plan.method, lesson.class_count, plan.dim).to(lesson.device)
        self.optimiser = optimiser_of(self.model, self.objective, plan.peak_rate, _DECAY)
        self.scored_by = lesson.judge.scored_by

    def loss(self, step: int) -> Tensor:
        lesson, size = self._lesson, self._config.image_size
        places, classes = lesson.draw(step, paired=lesson.plan.method in _PAIRED)
        pixels = np.array(lesson.pictures.pixels[lesson.rows[places]])
        # 0 drew the views of validation.
        generator = generator_of(lesson.plan.seed, step + 1)
        if lesson.classes is None:
            images = torch.cat([far_views(pixels, size, generator) for _ in range(2)])
            classes = torch.cat([classes, classes])
        else:
            images = labelled_views(pixels, size, generator)
        images = images.to(lesson.device, memory_format=self._format)
        with lesson.arithmetic():
            embeddings = self.model(images)
        found: Tensor = self.objective(embeddings.float(), classes.to(lesson.device))
        return found

    def _embed(self, pixels: Bytes) -> Vectors:
        parts = []
        with torch.inference_mode(), self._lesson.arithmetic():
            for at in range(0, len(pixels), self._lesson.plan.batch_size):
                images = plain(pixels[at : at + self._lesson.plan.batch_size], self._config.image_size)
                images = images.to(self._lesson.device, memory_format=self._format)
                parts.append(self.model(images).float().cpu().numpy())
        return np.concatenate(parts)

    def score(self) -> float:
        return self._lesson.judge(self._embed, self._config.measure)

    def write(self, out: Path, training: dict[str, Any]) -> None:
        description = description_of(self._config, self._lesson.plan.method, training)
        write_folder(out, description, self.model.state_dict())
