"""The training set as arrays: pictures as uint8, attributes as codes, and balanced batches of both kinds.

Pictures are drawn or decoded once and kept in a cache folder; a batch only indexes, so the two cores
stay with the network. Products, not pictures, are split: a validation product has no view in training.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps

from services.encoder.train.photos import read_photos, write_splits
from services.encoder.train.render import SHAPES, make_product, view
from services.encoder.train.titles import UNKNOWN, Attributes, make_title, product_attributes

#: Side of the stored pictures: a little larger than what the network sees, to crop from.
STORED = 144


@dataclass
class Pictures:
    """`pixels` uint8 [n, STORED, STORED, 3]; `codes` int [n, 5] as `Attributes.row`; `product` int [n]."""

    pixels: npt.NDArray[np.uint8]
    codes: npt.NDArray[np.int64]
    product: npt.NDArray[np.int64]
    ids: list[str]

    def __len__(self) -> int:
        return len(self.codes)

    def subset(self, keep: npt.NDArray[np.bool_]) -> Pictures:
        return Pictures(
            self.pixels[keep],
            self.codes[keep],
            self.product[keep],
            [i for i, k in zip(self.ids, keep, strict=True) if k],
        )


def rendered(products: int, views: int, *, first: int, cache: Path) -> Pictures:
    """`views` pictures of each of `products` products, seeds from `first` on; categories take turns."""
    path = cache / f"rendered-{first}-{products}x{views}-{STORED}.npy"
    names = tuple(SHAPES)
    seeds = [(first + n, names[n % len(names)], views) for n in range(products)]
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            drawn = np.concatenate(list(pool.map(_draw_views, seeds, chunksize=64)))
        np.save(path.with_suffix(".part.npy"), drawn)
        path.with_suffix(".part.npy").rename(path)
    pixels = np.load(path)
    rows = [make_product(seed, category).attributes.row() for seed, category, _ in seeds]
    codes = np.repeat(np.asarray(rows, dtype=np.int64), views, axis=0)
    product = np.repeat(np.arange(first, first + products, dtype=np.int64), views)
    return Pictures(pixels, codes, product, [f"rendered-{seed}" for seed in product])


def _draw_views(job: tuple[int, str, int]) -> npt.NDArray[np.uint8]:
    seed, category, views = job
    product = make_product(seed, category)
    return np.stack([np.asarray(view(product, number, STORED)) for number in range(views)])


def photographed(folder: Path, *, cache: Path) -> dict[str, Pictures]:
    """The real photos by split (train, validation, test), squashed to a square; colours are measured."""
    photos = read_photos(folder)
    write_splits(photos)
    path = cache / f"photos-{len(photos)}-{STORED}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(path, np.stack([_load(photo.path) for photo in photos]))
    codes = [product_attributes(photo.category, photo.colour, None, None).row() for photo in photos]
    everything = Pictures(
        np.load(path),
        np.asarray(codes, dtype=np.int64),
        -1 - np.arange(len(photos)),
        [photo.id for photo in photos],
    )
    split = np.asarray([photo.split for photo in photos])
    return {name: everything.subset(split == name) for name in ("train", "validation", "test")}


def _load(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((STORED, STORED), Image.Resampling.BICUBIC))


def batches(
    drawn: Pictures, photos: Pictures | None, size: int, share: float, seed: int
) -> Iterator[
    tuple[
        npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64], list[str], npt.NDArray[np.int64]
    ]
]:
    """Endless batches: pixels, product codes, product numbers, titles, title codes.

    `share` of each batch are photos, classes balanced by the square root of their frequency; rendered
    products come with two views each, so that image-image positives exist.
    """
    rng = np.random.default_rng(seed)
    words = random.Random(seed)
    real = int(size * share) if photos is not None else 0
    views = len(drawn) // len(np.unique(drawn.product))
    chance = None
    if photos is not None:
        counts = np.bincount(photos.codes[:, 0], minlength=len(SHAPES)).astype(np.float64)
        chance = counts[photos.codes[:, 0]] ** -0.5
        chance /= chance.sum()
    while True:
        base = rng.integers(len(drawn) // views, size=(size - real) // 2) * views
        pair = np.stack(
            [base + rng.integers(views, size=len(base)), base + rng.integers(views, size=len(base))], 1
        ).ravel()
        pixels, codes, product = [drawn.pixels[pair]], [drawn.codes[pair]], [drawn.product[pair]]
        if photos is not None:
            chosen = rng.choice(len(photos), size - len(pair), replace=False, p=chance)
            pixels.append(photos.pixels[chosen])
            codes.append(photos.codes[chosen])
            product.append(photos.product[chosen])
        all_codes = np.concatenate(codes)
        titles = [make_title(Attributes(*(int(code) for code in row)), words) for row in all_codes]
        said = np.asarray([attributes.row() for _, attributes in titles], dtype=np.int64)
        yield np.concatenate(pixels), all_codes, np.concatenate(product), [title for title, _ in titles], said


def augment(pixels: npt.NDArray[np.uint8], size: int, generator: torch.Generator) -> torch.Tensor:
    """Random crop, turn, squeeze, mirror, light, erasing: uint8 [n, s, s, 3] -> float32 [n, 3, size, size].

    Hue is left alone, since titles name colours. One affine grid does all the geometry.
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    n = len(images)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    angle = uniform(-0.3, 0.3) * (uniform(0, 1) < 0.7)
    scale = uniform(0.6, 1.12)
    stretch = torch.exp(uniform(-0.2, 0.2))
    mirror = (uniform(0, 1) < 0.5).float() * 2 - 1
    room = (1.12 - scale).clamp(min=0) * 0.8 + 0.05
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * stretch * angle.cos() * mirror, -scale * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = scale * angle.sin() * mirror, scale / stretch * angle.cos()
    theta[:, :, 2] = uniform(-1, 1, 2) * room[:, None]
    grid = torch.nn.functional.affine_grid(theta, [n, 3, size, size], align_corners=False)
    images = torch.nn.functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain, lift = uniform(0.75, 1.25, 1, 1, 1), uniform(-0.06, 0.06, 1, 1, 1)
    tint = 1 + uniform(-0.06, 0.06, 3, 1, 1)
    images = ((images - 0.5) * gain + 0.5 + lift) * tint
    erased = (uniform(0, 1) < 0.3).nonzero().flatten().tolist()
    for index in erased:
        height, width = (int(v) for v in torch.randint(size // 8, size // 3, (2,), generator=generator))
        top, left = (int(v) for v in torch.randint(0, size - size // 3, (2,), generator=generator))
        images[index, :, top : top + height, left : left + width] = torch.rand(3, 1, 1, generator=generator)
    return images.clamp_(0, 1).sub_(0.5).div_(0.5)


def plain(pixels: npt.NDArray[np.uint8], size: int) -> torch.Tensor:
    """Pictures to measure with, scaled as the shipped preprocessing does: float32 [n, 3, size, size]."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    resized = torch.nn.functional.interpolate(images, (size, size), mode="bicubic", antialias=True)
    return resized.clamp_(0, 1).sub_(0.5).div_(0.5)


def known(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Pictures whose colour somebody knows: bool [n]."""
    return np.asarray(codes[:, 1] != UNKNOWN)
