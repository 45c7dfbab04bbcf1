"""How much of the bare encoder's speed does indexing keep?

Baseline: the encoder alone on prepared pictures and titles that are in memory already, in the same batches
and on all cores. Ours: `index_catalogue` from files to a finished, searchable store. Rounds
alternate.
"""

from __future__ import annotations

import csv
import itertools
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.sample import open_sample
from indexer.worker import index_opened
from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.readers import Catalogue, open_catalogue
from services.encoder.registry import load_accelerated
from services.settings import Settings, get_settings
from services.store.factory import open_store


def main(
    products: Annotated[int, typer.Option(min=100)] = 20_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Measure both in turn and print products a second and the ratio."""
    settings = get_settings()
    encoder, workers = load_accelerated(settings), load_accelerated(settings, many=True)
    bare, whole = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        catalogue = write(settings, folder, products)
        pixels, titles = [], []
        for row in catalogue:
            assert row.product is not None
            data = read_image_bytes(str(row.product.image), base=catalogue.base, settings=settings)
            image = decode_image(data, max_pixels=settings.max_image_pixels, target=encoder.image_size)
            pixels.append(encoder.prepare(image))
            titles.append(row.product.title or "")
        for number in range(rounds):
            begun = time.perf_counter()
            for at in range(0, len(pixels), settings.batch_size):
                encoder.encode_prepared(np.stack(pixels[at : at + settings.batch_size]))
                encoder.encode_texts(titles[at : at + settings.batch_size])
            bare.append(len(pixels) / (time.perf_counter() - begun))
            own = settings.model_copy(update={"data_dir": folder / f"data-{number}", "qdrant_url": None})
            with closing(open_store(own)) as store:
                begun = time.perf_counter()
                report = index_opened(catalogue, own, workers, store)
                whole.append(report.counts.added / (time.perf_counter() - begun))
    title = f"{len(pixels):,} products, median of {rounds}"
    table = Table(box=box.SIMPLE, title=title, title_justify="left")
    for column in ("", "products/s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    baseline, ours = statistics.median(bare), statistics.median(whole)
    table.add_row("encoder alone, tensors in memory", f"{baseline:.0f}", "1.00")
    table.add_row("vitrine index, files to finished store", f"{ours:.0f}", f"{ours / baseline:.2f}")
    Console().print(table)


def write(settings: Settings, folder: Path, products: int) -> Catalogue:
    """A catalogue of so many products: those of the sample, again and again under other ids."""
    sample = open_sample(settings)
    pictured = [row.product for row in sample if row.product and row.product.image]
    path = folder / "products.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "title", "image"])
        for number, product in zip(range(products), itertools.cycle(pictured)):
            out.writerow([f"{number}", product.title, product.image])
    return open_catalogue(path, images=sample.base)


if __name__ == "__main__":
    typer.run(main)
