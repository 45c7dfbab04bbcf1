"""Outlines of toys."""

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
    line,
    moved,
    outlined,
    placed,
    polygon,
    rounded,
    symmetric,
)


def ball(rng: random.Random) -> list[Part]:
    kind, turn = rng.choice(("plain", "beach", "basket", "foot", "tennis")), between(rng, 0, 6.28)
    whole = ellipse("main", 0, 0, 0.85, 0.85)
    shine = ellipse(
        "light", between(rng, -0.4, 0.1), between(rng, -0.45, -0.3), 0.14, between(rng, 0.07, 0.12)
    )
    if kind == "beach":
        wedges = [
            polygon(
                rng.choice(("light", "accent")),
                [
                    (0, -0.1),
                    *[
                        (0.85 * math.cos(a), 0.85 * math.sin(a))
                        for a in (turn + i * 1.256 + j * 0.1 for j in range(6))
                    ],
                ],
            )
            for i in range(0, 5, 2)
        ]
        return [whole, *wedges, ellipse("light", 0, -0.1, 0.12, 0.1)]
    if kind == "basket":
        seams = [
            line("dark", [(-0.85, 0), (0.85, 0)], 0.035),
            line("dark", [(0, -0.85), (0, 0.85)], 0.035),
            *both(arc("dark", 0.95, 0, 0.6, 0.75, 115, 245, 0.035)),
        ]
        return [whole, *placed(seams, angle=turn)]
    if kind == "foot":

        def patch(x: float, y: float, size: float) -> Part:
            return polygon(
                "dark",
                [
                    (x + size * math.cos(a), y + size * math.sin(a))
                    for a in (turn + i * 1.2566 for i in range(5))
                ],
            )

        ways = [turn + i * 1.2566 for i in range(5)]
        seams = [
            line(
                "shade",
                [(0.26 * math.cos(a), 0.26 * math.sin(a)), (0.55 * math.cos(a), 0.55 * math.sin(a))],
                0.03,
            )
            for a in ways
        ]
        return [
            whole,
            *seams,
            patch(0, 0, 0.27),
            *[patch(0.68 * math.cos(a), 0.68 * math.sin(a), 0.17) for a in ways],
        ]
    if kind == "tennis":
        return [whole, *placed(both(arc("light", 1.0, 0, 0.6, 0.75, 110, 250, 0.06)), angle=turn)]
    return [whole, shine, *([arc("accent", 0, 0, 0.85, 0.3, 0, 180, 0.1)] if chance(rng, 0.3) else [])]


def toy_car(rng: random.Random) -> list[Part]:
    kind, roof = rng.choice(("sedan", "sedan", "truck", "bus", "racer")), between(rng, -0.5, -0.35)
    radius = between(rng, 0.18, 0.25)
    tyre = [
        part
        for x in (-0.5, 0.52)
        for part in (
            ellipse("dark", x, 0.4, radius, radius),
            ellipse("metal", x, 0.4, radius * 0.5, radius * 0.5),
        )
    ]
    lights = [ellipse("flame", 0.88, 0.12, 0.06, 0.07)]
    if kind == "truck":
        bed = box("main", -0.95, -0.45, 0.32, 0.35)
        cab = polygon("main", [(0.36, -0.35), (0.7, -0.35), (0.92, 0.0), (0.95, 0.38), (0.36, 0.38)])
        return [
            box("dark", -0.9, 0.3, 0.9, 0.42),
            *outlined(bed, 0.025),
            cab,
            polygon("light", [(0.46, -0.26), (0.66, -0.26), (0.8, -0.02), (0.46, -0.02)]),
            *tyre,
            *lights,
        ]
    if kind == "bus":
        panes = [rounded("light", x, -0.38, x + 0.26, -0.08, 0.03) for x in (-0.82, -0.46, -0.1, 0.26)]
        return [
            rounded("main", -0.95, -0.55, 0.95, 0.4, 0.12),
            *panes,
            box("light", 0.64, -0.38, 0.8, 0.3),
            line("accent", [(-0.93, 0.1), (0.6, 0.1)], 0.07),
            *tyre,
            *lights,
        ]
    if kind == "racer":
        body = polygon(
            "main",
            [
                (-0.95, -0.1),
                (-0.75, -0.1),
                (-0.5, 0.05),
                (-0.2, -0.12),
                (0.1, -0.08),
                (0.95, 0.22),
                (0.95, 0.36),
                (-0.92, 0.38),
            ],
            smooth=1,
        )
        wing = polygon("main", [(-1.0, -0.36), (-0.68, -0.36), (-0.68, -0.26), (-0.8, 0.0), (-0.9, 0.0)])
        return [
            wing,
            body,
            ellipse("light", -0.05, -0.16, 0.13, 0.13),
            ellipse("light", 0.15, 0.16, 0.12, 0.1),
            *tyre,
        ]
    back = between(rng, -0.7, -0.5)
    cabin = polygon("main", [(back, 0.0), (back + 0.15, roof), (0.22, roof), (0.52, 0.0)], smooth=1)
    window = polygon(
        "light", [(back + 0.13, -0.02), (back + 0.22, roof + 0.09), (0.17, roof + 0.09), (0.38, -0.02)]
    )
    hull = polygon(
        "main",
        [(-0.95, 0.0), (-0.85, -0.06), (0.6, -0.06), (0.92, 0.04), (0.97, 0.38), (-0.95, 0.38)],
        smooth=1,
    )
    door = line("shade", [(-0.05, -0.02), (-0.05, 0.34)], 0.02)
    return [
        cabin,
        window,
        line("main", [(-0.05, roof), (-0.05, 0)], 0.06),
        hull,
        door,
        *tyre,
        *lights,
        line("metal", [(-0.96, 0.32), (-0.84, 0.32)], 0.07),
    ]


def teddy_bear(rng: random.Random) -> list[Part]:
    head = between(rng, 0.36, 0.44)
    sits = chance(rng, 0.5)
    ear = [ellipse("main", 0.3, -0.78, 0.16, 0.16), ellipse("light", 0.3, -0.77, 0.09, 0.09)]
    arm = moved(ellipse("main", 0, 0.22, 0.15, 0.34), 0.36, 0.02, 1.0, -between(rng, 0.2, 1.5))
    leg = (
        [ellipse("main", 0.4, 0.72, 0.22, 0.22), ellipse("light", 0.42, 0.73, 0.12, 0.12)]
        if sits
        else [ellipse("main", 0.25, 0.82, 0.19, 0.24)]
    )
    eye = ellipse("dark", 0.14, -0.52, 0.05, 0.05)
    bow = (
        [
            *both(polygon("accent", [(0, -0.08), (0.22, -0.18), (0.22, 0.04)])),
            ellipse("accent", 0, -0.08, 0.06, 0.06),
        ]
        if chance(rng, 0.4)
        else []
    )
    belly = [ellipse("light", 0, 0.38, 0.24, 0.26)] if chance(rng, 0.6) else []
    trunk = [*both(*ear, *leg), ellipse("main", 0, 0.3, 0.44, 0.5), *belly, *both(*outlined(arm, 0.015))]
    snout = [
        ellipse("light", 0, -0.34, 0.18, 0.14),
        ellipse("dark", 0, -0.39, 0.065, 0.05),
        line("dark", [(-0.06, -0.27), (0, -0.31), (0.06, -0.27)], 0.022),
    ]
    return [*trunk, *outlined(ellipse("main", 0, -0.45, head, head * 0.92), 0.015), *both(eye), *snout, *bow]


def kite(rng: random.Random) -> list[Part]:
    """A diamond or a delta with a tail of bows."""
    half, middle, low = between(rng, 0.5, 0.68), between(rng, -0.5, -0.3), between(rng, 0.3, 0.5)
    sway = between(rng, -0.4, 0.4)
    cord = bend((0, low - 0.02), (sway, low + 0.35), (-sway * 0.6, low + 0.75), 6)
    tail: list[Part] = [line("dark", cord, 0.02)]
    role = rng.choice(("accent", "main", "main"))
    if chance(rng, 0.75):
        for x, y in cord[2::2]:
            tail.append(
                polygon(
                    role,
                    [(x - 0.12, y - 0.06), (x + 0.12, y + 0.06), (x + 0.12, y - 0.06), (x - 0.12, y + 0.06)],
                )
            )
    else:
        tail = [line(role, [(x + (0.08 if i % 2 else -0.08), y) for i, (x, y) in enumerate(cord)], 0.05)]
    if chance(rng, 0.35):  # delta: wide wings and ribbons
        wings = symmetric("main", [(0, -0.75), (0.95, 0.1), (0.3, 0.12), (0.18, 0.3), (0, 0.18)])
        ribbons = both(line(role, [(0.2, 0.2), (0.28, 0.5), (0.18, 0.8)], 0.06))
        spars = [
            line("shade", [(0, -0.72), (0, 0.2)], 0.025),
            *both(line("shade", [(0, -0.72), (0.3, 0.12)], 0.02)),
        ]
        parts = [*ribbons, wings, *spars]
    else:
        sail = symmetric("main", [(0, -0.95), (half, middle), (0, low)])
        panels = (
            [
                polygon("accent", [(0, -0.95), (half, middle), (0, middle)]),
                polygon("accent", [(0, low), (-half, middle), (0, middle)]),
            ]
            if chance(rng, 0.25)
            else []
        )
        spars = [
            line("shade", [(0, -0.95), (0, low)], 0.025),
            line("shade", [(-half, middle), (half, middle)], 0.025),
        ]
        parts = [*tail, sail, *panels, *spars]
    return placed(parts, angle=between(rng, -0.6, 0.6))


def rubber_duck(rng: random.Random) -> list[Part]:
    """A round head with a beak on a boat-shaped body with a wing, from the side or the front."""
    bill = rng.choice(("flame", "flame", "accent"))
    head = between(rng, 0.34, 0.42)
    if chance(rng, 0.25):
        chest = [ellipse("main", 0, 0.38, 0.66, 0.48), *both(ellipse("main", 0.62, 0.3, 0.16, 0.28))]
        face = [
            *both(ellipse("dark", 0.16, -0.5, 0.055, 0.07)),
            ellipse(bill, 0, -0.3, 0.2, 0.1),
            line("dark", [(-0.18, -0.3), (0.18, -0.3)], 0.02),
        ]
        return [*chest, *outlined(ellipse("main", 0, -0.42, head + 0.05, head), 0.018), *face]
    tail = between(rng, -0.25, 0.0)
    trunk = polygon(
        "main",
        [
            (-0.95, tail),
            (-0.6, 0.05),
            (-0.1, 0.0),
            (0.35, -0.1),
            (0.68, 0.2),
            (0.62, 0.6),
            (0.2, 0.8),
            (-0.45, 0.78),
            (-0.82, 0.45),
        ],
        smooth=2,
    )
    wing = polygon("main", [(-0.6, 0.15), (0.1, 0.15), (0.15, 0.4), (-0.15, 0.55), (-0.45, 0.5)], smooth=2)
    beak = polygon(
        bill,
        [
            (0.3 + head * 0.75, -0.48),
            (0.3 + head + 0.28, -0.4),
            (0.3 + head + 0.22, -0.28),
            (0.3 + head * 0.75, -0.26),
        ],
        smooth=1,
    )
    eye = [ellipse("light", 0.4, -0.52, 0.08, 0.09), ellipse("dark", 0.42, -0.51, 0.05, 0.06)]
    tuft = (
        [line("main", bend((0.28, -0.4 - head), (0.2, -0.55 - head), (0.1, -0.5 - head)), 0.06)]
        if chance(rng, 0.4)
        else []
    )
    return [*tuft, trunk, *outlined(wing, 0.025), beak, ellipse("main", 0.3, -0.4, head, head), *eye]


TOYS: dict[str, Draw] = {
    "ball": ball,
    "toy car": toy_car,
    "teddy bear": teddy_bear,
    "kite": kite,
    "rubber duck": rubber_duck,
}
