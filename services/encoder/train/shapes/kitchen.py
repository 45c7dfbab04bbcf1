"""Outlines of vessels for the kitchen and the laid table."""

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
    polygon,
    ring,
    rounded,
    snake,
    symmetric,
)


def mug(rng: random.Random) -> list[Part]:
    width, top, low = between(rng, 0.36, 0.55), between(rng, -0.75, -0.4), between(rng, 0.45, 0.75)
    taper, dip = between(rng, 0.65, 1.05), between(rng, 0.07, 0.16)
    middle, thick = (top + low) / 2, between(rng, 0.09, 0.15)
    if chance(rng, 0.7):
        handle = arc(
            "main", width * 0.95, middle, between(rng, 0.25, 0.4), (low - top) * 0.32, -95, 95, thick
        )
    else:  # an angular handle
        out = width + between(rng, 0.28, 0.4)
        handle = line(
            "main",
            [(width * 0.8, top + 0.25), (out, top + 0.28), (out - 0.08, low - 0.2), (width * 0.8, low - 0.2)],
            thick,
        )
    corner = bend(
        (width * taper, low - 0.1), (width * taper, low + 0.08), (width * taper * 0.75, low + 0.1), 4
    )
    inside = rng.choice(("shade", "shade", "light", "accent"))
    parts = [
        handle,
        symmetric("main", [(width, top), *corner, (0, low + 0.12)]),
        ellipse("main", 0, top, width, dip),
        ellipse(inside, 0, top, width * 0.9, dip * 0.8),
    ]
    if chance(rng, 0.35):
        parts.append(ellipse("wood", 0, top + dip * 0.25, width * 0.78, dip * 0.5))
    if chance(rng, 0.25):
        parts.append(box("accent", -width * 0.85, middle, width * 0.85, middle + 0.12))
    return parts


def bottle(rng: random.Random) -> list[Part]:
    width, neck, shoulder = between(rng, 0.2, 0.34), between(rng, 0.07, 0.15), between(rng, -0.5, -0.05)
    cap = rng.choice(("dark", "light", "metal", "accent"))
    kind = rng.choice(("wine", "sport", "plain"))
    if kind == "sport":
        parts = [
            arc(cap, 0, -0.78, 0.13, 0.2, 180, 360, 0.06),
            rounded(cap, -width * 0.7, -0.8, width * 0.7, -0.55, 0.05),
        ]
        body = symmetric(
            "main",
            [
                (width * 0.65, -0.58),
                (width, -0.35),
                (width, 0.0),
                (width * 0.86, 0.15),
                (width, 0.3),
                (width, 0.92),
            ],
            smooth=1,
        )
        return [*parts, body, line("shade", [(-width * 0.95, 0.15), (width * 0.95, 0.15)], 0.03)]
    side = bend((neck, shoulder - 0.15), (neck, shoulder + 0.05), (width, shoulder + 0.2), 5)
    body = symmetric("main", [(neck, -0.85), *side, (width, 0.85), (width * 0.85, 0.92)])
    parts = [body, rounded(cap, -neck * 1.25, -0.98, neck * 1.25, -0.8, 0.02)]
    if kind == "wine":
        parts.append(box(cap, -neck * 1.05, -0.82, neck * 1.05, -0.6))
    if chance(rng, 0.5):
        label = between(rng, 0.2, 0.45)
        parts += [
            box("light", -width * 0.99, 0.2, width * 0.99, 0.2 + label),
            line("dark", [(-width * 0.5, 0.3), (width * 0.5, 0.3)], 0.03),
        ]
    return [*parts, line("light", [(-width * 0.65, shoulder + 0.3), (-width * 0.65, 0.75)], 0.03)]


def teapot(rng: random.Random) -> list[Part]:
    rx, ry = between(rng, 0.42, 0.58), between(rng, 0.34, 0.5)
    knob = rng.choice(("accent", "main", "dark"))
    kettle = chance(rng, 0.4)
    spout = limb(
        "main",
        [(rx * 0.55, 0.38, 0.17), (rx + 0.12, 0.2, 0.1), (rx + 0.2, -0.1, 0.07), (rx + 0.36, -0.24, 0.06)],
    )
    if kettle:  # the handle goes over the top, and the base is flat
        body = symmetric(
            "main",
            [(0, -ry + 0.12), (rx * 0.55, -ry + 0.18), (rx, 0.45), (rx * 1.02, 0.62), (0, 0.64)],
            smooth=1,
        )
        handle = arc(
            rng.choice(("dark", "wood", "main")),
            0,
            -ry + 0.35,
            rx * 0.85,
            between(rng, 0.55, 0.75),
            185,
            355,
            0.08,
        )
        return [
            handle,
            spout,
            body,
            ellipse("shade", 0, -ry + 0.15, rx * 0.45, 0.05),
            ellipse(knob, 0, -ry + 0.06, 0.07, 0.07),
        ]
    handle = arc("main", -rx * 0.95, 0.15, 0.3, ry * 0.7, 80, 280, 0.09)
    lid = arc("shade", 0, 0.2, rx * 0.62, ry * 0.92, 205, 335, 0.025)
    foot = symmetric("shade", [(rx * 0.5, 0.15 + ry), (rx * 0.55, 0.25 + ry)])
    return [
        handle,
        spout,
        foot,
        ellipse("main", 0, 0.2, rx, ry),
        lid,
        ellipse(knob, 0, 0.16 - ry, 0.09, 0.08),
    ]


def plate(rng: random.Random) -> list[Part]:
    squash, inner = between(rng, 0.4, 1.0), between(rng, 0.55, 0.72)
    centre = rng.choice(("main", "main", "main", "light"))
    parts = [ellipse("shade", 0, 0.03, 0.9, 0.9 * squash), ellipse("main", 0, 0, 0.9, 0.9 * squash)]
    if chance(rng, 0.3):
        parts.append(ring("accent", 0, 0, 0.85, 0.85 * squash, 0.035))
    return [
        *parts,
        ellipse("shade", 0, 0, inner + 0.03, (inner + 0.03) * squash),
        ellipse(centre, 0, 0.015, inner, inner * squash),
    ]


def bowl(rng: random.Random) -> list[Part]:
    width, rim, deep = between(rng, 0.65, 0.9), between(rng, 0.14, 0.3), between(rng, 0.5, 0.75)
    inside = rng.choice(("shade", "shade", "light"))
    foot = symmetric("shade", [(0.3, deep - 0.25), (0.27, deep)])
    cup = symmetric(
        "main", [*bend((width, -0.1), (width * 0.95, deep - 0.15), (0.3, deep - 0.1), 7), (0, deep - 0.08)]
    )
    parts = [
        foot,
        cup,
        ellipse("main", 0, -0.1, width, rim),
        ellipse(inside, 0, -0.09, width * 0.92, rim * 0.85),
    ]
    if chance(rng, 0.3):  # filled with something
        for x in (-0.35, 0.05, 0.38):
            parts.append(
                ellipse(rng.choice(("leaf", "flame", "wood")), x * width * 1.4, -0.14, 0.2, rim * 0.6)
            )
        parts.append(arc("main", 0, -0.1, width * 0.96, rim * 0.92, 0, 180, 0.05))
    if chance(rng, 0.25):
        parts.append(
            line("accent", bend((-width * 0.93, 0.1), (0, 0.1 + rim * 1.3), (width * 0.93, 0.1)), 0.06)
        )
    return parts


def glass(rng: random.Random) -> list[Part]:
    shine = "light"
    if chance(rng, 0.5):  # stemmed
        rim, belly, low = between(rng, 0.24, 0.42), between(rng, 0.34, 0.5), between(rng, 0.0, 0.2)
        cup = symmetric(
            "main",
            [(0, -0.82), (rim, -0.82), (belly, low - 0.5), (belly * 0.6, low), (0, low + 0.1)],
            smooth=1,
        )
        return [
            ellipse("shade", 0, 0.88, 0.35, 0.08),
            line("shade", [(0, low), (0, 0.86)], 0.05),
            cup,
            ellipse(shine, 0, -0.8, rim * 0.95, 0.05),
            line(shine, [(-belly * 0.6, -0.55), (-belly * 0.6, low - 0.35)], 0.04),
        ]
    width, taper, high = between(rng, 0.3, 0.45), between(rng, 0.7, 1.0), between(rng, 0.45, 0.75)
    dip = width * 0.25
    parts = [
        symmetric("main", [(width, -high), (width * taper, high), (0, high + dip * 0.6)]),
        ellipse("shade", 0, -high, width, dip),
        ellipse(shine, 0, -high + 0.02, width * 0.9, dip * 0.8),
    ]
    parts.append(ellipse("shade", 0, high - 0.04, width * taper * 0.85, dip * 0.5))
    parts.append(
        polygon(
            shine,
            [
                (-width * 0.75, -high + 0.2),
                (-width * 0.6, -high + 0.22),
                (-width * taper * 0.62, high - 0.2),
                (-width * taper * 0.75, high - 0.22),
            ],
        )
    )
    if chance(rng, 0.35):
        parts.append(line("accent", [(width * 0.3, -high + 0.05), (width * 0.75, -high - 0.5)], 0.06))
    return parts


def pan(rng: random.Random) -> list[Part]:
    grip = rng.choice(("dark", "dark", "wood", "main"))
    if chance(rng, 0.55):  # from above: a round with a lip, a long handle with a hole
        radius, turn = between(rng, 0.52, 0.62), between(rng, -0.5, 0.5)
        handle = limb(
            grip,
            [
                (radius * 0.9, 0, 0.07),
                (radius + 0.25, 0, 0.075),
                (radius + 0.85, 0, 0.1),
                (radius + 0.9, 0, 0.06),
            ],
        )
        eye = ellipse("hole", radius + 0.8, 0, 0.05, 0.035)
        parts = [
            handle,
            eye,
            ellipse("metal" if grip != "main" else "main", radius + 0.02, 0, 0.1, 0.09),
            ellipse("main", 0, 0, radius, radius),
            ellipse("shade", 0, 0, radius * 0.87, radius * 0.87),
            ellipse("main", 0.01, 0.02, radius * 0.82, radius * 0.82),
        ]
        if chance(rng, 0.25):
            parts += [ellipse("light", -0.05, 0.02, 0.26, 0.22), ellipse("flame", -0.02, 0.0, 0.1, 0.1)]
        cos, sin = math.cos(turn), math.sin(turn)
        matrix = [[cos, sin], [-sin, cos]]
        return [
            Part(part.role, (part.points @ matrix).astype(part.points.dtype), part.width) for part in parts
        ]
    deep, rim = between(rng, 0.3, 0.48), between(rng, 0.1, 0.17)
    handle = limb(grip, [(0.3, -0.02, 0.07), (0.7, -0.1, 0.065), (1.25, -0.26, 0.085)])
    side = symmetric(
        "main",
        [
            (0.62, 0),
            *bend((0.62, deep * 0.6), (0.6, deep + rim * 0.6), (0.4, deep + rim * 0.7), 4),
            (0, deep + rim * 0.9),
        ],
    )
    return [handle, side, ellipse("main", 0, 0, 0.63, rim), ellipse("shade", 0, 0.01, 0.57, rim * 0.82)]


def cooking_pot(rng: random.Random) -> list[Part]:
    width, top, low = between(rng, 0.52, 0.7), between(rng, -0.3, -0.05), between(rng, 0.5, 0.75)
    dip = between(rng, 0.07, 0.14)
    grip = rng.choice(("dark", "main", "metal", "shade"))
    y = top + 0.2
    if chance(rng, 0.7):
        ears = both(
            line(
                grip,
                [
                    (width - 0.05, y),
                    (width + 0.2, y - 0.02),
                    (width + 0.2, y + 0.14),
                    (width - 0.05, y + 0.14),
                ],
                0.065,
            )
        )
    else:  # a saucepan: one long handle
        ears = [
            limb(
                grip, [(width * 0.8, y, 0.06), (width + 0.4, y - 0.05, 0.055), (width + 0.8, y - 0.1, 0.075)]
            )
        ]
    corner = bend((width, low - 0.12), (width, low + dip * 0.4), (width * 0.8, low + dip * 0.6), 4)
    parts = [*ears, symmetric("main", [(width, top), *corner, (0, low + dip)])]
    if chance(rng, 0.75):  # with its lid on
        lid = rng.choice(("main", "main", "metal", "shade"))
        dome = ellipse(lid, 0, top + 0.01, width * 1.03, between(rng, 0.22, 0.34), start=180, stop=360)
        rim = line(
            "shade" if lid != "shade" else "metal",
            bend((-width * 1.03, top), (0, top + dip), (width * 1.03, top)),
            0.045,
        )
        peak = float(dome.points[:, 1].min())
        return [
            *parts,
            dome,
            rim,
            line("dark", [(0, peak), (0, peak - 0.08)], 0.07),
            rounded("dark", -0.12, peak - 0.15, 0.12, peak - 0.07, 0.04),
        ]
    return [
        *parts,
        ellipse("main", 0, top, width, dip),
        ellipse("dark", 0, top + 0.01, width * 0.92, dip * 0.8),
    ]


def jar(rng: random.Random) -> list[Part]:
    width, low, neck = between(rng, 0.4, 0.58), between(rng, 0.6, 0.85), between(rng, 0.7, 0.92)
    lid = rng.choice(("metal", "wood", "dark", "light", "accent"))
    kind = rng.choice(("screw", "clip", "cookie"))
    belly = width * (between(rng, 1.05, 1.25) if kind == "cookie" else 1.0)
    side = bend((width * neck, -0.55), (belly, -0.5), (belly, -0.25), 4)
    parts = [
        symmetric(
            "main", [*side, *bend((belly, low - 0.2), (belly, low), (width * 0.75, low), 4), (0, low + 0.03)]
        )
    ]
    if kind == "cookie":
        parts = [
            parts[0],
            ellipse("main", 0, -0.53, width * neck * 1.05, 0.25, start=180, stop=360),
            line("shade", [(-width * neck * 1.08, -0.54), (width * neck * 1.08, -0.54)], 0.05),
            ellipse("main", 0, -0.82, 0.1, 0.09),
        ]
    else:
        parts.append(rounded(lid, -width * neck * 1.06, -0.78, width * neck * 1.06, -0.54, 0.04))
        if kind == "screw":
            xs = [width * neck * (i / 5 - 1) for i in range(11)]
            parts.append(
                snake(
                    "shade" if lid != "dark" else "metal",
                    [(x, -0.74) for x in xs],
                    [(x, -0.58) for x in xs],
                    0.014,
                )
            )
        else:
            parts += both(
                line(
                    "metal",
                    [(width * neck * 0.9, -0.7), (width * neck * 1.2, -0.5), (width * neck, -0.3)],
                    0.035,
                )
            )
    if chance(rng, 0.5):
        parts += [
            rounded("light", -width * 0.62, -0.1, width * 0.62, 0.35, 0.05),
            line("dark", [(-width * 0.35, 0.12), (width * 0.35, 0.12)], 0.035),
        ]
    return [*parts, line("light", [(-belly * 0.82, -0.2), (-belly * 0.82, low - 0.25)], 0.035)]


def basket(rng: random.Random) -> list[Part]:
    width, top, taper = between(rng, 0.6, 0.82), between(rng, -0.3, 0.05), between(rng, 0.7, 0.95)
    dip = between(rng, 0.08, 0.2)
    rows = [top + 0.12 + i * 0.1 for i in range(int((0.62 - top) / 0.1))]
    shrink = [width * (1 - (1 - taper) * (y - top) / (0.72 - top)) for y in rows]
    weave = snake(
        "shade",
        [(-w, y) for w, y in zip(shrink, rows, strict=True)],
        [(w, y) for w, y in zip(shrink, rows, strict=True)],
        0.025,
    )
    xs = [x / 6 for x in range(-5, 6)]
    stakes = snake("shade", [(x * width, top) for x in xs], [(x * width * taper, 0.72) for x in xs], 0.02)
    body = symmetric("main", [(width, top), (width * taper, 0.7), (0, 0.76)])
    mouth = [ellipse("main", 0, top, width, dip), ellipse("shade", 0, top + 0.01, width * 0.9, dip * 0.75)]
    if chance(rng, 0.5):
        hoop = arc("main", 0, top, width * 0.85, between(rng, 0.5, 0.85), 180, 360, 0.085)
        return [hoop, body, weave, stakes, *mouth]
    ears = both(arc("main", width * 0.92, top + 0.14, 0.15, 0.14, -90, 90, 0.06))
    return [*ears, body, weave, stakes, *mouth]


KITCHEN: dict[str, Draw] = {
    "mug": mug,
    "bottle": bottle,
    "teapot": teapot,
    "plate": plate,
    "bowl": bowl,
    "glass": glass,
    "pan": pan,
    "cooking pot": cooking_pot,
    "jar": jar,
    "basket": basket,
}
