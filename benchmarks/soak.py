"""Does a service under mixed load grow, slow down or fail? `python -m benchmarks.soak --minutes 30`.

A real `vitrine serve` on an embedded store of its own answers searches by text, by picture and by both,
facets, writes and deletes. Its resident memory is read every few seconds. Ends with 1 if memory grew by more
than `LARGEST_GROWTH` from the first third of the run to the last, or if any answer was not the one expected.
"""

from __future__ import annotations

import asyncio
import base64
import io
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LARGEST_GROWTH = 0.10
PRODUCTS = 600
#: Of these ids some are stored and some deleted at any time, so the collection keeps its size.
CHANGING = 200
_WORDS = ("red", "blue", "green", "dress", "mug", "chair", "lamp", "striped", "wooden", "summer")
_KINDS = {"text": 8, "image": 3, "combined": 3, "facets": 2, "write": 2, "delete": 1}


@dataclass
class Told:
    """Memory as (seconds since the start, bytes), milliseconds of every answer, and what went wrong."""

    memory: list[tuple[float, int]] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def growth(self) -> float:
        """Mean memory of the last third over that of the first, less 1. Needs three samples."""
        rss = np.array([size for _, size in self.memory], dtype=np.float64)
        third = len(rss) // 3
        return float(rss[-third:].mean() / rss[:third].mean() - 1)

    def slope(self) -> float:
        """Bytes a minute, by least squares. Needs two samples."""
        seconds, rss = np.array(self.memory, dtype=np.float64).T
        return float(np.polyfit(seconds / 60, rss, 1)[0])


def resident(pid: int) -> int:
    """Bytes of memory that a process occupies. Linux only; raises `OSError` once it has ended."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def picture(chance: random.Random) -> str:
    """A small picture in base64, unlike any other."""
    image = Image.new("RGB", (96, 96), tuple(chance.randrange(256) for _ in range(3)))
    left, top = chance.randrange(64), chance.randrange(64)
    image.paste(tuple(chance.randrange(256) for _ in range(3)), (left, top, left + 32, top + 32))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return base64.b64encode(out.getvalue()).decode()


def product(name: str, chance: random.Random) -> dict[str, Any]:
    title = " ".join(chance.sample(_WORDS, 3))
    image = f"data:image/jpeg;base64,{picture(chance)}"
    return {"id": name, "title": title, "image": image, "category": title.split()[0], "price": 5.0}


async def ask(http: httpx.AsyncClient, kind: str, chance: random.Random) -> httpx.Response:
    """One request of a kind of `_KINDS`."""
    words = f"{chance.choice(_WORDS)} {chance.choice(_WORDS)} {chance.randrange(10_000)}"
    changing = f"changing-{chance.randrange(CHANGING)}"
    match kind:
        case "text":
            return await http.post("/search", json={"text": words, "limit": 24})
        case "image":
            return await http.post("/search", json={"image": picture(chance), "limit": 24})
        case "combined":
            return await http.post("/search", json={"text": words, "image": picture(chance), "limit": 24})
        case "facets":
            return await http.get("/facets", params={"key": "category"})
        case "write":
            return await http.put("/products", json=[product(changing, chance)])
        case "delete":
            return await http.delete(f"/products/{changing}")
    raise ValueError(kind)


async def load(address: str, pid: int, seconds: float, clients: int, every: float, told: Told) -> None:
    """Ask at random from `clients` sides for so many seconds, and read the memory `every` so often."""
    started = time.monotonic()
    end = started + seconds

    async def client(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end:
            kind = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
            begun = time.perf_counter()
            try:
                response = await ask(http, kind, chance)
            except httpx.HTTPError as error:
                told.failures[f"{kind}: {type(error).__name__}"] += 1
                await asyncio.sleep(0.1)
                continue
            told.took.append(1000 * (time.perf_counter() - begun))
            told.kinds[kind] += 1
            # A product may have been deleted before; anything else is a fault.
            if response.status_code != 200 and (kind, response.status_code) != ("delete", 404):
                told.failures[f"{kind}: {response.status_code} {response.text[:200]}"] += 1

    async def watch() -> None:
        with progress_bar() as bar:
            task = bar.add_task("soaking", total=seconds, rate="")
            while (now := time.monotonic()) < end:
                passed = now - started
                told.memory.append((passed, resident(pid)))
                rate = f"{len(told.took) / max(passed, 1e-9):,.0f} answers/s"
                bar.update(task, completed=passed, rate=rate)
                await asyncio.sleep(min(every, max(0.0, end - now)))

    async with httpx.AsyncClient(base_url=address, timeout=60) as http:
        await asyncio.gather(watch(), *(client(seed) for seed in range(clients)))


def progress_bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


@contextmanager
def service(data_dir: Path) -> Iterator[tuple[str, int]]:
    """`vitrine serve` on an empty folder: its address and process id, once it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"VITRINE_DATA_DIR": str(data_dir), "VITRINE_LOG_LEVEL": "error"}
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", "serve", "--port", str(port)], env=environment
    )
    try:
        for _ in range(1200):
            try:
                httpx.get(f"{address}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise RuntimeError("The service did not start.") from None
                time.sleep(0.1)
        else:
            raise RuntimeError("The service did not answer within two minutes.")
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def fill(address: str) -> None:
    """Store what is searched; raises `RuntimeError` if any product is refused."""
    chance = random.Random(0)
    for start in range(0, PRODUCTS, 50):
        batch = [product(f"lasting-{number}", chance) for number in range(start, start + 50)]
        response = httpx.put(f"{address}/products", json=batch, timeout=300)
        response.raise_for_status()
        if response.json().get("rejected"):
            raise RuntimeError(f"Products were refused: {response.text[:500]}")


def report(told: Told, seconds: float) -> bool:
    """Print what was measured; True if it is as it should be."""
    rss = [size / 2**20 for _, size in told.memory]
    p50, p99 = np.quantile(told.took, (0.5, 0.99))
    growth = told.growth()
    kinds = ", ".join(f"{kind} {told.kinds[kind]:,}" for kind in _KINDS)
    print(f"memory  start {rss[0]:,.0f} MB, middle {rss[len(rss) // 2]:,.0f} MB, end {rss[-1]:,.0f} MB")
    print(
        f"        slope {told.slope() / 2**20:+.2f} MB a minute, last third over the first {growth:+.1%} "
        f"(at most {LARGEST_GROWTH:+.0%})"
    )
    print(f"answers {len(told.took):,} in {seconds:,.0f} s ({kinds})")
    print(f"        p50 {p50:,.1f} ms, p99 {p99:,.1f} ms; failures {told.failures.total():,}")
    for what, count in told.failures.most_common(10):
        print(f"        {count:,} x {what}")
    return growth <= LARGEST_GROWTH and not told.failures


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Minutes of load.")] = 30.0,
    clients: Annotated[int, typer.Option(min=1, help="Clients at a time.")] = 4,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks at the memory.")] = 2.0,
    settle: Annotated[float, typer.Option(min=0, help="Seconds of load before measuring.")] = 30.0,
) -> None:
    """Load a service of its own, print its memory, latency and failures; end with 1 if it grew or failed."""
    told, seconds = Told(), 60 * minutes
    if seconds < 3 * every:
        raise typer.BadParameter("too few looks at the memory; ask for more minutes or look more often")
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "data") as (address, pid):
        fill(address)
        # Caches that have a bound fill up first, lest they pass for a leak; failures count all the same.
        before = Told()
        if settle:
            asyncio.run(load(address, pid, settle, clients, every, before))
        told.failures.update(before.failures)
        asyncio.run(load(address, pid, seconds, clients, every, told))
    if not report(told, seconds):
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
