"""How a product lies before the camera: turn, lean, mild perspective, bent cloth, and place in the frame."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.encoder.train.shapes import Part

Points = npt.NDArray[np.float64]
#: Textures cover product space from -REACH to REACH, somewhat more than outlines do.
REACH = 1.3
_GRID = 5


@dataclass
class Pose:
    """A homography from product space (-1..1, y down) to the `size` px canvas, after waves of cloth.

    `outlines` are the parts' points in px, `scale` the px of one unit.
    """

    size: int
    matrix: Points
    waves: Points
    scale: float
    outlines: list[list[tuple[float, float]]] = field(default_factory=list)

    @property
    def mirrored(self) -> bool:
        """Whether left and right have changed places."""
        return float(np.linalg.det(self.matrix)) < 0

    def pixels(self, points: Sequence[tuple[float, float]] | Points) -> list[tuple[float, float]]:
        placed = self._placed(np.asarray(points, dtype=np.float64))
        return [(x, y) for x, y in placed.tolist()]

    def _placed(self, points: Points) -> Points:
        return _project(self.matrix, points + _waved(self.waves, points))

    def wrapped(self, texture: Image.Image) -> Image.Image:
        """A texture of product space as it appears on the canvas, bent with the cloth."""
        if not self.waves.any():
            half = texture.width / 2
            scale = np.array([[half / REACH, 0, half], [0, half / REACH, half], [0, 0, 1]])
            matrix = scale @ np.linalg.inv(self.matrix)
            factors = tuple(float(value) for value in (matrix / matrix[2, 2]).ravel()[:8])
            return texture.transform(
                (self.size, self.size), Image.Transform.PERSPECTIVE, factors, Image.Resampling.BILINEAR
            )
        ticks = np.linspace(0, self.size, _GRID + 1)
        grid = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
        source = _project(np.asarray(np.linalg.inv(self.matrix), dtype=np.float64), grid)
        source = source - _waved(self.waves, source)  # the inverse of a small displacement, nearly
        source = (source / REACH + 1) * (texture.width / 2)
        corner = source.reshape(_GRID + 1, _GRID + 1, 2)
        edge = [round(tick) for tick in ticks]
        mesh = []
        for row in range(_GRID):
            for column in range(_GRID):
                quad = (
                    *corner[row, column],
                    *corner[row + 1, column],
                    *corner[row + 1, column + 1],
                    *corner[row, column + 1],
                )
                box = (edge[column], edge[row], edge[column + 1], edge[row + 1])
                mesh.append((box, tuple(float(value) for value in quad)))
        return texture.transform(
            (self.size, self.size), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR
        )


def make_pose(parts: Sequence[Part], size: int, rng: random.Random, *, soft: bool, upright: bool) -> Pose:
    """A pose that fits the parts into the frame; one in seven partly leaves it.

    `soft` things bend; `upright` ones stand straight.
    """
    chance = rng.random()
    if upright or chance < 0.82:
        angle = rng.gauss(0, 0.05 if upright else 0.1)
    else:
        angle = rng.gauss(0, 0.5) if chance < 0.94 else rng.uniform(-math.pi, math.pi)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    stretch = math.exp(rng.gauss(0, 0.1))
    lean = np.array([[stretch, rng.gauss(0, 0.05)], [0.0, 1 / stretch]])
    flip = np.diag([rng.choice((-1.0, 1.0)), 1.0])
    matrix = np.eye(3)
    matrix[:2, :2] = turn @ lean @ flip
    matrix[2, :2] = rng.gauss(0, 0.06), rng.gauss(0, 0.08)

    waves = _make_waves(rng) if soft else np.zeros((3, 5))
    outlines = [_dense(part) if soft else part.points.astype(np.float64) for part in parts]
    ends = np.cumsum([len(points) for points in outlines])[:-1]
    everything = np.concatenate(outlines)
    placed = _project(matrix, everything + _waved(waves, everything))
    low, high = placed.min(0), placed.max(0)
    cut = rng.random() < 0.15
    fill = rng.uniform(1.0, 1.4) if cut else rng.triangular(0.5, 1.0, 0.88)
    scale = size * fill / float((high - low).max())
    free = np.maximum(size - (high - low) * scale, 0.0 if not cut else size * 0.25)
    middle = size / 2 + free * np.array([rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)])
    shift = middle - (low + high) / 2 * scale
    frame = np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]])
    pose = Pose(size, frame @ matrix, waves, scale)
    pose.outlines = [
        [(x, y) for x, y in points.tolist()] for points in np.split(placed * scale + shift, ends)
    ]
    return pose


def _project(matrix: Points, points: Points) -> Points:
    raised = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(raised[:, :2] / raised[:, 2:])


def _make_waves(rng: random.Random) -> Points:
    """Three waves, each direction of displacement (2), wave vector (2) and phase."""
    return np.array(
        [
            [
                rng.gauss(0, amount),
                rng.gauss(0, amount),
                rng.gauss(0, often),
                rng.gauss(0, often),
                rng.uniform(0, 6.3),
            ]
            for amount, often in ((0.03, 1.6), (0.018, 3.5), (0.009, 8.0))
        ]
    )


def _waved(waves: Points, points: Points) -> Points:
    return np.asarray(np.sin(points @ waves[:, 2:4].T + waves[:, 4]) @ waves[:, :2])


def _dense(part: Part, step: float = 0.14) -> Points:
    """The outline with points at most `step` apart, so that waves bend straight edges too."""
    points = part.points.astype(np.float64)
    after = points[1:] if part.width else np.roll(points, -1, axis=0)
    before = points[: len(after)]
    pieces = np.maximum(1, np.ceil(np.hypot(*(after - before).T) / step)).astype(int)
    if pieces.max(initial=1) == 1:
        return points
    index = np.repeat(np.arange(len(pieces)), pieces)
    share = (np.arange(len(index)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[index]
    dense = before[index] + share[:, None] * (after - before)[index]
    return np.concatenate([dense, points[-1:]]) if part.width else dense
