"""Real clothing photos without titles: which split a photo belongs to, its garment's colour, a title.

`python -m services.encoder.train.photos FOLDER OUT.csv` writes the photos as a catalogue with made
titles, a `colour` and a `split` column, which is what the demo indexes and `vitrine evaluate` measures.
"""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from services.encoder.train.colours import COLOURS, nearest, srgb_to_lab
from services.encoder.train.titles import CATEGORIES, UNKNOWN

#: Ids of the photos no training ever sees and no checkpoint is picked by.
HELD_OUT = Path(__file__).with_name("heldout.txt")


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
    held_out = held_out_ids()
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
                _split(row["id"], rows[group]["id"], held_out),
            )
            for row, colour, group in zip(rows, colours, groups, strict=True)
        ]


def read_rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the folder's `products.csv`: id, category, kids, image."""
    with (folder / "products.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def held_out_ids() -> frozenset[str] | None:
    """Ids of the held-out photos, or None before they have been fixed."""
    return frozenset(HELD_OUT.read_text().split()) if HELD_OUT.exists() else None


def write_held_out(ids: list[str]) -> None:
    """Fix the list of held-out photos once and for all; does nothing if it is written already."""
    if not HELD_OUT.exists():
        HELD_OUT.write_text("\n".join(ids) + "\n")


def _split(photo_id: str, group_id: str, held_out: frozenset[str] | None) -> str:
    if held_out is not None and photo_id in held_out:
        return "test"
    share = int(hashlib.sha256(group_id.encode()).hexdigest()[:8], 16) / 2**32
    if held_out is None and share < 0.15:
        return "test"
    return "validation" if share < 0.23 else "train"


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


def _titled(job: tuple[Path, dict[str, str]]) -> dict[str, str]:
    folder, row = job
    colour = garment_colour(_thumbnail(folder / row["image"]))
    held_out = row["id"] in (held_out_ids() or ())
    photo = Photo(row["id"], row["category"], folder / row["image"], colour, "test" if held_out else "train")
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
    """The photos as catalogue rows with a made title, the measured colour and its family; `split` is
    "test" for the held-out photos. Pictures are paths relative to the folder."""
    jobs = [(folder, row) for row in read_rows(folder)]
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_titled, jobs, chunksize=32)


def write_catalogue(folder: Path, out: Path) -> int:
    """Write the photos of a folder as a CSV catalogue; returns how many there are."""
    out.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: whoever finds the file may take it for complete.
    part = out.with_suffix(".part")
    count = 0
    with part.open("w", newline="", encoding="utf-8") as file:
        writer: csv.DictWriter[str] | None = None
        for row in titled_rows(folder):
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
            count += 1
    part.rename(out)
    return count


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m services.encoder.train.photos FOLDER OUT.csv")
    print(f"{write_catalogue(Path(sys.argv[1]), Path(sys.argv[2]))} products in {sys.argv[2]}")
