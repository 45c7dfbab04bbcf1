"""How long until a service is ready, and until a search from the command line has printed its answer?

`python -m benchmarks.startup`. The collection is of jittered embeddings (`benchmarks.jittered`).
First starts find nothing in the data folder that an earlier one has left, others do; the baseline is a Python
process that only imports torch and open_clip and loads the shipped encoder, as a home-grown service has to.
Memory is what a service occupies, pages of mapped files included.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.jittered import embedded, fill
from benchmarks.soak import resident
from services.encoder.registry import load_encoder
from services.settings import get_settings
from services.store.factory import open_store

_BARE = """
import open_clip
from services.encoder.registry import DEFAULT_FOLDER
open_clip.create_model_from_pretrained(f"local-dir:{DEFAULT_FOLDER}")
open_clip.get_tokenizer(f"local-dir:{DEFAULT_FOLDER}")
"""
_PORT = 8733


def main(
    products: Annotated[int, typer.Option(min=1)] = 100_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Start everything in turn, `rounds` times, and print median seconds."""
    settings = get_settings()
    with tempfile.TemporaryDirectory() as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "qdrant_url": None})
        encoder = load_encoder(settings)
        with closing(open_store(own)) as store:
            fill(store, embedded(settings, encoder).points(products), products, encoder, own)
        kept = own.data_dir / "runtimes"
        environment = os.environ | {"VITRINE_DATA_DIR": str(folder), "VITRINE_LOG_LEVEL": "error"}
        environment.pop("QDRANT_URL", None)
        onnx = environment | {"VITRINE_RUNTIME": "onnx"}
        cases: dict[str, Callable[[], tuple[float, float | None]]] = {
            "import open_clip, load the encoder": lambda: finished(["-c", _BARE], environment),
            "vitrine serve, first start, to ready": lambda: ready(environment),
            "vitrine serve, to ready": lambda: ready(environment),
            "the same with VITRINE_RUNTIME=onnx": lambda: ready(onnx),
            "vitrine search, to its answer": lambda: finished(
                ["-m", "vitrine.cli", "search", "red dress"], environment
            ),
        }
        took: dict[str, list[tuple[float, float | None]]] = {name: [] for name in cases}
        for _ in track(range(rounds), "starting", console=Console(stderr=True)):
            shutil.rmtree(kept, ignore_errors=True)
            for name, run in cases.items():
                took[name].append(run())
    table = Table(box=box.SIMPLE, title=f"{products:,} products, median of {rounds}", title_justify="left")
    for column in ("", "seconds", "ratio", "MB"):
        table.add_column(column, justify="right" if column else "left")
    baseline = statistics.median(seconds for seconds, _ in next(iter(took.values())))
    for name, found in took.items():
        seconds = statistics.median(seconds for seconds, _ in found)
        held = [megabytes for _, megabytes in found if megabytes is not None]
        megabytes = f"{statistics.median(held):.0f}" if held else ""
        table.add_row(name, f"{seconds:.2f}", f"{seconds / baseline:.2f}", megabytes)
    Console().print(table)


def finished(arguments: list[str], environment: dict[str, str]) -> tuple[float, None]:
    """Seconds until a Python process has ended."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun, None


def ready(environment: dict[str, str]) -> tuple[float, float]:
    """Seconds until `/readyz` says so and a search was answered after that, and the megabytes that the
    service occupies ten seconds later."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", "serve", "--port", str(_PORT)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{_PORT}/readyz").status_code == 200:
                    body = {"text": "red dress", "limit": 24}
                    httpx.post(f"http://127.0.0.1:{_PORT}/search", json=body).raise_for_status()
                    took = time.perf_counter() - begun
                    time.sleep(10)
                    return took, resident(process.pid) / 2**20
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise RuntimeError("the service did not start") from None
            time.sleep(0.02)
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    typer.run(main)
