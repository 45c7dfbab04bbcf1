"""Real clothing photos without titles: which split a photo belongs to, its garment's colour, a title.

`python -m services.encoder.train.photos FOLDER OUT.csv` writes the photos as a catalogue with made
titles, a `colour` and a `split` column, which is what the demo indexes and `vitrine evaluate` measures.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from services.encoder.train.colours import COLOURS, nearest, srgb_to_lab
from services.encoder.train.titles import CATEGORIES, UNKNOWN

#: `test.txt` lists the photos that no training ever sees and no choice is made by, `validation.txt` those
#: that choices are made by.
SPLITS = Path(__file__).with_name("splits")


@dataclass(frozen=True)
class Photo:
    """One photo: `colour` indexes `COLOURS` (UNKNOWN: not clear), `split` is train, validation or test."""

    id: str
    category: str
    path: Path
    colour: int
    split: str

    @property
    def colour_name(self) -> str:
        return COLOURS[self.colour].name if self.colour != UNKNOWN else ""

    @property
    def title(self) -> str:
        """A plain title such as a shop would give: measured colour and class."""
        return f"{self.colour_name} {CATEGORIES[self.category][0]}".strip().capitalize()


def read_photos(folder: Path) -> list[Photo]:
    """All photos of a folder with `products.csv` (id, category, image), in the order of the file."""
    rows = read_rows(folder)
    fixed = fixed_splits()
    with ProcessPoolExecutor() as pool:
        thumbnails = list(pool.map(_thumbnail, [folder / row["image"] for row in rows], chunksize=32))
        colours = pool.map(garment_colour, thumbnails, chunksize=32)
        groups = near_duplicates(np.stack(thumbnails))
        return [
            Photo(
                row["id"],
                row["category"],
                folder / row["image"],
                colour,
                _split(row["id"], rows[group]["id"], fixed),
            )
            for row, colour, group in zip(rows, colours, groups, strict=True)
        ]


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the folder's `products.csv`: id, category, kids, image."""
    with (folder / "products.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fixed_splits() -> dict[str, str]:
    """Photo id -> "test" or "validation", for the photos that are listed."""
    return {
        photo_id: name
        for name in ("validation", "test")
        if (SPLITS / f"{name}.txt").exists()
        for photo_id in (SPLITS / f"{name}.txt").read_text().split()
    }


def _split(photo_id: str, group_id: str, fixed: dict[str, str]) -> str:
    if known := fixed.get(photo_id) or fixed.get(group_id):
        return known
    if fixed:
        return "train"
    # No lists yet: near-duplicates share the id of their group, and so their fate.
    share = int(hashlib.sha256(group_id.encode()).hexdigest()[:8], 16) / 2**32
    return "test" if share < 0.15 else "validation" if share < 0.23 else "train"


def write_splits(photos: Iterable[Photo]) -> None:
    """Fix the lists of test and validation photos once and for all; does nothing if they are written."""
    if SPLITS.exists():
        return
    SPLITS.mkdir()
    listed = list(photos)
    for name in ("test", "validation"):
        ids = [photo.id for photo in listed if photo.split == name]
        (SPLITS / f"{name}.txt").write_text("\n".join(ids) + "\n")


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


def garment_colour(pixels: npt.NDArray[np.uint8]) -> int:
    """Index into `COLOURS` of the garment's main colour in a uint8 [s, s, 3] picture, or UNKNOWN.

    The picture is cut into a few colour clusters; a cluster counts as garment by how much more of
    the middle than of the border it covers. The named colour that most garment pixels are nearest to
    wins, if it holds a clear share.
    """
    side = pixels.shape[0]
    clusters = np.asarray(Image.fromarray(pixels).quantize(8, Image.Quantize.MEDIANCUT, kmeans=3))
    y, x = np.mgrid[0:side, 0:side] / (side - 1) - 0.5
    middle = np.exp(-((x / 0.22) ** 2 + (y / 0.28) ** 2))
    border = (np.maximum(np.abs(x), np.abs(y)) > 0.43).astype(np.float64)
    inside = np.bincount(clusters.ravel(), (middle / middle.sum()).ravel(), 256)
    outside = np.bincount(clusters.ravel(), (border / border.sum()).ravel(), 256)
    garment = (inside / (inside + 0.8 * outside + 1e-9))[clusters]
    weight = middle * np.clip(garment - 0.45, 0, None)
    if weight.sum() < 0.02 * middle.sum():
        return UNKNOWN
    # Photos at home are dim, flat and tinted: stretch the levels, and correct the tint a little (grey world).
    low, high = np.quantile(pixels.mean(-1), (0.01, 0.97))
    low = min(float(low), 40.0)
    levelled = (pixels.astype(np.float32) - low) * (240 / max(float(high) - low, 120.0))
    mean = levelled.reshape(-1, 3).mean(0)
    corrected = np.clip(levelled * (1 + 0.15 * (mean.mean() / (mean + 1e-3) - 1)), 0, 255)
    names = nearest(corrected)
    votes = np.bincount(names.ravel(), weight.ravel(), len(COLOURS))
    share = votes / votes.sum()
    families: dict[str, float] = {}
    for colour, part in zip(COLOURS, share, strict=True):
        families[colour.family] = families.get(colour.family, 0.0) + float(part)
    family, held = max(families.items(), key=lambda item: item[1])
    if held < 0.34:
        return UNKNOWN
    lab = srgb_to_lab(corrected[weight > np.quantile(weight, 0.7)]).mean(0)
    members = [index for index, colour in enumerate(COLOURS) if colour.family == family]
    # Within the family, the shade nearest to the garment's mean lightness and chroma.
    shades = srgb_to_lab([COLOURS[index].rgb for index in members])
    best = members[int(((shades - lab) ** 2).sum(-1).argmin())]
    return best if share[best] > 0.5 * share[members].max() else members[int(share[members].argmax())]


def _titled(job: tuple[Path, dict[str, str], str]) -> dict[str, str]:
    folder, row, split = job
    colour = garment_colour(_thumbnail(folder / row["image"]))
    photo = Photo(row["id"], row["category"], folder / row["image"], colour, split)
    return {
        "id": photo.id,
        "title": photo.title,
        "image": row["image"],
        "category": photo.category,
        "colour": photo.colour_name,
        "family": COLOURS[colour].family if colour != UNKNOWN else "",
        "kids": row.get("kids", ""),
        "split": photo.split,
    }


def titled_rows(folder: Path) -> Iterator[dict[str, str]]:
    """The photos as catalogue rows with a made title, the measured colour and its family; `split`
    is train, validation or test. Pictures are paths relative to the folder."""
    splits = fixed_splits()
    jobs = [(folder, row, splits.get(row["id"], "train")) for row in read_rows(folder)]
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_titled, jobs, chunksize=32)


def main(folder: Path, out: Path) -> None:
    """Write the photos of a folder as a CSV catalogue."""
    with out.open("w", newline="", encoding="utf-8") as file:
        rows = list(titled_rows(folder))
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} products in {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m services.encoder.train.photos FOLDER OUT.csv")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
