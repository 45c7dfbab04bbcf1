"""Scenes with several products, to measure what clutter costs and how well regions are found.

A product lies somewhere on a drawn background among smaller ones of other categories, as in a photo a
customer takes at home. Where everything lies is known, since it was put there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from services.encoder.regions import Box, shared_area
from services.encoder.train.photos import Photo, load_with_mask
from services.encoder.train.render import cut_out, make_product
from services.encoder.train.scenes import background
from services.encoder.train.shapes import SHAPES

#: Side of a scene, in pixels.
SIDE = 256


@dataclass(frozen=True)
class CutOut:
    """A product without its background: RGBA picture, trimmed to what is seen, and its category's code."""

    picture: Image.Image
    category: int


@dataclass(frozen=True)
class Scene:
    """An RGB picture with several products; `boxes` say where, the one meant first, as (left, top, right,
    bottom) in shares of the sides."""

    picture: Image.Image
    category: int
    boxes: list[Box]


def cut_photos(photos: Sequence[Photo], side: int = 192) -> list[CutOut]:
    """The garments of the photos whose outline is known for sure (`garment.garment_mask`; needs OpenCV)."""
    loaded = ((photo, *load_with_mask(photo.path, side)) for photo in photos)
    return [
        _trimmed(Image.fromarray(pixels), Image.fromarray(mask), photo.attributes.category)
        for photo, pixels, mask in loaded
        if mask.min() == 0
    ]


def cut_products(count: int, first: int, side: int = 192) -> list[CutOut]:
    """`count` rendered products of the seeds from `first` on; categories take turns."""
    names = tuple(SHAPES)
    products = [make_product(first + n, names[n % len(names)]) for n in range(count)]
    return [_trimmed(*cut_out(product, side), product.attributes.category) for product in products]


def _trimmed(picture: Image.Image, mask: Image.Image, category: int) -> CutOut:
    solid = mask.point(lambda value: 255 if value > 127 else 0)
    box = solid.getbbox() or (0, 0, *mask.size)
    rgba = picture.convert("RGB")
    rgba.putalpha(mask.filter(ImageFilter.GaussianBlur(0.7)))
    return CutOut(rgba.crop(box), category)


def clutter(cuts: Sequence[CutOut], seed: int, *, others: int = 2) -> list[Scene]:
    """One scene for each product: it spans 40 to 65 % of the scene, each of the `others` (of other
    categories) 20 to 35 %, beside it as far as there is room."""
    return [_scene(index, cuts, random.Random(f"scene-{seed}-{index}"), others) for index in range(len(cuts))]


def _scene(index: int, cuts: Sequence[CutOut], rng: random.Random, others: int) -> Scene:
    angle = rng.uniform(0, 2 * math.pi)
    pixels = background(SIDE, rng, (math.cos(angle), math.sin(angle)), upright=False)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    meant = cuts[index]
    strangers = [cut for cut in cuts if cut.category != meant.category]
    placed: list[tuple[CutOut, Box]] = [(meant, _place(meant, rng.uniform(0.4, 0.65), [], rng))]
    for cut in rng.sample(strangers, others):
        placed.append((cut, _place(cut, rng.uniform(0.2, 0.35), [box for _, box in placed], rng)))
    # The one meant lies on top.
    for cut, (left, top, right, bottom) in reversed(placed):
        size = (max(1, round((right - left) * SIDE)), max(1, round((bottom - top) * SIDE)))
        sized = cut.picture.resize(size, Image.Resampling.BICUBIC)
        picture.paste(sized.convert("RGB"), (round(left * SIDE), round(top * SIDE)), sized.getchannel("A"))
    return Scene(picture, meant.category, [box for _, box in placed])


def _place(cut: CutOut, span: float, taken: Sequence[Box], rng: random.Random) -> Box:
    """Of a dozen places the one that overlaps least with those taken."""
    longer = max(cut.picture.size)
    width, height = (span * side / longer for side in cut.picture.size)
    places = []
    for _ in range(12):
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        places.append((left, top, left + width, top + height))
    return min(places, key=lambda box: sum(shared_area(box, other) for other in taken))
