# ruff: noqa: E501 - tables read better in long lines
"""Outlines of things for the house, the desk and play; each varies in every measure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from services.encoder.train.shapes import (
    Part,
    arc,
    between,
    box,
    chance,
    ellipse,
    line,
    mirrored,
    polygon,
    symmetric,
)


def mug(rng: random.Random) -> list[Part]:
    width, top, low = between(rng, 0.38, 0.55), between(rng, -0.75, -0.45), between(rng, 0.45, 0.75)
    taper = between(rng, 0.75, 1.05)
    return [
        arc(
            "main",
            width,
            (top + low) / 2,
            between(rng, 0.25, 0.4),
            (low - top) * 0.3,
            -90,
            90,
            between(rng, 0.08, 0.14),
        ),
        symmetric("main", [(width, top), (width * taper, low), (width * taper * 0.7, low + 0.1)]),
        ellipse("main", 0, top, width, 0.14),
        ellipse("shade", 0, top, width * 0.88, 0.1),
    ]


def bottle(rng: random.Random) -> list[Part]:
    width, neck, shoulder = between(rng, 0.2, 0.32), between(rng, 0.08, 0.16), between(rng, -0.5, -0.1)
    parts = [
        symmetric(
            "main", [(neck, -0.85), (neck, shoulder - 0.12), (width, shoulder + 0.1), (width, 0.9)], smooth=1
        ),
        box(rng.choice(("dark", "light", "metal", "accent")), -neck * 1.2, -0.98, neck * 1.2, -0.8),
    ]
    return [*parts, box("light", -width * 0.97, 0.1, width * 0.97, 0.55)] if chance(rng, 0.4) else parts


def vase(rng: random.Random) -> list[Part]:
    belly, neck, rim = between(rng, 0.35, 0.6), between(rng, 0.1, 0.25), between(rng, 0.16, 0.36)
    parts = []
    if chance(rng, 0.45):
        for angle in (-0.5, 0.0, 0.45):
            x, y = math.sin(angle) * 0.5, -0.85 + abs(angle) * 0.2
            parts += [line("leaf", [(0, -0.3), (x, y)], 0.03), ellipse("accent", x, y, 0.13, 0.13)]
    body = [(rim, -0.4), (neck, -0.15), (belly, 0.3), (belly * 0.8, 0.7), (belly * 0.5, 0.9)]
    return [*parts, symmetric("main", body, smooth=2), ellipse("shade", 0, -0.36, rim * 0.8, 0.06)]


def teapot(rng: random.Random) -> list[Part]:
    rx, ry = between(rng, 0.45, 0.58), between(rng, 0.38, 0.5)
    return [
        arc("main", -rx, 0.15, 0.28, 0.3, 90, 270, 0.09),
        polygon("main", [(rx * 0.7, 0.35), (0.92, -0.25), (0.78, -0.3), (rx * 0.6, 0.0)], smooth=1),
        ellipse("main", 0, 0.2, rx, ry),
        ellipse("shade", 0, 0.2 - ry * 0.9, rx * 0.55, 0.1),
        ellipse("accent" if chance(rng, 0.5) else "main", 0, 0.1 - ry, 0.09, 0.09),
    ]


def plate(rng: random.Random) -> list[Part]:
    squash = between(rng, 0.35, 1.0)
    inner = between(rng, 0.55, 0.72)
    return [
        ellipse("main", 0, 0, 0.9, 0.9 * squash),
        ellipse("shade", 0, 0, inner + 0.03, (inner + 0.03) * squash),
        ellipse("light" if chance(rng, 0.3) else "main", 0, 0, inner, inner * squash),
    ]


def bowl(rng: random.Random) -> list[Part]:
    width, rim = between(rng, 0.65, 0.88), between(rng, 0.14, 0.28)
    return [
        box("shade", -0.28, 0.4, 0.28, 0.62),
        ellipse("main", 0, -0.1, width, between(rng, 0.5, 0.7), start=0, stop=180),
        ellipse("main", 0, -0.1, width, rim),
        ellipse("shade", 0, -0.1, width * 0.9, rim * 0.8),
    ]


def glass(rng: random.Random) -> list[Part]:
    if chance(rng, 0.5):  # stemmed
        return [
            ellipse("shade", 0, 0.85, 0.35, 0.08),
            line("main", [(0, 0.1), (0, 0.85)], 0.05),
            symmetric("main", [(0.3, -0.8), (0.42, -0.4), (0.25, 0.05), (0, 0.14)], smooth=2),
            ellipse("light", 0, -0.72, 0.24, 0.06),
        ]
    width = between(rng, 0.3, 0.42)
    return [
        symmetric("main", [(width, -0.7), (width * 0.8, 0.75)]),
        ellipse("light", 0, -0.7, width, 0.1),
        polygon(
            "light", [(-width * 0.7, -0.55), (-width * 0.55, -0.55), (-width * 0.5, 0.6), (-width * 0.6, 0.6)]
        ),
    ]


def lamp(rng: random.Random) -> list[Part]:
    shade, crown = between(rng, 0.45, 0.65), between(rng, 0.2, 0.45)
    foot = rng.choice(("metal", "wood", "dark", "light"))
    base = (
        [line(foot, [(0, -0.2), (0, 0.85)], 0.06)]
        if chance(rng, 0.5)
        else [symmetric(foot, [(0.08, -0.2), (0.3, 0.35), (0.2, 0.8)], smooth=2)]
    )
    return [*base, ellipse(foot, 0, 0.85, 0.34, 0.09), symmetric("main", [(crown, -0.85), (shade, -0.1)])]


def chair(rng: random.Random) -> list[Part]:
    leg = rng.choice(("wood", "dark", "metal", "main"))
    slant, width = between(rng, 0.0, 0.15), between(rng, 0.4, 0.52)
    legs = [line(leg, [(x * width, 0.15), (x * (width + slant), 0.95)], 0.06) for x in (-0.9, 0.9)]
    legs += [line(leg, [(x * width, 0.1), (x * width, 0.78)], 0.05) for x in (-0.55, 0.55)]
    back = [symmetric("main", [(width * 0.9, -0.92), (width, -0.1)], smooth=1)]
    if chance(rng, 0.35):
        back = [line("main", [(x * width, -0.9), (x * width, 0.0)], 0.07) for x in (-0.9, -0.3, 0.3, 0.9)]
        back.append(box("main", -width, -0.92, width, -0.76))
    return [
        *legs,
        *back,
        symmetric("main", [(width, -0.02), (width * 1.15, 0.22)]),
        box("shade", -width * 1.15, 0.2, width * 1.15, 0.27),
    ]


def table(rng: random.Random) -> list[Part]:
    width, depth = between(rng, 0.75, 0.95), between(rng, 0.08, 0.25)
    top = -0.3
    legs = [
        line(
            "main" if chance(rng, 0.6) else "metal",
            [(x * width, top + 0.1), (x * width * between(rng, 0.85, 1.05), 0.8)],
            0.07,
        )
        for x in (-0.9, 0.9)
    ]
    legs += [line("shade", [(x * width, top), (x * width, 0.55)], 0.05) for x in (-0.65, 0.65)]
    if chance(rng, 0.3):
        return [
            line("shade", [(0, top), (0, 0.8)], 0.1),
            ellipse("shade", 0, 0.82, 0.4, 0.1),
            ellipse("main", 0, top, width, depth + 0.1),
        ]
    return [
        *legs,
        symmetric("main", [(width * 0.8, top - depth), (width, top + 0.04)]),
        box("shade", -width, top + 0.03, width, top + 0.12),
    ]


def sofa(rng: random.Random) -> list[Part]:
    back, arm = between(rng, -0.55, -0.35), between(rng, 0.16, 0.26)
    parts = [box(rng.choice(("wood", "dark", "metal")), x - 0.04, 0.5, x + 0.04, 0.72) for x in (-0.8, 0.8)]
    parts += [box("main", -0.85, back, 0.85, 0.2, smooth=1), box("shade", -0.72, 0.08, 0.72, 0.2)]
    parts += [box("main", -0.72, 0.12, 0.72, 0.42, smooth=1), box("main", -0.95, 0.3, 0.95, 0.56, smooth=1)]
    parts += [
        line("shade", [(x, back + 0.08), (x, 0.4)], 0.02)
        for x in ((0.0,) if chance(rng, 0.6) else (-0.25, 0.25))
    ]
    side = box("main", 0.95 - arm, -0.12, 0.97, 0.56, smooth=1)
    return [*parts, side, mirrored(side)]


def shelf(rng: random.Random) -> list[Part]:
    width, boards = between(rng, 0.4, 0.65), rng.randint(3, 5)
    parts = [box("main", -width, -0.92, width, 0.92)]
    height = 1.72 / boards
    for level in range(boards):
        y0 = -0.86 + level * height
        parts.append(box("shade", -width + 0.07, y0, width - 0.07, y0 + height - 0.07))
        x = -width + 0.12
        while x < width - 0.2 and chance(rng, 0.8):
            thick = between(rng, 0.05, 0.1)
            parts.append(
                box(
                    rng.choice(("accent", "light", "dark", "wood")),
                    x,
                    y0 + between(rng, 0.08, 0.16),
                    x + thick,
                    y0 + height - 0.07,
                )
            )
            x += thick + 0.02
    return parts


def bed(rng: random.Random) -> list[Part]:
    frame = rng.choice(("wood", "dark", "light"))
    return [
        box(frame, -0.9, -0.55, -0.78, 0.6),
        box(frame, 0.82, -0.1, 0.92, 0.6),
        box(frame, -0.9, 0.3, 0.92, 0.46),
        box("light", -0.8, 0.05, 0.84, 0.3, smooth=1),
        box("main", -0.4, -0.06, 0.85, 0.32, smooth=1),
        box("light", -0.78, -0.1, -0.42, 0.08, smooth=2),
    ]


def cushion(rng: random.Random) -> list[Part]:
    bulge = between(rng, 0.62, 0.8)
    corner = between(rng, 0.75, 0.92)
    parts = [
        symmetric(
            "main", [(0, -bulge), (corner, -corner), (bulge, 0), (corner, corner), (0, bulge)], smooth=1
        )
    ]
    return [*parts, ellipse("accent", 0, 0, 0.06, 0.06)] if chance(rng, 0.3) else parts


def rug(rng: random.Random) -> list[Part]:
    if chance(rng, 0.35):
        radius = between(rng, 0.35, 0.9)
        return [
            ellipse("main", 0, 0, 0.92, radius),
            ellipse("accent", 0, 0, 0.75, radius * 0.82),
            ellipse("main", 0, 0, 0.68, radius * 0.74),
        ]
    far, near, y = between(rng, 0.55, 0.8), between(rng, 0.85, 0.97), between(rng, 0.35, 0.55)
    fringe = [line("light", [(x / 12 * near, y), (x / 12 * near, y + 0.08)], 0.02) for x in range(-12, 13)]
    return [
        *fringe,
        symmetric("main", [(far, -y), (near, y)]),
        symmetric("accent", [(far * 0.85, -y * 0.8), (near * 0.85, y * 0.8)]),
        symmetric("main", [(far * 0.78, -y * 0.7), (near * 0.78, y * 0.7)]),
    ]


def clock(rng: random.Random) -> list[Part]:
    rim = between(rng, 0.08, 0.18)
    face = "light" if chance(rng, 0.75) else "dark"
    ink = "dark" if face == "light" else "light"
    outer = (
        ellipse("main", 0, 0, 0.85, 0.85)
        if chance(rng, 0.75)
        else box("main", -0.8, -0.8, 0.8, 0.8, smooth=1)
    )
    ticks = [
        line(ink, [(0.6 * math.sin(a), 0.6 * math.cos(a)), (0.68 * math.sin(a), 0.68 * math.cos(a))], 0.035)
        for a in (i * math.pi / 6 for i in range(12))
    ]
    angle = between(rng, 0, 6.28)
    hands = [
        line(ink, [(0, 0), (0.5 * math.sin(angle), 0.5 * math.cos(angle))], 0.04),
        line(ink, [(0, 0), (0.3 * math.cos(angle), 0.3 * math.sin(angle))], 0.05),
    ]
    return [outer, ellipse(face, 0, 0, 0.85 - rim, 0.85 - rim), *ticks, *hands]


def candle(rng: random.Random) -> list[Part]:
    width, top = between(rng, 0.16, 0.4), between(rng, -0.5, -0.1)
    return [
        ellipse("flame", 0, top - 0.26, 0.08, 0.15),
        line("dark", [(0, top - 0.14), (0, top)], 0.03),
        box("main", -width, top, width, 0.85),
        ellipse("main", 0, 0.85, width, 0.08),
        ellipse("shade", 0, top, width, 0.07),
    ]


def plant_pot(rng: random.Random) -> list[Part]:
    top, rim = between(rng, 0.0, 0.2), between(rng, 0.35, 0.55)
    leaves = []
    for _ in range(rng.randint(4, 9)):
        angle, reach = between(rng, -1.1, 1.1), between(rng, 0.5, 0.95)
        x, y = math.sin(angle) * reach, top - math.cos(angle) * reach
        leaves.append(
            polygon(
                "leaf",
                [(0, top), (x * 0.6 - 0.1, y * 0.6), (x, y), (x * 0.6 + 0.1, y * 0.6 + 0.06)],
                smooth=2,
            )
        )
    return [
        *leaves,
        symmetric("main", [(rim, top), (rim * 0.7, 0.9)]),
        symmetric("shade", [(rim * 1.08, top - 0.02), (rim * 1.06, top + 0.12)]),
    ]


def basket(rng: random.Random) -> list[Part]:
    width, top = between(rng, 0.6, 0.8), between(rng, -0.2, 0.05)
    weave = [line("shade", [(-width, y / 10), (width, y / 10)], 0.02) for y in range(int(top * 10) + 1, 7)]
    weave += [line("shade", [(x / 6 * width, top), (x / 6 * width * 0.85, 0.7)], 0.02) for x in range(-5, 6)]
    return [
        arc("main", 0, top, width * 0.8, between(rng, 0.5, 0.8), 180, 360, 0.07),
        symmetric("main", [(width, top), (width * 0.85, 0.72)]),
        *weave,
    ]


def phone(rng: random.Random) -> list[Part]:
    width = between(rng, 0.36, 0.48)
    body = box("main", -width, -0.9, width, 0.9, smooth=2)
    if chance(rng, 0.5):
        return [
            body,
            box("dark", -width * 0.9, -0.82, width * 0.9, 0.82, smooth=1),
            box("accent", -width * 0.7, -0.1, width * 0.7, 0.3, smooth=1),
        ]
    return [
        body,
        box("dark", -width * 0.8, -0.8, -width * 0.1, -0.35, smooth=2),
        ellipse("metal", -width * 0.45, -0.68, 0.07, 0.07),
        ellipse("metal", -width * 0.45, -0.48, 0.07, 0.07),
    ]


def laptop(rng: random.Random) -> list[Part]:
    width, top = between(rng, 0.62, 0.75), between(rng, -0.7, -0.5)
    base = symmetric("main", [(width, 0.25), (0.95, 0.6), (0.95, 0.66)])
    return [
        box("main", -width, top, width, 0.25),
        box("dark", -width * 0.93, top + 0.06, width * 0.93, 0.2),
        box("accent", -width * 0.6, top + 0.2, width * 0.2, 0.0),
        base,
        symmetric("dark", [(width * 0.92, 0.3), (0.82, 0.45)]),
        symmetric("shade", [(0.2, 0.48), (0.22, 0.57)]),
    ]


def headphones(rng: random.Random) -> list[Part]:
    radius = between(rng, 0.55, 0.7)
    cup = ellipse("main", radius, 0.35, between(rng, 0.16, 0.24), between(rng, 0.28, 0.38))
    pad = ellipse("dark", radius - 0.13, 0.35, 0.09, 0.26)
    return [
        arc("main", 0, 0.2, radius, between(rng, 0.8, 1.0), 180, 360, between(rng, 0.07, 0.13)),
        cup,
        mirrored(cup),
        pad,
        mirrored(pad),
    ]


def camera(rng: random.Random) -> list[Part]:
    radius = between(rng, 0.32, 0.42)
    return [
        box("main", -0.3, -0.62, 0.3, -0.35, smooth=1),
        box("main", -0.88, -0.42, 0.88, 0.58, smooth=1),
        box("dark", -0.88, -0.2, 0.88, 0.35) if chance(rng, 0.5) else box("shade", -0.88, 0.45, 0.88, 0.55),
        ellipse("metal", 0, 0.08, radius + 0.06, radius + 0.06),
        ellipse("dark", 0, 0.08, radius, radius),
        ellipse("light", -0.1, -0.02, 0.07, 0.07),
        box("light", 0.5, -0.36, 0.75, -0.22),
    ]


def book(rng: random.Random) -> list[Part]:
    width, depth = between(rng, 0.45, 0.65), between(rng, 0.05, 0.14)
    pages = polygon(
        "light",
        [
            (-width + depth, -0.8 - depth),
            (width + depth, -0.8 - depth),
            (width + depth, 0.75 - depth),
            (-width, 0.8),
        ],
    )
    parts = [pages, box("main", -width, -0.8, width, 0.82), box("shade", -width, -0.8, -width + 0.08, 0.82)]
    return [*parts, box("accent" if chance(rng, 0.5) else "light", -width * 0.5, -0.45, width * 0.7, -0.25)]


def ball(rng: random.Random) -> list[Part]:
    parts = [ellipse("main", 0, 0, 0.8, 0.8)]
    if chance(rng, 0.6):
        tilt = between(rng, 0.15, 0.5)
        parts += [ellipse("accent", 0, 0, 0.8 * tilt, 0.8), ellipse("main", 0, 0, 0.8 * tilt * 0.5, 0.8)]
    return [*parts, ellipse("light", -0.3, -0.35, 0.12, 0.09)]


def toy_car(rng: random.Random) -> list[Part]:
    roof = between(rng, -0.5, -0.3)
    wheels = [
        ellipse(role, x, 0.42, r, r) for x in (-0.5, 0.5) for role, r in (("dark", 0.2), ("metal", 0.1))
    ]
    cabin = polygon("main", [(-0.5, 0.0), (-0.35, roof), (0.25, roof), (0.5, 0.0)], smooth=1)
    window = polygon("light", [(-0.38, -0.02), (-0.28, roof + 0.08), (0.18, roof + 0.08), (0.36, -0.02)])
    return [
        cabin,
        window,
        line("main", [(-0.03, roof), (-0.03, 0)], 0.05),
        box("main", -0.92, -0.05, 0.92, 0.4, smooth=1),
        *wheels,
        ellipse("flame", 0.88, 0.12, 0.05, 0.06),
    ]


def teddy_bear(rng: random.Random) -> list[Part]:
    head = between(rng, 0.36, 0.44)
    ear, arm, leg = (
        ellipse("main", 0.3, -0.78, 0.15, 0.15),
        ellipse("main", 0.5, 0.15, 0.18, 0.3),
        ellipse("main", 0.33, 0.72, 0.22, 0.2),
    )
    limbs = [part for one in (ear, arm, leg) for part in (one, mirrored(one))]
    eye = ellipse("dark", 0.14, -0.5, 0.045, 0.045)
    return [
        *limbs,
        ellipse("main", 0, 0.3, 0.48, 0.5),
        ellipse("light", 0, 0.35, 0.28, 0.3),
        ellipse("main", 0, -0.45, head, head * 0.92),
        ellipse("light", 0, -0.34, 0.17, 0.13),
        eye,
        mirrored(eye),
        ellipse("dark", 0, -0.38, 0.06, 0.045),
    ]


def guitar(rng: random.Random) -> list[Part]:
    lower = between(rng, 0.4, 0.5)
    return [
        symmetric("wood", [(0.06, -0.95), (0.06, 0.1)]),
        box("dark", -0.1, -1.0, 0.1, -0.82),
        symmetric(
            "main",
            [(0, -0.15), (0.3, -0.08), (0.26, 0.25), (lower, 0.6), (lower * 0.8, 0.92), (0, 0.97)],
            smooth=2,
        ),
        ellipse("dark", 0, 0.3, 0.14, 0.14),
        box("dark", -0.18, 0.66, 0.18, 0.72),
        line("light", [(0, -0.9), (0, 0.68)], 0.015),
    ]


HOME: dict[str, Callable[[random.Random], list[Part]]] = {
    "mug": mug, "bottle": bottle, "vase": vase, "teapot": teapot, "plate": plate, "bowl": bowl, "glass": glass,
    "lamp": lamp, "chair": chair, "table": table, "sofa": sofa, "shelf": shelf, "bed": bed, "cushion": cushion,
    "rug": rug, "clock": clock, "candle": candle, "plant pot": plant_pot, "basket": basket, "phone": phone,
    "laptop": laptop, "headphones": headphones, "camera": camera, "book": book, "ball": ball, "toy car": toy_car,
    "teddy bear": teddy_bear, "guitar": guitar,
}  # fmt: skip
