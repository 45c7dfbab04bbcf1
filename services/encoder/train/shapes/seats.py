"""Outlines of what one sits on, from the front, the side or at a slant."""

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
    box,
    chance,
    ellipse,
    limb,
    line,
    outlined,
    polygon,
    rounded,
    snake,
    stretched,
    symmetric,
)


def chair(rng: random.Random) -> list[Part]:
    kind = rng.choice(("dining", "dining", "slats", "office", "armchair", "side"))
    leg = rng.choice(("wood", "dark", "metal", "main"))
    width = between(rng, 0.4, 0.54)
    if kind == "office":
        rest = rounded("main", -width * 0.9, -between(rng, 0.75, 1.05), width * 0.9, -0.15, 0.16)
        base = [
            line("dark", [(0, 0.1), (0, 0.7)], 0.08),
            *both(line("dark", [(0, 0.68), (0.45, 0.86)], 0.06)),
            line("dark", [(0, 0.68), (0, 0.9)], 0.06),
        ]
        wheels = [ellipse("dark", x, y, 0.06, 0.06) for x, y in ((-0.45, 0.9), (0, 0.94), (0.45, 0.9))]
        arms = both(
            line(
                "dark",
                [(width, 0.12), (width + 0.12, 0.1), (width + 0.12, -0.15), (width - 0.05, -0.15)],
                0.06,
            )
        )
        return [
            *base,
            *wheels,
            rest,
            *arms,
            rounded("main", -width * 1.05, -0.02, width * 1.05, 0.2, 0.1),
            line("shade", [(-width, 0.16), (width, 0.16)], 0.04),
        ]
    if kind == "armchair":
        high, low = between(rng, 0.6, 0.95), between(rng, 0.0, 0.2)
        feet = both(limb(leg if leg != "main" else "wood", [(0.5, 0.6, 0.05), (0.54, 0.85, 0.035)]))
        rest = symmetric(
            "main", [(0, -high), (0.45, -high + 0.05), (0.58, -0.3), (0.55, 0.5), (0, 0.5)], smooth=1
        )
        arms = both(*outlined(rounded("main", 0.42, -low, 0.76, 0.62, between(rng, 0.08, 0.16))))
        return [
            *feet,
            *outlined(rest),
            rounded("main", -0.45, 0.3, 0.45, 0.62, 0.03),
            *outlined(rounded("main", -0.48, 0.12, 0.48, 0.36, 0.1), 0.03),
            *arms,
        ]
    if kind == "side":  # seen from the side
        lean = between(rng, 0.05, 0.2)
        rest = limb("main", [(-0.4 - lean, -0.95, 0.07), (-0.36, -0.3, 0.08), (-0.34, 0.12, 0.08)])
        stand = [
            limb(leg, [(-0.35, 0.1, 0.05), (-0.42, 0.95, 0.04)]),
            limb(leg, [(0.32, 0.1, 0.05), (0.36, 0.95, 0.04)]),
            line(leg, [(-0.38, 0.55), (0.34, 0.55)], 0.04),
        ]
        return [*stand, rest, rounded("main", -0.46, 0.0, 0.45, 0.16, 0.06)]
    slant = between(rng, 0.0, 0.15)
    legs = both(
        limb(leg, [(width * 0.9, 0.15, 0.045), (width * (0.9 + slant), 0.95, 0.035)]),
        limb("shade", [(width * 0.62, 0.15, 0.035), (width * 0.62, 0.78, 0.03)]),
    )
    if kind == "slats":
        posts = both(line("main", [(width * 0.9, -0.92), (width * 0.92, 0.0)], 0.09))
        xs = (-width * 0.5, -width * 0.17, width * 0.17, width * 0.5)
        bars = (
            [line("main", [(x, -0.85), (x, 0.0)], 0.055) for x in xs]
            if chance(rng, 0.5)
            else [line("main", [(-width, y), (width, y)], 0.11) for y in (-0.6, -0.32)]
        )
        back = [*posts, *bars, rounded("main", -width, -0.96, width, -0.76, 0.06)]
    else:
        top = between(rng, 0.75, 1.0)
        back = [
            symmetric(
                "main",
                [(0, -0.95), (width * top, -0.92), (width, -0.25), (width * 0.8, -0.1), (0, -0.1)],
                smooth=1,
            ),
            *both(line(leg, [(width * 0.7, -0.2), (width * 0.75, 0.05)], 0.06)),
        ]
    seat = symmetric("main", [(width * 0.95, -0.04), (width * 1.12, 0.2), (0, 0.2)], smooth=1)
    lean = between(rng, -0.15, 0.15)
    return stretched(
        [*legs, *back, *outlined(seat), box("shade", -width * 1.1, 0.19, width * 1.1, 0.26)], 1, 1, lean
    )


def stool(rng: random.Random) -> list[Part]:
    """A seat without a back: round on three legs, square on four, or tall on one."""
    kind, half = rng.choice(("round", "square", "bar", "step")), between(rng, 0.36, 0.5)
    leg = "main" if kind == "square" else rng.choice(("wood", "main", "main", "metal"))
    if kind == "bar":
        pole = [
            line("metal", [(0, -0.6), (0, 0.85)], 0.08),
            ellipse("metal", 0, 0.86, 0.34, 0.08),
            arc("metal", 0, 0.4, 0.26, 0.1, 0, 180, 0.04),
        ]
        seat = symmetric(
            "main", [(half * 0.95, -0.9), (half * 1.05, -0.66), (half * 0.8, -0.48), (0, -0.45)], smooth=1
        )
        return [
            *pole,
            seat,
            ellipse("main", 0, -0.88, half, 0.13),
            arc("shade", 0, -0.87, half, 0.13, 0, 180, 0.025),
        ]
    if kind == "step":
        legs = both(
            limb("main", [(half * 0.65, -0.55, 0.08), (half * 1.3, 0.8, 0.085)]),
            limb("shade", [(0.2, -0.5, 0.05), (0.35, 0.6, 0.05)]),
        )
        return [
            *legs,
            box("main", -half * 1.15, 0.12, half * 1.15, 0.26),
            line("shade", [(-half * 1.15, 0.26), (half * 1.15, 0.26)], 0.03),
            rounded("main", -half, -0.68, half, -0.48, 0.04),
        ]
    low, spread = between(rng, 0.45, 0.85), between(rng, 0.02, 0.22)
    dip = between(rng, 0.1, 0.2)
    legs = both(limb(leg, [(half * 0.72, -0.3, 0.055), (half * 0.8 + spread, low, 0.04)]))
    legs.append(limb("shade", [(0, -0.3, 0.05), (0, low + 0.1, 0.04)]))
    rung = line(
        leg, [(-half * 0.8 - spread * 0.5, low * 0.45), (half * 0.8 + spread * 0.5, low * 0.45)], 0.04
    )
    if kind == "square":
        top = symmetric("main", [(half * 0.85, -0.45 - dip), (half * 1.1, -0.3), (0, -0.3)])
        return [*legs, rung, top, box("shade", -half * 1.1, -0.31, half * 1.1, -0.21)]
    thick = between(rng, 0.08, 0.22)
    edge = symmetric(
        "main",
        [
            (half * 1.1, -0.4),
            (half * 1.08, -0.4 + thick),
            *bend((half * 1.08, -0.4 + thick), (half, -0.4 + thick + dip), (0, -0.4 + thick + dip), 4),
        ],
    )
    return [
        *legs,
        rung,
        edge,
        ellipse("main", 0, -0.4, half * 1.1, dip),
        arc("shade", 0, -0.4, half * 1.1, dip, 0, 180, 0.03),
    ]


def bench(rng: random.Random) -> list[Part]:
    """A long seat on two ends, plain or as in a park with a slatted back."""
    kind, half = rng.choice(("park", "park", "plain", "padded")), between(rng, 0.85, 0.97)
    leg = rng.choice(("dark", "metal", "wood", "main"))
    seat = between(rng, 0.05, 0.18)
    if kind == "park":
        slats = [rounded("main", -half, y, half, y + 0.12, 0.02) for y in (-0.55, -0.38, -0.21)]
        ends = both(
            line(leg, [(half * 0.82, -0.55), (half * 0.85, seat + 0.05), (half * 0.9, 0.6)], 0.06),
            line(leg, [(half * 0.85, seat + 0.15), (half * 0.72, 0.55)], 0.05),
        )
        arms = (
            both(line(leg, [(half * 0.8, -0.2), (half * 1.02, -0.18), (half * 1.0, seat + 0.1)], 0.055))
            if chance(rng, 0.6)
            else []
        )
        planks = [
            polygon("main", [(-half, y), (half, y), (half * 1.02, y + 0.1), (-half * 1.02, y + 0.1)])
            for y in (seat, seat + 0.13)
        ]
        return [*ends, *slats, *planks, *arms]
    if kind == "padded":
        legs = both(limb(leg, [(half * 0.85, 0.2, 0.05), (half * 0.88, 0.55, 0.035)]))
        pad = rounded("main", -half, -0.12, half, 0.24, 0.1)
        tufts = [ellipse("shade", x * half, 0.05, 0.03, 0.03) for x in (-0.6, -0.2, 0.2, 0.6)]
        return [*legs, pad, line("shade", [(-half, 0.16), (half, 0.16)], 0.025), *tufts]
    top = symmetric("main", [(half * 0.93, -0.1), (half, 0.06), (0, 0.06)])
    seam = line("shade", [(-half * 0.97, -0.02), (half * 0.97, -0.02)], 0.015)
    board = both(
        polygon("main", [(half * 0.78, 0.06), (half * 0.9, 0.06), (half * 0.94, 0.55), (half * 0.74, 0.55)])
    )
    return [
        *board,
        line("main", [(-half * 0.8, 0.32), (half * 0.8, 0.32)], 0.08),
        top,
        seam,
        box("shade", -half, 0.05, half, 0.13),
    ]


def sofa(rng: random.Random) -> list[Part]:
    back, arm, seats = between(rng, -0.6, -0.35), between(rng, 0.16, 0.28), rng.choice((2, 2, 3))
    foot = rng.choice(("wood", "dark", "metal"))
    low = between(rng, 0.48, 0.6)
    parts = both(box(foot, 0.76, low - 0.05, 0.84, low + 0.15))
    inner = 0.96 - arm
    parts += [rounded("main", -0.9, back, 0.9, low, between(rng, 0.05, 0.2))]
    step = 2 * inner / seats
    for index in range(seats):
        x = -inner + index * step
        parts += outlined(rounded("main", x, back + 0.1, x + step, 0.15, 0.08), 0.022)
        parts += outlined(rounded("main", x, 0.08, x + step, 0.3, 0.05), 0.026)
    side = outlined(
        rounded("main", inner - 0.02, between(rng, -0.2, 0.0), 0.98, low + 0.02, between(rng, 0.05, 0.14)),
        0.022,
    )
    parts += both(*side)
    if chance(rng, 0.3):
        corner = between(rng, -0.6, -0.35)
        pillow = polygon(
            "accent",
            [(corner - 0.18, -0.12), (corner + 0.14, -0.2), (corner + 0.2, 0.12), (corner - 0.12, 0.16)],
            smooth=1,
        )
        parts.append(pillow)
    return parts


def cushion(rng: random.Random) -> list[Part]:
    if chance(rng, 0.2):  # a round one
        squash, count = between(rng, 0.55, 0.9), 10
        around = [(math.cos(i * 6.2832 / count), squash * math.sin(i * 6.2832 / count)) for i in range(count)]
        pleats = snake(
            "shade",
            [(x * 0.12, y * 0.12) for x, y in around],
            [(x * 0.55, y * 0.55) for x, y in around],
            0.014,
        )
        return [
            ellipse("main", 0, 0, 0.85, 0.85 * squash),
            pleats,
            ellipse("shade", 0, 0, 0.08, 0.08 * squash),
        ]
    wide, corner = between(rng, 0.62, 1.0), between(rng, 0.76, 0.9)
    pinch = between(rng, 0.6, 0.74)
    shape = symmetric(
        "main",
        [
            *bend((0, -pinch), (corner * 0.7, -pinch), (corner, -corner), 6),
            *bend((corner, -corner), (pinch, -pinch * 0.6), (pinch + 0.02, 0), 6),
            *bend((pinch + 0.02, 0), (pinch, pinch * 0.6), (corner, corner), 6),
            *bend((corner, corner), (corner * 0.7, pinch), (0, pinch), 6),
        ],
    )
    parts = [shape]
    trim = rng.random()
    if trim < 0.3:
        parts = outlined(shape, 0.04, "accent" if chance(rng, 0.5) else "shade")
    elif trim < 0.5:
        tassels = [
            limb("accent", [(x * corner, y * corner, 0.03), (x * corner * 1.14, y * corner * 1.14, 0.06)])
            for x in (-1, 1)
            for y in (-1, 1)
        ]
        parts = [*tassels, shape]
    if chance(rng, 0.3):
        parts.append(ellipse("shade", 0, 0, 0.06, 0.06))
    folds = [
        line(
            "shade",
            bend((x * corner * 0.92, y * corner * 0.92), (x * 0.6, y * 0.5), (x * 0.42, y * 0.46)),
            0.015,
        )
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return stretched([*parts, *folds[: rng.randint(0, 4)]], 1, wide, between(rng, -0.1, 0.1))


SEATS: dict[str, Draw] = {
    "chair": chair,
    "stool": stool,
    "bench": bench,
    "sofa": sofa,
    "cushion": cushion,
}
