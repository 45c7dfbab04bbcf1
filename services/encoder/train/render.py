"""Rendered product pictures: outlines painted in colour, pattern and material, lit, turned, on a background.

One product keeps its shape, colours, pattern and material; each `view` of it draws a new angle,
light, crop and background. Everything follows from the seed.
"""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from services.encoder.train.colours import COLOURS
from services.encoder.train.shapes import Part
from services.encoder.train.shapes_clothing import CLOTHING
from services.encoder.train.shapes_home import HOME
from services.encoder.train.titles import MATERIAL_NAMES, PATTERN_NAMES, Attributes, product_attributes

SHAPES = CLOTHING | HOME
RGB = tuple[int, int, int]

_FIXED: dict[str, RGB] = {
    "dark": (36, 36, 40), "light": (236, 234, 228), "metal": (168, 172, 178), "wood": (158, 116, 74),
    "leaf": (70, 128, 66), "flame": (250, 190, 70),
}  # fmt: skip


@dataclass
class RenderedProduct:
    """A product that exists only as numbers: draw it with `view`, name it with `titles.make_title`."""

    category: str
    colour: int
    accent: RGB
    paint: RGB
    pattern: str
    material: str
    parts: list[Part]
    seed: int

    @property
    def attributes(self) -> Attributes:
        return product_attributes(self.category, self.colour, self.pattern, self.material)


def make_product(seed: int, category: str | None = None) -> RenderedProduct:
    """The product of a seed; the same seed gives the same product everywhere."""
    rng = random.Random(f"product-{seed}")
    category = category or rng.choice(tuple(SHAPES))
    colour = rng.randrange(len(COLOURS))
    pattern = "plain" if rng.random() < 0.45 else rng.choice(PATTERN_NAMES[1:])
    return RenderedProduct(
        category=category,
        colour=colour,
        accent=rng.choice(COLOURS).rgb,
        paint=_jitter(COLOURS[colour].rgb, rng, 8),
        pattern=pattern,
        material=rng.choice(MATERIAL_NAMES),
        parts=SHAPES[category](rng),
        seed=seed,
    )


def view(product: RenderedProduct, number: int, size: int = 144) -> Image.Image:
    """View `number` of a product as an RGB picture of size x size pixels."""
    rng = random.Random(f"view-{product.seed}-{number}")
    noise = np.random.default_rng(rng.getrandbits(32))
    canvas = size * 3 // 2  # drawn larger and scaled down: smooth edges at little cost
    background = _background(canvas, rng, noise)
    texture = _texture(product, canvas, rng, noise)
    picture, silhouette = _draw(product, background, texture, canvas, rng)
    picture = _light(picture, silhouette, product.material, canvas, rng)
    if rng.random() < 0.08:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.4)))
    return picture.resize(
        (size, size), Image.Resampling.BOX if canvas % size == 0 else Image.Resampling.BILINEAR
    )


def _jitter(rgb: RGB, rng: random.Random, amount: float) -> RGB:
    red, green, blue = (min(255, max(0, int(value + rng.gauss(0, amount)))) for value in rgb)
    return red, green, blue


def _scaled(rgb: RGB, factor: float) -> RGB:
    red, green, blue = (min(255, max(0, int(value * factor))) for value in rgb)
    return red, green, blue


def _background(size: int, rng: random.Random, noise: np.random.Generator) -> Image.Image:
    kind = rng.random()
    if kind < 0.25:  # a shop's plain white or grey
        tone = rng.randint(205, 255)
        return Image.new("RGB", (size, size), (tone, tone, tone))
    hue = colorsys.hsv_to_rgb(rng.random(), rng.random() ** 2 * 0.7, rng.uniform(0.15, 1.0))
    first: RGB = (int(hue[0] * 255), int(hue[1] * 255), int(hue[2] * 255))
    second = _jitter(_scaled(first, rng.uniform(0.6, 1.2)), rng, 14)
    image = Image.new("RGB", (size, size), first)
    if kind < 0.5:  # wall: a gradient
        ramp = Image.linear_gradient("L").resize((size, size)).rotate(rng.choice((0, 90, 180, 270)))
        image.paste(second, (0, 0), ramp)
    elif kind < 0.7:  # floor boards, tiles or stripes of cloth
        draw = ImageDraw.Draw(image)
        step = rng.randint(size // 14, size // 4)
        for x in range(0, size, step):
            draw.rectangle((x, 0, x + step - rng.randint(1, 4), size), fill=_jitter(second, rng, 10))
        image = image.rotate(rng.choice((0, 90, rng.uniform(0, 180))), fillcolor=second)
    elif kind < 0.85:  # cloth or carpet: coarse noise
        cells = rng.randint(4, 40)
        grain = noise.normal(0, rng.uniform(8, 45), (cells, cells, 1)) + np.asarray(first)
        image = Image.fromarray(np.clip(grain, 0, 255).astype(np.uint8)).resize(
            (size, size), Image.Resampling.BICUBIC
        )
    else:  # clutter: other things lying about
        draw = ImageDraw.Draw(image)
        for _ in range(rng.randint(4, 14)):
            left, top, reach = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(size / 20, size / 4)
            fill = _jitter(rng.choice(COLOURS).rgb, rng, 20)
            shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            shape((left - reach, top - reach * rng.uniform(0.3, 1), left + reach, top + reach), fill=fill)
    return image


def _texture(
    product: RenderedProduct, size: int, rng: random.Random, noise: np.random.Generator
) -> Image.Image:
    """The product's paint as a full square; patterns keep to the main colour for most of the surface."""
    fixed = random.Random(f"texture-{product.seed}")
    main = product.paint
    dark = sum(main) < 300
    other = product.accent if fixed.random() < 0.5 else ((236, 236, 232) if dark else (40, 40, 52))
    if abs(sum(other) - sum(main)) < 120:  # a pattern nobody can see is no pattern
        other = (240, 240, 236) if dark else (30, 30, 40)
    image = Image.new("RGB", (size, size), main)
    draw = ImageDraw.Draw(image)
    step = int(size * fixed.uniform(0.06, 0.13))
    if product.pattern == "striped":
        thick = max(2, int(step * fixed.uniform(0.25, 0.5)))
        for x in range(0, size, step):
            draw.rectangle(
                (0, x, size, x + thick) if product.seed % 3 else (x, 0, x + thick, size), fill=other
            )
    elif product.pattern == "dotted":
        radius = step * fixed.uniform(0.2, 0.34)
        for row, y in enumerate(range(0, size, step)):
            for x in range((row % 2) * step // 2, size, step):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=other)
    elif product.pattern == "checked":
        thick = max(2, step // 3)
        for x in range(0, size, step):
            draw.rectangle((x, 0, x + thick, size), fill=other)
        cross = Image.new("RGB", (size, size), main)
        pen = ImageDraw.Draw(cross)
        for y in range(0, size, step):
            pen.rectangle((0, y, size, y + thick), fill=other)
        image = Image.blend(image, cross, 0.5)
    elif product.pattern == "floral":
        for _ in range(fixed.randint(18, 40)):
            at_x, at_y = fixed.uniform(0, size), fixed.uniform(0, size)
            r = step * fixed.uniform(0.2, 0.4)
            petal = fixed.choice((other, product.accent, (232, 90, 120), (250, 240, 200)))
            for px, py in ((at_x + r, at_y), (at_x - r, at_y), (at_x, at_y + r), (at_x, at_y - r)):
                draw.ellipse((px - r * 0.8, py - r * 0.8, px + r * 0.8, py + r * 0.8), fill=petal)
            draw.ellipse((at_x - r / 2, at_y - r / 2, at_x + r / 2, at_y + r / 2), fill=(246, 206, 70))
    elif product.pattern == "graphic":
        middle, reach = size / 2, size * fixed.uniform(0.08, 0.15)
        shape = fixed.randrange(3)
        if shape == 0:
            draw.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=other)
        elif shape == 1:
            draw.regular_polygon((middle, middle, reach * 1.2), fixed.choice((3, 4, 5, 6)), fill=other)
        for line in range(fixed.randint(0, 3) + (shape == 2) * 2):
            top = middle + reach + line * size * 0.04 - (size * 0.16 if shape == 2 else 0)
            draw.rectangle(
                (middle - reach * 1.2, top, middle + reach * fixed.uniform(0.3, 1.2), top + size * 0.02),
                fill=other,
            )
    elif product.pattern == "camouflage":
        blotches = np.random.default_rng(product.seed).random((9, 9))
        field = np.asarray(
            Image.fromarray((blotches * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
        )
        tones = np.array([_scaled(main, 0.55), main, _scaled(main, 1.35), (60, 52, 42)], dtype=np.uint8)
        image = Image.fromarray(tones[np.digitize(field, (75, 150, 205))])
    elif product.pattern == "zigzag":
        for y in range(-step, size + step, step):
            points = [
                (x, y + (step * 0.5 if index % 2 else 0))
                for index, x in enumerate(range(0, size + step, step))
            ]
            draw.line(points, fill=other, width=max(2, step // 3))
    elif product.pattern == "gradient":
        image.paste(
            _scaled(other, 1.0),
            (0, 0),
            Image.linear_gradient("L").resize((size, size)).point([int(v * 0.8) for v in range(256)]),
        )
    if product.material == "textured":
        cells = size // rng.choice((2, 3, 4))
        grain = noise.normal(0, rng.uniform(10, 22), (cells, cells))
        overlay = Image.fromarray(np.clip(grain + 128, 0, 255).astype(np.uint8)).resize(
            (size, size), Image.Resampling.NEAREST
        )
        image = Image.blend(image, Image.merge("RGB", [overlay] * 3), 0.22)
    return image


def _draw(
    product: RenderedProduct, background: Image.Image, texture: Image.Image, size: int, rng: random.Random
) -> tuple[Image.Image, Image.Image]:
    """The product before its background, and its silhouette (mode L)."""
    matrix = _pose(rng) * size / 2
    shift = np.array([size / 2 + rng.gauss(0, 0.05) * size, size / 2 + rng.gauss(0, 0.05) * size])
    picture, silhouette = background.copy(), Image.new("L", (size, size), 0)
    layers: list[tuple[Part, list[tuple[float, float]]]] = []
    pen = ImageDraw.Draw(silhouette)
    for part in product.parts:
        points = [(float(x), float(y)) for x, y in part.points @ matrix.T + shift]
        layers.append((part, points))
        _stroke(pen, part, points, 0 if part.role == "hole" else 255, size)
    if rng.random() < 0.7:  # the shadow it casts
        offset = (int(size * rng.uniform(-0.04, 0.04)), int(size * rng.uniform(0.0, 0.05)))
        shadow = Image.new("L", (size, size), 0)
        shadow.paste(silhouette.point([int(v * rng.uniform(0.2, 0.5)) for v in range(256)]), offset)
        picture.paste(
            (10, 10, 14), (0, 0), shadow.filter(ImageFilter.GaussianBlur(size * rng.uniform(0.01, 0.03)))
        )
    for part, points in layers:
        mask = Image.new("L", (size, size), 0)
        _stroke(ImageDraw.Draw(mask), part, points, 255, size)
        if part.role == "main":
            picture.paste(texture, (0, 0), mask)
        elif part.role == "hole":
            picture.paste(background, (0, 0), mask)
        else:
            tone = (
                product.accent
                if part.role == "accent"
                else _FIXED.get(part.role, _scaled(product.paint, 0.68))
            )
            picture.paste(_jitter(tone, rng, 5), (0, 0), mask)
    return picture, silhouette


def _stroke(
    pen: ImageDraw.ImageDraw, part: Part, points: list[tuple[float, float]], fill: int, size: int
) -> None:
    if part.width:
        pen.line(points, fill=fill, width=max(1, int(part.width * size / 2)), joint="curve")
    else:
        pen.polygon(points, fill=fill)


def _pose(rng: random.Random) -> npt.NDArray[np.float64]:
    """Scale, turn, lean and mirror as one 2 x 2 matrix."""
    angle = rng.gauss(0, 0.16) if rng.random() < 0.85 else rng.uniform(-3.14, 3.14)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    lean = np.array([[rng.uniform(0.8, 1.1), rng.gauss(0, 0.08)], [0.0, rng.uniform(0.85, 1.1)]])
    mirror = np.diag([rng.choice((-1.0, 1.0)), 1.0])
    return np.asarray(turn @ lean @ mirror * rng.uniform(0.6, 1.15))


def _light(
    picture: Image.Image, silhouette: Image.Image, material: str, size: int, rng: random.Random
) -> Image.Image:
    """Soft relief from the silhouette, a highlight on glossy things, and the light of the room."""
    soft = silhouette.filter(ImageFilter.GaussianBlur(size * 0.05))
    dx, dy = rng.randint(-size // 25, size // 25), rng.randint(-size // 20, -1)
    relief = np.asarray(soft, dtype=np.float32) - np.roll(
        np.asarray(soft, dtype=np.float32), (-dy, -dx), (0, 1)
    )
    inside = np.asarray(silhouette, dtype=np.float32)[..., None] / 255
    pixels = np.array(picture, dtype=np.float32)
    strength = rng.uniform(0.1, 0.4) * (1.8 if material == "glossy" else 1.0)
    pixels += inside * relief[..., None] * strength
    if material == "glossy":
        y, x = np.mgrid[0:size, 0:size] / size
        spot = np.exp(
            -(((x - rng.uniform(0.3, 0.6)) / 0.09) ** 2 + ((y - rng.uniform(0.2, 0.5)) / 0.16) ** 2)
        )
        pixels += (inside * (spot * rng.uniform(50, 130))[..., None]).astype(np.float32)
    room = rng.uniform(0.72, 1.15) * (1 + np.array([rng.gauss(0, 0.03), 0, rng.gauss(0, 0.04)]))
    return Image.fromarray(np.clip(pixels * room, 0, 255).astype(np.uint8))
