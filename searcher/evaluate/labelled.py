"""Two labelled sets of products to search in, each split by product into train, validation and test.

Rendered products have exact facts: every shape is drawn in several colours and patterns, so that "this mug,
but in blue" has an answer, and one that is the very shape. Photos have the class somebody gave them and the
colour family measured in their pixels.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from searcher.evaluate.pool import Pool
from searcher.evaluate.queries import Facts
from services.encoder.base import Encoder
from services.encoder.train.colours import COLOURS, FAMILIES
from services.encoder.train.heldout import features
from services.encoder.train.photos import load, read_photos
from services.encoder.train.render import RenderedProduct, make_product, repainted, view
from services.encoder.train.shapes import PLAIN_ONLY, SHAPES
from services.encoder.train.titles import PATTERN_NAMES, make_title

Split = Literal["train", "validation", "test"]

#: Kind of fact that is the label, and the one that tells shapes apart.
LABEL, SHAPE = "category", "shape"
#: First seed and number of groups of rendered products of each split; a group has up to 36 products.
GROUPS: dict[Split, tuple[int, int]] = {
    "train": (3_000_000, 300),
    "validation": (4_000_000, 40),
    "test": (5_000_000, 110),
}
#: Categories, shapes of each, colours and patterns in a group: all go with all.
CATEGORIES, SHAPES_EACH, HUES, PATTERNS = 3, 2, 3, 2
SIDE = 128


@dataclass(frozen=True)
class _Variant:
    product: RenderedProduct
    shape: str

    @property
    def id(self) -> str:
        return f"{self.shape}-{self.product.colour}-{self.product.pattern}"

    @property
    def facts(self) -> Facts:
        product = self.product
        return {
            LABEL: product.category,
            "colour": COLOURS[product.colour].name,
            "pattern": product.pattern,
            SHAPE: self.shape,
        }


def _group(seed: int) -> list[_Variant]:
    """Products of a few shapes in the same few colours and patterns; some categories come plain alone."""
    rng = random.Random(f"group-{seed}")
    colours = rng.sample(range(len(COLOURS)), HUES)
    patterned = [name for name in PATTERN_NAMES if name != "plain"]
    patterns = ["plain", *rng.sample(patterned, PATTERNS - 1)]
    variants = []
    for category in rng.sample(tuple(SHAPES), CATEGORIES):
        for _ in range(SHAPES_EACH):
            base = make_product(rng.getrandbits(40), category)
            for colour in colours:
                for pattern in patterns[:1] if category in PLAIN_ONLY else patterns:
                    painted = repainted(base, colour, pattern, rng.getrandbits(40))
                    variants.append(_Variant(painted, f"{category}-{base.seed}"))
    return variants


def _draw(seed: int) -> npt.NDArray[np.uint8]:
    return np.stack([np.asarray(view(one.product, 0, SIDE)) for one in _group(seed)])


def _pictures(seeds: range, cache: Path) -> npt.NDArray[np.uint8]:
    path = cache / f"variants-{seeds.start}-{len(seeds)}-{SIDE}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            drawn = list(track(pool.map(_draw, seeds), "drawing products", len(seeds)))
        np.save(path, np.concatenate(drawn))
    pixels: npt.NDArray[np.uint8] = np.load(path)
    return pixels


def _every_other(titles: Iterator[str], rng: random.Random) -> list[str]:
    """Half of the products go without a title, as in many a catalogue."""
    return [title if rng.random() < 0.5 else "" for title in titles]


def drawn_pictures(split: Split, cache: Path) -> list[Image.Image]:
    """The pictures of `drawn_pool`, in its order."""
    first, count = GROUPS[split]
    return [Image.fromarray(picture) for picture in _pictures(range(first, first + count), cache)]


def photo_pictures(split: Split, folder: Path) -> list[Image.Image]:
    """The pictures of `photo_pool`, in its order."""
    return [load(photo.path) for photo in read_photos(folder) if photo.split == split]


def drawn_pool(split: Split, encoder: Encoder, cache: Path) -> Pool:
    """Rendered products of a split, one picture each; half have a title, three in ten a Chinese one."""
    first, count = GROUPS[split]
    seeds = range(first, first + count)
    variants = [variant for seed in seeds for variant in _group(seed)]
    images = features(encoder, drawn_pictures(split, cache), "looking at products")
    rng = random.Random(f"titles-{split}")
    titles = _every_other((make_title(one.product.attributes, rng)[0] for one in variants), rng)
    ids = [f"{number}-{variant.id}" for number, variant in enumerate(variants)]
    facts = {one: variant.facts for one, variant in zip(ids, variants, strict=True)}
    return Pool.of(ids, images, titles, facts, encoder)


def photo_pool(split: Split, encoder: Encoder, folder: Path) -> Pool:
    """The photos of a split, a folder with `products.csv`; half of them have their made title."""
    photos = [photo for photo in read_photos(folder) if photo.split == split]
    images = features(encoder, photo_pictures(split, folder), "looking at photos")
    facts: dict[str, Facts] = {}
    for photo in photos:
        family = photo.attributes.family
        colour = {"colour": FAMILIES[family]} if family >= 0 else {}
        facts[photo.id] = {LABEL: photo.category, **colour}
    titles = _every_other((photo.title for photo in photos), random.Random(f"titles-{split}"))
    return Pool.of([photo.id for photo in photos], images, titles, facts, encoder)
