"""A picture to judge the encoder by eye: twelve queries, each with the eight best of the real photos.

`python -m services.encoder.train.show OUT.png` indexes the photos that training never saw (validation and
test; `--everything`: all of them) without titles, so that only what the encoder sees decides, asks the real
engine, and draws a row for each query. Query photos are test photos and are left out of the index.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw, ImageFont, ImageOps

from indexer.worker import index_opened
from searcher.engine import Engine
from searcher.query import Part, Query
from services.catalogue.readers import open_catalogue
from services.encoder.base import Encoder
from services.encoder.train.colours import COLOURS
from services.encoder.train.heldout import PROGRESS, load
from services.encoder.train.photos import Photo, read_photos
from services.encoder.train.photos import load as load_photo
from services.settings import Settings
from services.store.factory import open_store

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Answers to each query.
TOP = 8
#: Sides and spaces of the drawing, pixels.
CELL, GAP, LABEL = 150, 10, 40
INK, PALE = (20, 20, 20), (120, 120, 120)


@dataclass(frozen=True)
class Asked:
    """A query: words, a photo given by its class and colour family, or both."""

    text: str | None = None
    photo: tuple[str, str] | None = None


#: Five by words, three by photo, four by both; two in Chinese.
QUERIES = (
    Asked("red dress"),
    Asked("white sneakers"),
    Asked("black t-shirt"),
    Asked("blue jeans"),
    Asked("黑色连衣裙"),
    Asked(photo=("shoes", "black")),
    Asked(photo=("hat", "grey")),
    Asked(photo=("dress", "blue")),
    Asked("red", ("t-shirt", "white")),
    Asked("shorts", ("pants", "black")),
    Asked("skirt", ("dress", "red")),
    Asked("蓝色", ("longsleeve", "grey")),
)


@dataclass(frozen=True)
class Answered:
    """A query with its photo opened and the photos found for it, best first."""

    text: str | None
    photo: Image.Image | None
    found: list[Photo]


def choose(photos: Sequence[Photo], queries: Sequence[Asked] = QUERIES) -> list[Photo | None]:
    """The photo of each query: the first test photo of that class and colour family not yet taken (of the
    class alone if there is none); None for a query by words. Raises `SystemExit` if the class has none."""
    taken: set[str] = set()
    chosen: list[Photo | None] = []
    for asked in queries:
        if asked.photo is None:
            chosen.append(None)
            continue
        category, family = asked.photo
        free = [p for p in photos if p.split == "test" and p.category == category and p.id not in taken]
        fitting = [photo for photo in free if photo.colour >= 0 and COLOURS[photo.colour].family == family]
        if not free:
            raise SystemExit(f"There is no test photo of the class {category!r} to search with.")
        photo = (fitting or free)[0]
        taken.add(photo.id)
        chosen.append(photo)
    return chosen


@contextmanager
def indexed(photos: Sequence[Photo], encoder: Encoder) -> Iterator[Engine]:
    """An engine over the photos, without titles, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="vitrine-show-") as folder:
        settings = Settings(data_dir=Path(folder), collection="show", qdrant_url=None)
        catalogue = Path(folder) / "photos.csv"
        with catalogue.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "image"])
            writer.writerows([photo.id, str(photo.path.resolve())] for photo in photos)
        images = Path(os.path.commonpath([photo.path.resolve().parent for photo in photos]))
        store = open_store(settings)
        try:
            with PROGRESS.status(f"Indexing {len(photos)} photos ..."):
                opened = open_catalogue(catalogue, images=images)
                report = index_opened(opened, settings, encoder, store)
            if report.counts.rejected:
                PROGRESS.print(f"{report.counts.rejected} photos could not be indexed.")
            yield Engine(settings, encoder, store)
        finally:
            store.close()


def ask(photos: Sequence[Photo], encoder: Encoder, *, everything: bool = False) -> list[Answered]:
    """Every query answered by the photos of validation and test (or all photos), query photos apart."""
    chosen = choose(photos)
    away = {photo.id for photo in chosen if photo is not None}
    pool = [p for p in photos if p.id not in away and (everything or p.split != "train")]
    by_id = {photo.id: photo for photo in pool}
    answers = []
    with indexed(pool, encoder) as engine:
        for asked, photo in zip(QUERIES, chosen, strict=True):
            image = load_photo(photo.path) if photo else None
            parts = [Part(image=image)] if image else []
            parts += [Part(text=asked.text)] if asked.text else []
            hits = engine.search(Query(tuple(parts), limit=TOP)).hits
            answers.append(Answered(asked.text, image, [by_id[hit.product.id] for hit in hits]))
    return answers


def find_font() -> Path | None:
    """A font with Chinese characters, by fontconfig; None if there is none."""
    if shutil.which("fc-list") is None:
        return None
    told = subprocess.run(["fc-list", ":lang=zh", "file"], capture_output=True, text=True, check=False)
    files = sorted(line.strip().rstrip(":") for line in told.stdout.splitlines())
    upright = [file for file in files if "Sans" in file and "Regular" in file]
    return next((Path(file) for file in upright + files), None)


def draw(answers: Sequence[Answered], path: Path) -> None:
    """Write the sheet: a row for each query, what was asked on the left."""
    file = find_font()
    if file is None:
        PROGRESS.print("No font with Chinese characters was found: queries in Chinese show as boxes.")
    large, small = _font(file, 20), _font(file, 13)
    row, column = CELL + LABEL + GAP, CELL + GAP
    sheet = Image.new("RGB", (GAP + 2 * column + TOP * column, GAP + len(answers) * row), "white")
    pen = ImageDraw.Draw(sheet)
    for number, answer in enumerate(answers):
        top = GAP + number * row
        pen.line((0, top - GAP // 2, sheet.width, top - GAP // 2), fill=(220, 220, 220))
        left = GAP
        if answer.photo is not None:
            _paste(sheet, answer.photo, left + (column if answer.text else column // 2), top)
        if answer.text:
            shown = ("+ " if answer.photo else "") + answer.text
            place = (left, top + CELL // 2 - 14) if answer.photo else (left + 30, top + CELL // 2 - 14)
            pen.text(place, shown, INK, large)
        for at, photo in enumerate(answer.found):
            left = GAP + (2 + at) * column
            _paste(sheet, load_photo(photo.path), left, top)
            _write(pen, photo.title, left, top + CELL + 3, small)
    sheet.save(path)


def _font(file: Path | None, size: int) -> Font:
    return ImageFont.truetype(str(file), size) if file else ImageFont.load_default(size)


def _paste(sheet: Image.Image, image: Image.Image, left: int, top: int) -> None:
    shown = ImageOps.contain(image, (CELL, CELL), Image.Resampling.LANCZOS)
    sheet.paste(shown, (left + (CELL - shown.width) // 2, top + (CELL - shown.height) // 2))


def _write(pen: ImageDraw.ImageDraw, text: str, left: int, top: int, font: Font) -> None:
    """Up to two lines that fit the width of a picture."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font=font) <= CELL:
            lines[-1] = longer
        else:
            lines.append(word)
    pen.multiline_text((left, top), "\n".join(lines[:2]), PALE, font, spacing=0)


def main(
    out: Annotated[Path, typer.Argument(help="Picture to write, such as sheet.png.")],
    encoder: Annotated[str, typer.Option(help="Encoder to show, as in VITRINE_ENCODER.")] = "vitrine-compact",
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    everything: Annotated[
        bool, typer.Option("--everything/--unseen", help="Search all photos, or those training never saw.")
    ] = False,
) -> None:
    """Write a picture of twelve queries and their best answers over real photos."""
    answers = ask(read_photos(photos), load(encoder), everything=everything)
    draw(answers, out)
    print(f"{len(answers)} queries in {out}")


if __name__ == "__main__":
    typer.run(main)
