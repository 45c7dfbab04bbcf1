"""Outlines of phones, computers and what plugs into them, with cases wide enough to show their colour."""

from __future__ import annotations

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
    copied,
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


def screen(rng: random.Random, x0: float, y0: float, x1: float, y1: float) -> list[Part]:
    """A dark pane that shows a little picture, a gleam, or nothing."""
    parts = [rounded("dark", x0, y0, x1, y1, 0.03)]
    wide, high = x1 - x0, y1 - y0
    kind = rng.choice(("off", "gleam", "scene", "scene"))
    if kind == "gleam":
        parts.append(
            polygon(
                "metal",
                [
                    (x0 + wide * 0.55, y0),
                    (x0 + wide * 0.75, y0),
                    (x0 + wide * 0.3, y1),
                    (x0 + wide * 0.1, y1),
                ],
            )
        )
    elif kind == "scene":
        parts.append(
            ellipse("flame", x0 + wide * 0.7, y0 + high * 0.3, min(wide, high) * 0.12, min(wide, high) * 0.12)
        )
        hill = [
            (x0, y1),
            (x0, y0 + high * 0.75),
            (x0 + wide * 0.35, y0 + high * 0.45),
            (x0 + wide * 0.6, y0 + high * 0.75),
            (x1, y0 + high * 0.6),
            (x1, y1),
        ]
        parts.append(polygon(rng.choice(("leaf", "metal")), hill))
    return parts


def phone(rng: random.Random) -> list[Part]:
    width, corner = between(rng, 0.38, 0.48), between(rng, 0.08, 0.16)
    body = rounded("main", -width, -0.92, width, 0.92, corner)
    kind = rng.choice(("front", "back", "back", "keys"))
    lean = between(rng, -0.25, 0.25)
    edge = copied("shade", body, 0.035, 0.03)
    if kind == "keys":  # an old phone: small screen, many keys
        keys = [
            rounded("light", x - 0.09, y - 0.05, x + 0.09, y + 0.05, 0.03)
            for y in (0.2, 0.4, 0.6)
            for x in (-0.24, 0, 0.24)
        ]
        antenna = (
            [line("dark", [(width * 0.6, -0.9), (width * 0.6, -1.15)], 0.09)] if chance(rng, 0.4) else []
        )
        return [
            *antenna,
            edge,
            body,
            rounded("dark", -width * 0.75, -0.78, width * 0.75, -0.08, 0.04),
            box("metal", -width * 0.62, -0.66, width * 0.62, -0.2),
            *keys,
        ]
    if kind == "front":
        less = between(rng, 0.1, 0.13)
        apps = [
            rounded(role, x - 0.07, y - 0.07, x + 0.07, y + 0.07, 0.03)
            for y, role in ((-0.45, "leaf"), (-0.2, "flame"), (0.55, "light"))
            for x in (-0.17, 0.17)
        ]
        face = rounded("dark", -width + less, -0.74, width - less, 0.74, 0.06)
        home = [ellipse("shade", 0, 0.83, 0.05, 0.05), line("shade", [(-0.08, -0.83), (0.08, -0.83)], 0.03)]
        return stretched([edge, body, face, *(apps if chance(rng, 0.7) else []), *home], 1, 1, lean)
    lenses = rng.choice(((-0.66,), (-0.68, -0.44), (-0.7, -0.5, -0.3)))
    x = -width * 0.52
    bump = rounded(
        rng.choice(("dark", "shade")), x - 0.14, lenses[0] - 0.14, x + 0.14, lenses[-1] + 0.14, 0.1
    )
    glasses = [
        part
        for y in lenses
        for part in (ellipse("metal", x, y, 0.09, 0.09), ellipse("dark", x, y, 0.055, 0.055))
    ]
    mark = [ellipse("light", 0, 0.15, 0.09, 0.09)] if chance(rng, 0.4) else []
    return stretched([edge, body, bump, *glasses, *mark], 1, 1, lean)


def laptop(rng: random.Random) -> list[Part]:
    width, top = between(rng, 0.62, 0.78), between(rng, -0.75, -0.5)
    kind = rng.choice(("open", "open", "back", "side"))
    if kind == "back":  # its lid seen from behind
        lid = rounded("main", -0.82, -between(rng, 0.5, 0.8), 0.82, 0.4, between(rng, 0.04, 0.1))
        mark = (
            ellipse("light", 0, -0.1, 0.11, 0.12)
            if chance(rng, 0.6)
            else rounded("shade", -0.2, -0.16, 0.2, -0.06, 0.02)
        )
        base = symmetric("main", [(0.82, 0.42), (0.92, 0.56), (0.9, 0.62)])
        return [base, line("dark", [(-0.75, 0.42), (0.75, 0.42)], 0.05), lid, mark]
    if kind == "side":  # from the side, open as a V
        tip, thick = between(rng, 0.3, 0.65), between(rng, 0.04, 0.06)  # how far the lid leans back
        panel = limb("main", [(-0.2, 0.42, thick), (tip, -0.75, thick)])
        glass = polygon("dark", [(-0.2, 0.34), (tip - 0.08, -0.68), (tip - 0.4, -0.7), (-0.6, 0.2)])
        cover = polygon("main", [(-0.22, 0.42), (tip, -0.78), (tip - 0.48, -0.8), (-0.72, 0.26)])
        reach = between(rng, 1.2, 1.45)
        base = polygon(
            "main",
            [(-0.72, 0.26), (-0.2, 0.42), (-0.2, 0.52), (-0.95, 0.62), (-reach, 0.5), (-reach, 0.42)],
        )
        keys = polygon("dark", [(-0.74, 0.32), (-0.4, 0.42), (-0.85, 0.5), (-1.1, 0.42)])
        return [base, keys, cover, glass, panel]
    low = between(rng, 0.15, 0.3)
    bezel = between(rng, 0.075, 0.11)
    base = symmetric("main", [(width, low), (0.97, 0.66), (0.97, 0.74), (0, 0.75)])
    rows = [low + 0.08 + i * 0.07 for i in range(3)]
    spread = [width * 0.9 + (0.9 - width * 0.85) * (y - low) / 0.45 * 0.6 for y in rows]
    keys = snake(
        "dark",
        [(-x, y) for x, y in zip(spread, rows, strict=True)],
        [(x, y) for x, y in zip(spread, rows, strict=True)],
        0.05,
    )
    pad = symmetric("shade", [(0.2, low + 0.28), (0.23, 0.62)])
    lid = rounded("main", -width, top, width, low, 0.05)
    return [
        lid,
        *screen(rng, -width + bezel, top + bezel, width - bezel, low - bezel),
        *outlined(base, 0.015),
        keys,
        pad,
    ]


def keyboard(rng: random.Random) -> list[Part]:
    """A long board with rows of keys."""
    high, rows = between(rng, 0.3, 0.42), 4
    body = rounded("main", -0.95, -high, 0.95, high, between(rng, 0.03, 0.1))
    role = rng.choice(("light", "dark", "shade"))
    columns, gap = rng.choice((10, 11, 12)), 0.03
    step, tall = 1.78 / columns, (2 * high - 0.14) / rows
    parts = [copied("shade", body, 0, 0.03), body]
    for row in range(rows):
        y = -high + 0.07 + row * tall
        # A row of keys is one bar; lines in the colour of the case part it, which takes fewer parts.
        parts.append(box(role, -0.89 + 0.03 * row % 0.05, y, 0.89, y + tall - gap * 1.6))
    xs = [-0.89 + step * i for i in range(1, columns)]
    parts += [line("main", [(x, -high + 0.05), (x, high - 0.08 - tall)], gap) for x in xs]
    parts += [
        line("main", [(x, high - 0.06 - tall), (x, high - 0.06)], gap)
        for x in (-0.72, -0.55, -0.38, 0.38, 0.55, 0.72)
    ]
    cable = (
        [line("dark", bend((0.1, -high), (0.15, -high - 0.3), (0.5, -high - 0.35)), 0.03)]
        if chance(rng, 0.35)
        else []
    )
    if chance(rng, 0.3):
        parts.append(
            rounded("accent", -0.89, -high + 0.07, -0.89 + step - gap, -high + 0.05 + tall - gap, 0.01)
        )
    far = between(rng, 0.0, 0.3)
    return stretched([*cable, *parts], 1, between(rng, 0.75, 1.05), far)


def computer_mouse(rng: random.Random) -> list[Part]:
    """A rounded body with two buttons and a wheel, mostly on a cable."""
    wide, kind = between(rng, 0.36, 0.46), rng.choice(("wired", "wired", "wireless", "slant"))
    body = symmetric(
        "main",
        [(0, -0.62), (wide * 0.8, -0.58), (wide, 0.0), (wide * 1.02, 0.35), (wide * 0.7, 0.68), (0, 0.74)],
        smooth=2,
    )
    split = line("shade", [(0, -0.6), (0, -0.02)], 0.025)
    buttons = line("shade", bend((-wide * 0.97, -0.05), (0, 0.12), (wide * 0.97, -0.05)), 0.025)
    wheel = [
        rounded("dark", -0.075, -0.46, 0.075, -0.14, 0.07),
        line("metal", [(-0.04, -0.3), (0.04, -0.3)], 0.06),
    ]
    cable = (
        [
            line(
                "dark",
                bend((0, -0.56), (between(rng, -0.3, 0.3), -0.95), (between(rng, -0.6, 0.6), -1.15), 10),
                0.05,
            )
        ]
        if kind != "wireless"
        else []
    )
    under = copied("shade", body, 0, 0, 1.05, 1.03)
    side = (
        both(arc("shade", wide * 1.25, 0.25, wide * 0.45, 0.32, 110, 250, 0.03)) if chance(rng, 0.4) else []
    )
    mark = [ellipse("light", 0, 0.4, 0.06, 0.07)] if chance(rng, 0.3) else []
    parts = [*cable, under, body, *side, split, buttons, *wheel, *mark]
    return stretched(parts, 1, 0.85, 0.4) if kind == "slant" else parts


def game_controller(rng: random.Random) -> list[Part]:
    """Two grips, a cross, four buttons and two sticks."""
    if chance(rng, 0.2):  # the flat old kind
        pad = rounded("main", -0.95, -0.4, 0.95, 0.4, 0.1)
        cross = [
            line("dark", [(-0.78, 0.05), (-0.38, 0.05)], 0.13),
            line("dark", [(-0.58, -0.15), (-0.58, 0.25)], 0.13),
        ]
        knobs = [ellipse(role, x, 0.12, 0.12, 0.12) for x, role in ((0.4, "light"), (0.7, "accent"))]
        return [
            line("dark", [(0, -0.4), (0.05, -0.75)], 0.05),
            pad,
            *cross,
            *knobs,
            *both(line("dark", [(0.05, 0.15), (0.15, 0.15)], 0.06)),
            line("shade", [(-0.9, -0.22), (0.9, -0.22)], 0.03),
        ]
    grip, inset = between(rng, 0.55, 0.8), between(rng, 0.2, 0.4)
    body = symmetric(
        "main",
        [
            (0, -0.38),
            (0.4, -0.45),
            (0.75, -0.42),
            (0.92, 0.0),
            (1.0, grip),
            (0.72, grip + 0.02),
            (inset + 0.1, 0.3),
            (0, 0.25),
        ],
        smooth=2,
    )
    bumpers = both(rounded("dark" if chance(rng, 0.6) else "shade", 0.38, -0.52, 0.76, -0.36, 0.07))
    swap = chance(rng, 0.5)
    left, cross_at = ((-0.55, -0.12), (-0.27, 0.14)) if swap else ((-0.27, 0.14), (-0.55, -0.12))
    x, y = cross_at
    cross = [
        line("dark", [(x - 0.13, y), (x + 0.13, y)], 0.085),
        line("dark", [(x, y - 0.13), (x, y + 0.13)], 0.085),
    ]
    sticks = [
        part
        for cx, cy in (left, (0.27, 0.14))
        for part in (ellipse("dark", cx, cy, 0.14, 0.13), ellipse("metal", cx, cy, 0.08, 0.075))
    ]
    tones = ("leaf", "flame", "accent", "light") if chance(rng, 0.5) else ("light",) * 4
    knobs = [
        ellipse(tone, 0.55 + 0.14 * dx, -0.13 + 0.14 * dy, 0.06, 0.06)
        for tone, (dx, dy) in zip(tones, ((0, -1), (1, 0), (0, 1), (-1, 0)), strict=True)
    ]
    middle = (
        [ellipse("light", 0, -0.18, 0.07, 0.07)]
        if swap
        else [rounded("shade", -0.2, -0.32, 0.2, -0.06, 0.04)]
    )
    return [*bumpers, body, *cross, *sticks, *knobs, *middle]


def headphones(rng: random.Random) -> list[Part]:
    radius, cup = between(rng, 0.5, 0.68), between(rng, 0.17, 0.25)
    tall = between(rng, 0.28, 0.38)
    kind = rng.choice(("over", "over", "headset", "flat"))
    if kind == "flat":  # lying: both cups seen from outside, the band between them
        band = arc("main", 0, 0.15, radius, between(rng, 0.75, 1.0), 180, 360, 0.14)
        cups = both(
            ellipse("main", radius, 0.35, tall * 0.95, tall * 1.1),
            ellipse("shade", radius, 0.35, tall * 0.65, tall * 0.75),
            ellipse("main", radius, 0.35, tall * 0.54, tall * 0.64),
        )
        return [band, *cups]
    band = arc("main", 0, 0.2, radius, between(rng, 0.8, 1.0), 180, 360, between(rng, 0.1, 0.15))
    pads = both(rounded("dark", radius - 0.2, 0.3 - tall * 0.85, radius - 0.02, 0.3 + tall * 0.85, 0.09))
    shells = both(rounded("main", radius - 0.05, 0.3 - tall, radius - 0.05 + cup, 0.3 + tall, 0.12))
    mark = both(
        line("shade", [(radius + cup * 0.5, 0.3 - tall * 0.6), (radius + cup * 0.5, 0.3 + tall * 0.6)], 0.03)
    )
    padding = arc("dark", 0, 0.25, radius * 0.9, 0.85, 230, 310, 0.06)
    boom: list[Part] = []
    if kind == "headset":
        boom = [
            line("dark", bend((-radius, 0.5), (-radius * 0.9, 0.95), (-0.1, 0.85)), 0.04),
            ellipse("dark", -0.1, 0.85, 0.1, 0.065),
        ]
    return [padding, band, *pads, *shells, *mark, *boom]


COMPUTING: dict[str, Draw] = {
    "phone": phone,
    "laptop": laptop,
    "keyboard": keyboard,
    "computer mouse": computer_mouse,
    "game controller": game_controller,
    "headphones": headphones,
}
