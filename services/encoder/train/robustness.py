"""What is left of the figures when pictures are turned, cut, dim, blurred or somewhere else.

`python -m services.encoder.train.robustness` prints a Markdown table over the test photos. Text->image
recall@10 has every photo of the catalogue changed; image->image class mAP searches the clean photos with
the changed ones, as customers' pictures would.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image, ImageEnhance, ImageFilter

from services.encoder.base import Encoder
from services.encoder.train.heldout import features, load, photographed, unseen_photos
from services.encoder.train.measure import Measured, label_map, recall, titles_of
from services.encoder.train.photos import Photo, load_with_mask

Change = Callable[[Image.Image, np.random.Generator], Image.Image]

#: Side in pixels at which garments are cut out to be put on another background.
SIDE = 224


@dataclass(frozen=True)
class Row:
    """Both figures under one change, and what they are without it."""

    name: str
    recall: float
    class_map: float

    def cells(self) -> tuple[str, str, str]:
        return self.name, f"{self.recall:.3f}", f"{self.class_map:.3f}"


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """The picture turned about its middle, at its own size; what turns in from outside is mirrored."""
    if degrees % 90 == 0:
        return image.rotate(degrees, expand=True)
    pixels = np.asarray(image)
    margin = max(pixels.shape[:2]) // 2
    # Reflection cannot reach further than the picture itself.
    high, wide = (min(margin, side - 1) for side in pixels.shape[:2])
    larger = Image.fromarray(np.pad(pixels, ((high, high), (wide, wide), (0, 0)), mode="reflect"))
    whole = larger.rotate(degrees, Image.Resampling.BICUBIC)
    return whole.crop((wide, high, wide + image.width, high + image.height))


def cropped(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """A window of that share of either side, anywhere in the picture."""
    width, height = round(image.width * share), round(image.height * share)
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    """The picture after JPEG at that quality."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def noisy(image: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """Gaussian noise of that standard deviation, in steps of 255, on every channel of every pixel."""
    pixels = np.asarray(image, dtype=np.float32)
    changed = pixels + rng.normal(0, deviation, pixels.shape)
    return Image.fromarray(np.clip(changed, 0, 255).astype(np.uint8))


#: The photos' shorter side is 224 pixels; blur is in such pixels.
CHANGES: dict[str, Change] = {
    "turned by 15 degrees": lambda image, rng: turned(image, 15),
    "turned by 45 degrees": lambda image, rng: turned(image, 45),
    "turned by 90 degrees": lambda image, rng: turned(image, 90),
    "cropped to 70 % of either side": lambda image, rng: cropped(image, 0.7, rng),
    "dark (x 0.5)": lambda image, rng: ImageEnhance.Brightness(image).enhance(0.5),
    "bright (x 1.5)": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.5),
    "blurred (radius 2.5 px)": lambda image, rng: image.filter(ImageFilter.GaussianBlur(2.5)),
    "JPEG, quality 15": lambda image, rng: compressed(image, 15),
    "noise (deviation 20 of 255)": lambda image, rng: noisy(image, 20, rng),
}


def without_garment(pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> Image.Image:
    """The background of a photo, uint8 [s, s, 3]: where its garment was, the surroundings run together.

    `mask` is uint8 [s, s], 255 on the garment.
    """
    side = len(pixels)
    hidden = np.asarray(Image.fromarray(mask).filter(ImageFilter.MaxFilter(9)), dtype=np.float32) / 255
    seen = pixels * (1 - hidden[..., None])
    filled = np.zeros_like(seen)
    missing = np.ones_like(hidden)
    # Averages of what is seen around, over fine cells first, then over ever coarser ones.
    for cells in (side // 8, side // 24, 4, 1):
        weight = _averages(1 - hidden, cells)
        colour = np.stack([_averages(seen[..., channel], cells) for channel in range(3)], -1)
        share = missing * np.clip(weight * 8, 0, 1)
        filled += share[..., None] * colour / np.maximum(weight, 1e-4)[..., None]
        missing -= share
    filled += missing[..., None] * 128
    result = seen + hidden[..., None] * filled
    return Image.fromarray(np.clip(result, 0, 255).astype(np.uint8))


def _averages(values: npt.NDArray[np.floating], cells: int) -> npt.NDArray[np.float32]:
    """Averages over cells x cells parts of a square of values [s, s], smoothed back to [s, s]."""
    coarse = Image.fromarray(values.astype(np.float32)).resize((cells, cells), Image.Resampling.BOX)
    return np.asarray(coarse.resize(values.shape, Image.Resampling.BILINEAR), dtype=np.float32)


def elsewhere(photos: Sequence[Photo], rng: np.random.Generator) -> tuple[list[Image.Image], int]:
    """Each photo's garment on the background of another of the photos, SIDE x SIDE pixels, and how many
    photos that worked for: one whose garment cannot be told from its background stays as it is."""
    loaded = [load_with_mask(photo.path, SIDE) for photo in photos]
    pictures = [Image.fromarray(pixels) for pixels, _ in loaded]
    cut = [index for index, (_, mask) in enumerate(loaded) if mask.min() == 0]
    # A cycle in random order: nobody keeps its own background.
    order = rng.permutation(cut)
    for index, other in zip(order, np.roll(order, 1), strict=True):
        edge = Image.fromarray(loaded[index][1]).filter(ImageFilter.GaussianBlur(1))
        pictures[index] = Image.composite(pictures[index], without_garment(*loaded[other]), edge)
    return pictures, len(cut)


def measure_robustness(encoder: Encoder, photos: Sequence[Photo], *, seed: int = 0) -> list[Row]:
    """The clean figures first, then those under each change."""
    clean = photographed(photos)
    looked = features(encoder, clean.images, "clean")
    labels, titles = clean.codes[:, 0], titles_of(clean.codes)

    def row(name: str, images: list[Image.Image]) -> Row:
        changed = features(encoder, images, name)
        ranked = recall(Measured(changed, encoder.encode_texts, clean.codes), titles)
        return Row(name, ranked["recall"], label_map(looked, labels, changed))

    rows = [row("clean", clean.images)]
    for name, change in CHANGES.items():
        rng = np.random.default_rng(seed)
        rows.append(row(name, [change(image, rng) for image in clean.images]))
    moved, count = elsewhere(photos, np.random.default_rng(seed))
    rows.append(row(f"on another's background ({count} of {len(photos)})", moved))
    return rows


def as_markdown(rows: Sequence[Row]) -> str:
    lines = ["| photos | text->image recall@10 | image->image class mAP |", "|---|---:|---:|"]
    return "\n".join(lines + [f"| {' | '.join(row.cells())} |" for row in rows])


def main(
    encoder: Annotated[
        str, typer.Option(help="Encoder to measure, as in VITRINE_ENCODER.")
    ] = "vitrine-compact",
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    seed: Annotated[int, typer.Option(help="Seed of crops, noise and backgrounds.")] = 0,
) -> None:
    """Print the figures of an encoder over changed test photos."""
    print(as_markdown(measure_robustness(load(encoder), unseen_photos(photos), seed=seed)))


if __name__ == "__main__":
    typer.run(main)
