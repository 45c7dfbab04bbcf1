"""Outlines of shoes, boots and socks: one or a pair, from the side or above."""

from __future__ import annotations

import random

from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    arc,
    bend,
    between,
    box,
    chance,
    copied,
    ellipse,
    line,
    mirrored,
    placed,
    polygon,
    rounded,
    snake,
    stretched,
    symmetric,
)


def _side(rng: random.Random, kind: str, shaft: float) -> list[Part]:
    """One shoe from the side, toe to the right; `shaft` is its height above the ankle."""
    heel = {"heel": between(rng, 0.25, 0.5), "loafer": 0.05}.get(kind, 0.0)
    sole = between(rng, 0.1, 0.2) if kind == "sneaker" else between(rng, 0.05, 0.09)
    low, back, ankle = 0.3, 0.3 - heel, -0.12 - heel - shaft
    open_to = -0.3 if kind in ("sneaker", "boot") else between(rng, 0.05, 0.3)
    toe = {"heel": 0.08, "boot": between(rng, 0.24, 0.34)}.get(kind, between(rng, 0.14, 0.28))
    tongue = ankle - 0.08 if kind == "sneaker" and not shaft else ankle
    crease = (0.45, -0.08) if kind == "boot" else (0.4, 0.05)
    vamp = bend((open_to + 0.1, -0.1 - heel * 0.4), crease, (0.8, low - toe), 5)
    slope = (
        [(open_to + 0.02, tongue)]
        if open_to < 0
        else bend((-0.7, ankle), (-0.3, 0.2 - heel), (open_to, -0.05 - heel * 0.3), 4)
    )
    upper = [
        (-0.76, back),
        *bend((-0.8, back - 0.15), (-0.74, (ankle + back) / 2), (-0.74, ankle), 4),
        *slope,
        *vamp,
        *bend((0.8, low - toe), (0.93, low - 0.04), (0.88, low), 3),
        (0.1, low),
        (-0.25, (low + back) / 2),
    ]
    tone = (
        rng.choice(("light", "light", "dark", "wood", "main"))
        if kind == "sneaker"
        else rng.choice(("dark", "wood", "shade"))
    )
    under = [
        (-0.78, back),
        (-0.25, (low + back) / 2 - 0.01),
        (0.1, low - 0.01),
        (0.92, low - 0.03),
        (0.9, low + sole),
    ]
    if heel > 0.1:
        thin = between(rng, 0.05, 0.16)
        under += [
            (0.05, low + sole),
            (-0.3, (low + back) / 2 + sole),
            (-0.78 + thin, back + sole),
            (-0.74 + thin, low + sole),
            (-0.76, low + sole),
        ]
    else:
        under += [(0.0, low + sole), (-0.3, low + sole), (-0.3, low + sole), (-0.78, low + sole)]
    parts = [polygon(tone, under), polygon("main", upper)]
    if kind == "sneaker":
        lace = rng.choice(("light", "light", "dark", "accent"))
        spots = [(open_to + 0.06 + i * 0.12, -0.1 + i * 0.035 - shaft * (3 - i) / 5) for i in range(4)]
        parts.append(snake(lace, spots, [(x - 0.12, y + 0.1) for x, y in spots], 0.03))
        mark = rng.random()
        if mark < 0.25:
            parts += [
                line("light", [(-0.25 + i * 0.13, 0.24), (-0.12 + i * 0.13, -0.02)], 0.05) for i in range(3)
            ]
        elif mark < 0.5:
            parts.append(
                polygon(
                    rng.choice(("accent", "light", "shade")),
                    [*bend((-0.5, 0.05), (-0.2, 0.3), (0.35, 0.02)), (-0.15, 0.15)],
                )
            )
        elif mark < 0.75:
            parts.append(line("shade", bend((0.5, 0.05), (0.5, 0.2), (0.72, 0.28)), 0.02))
        parts.append(
            line("shade", bend((-0.74, ankle + 0.04), (-0.5, ankle + 0.1), (open_to, tongue + 0.06)), 0.04)
        )
    elif kind == "boot":
        parts.append(line("shade", [(-0.76, ankle + 0.02), (open_to, ankle + 0.02)], 0.05))
    else:
        inside = bend((-0.72, ankle + 0.01), (-0.3, 0.22 - heel), (open_to, -0.04 - heel * 0.3), 5)
        parts.append(line("shade", inside, 0.035))
        if kind == "loafer":
            parts += [
                line(
                    "shade", bend((open_to - 0.02, 0.0), (open_to + 0.15, 0.1), (open_to + 0.12, 0.28)), 0.035
                ),
                line("shade", [(open_to + 0.1, 0.05), (0.72, 0.13)], 0.02),
            ]
    return parts


def _above(rng: random.Random) -> list[Part]:
    """A right shoe seen from above, toe up."""
    wide, point = between(rng, 0.24, 0.31), between(rng, 0.75, 1.0)
    outer = [
        (0.0, -0.9),
        (wide * 0.7 * point, -0.82),
        (wide, -0.5),
        (wide * 0.85, 0.1),
        (wide * 0.8, 0.6),
        (0, 0.9),
    ]
    kind = rng.choice(("laced", "laced", "slipper", "ballet", "sandal"))
    if kind == "sandal":
        bed = symmetric("shade", outer, smooth=2)
        straps = [
            line("main", bend((-wide, y), (0, y - 0.16), (wide, y)), between(rng, 0.15, 0.24))
            for y in (-0.45, 0.0)
        ]
        return [
            bed,
            *straps,
            line("main", [(-wide * 0.7, 0.45), (wide * 0.7, 0.45)], 0.13),
            arc("main", 0, 0.5, wide * 0.85, 0.36, 0, 180, 0.12),
        ]
    upper = symmetric("main", outer, smooth=2)
    rim = copied(rng.choice(("light", "dark", "shade", "main")), upper, 0, 0, 1.12, 1.04)
    deep = {"ballet": -0.25, "slipper": 0.1}.get(kind, 0.15)
    mouth = symmetric(
        rng.choice(("dark", "shade", "shade")),
        [(0, deep), (wide * 0.6, deep + 0.12), (wide * 0.55, 0.55), (0, 0.78)],
        smooth=2,
    )
    parts = [rim, upper, mouth]
    if kind == "laced":
        tongue = polygon("shade", [(-0.08, -0.4), (0.08, -0.4), (0.1, 0.25), (-0.1, 0.25)])
        ys = [-0.36 + i * 0.13 for i in range(5)]
        laces = snake(
            rng.choice(("light", "light", "dark")), [(-0.13, y) for y in ys], [(0.13, y) for y in ys], 0.035
        )
        parts += [tongue, laces]
    elif chance(rng, 0.4):
        parts.append(line("accent", [(-0.1, deep - 0.06), (0.1, deep - 0.06)], 0.08))
    return parts


def _paired(rng: random.Random, single: list[Part]) -> list[Part]:
    """One shoe, or two: side by side a little apart, or facing."""
    if chance(rng, 0.3):
        return single
    scale = between(rng, 0.7, 0.85)
    back = [mirrored(part) for part in single] if chance(rng, 0.25) else single
    behind = placed(
        back, between(rng, -0.35, 0.1), between(rng, -0.5, -0.15), scale * 0.95, rng.gauss(0, 0.12)
    )
    return [*behind, *placed(single, 0.12, 0.25, scale)]


def shoes(rng: random.Random) -> list[Part]:
    if chance(rng, 0.42):
        one = _above(rng)
        apart, turn = between(rng, 0.28, 0.42), between(rng, -0.1, 0.2)
        left = placed([mirrored(part) for part in one], -apart, between(rng, -0.1, 0.1), 0.95, -turn)
        pair = [*placed(one, apart, 0, 0.95, turn), *left]
        return stretched(pair, 1, between(rng, 0.7, 1.0), between(rng, -0.3, 0.3))
    kind = rng.choice(("sneaker", "sneaker", "sneaker", "loafer", "heel"))
    shaft = between(rng, 0.1, 0.25) if kind == "sneaker" and chance(rng, 0.25) else 0.0
    return _paired(rng, _side(rng, kind, shaft))


def boots(rng: random.Random) -> list[Part]:
    shaft = rng.choice((between(rng, 0.35, 0.55), between(rng, 0.7, 1.15)))
    boot = _side(rng, "boot", shaft)
    if chance(rng, 0.4):  # laced up the front
        ys = [-0.1 - i * 0.11 for i in range(int(shaft / 0.11))]
        boot.append(snake("dark", [(-0.28, y) for y in ys], [(-0.42, y + 0.03) for y in ys], 0.03))
    elif chance(rng, 0.5):
        boot.append(line("dark", [(-0.74, 0.0), (-0.22, 0.02)], 0.07))
    if chance(rng, 0.3):
        boot.append(polygon("dark", [(-0.62, 0.36), (-0.3, 0.36), (-0.36, 0.5), (-0.74, 0.5), (-0.77, 0.3)]))
    if chance(rng, 0.2):
        boot.append(rounded("light", -0.82, -0.2 - shaft, -0.24, -0.02 - shaft, 0.08))
    return _paired(rng, stretched(boot, between(rng, 0.72, 0.88), 1))


def sock(rng: random.Random) -> list[Part]:
    high, thick = between(rng, 0.2, 1.0), between(rng, 0.17, 0.22)
    top = 0.1 - high
    leg = polygon(
        "main",
        [
            (-0.2, top),
            (-0.2 + thick * 2, top),
            (-0.16 + thick * 2, 0.1),
            (0.55, 0.42),
            (0.62, 0.6),
            (0.5, 0.74),
            (0.1, 0.68),
            (-0.2, 0.42),
            (-0.24, 0.15),
        ],
        smooth=1,
    )
    patch = rng.choice(("accent", "shade", "light"))
    one = [leg, box("shade" if chance(rng, 0.6) else patch, -0.21, top - 0.01, -0.19 + thick * 2, top + 0.13)]
    if chance(rng, 0.6):
        one += [ellipse(patch, -0.09, 0.33, 0.11, 0.14), ellipse(patch, 0.49, 0.59, 0.11, 0.12)]
    if chance(rng, 0.2):
        return one
    apart = between(rng, 0.2, 0.5)
    return [
        *placed(one, -apart, 0, 1, rng.gauss(0, 0.1)),
        *placed(one, apart * 0.6, rng.gauss(0, 0.1), 1, rng.gauss(0, 0.15)),
    ]


FOOTWEAR: dict[str, Draw] = {
    "shoes": shoes,
    "boots": boots,
    "sock": sock,
}
