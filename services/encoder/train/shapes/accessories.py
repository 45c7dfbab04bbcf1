"""Outlines of what one wears beside clothes: on the head, around neck and waist."""

from __future__ import annotations

import math
import random

from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    arc,
    bend,
    between,
    both,
    chance,
    draped,
    ellipse,
    limb,
    line,
    moved,
    outlined,
    polygon,
    ring,
    rounded,
    snake,
    stretched,
    symmetric,
)


def hat(rng: random.Random) -> list[Part]:
    draw = rng.choice((_cap_front, _cap_front, _cap_side, _beanie, _beanie, _beanie, _brimmed, _bucket))
    return draped(draw(rng), rng, between(rng, 0.0, 0.015))


def _cap_front(rng: random.Random) -> list[Part]:
    high, tilt = between(rng, 0.6, 0.8), between(rng, -0.3, 0.3)
    dome = symmetric(
        "main", [(0, -high), (0.35, -high * 0.93), (0.6, -high * 0.4), (0.66, 0.15), (0, 0.25)], smooth=2
    )
    peak = symmetric(
        "main" if chance(rng, 0.75) else rng.choice(("accent", "dark")),
        [(0, 0.0), (0.55, 0.12), (0.78, 0.34), (0.45, 0.5), (0, 0.56)],
        smooth=2,
    )
    seams = [
        line("shade", bend((0, -high), (x * 1.2, -high * 0.6), (x, 0.08)), 0.016) for x in (-0.4, 0.0, 0.4)
    ]
    badge = []
    if chance(rng, 0.45):
        tone = rng.choice(("light", "accent", "dark"))
        badge = [
            ellipse(tone, 0, -0.15, 0.14, 0.12)
            if chance(rng, 0.5)
            else rounded(tone, -0.18, -0.25, 0.18, -0.05, 0.03)
        ]
    button = ellipse("shade", 0, -high, 0.06, 0.035)
    return stretched([dome, *seams, button, *outlined(peak, 0.022), *badge], 1, 1, tilt)


def _cap_side(rng: random.Random) -> list[Part]:
    high = between(rng, 0.5, 0.68)
    dome = [
        *bend((-0.68, 0.12), (-0.72, -high), (-0.1, -high), 6),
        *bend((-0.1, -high), (0.45, -high), (0.5, 0.1), 6),
    ]
    peak = polygon(
        "accent" if chance(rng, 0.2) else "main",
        [*bend((0.35, 0.0), (0.8, 0.0), (1.05, 0.24)), (0.98, 0.29), (0.35, 0.14)],
    )
    seams = [
        line("shade", bend((-0.1, -high), (x * 1.3, -high * 0.6), (x, 0.12)), 0.018) for x in (-0.35, 0.15)
    ]
    return [polygon("main", dome), *outlined(peak, 0.018), *seams, ellipse("shade", -0.1, -high, 0.06, 0.03)]


def _beanie(rng: random.Random) -> list[Part]:
    high, wide, fold = between(rng, 0.55, 1.0), between(rng, 0.5, 0.62), between(rng, 0.18, 0.34)
    peak = 0.1 if chance(rng, 0.2) else 0.42
    dome = symmetric(
        "main",
        [(0.0, 0.1 - high), (peak * wide, 0.1 - high * 0.97), (wide, -0.1), (wide * 0.97, 0.3), (0, 0.34)],
        smooth=2,
    )
    band = symmetric(
        "main" if chance(rng, 0.7) else "accent", [(wide * 1.02, 0.4 - fold), (wide * 1.0, 0.4), (0, 0.43)]
    )
    parts = [dome, *outlined(band, 0.022)]
    if chance(rng, 0.6):
        xs = [wide * (i / 4 - 1) for i in range(9)]
        parts.append(snake("shade", [(x, 0.41 - fold) for x in xs], [(x, 0.4) for x in xs], 0.014))
    if chance(rng, 0.4):
        parts.insert(0, ellipse(rng.choice(("accent", "light", "main")), 0, 0.08 - high, 0.18, 0.17))
    if chance(rng, 0.15):
        parts += both(polygon("main", [(wide * 0.95, 0.3), (wide * 0.6, 0.36), (wide * 0.8, 0.75)], smooth=1))
    return parts


def _brimmed(rng: random.Random) -> list[Part]:
    brim, dip, high = between(rng, 0.8, 1.0), between(rng, 0.16, 0.4), between(rng, 0.5, 0.8)
    crown = symmetric(
        "main", [(0, 0.06 - high), (0.3, -high), (0.42, 0.04 - high), (0.5, 0.2), (0, 0.32)], smooth=1
    )
    ribbon = symmetric(
        rng.choice(("dark", "dark", "accent", "shade")), [(0, 0.1), (0.47, 0.0), (0.5, 0.18), (0, 0.32)]
    )
    return [
        ellipse("main", 0, 0.25, brim, dip),
        ring("shade", 0, 0.25, brim * 0.98, dip * 0.96, 0.02),
        crown,
        ribbon,
    ]


def _bucket(rng: random.Random) -> list[Part]:
    flare, high = between(rng, 0.7, 0.95), between(rng, 0.6, 0.8)
    brim = symmetric("main", [(0.52, -0.05), (flare, 0.42), (0, 0.55)], smooth=1)
    crown = symmetric("main", [(0, -0.06 - high), (0.4, -high), (0.52, -0.05), (0, 0.06)], smooth=1)
    return [*outlined(brim), *outlined(crown), line("shade", [(-0.6, 0.16), (0, 0.28), (0.6, 0.16)], 0.014)]


def scarf(rng: random.Random) -> list[Part]:
    def fringe(x0: float, x1: float, y: float) -> Part:
        xs = [x0 + (x1 - x0) * i / 6 for i in range(7)]
        return snake("main", [(x, y - 0.02) for x in xs], [(x, y + 0.12) for x in xs], 0.025)

    half, kind = between(rng, 0.13, 0.2), rng.choice(("knotted", "folded", "hung"))
    if kind == "knotted":
        loop = [ellipse("main", 0, -0.5, 0.48, 0.34), ellipse("shade", 0, -0.58, 0.28, 0.17)]
        tails = [
            limb("main", [(0.0, -0.3, half), (x, 0.25, half), (x * 1.3, y, half * 1.1)])
            for x, y in ((-0.2, 0.55), (0.24, 0.85))
        ]
        edges = [fringe(-0.26 - half, -0.26 + half, 0.55), fringe(0.31 - half, 0.31 + half, 0.85)]
        return draped(
            [
                *outlined(tails[0]),
                *outlined(tails[1]),
                *loop,
                rounded("main", -0.15, -0.38, 0.2, -0.08, 0.1),
                *edges,
            ],
            rng,
            0.03,
        )
    if kind == "hung":  # laid around a neck that is not there
        strip = [
            limb("main", [(x * 0.5, -0.8, half), (x, -0.3, half), (x * 0.9, y, half)])
            for x, y in ((-0.34, 0.7), (0.34, 0.85))
        ]
        back = limb("shade", [(-0.2, -0.82, 0.12), (0, -0.88, 0.12), (0.2, -0.82, 0.12)])
        return draped(
            [
                back,
                *outlined(strip[0]),
                *outlined(strip[1]),
                fringe(-0.31 - half, -0.31 + half, 0.7),
                fringe(0.31 - half, 0.31 + half, 0.85),
            ],
            rng,
            0.04,
        )
    turn = [limb("main", [(-0.75, y, half), (0.0, y + 0.04, half), (0.75, y, half)]) for y in (-0.42, -0.1)]
    end = limb("main", [(-0.7, 0.2, half), (0.2, 0.25, half), (0.8, 0.3, half)])
    ys = [0.3 - half + half * i / 3 for i in range(7)]
    tassels = snake("main", [(0.78, y) for y in ys], [(0.95, y) for y in ys], 0.025)
    side = [ellipse("main", -0.72, y, 0.16, 0.2) for y in (-0.26, 0.04)]
    return draped([*side, *(part for one in (*turn, end) for part in outlined(one)), tassels], rng, 0.03)


def tie(rng: random.Random) -> list[Part]:
    if chance(rng, 0.2):  # a bow
        high, notch = between(rng, 0.28, 0.48), between(rng, 0.7, 0.88)
        wing = polygon("main", [(0, -0.12), (0.85, -high), (notch, 0.0), (0.85, high), (0, 0.12)], smooth=1)
        folds = both(*outlined(wing), line("shade", [(0.1, 0), (0.5, -0.1)], 0.025))
        return [
            *folds,
            rounded("main", -0.15, -0.2, 0.15, 0.2, 0.06),
            line("shade", [(-0.15, -0.18), (-0.13, 0.18)], 0.025),
            line("shade", [(0.15, -0.18), (0.13, 0.18)], 0.025),
        ]
    width = between(rng, 0.17, 0.26)
    blade = symmetric("main", [(0.09, -0.72), (width, 0.65), (0, 0.95)])
    knot = symmetric("main", [(0.17, -0.97), (0.09, -0.7)])
    loop: list[Part] = []
    if chance(rng, 0.5):
        loop = both(
            limb("main", [(0.1, -0.92, 0.05), (0.3, -1.15, 0.06), (0.2, -1.5, 0.06), (0, -1.6, 0.05)])
        )
    return draped([*loop, blade, *outlined(knot, 0.025)], rng, between(rng, 0, 0.03))


def belt(rng: random.Random) -> list[Part]:
    metal = "metal" if chance(rng, 0.75) else "dark"
    half = between(rng, 0.08, 0.14)
    if chance(rng, 0.55):  # rolled up, seen from above at a slant
        rx, ry = between(rng, 0.62, 0.8), between(rng, 0.4, 0.6)
        far = arc("shade", 0, 0, rx, ry, 180, 360, half * 2)
        near = arc("main", 0, 0.06, rx, ry, -30, 210, half * 2.2)
        inner = ring("main", 0, 0.02, rx * 0.72, ry * 0.68, half * 1.1)
        x, y = -rx * 0.2, ry + 0.06
        tongue = limb(
            "main", [(rx * 0.2, ry + 0.03, half), (0.75, ry * 0.9, half), (1.05, ry * 0.8, half * 0.6)]
        )
        buckle = [
            ring_box(metal, x - 0.13, y - half * 1.5, x + 0.13, y + half * 1.5, 0.06),
            line(metal, [(x - 0.1, y), (x + 0.13, y)], 0.035),
        ]
        return [far, inner, near, *outlined(tongue), *buckle]
    strap = limb(
        "main",
        [(-0.7, 0, half), (0.0, between(rng, -0.1, 0.1), half), (0.85, 0, half), (0.97, 0, half * 0.4)],
    )
    holes = [ellipse("dark", 0.45 + i * 0.1, 0, 0.018, 0.018) for i in range(4)]
    buckle = [
        ring_box(metal, -0.97, -half * 1.5, -0.68, half * 1.5, 0.07),
        line(metal, [(-0.95, 0), (-0.64, 0)], 0.04),
    ]
    return [strap, *holes, line("shade", [(-0.55, -half), (-0.55, half)], 0.06), *buckle]


def ring_box(role: str, x0: float, y0: float, x1: float, y1: float, width: float) -> Part:
    """The frame of a box, as of a buckle."""
    return line(role, [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], width)


def necklace(rng: random.Random) -> list[Part]:
    rx, ry = between(rng, 0.5, 0.75), between(rng, 0.7, 0.9)
    start = between(rng, -75, -50)
    beads: list[Part] = []
    kind = rng.choice(("beads", "pendant", "collar"))
    if kind == "beads":
        count = rng.randint(15, 21)
        for index in range(count):
            angle = math.radians(start + (180 - 2 * start) * index / (count - 1))
            size = 0.075 + 0.045 * math.sin(math.pi * index / (count - 1))
            beads.append(ellipse("main", rx * math.cos(angle), ry * math.sin(angle), size, size))
        return [arc("metal", 0, 0, rx, ry, start, 180 - start, 0.02), *beads]
    chain = arc("main", 0, 0, rx, ry, start, 180 - start, 0.06 if kind == "pendant" else 0.16)
    if kind == "collar":
        return [
            chain,
            *[moved(ellipse("accent", 0, 0, 0.06, 0.06), x * rx * 0.6, ry * 0.85) for x in (-0.8, 0, 0.8)],
        ]
    drop = between(rng, 0.16, 0.24)
    gems = (
        ellipse("main", 0, ry + drop, drop, drop * 1.2),
        symmetric("main", [(0.0, ry - 0.02), (drop, ry + drop), (0, ry + drop * 2.4)]),
        symmetric(
            "main",
            [(0, ry + drop * 0.5), (drop * 0.6, ry + 0.05), (drop, ry + drop * 0.6), (0, ry + drop * 2)],
            smooth=1,
        ),
    )
    return [chain, rng.choice(gems), ellipse("light", -0.05, ry + drop * 0.7, 0.035, 0.05)]


ACCESSORIES: dict[str, Draw] = {
    "hat": hat,
    "scarf": scarf,
    "tie": tie,
    "belt": belt,
    "necklace": necklace,
}
