"""Outlines of what stands or hangs about a home: lamps, vases, clocks, mirrors, pictures, pots."""

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
    symmetric,
)


def vase(rng: random.Random) -> list[Part]:
    belly, neck, rim = between(rng, 0.35, 0.6), between(rng, 0.1, 0.28), between(rng, 0.16, 0.38)
    parts: list[Part] = []
    if chance(rng, 0.5):
        for angle in (-0.55, -0.1, 0.45):
            x, y = math.sin(angle) * 0.6, -0.95 + abs(angle) * 0.2
            parts += [
                line("leaf", bend((0, -0.3), (x * 0.3, -0.6), (x, y)), 0.03),
                ellipse(rng.choice(("accent", "accent", "light")), x, y, 0.14, 0.13),
                ellipse("flame", x, y, 0.05, 0.05),
            ]
    middle = between(rng, 0.0, 0.45)
    body = [
        (rim, -0.42),
        (neck, -0.2),
        (belly, middle),
        (belly * 0.85, 0.7),
        (belly * 0.5, 0.9),
        (belly * 0.5, 0.92),
    ]
    if chance(rng, 0.2):
        handle = arc("main", belly * 0.75, -0.1, 0.22, 0.22, -100, 100, 0.06)
        parts += both(handle)
    parts += [symmetric("main", body, smooth=2), ellipse("shade", 0, -0.36, rim * 0.82, 0.06)]
    if chance(rng, 0.25):
        parts.append(
            line("accent", bend((-belly * 0.88, middle), (0, middle + 0.1), (belly * 0.88, middle)), 0.07)
        )
    return parts


def lamp(rng: random.Random) -> list[Part]:
    foot = rng.choice(("metal", "wood", "dark", "light", "main"))
    kind = rng.choice(("table", "table", "desk", "floor", "hanging"))
    if kind == "desk":
        bulb = [ellipse("flame", 0.55, -0.42, 0.16, 0.1)]
        hood = polygon("main", [(0.18, -0.78), (0.36, -0.92), (0.95, -0.55), (0.42, -0.25)], smooth=1)
        arms = [
            line("main", [(-0.1, 0.75), (-0.5, 0.05), (0.3, -0.7)], 0.085),
            ellipse("dark", -0.5, 0.05, 0.07, 0.07),
        ]
        return [*arms, *bulb, hood, symmetric("main", [(0.14, 0.7), (0.42, 0.86), (0, 0.88)], smooth=0)]
    shade, crown, low = between(rng, 0.42, 0.65), between(rng, 0.18, 0.42), between(rng, -0.25, 0.0)
    cone = symmetric("main", [(crown, -0.85), (shade, low)])
    rims = [
        line("shade", [(-shade, low - 0.02), (shade, low - 0.02)], 0.025),
        line("shade", [(-crown, -0.84), (crown, -0.84)], 0.025),
    ]
    if kind == "hanging":
        dome = symmetric(
            "main", [(0, -0.4), (crown * 0.6, -0.38), (shade, 0.1), (shade * 1.1, 0.35), (0, 0.36)], smooth=1
        )
        return [
            line("dark", [(0, -1.1), (0, -0.35)], 0.03),
            ellipse("flame", 0, 0.38, 0.16, 0.14),
            dome,
            line("shade", [(-shade * 1.08, 0.33), (shade * 1.08, 0.33)], 0.03),
        ]
    if kind == "floor":
        pole = [
            line(foot if foot != "main" else "shade", [(0, low - 0.1), (0, 1.5)], 0.05),
            ellipse(foot if foot != "main" else "shade", 0, 1.5, 0.34, 0.08),
        ]
        return [*pole, cone, *rims]
    base = (
        [line(foot, [(0, low - 0.1), (0, 0.85)], 0.06)]
        if chance(rng, 0.35)
        else [symmetric(foot, [(0.08, low - 0.1), (between(rng, 0.15, 0.36), 0.35), (0.2, 0.8)], smooth=2)]
    )
    glow = [ellipse("flame", 0, low, shade * 0.9, 0.05)] if chance(rng, 0.3) else []
    return [*base, ellipse(foot, 0, 0.85, 0.32, 0.08), *glow, cone, *rims]


def clock(rng: random.Random) -> list[Part]:
    rim = between(rng, 0.2, 0.28)
    face = rng.choice(("light", "light", "light", "dark", "main", "main"))
    ink = "light" if face == "dark" else "dark"
    kind = rng.choice(("round", "round", "square", "alarm"))
    outer = [
        rounded("main", -0.82, -0.82, 0.82, 0.82, 0.12)
        if kind == "square"
        else ellipse("main", 0, 0, 0.85, 0.85)
    ]
    if kind == "alarm":  # two bells, two feet
        bells = both(
            ellipse("main", 0.45, -0.85, 0.3, 0.2, start=165, stop=375),
            limb("main", [(0.4, 0.7, 0.08), (0.6, 1.0, 0.06)]),
        )
        outer = [line("metal", [(0, -0.8), (0, -1.05)], 0.06), *bells, *outer]
    reach = 0.85 - rim
    ticks = [
        line(
            ink,
            [
                (reach * 0.82 * math.sin(a), reach * 0.82 * math.cos(a)),
                (reach * 0.94 * math.sin(a), reach * 0.94 * math.cos(a)),
            ],
            0.05,
        )
        for a in (i * math.pi / 6 for i in range(0, 12, rng.choice((1, 3))))
    ]
    hour, minute = between(rng, 0, 6.28), between(rng, 0, 6.28)
    hands = [
        line(ink, [(0, 0), (length * reach * math.sin(a), length * reach * math.cos(a))], thick)
        for length, a, thick in ((0.5, hour, 0.07), (0.75, minute, 0.05))
    ]
    return [
        *outer,
        ellipse("shade", 0, 0, reach + 0.03, reach + 0.03),
        ellipse(face, 0, 0, reach, reach),
        *ticks,
        *hands,
        ellipse(ink, 0, 0, 0.05, 0.05),
    ]


def candle(rng: random.Random) -> list[Part]:
    def stick(x: float, width: float, top: float, low: float) -> list[Part]:
        dip = width * 0.28
        flame = symmetric("flame", [(0.0, -0.2), (0.075, -0.02), (0.05, 0.06), (0, 0.08)], smooth=1)
        flame.points += (x, top - 0.16)
        wax = symmetric("main", [(width, 0), (width, low - top), (0, low - top + dip)])
        wax.points += (x, top)
        parts = [
            wax,
            ellipse("main", x, top, width, dip),
            ellipse("shade", x, top, width * 0.85, dip * 0.8),
            line("dark", [(x, top), (x, top - 0.12)], 0.03),
        ]
        if chance(rng, 0.4):
            parts.append(
                limb(
                    "main",
                    [
                        (x - width * 0.7, top, 0.05),
                        (x - width * 0.9, top + 0.18, 0.06),
                        (x - width * 0.92, top + 0.3, 0.045),
                    ],
                )
            )
        return [*parts, flame]

    kind = rng.choice(("pillar", "pillar", "three", "holder", "glass"))
    if kind == "three":
        return [
            *stick(-0.5, 0.22, between(rng, -0.4, 0.1), 0.75),
            *stick(0.5, 0.22, between(rng, -0.2, 0.2), 0.75),
            *stick(0, 0.24, between(rng, -0.7, -0.3), 0.85),
        ]
    if kind == "holder":
        metal = rng.choice(("metal", "dark", "wood"))
        base = [
            ellipse(metal, 0, 0.82, 0.45, 0.1),
            line(metal, [(0, 0.6), (0, 0.82)], 0.12),
            symmetric(metal, [(0.22, 0.48), (0.12, 0.62)]),
        ]
        return [*base, *stick(0, between(rng, 0.12, 0.16), between(rng, -0.6, -0.3), 0.5)]
    if kind == "glass":
        width = between(rng, 0.35, 0.45)
        return [
            rounded("shade", -width - 0.05, -0.35, width + 0.05, 0.75, 0.06),
            *stick(0, width, -0.1, 0.68),
            line("light", [(-width * 0.85, -0.25), (-width * 0.85, 0.6)], 0.04),
        ]
    return stick(0, between(rng, 0.18, 0.42), between(rng, -0.5, 0.0), 0.8)


def plant_pot(rng: random.Random) -> list[Part]:
    top, rim, taper = between(rng, -0.2, 0.15), between(rng, 0.42, 0.6), between(rng, 0.6, 1.0)
    kind = rng.choice(("leaves", "leaves", "cactus", "flower", "empty"))
    green: list[Part] = []
    if kind == "leaves":
        for _ in range(rng.randint(4, 8)):
            angle, reach = between(rng, -1.0, 1.0), between(rng, 0.45, 0.85)
            x, y = math.sin(angle) * reach, top - math.cos(angle) * reach
            green.append(
                polygon(
                    "leaf",
                    [
                        (0, top),
                        (x * 0.6 - 0.1, y * 0.6 + top * 0.4),
                        (x, y),
                        (x * 0.6 + 0.1, y * 0.6 + top * 0.4 + 0.06),
                    ],
                    smooth=2,
                )
            )
    elif kind == "cactus":
        green = [
            rounded("leaf", -0.17, top - 0.75, 0.17, top + 0.1, 0.17),
            *both(line("leaf", [(0.1, top - 0.3), (0.36, top - 0.32), (0.36, top - 0.55)], 0.13)),
        ]
    elif kind == "flower":
        x, y = between(rng, -0.15, 0.15), top - 0.7
        petals = [
            ellipse("accent", x + 0.15 * math.cos(a), y + 0.15 * math.sin(a), 0.12, 0.12)
            for a in (i * 1.256 for i in range(5))
        ]
        green = [
            line("leaf", [(0, top), (x, y)], 0.05),
            polygon("leaf", [(0, top - 0.1), (0.3, top - 0.45), (0.1, top - 0.15)], smooth=1),
            *petals,
            ellipse("flame", x, y, 0.09, 0.09),
        ]
    low = between(rng, 0.7, 0.9)
    body = symmetric("main", [(rim, top), (rim * taper, low), (rim * taper * 0.9, low + 0.04)])
    mouth = (
        []
        if green
        else [ellipse("main", 0, top, rim * 1.05, 0.12), ellipse("dark", 0, top, rim * 0.92, 0.09)]
    )
    lip = (
        outlined(symmetric("main", [(rim * 1.1, top - 0.02), (rim * 1.07, top + 0.15)]), 0.022)
        if chance(rng, 0.6)
        else [line("shade", [(-rim, top + 0.02), (rim, top + 0.02)], 0.05)]
    )
    saucer = (
        [rounded(rng.choice(("main", "shade", "wood")), -rim * 0.95, low, rim * 0.95, low + 0.1, 0.04)]
        if chance(rng, 0.4)
        else []
    )
    return [*green, *saucer, body, *(lip if green else [*lip, *mouth])]


def mirror(rng: random.Random) -> list[Part]:
    """Silver glass with slanted gleams in a coloured rim: on a wall, on a stand, or with a handle."""
    kind = rng.choice(("oval", "hand", "arch", "table", "full"))

    def gleams(x: float, y: float, size: float) -> list[Part]:
        """Two streaks of light across the glass around (x, y)."""
        return [
            line("light", [(x - size * a, y + size * b), (x + size * b, y - size * a)], size * w)
            for a, b, w in ((0.75, 0.25, 0.22), (0.35, 0.5, 0.1))
        ]

    if kind == "hand":
        radius = between(rng, 0.4, 0.48)
        grip = limb("main", [(0, 0.0, 0.1), (0, 0.3, 0.085), (0, 0.8, 0.13), (0, 0.95, 0.08)])
        return [
            grip,
            ellipse("main", 0, -0.42, radius, radius * 1.15),
            ellipse("metal", 0, -0.42, radius * 0.72, radius * 0.85),
            *gleams(0, -0.42, radius * 0.7),
        ]
    if kind == "table":
        radius = between(rng, 0.5, 0.6)
        stand = [line("main", [(0, 0.2), (0, 0.85)], 0.11), ellipse("main", 0, 0.86, 0.42, 0.1)]
        yoke = arc("main", 0, -0.3, radius + 0.1, radius + 0.1, 0, 180, 0.08)
        return [
            *stand,
            yoke,
            ellipse("main", 0, -0.3, radius, radius),
            ellipse("metal", 0, -0.3, radius * 0.75, radius * 0.75),
            *gleams(0, -0.3, radius * 0.7),
        ]
    if kind == "oval":
        rx, ry = between(rng, 0.55, 0.9), 0.92
        rim = rx * between(rng, 0.28, 0.35)
        return [
            ellipse("main", 0, 0, rx, ry),
            ellipse("shade", 0, 0, rx - rim + 0.03, ry - rim + 0.03),
            ellipse("metal", 0, 0, rx - rim, ry - rim),
            *gleams(0, 0, (rx - rim) * 0.75),
        ]
    half = between(rng, 0.36, 0.5)
    rim = half * between(rng, 0.3, 0.38)
    if kind == "arch":

        def arch(role: str, less: float) -> Part:
            return symmetric(
                role,
                [
                    *bend((0, -0.95 + less), (half - less, -0.95 + less), (half - less, -0.35), 6),
                    (half - less, 0.9 - less),
                    (0, 0.9 - less),
                ],
            )

        return [arch("main", 0), arch("shade", rim - 0.02), arch("metal", rim), *gleams(0, -0.1, half * 0.8)]
    legs = both(limb("main", [(half * 0.9, 0.3, 0.05), (half + 0.16, 0.97, 0.05)]))
    return [
        *legs,
        rounded("main", -half, -0.95, half, 0.85, 0.08),
        box("metal", -half + rim, -0.95 + rim, half - rim, 0.85 - rim),
        *gleams(0, -0.15, half * 0.8),
    ]


def picture_frame(rng: random.Random) -> list[Part]:
    """A wide coloured frame around a pale mount with a small picture in it."""
    wide, high = rng.choice(((0.9, 0.7), (0.7, 0.9), (0.8, 0.8)))
    rim, mount = between(rng, 0.17, 0.24), between(rng, 0.05, 0.14)
    outer = box("main", -wide, -high, wide, high)
    mitres = [
        line("shade", [(x * wide, y * high), (x * (wide - rim), y * (high - rim))], 0.022)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    x, y = wide - rim, high - rim
    inside = [*outlined(box("light", -x, -y, x, y), 0.025)]
    x, y = x - mount, y - mount
    scene = rng.choice(("hills", "face", "shapes", "flower"))
    picture = [box("metal", -x, -y, x, y)]
    if scene == "hills":
        picture += [
            ellipse("flame", x * 0.4, -y * 0.4, 0.1, 0.1),
            polygon(
                "leaf",
                [(-x, y), (-x, y * 0.2), (-x * 0.3, -y * 0.3), (x * 0.3, y * 0.4), (x, y * 0.1), (x, y)],
            ),
        ]
    elif scene == "face":
        picture += [
            ellipse("wood", 0, y * 1.0, x * 0.65, y * 0.75, start=180, stop=360),
            ellipse("skin", 0, -y * 0.1, min(x, y) * 0.42, min(x, y) * 0.5),
            ellipse("dark", 0, -y * 0.35, min(x, y) * 0.45, min(x, y) * 0.3, start=180, stop=360),
        ]
    elif scene == "flower":
        picture = [box("light", -x, -y, x, y), line("leaf", [(0, y * 0.9), (0, 0)], 0.05)]
        picture += [
            ellipse("flame", 0.16 * math.cos(a), -0.1 + 0.16 * math.sin(a), 0.11, 0.11)
            for a in (i * 1.256 for i in range(5))
        ]
    else:
        picture += [box("dark", -x, -y, 0, y * 0.2), ellipse("flame", x * 0.3, y * 0.3, 0.2, 0.2)]
    stand = (
        [polygon("shade", [(wide * 0.3, high), (wide * 0.55, high + 0.12), (wide * 0.6, high)])]
        if chance(rng, 0.3)
        else []
    )
    if chance(rng, 0.25):
        stand = [line("dark", [(-wide * 0.5, -high), (0, -high - 0.22), (wide * 0.5, -high)], 0.02)]
    return [*stand, outer, *mitres, *inside, *picture]


DECOR: dict[str, Draw] = {
    "vase": vase,
    "lamp": lamp,
    "clock": clock,
    "candle": candle,
    "plant pot": plant_pot,
    "mirror": mirror,
    "picture frame": picture_frame,
}
