"""The training set as arrays: pictures as uint8, attributes as codes, and balanced batches of both kinds.

Pictures are drawn or decoded once and kept in a cache folder; a batch only indexes, so that the cores
stay with the network. Products, not pictures, are split: a validation product has no view in training.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from services.encoder.train.photos import load_with_mask, read_photos
from services.encoder.train.render import make_product, view
from services.encoder.train.shapes import SHAPES
from services.encoder.train.titles import Attributes, make_title, near_title

#: Side of the stored pictures: a little larger than what the network sees, to crop from.
STORED = 128

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int64]


@dataclass
class Pictures:
    """`pixels` uint8 [n, STORED, STORED, 3]; `codes` int [n, 6] as `Attributes.row`; `product` int [n];
    `masks` uint8 [n, STORED, STORED], 255 where the product is and everywhere if nobody knows, or None."""

    pixels: Bytes
    codes: Codes
    product: Codes
    ids: list[str]
    masks: Bytes | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Pictures:
        """The pictures of those rows: indices, or a bool for each."""
        rows = np.arange(len(self))[rows]
        return Pictures(
            self.pixels[rows],
            self.codes[rows],
            self.product[rows],
            [self.ids[row] for row in rows],
            self.masks[rows] if self.masks is not None else None,
        )


@dataclass
class Samples:
    """One batch: `pixels` uint8 [n, s, s, 3] with `masks` uint8 [n, s, s] (all 255: unknown), `codes` int
    [n, 6] and `product` int [n]; `titles`, one for each picture and then near ones that are wrong by one
    attribute; `said` int [titles, 6]."""

    pixels: Bytes
    masks: Bytes
    codes: Codes
    product: Codes
    titles: list[str]
    said: Codes


def rendered(products: int, views: int, *, first: int, cache: Path) -> Pictures:
    """`views` pictures of each of `products` products, seeds from `first` on; categories take turns.

    They are drawn once, and read from the cache after that.
    """
    path = cache / f"rendered-{first}-{products}x{views}-{STORED}.npy"
    names = tuple(SHAPES)
    seeds = [(first + n, names[n % len(names)], views) for n in range(products)]
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        shape = (products * views, STORED, STORED, 3)
        pixels = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=shape)
        with ProcessPoolExecutor() as pool:
            drawn = track(pool.map(_draw_views, seeds, chunksize=32), "drawing products", products)
            for n, pictures in enumerate(drawn):
                pixels[n * views : (n + 1) * views] = pictures
        pixels.flush()
        part.rename(path)
    rows = [make_product(seed, category).attributes.row() for seed, category, _ in seeds]
    codes = np.repeat(np.asarray(rows, dtype=np.int64), views, axis=0)
    product = np.repeat(np.arange(first, first + products, dtype=np.int64), views)
    return Pictures(np.load(path), codes, product, [f"rendered-{seed}" for seed in product])


def _draw_views(job: tuple[int, str, int]) -> Bytes:
    seed, category, views = job
    product = make_product(seed, category)
    return np.stack([np.asarray(view(product, number, STORED)) for number in range(views)])


def photographed(folder: Path, *, cache: Path) -> dict[str, Pictures]:
    """The real photos by split (train, validation, test), squashed to a square, with garments' masks."""
    photos = read_photos(folder)
    path = cache / f"photos-{len(photos)}-{STORED}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            work = pool.map(partial(load_with_mask, side=STORED), [p.path for p in photos], chunksize=32)
            loaded = list(track(work, "reading photos", len(photos)))
        np.savez(
            path, pixels=np.stack([one for one, _ in loaded]), masks=np.stack([two for _, two in loaded])
        )
    arrays = np.load(path)
    everything = Pictures(
        arrays["pixels"],
        np.asarray([photo.attributes.row() for photo in photos], dtype=np.int64),
        -1 - np.arange(len(photos)),
        [photo.id for photo in photos],
        arrays["masks"],
    )
    split = np.asarray([photo.split for photo in photos])
    return {name: everything.take(split == name) for name in ("train", "validation", "test")}


def batches(
    drawn: Pictures, photos: Pictures | None, size: int, share: float, seed: int, *, near: int = 0
) -> Iterator[Samples]:
    """Endless batches of `size` pictures; up to `near` of their titles are repeated with one attribute wrong.

    `share` of each batch are photos, classes balanced by the square root of their frequency; rendered
    products come with two views each, so that image-image positives exist.
    """
    rng = np.random.default_rng(seed)
    words = random.Random(seed)
    real = int(size * share) if photos is not None else 0
    views = len(drawn) // len(np.unique(drawn.product))
    chance = _balance(photos) if photos is not None else None
    while True:
        base = np.repeat(rng.integers(len(drawn) // views, size=(size - real) // 2) * views, 2)
        pair = base + rng.integers(views, size=len(base))
        parts = [drawn.take(pair)]
        if photos is not None:
            parts.append(photos.take(rng.choice(len(photos), size - len(pair), replace=False, p=chance)))
        codes = np.concatenate([part.codes for part in parts])
        titles, said = _titles(codes, near, words)
        pixels = np.concatenate([part.pixels for part in parts])
        masks = [
            part.masks if part.masks is not None else np.full(part.pixels.shape[:3], 255, dtype=np.uint8)
            for part in parts
        ]
        product = np.concatenate([part.product for part in parts])
        yield Samples(pixels, np.concatenate(masks), codes, product, titles, said)


def _balance(photos: Pictures) -> npt.NDArray[np.float64]:
    counts = np.bincount(photos.codes[:, 0])
    chance = counts[photos.codes[:, 0]] ** -0.5
    return np.asarray(chance / chance.sum())


def _titles(codes: Codes, near: int, words: random.Random) -> tuple[list[str], Codes]:
    """A title for each row of codes, and near ones to the first rows that have any."""
    products = [Attributes(*row) for row in codes.tolist()]
    wordings = [words.getrandbits(32) for _ in products]
    made = [make_title(product, words, wording=w) for product, w in zip(products, wordings, strict=True)]
    for index in words.sample(range(len(products)), min(near, len(products))):
        wrong = near_title(products[index], made[index][1], words, wording=wordings[index])
        made += [wrong] if wrong else []
    return [title for title, _ in made], np.asarray([said.row() for _, said in made], dtype=np.int64)
