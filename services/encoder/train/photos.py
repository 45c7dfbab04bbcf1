"""Real clothing photos without titles: which split a photo belongs to, what its garment looks like, a title.

Colours and patterns are measured once, by `measure`, and kept in `splits/garments.csv`; everything else
reads that file, and needs no OpenCV.

    python -m services.encoder.train.photos measure FOLDER            write splits/garments.csv
    python -m services.encoder.train.photos catalogue FOLDER OUT.csv  the photos with made titles
    python -m services.encoder.train.photos sheet FOLDER OUT.png      a contact sheet, to judge titles by eye
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from services.encoder.train.colours import COLOURS, INDEX
from services.encoder.train.titles import NONE, UNKNOWN, Attributes, product_attributes

#: `test.txt` lists the photos that no training ever sees and no choice is made by, `validation.txt` those
#: that choices are made by; `garments.csv` has what was measured of each photo.
SPLITS = Path(__file__).with_name("splits")
GARMENTS = SPLITS / "garments.csv"

#: Patterns as a made title says them; "plain" goes without saying.
_SAID = {"plain": "", "graphic": "graphic print", "dotted": "polka dot"}


@dataclass(frozen=True)
class Photo:
    """One photo, what its garment looks like, and its split (train, validation or test).

    `colour` and `accent` (the second colour) index `COLOURS`, or are UNKNOWN where they are not clear;
    `accent` is NONE for a garment of one colour. `pattern` is a name, or None where it is not clear.
    """

    id: str
    category: str
    path: Path
    colour: int = UNKNOWN
    accent: int = UNKNOWN
    pattern: str | None = None
    split: str = "train"

    @property
    def attributes(self) -> Attributes:
        """Codes of what is known of it, by label and by measurement; its material is not."""
        return product_attributes(self.category, self.colour, self.pattern, None, self.accent)

    @property
    def colour_name(self) -> str:
        return COLOURS[self.colour].name if self.colour >= 0 else ""

    @property
    def accent_name(self) -> str:
        return COLOURS[self.accent].name if self.accent >= 0 else ""

    @property
    def title(self) -> str:
        """A title as a shop would give it, of what is known: "Navy and white striped longsleeve"."""
        colours = " and ".join(name for name in (self.colour_name, self.accent_name) if name)
        pattern = _SAID.get(self.pattern, self.pattern) if self.pattern else ""
        return " ".join(f"{colours} {pattern} {self.category}".split()).capitalize()


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the folder's `products.csv`: id, category, kids, image."""
    with (folder / "products.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_photos(folder: Path) -> list[Photo]:
    """All photos of a folder with `products.csv`, in the order of the file.

    What was measured of them comes from `garments.csv`: a photo that is not in it has its class alone.
    """
    rows = read_rows(folder)
    splits = fixed_splits() or _new_splits(folder, rows)
    return [_photo(folder, row, splits.get(row["id"], "train")) for row in rows]


def _photo(folder: Path, row: dict[str, str], split: str) -> Photo:
    colour, accent, pattern = read_garments().get(row["id"], (UNKNOWN, UNKNOWN, None))
    return Photo(row["id"], row["category"], folder / row["image"], colour, accent, pattern, split)


@functools.cache
def read_garments() -> dict[str, tuple[int, int, str | None]]:
    """Photo id -> colour, accent and pattern as in `Photo`, for every photo that was measured."""
    if not GARMENTS.exists():
        return {}
    codes = INDEX | {"": UNKNOWN, "none": NONE}
    with GARMENTS.open(newline="", encoding="utf-8") as file:
        return {
            row["id"]: (codes[row["colour"]], codes[row["accent"]], row["pattern"] or None)
            for row in csv.DictReader(file)
        }


def write_garments(photos: Iterable[Photo]) -> None:
    """Keep what was measured of the photos, one line each; an empty field is not known."""
    with GARMENTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "colour", "accent", "pattern"))
        for photo in photos:
            accent = "none" if photo.accent == NONE else photo.accent_name
            writer.writerow((photo.id, photo.colour_name, accent, photo.pattern or ""))
    read_garments.cache_clear()


def titled_rows(folder: Path) -> Iterator[dict[str, str]]:
    """The photos as catalogue rows with a made title and what was measured; `split` is train, validation
    or test. Pictures are paths relative to the folder."""
    for row, photo in zip(read_rows(folder), read_photos(folder), strict=True):
        yield {
            "id": photo.id,
            "title": photo.title,
            "image": row["image"],
            "category": photo.category,
            "colour": photo.colour_name,
            "family": COLOURS[photo.colour].family if photo.colour >= 0 else "",
            "accent": photo.accent_name,
            "pattern": photo.pattern or "",
            "kids": row.get("kids", ""),
            "split": photo.split,
        }


def load(path: Path) -> Image.Image:
    """The photo as RGB, turned upright."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def load_with_mask(path: Path, side: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A photo squashed to a square, uint8 [side, side, 3], and its garment's mask, uint8 [side, side].

    The mask is 255 on the garment, 0 off it and between on a soft edge; all 255 where the garment was
    not found for sure, so that nothing is taken for background wrongly.
    """
    from services.encoder.train.garment import MASK_SIDE, garment_mask  # needs OpenCV

    picture = load(path)
    pixels = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC))
    small = np.asarray(picture.resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BICUBIC))
    garment = garment_mask(small)
    if not garment.sure:
        return pixels, np.full((side, side), 255, dtype=np.uint8)
    mask = Image.fromarray(garment.mask * np.uint8(255)).resize((side, side), Image.Resampling.BICUBIC)
    return pixels, np.asarray(mask)


def fixed_splits() -> dict[str, str]:
    """Photo id -> "test" or "validation", for the photos that are listed; all others are for training."""
    return {
        photo_id: name
        for name in ("validation", "test")
        if (SPLITS / f"{name}.txt").exists()
        for photo_id in (SPLITS / f"{name}.txt").read_text().split()
    }


def _new_splits(folder: Path, rows: list[dict[str, str]]) -> dict[str, str]:
    """How the lists were drawn, for a folder without: near-duplicates share the id of their group, and so
    their fate."""
    with ProcessPoolExecutor() as pool:
        thumbnails = list(pool.map(_thumbnail, [folder / row["image"] for row in rows], chunksize=32))
    splits = {}
    for row, group in zip(rows, near_duplicates(np.stack(thumbnails)), strict=True):
        digest = hashlib.sha256(rows[group]["id"].encode()).hexdigest()
        share = int(digest[:8], 16) / 2**32
        splits[row["id"]] = "test" if share < 0.15 else "validation" if share < 0.23 else "train"
    return splits


def _thumbnail(path: Path, side: int = 64) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        image.draft("RGB", (side * 2, side * 2))
        return np.asarray(
            ImageOps.exif_transpose(image).convert("RGB").resize((side, side), Image.Resampling.BOX)
        )


def near_duplicates(thumbnails: npt.NDArray[np.uint8], threshold: float = 0.93) -> npt.NDArray[np.intp]:
    """For each picture, uint8 [n, s, s, 3], the first picture that shows the same thing (or itself).

    Two pictures count as the same if their 16 x 16 colour thumbnails, or one of them mirrored,
    correlate above the threshold; sameness is passed on (connected components).
    """
    n, side = len(thumbnails), thumbnails.shape[1]
    small = thumbnails.reshape(n, 16, side // 16, 16, side // 16, 3).mean((2, 4))

    def unit(pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        flat = pictures.reshape(n, -1)
        flat = flat - flat.mean(1, keepdims=True)
        return np.asarray(flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6))

    plain = unit(small)
    same = np.maximum(plain @ plain.T, plain @ unit(small[:, :, ::-1]).T) > threshold
    first = np.arange(n)
    for index in range(n):
        neighbours = np.flatnonzero(same[index] | same[:, index])
        roots = np.unique(first[neighbours])
        first[np.isin(first, roots)] = roots.min()
    return first


def write_catalogue(folder: Path, out: Path) -> None:
    """Write the photos of a folder as a CSV catalogue."""
    with out.open("w", newline="", encoding="utf-8") as file:
        rows = list(titled_rows(folder))
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} products in {out}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="photos", description="Measure and title the clothing photos.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("measure", "catalogue", "sheet"):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        if name != "measure":
            command.add_argument("out", type=Path)
        if name == "sheet":
            command.add_argument("--count", type=int, default=100)
            command.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.command == "catalogue":
        write_catalogue(given.folder, given.out)
        return
    from services.encoder.train import garment_measure  # needs OpenCV

    if given.command == "measure":
        garment_measure.measure(given.folder)
    else:
        garment_measure.sheet(given.folder, given.out, given.count, given.seed)


if __name__ == "__main__":
    main()
