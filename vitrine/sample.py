"""Sample catalogues for a first look: real clothing photos where they are at hand, else drawn products."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.encoder.train.colours import COLOURS
from services.encoder.train.photos import read_rows, titled_rows
from services.encoder.train.render import RenderedProduct, make_product, view
from services.encoder.train.shapes import SHAPES
from services.encoder.train.titles import CATEGORIES, PATTERNS

#: Drawn sample products have seeds of their own, beyond those of training and validation.
_FIRST_SEED = 2_000_000
_SIDE = 224
_BRANDS = ("Alder", "Bramble", "Calluna", "Dogrose", "Elder", "Fennel", "Gorse", "Hazel")


@dataclass(frozen=True)
class Sample:
    """A catalogue file, the folder its pictures lie in, what they are, in words, and whether a column
    `split` names the products that the shipped encoder was not trained on ("test")."""

    catalogue: Path
    images: Path
    what: str
    splits: bool


def find_sample(photos: Path, folder: Path, products: int, *, quiet: bool = False) -> Sample:
    """The photos in `photos` with made titles if they are there, else `products` drawn ones.

    Written below `folder`, drawn ones once only; a run cut short leaves nothing half-made.
    """
    if (photos / "products.csv").is_file():
        path = folder / "photos.csv"
        # Written anew each time, at no cost: what is known of the photos comes with the package.
        _write(path, titled_rows(photos), len(read_rows(photos)), "naming photos", quiet)
        return Sample(path, photos, "real photos of clothing", True)
    path = folder / f"drawn-{products}" / "products.csv"
    if not path.exists():
        (path.parent / "images").mkdir(parents=True, exist_ok=True)
        _write(path, _drawn(path.parent, products), products, "drawing products", quiet)
    return Sample(path, path.parent, "drawn products", False)


def _write(path: Path, rows: Iterator[dict[str, str]], total: int, doing: str, quiet: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        part.open("w", newline="", encoding="utf-8") as file,
        Progress(*columns, console=Console(stderr=True), disable=quiet) as progress,
    ):
        writer: csv.DictWriter[str] | None = None
        for row in progress.track(rows, total=total):
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)
    part.rename(path)


def _drawn(folder: Path, products: int) -> Iterator[dict[str, str]]:
    names = tuple(SHAPES)
    jobs = [(folder, _FIRST_SEED + n, names[n % len(names)]) for n in range(products)]
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_draw, jobs, chunksize=8)


def _draw(job: tuple[Path, int, str]) -> dict[str, str]:
    folder, seed, category = job
    product = make_product(seed, category)
    name = f"images/{category.replace(' ', '-')}-{seed - _FIRST_SEED:05}.jpg"
    view(product, 0, _SIDE).save(folder / name, quality=90)
    return {"id": f"S{seed - _FIRST_SEED:05}", "image": name, "category": category} | _shop_fields(product)


def _shop_fields(product: RenderedProduct) -> dict[str, str]:
    rng = random.Random(f"shop-{product.seed}")
    colour = COLOURS[product.colour]
    words = [colour.name]
    if product.pattern != "plain":
        words.append(PATTERNS[product.pattern].en[0])
    brand = rng.choice(_BRANDS)
    return {
        "title": f"{brand} {' '.join(words)} {CATEGORIES[product.category].en[0]}",
        "brand": brand,
        "price": f"{rng.choice((9, 14, 19, 24, 29, 39, 49, 69, 89, 129)) + 0.9:.2f}",
        "currency": "EUR",
        "colour": colour.name,
        "family": colour.family,
        "pattern": product.pattern,
        "material": product.material,
    }
