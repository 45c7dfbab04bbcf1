"""Where a product is photographed: floors, beds, tables, walls and clutter, and the light of the room."""

from __future__ import annotations

import colorsys
import math
import random
from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from services.encoder.train.colours import COLOURS
from services.encoder.train.fields import Field, coordinates, floats, folds, grain, smooth, speckle, turned
from services.encoder.train.patterns import RGB, Cloth, mixed, paint

WOODS: tuple[RGB, ...] = (
    (196, 152, 104), (170, 120, 80), (214, 176, 128), (128, 92, 68), (152, 142, 132), (226, 200, 168),
    (92, 62, 46), (180, 104, 56), (204, 186, 164), (110, 98, 90),
)  # fmt: skip
SHEETS: tuple[RGB, ...] = (
    (238, 236, 232), (232, 222, 200), (214, 196, 162), (180, 30, 36), (206, 208, 212), (150, 170, 196),
    (238, 214, 214), (120, 60, 90), (60, 96, 140), (30, 30, 36), (198, 180, 220), (120, 120, 124),
)  # fmt: skip
#: Skin from light to dark (after the tones of Fitzpatrick's scale).
SKIN: tuple[RGB, ...] = (
    (250, 224, 206), (240, 206, 180), (232, 190, 158), (222, 172, 136), (204, 150, 112), (180, 126, 88),
    (150, 100, 68), (120, 76, 50), (92, 58, 40), (68, 44, 34),
)  # fmt: skip
#: Patterns of bed covers, cushions and curtains that lie behind products.
_COVERS = ("floral", "striped", "checked", "dotted", "zigzag", "tie-dye")


def background(size: int, rng: random.Random, light: tuple[float, float], *, upright: bool) -> Field:
    """What lies or stands behind the product: float32 [size, size, 3] in 0..255.

    `upright` asks for a wall, a door or a wardrobe, as behind a thing that hangs.
    """
    scenes = _UPRIGHT if upright else _SCENES
    draw = rng.choices(tuple(scenes), tuple(scenes.values()))[0]
    return draw(size, rng, light)


def studio(size: int, rng: random.Random) -> Field:
    """A shop's white or pale grey, as good as even."""
    tone = 255.0 if rng.random() < 0.5 else rng.uniform(222, 255)
    picture = np.full((size, size, 3), tone, dtype=np.float32)
    if rng.random() < 0.35:  # paper that darkens towards an edge
        u, _ = turned(size, rng.uniform(0, 6.3))
        picture -= np.clip(u + 0.2, 0, 1)[..., None] * rng.uniform(5, 40)
    return picture


def _lit(colour: RGB, factor: Field) -> Field:
    return np.asarray(floats(colour) * factor[..., None], dtype=np.float32)


def _any_colour(rng: random.Random, most: float = 0.75) -> RGB:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.random() ** 2 * most, rng.uniform(0.2, 0.98))
    return int(red * 255), int(green * 255), int(blue * 255)


def _wall(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    pale = mixed(_any_colour(rng, 0.4), (245, 243, 238), 0.6)
    colour = pale if rng.random() < 0.7 else _any_colour(rng)
    u, _ = turned(size, rng.uniform(0, 6.3))
    wall = _lit(colour, 1 + u * rng.uniform(0.0, 0.5) + 0.01 * speckle(rng, size))
    if rng.random() < 0.5:  # floor and skirting board
        edge = int(size * rng.uniform(0.68, 0.95))
        wall[edge:] = _boards(size, rng, light)[edge:]
        tall = int(size * rng.uniform(0.02, 0.07))
        board = floats(rng.choice(((240, 240, 236), mixed(colour, (255, 255, 255), 0.4), WOODS[0])))
        wall[edge - tall : edge] = board
        wall[edge : edge + 2] *= 0.6
    return wall


def _boards(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    """Floor boards or laminate; also a table if the boards are broad."""
    angle = (
        rng.choice((0.0, math.pi / 2)) + rng.gauss(0, 0.12) if rng.random() < 0.85 else rng.uniform(0, 6.3)
    )
    u, v = turned(size, angle)
    u, v = u + 1, v + 1  # positive
    width = rng.uniform(0.07, 0.24)
    plank = (u / width).astype(np.int32)
    tones = floats([rng.gauss(1.0, 0.07) for _ in range(64)])
    factor = tones[plank % 64] + 0.05 * grain(rng, u, v, size * 0.7, 8) + 0.04 * grain(rng, u, v, 60, 3)
    seam = ((u / width) % 1.0) < 0.022 / width * 0.3
    length = rng.uniform(0.4, 1.2)
    ends = ((v + tones[plank % 64] * 7) / length) % 1.0 < 0.008 / length
    return _lit(rng.choice(WOODS), factor * (1 - 0.35 * (seam | ends)))


def _tiles(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    u, v = turned(size, rng.choice((0.0, math.pi / 4)) + rng.gauss(0, 0.1))
    side = rng.uniform(0.16, 0.5)
    across, along = (u + 1) / side, (v + 1) / side
    tones = floats([rng.gauss(1.0, 0.05) for _ in range(64)])
    factor = tones[(across.astype(np.int32) * 7 + along.astype(np.int32)) % 64] + 0.03 * smooth(rng, size, 20)
    thin = rng.uniform(0.005, 0.02) / side
    grout = (across % 1.0 < thin) | (along % 1.0 < thin)
    colour = mixed(
        rng.choice((*WOODS, (228, 226, 220), (150, 150, 150))), _any_colour(rng), rng.uniform(0, 0.4)
    )
    return _lit(colour, factor * np.where(grout, np.float32(rng.choice((0.6, 0.75, 1.15))), np.float32(1)))


def _carpet(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    colour = rng.choice((*SHEETS, *WOODS)) if rng.random() < 0.7 else _any_colour(rng)
    pile = 0.13 * speckle(rng, size) + 0.1 * smooth(rng, size, size // 4) + 0.04 * smooth(rng, size, 9)
    picture = _lit(colour, 1 + rng.uniform(0.5, 1.2) * pile)
    if rng.random() < 0.25:  # woven ornament
        marks = smooth(rng, size, rng.randint(6, 14)) > 0.6
        picture[marks] = picture[marks] * 0.4 + floats(_any_colour(rng)) * 0.6
    return picture


def _sheet(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    """A bed cover with its folds, in one colour or with a pattern."""
    colour = rng.choice(SHEETS) if rng.random() < 0.7 else _any_colour(rng)
    factor = 1 + folds(rng, size, light, fine=rng.uniform(0, 0.8)) * rng.uniform(0.04, 0.2)
    if rng.random() < 0.6:
        return _lit(colour, factor)
    other = _any_colour(rng)
    soft = mixed(colour, other, rng.uniform(0.4, 1.0))
    cloth = Cloth(size, colour, soft, size / 2, size / 2, size / 4, 0, size)
    return np.asarray(paint(rng.choice(_COVERS), cloth, rng), dtype=np.float32) * factor[..., None]


def _table(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    u, v = turned(size, rng.gauss(0, 0.3))
    rings = np.sin((u + smooth(rng, size, 3) * 0.06) * rng.uniform(6, 20) * 6.28) ** 3
    return _lit(
        rng.choice(WOODS),
        1 + 0.05 * rings + 0.03 * smooth(rng, size, 4) + 0.05 * grain(rng, u + 1, v + 1, size * 0.8, 8),
    )


def _door(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    """A door or wardrobe with raised panels."""
    picture = _table(size, rng, light) if rng.random() < 0.6 else _wall(size, rng, light)
    for _ in range(rng.randint(1, 3)):
        left, top = (int(rng.uniform(-0.1, 0.6) * size) for _ in range(2))
        right, bottom = left + int(rng.uniform(0.3, 0.6) * size), top + int(rng.uniform(0.4, 0.9) * size)
        left, top = max(left, 1), max(top, 1)
        picture[top:bottom, left:right] *= np.float32(rng.uniform(0.88, 1.08))
        picture[top:bottom, left - 1 : left + 1] *= 0.65
        picture[top - 1 : top + 1, left:right] *= 0.65
    return picture


def _grass(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    x, y = coordinates(size)
    colour = mixed((86, 128, 56), (150, 140, 80), rng.random() * 0.7)
    blades = grain(rng, x + 0.04 * smooth(rng, size, 12), y, size * 0.8, size * 0.16)
    return _lit(colour, np.clip(1 + 0.25 * blades + 0.12 * smooth(rng, size, 10), 0.2, 2))


def _even(size: int, rng: random.Random, light: tuple[float, float]) -> Field:
    first, second = _any_colour(rng), _any_colour(rng)
    u, _ = turned(size, rng.uniform(0, 6.3))
    ramp = np.clip(u + 0.5, 0, 1)[..., None] * rng.uniform(0, 0.6)
    return np.asarray(floats(first) * (1 - ramp) + floats(second) * ramp, dtype=np.float32)


_Scene = Callable[[int, random.Random, tuple[float, float]], Field]
_SCENES: dict[_Scene, float] = {
    _boards: 4, _sheet: 5, _carpet: 3, _tiles: 2, _table: 2, _wall: 3, _even: 3, _grass: 1, _door: 0.5,
}  # fmt: skip
_UPRIGHT: dict[_Scene, float] = {_wall: 4, _door: 3, _even: 1.5, _sheet: 1, _boards: 0.5}


def clutter(
    picture: Image.Image,
    others: Sequence[Sequence[tuple[Sequence[tuple[float, float]], float]]],
    rng: random.Random,
) -> None:
    """Draw the outlines of other things about the edges: each a list of (points in -1..1, line width)."""
    size, pen = picture.width, ImageDraw.Draw(picture)
    for outlines in others:
        angle, reach = rng.uniform(0, 2 * math.pi), size * rng.uniform(0.12, 0.34)
        at_x = size * (0.5 + 0.55 * math.cos(angle)) + rng.gauss(0, 0.06) * size
        at_y = size * (0.5 + 0.55 * math.sin(angle)) + rng.gauss(0, 0.06) * size
        colour = rng.choice(COLOURS).rgb
        for points, width in outlines:
            fill = mixed(colour, rng.choice(((0, 0, 0), (255, 255, 255))), rng.uniform(0, 0.3))
            drawn = [(at_x + x * reach, at_y + y * reach) for x, y in points]
            if width:
                pen.line(drawn, fill=fill, width=max(1, int(width * reach)))
            else:
                pen.polygon(drawn, fill=fill)


def shadow(picture: Field, outline: Field, light: tuple[float, float], rng: random.Random) -> Field:
    """The picture under the soft shadow of an outline (float [small, small], 0..1, already blurred)."""
    size = picture.shape[0]
    far = rng.uniform(0.0, 0.05) * outline.shape[0]
    moved = np.roll(outline, (round(-light[1] * far), round(-light[0] * far)), (0, 1))
    strength = rng.uniform(0.2, 0.6)
    large = np.asarray(
        Image.fromarray((moved * strength).astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR)
    )
    return floats(picture * (1 - large[..., None]))


def hanger(
    picture: Image.Image,
    place: Callable[[Sequence[tuple[float, float]]], list[tuple[float, float]]],
    top: float,
    width: float,
    rng: random.Random,
) -> None:
    """A clothes hanger behind a garment whose neck is at y = `top`; `place` maps -1..1 to pixels."""
    pen = ImageDraw.Draw(picture)
    colour = rng.choice(
        (*WOODS, (30, 30, 32), (240, 240, 240), (160, 164, 170), (200, 70, 60), (70, 110, 190))
    )
    thick = max(2, int(picture.width * rng.uniform(0.012, 0.028)))
    pen.line(
        place([(-width, top + 0.16), (0, top - 0.03), (width, top + 0.16)]),
        fill=colour,
        width=thick,
        joint="curve",
    )
    hook = [(0.0, top - 0.02), (0.0, top - 0.1)]
    hook += [(0.055 + 0.055 * math.cos(t), top - 0.15 + 0.06 * math.sin(t)) for t in np.linspace(2.6, 5.6, 8)]
    pen.line(
        place(hook), fill=rng.choice(((150, 152, 158), (60, 60, 64))), width=max(2, thick // 2), joint="curve"
    )


def arm(picture: Image.Image, grip: tuple[float, float], angle: float, skin: RGB, wide: float) -> None:
    """Forearm and hand behind the product, from the picture's edge at `angle` to `grip` (px)."""
    pen = ImageDraw.Draw(picture)
    dx, dy = math.cos(angle), math.sin(angle)
    far = picture.width * 1.5
    pen.line(
        (grip[0] + dx * wide, grip[1] + dy * wide, grip[0] + dx * far, grip[1] + dy * far),
        fill=skin,
        width=int(wide * 1.25),
    )
    x, y = grip[0] + dx * wide * 0.35, grip[1] + dy * wide * 0.35
    pen.ellipse((x - wide, y - wide, x + wide, y + wide), fill=mixed(skin, (60, 20, 10), 0.08))


def fingers(
    picture: Image.Image, grip: tuple[float, float], angle: float, skin: RGB, wide: float, rng: random.Random
) -> None:
    """Fingers over the edge of the product, pointing into it."""
    pen = ImageDraw.Draw(picture)
    thick = wide * rng.uniform(0.34, 0.46)
    count = rng.choice((1, 3, 4, 4))  # one: the thumb, with the fingers behind
    for n in range(count):
        aside = (n - (count - 1) / 2) * thick * 1.02
        turn = angle + math.pi + rng.gauss(0, 0.08) + aside / wide * 0.15
        long = wide * rng.uniform(0.75, 1.05) * (0.85 if n in (0, count - 1) else 1.0)
        x0 = grip[0] - math.sin(angle) * aside + math.cos(angle) * wide * 0.5
        y0 = grip[1] + math.cos(angle) * aside + math.sin(angle) * wide * 0.5
        x1, y1 = x0 + math.cos(turn) * long, y0 + math.sin(turn) * long
        for grow, colour in ((1.0, mixed(skin, (50, 20, 10), 0.35)), (0.8, skin)):
            r = thick / 2 * grow
            pen.line((x0, y0, x1, y1), fill=colour, width=max(1, int(r * 2)))
            pen.ellipse((x1 - r, y1 - r, x1 + r, y1 + r), fill=colour)
        nail = thick * 0.2
        pen.ellipse((x1 - nail, y1 - nail, x1 + nail, y1 + nail), fill=mixed(skin, (255, 220, 220), 0.4))


def room(pixels: Field, rng: random.Random, *, plain: bool) -> Field:
    """Exposure, fall-off of light, and a mild tint, so that named colours stay true; in 0..255."""
    size = pixels.shape[0]
    gain = rng.uniform(0.92, 1.06) if plain else rng.triangular(0.68, 1.18, 1.0)
    tint = floats([1 + rng.gauss(0, 0.025), 1.0, 1 + rng.gauss(0, 0.035)]) * np.float32(gain)
    pixels = pixels * tint
    if not plain:
        u, v = turned(size, rng.uniform(0, 6.3))
        fall = 1 + u * rng.uniform(0, 0.4) - (u**2 + v**2) * rng.uniform(0, 0.35)
        if rng.random() < 0.08:  # glare of a lamp
            fall = fall + np.exp(-(((u - 0.1) / 0.16) ** 2) - ((v - 0.1) / 0.16) ** 2) * rng.uniform(0.2, 0.5)
        pixels = pixels * fall[..., None].astype(np.float32)
    return pixels


def camera(picture: Image.Image, rng: random.Random) -> Image.Image:
    """What a cheap camera adds: noise and the losses of JPEG."""
    if rng.random() < 0.45:
        noise = speckle(rng, picture.width)[..., None] * rng.uniform(1.5, 5.5)
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.35:
        file = BytesIO()
        picture.save(file, "JPEG", quality=rng.randint(35, 90))
        picture = Image.open(file).convert("RGB")
    return picture
