"""Pictures that training never sees, as any encoder gets them: test photos and products of other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from services.encoder.base import Encoder
from services.encoder.registry import load_encoder
from services.encoder.train.data import rendered
from services.encoder.train.measure import Array, Codes, Measured
from services.encoder.train.photos import Photo, read_photos
from services.encoder.train.photos import load as load_photo
from services.settings import Settings

#: Seeds of rendered products to measure with lie beyond those of training and validation.
FIRST_SEED = 2_000_000

#: Where progress is told, so that tables on stdout can be piped.
PROGRESS = Console(stderr=True)


@dataclass(frozen=True)
class HeldOut:
    """RGB pictures with the attribute codes of what they show, int64 [n, 6] as `Attributes.row`."""

    images: list[Image.Image]
    codes: Codes


def unseen_photos(folder: Path) -> list[Photo]:
    """The test photos of a folder with `products.csv`, in the order of the file."""
    return [photo for photo in read_photos(folder) if photo.split == "test"]


def codes_of(photos: Sequence[Photo]) -> Codes:
    """What is known of photos, by label and by measurement: int64 [n, 6]."""
    return np.asarray([photo.attributes.row() for photo in photos], dtype=np.int64)


def photographed(photos: Sequence[Photo]) -> HeldOut:
    """The photos opened."""
    return HeldOut([load_photo(photo.path) for photo in photos], codes_of(photos))


def drawn(products: int, cache: Path) -> HeldOut:
    """One view of each of `products` rendered products, drawn once and kept in the cache folder."""
    pictures = rendered(products, 1, first=FIRST_SEED, cache=cache)
    return HeldOut([Image.fromarray(pixels) for pixels in pictures.pixels], pictures.codes)


def load(name: str | None) -> Encoder:
    """The encoder of that name (None: the one that ships), on the CPU. Raises `EncoderUnavailable`."""
    chosen = {"encoder": name} if name else {}
    return load_encoder(Settings(device="cpu", **chosen))  # type: ignore[arg-type]


def features(encoder: Encoder, images: Sequence[Image.Image], doing: str) -> Array:
    """Unit features of pictures, float32 [n, d], with a progress bar."""
    starts = track(range(0, len(images), 64), doing, console=PROGRESS, transient=True)
    return np.concatenate([encoder.encode_images(images[at : at + 64]) for at in starts])


def look(encoder: Encoder, seen: HeldOut, doing: str) -> Measured:
    """What the encoder makes of the pictures, for the figures of `measure`."""
    return Measured(features(encoder, seen.images, doing), encoder.encode_texts, seen.codes)
