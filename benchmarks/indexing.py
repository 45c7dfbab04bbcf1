"""How much of the bare encoder's speed does indexing keep?

Baseline: the encoder alone on tensors that are in memory already, pictures and titles, in the same
batches. Ours: `index_catalogue` from files to a finished, searchable store. Rounds alternate.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from indexer.worker import index_opened
from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.readers import open_catalogue
from services.encoder.registry import load_encoder
from services.settings import get_settings
from services.store.factory import open_store
from vitrine.sample import find_sample


def main(rounds: Annotated[int, typer.Option(min=1)] = 3) -> None:
    settings = get_settings()
    sample = find_sample(settings.sample_catalogue, settings.data_dir / "demo", 1200)
    catalogue = open_catalogue(sample.catalogue, images=sample.images)
    encoder = load_encoder(settings)
    pixels, titles = [], []
    for row in catalogue:
        if row.product is None or row.product.image is None:
            continue
        data = read_image_bytes(row.product.image, base=catalogue.base, settings=settings)
        image = decode_image(data, max_pixels=settings.max_image_pixels, target=encoder.image_size)
        pixels.append(encoder.prepare(image))
        titles.append(row.product.title)
    bare, whole = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        for at in range(0, len(pixels), settings.batch_size):
            encoder.encode_prepared(np.stack(pixels[at : at + settings.batch_size]))
            encoder.encode_texts(titles[at : at + settings.batch_size])
        bare.append(len(pixels) / (time.perf_counter() - begun))
        with tempfile.TemporaryDirectory() as folder:
            own = settings.model_copy(update={"data_dir": Path(folder), "qdrant_url": None})
            store = open_store(own)
            begun = time.perf_counter()
            report = index_opened(catalogue, own, encoder, store)
            whole.append(report.counts.added / (time.perf_counter() - begun))
            store.close()
    table = Table(box=box.SIMPLE, title=f"{len(pixels)} products, median of {rounds}", title_justify="left")
    for column in ("", "products/s", "ratio"):
        table.add_column(column, justify="right" if column else "left")
    baseline, ours = statistics.median(bare), statistics.median(whole)
    table.add_row("encoder alone, tensors in memory", f"{baseline:.0f}", "1.00")
    table.add_row("vitrine index, files to finished store", f"{ours:.0f}", f"{ours / baseline:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
