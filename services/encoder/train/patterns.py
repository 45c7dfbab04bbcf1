"""Surface patterns: the main colour covered in part by a second one, in product space.

Each painter leaves most of the surface in the main colour, so that a title which names it stays true,
and keeps its marks large enough to be seen when the whole product is 112 pixels wide.
"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from services.encoder.train.colours import COLOURS, srgb_to_lab
from services.encoder.train.fields import coordinates, floats, smooth, turned

RGB = tuple[int, int, int]
Mask = npt.NDArray[np.bool_]
_LAB = srgb_to_lab([colour.rgb for colour in COLOURS])

#: Patterns whose second colour is one of `COLOURS`; the others are made of many tones.
TWO_COLOURED = frozenset({"striped", "dotted", "checked", "graphic", "zigzag", "gradient", "starry"})
#: Patterns that lie in relation to the product's face; the others repeat all over it.
PLACED = frozenset({"graphic", "gradient", "tie-dye"})
#: Least CIELAB distance of the second colour: below it a pattern is hardly seen in poor light.
CLEAR = 42.0
#: Least difference of lightness, unless the hues lie `VIVID` apart: dark green on navy is one dark thing.
LIGHTER, VIVID = 24.0, 85.0
_FLOWERS: tuple[RGB, ...] = (
    (232, 90, 120), (250, 240, 205), (206, 34, 42), (246, 214, 56), (240, 158, 186), (150, 110, 190),
    (240, 240, 240),
)  # fmt: skip


@dataclass(frozen=True)
class Cloth:
    """What to paint and where: a square of `side` px, of which the product's face is a part.

    `main` and `other` are the colours; (`x`, `y`) is the middle of the largest free face and `reach` the
    radius that fits into it; `top` and `bottom` bound the face. All in px.
    """

    side: int
    main: RGB
    other: RGB
    x: float
    y: float
    reach: float
    top: float
    bottom: float


def paint(pattern: str, cloth: Cloth, rng: random.Random) -> Image.Image:
    """The surface as an RGB picture of side x side; KeyError for a pattern nobody can paint."""
    return PAINTERS[pattern](cloth, rng)


def second_colour(colour: int, rng: random.Random) -> int:
    """Index of a colour clearly different from `colour`, of another family."""
    distance = np.linalg.norm(_LAB - _LAB[colour], axis=1)
    far = (distance >= CLEAR) & ((np.abs(_LAB - _LAB[colour])[:, 0] >= LIGHTER) | (distance >= VIVID))
    fit = [n for n in range(len(COLOURS)) if far[n] and COLOURS[n].family != COLOURS[colour].family]
    usual = [n for n in fit if COLOURS[n].family in ("black", "white", "grey") or COLOURS[n].name == "navy"]
    return rng.choice(usual if usual and rng.random() < 0.4 else fit)


def mixed(first: RGB, second: RGB, share: float) -> RGB:
    """`share` of the second colour in the first."""
    red, green, blue = (
        min(255, max(0, round(a + (b - a) * share))) for a, b in zip(first, second, strict=True)
    )
    return red, green, blue


def _marked(cloth: Cloth, mask: Mask, other: RGB | None = None) -> Image.Image:
    pixels = np.where(
        mask[..., None], np.array(other or cloth.other, np.uint8), np.array(cloth.main, np.uint8)
    )
    return Image.fromarray(pixels)


def _blended(cloth: Cloth, share: npt.NDArray[np.floating], other: RGB | None = None) -> Image.Image:
    """`share` float [side, side] in 0..1 of the second colour."""
    main, second = floats(cloth.main), floats(other or cloth.other)
    return Image.fromarray((main + share[..., None] * (second - main)).astype(np.uint8))


def _plain(cloth: Cloth, rng: random.Random) -> Image.Image:
    return Image.new("RGB", (cloth.side, cloth.side), cloth.main)


def _striped(cloth: Cloth, rng: random.Random) -> Image.Image:
    tilt = rng.random()
    angle = (
        math.pi / 2 if tilt < 0.55 else 0.0 if tilt < 0.83 else rng.choice((-1, 1)) * rng.uniform(0.5, 1.0)
    )
    u, _ = turned(cloth.side, angle)
    step = math.exp(rng.uniform(math.log(0.035), math.log(0.16)))
    phase = ((u + 1) / step) % 1.0
    kind = rng.random()
    if kind < 0.6:  # even
        mask = phase < rng.uniform(0.3, 0.44)
    elif kind < 0.8:  # broad with thin companions
        step_mask = phase < 0.26
        mask = step_mask | ((phase > 0.36) & (phase < 0.46))
    else:  # widths that vary from stripe to stripe
        widths = floats([rng.uniform(0.2, 0.55) for _ in range(64)])
        mask = phase < widths[((u + 1) / step).astype(np.int32) % 64]
    return _marked(cloth, mask)


def _dotted(cloth: Cloth, rng: random.Random) -> Image.Image:
    step, radius = math.exp(rng.uniform(math.log(0.055), math.log(0.15))), rng.uniform(0.24, 0.35)
    u, v = turned(cloth.side, rng.choice((0.0, 0.0, math.pi / 4)))
    row = np.floor((v + 1) / step)
    across = ((u + 1) / step + (row % 2) * 0.5 * rng.choice((0, 1, 1))) % 1.0 - 0.5
    along = ((v + 1) / step) % 1.0 - 0.5
    return _marked(cloth, across**2 + along**2 < radius**2)


def _checked(cloth: Cloth, rng: random.Random) -> Image.Image:
    kind = rng.random()
    u, v = turned(cloth.side, rng.choice((0.0, 0.0, 0.0, math.pi / 4)))
    step = math.exp(rng.uniform(math.log(0.06), math.log(0.17)))
    across, along = ((u + 1) / step) % 1.0, ((v + 1) / step) % 1.0
    if kind < 0.35:  # gingham: two sets of bands that darken each other where they cross
        width = rng.uniform(0.38, 0.46)
        share = 0.46 * (across < width) + 0.46 * (along < width)
    elif kind < 0.7:  # tartan: bands of several widths
        share = 0.42 * (across < 0.3) + 0.42 * (along < 0.3)
        thin = (np.abs(across - 0.65) < 0.06) | (np.abs(along - 0.65) < 0.06)
        inner = (np.abs(across - 0.15) < 0.05) | (np.abs(along - 0.15) < 0.05)
        share = np.clip(share + 0.55 * thin + 0.45 * inner, 0, 1)
    else:  # windowpane
        width = rng.uniform(0.13, 0.2)
        share = ((across < width) | (along < width)).astype(np.float32)
    return _blended(cloth, np.clip(share, 0, 1))


def _zigzag(cloth: Cloth, rng: random.Random) -> Image.Image:
    u, v = turned(cloth.side, rng.choice((0.0, 0.0, math.pi / 2)))
    step = rng.uniform(0.07, 0.15)
    run = step * rng.uniform(0.9, 1.5)
    wave = np.abs(((u + 1) / run) % 2.0 - 1.0) * step * rng.uniform(0.7, 1.1)
    return _marked(cloth, ((v + 1 + wave) / step) % 1.0 < rng.uniform(0.3, 0.44))


def _gradient(cloth: Cloth, rng: random.Random) -> Image.Image:
    _, y = coordinates(cloth.side)
    place = np.clip((y * cloth.side - cloth.top) / max(1.0, cloth.bottom - cloth.top), 0, 1)
    if rng.random() < 0.3:
        place = 1 - place
    start = rng.uniform(0.36, 0.5)
    return _blended(cloth, np.clip((place - start) / (0.97 - start), 0, 1))


def _scattered(cloth: Cloth, rng: random.Random, stamps: list[Image.Image], step: float) -> Image.Image:
    """Stamps (RGBA) on a staggered grid of `step` px, each a little out of its place."""
    image = _plain(cloth, rng)
    for row in range(int(cloth.side / step) + 2):
        for column in range(int(cloth.side / step) + 2):
            stamp = rng.choice(stamps)
            x = (column + 0.5 * (row % 2) + rng.uniform(-0.16, 0.16)) * step
            y = (row + rng.uniform(-0.16, 0.16)) * step
            image.paste(stamp, (int(x - stamp.width / 2), int(y - stamp.height / 2)), stamp)
    return image


def _stamp(reach: float, draw: Callable[[ImageDraw.ImageDraw, float, float], None]) -> Image.Image:
    """A picture that reaches `reach` px from its middle, drawn fourfold and reduced for smooth edges."""
    side = max(3, round(reach * 2))
    large = Image.new("RGBA", (side * 4, side * 4))
    draw(ImageDraw.Draw(large), side * 2.0, side * 2.0)
    return large.resize((side, side), Image.Resampling.BOX)


def _floral(cloth: Cloth, rng: random.Random) -> Image.Image:
    lab = srgb_to_lab(cloth.main)
    clear = [c for c in (*_FLOWERS, cloth.other) if np.linalg.norm(srgb_to_lab(c) - lab) > CLEAR]
    colours = rng.sample(clear, min(len(clear), rng.randint(1, 3)))
    leaf = (58, 110, 60) if np.linalg.norm(srgb_to_lab((58, 110, 60)) - lab) > 25 else (196, 220, 150)
    reach = cloth.side * math.exp(rng.uniform(math.log(0.036), math.log(0.085)))

    def flower(pen: ImageDraw.ImageDraw, middle: float, whole: float) -> None:
        turn, petals, petal = rng.uniform(0, 6), rng.choice((4, 5, 5, 6)), rng.choice(colours)
        r = whole * 0.38
        for side in (-1, 1):
            x, y = middle + whole * 0.7 * math.cos(turn + side), middle + whole * 0.7 * math.sin(turn + side)
            pen.line((middle, middle, x, y), fill=leaf, width=max(1, int(r * 0.8)))
        for n in range(petals):
            angle = turn + n * 2 * math.pi / petals
            x, y = middle + whole * 0.52 * math.cos(angle), middle + whole * 0.52 * math.sin(angle)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=petal, outline=mixed(petal, (60, 30, 40), 0.35))
        heart = (246, 206, 70) if petal != (246, 214, 56) else (120, 70, 40)
        pen.ellipse((middle - r * 0.7, middle - r * 0.7, middle + r * 0.7, middle + r * 0.7), fill=heart)

    stamps = [_stamp(reach * rng.uniform(0.8, 1.2), flower) for _ in range(5)]
    return _scattered(cloth, rng, stamps, reach * rng.uniform(2.5, 3.1))


def _star(middle: float, reach: float, turn: float) -> list[tuple[float, float]]:
    return [
        (
            middle + reach * (1.0 if n % 2 == 0 else 0.42) * math.sin(turn + n * math.pi / 5),
            middle - reach * (1.0 if n % 2 == 0 else 0.42) * math.cos(turn + n * math.pi / 5),
        )
        for n in range(10)
    ]


def _heart(middle: float, reach: float) -> list[tuple[float, float]]:
    turns = [n * math.pi / 16 for n in range(32)]
    return [
        (
            middle + reach * 0.95 * math.sin(t) ** 3,
            middle
            - reach
            * 0.062
            * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in turns
    ]


def _starry(cloth: Cloth, rng: random.Random) -> Image.Image:
    reach = cloth.side * math.exp(rng.uniform(math.log(0.036), math.log(0.075)))
    hearts, turn = rng.random() < 0.25, rng.choice((0.0, 0.0, 0.3))

    def draw(pen: ImageDraw.ImageDraw, middle: float, whole: float) -> None:
        pen.polygon(_heart(middle, whole) if hearts else _star(middle, whole, turn), fill=cloth.other)

    sizes = (1.0,) if rng.random() < 0.6 else (0.65, 0.85, 1.1)
    return _scattered(
        cloth,
        rng,
        [_stamp(reach * size, draw) for size in sizes],
        reach * rng.uniform(2.3 if not hearts else 2.6, 3.0),
    )


def _graphic(cloth: Cloth, rng: random.Random) -> Image.Image:
    """Something printed in the middle of the face: a sign, letters, a number or a panel."""
    image = _plain(cloth, rng)
    pen = ImageDraw.Draw(image)
    x, y, reach = cloth.x, cloth.y, max(cloth.side * 0.06, cloth.reach * rng.uniform(0.62, 0.85))
    kind = rng.choice(("sign", "sign", "letters", "letters", "number", "panel", "scene"))
    third = rng.choice(
        ((206, 34, 42), (246, 214, 56), (40, 90, 190), (240, 240, 240), (52, 152, 72), (24, 24, 26))
    )
    if kind in ("sign", "panel"):
        reach *= 0.8  # filled to its edges, so smaller, or little would be left of the main colour
        figure = rng.choice(("circle", "star", "heart", "polygon", "ring")) if kind == "sign" else "panel"
        box = (x - reach, y - reach, x + reach, y + reach)
        shift = [(x - reach, y - reach)]
        if figure == "circle":
            pen.ellipse(box, fill=cloth.other)
        elif figure == "ring":
            pen.ellipse(box, outline=cloth.other, width=max(2, int(reach * 0.35)))
        elif figure == "panel":
            pen.rectangle((x - reach, y - reach * 0.75, x + reach, y + reach * 0.75), fill=cloth.other)
        elif figure == "polygon":
            pen.regular_polygon((x, y, reach), rng.choice((3, 4, 5, 6)), fill=cloth.other)
        else:
            points = _star(reach, reach, 0.0) if figure == "star" else _heart(reach, reach)
            pen.polygon([(px + shift[0][0], py + shift[0][1]) for px, py in points], fill=cloth.other)
        if figure in ("circle", "panel", "polygon") and rng.random() < 0.7:
            _write(pen, x, y, reach * 0.9, _word(rng, 2, 4), rng.choice((cloth.main, third)))
        elif figure in ("ring", "star", "heart") and rng.random() < 0.5:
            _write(pen, x, y + reach * 1.35, reach * 1.1, _word(rng, 4, 8), cloth.other)
    elif kind == "letters":
        lines = rng.randint(1, 3)
        for n in range(lines):
            line_y = y + (n - (lines - 1) / 2) * reach * 0.72
            tall = reach * (0.76 if lines > 1 else 1.5)
            _write(pen, x, line_y, reach * 1.25, _word(rng, 3, 7), cloth.other, tall)
    elif kind == "number":
        _write(pen, x, y, reach * 1.15, str(rng.randint(1, 99)), cloth.other)
    else:  # a small picture of blobs, as of a printed photo
        for n in range(rng.randint(4, 8)):
            at_x, at_y = x + rng.uniform(-0.6, 0.6) * reach, y + rng.uniform(-0.6, 0.6) * reach
            r = reach * rng.uniform(0.25, 0.5)
            fill = cloth.other if n % 3 else third
            figure_of = pen.ellipse if rng.random() < 0.6 else pen.rectangle
            figure_of((at_x - r, at_y - r * 0.8, at_x + r, at_y + r * 0.8), fill=fill)
        _write(pen, x, y + reach, reach * 0.9, _word(rng, 4, 8), cloth.other)
    return image


def _word(rng: random.Random, least: int, most: int) -> str:
    return "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(least, most)))


def _write(
    pen: ImageDraw.ImageDraw, x: float, y: float, reach: float, text: str, fill: RGB, tall: float = 1e9
) -> None:
    """Text centred at (x, y), about 2 * reach px wide and letters of at most `tall` px."""
    size = max(6.0, min(tall, reach * 1.5, reach * 3.0 / len(text)))
    pen.text((x, y), text, fill=fill, font=ImageFont.load_default(size), anchor="mm", stroke_width=size / 18)


def _camouflage(cloth: Cloth, rng: random.Random) -> Image.Image:
    dark = sum(cloth.main) < 260
    tones = (
        mixed(cloth.main, (20, 24, 16), 0.55) if not dark else mixed(cloth.main, (150, 150, 140), 0.45),
        mixed(cloth.main, (224, 214, 180), 0.5) if sum(cloth.main) < 620 else (150, 146, 124),
        (62, 50, 38) if not dark else (112, 96, 74),
    )
    pixels = np.array(_plain(cloth, rng))
    cells = rng.randint(12, 22)
    for tone, least in zip(tones, (0.8, 0.84, 0.9), strict=True):
        field = smooth(rng, cloth.side, cells, int(cells * rng.uniform(1.0, 1.5)))
        field = field + 0.35 * smooth(rng, cloth.side, cells * 3)
        pixels[field > np.quantile(field[::4, ::4], least)] = tone
    return Image.fromarray(pixels)


def _animal(cloth: Cloth, rng: random.Random) -> Image.Image:
    """Leopard, zebra or cow, in dark marks on a light main colour and light ones on a dark."""
    light = float(srgb_to_lab(cloth.main)[0]) > 38
    mark: RGB = (
        rng.choice(((28, 22, 20), (44, 30, 24))) if light else rng.choice(((214, 190, 150), (226, 222, 214)))
    )
    kind = rng.random()
    if kind < 0.45:
        reach = cloth.side * rng.uniform(0.034, 0.055)
        inner = mixed(cloth.main, (110, 64, 26) if light else (24, 18, 16), 0.4)

        def rosette(pen: ImageDraw.ImageDraw, middle: float, whole: float) -> None:
            wide, tall = whole * rng.uniform(0.7, 0.95), whole * rng.uniform(0.6, 0.9)
            box = (middle - wide, middle - tall, middle + wide, middle + tall)
            pen.ellipse(box, fill=inner)
            start = rng.uniform(0, 360)
            for n in range(3):
                pen.arc(
                    box,
                    start + n * 120,
                    start + n * 120 + rng.uniform(60, 100),
                    mark,
                    max(1, int(whole * 0.45)),
                )

        return _scattered(
            cloth, rng, [_stamp(reach, rosette) for _ in range(6)], reach * rng.uniform(2.3, 2.7)
        )
    if kind < 0.8:
        _, v = turned(cloth.side, rng.choice((0.0, math.pi / 2)) + rng.gauss(0, 0.2))
        bend = smooth(rng, cloth.side, 5) * 0.045 + smooth(rng, cloth.side, 12) * 0.014
        width = 0.4 + 0.14 * smooth(rng, cloth.side, 6)
        return _marked(cloth, ((v + bend + 1) / rng.uniform(0.07, 0.12)) % 1.0 < np.minimum(width, 0.5), mark)
    field = smooth(rng, cloth.side, rng.randint(10, 17)) + 0.15 * smooth(rng, cloth.side, 30)
    return _marked(cloth, field > np.quantile(field[::4, ::4], rng.uniform(0.62, 0.7)), mark)


def _tie_dye(cloth: Cloth, rng: random.Random) -> Image.Image:
    """Rays of a spiral or soft blotches, bleached and dyed once more."""
    side = cloth.side
    x, y = coordinates(side)
    wobble = smooth(rng, side, 9) * 0.55 + smooth(rng, side, 26) * 0.3
    if rng.random() < 0.65:
        dx, dy = x - cloth.x / side, y - cloth.y / side
        radius = np.sqrt(dx**2 + dy**2) + 0.02
        wave = np.sin(
            rng.randint(3, 6) * np.arctan2(dy, dx)
            + rng.choice((-1, 1)) * rng.uniform(10, 26) * radius
            + wobble
        )
    else:
        wave = np.sin(3.2 * smooth(rng, side, rng.randint(4, 7)) + wobble)
    pale: RGB = (244, 242, 236) if sum(cloth.main) < 600 else (96, 128, 190)
    first = np.clip((wave - 0.2) / 0.5, 0, 1)
    image = np.asarray(_blended(cloth, first, pale), dtype=np.float32)
    second = np.clip((wave - 0.82) / 0.15, 0, 1)[..., None]
    return Image.fromarray((image + second * (floats(cloth.other) - image)).astype(np.uint8))


PAINTERS: dict[str, Callable[[Cloth, random.Random], Image.Image]] = {
    "plain": _plain, "striped": _striped, "dotted": _dotted, "checked": _checked, "floral": _floral,
    "graphic": _graphic, "camouflage": _camouflage, "zigzag": _zigzag, "gradient": _gradient,
    "animal print": _animal, "tie-dye": _tie_dye, "starry": _starry,
}  # fmt: skip
