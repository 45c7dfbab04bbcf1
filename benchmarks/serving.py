"""How fast does the service answer over HTTP, and how does that compare with a home-grown one?

Both index the same products with the same encoder and run as servers of their own, one kind of query and one
number of clients at a time, in turn. Our cache of encoded queries is off. The clients share the machine's
cores with the servers.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.sample import open_sample
from indexer.worker import index_opened
from services.catalogue.images import read_image_bytes
from services.encoder.registry import load_encoder
from services.settings import get_settings
from services.store.factory import open_store

LIMIT = 24


def queries(kind: str, titles: list[str], pictures: list[bytes]) -> Iterator[dict[str, Any]]:
    """Endless bodies of one kind."""
    for number in itertools.count():
        body: dict[str, Any] = {"limit": LIMIT}
        if kind != "image":
            body["text"] = f"{titles[number % len(titles)]} {number}"
        if kind != "text":
            body["image"] = base64.b64encode(pictures[number % len(pictures)]).decode()
        yield body


async def load(address: str, bodies: Iterator[dict[str, Any]], clients: int, seconds: float) -> list[float]:
    """Milliseconds of every answer that `clients` got who each ask again as soon as they are answered."""
    took: list[float] = []
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as http:
        end = time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < end:
                body = next(bodies)
                begun = time.perf_counter()
                response = await http.post("/search", json=body)
                response.raise_for_status()
                assert len(response.json()["hits"]) == LIMIT
                took.append(1000 * (time.perf_counter() - begun))

        await asyncio.gather(*(client() for _ in range(clients)))
    return took


@contextmanager
def server(arguments: list[str], port: int, **environment: str) -> Iterator[str]:
    """A server in a process of its own; yields its address once it answers."""
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, env=os.environ | environment
    )
    try:
        for _ in range(600):
            try:
                httpx.post(f"{address}/search", json={"text": "warm up", "limit": 1}).raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise RuntimeError(f"{arguments[0]} did not start") from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def main(
    clients: Annotated[list[int] | None, typer.Option(help="Clients at a time; repeatable.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Seconds of each measurement.")] = 8.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Measure both servers in turn and print answers a second, p50, p99, and the ratios."""
    settings = get_settings()
    catalogue = open_sample(settings)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        own = settings.model_copy(update={"data_dir": Path(folder) / "ours", "qdrant_url": None})
        store = open_store(own)
        index_opened(catalogue, own, load_encoder(settings), store)
        count = store.count()
        store.close()
        shutil.copytree(Path(folder) / "ours", Path(folder) / "homegrown")
        products = [row.product for row in catalogue if row.product and row.product.image][:500]
        titles = [product.title or (product.category or "product") for product in products]
        pictures = [
            read_image_bytes(str(product.image), base=catalogue.base, settings=own) for product in products
        ]
        homegrown = ["benchmarks.homegrown", str(Path(folder) / "homegrown"), "8731"]
        baseline = stack.enter_context(server(homegrown, 8731))
        environment = {
            "VITRINE_DATA_DIR": str(own.data_dir), "VITRINE_QUERY_CACHE": "0", "VITRINE_LOG_LEVEL": "error",
        }  # fmt: skip
        ours = stack.enter_context(server(["vitrine.cli", "serve", "--port", "8732"], 8732, **environment))
        rows = []
        for kind in ("text", "image", "text + image"):
            for number in clients or [1, 8, 64]:
                found = [
                    asyncio.run(load(address, queries(kind, titles, pictures), number, seconds))
                    for address in (baseline, ours)
                ]
                rows.append(row(kind, number, seconds, found))
    show(rows, f"{count} products, {LIMIT} hits a page", markdown)


def row(kind: str, clients: int, seconds: float, found: list[list[float]]) -> list[str]:
    p50, p99 = ([float(np.quantile(times, share)) for times in found] for share in (0.5, 0.99))
    rate = [len(times) / seconds for times in found]
    cells = [f"{value:,.0f}" for value in rate] + [f"{value:,.1f}" for value in (*p50, *p99)]
    return [kind, str(clients), *cells, f"{p50[1] / p50[0]:.2f}", f"{rate[1] / rate[0]:.2f}"]


def show(rows: list[list[str]], title: str, markdown: bool) -> None:
    header = ["query", "clients", "answers/s home-grown", "ours", "p50 ms home-grown", "ours",
              "p99 ms home-grown", "ours", "ratio of p50", "ratio of answers/s"]  # fmt: skip
    if markdown:
        print(f"{title}\n\n| {' | '.join(header)} |\n|---|{'---:|' * (len(header) - 1)}")
        print("\n".join(f"| {' | '.join(cells)} |" for cells in rows))
        return
    table = Table(box=box.SIMPLE, title=title)
    for name in header:
        table.add_column(name, justify="left" if name == "query" else "right")
    for cells in rows:
        table.add_row(*cells)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
