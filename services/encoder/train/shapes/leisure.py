"""Outlines of things for free hours: sports, instruments, books."""

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
    placed,
    polygon,
    ring,
    rounded,
    snake,
    stretched,
    symmetric,
)


def book(rng: random.Random) -> list[Part]:
    kind = rng.choice(("closed", "closed", "open", "stack", "spiral"))
    title = rng.choice(("accent", "light", "light", "shade"))
    if kind == "open":  # lying on its pages, covers up: the spine runs along the ridge
        high, drop = between(rng, 0.5, 0.65), between(rng, 0.1, 0.22)
        leaves = both(
            polygon("light", [(0, -high + 0.02), (0.86, -high + drop), (0.9, high - 0.02 + drop), (0, high)])
        )
        covers = both(
            polygon("main", [(0.04, -high), (0.92, -high + drop), (0.96, high + drop), (0.04, high)])
        )
        band = [line(title, [(0.25, -high * 0.4 + drop * 0.3), (0.75, -high * 0.4 + drop * 0.8)], 0.09)]
        return [*leaves, *covers, box("shade", -0.05, -high - 0.01, 0.05, high + 0.01), *band]
    if kind == "stack":
        parts = []
        y = 0.6
        for role in ("main", rng.choice(("main", "accent", "dark")), "main"):
            thick, x, half = between(rng, 0.2, 0.28), between(rng, -0.12, 0.12), between(rng, 0.65, 0.8)
            parts += [
                rounded(role, x - half, y - thick, x + half, y, 0.03),
                box("light", x - half + 0.1, y - thick + 0.05, x + half + 0.02, y - 0.05),
                line("shade", [(x - half + 0.1, y - thick + 0.05), (x - half + 0.1, y - 0.05)], 0.03),
            ]
            y -= thick
        x = between(rng, -0.1, 0.1)
        top = polygon("main", [(x - 0.62, y - 0.35), (x + 0.55, y - 0.35), (x + 0.75, y), (x - 0.75, y)])
        return [*parts, top, line(title, [(x - 0.35, y - 0.2), (x + 0.35, y - 0.2)], 0.09)]
    width, depth = between(rng, 0.5, 0.68), between(rng, 0.06, 0.16)
    cover = rounded("main", -width, -0.82, width, 0.82, 0.03)
    if kind == "spiral":
        ys = [-0.72 + i * 0.12 for i in range(13)]
        coil = [line("metal", [(-width - 0.08, y), (-width + 0.08, y)], 0.035) for y in ys[::2]]
        return [
            cover,
            rounded("light", -width * 0.45, -0.5, width * 0.65, -0.18, 0.03),
            line("shade", [(-width * 0.3, -0.34), (width * 0.5, -0.34)], 0.025),
            *coil,
        ]
    pages = polygon(
        "light",
        [
            (-width + depth, -0.82 - depth),
            (width + depth, -0.82 - depth),
            (width + depth, 0.76 - depth),
            (width, 0.8),
            (-width, -0.8),
        ],
    )
    back = polygon(
        "shade",
        [
            (-width + depth, -0.84 - depth),
            (width + depth + 0.03, -0.84 - depth),
            (width + depth + 0.03, 0.8 - depth),
            (width, 0.84),
            (-width, -0.8),
        ],
    )
    marks = [
        box(title, -width * 0.5, -0.5, width * 0.75, -0.32),
        line(title, [(-width * 0.3, -0.18), (width * 0.55, -0.18)], 0.04),
    ]
    if chance(rng, 0.35):
        marks.append(ellipse(title, width * 0.12, 0.3, 0.2, 0.2))
    ribbon = [line("accent", [(width * 0.4, 0.8), (width * 0.42, 1.0)], 0.06)] if chance(rng, 0.25) else []
    return stretched(
        [*ribbon, back, pages, cover, box("shade", -width, -0.82, -width + 0.1, 0.82), *marks],
        1,
        1,
        between(rng, -0.15, 0.15),
    )


def guitar(rng: random.Random) -> list[Part]:
    lower, upper = between(rng, 0.4, 0.5), between(rng, 0.27, 0.34)
    if chance(rng, 0.4):  # electric: horns and a plate
        horns = [
            (0.06, -0.1),
            (0.2, -0.2),
            (0.34, -0.32),
            (0.34, -0.05),
            (0.28, 0.2),
            (lower, 0.55),
            (lower * 0.8, 0.9),
            (0, 0.94),
        ]
        body = symmetric("main", [(0, 0.02), *horns], smooth=2)
        plate = polygon(
            rng.choice(("light", "dark")),
            [(0.05, 0.0), (0.26, 0.1), (0.3, 0.5), (-0.05, 0.72), (-0.1, 0.3)],
            smooth=1,
        )
        pickups = [line("dark", [(-0.11, y), (0.11, y)], 0.07) for y in (0.25, 0.45)]
        extra = [
            plate,
            *pickups,
            box("metal", -0.13, 0.62, 0.13, 0.68),
            ellipse("metal", 0.28, 0.65, 0.04, 0.04),
        ]
    else:
        body = symmetric(
            "main",
            [
                (0, -0.18),
                (upper, -0.14),
                (upper * 1.02, 0.08),
                (upper * 0.82, 0.25),
                (lower, 0.5),
                (lower * 0.92, 0.85),
                (0, 0.96),
            ],
            smooth=2,
        )
        extra = [
            ellipse("light", 0, 0.25, 0.17, 0.17),
            ellipse("dark", 0, 0.25, 0.14, 0.14),
            box("dark", -0.17, 0.62, 0.17, 0.68),
        ]
    neck = [
        box("wood" if chance(rng, 0.6) else "dark", -0.055, -0.95, 0.055, 0.12),
        polygon("dark", [(-0.1, -1.2), (0.1, -1.2), (0.07, -0.94), (-0.07, -0.94)]),
    ]
    pegs = both(*[ellipse("metal", 0.12, y, 0.035, 0.03) for y in (-1.15, -1.06)])
    parts = [*pegs, body, *neck, *extra, line("light", [(0, -1.0), (0, 0.66)], 0.016)]
    return placed(parts, angle=between(rng, -0.8, 0.8)) if chance(rng, 0.5) else parts


def drum(rng: random.Random) -> list[Part]:
    """A cylinder with a pale skin on top, hoops, and cords; or a tall hand drum."""
    width, top, low, dip = (
        between(rng, 0.6, 0.8),
        between(rng, -0.4, -0.2),
        between(rng, 0.3, 0.6),
        between(rng, 0.16, 0.26),
    )
    hoop = rng.choice(("metal", "accent", "wood", "light"))
    if chance(rng, 0.25):
        waist, foot = between(rng, 0.22, 0.42), between(rng, 0.3, 0.45)
        body = symmetric("main", [(0.48, -0.7), (0.5, -0.2), (waist, 0.4), (foot, 0.9), (0, 0.94)], smooth=1)
        lacing = snake(
            "light",
            [(x, -0.62) for x in (-0.4, -0.13, 0.13, 0.4)],
            [(x * 0.8, -0.05) for x in (-0.52, -0.2, 0.2, 0.5)],
            0.025,
        )
        return [
            body,
            lacing,
            line(hoop, bend((-0.49, -0.66), (0, -0.45), (0.49, -0.66)), 0.07),
            ellipse("light", 0, -0.7, 0.48, 0.14),
        ]
    shell = symmetric(
        "main",
        [(width, top), (width, low), *bend((width, low), (width * 0.75, low + dip), (0, low + dip), 5)],
    )
    points = 6
    xs = [-width * math.cos(i * math.pi / points) for i in range(points + 1)]
    zig = [
        (x, (top if i % 2 else low) + dip * math.sqrt(max(0.0, 1 - (x / width) ** 2)))
        for i, x in enumerate(xs)
    ]
    cords = (
        [line("light", zig, 0.03)]
        if chance(rng, 0.65)
        else [
            line("metal", [(x, top + dip), (x, low + dip * 0.8)], 0.045)
            for x in (-width * 0.5, 0.0, width * 0.5)
        ]
    )
    rims = [arc(hoop, 0, y, width, dip, 0, 180, 0.08) for y in (top + 0.05, low)]
    skin = [
        ellipse(hoop, 0, top, width * 1.03, dip * 1.08),
        ellipse("light", 0, top, width * 0.93, dip * 0.92),
    ]
    sticks: list[Part] = []
    if chance(rng, 0.6):
        tip = between(rng, 0.1, 0.4)
        sticks = [
            limb("wood", [(-0.1, top - 0.02, 0.025), (tip + 0.6, top - 0.6, 0.035)]),
            ellipse("wood", -0.12, top, 0.06, 0.05),
            limb("wood", [(0.15, top + 0.03, 0.025), (-0.75, top - 0.5, 0.035)]),
            ellipse("wood", 0.17, top + 0.03, 0.06, 0.05),
        ]
    return [shell, *cords, *rims, *skin, *sticks]


def bicycle(rng: random.Random) -> list[Part]:
    """From the side: two spoked wheels, a coloured diamond or step-through frame, saddle and bars."""
    radius, tube = between(rng, 0.36, 0.41), between(rng, 0.085, 0.11)
    rear, front, hub = (-0.58, 0.3), (0.6, 0.3), (-0.08, 0.32)
    seat, head = (between(rng, -0.3, -0.22), -0.32), (0.4, between(rng, -0.4, -0.3))
    wheels: list[Part] = []
    rim = "main" if chance(rng, 0.4) else "metal"
    for x, y in (rear, front):
        spokes = [
            line(
                "metal",
                [
                    (x - radius * math.cos(a), y - radius * math.sin(a)),
                    (x + radius * math.cos(a), y + radius * math.sin(a)),
                ],
                0.01,
            )
            for a in (0.2, 1.25, 2.3)
        ]
        wheels += [
            *spokes,
            ring("dark", x, y, radius, radius, 0.045),
            ring(rim, x, y, radius - 0.045, radius - 0.045, 0.03),
        ]
    across = [head, hub] if chance(rng, 0.25) else [seat, head]
    if across[0] == head:  # step-through: the tube swings down
        top = line("main", bend(head, (0.15, 0.15), hub), tube)
    else:
        top = line("main", across, tube)
    frame = [
        top,
        line("main", [hub, (head[0] + 0.02, head[1] + 0.12)], tube),
        line("main", [hub, seat], tube),
        line("main", [rear, (seat[0] + 0.02, seat[1] + 0.1)], tube * 0.75),
        line("main", [rear, hub], tube * 0.75),
        line("main", bend((head[0] - 0.04, head[1] - 0.12), (0.46, 0.0), front, 4), tube),
    ]
    saddle = [
        line("metal", [seat, (seat[0] - 0.03, seat[1] - 0.14)], 0.035),
        polygon(
            "dark",
            [
                (seat[0] - 0.2, seat[1] - 0.2),
                (seat[0] + 0.16, seat[1] - 0.17),
                (seat[0] + 0.02, seat[1] - 0.1),
                (seat[0] - 0.16, seat[1] - 0.1),
            ],
        ),
    ]
    x, y = head[0] - 0.04, head[1] - 0.14
    bars = rng.choice(
        (
            [(x, y), (x + 0.02, y - 0.1), (x - 0.2, y - 0.12)],
            [(x, y), (x + 0.16, y - 0.06), (x + 0.2, y + 0.08), (x + 0.08, y + 0.12)],
            [(x, y), (x + 0.1, y - 0.1)],
        )
    )
    drive = [
        ring("metal", *hub, 0.1, 0.1, 0.03),
        line("dark", [(hub[0] - 0.02, hub[1] + 0.02), (hub[0] + 0.1, hub[1] + 0.2)], 0.035),
        line("dark", [(hub[0] + 0.04, hub[1] + 0.2), (hub[0] + 0.17, hub[1] + 0.2)], 0.045),
    ]
    guards = (
        [arc("main", *wheel, radius + 0.05, radius + 0.05, 190, 300, 0.06) for wheel in (rear, front)]
        if chance(rng, 0.4)
        else []
    )
    basket = (
        [polygon("wood", [(0.48, -0.45), (0.82, -0.45), (0.78, -0.15), (0.54, -0.15)])]
        if chance(rng, 0.2)
        else []
    )
    return [*wheels, *guards, *frame, *drive, *saddle, line("dark", bars, 0.05), *basket]


def skateboard(rng: random.Random) -> list[Part]:
    """A deck with upturned ends on four wheels: from the side, from above, or from below."""
    kind, tone = rng.choice(("side", "above", "below")), rng.choice(("light", "light", "accent", "dark"))
    if kind == "side":
        rise, thick = between(rng, 0.12, 0.24), between(rng, 0.09, 0.14)
        deck = limb(
            "main",
            [
                (-0.97, -rise, thick * 0.8),
                (-0.7, -0.02, thick),
                (0, 0.02, thick),
                (0.7, -0.02, thick),
                (0.97, -rise, thick * 0.8),
            ],
        )
        trucks = both(polygon("metal", [(0.4, 0.1), (0.64, 0.1), (0.56, 0.26), (0.48, 0.26)]))
        wheels = both(ellipse(tone, 0.52, 0.28, 0.13, 0.13), ellipse("metal", 0.52, 0.28, 0.05, 0.05))
        return [*trucks, deck, line("dark", [(-0.7, -thick), (0.7, -thick)], 0.025), *wheels]
    half = between(rng, 0.22, 0.29)
    deck = rounded("main", -half, -0.97, half, 0.97, half)
    wheels = [
        rounded(tone, x - 0.07, y - 0.1, x + 0.07, y + 0.1, 0.04)
        for x in (-half, half)
        for y in (-0.58, 0.58)
    ]
    bolts = [ellipse("metal", x, y, 0.025, 0.025) for x in (-0.07, 0.07) for y in (-0.64, -0.5, 0.5, 0.64)]
    if kind == "below":
        axles = [line("metal", [(-half, y), (half, y)], 0.07) for y in (-0.58, 0.58)]
        plates = [rounded("metal", -0.1, y - 0.14, 0.1, y + 0.14, 0.03) for y in (-0.58, 0.58)]
        turned = [deck, *plates, *axles, *wheels]
    else:
        turned = [*wheels, deck, *bolts]
    angle = rng.choice((0.0, 1.57, between(rng, -0.9, 0.9)))
    return placed(turned, angle=angle)


def tennis_racket(rng: random.Random) -> list[Part]:
    """An oval head with strings, a throat, and a long handle."""
    rx, ry, rim = between(rng, 0.36, 0.43), between(rng, 0.46, 0.54), between(rng, 0.11, 0.14)
    centre = -0.45
    cells = [i / 4 for i in range(-3, 4)]
    across = snake(
        "light",
        [(-rx * math.sqrt(1 - s * s), centre + ry * s) for s in cells],
        [(rx * math.sqrt(1 - s * s), centre + ry * s) for s in cells],
        0.014,
    )
    down = snake(
        "light",
        [(rx * s, centre - ry * math.sqrt(1 - s * s)) for s in cells],
        [(rx * s, centre + ry * math.sqrt(1 - s * s)) for s in cells],
        0.014,
    )
    throat = both(
        limb("main", [(rx * 0.72, centre + ry * 0.72, 0.05), (0.12, 0.36, 0.05), (0.05, 0.5, 0.05)])
    )
    grip = rng.choice(("dark", "main", "light"))
    handle = [
        limb("main", [(0, 0.42, 0.07), (0, 0.62, 0.065)]),
        limb(grip, [(0, 0.55, 0.07), (0, 1.0, 0.075), (0, 1.04, 0.085)]),
    ]
    wraps = [line("shade", [(-0.07, y), (0.07, y + 0.05)], 0.014) for y in (0.65, 0.77, 0.89)]
    ball_by = (
        [ellipse("flame", 0.5, 0.6, 0.14, 0.14), arc("light", 0.62, 0.6, 0.1, 0.12, 110, 250, 0.02)]
        if chance(rng, 0.2)
        else []
    )
    parts = [across, down, *throat, *handle, *wraps, ring("main", 0, centre, rx, ry, rim), *ball_by]
    return placed(parts, angle=between(rng, -0.9, 0.9)) if chance(rng, 0.7) else parts


LEISURE: dict[str, Draw] = {
    "book": book,
    "guitar": guitar,
    "drum": drum,
    "bicycle": bicycle,
    "skateboard": skateboard,
    "tennis racket": tennis_racket,
}
