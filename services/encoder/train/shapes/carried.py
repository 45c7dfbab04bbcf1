"""Outlines of bags and of what one carries along."""

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
    mirrored,
    outlined,
    polygon,
    ring,
    rounded,
    snake,
    symmetric,
)


def handbag(rng: random.Random) -> list[Part]:
    kind, width = rng.choice(("tote", "satchel", "shoulder", "bowling")), between(rng, 0.55, 0.8)
    top, low = between(rng, -0.3, 0.0), between(rng, 0.6, 0.8)
    grip = rng.choice(("shade", "main", "dark"))
    metal = "metal" if chance(rng, 0.8) else "dark"
    if kind == "tote":
        handles = [
            arc(grip, dx, top + 0.02, width * 0.4, between(rng, 0.45, 0.8), 180, 360, 0.06)
            for dx in (-0.04, 0.04)
        ]
        bag = symmetric("main", [(width * between(rng, 0.9, 1.15), top), (width, low)])
        mouth = line("shade", [(-width, top + 0.04), (width, top + 0.04)], 0.05)
        return [handles[0], bag, mouth, handles[1]]
    if kind == "satchel":
        flap = symmetric(
            "main",
            [(width * 0.96, top), (width * 0.92, top + 0.3), (width * 0.6, top + 0.45), (0, top + 0.48)],
            smooth=1,
        )
        handle = arc(grip, 0, top, width * 0.45, between(rng, 0.25, 0.45), 180, 360, 0.07)
        return [
            handle,
            rounded("main", -width, top, width, low, 0.14),
            *outlined(flap, 0.03),
            rounded(metal, -0.08, top + 0.38, 0.08, top + 0.54, 0.03),
        ]
    if kind == "shoulder":
        strap = arc(grip, 0, top + 0.1, width * 0.9, between(rng, 0.8, 1.15), 180, 360, 0.045)
        half_moon = symmetric(
            "main", [(width * 0.85, top), (width, top + 0.3), (width * 0.7, low), (0, low + 0.05)], smooth=2
        )
        zipper = line(
            metal, bend((-width * 0.8, top + 0.14), (0, top + 0.22), (width * 0.8, top + 0.14)), 0.03
        )
        return [strap, half_moon, zipper, *both(ellipse(metal, width * 0.84, top + 0.08, 0.05, 0.05))]
    handles = [arc(grip, x, top + 0.1, width * 0.42, 0.5, 180, 360, 0.06) for x in (-0.04, 0.05)]
    bag = symmetric(
        "main", [(width * 0.62, top), (width, low - 0.15), (width * 0.95, low), (0, low)], smooth=1
    )
    seam = both(line("shade", [(width * 0.55, top + 0.05), (width * 0.62, low)], 0.025))
    return [
        handles[0],
        bag,
        *seam,
        line(metal, [(-width * 0.6, top + 0.05), (width * 0.6, top + 0.05)], 0.035),
        handles[1],
    ]


def backpack(rng: random.Random) -> list[Part]:
    width, low = between(rng, 0.45, 0.62), between(rng, 0.65, 0.9)
    loop = arc("dark", 0, -0.85, 0.14, 0.14, 180, 360, 0.05)
    role = rng.choice(("dark", "shade", "main"))
    strap = line(role, bend((width * 0.8, -0.55), (width + 0.3, 0.0), (width * 0.9, 0.62)), 0.09)
    crown = between(rng, 0.3, 0.85)
    bag = symmetric(
        "main", [(0, -0.88), (width * crown, -0.86), (width, -0.35), (width, low), (0, low + 0.03)], smooth=1
    )
    parts = [loop, *both(strap), bag]
    kind = rng.choice(("school", "flap", "back"))
    if kind == "back":  # the side that lies on the back
        straps = limb(role, [(0.13, -0.8, 0.07), (0.28, -0.35, 0.1), (0.3, 0.15, 0.07), (0.4, 0.6, 0.03)])
        return [loop, bag, *both(*outlined(straps, 0.02)), rounded("shade", -0.14, -0.86, 0.14, -0.72, 0.03)]
    if kind == "flap":
        flap = symmetric(
            "main",
            [(0, -0.9), (width * crown, -0.88), (width * 1.02, -0.4), (width * 0.9, -0.05), (0, 0.02)],
            smooth=1,
        )
        belts = [line("shade", [(x, -0.1), (x, 0.3)], 0.05) for x in (-0.2, 0.2)]
        clasp = [rounded("metal", x - 0.045, 0.05, x + 0.045, 0.15, 0.02) for x in (-0.2, 0.2)]
        return [
            *parts,
            rounded("shade", -width * 0.7, 0.25, width * 0.7, low - 0.06, 0.08),
            *belts,
            *outlined(flap, 0.025),
            *clasp,
        ]
    front = rounded(
        rng.choice(("main", "main", "accent", "shade")), -width * 0.75, 0.12, width * 0.75, low - 0.08, 0.12
    )
    zipper = line(
        rng.choice(("metal", "dark")), bend((-width * 0.85, -0.2), (0, -0.34), (width * 0.85, -0.2)), 0.03
    )
    return [
        *parts,
        *outlined(front, 0.03),
        zipper,
        line("dark", [(-width * 0.65, 0.2), (width * 0.65, 0.2)], 0.025),
    ]


def suitcase(rng: random.Random) -> list[Part]:
    if chance(rng, 0.25):  # an old trunk, lying wide
        width, top = between(rng, 0.8, 0.95), between(rng, -0.35, -0.2)
        parts = [
            arc("dark", 0, top, 0.2, 0.2, 180, 360, 0.07),
            rounded("main", -width, top, width, 0.65, 0.08),
        ]
        straps = both(
            box("wood", width * 0.5, top, width * 0.5 + 0.12, 0.65),
            box("metal", width * 0.5, 0.1, width * 0.5 + 0.12, 0.2),
        )
        return [*parts, *straps, line("shade", [(-width, 0.02), (width, 0.02)], 0.025)]
    width, high = between(rng, 0.42, 0.6), between(rng, 0.45, 0.65)
    rod = between(rng, 0.15, 0.45)
    handle = [
        line("metal", [(-0.2, -high), (-0.2, -high - rod), (0.2, -high - rod), (0.2, -high)], 0.045),
        line("dark", [(-0.2, -high - rod), (0.2, -high - rod)], 0.08),
    ]
    case = rounded("main", -width, -high, width, 0.8, between(rng, 0.06, 0.2))
    wheels = both(ellipse("dark", width * 0.72, 0.86, 0.09, 0.09))
    if chance(rng, 0.65):
        xs = [width * x for x in (-0.75, -0.45, -0.15, 0.15, 0.45, 0.75)]
        face = [line("shade", [(x, -high + 0.12), (x, 0.68)], 0.025) for x in xs[:: rng.choice((1, 2))]]
    else:
        face = [
            *outlined(rounded("main", -width * 0.8, 0.1, width * 0.8, 0.7, 0.06), 0.03),
            *outlined(rounded("main", -width * 0.8, -high + 0.12, width * 0.8, 0.0, 0.06), 0.03),
        ]
    side = both(rounded("dark", width * 0.85, 0.7, width * 1.02, 0.82, 0.04))
    return [*handle, *wheels, case, *face, *side]


def umbrella(rng: random.Random) -> list[Part]:
    kind = rng.random()
    grip = rng.choice(("wood", "dark", "metal"))
    if kind < 0.2:  # closed
        full = between(rng, 0.14, 0.26)
        cloth = symmetric("main", [(0.03, -0.8), (full * 0.8, 0.1), (full, 0.35), (0.06, 0.5)])
        folds = both(line("shade", [(0.01, -0.7), (0.08, 0.4)], 0.02))
        return [
            line("metal", [(0, -1), (0, -0.75)], 0.03),
            line(grip, [(0, 0.4), (0, 0.85)], 0.05),
            arc(grip, 0.1, 0.85, 0.1, 0.13, 0, 180, 0.05),
            cloth,
            *folds,
            line("shade", [(-full * 0.85, 0.12), (full * 0.85, 0.16)], 0.04),
        ]
    if kind < 0.4:  # from above
        turn, dent = between(rng, 0, 0.8), between(rng, 0.36, 0.46)
        corners = [(math.cos(turn + i * math.pi / 4), math.sin(turn + i * math.pi / 4)) for i in range(8)]
        edge = [
            p
            for i, a in enumerate(corners)
            for p in bend(
                a, ((a[0] + corners[i - 7][0]) * dent, (a[1] + corners[i - 7][1]) * dent), corners[i - 7], 4
            )
        ]
        role = "accent" if chance(rng, 0.2) else "shade"
        return [
            polygon("main", edge),
            *[line(role, [(0, 0), corner], 0.022) for corner in corners],
            ellipse("metal", 0, 0, 0.05, 0.05),
        ]
    high, dip = between(rng, 0.6, 0.85), between(rng, 0.08, 0.15)
    scallops: list[tuple[float, float]] = []
    for x in (0.92, 0.46, 0.0, -0.46):
        scallops += bend((x, 0), (x - 0.23, -dip * 2), (x - 0.46, 0), 5)
    canopy = polygon(
        "main",
        [
            *[(-0.92 * math.cos(a), -high * math.sin(a)) for a in (i * math.pi / 20 for i in range(21))],
            *scallops,
        ],
    )
    ribs = [
        line("shade", bend((0, -high), (x * 1.1, -high * 0.8), (x, 0)), 0.018) for x in (-0.46, 0.0, 0.46)
    ]
    end = between(rng, 0.65, 0.85)
    hook = (
        arc(grip, 0.11, end, 0.11, 0.14, 0, 180, 0.055)
        if chance(rng, 0.75)
        else line(grip, [(0, end - 0.2), (0, end)], 0.1)
    )
    return [
        line("metal", [(0, -high - 0.1), (0, end)], 0.035),
        line(grip, [(0, end - 0.2), (0, end)], 0.055),
        hook,
        canopy,
        *ribs,
    ]


def wallet(rng: random.Random) -> list[Part]:
    kind, width = rng.choice(("open", "folded", "long")), between(rng, 0.7, 0.9)
    if kind == "open":
        high = between(rng, 0.45, 0.6)
        halves = both(rounded("main", 0.02, -high, width, high, 0.06))
        cards = [
            box(role, 0.12, y, width - 0.08, y + 0.14)
            for role, y in (("light", -0.3), ("metal", -0.12), ("accent", 0.06))
        ]
        slots = [
            rounded("main", 0.1, -0.2, width - 0.06, high - 0.05, 0.03),
            *[line("shade", [(0.1, y), (width - 0.06, y)], 0.025) for y in (-0.2, -0.02, 0.16)],
        ]
        notes = box("leaf", -width + 0.1, -high - 0.08, width - 0.1, -high + 0.1)
        return [
            notes,
            *halves,
            *cards[:1],
            *slots,
            line("shade", [(0, -high), (0, high)], 0.04),
            line("shade", [(-width + 0.08, -0.1), (-0.08, -0.1)], 0.025),
        ]
    high = between(rng, 0.3, 0.38) if kind == "long" else between(rng, 0.48, 0.6)
    body = rounded("main", -width, -high, width, high, 0.07)
    seam = line(
        "shade",
        [
            (-width + 0.06, -high + 0.06),
            (width - 0.06, -high + 0.06),
            (width - 0.06, high - 0.06),
            (-width + 0.06, high - 0.06),
        ],
        0.014,
    )
    back = rounded("shade", -width + 0.03, -high - 0.04, width + 0.03, high - 0.04, 0.07)
    if kind == "folded":
        clasp = [
            rounded("main", width - 0.35, -0.12, width + 0.04, 0.12, 0.08),
            ellipse("metal", width - 0.22, 0, 0.045, 0.045),
        ]
        return [
            back,
            body,
            seam,
            line("shade", [(-width + 0.05, -high), (-width + 0.05, high)], 0.03),
            *outlined(clasp[0], 0.022),
            clasp[1],
        ]
    flap = polygon("main", [(-width, -high), (width, -high), (width, 0.05), (0, 0.14), (-width, 0.05)])
    return [back, body, *outlined(flap, 0.025), ellipse("metal", 0, 0.07, 0.06, 0.05)]


def watch(rng: random.Random) -> list[Part]:
    radius, half = between(rng, 0.3, 0.4), between(rng, 0.2, 0.27)
    face = rng.choice(("light", "light", "dark", "main"))
    ink = "light" if face == "dark" else "dark"
    case = rng.choice(("metal", "metal", "main", "dark"))
    square = chance(rng, 0.3)

    def disc(role: str, r: float) -> Part:
        return rounded(role, -r, -r * 1.12, r, r * 1.12, r * 0.4) if square else ellipse(role, 0, 0, r, r)

    hour, minute = between(rng, 0, 6.28), between(rng, 0, 6.28)
    hands = [
        line(ink, [(0, 0), (length * math.sin(a), -length * math.cos(a))], 0.035)
        for length, a in ((radius * 0.45, hour), (radius * 0.65, minute))
    ]
    dial = [
        box("dark", radius * 0.95, -0.04, radius * 1.15, 0.04),
        disc(case, radius),
        disc(face, radius * 0.8),
    ]
    marks = [line(ink, [(0, s * radius * 0.6), (0, s * radius * 0.72)], 0.03) for s in (-1, 1)]
    marks += [line(ink, [(s * radius * 0.6, 0), (s * radius * 0.72, 0)], 0.03) for s in (-1, 1)]
    if chance(rng, 0.3):  # closed in a loop, standing
        loop = [
            ring("main", 0, -0.45, half * 1.5, 0.45, 0.12),
            limb("main", [(0, 0.2, half), (0, 0.55, half * 0.95), (0, 0.75, half * 0.8)]),
        ]
        return [*loop, *dial, *marks, *hands]
    strap = symmetric(
        "main", [(half * 0.7, -0.98), (half, -0.25), (half, 0.25), (half * 0.7, 0.9), (0, 0.98)]
    )
    links = (
        snake(
            "shade",
            [(-half, y) for y in (-0.85, -0.7, -0.55, 0.5, 0.65, 0.8)],
            [(half, y) for y in (-0.85, -0.7, -0.55, 0.5, 0.65, 0.8)],
            0.02,
        )
        if chance(rng, 0.4)
        else line("metal", [(-half * 0.8, -0.95), (half * 0.8, -0.95)], 0.06)
    )
    return [strap, links, *dial, *marks, *hands]


def sunglasses(rng: random.Random) -> list[Part]:
    rx, ry, kind = between(rng, 0.34, 0.42), between(rng, 0.26, 0.36), rng.choice(("round", "square", "cat"))
    thick = between(rng, 0.09, 0.14)

    def pane(role: str, less: float) -> Part:
        x, y = rx - less, ry - less
        if kind == "round":
            return ellipse(role, 0.45, 0, x, y + 0.04)
        if kind == "square":
            return rounded(role, 0.45 - x, -y, 0.45 + x, y, 0.14)
        return polygon(
            role,
            [
                (0.45 - x, -y * 0.6),
                (0.45 + x * 1.15, -y * 1.1),
                (0.45 + x * 0.8, y * 0.7),
                (0.45, y),
                (0.45 - x * 0.8, y * 0.6),
            ],
            smooth=2,
        )

    temple = limb("main", [(0.8, -0.1, 0.07), (0.95, -0.22, 0.06), (1.0, between(rng, -0.6, -0.3), 0.05)])
    lens = [temple, pane("main", 0), pane(rng.choice(("dark", "dark", "shade")), thick)]
    shine = line("light", [(0.38, 0.02), (0.5, -0.12)], 0.035)
    bridge = line("main", bend((-0.16, -0.02), (0, -0.14), (0.16, -0.02)), 0.09)
    return [*lens, *[mirrored(part) for part in lens], bridge, shine]


CARRIED: dict[str, Draw] = {
    "handbag": handbag,
    "backpack": backpack,
    "umbrella": umbrella,
    "watch": watch,
    "sunglasses": sunglasses,
    "suitcase": suitcase,
    "wallet": wallet,
}
