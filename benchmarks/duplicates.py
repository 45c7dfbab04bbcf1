"""How many copies of a picture does `vitrine duplicates` find, and what does it take for one wrongly?

The sample's photos are split into two halves, each indexed with copies of some of its photos: the same
bytes under another name, resized, JPEG of quality 60, cropped by 5 % at a random place, mirrored, 10 %
brighter; and with decoys, which are other products: the photo with red and blue exchanged, as another colour
of the same product would look. The threshold is chosen on the first half alone; the second half says how good
it is. Pairs of two untouched photos are listed, for an eye to judge: some photos are in the sample twice.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, ImageEnhance, ImageOps
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.sample import open_sample
from indexer.worker import index_opened
from searcher.duplicates import NEAR, Duplicates, Pair, find_duplicates
from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.readers import open_catalogue
from services.encoder.base import Encoder
from services.encoder.registry import load_encoder
from services.settings import Settings, get_settings
from services.store.factory import open_store

THRESHOLDS = (0.85, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
#: A photo less colourful than this (mean difference of red and blue, grey levels) looks the same recoloured.
_COLOURFUL = 25.0
#: Difference of F1 that is not worth opening more pictures for.
_AS_GOOD = 0.005


def _crop(image: Image.Image) -> Image.Image:
    rng = random.Random(image.tobytes()[:4096])
    width, height = (round(side * 0.95) for side in image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def _recolour(image: Image.Image) -> Image.Image:
    red, green, blue = image.split()
    return Image.merge("RGB", (blue, green, red))


COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "resized to 60 %": (
        lambda image: image.resize((image.width * 3 // 5, image.height * 3 // 5), Image.Resampling.LANCZOS),
        90,
    ),
    "JPEG quality 60": (lambda image: image, 60),
    "cropped by 5 %": (_crop, 90),
    "mirrored": (ImageOps.mirror, 90),
    "10 % brighter": (lambda image: ImageEnhance.Brightness(image).enhance(1.1), 90),
}
SAME, DECOY = "same bytes", "recoloured"


@dataclasses.dataclass(frozen=True)
class Half:
    """Pairs found at the lowest threshold, and what was put in: (original, copy) -> kind."""

    found: Duplicates
    copies: dict[tuple[str, str], str]

    def pairs(self, near: float) -> list[Pair]:
        return [pair for group in self.found.groups for pair in group.pairs if pair.cosine >= near]

    def rates(self, near: float) -> tuple[float, float]:
        """Recall over the copies put in, and precision over the pairs found."""
        wanted = {pair for pair, kind in self.copies.items() if kind != DECOY}
        found = {(pair.one, pair.other) for pair in self.pairs(near)}
        return len(found & wanted) / len(wanted), len(found & wanted) / max(len(found), 1)


def main(copies: Annotated[int, typer.Option(min=1, help="Copies of each kind in each half.")] = 100) -> None:
    settings = get_settings()
    catalogue = open_sample(settings)
    encoder = load_encoder(settings)
    photos = []
    for row in catalogue:
        if row.product is not None and row.product.image is not None:
            photos.append(
                (row.product.id, read_image_bytes(row.product.image, base=catalogue.base, settings=settings))
            )
    random.Random(0).shuffle(photos)
    half = len(photos) // 2
    console = Console()
    chosen_on = measure(photos[:half], settings, encoder, copies)
    table = Table(box=box.SIMPLE, title=f"First half, {half} photos", title_justify="left")
    for column in ("near", "recall", "precision", "F1", "pairs found"):
        table.add_column(column, justify="right")
    f1: dict[float, float] = {}
    for near in THRESHOLDS:
        recall, precision = chosen_on.rates(near)
        f1[near] = 2 * recall * precision / max(recall + precision, 1e-9)
        cells = (f"{near:.2f}", f"{recall:.3f}", f"{precision:.3f}", f"{f1[near]:.3f}")
        table.add_row(*cells, str(len(chosen_on.pairs(near))))
    # Of thresholds that are about as good, the highest: it opens the fewest pictures.
    chosen = max(near for near in THRESHOLDS if f1[near] >= max(f1.values()) - _AS_GOOD)
    console.print(table)
    console.print(f"Chosen on the first half: {chosen:.2f}. The default is {NEAR:.2f}.")
    report(measure(photos[half:], settings, encoder, copies), len(photos) - half, console)


def measure(photos: Sequence[tuple[str, bytes]], settings: Settings, encoder: Encoder, copies: int) -> Half:
    """Index these photos with copies of some, and find all duplicates at the lowest threshold."""
    with tempfile.TemporaryDirectory(prefix="vitrine-duplicates-") as folder:
        put_in = _write(photos, Path(folder), settings, copies)
        own = settings.model_copy(update={"data_dir": Path(folder) / "data", "qdrant_url": None})
        store = open_store(own)
        try:
            index_opened(open_catalogue(Path(folder) / "products.csv"), own, encoder, store)
            return Half(find_duplicates(store, own, near=min(THRESHOLDS)), put_in)
        finally:
            store.close()
            shutil.rmtree(own.data_dir)


def _write(
    photos: Sequence[tuple[str, bytes]], folder: Path, settings: Settings, copies: int
) -> dict[tuple[str, str], str]:
    """The photos and one copy each of the first ones, in turn of every kind, as a catalogue."""
    kinds = [SAME, *COPIES, DECOY]
    left = dict.fromkeys(kinds, copies)
    put_in: dict[tuple[str, str], str] = {}
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "image"))
        for number, (name, data) in enumerate(photos):
            (folder / f"{number}.jpg").write_bytes(data)
            writer.writerow((name, f"{number}.jpg"))
            if (made := _copy(data, kinds[number % len(kinds)], left, settings)) is not None:
                copy = f"{name}~copy"
                (folder / f"{number}-copy.jpg").write_bytes(made)
                writer.writerow((copy, f"{number}-copy.jpg"))
                put_in[name, copy] = kinds[number % len(kinds)]
    return put_in


def _copy(data: bytes, kind: str, left: dict[str, int], settings: Settings) -> bytes | None:
    """The copy, or None if there are enough of its kind."""
    if not left[kind]:
        return None
    if kind == SAME:
        made = data
    else:
        image = decode_image(data, max_pixels=settings.max_image_pixels)
        if kind == DECOY:
            colours = np.asarray(image, dtype=np.float32)
            if np.abs(colours[..., 0] - colours[..., 2]).mean() < _COLOURFUL:
                return None
        change, quality = COPIES.get(kind, (_recolour, 90))
        out = io.BytesIO()
        change(image).save(out, "JPEG", quality=quality)
        made = out.getvalue()
    left[kind] -= 1
    return made


def report(half: Half, photos: int, console: Console) -> None:
    """Recall by kind at the default threshold, and every pair that was not put in."""
    found = {(pair.one, pair.other): pair for pair in half.pairs(NEAR)}
    table = Table(box=box.SIMPLE, title=f"Second half, {photos} photos, near {NEAR}", title_justify="left")
    for column in ("copies", "put in", "found", "recall", "evidence"):
        table.add_column(column, justify="left" if column in ("copies", "evidence") else "right")
    for kind in dict.fromkeys([SAME, *COPIES, DECOY]):
        pairs = [pair for pair, what in half.copies.items() if what == kind]
        hit = [found[pair] for pair in pairs if pair in found]
        counts = {one.evidence: sum(other.evidence == one.evidence for other in hit) for one in hit}
        told = ", ".join(f"{evidence} {count}" for evidence, count in counts.items())
        name = f"{kind} (decoy)" if kind == DECOY else kind
        table.add_row(name, str(len(pairs)), str(len(hit)), f"{len(hit) / max(len(pairs), 1):.3f}", told)
    console.print(table)
    recall, precision = half.rates(NEAR)
    console.print(f"All kinds but the decoys: recall {recall:.3f}, precision {precision:.3f}.")
    console.print(
        f"{half.found.near:,} pairs were near at {min(THRESHOLDS)}, {half.found.different:,} of them told "
        "apart by their pixels."
    )
    for pair in found.values():
        if (pair.one, pair.other) not in half.copies:
            console.print(f"Not put in: {pair}", soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
