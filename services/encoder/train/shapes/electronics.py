"""Outlines of appliances, with bezels and backs wide enough to show their colour."""

from __future__ import annotations

import math
import random

from services.encoder.train.shapes.computing import screen
from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    bend,
    between,
    both,
    box,
    chance,
    ellipse,
    limb,
    line,
    outlined,
    polygon,
    ring,
    rounded,
    snake,
    symmetric,
)


def television(rng: random.Random) -> list[Part]:
    """Wide screen in a coloured bezel: on feet, on a wall bracket, or the old box with knobs and aerial."""
    kind = rng.choice(("feet", "stand", "box", "box", "back"))
    if kind == "box":
        wide, high = between(rng, 0.75, 0.88), between(rng, 0.5, 0.6)
        aerial = (
            [line("metal", [(0, -high), (x, -high - 0.42)], 0.03) for x in (-0.35, 0.3)]
            if chance(rng, 0.7)
            else []
        )
        feet = both(limb("dark", [(wide * 0.6, high, 0.05), (wide * 0.75, high + 0.2, 0.035)]))
        case = rounded("main", -wide, -high, wide, high, 0.1)
        end = wide * between(rng, 0.35, 0.5)
        knobs = [
            part
            for y in (-0.25, 0.02)
            for part in (
                ellipse("metal", (wide + end) / 2, y, 0.09, 0.09),
                line("dark", [((wide + end) / 2, y - 0.06), ((wide + end) / 2, y + 0.02)], 0.03),
            )
        ]
        grille = snake(
            "shade",
            [(end + 0.08, y) for y in (0.22, 0.3, 0.38)],
            [(wide - 0.08, y) for y in (0.22, 0.3, 0.38)],
            0.025,
        )
        glass = screen(rng, -wide + 0.1, -high + 0.1, end - 0.02, high - 0.1)
        glass[0] = rounded("dark", -wide + 0.1, -high + 0.1, end - 0.02, high - 0.1, 0.14)
        return [*aerial, *feet, case, *glass, *knobs, grille]
    high = between(rng, 0.52, 0.6)
    if kind == "back":
        vents = [
            snake(
                "shade",
                [(-0.3, y) for y in (-0.2, -0.12, -0.04)],
                [(0.3, y) for y in (-0.2, -0.12, -0.04)],
                0.02,
            )
        ]
        stand = [
            box("shade", -0.1, high - 0.05, 0.1, high + 0.16),
            rounded("main", -0.42, high + 0.12, 0.42, high + 0.2, 0.03),
        ]
        return [
            *stand,
            rounded("main", -0.97, -high, 0.97, high, 0.05),
            *outlined(rounded("main", -0.55, -0.3, 0.55, high - 0.05, 0.06), 0.025),
            *vents,
        ]
    rim = between(rng, 0.13, 0.16)
    panel = rounded("main", -0.97, -high, 0.97, high, 0.04)
    if kind == "feet":
        legs = both(polygon("main", [(0.58, high), (0.66, high), (0.82, high + 0.18), (0.72, high + 0.18)]))
    else:
        legs = [
            symmetric("shade", [(0.1, high - 0.02), (0.14, high + 0.16)]),
            rounded("main", -0.4, high + 0.14, 0.4, high + 0.22, 0.04),
        ]
    bar = [
        line("shade", [(-0.12, high - rim / 2), (0.12, high - rim / 2)], 0.03),
        ellipse("flame", 0.85, high - rim / 2, 0.02, 0.02),
    ]
    return [*legs, panel, *screen(rng, -0.97 + rim, -high + rim, 0.97 - rim, high - rim), *bar]


def camera(rng: random.Random) -> list[Part]:
    radius, kind = between(rng, 0.28, 0.36), rng.choice(("reflex", "compact", "film", "instant"))
    shine = ellipse("light", -0.1, 0.0, 0.06, 0.06)
    if kind == "instant":
        body = [
            rounded("main", -0.75, -0.7, 0.75, 0.62, 0.16),
            box("shade", -0.7, 0.36, 0.7, 0.46),
            line("dark", [(-0.5, 0.5), (0.5, 0.5)], 0.05),
        ]
        parts = [
            rounded("dark", 0.32, -0.58, 0.6, -0.4, 0.03),
            rounded("light", -0.6, -0.6, -0.3, -0.36, 0.03),
            ellipse("accent", -0.55, -0.1, 0.08, 0.08),
        ]
    else:
        hump = (
            symmetric("main", [(0.24, -0.7), (0.36, -0.36)])
            if kind == "reflex"
            else rounded("main", -0.72, -0.5, -0.4, -0.36, 0.03)
        )
        body = [
            hump,
            rounded("main", -0.9, -0.42, 0.9, 0.6, 0.12),
            rounded("dark", 0.55, -0.52, 0.75, -0.4, 0.03),
        ]
        strip = {
            "film": box("dark", -0.9, -0.18, 0.9, 0.32),
            "reflex": rounded("shade", -0.9, -0.36, -0.55, 0.55, 0.08),
        }
        body += [strip[kind]] if kind in strip else []
        parts = [rounded("light", 0.5, -0.34, 0.76, -0.2, 0.02), ellipse("accent", -0.7, -0.28, 0.05, 0.05)]
        if chance(rng, 0.3):
            strap = line("dark", bend((-0.88, -0.3), (-1.3, 0.8), (-0.3, 0.95), 8), 0.06)
            body.insert(0, strap)
    lens = [
        ellipse(role, 0, 0.08, r, r)
        for role, r in (
            ("metal", radius + 0.07),
            ("dark", radius),
            ("shade", radius * 0.6),
            ("dark", radius * 0.42),
        )
    ]
    return [*body, *parts, *lens, shine]


def speaker(rng: random.Random) -> list[Part]:
    """A box with round cones, or a portable roll with a grille."""
    if chance(rng, 0.3):
        half = between(rng, 0.34, 0.44)
        roll = rounded("main", -0.9, -half, 0.9, half, half)
        grille = [
            snake("shade", [(x, -half * 0.85) for x in xs], [(x, half * 0.85) for x in xs], 0.02)
            for xs in ([-0.55 + i * 0.1 for i in range(12)],)
        ]
        ends = both(ellipse("dark", 0.84, 0, 0.1, half * 0.85), ellipse("metal", 0.86, 0, 0.05, half * 0.5))
        strap = (
            [line("dark", bend((-0.6, -half), (0, -half - 0.45), (0.6, -half)), 0.05)]
            if chance(rng, 0.5)
            else []
        )
        return [*strap, roll, *grille, *ends, rounded("light", -0.16, -0.08, 0.16, 0.08, 0.03)]
    wide, big = between(rng, 0.46, 0.62), between(rng, 0.3, 0.38)

    def cone(y: float, r: float) -> list[Part]:
        tones = rng.choice((("dark", "metal", "dark"), ("shade", "dark", "metal"), ("metal", "dark", "dark")))
        return [ellipse(tone, 0, y, r * s, r * s) for tone, s in zip(tones, (1, 0.78, 0.3), strict=True)]

    body = rounded("main", -wide, -0.94, wide, 0.9, between(rng, 0.02, 0.12))
    side = polygon(
        "shade", [(wide - 0.02, -0.9), (wide + 0.14, -0.98), (wide + 0.14, 0.8), (wide - 0.02, 0.88)]
    )
    cones = [*cone(0.36, big), *cone(-0.45, big * 0.6)]
    if chance(rng, 0.25):
        cones = [*cone(0.44, big * 0.85), *cone(-0.14, big * 0.6), *cone(-0.62, big * 0.4)]
    feet = both(box("dark", wide * 0.6, 0.88, wide * 0.8, 0.96))
    return [*([side] if chance(rng, 0.4) else []), *feet, body, *cones]


def fan(rng: random.Random) -> list[Part]:
    """Blades in a round cage on a stand, under a ceiling, or a folding fan for the hand."""
    kind = rng.choice(("table", "table", "floor", "ceiling", "hand"))
    if kind == "hand":
        start, radius = between(rng, 200, 215), 0.95
        sheet = [
            (radius * math.cos(math.radians(a)), radius * math.sin(math.radians(a)) + 0.5)
            for a in (start + (540 - 2 * start) * i / 16 for i in range(17))
        ]
        inner = [(x * 0.38, (y - 0.5) * 0.38 + 0.5) for x, y in sheet]
        folds = snake("shade", inner[1:-1:2], sheet[1:-1:2], 0.018)
        sticks = [line("wood", [(0, 0.55), point], 0.03) for point in inner[::3]]
        return [
            *sticks,
            polygon("main", [*sheet, *inner[::-1]]),
            folds,
            ellipse("metal", 0, 0.52, 0.05, 0.05),
        ]
    turn, count = between(rng, 0, 2), rng.choice((3, 4, 5))

    def blade(angle: float, reach: float, half: float, squash: float) -> Part:
        out = [
            (0.05, -0.04),
            (reach * 0.6, -half),
            (reach, -half * 0.6),
            (reach, half * 0.5),
            (reach * 0.5, half * 0.55),
            (0.05, 0.05),
        ]
        cos, sin = math.cos(angle), math.sin(angle)
        return polygon("main", [(x * cos - y * sin, (x * sin + y * cos) * squash) for x, y in out], smooth=1)

    if kind == "ceiling":
        vanes = [blade(turn + i * 6.283 / count, 1.0, 0.17, 0.35) for i in range(count)]
        return [
            line("metal", [(0, -0.6), (0, 0)], 0.06),
            symmetric("metal", [(0.16, -0.65), (0.06, -0.5)]),
            *vanes,
            rounded("main", -0.2, -0.1, 0.2, 0.12, 0.08),
            ellipse("light", 0, 0.14, 0.15, 0.1),
        ]
    low = 1.5 if kind == "floor" else 0.95
    radius = between(rng, 0.6, 0.68)
    vanes = [blade(turn + i * 6.283 / count, radius * 0.85, radius * 0.36, 1.0) for i in range(count)]
    spokes = [
        line("metal", [(0, 0), (radius * math.cos(a), radius * math.sin(a))], 0.012)
        for a in (i * 0.5236 for i in range(12))
    ]
    cage = [ring("main", 0, 0, radius, radius, 0.1), ring("metal", 0, 0, radius * 0.6, radius * 0.6, 0.015)]
    stand = [limb("main", [(0, radius, 0.06), (0, low, 0.08)]), ellipse("main", 0, low, 0.42, 0.11)]
    back = ellipse(rng.choice(("hole", "light", "shade")), 0, 0, radius, radius)
    return [*stand, back, *vanes, *spokes, *cage, ellipse("shade", 0, 0, 0.13, 0.13)]


def toaster(rng: random.Random) -> list[Part]:
    width, top = between(rng, 0.68, 0.88), between(rng, -0.32, -0.15)
    depth = between(rng, 0.12, 0.22)
    body = symmetric(
        "main",
        [(0, top), (width * between(rng, 0.8, 0.95), top), (width, top + 0.25), (width, 0.58), (0, 0.58)],
        smooth=1,
    )
    lid = symmetric("main", [(width * 0.72, top - depth), (width * 0.88, top + 0.03)], smooth=1)
    slots = [
        line("dark", [(-width * 0.62, top - depth * s), (width * 0.62, top - depth * s)], 0.055)
        for s in (0.75, 0.25)
    ]
    toast: list[Part] = []
    if chance(rng, 0.55):
        for x in (-width * 0.32, width * 0.32):
            rise = between(rng, 0.2, 0.34)
            toast += outlined(
                rounded("wood", x - 0.24, top - depth - rise, x + 0.24, top - depth * 0.4, 0.1), 0.03, "flame"
            )
    lever = [
        line("dark", [(width * 0.7, top + 0.2), (width * 0.7, 0.4)], 0.035),
        rounded("dark", width * 0.6, top + 0.2, width * 0.8, top + 0.3, 0.03),
    ]
    knob = [ellipse("metal", width * 0.35, 0.35, 0.09, 0.09)] if chance(rng, 0.6) else []
    feet = both(box("dark", width * 0.6, 0.56, width * 0.8, 0.66))
    band = [box("metal", -width * 0.98, 0.48, width * 0.98, 0.58)] if chance(rng, 0.5) else []
    return [*feet, *outlined(lid), *slots, *toast, *outlined(body), *band, *lever, *knob]


ELECTRONICS: dict[str, Draw] = {
    "television": television,
    "camera": camera,
    "speaker": speaker,
    "fan": fan,
    "toaster": toaster,
}
