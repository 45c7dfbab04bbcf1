"""The pen of the rendered products: outlines as polygons in [-1, 1] x [-1, 1], y pointing down.

A shape is a list of parts drawn in order. A part's role says how it is painted: `main` takes the
product's colour and pattern, `accent` its second colour, `dark`/`light`/`metal`/`wood`/`leaf`/`flame`
and `skin` fixed tones, `shade` a darker main (inner faces, seams), `hole` lets the background through.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
Point = tuple[float, float]


@dataclass
class Part:
    """One outline: points float32 [n, 2] and the role that decides its paint; `width` > 0 draws a line."""

    role: str
    points: Points
    width: float = 0.0


#: Draws one product of a category; the same random state gives the same parts.
Draw = Callable[[random.Random], list[Part]]


def polygon(role: str, points: Sequence[Point], *, smooth: int = 0) -> Part:
    return Part(role, chaikin(np.asarray(points, dtype=np.float32), smooth))


def symmetric(role: str, right: Sequence[Point], *, smooth: int = 0) -> Part:
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


def rounded(role: str, x0: float, y0: float, x1: float, y1: float, radius: float) -> Part:
    """A box with quarter circles for corners; the radius is cut to half the shorter side."""
    r = min(radius, abs(x1 - x0) / 2, abs(y1 - y0) / 2)
    corners = [(x1 - r, y0 + r, -90), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180)]
    turns = [np.radians(np.linspace(start, start + 90, 7)) for _, _, start in corners]
    curves = [
        np.stack([x + r * np.cos(turn), y + r * np.sin(turn)], -1)
        for (x, y, _), turn in zip(corners, turns, strict=True)
    ]
    return Part(role, np.concatenate(curves).astype(np.float32))


def line(role: str, points: Sequence[Point], width: float) -> Part:
    return Part(role, np.asarray(points, dtype=np.float32), width)


def arc(role: str, x: float, y: float, rx: float, ry: float, start: float, stop: float, width: float) -> Part:
    return Part(role, ellipse(role, x, y, rx, ry, start=start, stop=stop).points, width)


def ring(role: str, x: float, y: float, rx: float, ry: float, width: float) -> Part:
    return arc(role, x, y, rx, ry, 0, 369, width)


def bend(start: Point, control: Point, end: Point, steps: int = 8) -> list[Point]:
    """Points of a quadratic Bezier curve from start to end, both included."""
    curve = []
    for t in (step / steps for step in range(steps + 1)):
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
        curve.append((a * start[0] + b * control[0] + c * end[0], a * start[1] + b * control[1] + c * end[1]))
    return curve


def limb(role: str, joints: Sequence[tuple[float, float, float]]) -> Part:
    """A tapering arm or handle along joints (x, y, half its width there)."""
    spine = np.asarray(joints, dtype=np.float64)
    along = np.gradient(spine[:, :2], axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], -1) * spine[:, 2:]
    sides = np.concatenate([spine[:, :2] + across, (spine[:, :2] - across)[::-1]])
    return Part(role, sides.astype(np.float32))


def snake(role: str, starts: Sequence[Point], ends: Sequence[Point], width: float) -> Part:
    """Many strokes from starts[i] to ends[i] in one line that runs to and fro."""
    points: list[Point] = []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        points += [start, end] if index % 2 == 0 else [end, start]
    return line(role, points, width)


def outlined(part: Part, width: float = 0.018, role: str = "shade") -> list[Part]:
    """The part with its edge drawn on it, so that it stands out from a part of its own colour beneath."""
    return [part, Part(role, np.concatenate([part.points, part.points[:1]]), width)]


def copied(
    role: str, part: Part, dx: float = 0, dy: float = 0, across: float = 1.0, down: float = 1.0
) -> Part:
    """The same outline in another role, scaled and shifted: an edge, a rim, a thickness beneath."""
    points = part.points * np.array((across, down)) + np.array((dx, dy))
    return Part(role, points.astype(np.float32), part.width)


def mirrored(part: Part) -> Part:
    return Part(part.role, (part.points * (-1, 1)).astype(np.float32), part.width)


def both(*parts: Part) -> list[Part]:
    """Each part with its mirror image at the other side."""
    return [one for part in parts for one in (part, mirrored(part))]


def moved(part: Part, dx: float, dy: float, scale: float = 1.0, angle: float = 0.0) -> Part:
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return Part(part.role, (part.points @ turn * scale + (dx, dy)).astype(np.float32), part.width * scale)


def placed(
    parts: Iterable[Part], dx: float = 0, dy: float = 0, scale: float = 1, angle: float = 0
) -> list[Part]:
    """All parts turned by `angle` (radians, clockwise on screen), scaled, then shifted."""
    return [moved(part, dx, dy, scale, angle) for part in parts]


def stretched(parts: Iterable[Part], across: float, down: float, lean: float = 0.0) -> list[Part]:
    """All parts scaled in x and y apart, and sheared: the bottom moves `lean` to the left of the top."""
    matrix = np.array([[across, 0.0], [-lean, down]])
    return [Part(part.role, (part.points @ matrix).astype(np.float32), part.width) for part in parts]


def draped(parts: Iterable[Part], rng: random.Random, amount: float) -> list[Part]:
    """All parts bent together by a few slow waves, as cloth lies: nothing sewn is straight or even."""
    waves = [(rng.uniform(-4, 4), rng.uniform(-4, 4), rng.uniform(0, 6.3)) for _ in range(4)]

    def bent(part: Part) -> Part:
        points = _subdivided(part.points, closed=not part.width)
        shift = np.zeros_like(points)
        for index, (kx, ky, phase) in enumerate(waves):
            shift[:, index % 2] += np.sin(points[:, 0] * kx + points[:, 1] * ky + phase)
        return Part(part.role, (points + amount * shift).astype(np.float32), part.width)

    return [bent(part) for part in parts]


def fit(parts: list[Part], reach: float = 0.97) -> list[Part]:
    """All parts centred and scaled so that what shows of them just fills [-reach, reach] one way."""
    seen = [part for part in parts if part.role != "hole"]
    low = np.min([part.points.min(0) - part.width / 2 for part in seen], axis=0)
    high = np.max([part.points.max(0) + part.width / 2 for part in seen], axis=0)
    scale = float(2 * reach / (high - low).max())
    x, y = ((low + high) / 2 * scale).tolist()
    return placed(parts, -x, -y, scale)


def chaikin(points: Points, rounds: int) -> Points:
    """Corner cutting (Chaikin 1974): a polygon becomes a smooth curve; one round only blunts its corners."""
    cut = 0.25 if rounds > 1 else 0.1
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        near = (1 - cut) * points + cut * following
        far = cut * points + (1 - cut) * following
        points = np.stack([near, far], 1).reshape(-1, 2)
    return points.astype(np.float32)


def _subdivided(points: Points, *, closed: bool, step: float = 0.15) -> npt.NDArray[np.float64]:
    """The outline with points added so that no edge is longer than `step`."""
    ring_of = np.concatenate([points, points[:1]]) if closed else points
    pieces = []
    for start, end in pairwise(ring_of):
        count = max(1, math.ceil(float(np.linalg.norm(end - start)) / step))
        pieces.append(start + (end - start) * (np.arange(count) / count)[:, None])
    if not closed:
        pieces.append(ring_of[-1:])
    return np.concatenate(pieces).astype(np.float64)


def between(rng: random.Random, low: float, high: float) -> float:
    return rng.uniform(low, high)


def chance(rng: random.Random, probability: float) -> bool:
    return rng.random() < probability
