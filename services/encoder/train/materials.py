"""What a product is made of: relief of the surface, and how it throws back the light.

`surface` works in product space, as a factor on the painted pattern, so that the named colour stays;
`shine` works on the picture, as light added on top.
"""

from __future__ import annotations

import math
import random

import numpy as np

from services.encoder.train.fields import Field, coordinates, floats, grain, smooth, speckle, turned

#: What else than cloth may be leather, and what soft things are seldom or never.
LEATHER = frozenset({
    "shoes", "boots", "handbag", "backpack", "wallet", "belt", "suitcase", "sofa", "chair", "stool", "bench",
    "outwear", "skirt", "pants", "watch", "book", "hat", "shorts", "dress", "cushion", "ball",
})  # fmt: skip
#: Hard things that nobody carves from wood, and such as are no metal.
NOT_WOODEN = frozenset(
    {"glass", "candle", "television", "phone", "rubber duck", "kite", "umbrella", "bottle", "fan"}
)
NOT_METALLIC = frozenset({"candle", "rubber duck", "kite", "book", "umbrella", "rug", "ball", "plant pot"})
#: Soft things that are not knitted.
NOT_KNITTED = frozenset({"shoes", "boots", "wallet", "belt", "suitcase", "umbrella", "tie", "sofa", "bed"})


def material_of(category: str, soft: bool, rng: random.Random) -> str:
    """A material that a thing of this category could have."""
    choice = {"matte": 4.0, "glossy": 0.9 if soft else 2.0}
    if soft and category not in NOT_KNITTED:
        choice["knitted"] = 2.5
    if category in LEATHER:
        choice["leather"] = 2.5
    if not soft and category not in NOT_WOODEN:
        choice["wooden"] = 2.0
    if not soft and category not in NOT_METALLIC:
        choice["metallic"] = 2.0
    return rng.choices(tuple(choice), tuple(choice.values()))[0]


def surface(material: str, side: int, rng: random.Random) -> Field | None:
    """Relief as a factor float32 [side, side] about 1, or None where the surface is even."""
    if material == "knitted":
        return _knit(side, rng)
    if material == "leather":
        pores = np.abs(smooth(rng, side, side // 4)) + 0.5 * np.abs(smooth(rng, side, side // 8))
        return floats(np.clip(1.06 - 0.13 * (pores < 0.45) + 0.05 * smooth(rng, side, 14), 0.7, 1.2))
    if material == "wooden":
        return _wood(side, rng)
    if material == "metallic":
        return _metal(side, rng)
    return None


def _knit(side: int, rng: random.Random) -> Field:
    """Ribs, cables, or rows of stitches shaped like a V."""
    x, y = coordinates(side)
    kind = rng.random()
    if kind < 0.4:  # ribs
        count = rng.uniform(28, 42)
        return floats(1 + 0.15 * np.sin(x * count * 2 * math.pi) + 0.04 * np.sin(y * 70 * 2 * math.pi))
    if kind < 0.75:  # stitches
        columns, rows = rng.uniform(17, 26), rng.uniform(22, 32)
        slant = np.abs((x * columns) % 1.0 - 0.5) * 2
        return floats(1 + 0.17 * np.sin((y * rows - slant * 0.9) * 2 * math.pi) - 0.22 * (slant > 0.85))
    # cables: strands that cross, with ribs between
    columns = rng.uniform(6, 10)
    place = (x * columns) % 1.0
    strand = np.sin((place - 0.5) * 9 + 2.2 * np.sin(y * columns * 1.6 * 2 * math.pi))
    return floats(1 + 0.15 * strand * (np.abs(place - 0.5) < 0.36) - 0.2 * (np.abs(place - 0.5) > 0.46))


def _wood(side: int, rng: random.Random) -> Field:
    """Year rings cut lengthwise, bent about a few knots."""
    u, v = turned(side, rng.choice((0.0, math.pi / 2)))
    bend = smooth(rng, side, 3, 5) * 0.06 + smooth(rng, side, 7) * 0.012
    rings = np.sin((u + bend) * rng.uniform(14, 26) * 2 * math.pi)
    fibres = grain(rng, u, v, side * 0.9, 14)
    return floats(np.clip(1 + 0.13 * rings - 0.1 * (rings > 0.8) + 0.05 * fibres, 0.65, 1.3))


def _metal(side: int, rng: random.Random) -> Field:
    """The room mirrored in bands of light and dark, with fine brushing."""
    u, v = turned(side, rng.choice((0.0, 0.0, math.pi / 2)) + rng.gauss(0, 0.25))
    offset = u + 0.03 * smooth(rng, side, 3)
    first, second = rng.uniform(2.2, 3.6), rng.uniform(0, 6.3)
    bands = np.sin(offset * first * 2 * math.pi + second) + 0.5 * np.sin(offset * first * 4.6 * math.pi + 1.0)
    sharp = np.tanh(bands * 2.0)
    return floats(1.02 + 0.36 * sharp + 0.03 * grain(rng, u, v, side * 0.8, 5))


def shine(material: str, soft: bool, size: int, wrinkles: Field, relief: Field, rng: random.Random) -> Field:
    """Light added in levels of 0..255, float32 [size, size].

    `wrinkles` and `relief` say how far the surface turns to the light, about -1..1.
    """
    faint = np.maximum(wrinkles, 0) * rng.uniform(4, 16)  # folds of black cloth show only so
    if material in ("matte", "knitted", "wooden"):
        return floats(faint)
    x, y = coordinates(size)
    at_x, at_y = rng.uniform(0.3, 0.65), rng.uniform(0.22, 0.6)
    if material == "leather":
        spot = np.exp(-(((x - at_x) / 0.2) ** 2) - ((y - at_y) / 0.26) ** 2)
        light = faint * 1.5 + spot * rng.uniform(30, 60) + np.clip(relief, 0, 1) * 60
        return floats(light * (1 + 0.25 * speckle(rng, size)))
    if material == "glossy" and soft:  # satin: the folds gleam
        gleam = np.clip(wrinkles * 1.6 - 0.35, 0, 1) * rng.uniform(35, 85)
        return floats(faint + gleam + np.clip(relief, 0, 1) * 60)
    power = rng.uniform(110, 180) if material == "glossy" else rng.uniform(50, 110)
    u, v = turned(size, rng.gauss(0, 0.2))
    streak = np.exp(-(((u + 0.5 - at_x) / 0.035) ** 2)) * (np.abs(v) < rng.uniform(0.15, 0.35))
    spot = np.exp(-(((x - at_x - 0.1) / 0.05) ** 2) - ((y - at_y) / 0.05) ** 2)
    edge = np.clip(relief * 1.5 - 0.2, 0, 1) * 0.6
    return floats((np.clip(streak * 0.75 + spot, 0, 1) + edge) * power)
