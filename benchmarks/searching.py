"""What does an answer cost beyond encoding the query and one raw store query?

Baseline: encode the query, then ask the store once for the nearest pictures. Ours: `Engine.search`, with
candidates from every part and field, exact similarities, attention, and the page of products. Both use the
same encoder as a service runs it; the cache of query vectors is off, and queries alternate between the two.

The collection is of jittered embeddings (`benchmarks.jittered`). `--random ViT-B-32` takes a model of
open_clip with random weights instead of the encoder that is set: vectors of no worth, made in as long as
trained ones.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.jittered import embedded, fill
from benchmarks.sample import open_sample
from searcher.engine import Engine
from searcher.query import Part, Query
from services.catalogue.images import decode_image, read_image_bytes
from services.encoder.registry import load_accelerated
from services.settings import Settings, get_settings
from services.store.base import Vector
from services.store.factory import open_store

LIMIT = 24


def main(
    products: Annotated[int, typer.Option(min=100)] = 20_000,
    queries: Annotated[int, typer.Option(min=10)] = 200,
    random: Annotated[str | None, typer.Option(help="Name of a model of open_clip.")] = None,
) -> None:
    """Measure both in turn and print p50, p99 and the ratio of the medians, in milliseconds."""
    settings = get_settings()
    with tempfile.TemporaryDirectory() as folder:
        changed = {"encoder": _random(random, Path(folder))} if random else {}
        with_encoder = settings.model_copy(update=changed)
        encoder = load_accelerated(with_encoder)
        own = with_encoder.model_copy(update={"data_dir": Path(folder), "qdrant_url": None, "query_cache": 0})
        words, pictures = _asked(settings, queries, encoder.image_size)
        # Few are enough to measure the time that a large model takes.
        sample = embedded(with_encoder, encoder, 200 if random else None)
        with closing(open_store(own)) as store:
            fill(store, sample.points(products), products, encoder, own)
            engine = Engine(own, encoder, store)

            def raw(vectors: list[Vector]) -> None:
                mean = np.sum(vectors, axis=0)
                hits = store.search("image", mean / np.linalg.norm(mean), LIMIT)
                store.fetch([hit.id for hit in hits])

            cases: dict[str, tuple[Callable[[int], object], Callable[[int], object]]] = {
                "text": (
                    lambda n: raw([encoder.encode_texts([words[n]])[0]]),
                    lambda n: engine.search(Query((Part(text=words[n]),), limit=LIMIT)),
                ),
                "image": (
                    lambda n: raw([encoder.encode_images([pictures[n]])[0]]),
                    lambda n: engine.search(Query((Part(image=pictures[n]),), limit=LIMIT)),
                ),
                "text + image": (
                    lambda n: raw(
                        [encoder.encode_texts([words[n]])[0], encoder.encode_images([pictures[n]])[0]]
                    ),
                    lambda n: engine.search(
                        Query((Part(text=words[n]), Part(image=pictures[n])), limit=LIMIT)
                    ),
                ),
            }
            title = f"{random or settings.encoder}, {store.count():,} products, {len(words)} queries each, ms"
            table = Table(box=box.SIMPLE, title=title)
            for column in ("query", "raw p50", "ours p50", "raw p99", "ours p99", "ratio of p50"):
                table.add_column(column, justify="left" if column == "query" else "right")
            # As in a service.
            with threadpool_limits(1, user_api="blas"):
                for name, pair in cases.items():
                    table.add_row(name, *_measured(pair, len(words)))
    Console().print(table)


def _measured(pair: tuple[Callable[[int], object], Callable[[int], object]], count: int) -> list[str]:
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(2):  # the first for vectors and words to be in memory, as in a service that has run
        for times in spent:
            times.clear()
        for number in range(count):
            for run, times in zip(pair, spent, strict=True):
                begun = time.perf_counter()
                run(number)
                times.append((time.perf_counter() - begun) * 1000)
    p50 = [statistics.median(times) for times in spent]
    p99 = [float(np.quantile(times, 0.99)) for times in spent]
    return [f"{value:.1f}" for value in (*p50, *p99)] + [f"{p50[1] / p50[0]:.2f}"]


def _asked(settings: Settings, count: int, side: int) -> tuple[list[str], list[object]]:
    """Titles and pictures of products, the pictures decoded as a service does."""
    catalogue = open_sample(settings)
    products = [row.product for row in catalogue if row.product and row.product.image][:count]
    pictures: list[object] = []
    for product in products:
        data = read_image_bytes(str(product.image), base=catalogue.base, settings=settings)
        pictures.append(decode_image(data, max_pixels=settings.max_image_pixels, target=2 * side))
    return [product.title or (product.category or "product") for product in products], pictures


def _random(model: str, folder: Path) -> str:
    """The name of an encoder of that architecture with random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_model

    torch.manual_seed(0)
    file = folder / "random.safetensors"
    save_model(open_clip.create_model(model), str(file))
    return f"{model}/{file}"


if __name__ == "__main__":
    typer.run(main)
