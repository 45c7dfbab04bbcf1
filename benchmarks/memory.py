"""Does indexing need more memory for a longer catalogue?

`vitrine index` in a process of its own on catalogues of two lengths, one ten times the other; every product
has a title, and one in ten a picture. Prints the peak of what the process holds for itself (RssAnon:
without pages of mapped files, which the system takes back when it needs them), sampled, and their ratio.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

_COLOURS = ("red", "blue", "green", "black", "white", "yellow", "brown", "pink", "grey", "purple")
_THINGS = ("dress", "shirt", "boots", "hat", "chair", "lamp", "mug", "bag", "rug", "clock")
PICTURED = 10


def write(folder: Path, rows: int) -> Path:
    """A catalogue of `rows` products with 100 pictures between them."""
    for number, colour in enumerate(_COLOURS):
        for shade in range(10):
            picture = Image.new("RGB", (224, 224), colour)
            picture.paste((25 * shade,) * 3, (40, 40, 180, 180))
            picture.save(folder / f"{number}{shade}.jpg")
    path = folder / f"{rows}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "title", "price", "image"])
        for row in range(rows):
            title = f"{_COLOURS[row % 10]} {_THINGS[row // 10 % 10]} number {row}"
            picture = f"{row // PICTURED % 100:02}.jpg" if row % PICTURED == 0 else ""
            out.writerow([f"m{row}", title, 5 + row % 90, picture])
    return path


def peak(catalogue: Path, folder: Path) -> tuple[float, float]:
    """(most megabytes held at a time, seconds) of indexing a catalogue into an empty folder."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", "index", str(catalogue), "--json"],
        env=os.environ | {"VITRINE_DATA_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        held = [int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")]
        most = max([most, *held])
        time.sleep(0.05)
    if process.wait():
        raise SystemExit(f"vitrine index failed on {catalogue.name}")
    return most / 1024, time.monotonic() - begun


def main(
    rows: Annotated[int, typer.Option(min=1000, help="Products of the shorter catalogue.")] = 10_000,
) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE)
    for column in ("products", "peak MB", "seconds"):
        table.add_column(column, justify="right")
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (rows, 10 * rows):
            held, seconds = peak(write(folder, count), folder / f"data-{count}")
            found.append(held)
            table.add_row(f"{count:,}", f"{held:.0f}", f"{seconds:.0f}")
    Console().print(table)
    print(f"ten times the products take {found[1] / found[0]:.2f} times the memory")


if __name__ == "__main__":
    typer.run(main)
