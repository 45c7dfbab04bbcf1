"""What does an answer cost beyond encoding the query and one raw store query?

Baseline: encode the query, then ask the store once for the nearest pictures. Ours: `Engine.search`, with
candidates from every part and field, exact similarities, attention, and the page of products.
The cache of query vectors is off, queries alternate between the two.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from indexer.worker import index_opened
from searcher.engine import Engine
from searcher.query import Part, Query
from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.readers import open_catalogue
from services.encoder.registry import load_accelerated
from services.settings import get_settings
from services.store.factory import open_store
from vitrine.sample import find_sample


def main(queries: Annotated[int, typer.Option(min=10)] = 200) -> None:
    settings = get_settings()
    sample = find_sample(settings.sample_catalogue, settings.data_dir / "demo", 1200)
    catalogue = open_catalogue(sample.catalogue, images=sample.images)
    encoder = load_accelerated(settings)
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "qdrant_url": None, "query_cache": 0})
        store = open_store(own)
        index_opened(catalogue, own, encoder, store)
        engine = Engine(own, encoder, store)
        products = [row.product for row in catalogue if row.product and row.product.image][:queries]
        words = [product.title or (product.category or "product") for product in products]
        pictures = [
            decode_image(
                read_image_bytes(str(product.image), base=catalogue.base, settings=own),
                max_pixels=own.max_image_pixels,
            )
            for product in products
        ]

        def raw(vectors: list[np.ndarray]) -> None:
            mean = np.sum(vectors, axis=0)
            hits = store.search("image", mean / np.linalg.norm(mean), 24)
            store.fetch([hit.id for hit in hits])

        cases: dict[str, tuple[Callable[[int], object], Callable[[int], object]]] = {
            "text": (
                lambda n: raw([encoder.encode_texts([words[n]])[0]]),
                lambda n: engine.search(Query((Part(text=words[n]),), limit=24)),
            ),
            "image": (
                lambda n: raw([encoder.encode_images([pictures[n]])[0]]),
                lambda n: engine.search(Query((Part(image=pictures[n]),), limit=24)),
            ),
            "text + image": (
                lambda n: raw([encoder.encode_texts([words[n]])[0], encoder.encode_images([pictures[n]])[0]]),
                lambda n: engine.search(Query((Part(text=words[n]), Part(image=pictures[n])), limit=24)),
            ),
        }
        table = Table(box=box.SIMPLE, title=f"{store.count()} products, {len(products)} queries each, ms")
        for column in ("query", "raw p50", "ours p50", "raw p99", "ours p99", "ratio of p50"):
            table.add_column(column, justify="left" if column == "query" else "right")
        for name, (baseline, ours) in cases.items():
            spent: tuple[list[float], list[float]] = ([], [])
            for number in range(len(products)):
                for run, times in zip((baseline, ours), spent, strict=True):
                    begun = time.perf_counter()
                    run(number)
                    times.append((time.perf_counter() - begun) * 1000)
            p50 = [statistics.median(times) for times in spent]
            p99 = [float(np.quantile(times, 0.99)) for times in spent]
            cells = [f"{value:.1f}" for value in (p50[0], p50[1], p99[0], p99[1])]
            table.add_row(name, *cells, f"{p50[1] / p50[0]:.2f}")
        store.close()
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
