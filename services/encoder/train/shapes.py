"""The pen of the rendered products: outlines as polygons in [-1, 1] x [-1, 1], y pointing down.

A shape is a list of parts drawn in order. A part's role says how it is painted: `main` takes the
product's colour and pattern, `accent` its second colour, `dark`/`light`/`metal`/`wood` fixed tones,
`shade` a darker main (inner faces, seams), `hole` lets the background through.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]


@dataclass
class Part:
    """One outline: points float32 [n, 2] and the role that decides its paint; `width` > 0 draws a line."""

    role: str
    points: Points
    width: float = 0.0


def polygon(role: str, points: Sequence[tuple[float, float]], *, smooth: int = 0) -> Part:
    return Part(role, chaikin(np.asarray(points, dtype=np.float32), smooth))


def symmetric(role: str, right: Sequence[tuple[float, float]], *, smooth: int = 0) -> Part:
    """Closed outline from its right half, listed from top to bottom."""
    half = np.asarray(right, dtype=np.float32)
    return Part(role, chaikin(np.concatenate([half, half[::-1] * (-1, 1)]).astype(np.float32), smooth))


def ellipse(
    role: str, x: float, y: float, rx: float, ry: float, *, start: float = 0, stop: float = 360
) -> Part:
    angle = np.radians(np.linspace(start, stop, 40))
    return Part(role, np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], -1).astype(np.float32))


def box(role: str, x0: float, y0: float, x1: float, y1: float, *, smooth: int = 0) -> Part:
    return polygon(role, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], smooth=smooth)


def line(role: str, points: Sequence[tuple[float, float]], width: float) -> Part:
    return Part(role, np.asarray(points, dtype=np.float32), width)


def arc(role: str, x: float, y: float, rx: float, ry: float, start: float, stop: float, width: float) -> Part:
    return Part(role, ellipse(role, x, y, rx, ry, start=start, stop=stop).points, width)


def mirrored(part: Part) -> Part:
    return Part(part.role, (part.points * (-1, 1)).astype(np.float32), part.width)


def moved(part: Part, dx: float, dy: float, scale: float = 1.0, angle: float = 0.0) -> Part:
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Part(part.role, (part.points @ turn * scale + (dx, dy)).astype(np.float32), part.width * scale)


def chaikin(points: Points, rounds: int) -> Points:
    """Corner cutting (Chaikin 1974): a polygon becomes a smooth curve; one round only blunts its corners."""
    cut = 0.25 if rounds > 1 else 0.1
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        near = (1 - cut) * points + cut * following
        far = cut * points + (1 - cut) * following
        points = np.stack([near, far], 1).reshape(-1, 2)
    return points.astype(np.float32)


def between(rng: random.Random, low: float, high: float) -> float:
    return rng.uniform(low, high)


def chance(rng: random.Random, probability: float) -> bool:
    return rng.random() < probability
