"""The pieces that upper garments are sewn from: bodies, sleeves, necklines, collars, and who wears them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from services.encoder.train.shapes.pen import (
    Part,
    Point,
    bend,
    between,
    both,
    box,
    chance,
    limb,
    line,
    mirrored,
    outlined,
    polygon,
    symmetric,
)


@dataclass(frozen=True)
class Cut:
    """Measures of a garment's body: half widths, and y of its heights; `sag` rounds the hem."""

    neck: float
    shoulder: float
    slope: float
    armpit: float
    width: float
    waist: float
    hem: float
    length: float
    top: float = -0.75
    sag: float = 0.03


@dataclass(frozen=True)
class Sleeve:
    """A right sleeve: its parts, and where and in which direction (radians from straight down) it ends."""

    parts: list[Part]
    tip: Point
    angle: float
    half: float


def make_cut(rng: random.Random, length: float, width: float) -> Cut:
    """A body of about that half width whose hem is at y = length."""
    fitted = between(rng, 0.78, 0.9) if chance(rng, 0.3) else between(rng, 0.92, 1.03)
    return Cut(
        neck=between(rng, 0.13, 0.22),
        shoulder=width * between(rng, 0.84, 1.04),
        slope=between(rng, 0.05, 0.15),
        armpit=-0.75 + between(rng, 0.36, 0.5),
        width=width,
        waist=width * fitted,
        hem=width * between(rng, 0.9, 1.15),
        length=length,
        sag=between(rng, -0.02, 0.07),
    )


def body(cut: Cut, role: str = "main") -> Part:
    shoulder, middle = cut.top + cut.slope, (cut.armpit + cut.length) / 2
    right = [
        (0.0, cut.top + 0.03),
        (cut.neck, cut.top),
        *bend((cut.shoulder, shoulder), (cut.shoulder - 0.07, cut.armpit - 0.08), (cut.width, cut.armpit), 5),
        *bend((cut.width, cut.armpit), (2 * cut.waist - cut.width, middle), (cut.hem, cut.length), 6),
        *bend((cut.hem, cut.length), (cut.hem * 0.5, cut.length + cut.sag), (0, cut.length + cut.sag), 4),
    ]
    return symmetric(role, right)


def sleeve(cut: Cut, angle: float, length: float, half: float, elbow: float = 0.0) -> Sleeve:
    """A right sleeve at `angle` from straight down, turned by `elbow` halfway, `half` its cuff's half width.

    Angles are in radians; a large negative elbow lays the lower arm across the body.
    """
    top, low = (cut.shoulder, cut.top + cut.slope), (cut.width, cut.armpit)
    armhole = math.dist(top, low) / 2
    x, y = (top[0] + low[0]) / 2 - 0.03, (top[1] + low[1]) / 2
    outer: list[Point] = [top]
    inner: list[Point] = [low]
    joints = ((angle, angle + elbow / 2, (armhole + half) * 0.48), (angle + elbow, angle + elbow, half))
    for along, across, w in joints:
        x, y = x + length / 2 * math.sin(along), y + length / 2 * math.cos(along)
        nx, ny = math.cos(across) * w, -math.sin(across) * w
        outer.append((x + nx, y + ny))
        inner.append((x - nx, y - ny))
    outline = [*outer, *reversed(inner), (cut.shoulder - 0.13, (top[1] + low[1]) / 2)]
    cloth = polygon("main", outline, smooth=1)
    edge = [line("shade", inner, 0.018)]
    if elbow < -0.6:  # a sleeve laid over the body shows only by its edges
        edge.append(line("shade", outer, 0.018))
    return Sleeve([cloth, *edge], (x, y), angle + elbow, half)


def cuff(sleeve: Sleeve, role: str, depth: float) -> Part:
    """A band across the end of a sleeve."""
    dx, dy = math.sin(sleeve.angle) * depth, math.cos(sleeve.angle) * depth
    (x, y), half = sleeve.tip, sleeve.half * 1.04
    return limb(role, [(x - dx, y - dy, half), (x + dx * 0.25, y + dy * 0.25, half)])


def arm(sleeve: Sleeve, length: float) -> Part:
    """What a wearer shows below the sleeve: a hand, or the arm."""
    dx, dy = math.sin(sleeve.angle), math.cos(sleeve.angle)
    (x, y), half = sleeve.tip, min(sleeve.half * 0.7, 0.11)
    start = (x - dx * 0.1, y - dy * 0.1, half)
    return limb(
        "skin",
        [
            start,
            (x + dx * length * 0.6, y + dy * length * 0.6, half * 0.8),
            (x + dx * length, y + dy * length, half * 0.55),
        ],
    )


def dressed(
    rng: random.Random, cut: Cut, lengths: tuple[float, float], half: float, *, worn: bool
) -> tuple[list[Part], list[Sleeve]]:
    """Body and sleeves of a random length in `lengths`: (parts, the right and the mirrored left sleeve)."""
    length = between(rng, *lengths)
    long = length > 0.6
    angle = between(rng, 0.12, 0.55) if worn else between(rng, 0.15, 1.2)
    sides, across = [], [False, False]
    for side in range(2):
        turned = angle + rng.gauss(0, 0.1)
        elbow = rng.gauss(-0.1, 0.2) if long else 0.0
        if long and chance(rng, 0.12 if worn else 0.17):
            turned, elbow, across[side] = between(rng, 0.1, 0.4), between(rng, -2.3, -1.5), True
        sides.append(sleeve(cut, turned, length, half, elbow))
    behind: list[Part] = []
    before: list[Part] = []
    for index, one in enumerate(sides):
        parts = list(one.parts)
        if worn:
            parts.insert(0, arm(one, 0.16 if long else between(rng, 0.5, 0.75)))
        if index:
            parts = [mirrored(part) for part in parts]
        (before if across[index] or chance(rng, 0.7) else behind).extend(parts)
    return [*behind, body(cut), *before], sides


def on_sleeves(sleeves: list[Sleeve], role: str, depth: float) -> list[Part]:
    """Bands at the ends of both sleeves that `dressed` made."""
    right, left = sleeves
    return [cuff(right, role, depth), mirrored(cuff(left, role, depth))]


def head_and_neck(cut: Cut) -> Part:
    """A wearer's neck up to the chin, where the picture of a garment ends."""
    half = max(0.09, min(cut.neck * 0.75, 0.16))
    top = cut.top
    chin = bend((half, top - 0.2), (half * 1.5, top - 0.34), (half * 1.25, top - 0.42), 4)[::-1]
    return symmetric(
        "skin", [(0, top - 0.42), *chin, (half * 1.15, top + 0.02), (half * 1.6, top + 0.05), (0, top + 0.1)]
    )


def neckline(rng: random.Random, cut: Cut, kind: str, *, worn: bool) -> list[Part]:
    """The opening for the head: `crew`, `scoop`, `v`, `boat` or `turtle`."""
    top, neck = cut.top, cut.neck
    inside = "skin" if worn else rng.choice(("shade", "shade", "shade", "dark", "hole"))
    if kind == "turtle":
        half, rise = neck * 0.85, between(rng, 0.1, 0.24)
        band = symmetric("main", [(half * 0.95, top - rise), (neck * 1.05, top + 0.06), (0, top + 0.1)])
        mouth = box("shade", -half * 0.85, top - rise - 0.01, half * 0.85, top - rise + 0.03, smooth=1)
        fold = line("shade", [(-neck, top + 0.05), (0, top + 0.09), (neck, top + 0.05)], 0.02)
        return [band, mouth, fold]
    depth = {"crew": between(rng, 0.08, 0.16), "scoop": between(rng, 0.2, 0.36)}.get(kind, 0.0)
    if kind == "v":
        depth = between(rng, 0.2, 0.45)
        front = [(neck, top), (0.0, top + depth)]
    elif kind == "boat":
        depth = between(rng, 0.07, 0.12)
        front = bend((cut.shoulder * 0.8, top + cut.slope * 0.7), (neck, top + depth), (0, top + depth))
    else:
        front = bend((neck, top), (neck * 0.9, top + depth), (0.0, top + depth))
    dip = top + (-0.04 if inside == "hole" else 0.035)
    parts = [symmetric(inside, [(0, dip), (neck, top - (0.05 if inside == "hole" else 0.004)), *front])]
    rim = rng.choice(("shade", "shade", "main", "accent"))
    if kind != "boat" and rim != "main":
        parts.append(line(rim, [*front, *[(-x, y) for x, y in front[::-1]]], between(rng, 0.02, 0.05)))
    return parts


def pointed_collar(rng: random.Random, cut: Cut, role: str, *, spread: float) -> list[Part]:
    """A shirt's collar: its inside behind the neck, and two leaves that point down; spread opens them."""
    top, neck = cut.top, max(cut.neck, 0.15)
    drop = between(rng, 0.16, 0.26)
    inside = symmetric(
        "shade", [(0, top - 0.05), (neck * 0.85, top - 0.07), (neck * 0.9, top), (0, top + 0.1 + spread)]
    )
    leaf = polygon(
        role,
        [
            (0.0, top + 0.08 + spread),
            (neck * 0.85, top - 0.09),
            (neck * 1.2, top + 0.03),
            (neck * 0.8, top + drop),
        ],
    )
    right = outlined(leaf, 0.022)
    return [inside, *right, *[mirrored(part) for part in right]]


def pocket(x0: float, y0: float, x1: float, y1: float) -> Part:
    """A patch pocket, drawn by its seam."""
    tip = ((x0 + x1) / 2, y1 + 0.04)
    return line("shade", [(x0, y0), (x1, y0), (x1, y1), tip, (x0, y1), (x0, y0)], 0.016)


def legs(x: float, top: float, low: float, half: float) -> list[Part]:
    """A wearer's bare legs below a hem at y = top, down to the ankles at y = low."""
    right = limb(
        "skin", [(x, top, half), (x * 0.95, (top + low) / 2, half * 0.78), (x * 0.9, low, half * 0.45)]
    )
    return both(right)
