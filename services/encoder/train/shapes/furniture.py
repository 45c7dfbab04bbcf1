"""Outlines of furniture that holds things, and beds, from the front or at a slant."""

from __future__ import annotations

import random

from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    arc,
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


def table(rng: random.Random) -> list[Part]:
    kind = rng.choice(("four", "four", "round", "desk", "trestle"))
    width, depth, top = between(rng, 0.75, 0.97), between(rng, 0.1, 0.3), -0.3
    leg = rng.choice(("main", "main", "metal", "wood", "dark"))
    if kind == "round":
        foot = [
            limb("shade", [(0, top, 0.05), (0, 0.5, 0.06), (0, 0.76, 0.1)]),
            ellipse("shade", 0, 0.8, 0.42, 0.1),
        ]
        return [
            *foot,
            ellipse("main", 0, top + 0.07, width, depth + 0.1),
            arc("shade", 0, top + 0.04, width, depth + 0.08, 0, 180, 0.03),
            ellipse("main", 0, top, width, depth + 0.1),
        ]
    board = [
        symmetric("main", [(width * between(rng, 0.72, 0.95), top - depth), (width, top + 0.04)]),
        box("main", -width, top + 0.03, width, top + 0.13),
        line("shade", [(-width, top + 0.05), (width, top + 0.05)], 0.02),
    ]
    if kind == "desk":
        drawers = box("main", width * 0.3, top + 0.1, width * 0.95, 0.75)
        fronts = [
            part
            for y in (top + 0.2, top + 0.53)
            for part in outlined(box("main", width * 0.36, y, width * 0.89, y + 0.28), 0.022)
        ]
        knobs = [ellipse("metal", width * 0.62, y, 0.035, 0.035) for y in (top + 0.34, top + 0.67)]
        return [
            limb(leg, [(-width * 0.9, top, 0.05), (-width * 0.9, 0.75, 0.05)]),
            limb("shade", [(-width * 0.7, top, 0.04), (-width * 0.7, 0.6, 0.04)]),
            drawers,
            *fronts,
            *knobs,
            *board,
        ]
    if kind == "trestle":
        legs = both(
            limb(leg, [(width * 0.6, top, 0.045), (width * 0.9, 0.8, 0.045)]),
            limb(leg, [(width * 0.75, top, 0.045), (width * 0.45, 0.8, 0.045)]),
        )
        return [*legs, *board]
    splay = between(rng, 0.85, 1.02)
    legs = both(
        limb(leg, [(width * 0.92, top, 0.06), (width * splay * 0.94, 0.8, 0.04)]),
        limb("shade", [(width * 0.7, top, 0.045), (width * 0.7 * splay, 0.55, 0.035)]),
    )
    apron = [box("shade", -width * 0.9, top + 0.12, width * 0.9, top + 0.25)] if chance(rng, 0.5) else []
    return [*legs, *apron, *board]


def shelf(rng: random.Random) -> list[Part]:
    if chance(rng, 0.2):  # boards on a wall
        parts: list[Part] = []
        for index in range(rng.randint(2, 3)):
            y, x = -0.55 + index * 0.6, between(rng, -0.15, 0.15)
            parts += [
                line("metal", [(x - 0.5, y), (x - 0.5, y + 0.22)], 0.04),
                line("metal", [(x + 0.5, y), (x + 0.5, y + 0.22)], 0.04),
            ]
            parts += [
                box("main", x - 0.8, y, x + 0.8, y + 0.18),
                line("shade", [(x - 0.8, y + 0.17), (x + 0.8, y + 0.17)], 0.03),
            ]
            parts += _books(rng, x - 0.6, x + between(rng, -0.45, 0.1), y, 0.28)
        return parts
    width, boards, thick = between(rng, 0.42, 0.75), rng.randint(3, 5), between(rng, 0.06, 0.085)
    back = chance(rng, 0.75)
    height = 1.78 / boards
    parts = [box("main", -width, -0.92, width, 0.92)] if back else []  # or one sees the wall through it
    for level in range(boards):
        y = -0.92 + thick + level * height
        if chance(rng, 0.5 if back else 0.2):
            parts += _books(rng, -width + 0.1, width - 0.15, y + height - thick, height - thick - 0.08)
    lines = [-0.92 + thick / 2 + level * height for level in range(boards + 1)]
    parts += [box("main", -width, y - thick / 2, width, y + thick / 2) for y in lines]
    parts += [
        line("shade", [(-width + thick, y + thick / 2 + 0.025), (width - thick, y + thick / 2 + 0.025)], 0.06)
        for y in lines[:-1]
    ]
    return [*parts, *both(box("main", width - thick, -0.94, width, 0.95))]


def _books(rng: random.Random, x: float, end: float, y: float, high: float) -> list[Part]:
    """A few things standing on a board at height y."""
    parts: list[Part] = []
    while x < end and len(parts) < rng.choice((2, 3, 4)):
        thick = between(rng, 0.06, 0.15)
        parts.append(
            box(
                rng.choice(("light", "dark", "wood", "accent", "leaf")),
                x,
                y - high * between(rng, 0.55, 0.95),
                x + thick,
                y,
            )
        )
        x += thick + (0.02 if chance(rng, 0.7) else between(rng, 0.1, 0.3))
    return parts


def wardrobe(rng: random.Random) -> list[Part]:
    """A tall cupboard with doors to the floor."""
    width, doors = between(rng, 0.5, 0.75), rng.choice((2, 2, 3))
    feet = both(box(rng.choice(("dark", "wood", "shade")), width * 0.75, 0.85, width * 0.92, 0.97))
    parts = [*feet, box("main", -width, -0.9, width, 0.88)]
    if chance(rng, 0.5):
        parts.append(symmetric("main", [(width * 1.08, -0.97), (width * 1.0, -0.86)]))
        parts.append(line("shade", [(-width, -0.86), (width, -0.86)], 0.025))
    low = 0.84
    if chance(rng, 0.5):  # drawers below the doors
        low = between(rng, 0.4, 0.55)
        parts += outlined(box("main", -width * 0.94, low + 0.04, width * 0.94, 0.84), 0.025)
        parts += both(ellipse("metal", width * 0.45, (low + 0.86) / 2, 0.045, 0.03))
    step = 1.88 * width / doors
    mirror = rng.randrange(doors) if chance(rng, 0.2) and doors == 3 else -1
    for index in range(doors):
        x = -0.94 * width + index * step
        parts += outlined(box("main", x, -0.82, x + step, low), 0.028)
        if index == mirror:
            parts.append(box("metal", x + 0.05, -0.75, x + step - 0.05, low - 0.08))
        elif chance(rng, 0.4):
            parts.append(
                Part(
                    "shade", rounded("shade", x + 0.08, -0.72, x + step - 0.08, low - 0.1, 0.02).points, 0.018
                )
            )
        right = x + step - 0.07 if index % 2 == 0 else x + 0.07
        parts.append(line("metal" if chance(rng, 0.6) else "dark", [(right, -0.1), (right, 0.08)], 0.04))
    return parts


def bed(rng: random.Random) -> list[Part]:
    frame = rng.choice(("wood", "dark", "light", "main"))
    sheet = rng.choice(("light", "light", "shade"))
    if chance(rng, 0.5):  # from the foot end
        half = between(rng, 0.62, 0.8)
        board = symmetric(
            frame, [(0, -0.75), (half * 0.95, -0.7), (half, -0.5), (half, 0.1), (0, 0.1)], smooth=1
        )
        mattress = symmetric("light", [(half * 0.88, -0.3), (half * 1.1, 0.5), (0, 0.5)])
        pillows = both(*outlined(rounded(sheet, 0.04, -0.42, half * 0.82, -0.14, 0.1), 0.02))
        cover = symmetric("main", [(half * 0.94, -0.12), (half * 1.16, 0.5), (half * 1.14, 0.72), (0, 0.74)])
        fold = symmetric(
            "light" if chance(rng, 0.5) else "accent", [(half * 0.94, -0.14), (half * 0.97, -0.02), (0, 0.0)]
        )
        legs = both(box("dark", half * 0.95, 0.7, half * 1.08, 0.86))
        edge = line("shade", [(-half * 1.14, 0.48), (half * 1.14, 0.48)], 0.022)
        return [*legs, board, mattress, *pillows, cover, fold, edge]
    high = between(rng, 0.45, 0.65)
    foot = between(rng, 0.1, 0.3)
    covers = [(-0.42, -0.1), (0.8, -0.06), (0.9, 0.05), (0.88, 0.34), (-0.5, 0.36)]
    return [
        rounded(frame, -0.97, -high, -0.84, 0.62, 0.04),
        rounded(frame, 0.86, 0.2 - foot, 0.97, 0.62, 0.04),
        box(frame, -0.9, 0.3, 0.9, 0.46),
        rounded("light", -0.84, 0.02, 0.86, 0.32, 0.06),
        *outlined(rounded(sheet, -0.82, -0.18, -0.42, 0.06, 0.1), 0.02),
        polygon("main", covers, smooth=1),
        line("shade", [(-0.36, -0.08), (-0.42, 0.34)], 0.03),
    ]


def rug(rng: random.Random) -> list[Part]:
    rim = rng.choice(("accent", "shade", "light"))
    if chance(rng, 0.35):
        radius = between(rng, 0.3, 0.9)
        inner = between(rng, 0.66, 0.8)
        rings = (
            [
                ellipse(rim, 0, 0, inner + 0.08, (inner + 0.08) * radius),
                ellipse("main", 0, 0, inner, inner * radius),
            ]
            if chance(rng, 0.6)
            else []
        )
        return [
            ellipse("shade", 0, 0.025, 0.92, 0.92 * radius),
            ellipse("main", 0, 0, 0.92, 0.92 * radius),
            *rings,
        ]
    far, near, y = between(rng, 0.5, 0.9), between(rng, 0.85, 0.97), between(rng, 0.35, 0.62)
    xs = [x / 11 * near for x in range(-11, 12)]
    fringe = [snake("light", [(x, y - 0.02) for x in xs], [(x, y + 0.09) for x in xs], 0.02)]
    xs = [x / 11 * far for x in range(-11, 12)]
    fringe.append(snake("light", [(x, -y) for x in xs], [(x, -y - 0.06) for x in xs], 0.02))
    parts = [*(fringe if chance(rng, 0.6) else []), symmetric("main", [(far, -y), (near, y)])]
    if chance(rng, 0.65):
        parts += [
            symmetric(rim, [(far * 0.86, -y * 0.8), (near * 0.86, y * 0.8)]),
            symmetric("main", [(far * 0.78, -y * 0.7), (near * 0.78, y * 0.7)]),
        ]
    return stretched(parts, 1, 1, between(rng, -0.25, 0.25))


FURNITURE: dict[str, Draw] = {
    "table": table,
    "shelf": shelf,
    "wardrobe": wardrobe,
    "bed": bed,
    "rug": rug,
}
