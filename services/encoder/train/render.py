"""Rendered product pictures: outlines painted in colour, pattern and material, posed, lit, in a scene.

One product keeps its shape, colours, pattern and material; each `view` of it draws a new angle,
light, crop and background. Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from services.encoder.train import materials, patterns, scenes
from services.encoder.train.colours import COLOURS, nearest
from services.encoder.train.fields import Field, floats, folds
from services.encoder.train.patterns import RGB, Cloth, mixed
from services.encoder.train.pose import REACH, Pose, make_pose
from services.encoder.train.shapes import HANGABLE, HOLDABLE, PLAIN_ONLY, SHAPES, SOFT, Part
from services.encoder.train.titles import NONE, PATTERN_NAMES, UNKNOWN, Attributes, product_attributes

#: A face for patterns that do not depend on it, see `_face`.
_ANYWHERE = (0.5, 0.5, 0.15, 0.2, 0.8)
#: Share of products without a pattern, where the category can carry one.
PLAIN_SHARE = 0.4
_FIXED: dict[str, RGB] = {
    "dark": (36, 36, 40), "light": (236, 234, 228), "metal": (168, 172, 178), "wood": (158, 116, 74),
    "leaf": (70, 128, 66), "flame": (250, 190, 70),
}  # fmt: skip


@dataclass
class RenderedProduct:
    """A product that exists only as numbers: draw it with `view`, name it with `titles.make_title`.

    `colour` and `accent_colour` are indices into `COLOURS` (the second also NONE or UNKNOWN); `paint`
    and `accent` are what they are painted with.
    """

    category: str
    colour: int
    accent_colour: int
    accent: RGB
    paint: RGB
    pattern: str
    material: str
    parts: list[Part]
    seed: int

    @property
    def attributes(self) -> Attributes:
        return product_attributes(self.category, self.colour, self.pattern, self.material, self.accent_colour)

    @property
    def soft(self) -> bool:
        return self.category in SOFT


def make_product(seed: int, category: str | None = None) -> RenderedProduct:
    """The product of a seed; the same seed gives the same product everywhere."""
    rng = random.Random(f"product-{seed}")
    category = category or rng.choice(tuple(SHAPES))
    colour = rng.randrange(len(COLOURS))
    plain = rng.random() < PLAIN_SHARE or category in PLAIN_ONLY
    pattern = "plain" if plain else rng.choice([name for name in PATTERN_NAMES if name != "plain"])
    paint, accent, code = _paints(colour, pattern, rng)
    return RenderedProduct(
        category=category,
        colour=colour,
        accent_colour=code,
        accent=accent,
        paint=paint,
        pattern=pattern,
        material=materials.material_of(category, category in SOFT, rng),
        parts=SHAPES[category](rng),
        seed=seed,
    )


def repainted(product: RenderedProduct, colour: int, pattern: str, seed: int) -> RenderedProduct:
    """The same shape and material in another colour (index into `COLOURS`) and pattern; `seed` decides its
    shades and its views."""
    paint, accent, code = _paints(colour, pattern, random.Random(f"repainted-{seed}"))
    return replace(
        product, colour=colour, pattern=pattern, paint=paint, accent=accent, accent_colour=code, seed=seed
    )


def _paints(colour: int, pattern: str, rng: random.Random) -> tuple[RGB, RGB, int]:
    """What colour and accent are painted with, and the code of the accent."""
    paint = _painted(colour, rng)
    second = patterns.second_colour(colour, rng)
    if pattern == "plain":  # trimmed with another shade of the same colour: a product of one colour
        return paint, _shade(paint, rng.uniform(0.2, 0.45)), NONE
    return paint, _painted(second, rng), second if pattern in patterns.TWO_COLOURED else UNKNOWN


def view(product: RenderedProduct, number: int, size: int = 128) -> Image.Image:
    """View `number` of a product as an RGB picture of size x size pixels."""
    rng = random.Random(f"view-{product.seed}-{number}")
    canvas = size * 3 // 2  # drawn larger and scaled down: smooth edges at little cost
    light = (rng.uniform(-0.9, 0.9), rng.choice((-1.0, -1.0, -0.6, 0.5)))
    plain = rng.random() < 0.25
    hung = not plain and product.category in HANGABLE and rng.random() < 0.35
    held = not (plain or hung) and product.category in HOLDABLE and rng.random() < 0.18
    pose = make_pose(product.parts, canvas, rng, soft=product.soft, upright=hung or plain)

    back = _scene(canvas, rng, light, plain=plain, hung=hung)
    if hung:
        _hang(back, product, pose, rng)
    grip = _grip(product, pose, rng) if held else None
    skin = rng.choice(scenes.SKIN)
    if grip:
        scenes.arm(back, *grip, skin, canvas * 0.085)
    layer, mask = _drawn(product, pose, canvas)
    pixels = _lit(product, layer, mask, floats(back), light, rng)
    if grip:
        held_picture = _picture(pixels)
        scenes.fingers(held_picture, *grip, skin, canvas * 0.085, rng)
        pixels = floats(held_picture)
    picture = _picture(scenes.room(pixels, rng, plain=plain))
    if rng.random() < 0.08:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6)))
    return scenes.camera(picture.resize((size, size), Image.Resampling.BILINEAR), rng)


def cut_out(product: RenderedProduct, size: int) -> tuple[Image.Image, Image.Image]:
    """One more view of a product, without a scene: RGB and outline (L, 255 on the product), size x size."""
    rng = random.Random(f"cut-{product.seed}")
    light = (rng.uniform(-0.9, 0.9), -1.0)
    pose = make_pose(product.parts, size, rng, soft=product.soft, upright=False)
    layer, mask = _drawn(product, pose, size)
    back = np.full((size, size, 3), 255, dtype=np.float32)
    return _picture(_lit(product, layer, mask, back, light, rng)), mask


def _picture(pixels: Field) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _painted(colour: int, rng: random.Random) -> RGB:
    """The named colour, a little off, but never so far that another name would fit better."""
    for _ in range(4):
        red, green, blue = (min(255, max(0, int(v + rng.gauss(0, 8)))) for v in COLOURS[colour].rgb)
        if int(nearest((red, green, blue))) == colour:
            return red, green, blue
    return COLOURS[colour].rgb


def _shade(rgb: RGB, amount: float = 0.32) -> RGB:
    """A darker tone, or of dark colours a lighter one, so that seams of black things are seen."""
    return mixed(rgb, (150, 150, 156) if sum(rgb) < 150 else (0, 0, 0), amount)


def _scene(
    size: int, rng: random.Random, light: tuple[float, float], *, plain: bool, hung: bool
) -> Image.Image:
    if plain:
        return _picture(scenes.studio(size, rng))
    pixels = scenes.background(size, rng, light, upright=hung)
    picture = _picture(pixels)
    if rng.random() < 0.2:
        names = [rng.choice(tuple(SHAPES)) for _ in range(rng.randint(1, 5))]
        others = [
            [(part.points.tolist(), part.width) for part in SHAPES[name](rng) if part.role != "hole"]
            for name in names
        ]
        scenes.clutter(picture, others, rng)
    return picture


def _hang(picture: Image.Image, product: RenderedProduct, pose: Pose, rng: random.Random) -> None:
    outline = np.concatenate([part.points for part in product.parts if part.role == "main"])
    near = outline[np.abs(outline[:, 0]) < 0.3]
    if len(near):
        width = min(0.5, float(np.abs(outline[:, 0]).max()) * 0.7)
        scenes.hanger(picture, pose.pixels, float(near[:, 1].min()) + 0.04, width, rng)


def _grip(product: RenderedProduct, pose: Pose, rng: random.Random) -> tuple[tuple[float, float], float]:
    """Where a hand takes hold (px) and the direction of the arm: at the outermost point of one side."""
    angle = rng.choice((0.0, np.pi, np.pi / 2)) + rng.gauss(0, 0.35)
    points = np.asarray(pose.pixels(np.concatenate([part.points for part in product.parts]).tolist()))
    outermost = points[(points @ (np.cos(angle), np.sin(angle))).argmax()]
    return (float(outermost[0]), float(outermost[1])), float(angle)


@lru_cache(maxsize=4)
def _surface(
    pattern: str, material: str, main: RGB, other: RGB, face: tuple[float, ...], side: int, seed: int
) -> Image.Image:
    """Pattern and material as a square that covers -REACH..REACH of product space; views share it."""
    rng = random.Random(f"texture-{seed}")
    x, y, reach, top, bottom = (value * side for value in face)
    image = patterns.paint(pattern, Cloth(side, main, other, x, y, reach, top, bottom), rng)
    relief = materials.surface(material, side, rng)
    if relief is None:
        return image
    lift = np.float32(10 if sum(main) < 150 else 0)  # or nothing would be seen of the relief of black
    pixels = (floats(image) + lift) * relief[..., None]
    return _picture(pixels)


def _face(parts: Sequence[Part]) -> tuple[float, ...]:
    """Middle x, y and inradius of the largest free piece of main surface, its top and bottom; in 0..1."""
    small = 48
    mask = Image.new("L", (small, small))
    pen = ImageDraw.Draw(mask)
    for part in parts:
        if part.width and part.role != "main":  # one prints over seams
            continue
        points = [(float(x), float(y)) for x, y in (part.points / REACH + 1) * (small / 2)]
        _stroke(pen, part, points, 255 if part.role == "main" else 0, small / REACH)
    rows = np.flatnonzero(np.asarray(mask).any(1))
    if not len(rows):
        return _ANYWHERE
    steps, left = 0, mask
    while steps < small // 2:
        thinner = left.filter(ImageFilter.MinFilter(3))
        if not thinner.getbbox():
            break
        left, steps = thinner, steps + 1
    ys, xs = np.nonzero(np.asarray(left))
    middle = ((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2).argmin()
    return (
        (float(xs[middle]) + 0.5) / small,
        (float(ys[middle]) + 0.5) / small,
        (steps + 0.5) / small,
        float(rows[0]) / small,
        float(rows[-1] + 1) / small,
    )


def _drawn(product: RenderedProduct, pose: Pose, size: int) -> tuple[Image.Image, Image.Image]:
    """The product before nothing: its colours (RGB) and its outline (L), size x size."""
    side = size * 5 // 4
    face = _face(product.parts) if product.pattern in patterns.PLACED else _ANYWHERE
    reads = product.pattern == "graphic" and pose.mirrored  # letters stay legible on a mirrored shape
    if reads:
        face = (1 - face[0], *face[1:])
    flat = _surface(
        product.pattern, product.material, product.paint, product.accent, face, side, product.seed
    )
    if reads:
        flat = flat.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    texture = pose.wrapped(flat)
    layer, outline = Image.new("RGB", (size, size), product.paint), Image.new("L", (size, size))
    pen, edge = ImageDraw.Draw(layer), ImageDraw.Draw(outline)
    rng = random.Random(f"parts-{product.seed}")
    seam, shade = _shade(product.paint, 0.3), _shade(product.paint)
    skin = rng.choice(scenes.SKIN)
    scale = pose.scale
    faces = 0
    for part, points in zip(product.parts, pose.outlines, strict=True):
        if part.role == "hole":
            _stroke(edge, part, points, 0, scale)
            continue
        _stroke(edge, part, points, 255, scale)
        if part.role == "main":
            mask = Image.new("L", (size, size))
            _stroke(ImageDraw.Draw(mask), part, points, 255, scale)
            layer.paste(texture, (0, 0), mask)
            faces += 1
            if faces > 1 and not part.width:  # a flap or a sleeve is told from what it lies on by its seam
                pen.line([*points, points[0]], fill=seam, width=2)
            continue
        fixed = {"accent": product.accent, "shade": shade, "skin": skin} | _FIXED
        _stroke(pen, part, points, fixed[part.role], scale)
    return layer, outline


def _stroke(
    pen: ImageDraw.ImageDraw, part: Part, points: list[tuple[float, float]], fill: int | RGB, scale: float
) -> None:
    if part.width:
        pen.line(points, fill=fill, width=max(1, round(part.width * scale)), joint="curve")
    else:
        pen.polygon(points, fill=fill)


def _lit(
    product: RenderedProduct,
    layer: Image.Image,
    mask: Image.Image,
    back: Field,
    light: tuple[float, float],
    rng: random.Random,
) -> Field:
    """Product before its scene, with relief, folds, shine and shadow: float32 [size, size, 3]."""
    size = layer.width
    small = mask.resize((64, 64), Image.Resampling.BOX)
    blurred = floats(small.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 3.5)))) / np.float32(255)
    if rng.random() < 0.8:
        back = scenes.shadow(back, blurred, light, rng)
    step = rng.uniform(1.5, 3.0)
    towards = np.roll(blurred, (-round(light[1] * step), -round(light[0] * step)), (0, 1))
    relief = _enlarged(blurred - towards, size)
    depth = _enlarged(blurred, size)
    wrinkles = folds(rng, size, light, rng.uniform(0.2, 1.0))
    strong = rng.uniform(0.05, 0.24) if product.soft else rng.uniform(0.0, 0.03)
    factor = 1 + relief * rng.uniform(0.1, 0.35) + wrinkles * strong - (1 - depth) * rng.uniform(0.0, 0.3)
    shine = materials.shine(product.material, product.soft, size, wrinkles * (strong > 0.03), relief, rng)
    inside = floats(mask)[..., None] / 255
    pixels = floats(layer) * factor[..., None] + shine[..., None]
    return floats(back + inside * (pixels - back))


def _enlarged(field: Field, size: int) -> Field:
    return floats(Image.fromarray(field).resize((size, size), Image.Resampling.BILINEAR))
