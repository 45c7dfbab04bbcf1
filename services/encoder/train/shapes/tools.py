"""Outlines of hand tools: what one grips to eat, cut, brush or strike. Their handles take the main colour."""

from __future__ import annotations

import random

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
    placed,
    polygon,
    ring,
    rounded,
    snake,
    symmetric,
)


def _tilted(rng: random.Random, parts: list[Part]) -> list[Part]:
    """Long things lie at a slant as often as not, which also fills the frame better."""
    return placed(parts, angle=between(rng, -0.9, 0.9)) if chance(rng, 0.6) else parts


def _grip(rng: random.Random, role: str, top: float, low: float) -> list[Part]:
    """The handle of cutlery."""
    slim, wide = between(rng, 0.045, 0.075), between(rng, 0.075, 0.13)
    shape = limb(
        role, [(0, top, slim), (0, (top + low) / 2, wide * 0.85), (0, low - 0.08, wide), (0, low, wide * 0.6)]
    )
    if chance(rng, 0.3):
        return [shape, ellipse("shade", 0, low - 0.14, 0.035, 0.035)]
    return [shape]


def spoon(rng: random.Random) -> list[Part]:
    half, high = between(rng, 0.19, 0.28), between(rng, 0.28, 0.36)
    metal = chance(rng, 0.3)
    role = "metal" if metal else "main"
    head = symmetric(
        role,
        [
            (0, -0.62 - high),
            (half * 0.75, -0.6 - high * 0.7),
            (half, -0.55),
            (half * 0.4, -0.3),
            (0.05, -0.18),
        ],
        smooth=2,
    )
    hollow = ellipse("shade" if not metal else "light", 0, -0.6, half * 0.68, high * 0.66)
    neck = [line(role, [(0, -0.4), (0, 0.05)], 0.1)]
    return _tilted(rng, [*_grip(rng, "main", -0.25 if not metal else -0.05, 0.95), *neck, head, hollow])


def fork(rng: random.Random) -> list[Part]:
    half, tines = between(rng, 0.17, 0.24), rng.choice((3, 4, 4))
    role = "metal" if chance(rng, 0.3) else "main"
    palm = symmetric(role, [(half, -0.56), (half * 0.95, -0.4), (half * 0.35, -0.22), (0.05, -0.1)], smooth=1)
    spots = [half * (2 * i / (tines - 1) - 1) * 0.82 for i in range(tines)]
    prongs = [limb(role, [(x, -0.96, 0.018), (x, -0.8, 0.032), (x, -0.5, 0.036)]) for x in spots]
    neck = line(role, [(0, -0.3), (0, 0.05)], 0.1)
    return _tilted(rng, [*_grip(rng, "main", -0.2 if role == "main" else -0.05, 0.95), neck, palm, *prongs])


def knife(rng: random.Random) -> list[Part]:
    kind = rng.choice(("chef", "chef", "table", "paring"))
    half, top = (
        {"chef": between(rng, 0.14, 0.2), "table": 0.08, "paring": 0.1}[kind],
        {"paring": -0.6}.get(kind, -0.95),
    )
    steel = "metal" if chance(rng, 0.75) else "light"
    point = [(-half, top), *bend((-half, top), (half, top + 0.1), (half * 1.0, top + 0.55), 6)]
    if kind == "table":
        point = [(-half, top + 0.06), (0, top), (half, top + 0.15)]
    blade = polygon(steel, [*point, (half, 0.0), (-half, 0.0)])
    wide = between(rng, 0.11, 0.15)
    grip = polygon(
        "main",
        [
            (-half * 0.8 - 0.02, -0.04),
            (wide * 0.9, -0.04),
            (wide * 0.75, 0.3),
            (wide * 1.05, 0.8),
            (wide * 0.6, 0.92),
            (-wide, 0.88),
            (-wide * 0.9, 0.3),
        ],
        smooth=1,
    )
    rivets = [ellipse(steel, 0, y, 0.03, 0.03) for y in (0.15, 0.42, 0.68)] if chance(rng, 0.6) else []
    return _tilted(
        rng, [blade, box("dark", -half * 0.85, -0.06, half * 0.9, 0.0), *placed([grip, *rivets], 0, 0, 1.12)]
    )


def scissors(rng: random.Random) -> list[Part]:
    spread, steel = between(rng, 0.1, 0.3), rng.choice(("metal", "metal", "light"))
    rx, ry = between(rng, 0.2, 0.27), between(rng, 0.26, 0.36)
    blade = polygon(steel, [(0.0, -1.0), (0.08, -0.3), (0.1, 0.08), (-0.07, 0.1), (-0.04, -0.4)])
    shank = limb("main", [(0.0, -0.05, 0.085), (-0.1, 0.25, 0.1), (-0.2, 0.45, 0.1)])
    loop = ring("main", -0.28, 0.48 + ry, rx, ry, 0.15)
    half = [blade, shank, *placed([loop])]
    left, right = (
        placed(half, angle=spread),
        [Part(p.role, p.points * (-1, 1), p.width) for p in placed(half, angle=spread)],
    )
    return _tilted(rng, [*left, *right, ellipse("dark", 0, 0.02, 0.05, 0.05)])


def hammer(rng: random.Random) -> list[Part]:
    kind, steel = rng.choice(("claw", "claw", "mallet", "sledge")), rng.choice(("metal", "metal", "dark"))
    wide = between(rng, 0.11, 0.16)
    handle = limb(
        "main",
        [
            (0, -0.65, wide * 0.75),
            (0, 0.0, wide * 0.7),
            (0, 0.4, wide),
            (0, 0.9, wide * 1.05),
            (0, 0.96, wide * 0.8),
        ],
    )
    rings = (
        [line("shade", [(-wide, y), (wide, y)], 0.025) for y in (0.45, 0.6, 0.75)] if chance(rng, 0.6) else []
    )
    if kind == "mallet":
        head = rounded("main", -0.5, -0.98, 0.5, -0.5, 0.06)
        return _tilted(rng, [handle, *rings, *outlined(head), *both(box("shade", 0.38, -0.97, 0.45, -0.51))])
    if kind == "sledge":
        return _tilted(
            rng,
            [
                handle,
                *rings,
                rounded(steel, -0.42, -0.9, 0.42, -0.58, 0.04),
                box("shade", -0.1, -0.92, 0.1, -0.56),
            ],
        )
    face = polygon(
        steel,
        [
            (0.12, -0.85),
            (0.32, -0.82),
            (0.32, -0.9),
            (0.5, -0.9),
            (0.5, -0.56),
            (0.32, -0.56),
            (0.32, -0.64),
            (0.12, -0.62),
        ],
    )
    claw = polygon(
        steel,
        [
            *bend((0.14, -0.88), (-0.3, -0.95), (-0.62, -0.55), 6),
            *bend((-0.55, -0.52), (-0.3, -0.72), (-0.1, -0.6), 6),
            (0.14, -0.58),
        ],
    )
    return _tilted(rng, [handle, *rings, claw, face])


def hairbrush(rng: random.Random) -> list[Part]:
    half, high, low = between(rng, 0.26, 0.38), between(rng, 0.42, 0.55), between(rng, 0.8, 0.95)
    slim = between(rng, 0.07, 0.1)
    grip = limb("main", [(0, -0.2, 0.13), (0, 0.1, slim), (0, 0.55, slim * 1.35), (0, low, slim * 0.9)])
    if chance(rng, 0.3):  # from the side: bristles stand out
        back = limb("main", [(0.0, -1.0, 0.06), (0, -0.6, 0.12), (0, -0.2, 0.11), (0, 0.1, slim)])
        ys = [-0.93 + i * 0.09 for i in range(10)]
        bristles = snake("dark", [(0.08, y) for y in ys], [(0.32, y - 0.01) for y in ys], 0.02)
        return _tilted(rng, [bristles, back, grip])
    if chance(rng, 0.5):
        head = ellipse("main", 0, -0.5, half, high)
        pad = ellipse(rng.choice(("dark", "shade", "light")), 0, -0.5, half * 0.72, high * 0.78)
    else:
        head = rounded("main", -half, -0.5 - high, half, -0.5 + high, 0.16)
        pad = rounded(
            rng.choice(("dark", "shade", "light")),
            -half * 0.72,
            -0.5 - high * 0.8,
            half * 0.72,
            -0.5 + high * 0.8,
            0.1,
        )
    pins = "light" if pad.role != "light" else "dark"
    rows = [-0.5 + high * s for s in (-0.5, -0.17, 0.17, 0.5)]
    dots = [
        line(pins, [(-half * 0.4 + i * half * 0.4, y), (-half * 0.4 + i * half * 0.4 + 0.03, y)], 0.04)
        for y in rows
        for i in range(3)
    ]
    return _tilted(rng, [grip, head, pad, *dots])


TOOLS: dict[str, Draw] = {
    "spoon": spoon,
    "fork": fork,
    "knife": knife,
    "scissors": scissors,
    "hammer": hammer,
    "hairbrush": hairbrush,
}
