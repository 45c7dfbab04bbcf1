"""Outlines of dresses, skirts, trousers and shorts, laid flat, hung or worn."""

from __future__ import annotations

import random

from services.encoder.train.shapes.garments import (
    Cut,
    body,
    dressed,
    head_and_neck,
    legs,
    neckline,
    on_sleeves,
    pointed_collar,
)
from services.encoder.train.shapes.pen import (
    Draw,
    Part,
    Point,
    bend,
    between,
    both,
    box,
    chance,
    draped,
    ellipse,
    limb,
    line,
    polygon,
    ring,
    snake,
    symmetric,
)


def _hemline(rng: random.Random, half: float, y: float, waves: int) -> list[Point]:
    """The right half of a hem from its side to the middle, in `waves` folds."""
    if not waves:
        return bend((half, y), (half * 0.5, y + between(rng, 0.0, 0.08)), (0, y + 0.03), 4)
    deep = between(rng, 0.02, 0.05)
    steps = waves * 2
    return [(half * (1 - i / steps), y + (deep if i % 2 else 0) + 0.04 * i / steps) for i in range(steps + 1)]


def _folds(top: float, waist: float, low: float, half: float, count: int) -> Part:
    """Pleats or gathers that fan out from a waist."""
    shares = [(i + 0.5) / count * 2 - 1 for i in range(count)]
    return snake("shade", [(x * waist, top) for x in shares], [(x * half, low) for x in shares], 0.016)


def dress(rng: random.Random) -> list[Part]:
    waist_y = between(rng, -0.3, 0.0)
    long = chance(rng, 0.3)
    length = between(rng, 0.95, 1.35) if long else between(rng, 0.45, 0.9)
    width = between(rng, 0.28, 0.38)
    waist = width * between(rng, 0.75, 1.0)
    flare = waist * (between(rng, 1.0, 1.3) if chance(rng, 0.3) else between(rng, 1.4, 2.6))
    worn = chance(rng, 0.18)
    strappy = chance(rng, 0.3)
    cut = Cut(between(rng, 0.1, 0.17), width * 0.95, 0.07, -0.42, width, waist, waist, waist_y, sag=0.0)
    parts: list[Part] = []
    if strappy:
        parts += _straps(rng, cut, worn=worn)
    else:
        lengths = rng.choice(((0.05, 0.06), (0.2, 0.4), (0.2, 0.4), (0.75, 0.95)))
        if lengths[1] > 0.1:
            half = between(rng, 0.08, 0.11) if lengths[1] > 0.6 else between(rng, 0.1, 0.16)
            parts, sleeves = dressed(rng, cut, lengths, half, worn=worn)
            if chance(rng, 0.3):
                parts += on_sleeves(sleeves, rng.choice(("shade", "light")), 0.05)
        else:
            parts = [*_bare_arms(cut, worn=worn), body(cut)]
        if chance(rng, 0.2):
            parts += pointed_collar(rng, cut, "main", spread=0.05)
            parts += [ellipse("light", 0, y, 0.022, 0.022) for y in (-0.5, -0.35, -0.2)]
        else:
            parts += neckline(rng, cut, rng.choice(("crew", "scoop", "v", "boat")), worn=worn)
    waves = rng.choice((0, 0, 3, 4, 5))
    flank = bend(
        (waist, waist_y - 0.03),
        (waist + (flare - waist) * between(rng, 0.2, 0.7), waist_y + 0.25),
        (flare, length),
        6,
    )
    if worn:
        parts = [*legs(waist * 0.4, length - 0.1, length + between(rng, 0.3, 0.6), 0.11), *parts]
    parts.append(symmetric("main", [(0, waist_y - 0.03), *flank, *_hemline(rng, flare, length, waves)]))
    if chance(rng, 0.6):
        parts.append(_folds(waist_y + 0.03, waist, length - 0.05, flare * 0.95, rng.randint(3, 7)))
    if chance(rng, 0.55):
        belt = rng.choice(("accent", "shade", "shade", "dark"))
        parts.append(
            box(belt, -waist * 1.02, waist_y - 0.05, waist * 1.02, waist_y + between(rng, -0.02, 0.05))
        )
    if chance(rng, 0.2):  # tiers of ruffles
        for share in (0.4, 0.7):
            y, half = waist_y + (length - waist_y) * share, waist + (flare - waist) * share
            parts.append(line("shade", [(-half, y), (0, y + 0.03), (half, y)], 0.025))
    return draped([head_and_neck(cut), *parts] if worn else parts, rng, between(rng, 0.004, 0.018))


def _bare_arms(cut: Cut, *, worn: bool) -> list[Part]:
    shoulder = [(cut.shoulder - 0.06, cut.top + 0.1, 0.08), (cut.shoulder + 0.1, -0.2, 0.075)]
    return both(limb("skin", [*shoulder, (cut.shoulder + 0.13, 0.25, 0.05)])) if worn else []


def _straps(rng: random.Random, cut: Cut, *, worn: bool) -> list[Part]:
    """A bodice on thin straps, or on none."""
    edge, dip = -0.55, between(rng, -0.02, 0.12)
    bodice = symmetric(
        "main",
        [
            (0, edge + dip),
            (cut.width * 0.6, edge),
            (cut.width, edge + 0.12),
            (cut.width * 0.97, -0.3),
            (cut.waist, cut.length),
        ],
    )
    straps = both(
        line("main", [(0.2, edge + 0.06), (between(rng, 0.13, 0.22), -0.85)], between(rng, 0.03, 0.08))
    )
    wearer = symmetric("skin", [(0, -0.74), (0.3, -0.68), (0.36, -0.5), (0, -0.3)], smooth=1)
    hides = [wearer] if worn else []
    return [*_bare_arms(cut, worn=worn), *hides, *(straps if chance(rng, 0.8) else []), bodice]


def skirt(rng: random.Random) -> list[Part]:
    kind = rng.choice(("mini", "pencil", "pleated", "flared", "denim", "tiered"))
    waist, top = between(rng, 0.28, 0.4), -0.6
    length = {
        "mini": between(rng, -0.05, 0.25),
        "denim": between(rng, -0.05, 0.3),
        "pencil": between(rng, 0.35, 0.7),
    }.get(kind, between(rng, 0.05, 0.9))
    spread = {
        "pencil": between(rng, 0.95, 1.2),
        "mini": between(rng, 1.2, 1.9),
        "denim": between(rng, 1.2, 1.6),
    }
    half = waist * spread.get(kind, between(rng, 1.7, 2.7))
    waves = {"pleated": rng.randint(4, 7), "flared": rng.randint(2, 5), "tiered": rng.randint(3, 6)}.get(
        kind, 0
    )
    hips = waist + (half - waist) * between(rng, 0.25, 0.55) + (0.07 if kind == "pencil" else 0)
    flank = bend((waist, top), (hips, top + 0.28), (half, length), 7)
    parts = [symmetric("main", [(0, top + 0.02), *flank, *_hemline(rng, half, length, waves)])]
    if chance(rng, 0.15):
        wearer = legs(half * 0.4, length - 0.15, length + between(rng, 0.4, 0.7), 0.12)
        parts = [*wearer, box("skin", -waist * 0.9, top - 0.2, waist * 0.9, top + 0.05), *parts]
    band = between(rng, 0.06, 0.13)
    parts.append(
        symmetric(rng.choice(("shade", "shade", "dark")), [(waist, top), (waist * 1.03, top + band)])
    )
    if kind == "pleated":
        parts.append(_folds(top + band, waist, length, half * 0.98, rng.randint(8, 14)))
    elif kind in ("flared", "tiered"):
        parts.append(_folds(top + band, waist, length, half * 0.9, rng.randint(3, 6)))
    if kind == "tiered":
        for share in (0.36, 0.68):
            y, x = top + (length - top) * share, waist + (half - waist) * share
            parts.append(line("shade", [(-x, y), (0, y + 0.03), (x, y)], 0.03))
    elif kind == "denim":
        parts += [line("shade", [(0, top + band), (0, length)], 0.02)]
        parts += [ellipse("metal", 0, top + 0.05 + (length - top) * i / 5, 0.024, 0.024) for i in range(5)]
        parts += both(
            line("shade", bend((waist * 0.5, top + band), (waist * 0.6, top + 0.24), (hips, top + 0.2)), 0.02)
        )
    elif kind == "pencil" and chance(rng, 0.5):
        parts.append(line("dark", [(0, length - 0.25), (0.01, length + 0.04)], 0.03))
    return draped(parts, rng, between(rng, 0.004, 0.02))


def _trousers(rng: random.Random, kind: str, *, short: bool) -> list[Part]:
    """Both legs from a waistband; `kind` is jeans, smart, jogger, legging or wide."""
    waist, top = between(rng, 0.3, 0.42), -0.9
    crotch = top + between(rng, 0.48, 0.66)
    length = crotch + (between(rng, 0.12, 0.6) if short else between(rng, 1.05, 1.5))
    hip = waist * between(rng, 1.08, 1.35)
    apart = between(rng, -0.03, 0.2) * (1.0 if chance(rng, 0.6) else 0.3)
    narrow = {"legging": (0.1, 0.13), "jogger": (0.1, 0.15), "wide": (0.24, 0.36)}.get(kind, (0.15, 0.23))
    half = hip * between(rng, 0.42, 0.6) if short else between(rng, *narrow)
    centre = hip * 0.52 + apart * (length - crotch)
    outer = bend((waist, top), (hip, crotch - 0.25), (hip, crotch - 0.02), 4)
    foot = [(centre + half, length), (centre - half, length + 0.01)]
    knee = (hip * 0.5 + (centre - hip * 0.5) / 2 + max(half, hip * 0.34), (crotch + length) / 2)
    leg = [(-0.02, top + 0.02), *outer, *([] if short else [knee]), *foot, (0.01, crotch), (-0.02, crotch)]
    parts = both(polygon("main", leg))
    parts.append(line("shade", [(0, top), (0, crotch)], 0.018))
    bare = chance(rng, 0.12)
    if bare and short:
        parts = [*legs(centre, length - 0.1, length + between(rng, 0.4, 0.7), min(half * 0.7, 0.15)), *parts]
    elif bare:
        parts = [*both(ellipse("dark", centre + 0.03, length + 0.06, 0.13, 0.08)), *parts]
    band = between(rng, 0.06, 0.11)
    waistband = "dark" if chance(rng, 0.12) else "shade"
    parts.append(
        symmetric(
            waistband, [(0, top - 0.01), (waist, top - 0.02), (waist * 1.02, top + band), (0, top + band)]
        )
    )
    if kind == "jeans":
        mouth = bend((waist * 0.42, top + band), (waist * 0.55, top + 0.27), (hip * 0.98, top + 0.26))
        parts += [*both(line("shade", mouth, 0.022)), ellipse("metal", 0, top + band / 2, 0.028, 0.028)]
        fly = bend((0.1, top + band), (0.11, crotch - 0.12), (0, crotch - 0.08))
        parts.append(line("shade", fly, 0.016))
        parts += both(box("main", waist * 0.6, top - 0.03, waist * 0.6 + 0.035, top + band + 0.02))
    elif kind == "smart":
        parts += both(line("shade", [(waist * 0.5, top + band), (centre, length)], 0.014))
        parts += both(line("shade", [(waist * 0.75, top + band), (hip * 0.97, top + 0.32)], 0.02))
    elif kind in ("jogger", "wide") and chance(rng, 0.75):
        parts += both(line("light", bend((0.02, top + 0.05), (0.07, top + 0.2), (0.05, top + 0.33)), 0.025))
    if kind == "jogger" and chance(rng, 0.8):
        ends = polygon(
            rng.choice(("shade", "dark")),
            [
                (centre + half * 1.04, length - 0.1),
                (centre + half, length),
                (centre - half, length),
                (centre - half, length - 0.1),
            ],
        )
        parts += both(ends)
    elif chance(rng, 0.3):
        parts += both(line("shade", [(centre + half, length - 0.05), (centre - half, length - 0.04)], 0.02))
    if kind in ("jogger", "legging") and chance(rng, 0.35):
        role = rng.choice(("light", "accent", "dark"))
        parts += both(
            line(
                role,
                [
                    (waist * 0.97, top + band),
                    (hip * 0.95, crotch),
                    *([] if short else [(knee[0] - 0.03, knee[1])]),
                    (centre + half - 0.03, length),
                ],
                0.045,
            )
        )
    return parts


def _folded(rng: random.Random) -> list[Part]:
    """Trousers folded lengthwise, one leg on the other."""
    low, half = between(rng, 0.8, 1.0), between(rng, 0.15, 0.22)
    outline = [(-0.24, -0.92), (0.2, -0.9), (0.32, -0.3), (half + 0.04, low), (-half, low), (-0.26, -0.2)]
    upper = polygon("main", outline)
    under = polygon("shade", [(x - 0.05, y + 0.03) for x, y in outline])
    mouth = line("shade", bend((-0.02, -0.84), (0.0, -0.62), (0.26, -0.6)), 0.022)
    band = polygon("shade", [(-0.24, -0.94), (0.2, -0.92), (0.22, -0.83), (-0.25, -0.85)])
    return [under, upper, band, mouth, ring("metal", 0.12, -0.87, 0.02, 0.02, 0.015)]


def pants(rng: random.Random) -> list[Part]:
    kind = rng.choice(("jeans", "jeans", "smart", "jogger", "legging", "wide"))
    parts = _folded(rng) if chance(rng, 0.08) else _trousers(rng, kind, short=False)
    return draped(parts, rng, between(rng, 0.004, 0.02))


def shorts(rng: random.Random) -> list[Part]:
    kind = rng.choice(("jeans", "jeans", "smart", "jogger", "wide"))
    return draped(_trousers(rng, kind, short=True), rng, between(rng, 0.004, 0.02))


BOTTOMS: dict[str, Draw] = {"dress": dress, "skirt": skirt, "pants": pants, "shorts": shorts}
