"""Outlines of things one wears or carries; each takes a random source and varies in every measure."""

from __future__ import annotations

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
    moved,
    polygon,
    symmetric,
)


def _top(rng: random.Random, sleeve: float, length: float, width: float) -> list[Part]:
    """A torso with sleeves: `sleeve` is their length (0 none, 1 to the hem), `length` the hem's y."""
    shoulder, neck = width + between(rng, -0.02, 0.08), between(rng, 0.14, 0.26)
    top = -0.75
    spread = between(rng, 0.25, 0.95)  # how far the sleeves stand out
    armpit = top + between(rng, 0.38, 0.5)
    hem = width * between(rng, 0.95, 1.15)
    reach = 0.28 + 1.15 * sleeve
    dx, dy = reach * spread, reach * (1.15 - 0.75 * spread)
    cuff = between(rng, 0.12, 0.2) + (0.1 if sleeve < 0.5 else 0)
    outline = [(neck, top), (shoulder, top + 0.08)]
    if sleeve > 0:
        norm = (dx**2 + dy**2) ** 0.5
        tip = (shoulder + dx, top + 0.1 + dy)
        inner = (tip[0] - cuff * dy / norm * 1.6, tip[1] + cuff * dx / norm * 1.6)
        outline += [tip, inner, (width, armpit)]
    else:
        outline += [(shoulder - 0.08, armpit - 0.15), (width, armpit)]
    outline += [(hem, length)]
    depth = between(rng, 0.04, 0.3)
    collar = (
        symmetric(
            "shade",
            [(0, top - 0.03), (neck, top), (neck * 0.6, top + depth * 0.8), (0, top + depth)],
            smooth=1,
        )
        if chance(rng, 0.7)
        else symmetric("hole", [(0, top - 0.05), (neck, top - 0.02), (0, top + depth)])
    )
    return [symmetric("main", outline, smooth=1), collar]


def t_shirt(rng: random.Random) -> list[Part]:
    parts = _top(rng, between(rng, 0.0, 0.28), between(rng, 0.55, 0.9), between(rng, 0.42, 0.6))
    if chance(rng, 0.15):
        parts.append(box("accent", -0.22, -0.25, 0.22, 0.1, smooth=1))
    return parts


def longsleeve(rng: random.Random) -> list[Part]:
    parts = _top(rng, between(rng, 0.7, 1.0), between(rng, 0.55, 0.9), between(rng, 0.4, 0.58))
    if chance(rng, 0.4):
        parts.append(line("shade", [(-0.45, 0.68), (0.45, 0.68)], 0.02))
    return parts


def shirt(rng: random.Random) -> list[Part]:
    parts = _top(
        rng,
        between(rng, 0.65, 1.0) if chance(rng, 0.75) else 0.25,
        between(rng, 0.65, 0.95),
        between(rng, 0.4, 0.58),
    )
    collar = polygon(
        "light" if chance(rng, 0.2) else "main", [(0, -0.62), (0.22, -0.82), (0.27, -0.6), (0.12, -0.5)]
    )
    parts += [line("shade", [(0, -0.6), (0, 0.75)], 0.03), collar, mirrored(collar)]
    parts += [ellipse("light", 0, y / 10, 0.025, 0.025) for y in range(-4, 7, 2)]
    if chance(rng, 0.5):
        parts.append(
            line("shade", [(0.15, -0.2), (0.35, -0.2), (0.35, 0.05), (0.15, 0.05), (0.15, -0.2)], 0.015)
        )
    return parts


def outwear(rng: random.Random) -> list[Part]:
    sleeve = 0.0 if chance(rng, 0.15) else between(rng, 0.75, 1.0)
    length = between(rng, 0.6, 1.0)
    parts = _top(rng, sleeve, length, between(rng, 0.48, 0.64))
    parts.append(line("dark" if chance(rng, 0.5) else "metal", [(0, -0.7), (0, length)], 0.035))
    if chance(rng, 0.5):
        parts.append(symmetric("shade", [(0, -0.95), (0.26, -0.88), (0.32, -0.65), (0, -0.58)], smooth=2))
    else:
        lapel = polygon("shade", [(0.02, -0.1), (0.2, -0.76), (0.36, -0.6), (0.25, -0.35)])
        parts += [lapel, mirrored(lapel)]
    if chance(rng, 0.45):
        parts += [line("shade", [(-0.6, y), (0.6, y)], 0.02) for y in (-0.35, -0.1, 0.15, 0.4)]
    pocket = line("shade", [(0.2, 0.25), (0.42, 0.4)], 0.03)
    return [*parts, pocket, mirrored(pocket)]


def dress(rng: random.Random) -> list[Part]:
    waist_y, flare, width = between(rng, -0.25, 0.0), between(rng, 0.35, 0.85), between(rng, 0.26, 0.36)
    top = -0.92
    sleeve = rng.choice((0.0, 0.0, 0.3, 0.9))
    outline = [(between(rng, 0.08, 0.2), top), (width + 0.06, top + 0.06)]
    if sleeve:
        outline += [
            (width + 0.1 + 0.45 * sleeve, top + 0.1 + 0.6 * sleeve),
            (width + 0.45 * sleeve - 0.08, top + 0.2 + 0.6 * sleeve),
        ]
    outline += [
        (width, top + 0.36),
        (width * between(rng, 0.8, 1.0), waist_y),
        (flare, between(rng, 0.75, 0.98)),
    ]
    parts = [
        symmetric("main", outline, smooth=1),
        symmetric("hole", [(0, top - 0.04), (0.12, top - 0.02), (0, top + between(rng, 0.08, 0.3))]),
    ]
    if chance(rng, 0.5):
        parts.append(
            box(
                rng.choice(("accent", "shade", "dark")),
                -width * 0.95,
                waist_y - 0.04,
                width * 0.95,
                waist_y + 0.03,
            )
        )
    if chance(rng, 0.4):
        parts += [
            line("shade", [(x * width, waist_y + 0.06), (x * flare, 0.8)], 0.015)
            for x in (-0.6, -0.2, 0.2, 0.6)
        ]
    return parts


def skirt(rng: random.Random) -> list[Part]:
    waist, hem, length = between(rng, 0.28, 0.42), between(rng, 0.38, 0.9), between(rng, 0.25, 0.85)
    top = -0.6 if length < 0.6 else -0.85
    parts = [symmetric("main", [(waist, top), (waist * 1.1, top + 0.3), (hem, length)], smooth=1)]
    parts.append(box("shade", -waist, top, waist, top + 0.1))
    if chance(rng, 0.5):
        parts += [
            line("shade", [(x * waist, top + 0.1), (x * hem, length - 0.04)], 0.018)
            for x in (-0.7, -0.35, 0, 0.35, 0.7)
        ]
    return parts


def _legs(rng: random.Random, length: float, cuff: float, top: float) -> list[Part]:
    waist, hip, gap = between(rng, 0.28, 0.4), between(rng, 0.36, 0.5), between(rng, 0.01, 0.14)
    crotch = top + between(rng, 0.5, 0.65)
    outline = [
        (waist, top),
        (hip, crotch - 0.1),
        (gap + cuff + between(rng, 0.0, 0.12), length),
        (gap, length),
        (0.0, crotch),
    ]
    parts = [symmetric("main", outline), box("shade", -waist, top, waist, top + 0.08)]
    parts.append(line("shade", [(0, top + 0.08), (0, crotch)], 0.018))
    if chance(rng, 0.5):
        pocket = line("shade", [(waist * 0.45, top + 0.1), (waist * 0.95, top + 0.28)], 0.018)
        parts += [pocket, mirrored(pocket)]
    if chance(rng, 0.2):
        stripe = line("accent", [(waist * 0.97, top + 0.1), (gap + cuff, length)], 0.05)
        parts += [stripe, mirrored(stripe)]
    return parts


def pants(rng: random.Random) -> list[Part]:
    return _legs(rng, between(rng, 0.85, 0.98), between(rng, 0.16, 0.34), -0.95)


def shorts(rng: random.Random) -> list[Part]:
    return _legs(rng, between(rng, 0.25, 0.6), between(rng, 0.36, 0.5), -0.55)


def _shoe(rng: random.Random, shaft: float) -> list[Part]:
    sole = between(rng, 0.06, 0.16)
    heel = between(rng, 0.0, 0.3) if chance(rng, 0.3) else 0.0
    upper = [
        (-0.75, 0.3 - heel),
        (-0.78, -0.1 - shaft - heel),
        (-0.35, -0.14 - shaft - heel),
        (-0.2, 0.0 - heel * 0.5),
        (0.45, 0.12),
        (0.8, 0.25),
        (0.82, 0.36),
        (-0.2, 0.36),
    ]
    parts = [polygon("main", upper, smooth=1)]
    parts.append(
        polygon(
            rng.choice(("light", "dark", "wood", "accent")),
            [
                (-0.78, 0.32 - heel),
                (-0.2, 0.36),
                (0.85, 0.33),
                (0.84, 0.36 + sole),
                (-0.25, 0.36 + sole),
                (-0.6, 0.36 + sole - heel * 0.6),
                (-0.62, 0.36 + sole),
                (-0.78, 0.36 + sole),
            ],
        )
    )
    if chance(rng, 0.6):
        parts += [
            line(
                "light" if chance(rng, 0.6) else "shade",
                [(-0.25 + i * 0.14, -0.02 + i * 0.04), (-0.05 + i * 0.14, 0.12 + i * 0.03)],
                0.03,
            )
            for i in range(4)
        ]
    if chance(rng, 0.3):
        parts.append(polygon("accent", [(-0.4, 0.3), (-0.1, 0.3), (0.2, 0.05), (0.1, 0.05)]))
    return parts


def _pair(rng: random.Random, single: list[Part]) -> list[Part]:
    if chance(rng, 0.25):
        return single
    scale = between(rng, 0.62, 0.8)
    flip = chance(rng, 0.4)
    back = [moved(mirrored(part) if flip else part, -0.12, -0.34, scale) for part in single]
    return back + [moved(part, 0.15, 0.3, scale) for part in single]


def _shoe_above(rng: random.Random) -> list[Part]:
    """A pair seen from above, as on the floor."""
    foot = [
        symmetric(
            "main", [(0.0, -0.85), (0.24, -0.6), (0.26, -0.1), (0.2, 0.5), (0.2, 0.8), (0, 0.88)], smooth=2
        )
    ]
    if chance(rng, 0.35):  # a sandal: foot bed and straps
        foot = [
            Part("wood" if chance(rng, 0.6) else "dark", foot[0].points),
            line("main", [(-0.24, -0.35), (0, -0.6), (0.24, -0.3)], 0.1),
            line("main", [(-0.2, 0.3), (0.2, 0.3)], 0.1),
        ]
    else:
        foot += [ellipse("dark", 0, 0.42, 0.13, 0.34)]
        foot += (
            [line("light", [(-0.12, y), (0.12, y)], 0.035) for y in (-0.35, -0.22, -0.09)]
            if chance(rng, 0.6)
            else []
        )
    return [moved(part, -0.3, 0, 0.95, 0.08) for part in foot] + [
        moved(mirrored(part), 0.3, 0, 0.95, -0.08) for part in foot
    ]


def shoes(rng: random.Random) -> list[Part]:
    return _shoe_above(rng) if chance(rng, 0.45) else _pair(rng, _shoe(rng, between(rng, 0.0, 0.18)))


def boots(rng: random.Random) -> list[Part]:
    return [moved(part, 0, 0.3, 0.9) for part in _pair(rng, _shoe(rng, between(rng, 0.5, 0.9)))]


def hat(rng: random.Random) -> list[Part]:
    kind = rng.random()
    if kind < 0.35:  # cap with a peak
        return [
            ellipse("main", -0.1, 0.1, 0.6, between(rng, 0.45, 0.62), start=180, stop=360),
            polygon(
                "accent" if chance(rng, 0.4) else "main",
                [(0.3, 0.0), (0.95, 0.2), (0.9, 0.3), (-0.7, 0.14)],
                smooth=1,
            ),
            ellipse("shade", -0.1, -0.45, 0.05, 0.04),
        ]
    if kind < 0.7:  # beanie
        parts = [
            symmetric("main", [(0.0, -0.75), (0.4, -0.6), (0.58, 0.0), (0.6, 0.4)], smooth=2),
            box("shade", -0.6, 0.15, 0.6, 0.48, smooth=1),
        ]
        return (
            [*parts, ellipse("accent" if chance(rng, 0.5) else "light", 0, -0.75, 0.18, 0.18)]
            if chance(rng, 0.5)
            else parts
        )
    brim = between(rng, 0.75, 0.98)
    return [
        ellipse("main", 0, 0.3, brim, between(rng, 0.16, 0.35)),
        symmetric("main", [(0.0, -0.5), (0.38, -0.45), (0.48, 0.25), (0, 0.34)], smooth=1),
        symmetric("dark" if chance(rng, 0.6) else "accent", [(0.45, 0.02), (0.48, 0.2), (0, 0.3)]),
    ]


def sock(rng: random.Random) -> list[Part]:
    leg = polygon(
        "main",
        [(-0.3, -0.9), (0.05, -0.9), (0.1, 0.15), (0.6, 0.5), (0.55, 0.8), (0.2, 0.8), (-0.3, 0.4)],
        smooth=1,
    )
    cuff = box("accent" if chance(rng, 0.5) else "shade", -0.3, -0.9, 0.05, -0.75)
    return [moved(part, dx, dy, 0.85) for dx, dy in ((-0.2, -0.05), (0.25, 0.08)) for part in (leg, cuff)]


def scarf(rng: random.Random) -> list[Part]:
    fold = between(rng, 0.1, 0.4)
    tail = polygon("main", [(0.02, -0.4), (0.3, -0.4), (0.3 + fold, 0.85), (fold, 0.9)])
    other = polygon("main", [(-0.3, -0.4), (-0.02, -0.4), (-0.1, 0.6), (-0.4, 0.6)])
    fringe = [
        line("shade", [(fold + i * 0.06, 0.86), (fold + i * 0.06 + 0.02, 0.98)], 0.02) for i in range(5)
    ]
    return [
        other,
        tail,
        ellipse("main", 0, -0.5, 0.45, 0.32),
        ellipse("shade", 0, -0.56, 0.26, 0.16),
        *fringe,
    ]


def tie(rng: random.Random) -> list[Part]:
    width = between(rng, 0.16, 0.26)
    return [
        symmetric("main", [(0.1, -0.7), (width, 0.65), (0, 0.95)]),
        symmetric("shade", [(0.16, -0.95), (0.09, -0.7)]),
    ]


def handbag(rng: random.Random) -> list[Part]:
    top, width = between(rng, -0.25, 0.05), between(rng, 0.5, 0.75)
    parts = [
        arc(
            "shade" if chance(rng, 0.6) else "dark",
            0,
            top,
            width * 0.55,
            between(rng, 0.4, 0.75),
            180,
            360,
            0.07,
        ),
        symmetric("main", [(width * between(rng, 0.7, 1.0), top), (width, 0.75)], smooth=1),
    ]
    if chance(rng, 0.6):
        parts.append(
            symmetric("shade", [(width * 0.85, top), (width * 0.7, top + 0.35), (0, top + 0.42)], smooth=1)
        )
    return [*parts, ellipse("metal", 0, top + 0.38, 0.06, 0.06)]


def backpack(rng: random.Random) -> list[Part]:
    width = between(rng, 0.45, 0.6)
    strap = arc("dark", width, 0.1, 0.18, 0.5, -90, 90, 0.07)
    return [
        strap,
        mirrored(strap),
        arc("dark", 0, -0.8, 0.15, 0.14, 180, 360, 0.05),
        symmetric(
            "main", [(0.0, -0.85), (width * 0.8, -0.75), (width, -0.2), (width, 0.8), (0, 0.85)], smooth=1
        ),
        box("accent" if chance(rng, 0.4) else "shade", -width * 0.7, 0.15, width * 0.7, 0.68, smooth=1),
        line("metal", [(-width * 0.75, -0.15), (width * 0.75, -0.15)], 0.03),
    ]


def umbrella(rng: random.Random) -> list[Part]:
    parts = [
        line("wood", [(0, -0.8), (0, 0.75)], 0.05),
        arc("wood", 0.12, 0.75, 0.12, 0.14, 0, 180, 0.05),
        ellipse("main", 0, 0, 0.92, between(rng, 0.65, 0.85), start=180, stop=360),
    ]
    return (
        parts
        + [ellipse("hole", x, 0.0, 0.23, 0.1) for x in (-0.69, -0.23, 0.23, 0.69)]
        + [line("shade", [(0, -0.7), (x, -0.05)], 0.015) for x in (-0.46, 0, 0.46)]
    )


def watch(rng: random.Random) -> list[Part]:
    radius = between(rng, 0.32, 0.45)
    face = (
        ellipse("light", 0, 0, radius * 0.82, radius * 0.82)
        if chance(rng, 0.6)
        else ellipse("dark", 0, 0, radius * 0.82, radius * 0.82)
    )
    hands = "dark" if face.role == "light" else "light"
    return [
        symmetric("main", [(0.14, -0.98), (0.24, -0.3), (0.24, 0.3), (0.14, 0.98)]),
        ellipse("metal", 0, 0, radius, radius),
        face,
        line(hands, [(0, -0.22), (0, 0), (0.15, 0.08)], 0.035),
    ]


def sunglasses(rng: random.Random) -> list[Part]:
    size = between(rng, 0.28, 0.4)
    lens = [
        ellipse("main", 0.46, 0, size + 0.06, size),
        ellipse("dark", 0.46, 0, size - 0.03, size - 0.09),
        line("main", [(0.85, -0.1), (0.98, -0.3)], 0.06),
    ]
    return [*lens, *[mirrored(part) for part in lens], line("main", [(-0.15, -0.08), (0.15, -0.08)], 0.07)]


def suitcase(rng: random.Random) -> list[Part]:
    width = between(rng, 0.42, 0.6)
    parts = [
        line("metal", [(-0.2, -0.5), (-0.2, -0.92), (0.2, -0.92), (0.2, -0.5)], 0.05),
        box("main", -width, -0.55, width, 0.8, smooth=2),
    ]
    parts += [line("shade", [(x * width, -0.45), (x * width, 0.7)], 0.025) for x in (-0.6, -0.2, 0.2, 0.6)]
    return [
        *parts,
        ellipse("dark", -width * 0.75, 0.85, 0.09, 0.09),
        ellipse("dark", width * 0.75, 0.85, 0.09, 0.09),
    ]


CLOTHING: dict[str, Callable[[random.Random], list[Part]]] = {
    "t-shirt": t_shirt,
    "longsleeve": longsleeve,
    "shirt": shirt,
    "dress": dress,
    "skirt": skirt,
    "pants": pants,
    "shorts": shorts,
    "outwear": outwear,
    "shoes": shoes,
    "hat": hat,
    "boots": boots,
    "sock": sock,
    "scarf": scarf,
    "tie": tie,
    "handbag": handbag,
    "backpack": backpack,
    "umbrella": umbrella,
    "watch": watch,
    "sunglasses": sunglasses,
    "suitcase": suitcase,
}
