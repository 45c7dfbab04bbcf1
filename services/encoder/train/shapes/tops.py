"""Outlines of upper garments, laid flat, hung or worn."""

from __future__ import annotations

import random

from services.encoder.train.shapes.garments import (
    Cut,
    body,
    dressed,
    head_and_neck,
    make_cut,
    neckline,
    on_sleeves,
    pocket,
    pointed_collar,
)
from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    bend,
    between,
    both,
    box,
    chance,
    draped,
    ellipse,
    limb,
    line,
    outlined,
    polygon,
    snake,
    symmetric,
)


def _hem(cut: Cut, role: str, rise: float) -> Part:
    """A band along the hem."""
    y, sag = cut.length, cut.sag
    return symmetric(
        role, [(0, y - rise + sag), (cut.hem * 1.0, y - rise), (cut.hem, y), (0, y + sag)], smooth=0
    )


def _finish(rng: random.Random, parts: list[Part], cut: Cut, *, worn: bool) -> list[Part]:
    """Lays the garment as cloth lies, over its wearer's neck if it is worn."""
    return draped([head_and_neck(cut), *parts] if worn else parts, rng, between(rng, 0.004, 0.02))


def t_shirt(rng: random.Random) -> list[Part]:
    worn = chance(rng, 0.12)
    cut = make_cut(rng, between(rng, 0.4, 0.8), between(rng, 0.4, 0.56))
    if chance(rng, 0.12):
        return _sleeveless(rng, cut, worn=worn)
    half = between(rng, 0.14, 0.21)
    parts, sleeves = dressed(rng, cut, (0.22, 0.5), half, worn=worn)
    if chance(rng, 0.3):
        role = rng.choice(("shade", "accent"))
        parts += on_sleeves(sleeves, role, between(rng, 0.03, 0.06))
    parts += neckline(rng, cut, rng.choice(("crew", "crew", "crew", "scoop", "v", "boat")), worn=worn)
    if chance(rng, 0.15):
        parts.append(pocket(0.12, -0.3, 0.32, -0.06))
    if chance(rng, 0.5):
        parts.append(line("shade", [(-cut.hem, cut.length - 0.05), (cut.hem, cut.length - 0.05)], 0.012))
    return _finish(rng, parts, cut, worn=worn)


def _sleeveless(rng: random.Random, cut: Cut, *, worn: bool) -> list[Part]:
    """A tank top: shoulder straps and deep armholes."""
    strap, depth, top = between(rng, 0.07, 0.14), between(rng, 0.2, 0.34), cut.top
    inner = cut.neck + 0.03
    hole = bend((inner + strap, top), (inner + strap, cut.armpit), (cut.width, cut.armpit), 5)
    side = [(cut.waist, (cut.armpit + cut.length) / 2), (cut.hem, cut.length), (0, cut.length + cut.sag)]
    front = bend((inner, top), (inner * 0.95, top + depth), (0, top + depth), 5)
    shape = symmetric("main", [*reversed(front), *hole, *side])
    back = symmetric(
        "skin" if worn else "shade", [(0, top + depth * 0.45), (inner, top + 0.02), (0, top + depth + 0.03)]
    )
    wearer = both(
        limb(
            "skin",
            [
                (cut.neck, top + 0.02, 0.06),
                (cut.width + 0.05, top + 0.2, 0.12),
                (cut.width + 0.13, 0.05, 0.08),
                (cut.width + 0.15, 0.5, 0.06),
            ],
        )
    )
    parts = [*(wearer if worn else []), back, shape]
    return _finish(rng, parts, cut, worn=worn)


def longsleeve(rng: random.Random) -> list[Part]:
    worn = chance(rng, 0.12)
    cut = make_cut(rng, between(rng, 0.35, 0.75), between(rng, 0.4, 0.56))
    parts, sleeves = dressed(rng, cut, (0.75, 1.1), between(rng, 0.08, 0.13), worn=worn)
    kind = rng.choice(("top", "top", "sweater", "sweater", "hoodie", "turtle"))
    if kind in ("sweater", "hoodie") or chance(rng, 0.3):
        role = "accent" if chance(rng, 0.15) else "shade"
        parts += on_sleeves(sleeves, role, between(rng, 0.07, 0.12))
        parts.append(_hem(cut, role, between(rng, 0.07, 0.12)))
    if kind == "hoodie":
        hood = symmetric(
            "main", [(0, -1.08), (0.22, -1.04), (0.34, -0.8), (0.22, -0.62), (0, -0.54)], smooth=2
        )
        face = symmetric("shade", [(0, -0.98), (0.15, -0.94), (0.2, -0.78), (0, -0.64)], smooth=2)
        parts += [*outlined(hood), face, *both(line("light", [(0.07, -0.6), (0.1, -0.3)], 0.022))]
        pouch = [(0.2, 0.1), (0.33, 0.34), (0.33, cut.length - 0.12), (-0.33, cut.length - 0.12)]
        parts.append(line("shade", [*pouch, (-0.33, 0.34), (-0.2, 0.1), (0.2, 0.1)], 0.02))
        return _finish(rng, parts, cut, worn=False)
    collar = "turtle" if kind == "turtle" else rng.choice(("crew", "crew", "crew", "v", "boat", "scoop"))
    parts += neckline(rng, cut, collar, worn=worn)
    return _finish(rng, parts, cut, worn=worn)


def shirt(rng: random.Random) -> list[Part]:
    worn = chance(rng, 0.1)
    short = chance(rng, 0.3)
    cut = make_cut(rng, between(rng, 0.45, 0.8), between(rng, 0.42, 0.58))
    half = between(rng, 0.16, 0.21) if short else between(rng, 0.09, 0.13)
    parts, sleeves = dressed(rng, cut, (0.3, 0.5) if short else (0.75, 1.05), half, worn=worn)
    if not short:
        parts += on_sleeves(sleeves, "shade" if chance(rng, 0.7) else "light", between(rng, 0.05, 0.1))
    spread = between(rng, 0.0, 0.18)  # how far it is unbuttoned at the neck
    start, width = cut.top + 0.1 + spread, between(rng, 0.035, 0.055)
    end = cut.length + cut.sag - 0.02
    tail = cut.length + cut.sag
    if chance(rng, 0.5):  # the sides of the hem are cut in a curve
        parts.append(
            polygon(
                "main",
                [
                    (-cut.hem * 0.8, cut.length - 0.05),
                    (cut.hem * 0.8, cut.length - 0.05),
                    *bend((cut.hem * 0.7, tail), (0, tail + 0.14), (-cut.hem * 0.7, tail), 6),
                ],
            )
        )
        end += 0.06
    parts += both(line("shade", [(width, start), (width, end)], 0.016))
    button = rng.choice(("light", "light", "dark", "shade"))
    count = rng.randint(4, 6)
    parts += [
        ellipse(button, 0, start + (end - start) * (i + 0.5) / count, 0.024, 0.024) for i in range(count)
    ]
    role = "light" if chance(rng, 0.12) else "main"
    parts += pointed_collar(rng, cut, role, spread=spread)
    if chance(rng, 0.55):
        parts.append(pocket(0.13, -0.26, 0.33, -0.02))
        if chance(rng, 0.4):
            parts.append(pocket(-0.33, -0.26, -0.13, -0.02))
    return _finish(rng, parts, cut, worn=worn)


def outwear(rng: random.Random) -> list[Part]:
    kind = rng.choice(("zip", "zip", "hooded", "hooded", "blazer", "coat", "puffer", "vest", "open"))
    worn = kind != "hooded" and chance(rng, 0.1)
    long = kind == "coat" or chance(rng, 0.2)
    length = between(rng, 0.75, 1.05) if long else between(rng, 0.35, 0.65)
    cut = make_cut(rng, length, between(rng, 0.46, 0.62))
    half = between(rng, 0.11, 0.16)
    if kind == "vest":
        parts = [body(cut), *both(*_armhole(cut))]
    else:
        parts, sleeves = dressed(rng, cut, (0.75, 1.0), half, worn=worn)
        if chance(rng, 0.6):
            parts += on_sleeves(sleeves, rng.choice(("shade", "dark", "accent")), between(rng, 0.06, 0.12))
    if kind in ("puffer", "vest") or chance(rng, 0.12):
        step = between(rng, 0.14, 0.24)
        heights = [cut.armpit + step * i for i in range(int((length - cut.armpit) / step) + 1)]
        rim = cut.waist * 0.98
        parts.append(snake("shade", [(-rim, y) for y in heights], [(rim, y + 0.02) for y in heights], 0.022))
    end = cut.length + cut.sag
    if kind in ("blazer", "coat"):
        parts += _lapels(rng, cut, end)
    elif kind == "open":
        parts += _open_front(rng, cut, end)
    else:
        zipper = rng.choice(("dark", "metal", "shade", "light"))
        parts += [
            *both(line("shade", [(0.045, cut.top + 0.05), (0.045, end)], 0.014)),
            line(zipper, [(0, cut.top + 0.02), (0, end)], between(rng, 0.025, 0.045)),
        ]
        if kind == "hooded":
            parts += _hood(rng)
        else:
            rise = between(rng, 0.06, 0.16)
            stand = symmetric(
                "main",
                [
                    (0, cut.top - rise * 0.9),
                    (cut.neck * 0.9, cut.top - rise),
                    (cut.neck * 1.2, cut.top + 0.06),
                    (0, cut.top + 0.13),
                ],
            )
            parts += [*outlined(stand), line(zipper, [(0, cut.top - rise), (0, cut.top + 0.2)], 0.035)]
    y = cut.armpit + (length - cut.armpit) * between(rng, 0.55, 0.7)
    if chance(rng, 0.8):
        slit = [(0.2, y + 0.1), (0.36, y)] if chance(rng, 0.5) else [(0.2, y), (0.4, y)]
        parts += both(line("shade" if chance(rng, 0.7) else "dark", slit, 0.035))
    if kind in ("zip", "puffer") and chance(rng, 0.5):
        parts.append(_hem(cut, rng.choice(("shade", "dark", "accent")), between(rng, 0.05, 0.1)))
    return _finish(rng, parts, cut, worn=worn)


def _armhole(cut: Cut) -> list[Part]:
    edge = bend(
        (cut.shoulder, cut.top + cut.slope), (cut.shoulder - 0.07, cut.armpit - 0.08), (cut.width, cut.armpit)
    )
    return [line("shade", edge, 0.04)]


def _hood(rng: random.Random) -> list[Part]:
    wide, high = between(rng, 0.26, 0.36), between(rng, 0.28, 0.42)
    hood = symmetric(
        "main",
        [(0, -0.75 - high), (wide * 0.75, -0.72 - high), (wide, -0.8), (wide * 0.7, -0.62), (0, -0.5)],
        smooth=2,
    )
    lining = rng.choice(("shade", "shade", "dark", "light"))
    face = symmetric(
        lining, [(0, -0.7 - high), (wide * 0.6, -0.68 - high), (wide * 0.62, -0.78), (0, -0.6)], smooth=2
    )
    return [*outlined(hood), face]


def _lapels(rng: random.Random, cut: Cut, end: float) -> list[Part]:
    """The front of a blazer or a coat: turned-down lapels over what is worn below, and buttons."""
    low, neck = between(rng, -0.25, 0.1), max(cut.neck, 0.16)
    under = rng.choice(("shade", "shade", "light", "dark"))
    inside = symmetric(under, [(0, cut.top - 0.02), (neck, cut.top - 0.03), (0.0, low)])
    leaf = [(0.0, low), (neck * 0.95, cut.top - 0.06), (neck + 0.1, cut.top + 0.05)]
    notch = [(neck + 0.2, cut.top + 0.2), (neck + 0.1, cut.top + 0.24), (neck + 0.17, cut.top + 0.32)]
    lapel = polygon("main", [*leaf, *notch, (0.16, low - 0.12)])
    parts = [inside, line("shade", [(0.0, low), (0.02, end)], 0.022), *both(*outlined(lapel, 0.022))]
    apart = 0.14 if chance(rng, 0.3) else 0.0
    for index in range(rng.randint(1, 4)):
        y = low + 0.08 + index * 0.19
        if y < end - 0.2:
            knobs = [ellipse("dark", x, y, 0.032, 0.032) for x in ((apart, -apart) if apart else (0.05,))]
            parts += knobs
    if chance(rng, 0.25):
        parts.append(box("dark", -cut.waist * 0.95, 0.02, cut.waist * 0.95, 0.12))
    return parts


def _open_front(rng: random.Random, cut: Cut, end: float) -> list[Part]:
    """A jacket lying open: its lining shows between the two fronts."""
    gap = between(rng, 0.08, 0.2)
    lining = rng.choice(("shade", "dark", "light"))
    inside = symmetric(lining, [(0, cut.top), (cut.neck, cut.top - 0.02), (gap, -0.3), (gap * 1.2, end)])
    edge = line("shade", [(cut.neck, cut.top), (gap, -0.3), (gap * 1.2, end)], 0.03)
    collar = polygon(
        "main",
        [
            (cut.neck * 0.7, cut.top - 0.1),
            (cut.neck + 0.14, cut.top + 0.06),
            (gap + 0.1, -0.42),
            (gap, -0.36),
        ],
    )
    return [inside, *both(edge, *outlined(collar, 0.02))]


TOPS: dict[str, Draw] = {"t-shirt": t_shirt, "longsleeve": longsleeve, "shirt": shirt, "outwear": outwear}
