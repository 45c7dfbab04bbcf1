"""The bars the shipped encoder has to clear, measured on what training never saw.

`python -m services.encoder.train.bars` prints one table: each bar, its figure, its target, and whether it is
met. Everything goes through the public encoder, so that any other encoder can be measured with
`--encoder`. Lines without a target are there to compare with.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from services.encoder.base import Encoder
from services.encoder.registry import parse_name
from services.encoder.train.baseline import FIGURES
from services.encoder.train.heldout import PROGRESS, drawn, load, look, photographed, unseen_photos
from services.encoder.train.measure import (
    Measured,
    agreement,
    class_map,
    class_precision,
    colour_precision,
    recall,
    titles_of,
    zero_shot_accuracy,
)

#: Side lengths in pixels of the picture that the time is taken with.
TIMED = (400, 500)
#: Rendered products to search among.
PRODUCTS = 3900


@dataclass(frozen=True)
class Bar:
    """One figure and, if it has one, its target: the least that is allowed, or the most if `at_most`."""

    name: str
    figure: float
    target: float | None = None
    at_most: bool = False
    unit: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None without a target; a figure that could not be taken (NaN) is not met."""
        if self.target is None:
            return None
        return self.figure <= self.target if self.at_most else self.figure >= self.target

    def row(self) -> tuple[str, str, str]:
        """Name, figure and target as text, for tables."""
        relation = "at most" if self.at_most else "at least"
        target = "" if self.target is None else f"{relation} {self._text(self.target)}"
        return self.name, self._text(self.figure), target

    def _text(self, value: float) -> str:
        digits = 1 if self.unit else 3
        return "-" if math.isnan(value) else f"{value:.{digits}f} {self.unit}".strip()


def photo_bars(measured: Measured, baseline: Mapping[str, Any] | None) -> list[Bar]:
    """Bars over the test photos; `baseline` is what `baseline.py` wrote, None if it never ran."""
    named, pairs = colour_precision(measured, "colour", least=3)
    family, family_pairs = colour_precision(measured, "family", least=10)
    test = baseline["test"] if baseline else {}
    other = test.get("image_image_class_map")
    titles = titles_of(measured.codes)
    return [
        Bar(
            "zero-shot class accuracy", zero_shot_accuracy(measured), 0.70,
            note=f"{len(measured.codes)} test photos; mean of 3 prompts for each plain class name",
        ),
        Bar("zero-shot class accuracy, Chinese", zero_shot_accuracy(measured, "zh")),
        Bar("class accuracy of ResNet-18 trained on labels", test.get("accuracy", math.nan)),
        Bar(
            "text->image class precision@10", class_precision(measured), 0.75,
            note="queries: bare class names",
        ),
        Bar("text->image class precision@10, Chinese", class_precision(measured, language="zh")),
        Bar(
            "image->image class mAP", class_map(measured), math.nan if other is None else other,
            note="target: ResNet-18 trained from scratch on the same photos with labels",
        ),
        Bar(
            '"{colour} {class}" precision@10', named, 0.60,
            note=f"29 named colours, {pairs} pairs with 3 or more test photos, @min(10, relevant)",
        ),
        Bar(
            '"{colour family} {class}" precision@10', family, 0.60,
            note=f"{family_pairs} pairs with 10 or more test photos",
        ),
        Bar("text->image recall@10", recall(measured, titles)["recall"], note=f"{len(titles)} titles"),
        Bar(
            "English/Chinese overlap@10, photos", agreement(measured, titles),
            note="same colour, pattern and class in both languages",
        ),
    ]  # fmt: skip


def drawn_bars(measured: Measured) -> list[Bar]:
    """Bars over rendered products: "red striped mug" among all of them."""
    titles = titles_of(measured.codes)
    patterned = [said for said in titles if said.pattern >= 0]
    plain = [said for said in titles if said.pattern < 0]
    pool = len(measured.codes)
    return [
        Bar(
            '"{colour} {pattern} {category}" recall@10', recall(measured, patterned)["recall"], 0.95,
            note=f"{len(patterned)} titles, {pool} rendered products never seen",
        ),
        Bar("the same in Chinese", recall(measured, patterned, language="zh")["recall"]),
        Bar(
            '"{colour} {category}" recall@10, rendered', recall(measured, plain)["recall"],
            note=f"{len(plain)} titles; relevant: that colour and category in any pattern",
        ),
        Bar("English/Chinese overlap@10, rendered", agreement(measured, patterned)),
    ]  # fmt: skip


def cost_bars(encoder: Encoder, name: str) -> list[Bar]:
    """Bars on size and time; the encoder must be on the CPU. Times are medians of 50, of the
    processor, on one thread."""
    pixels = np.random.default_rng(0).integers(0, 256, (TIMED[1], TIMED[0], 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        image = milliseconds(lambda: encoder.encode_images([picture]))
        text = milliseconds(lambda: encoder.encode_texts(["red and white striped cotton dress"]))
    finally:
        torch.set_num_threads(threads)
    return [
        Bar("weights", weight_bytes(encoder, name) / 1e6, 20.0, at_most=True, unit="MB"),
        Bar(
            f"one picture of {TIMED[0]} x {TIMED[1]}, one core", image[0], 15.0, at_most=True, unit="ms",
            note=f"preprocessing and encoding, processor time; {image[1]:.1f} ms by the wall clock",
        ),
        Bar(
            "one text, one core", text[0], 5.0, at_most=True, unit="ms",
            note=f"processor time; {text[1]:.1f} ms by the wall clock",
        ),
    ]  # fmt: skip


def milliseconds(call: Callable[[], object], times: int = 50) -> tuple[float, float]:
    """Median time of a call in ms: on the processor, over all threads, and by the wall clock.

    They are the same on an idle machine; on a busy one the second holds waiting for others.
    """
    for _ in range(5):
        call()
    own, wall = [], []
    for _ in range(times):
        begun, spent = time.perf_counter(), time.process_time()
        call()
        own.append(1000 * (time.process_time() - spent))
        wall.append(1000 * (time.perf_counter() - begun))
    return statistics.median(own), statistics.median(wall)


def weight_bytes(encoder: Encoder, name: str) -> int:
    """Size of the weight files of an encoder in a folder; of its parameters in memory for any other."""
    parsed = parse_name(name)
    if parsed.kind == "folder":
        files = Path(parsed.place).expanduser().iterdir()
        return sum(file.stat().st_size for file in files if file.suffix in (".safetensors", ".bin", ".pt"))
    return int(getattr(encoder, "bytes"))  # noqa: B009 - not part of the protocol


def measure_bars(name: str, folder: Path, cache: Path, products: int) -> list[Bar]:
    """All bars of the encoder of that name; those on photos only if the folder is there.

    Raises `EncoderUnavailable`.
    """
    encoder = load(name)
    bars = []
    if (folder / "products.csv").exists():
        baseline = json.loads(FIGURES.read_text()) if FIGURES.exists() else None
        measured = look(encoder, photographed(unseen_photos(folder)), "looking at photos")
        bars += photo_bars(measured, baseline)
    else:
        PROGRESS.print(f"There is no {folder / 'products.csv'}: the bars on photos are left out.")
    bars += drawn_bars(look(encoder, drawn(products, cache), "looking at rendered products"))
    return bars + cost_bars(encoder, name)


def table(bars: list[Bar], title: str) -> Table:
    """The bars for people to read."""
    shown = Table(title=title, title_justify="left", box=box.SIMPLE)
    for column in ("bar", "figure", "target", "met", "on"):
        if column in ("figure", "target"):
            shown.add_column(column, justify="right", no_wrap=True)
        else:
            shown.add_column(column, no_wrap=column != "on")
    words = {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}
    for bar in bars:
        shown.add_row(*bar.row(), words[bar.met], bar.note)
    return shown


def main(
    encoder: Annotated[
        str, typer.Option(help="Encoder to measure, as in VITRINE_ENCODER.")
    ] = "vitrine-compact",
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder that drawn pictures are kept in.")] = Path(
        ".vitrine/train"
    ),
    products: Annotated[int, typer.Option(min=78, help="Rendered products to search among.")] = PRODUCTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print every bar with its figure, its target and whether it is met."""
    bars = measure_bars(encoder, photos, cache, products)
    if as_json:
        rows = [asdict(bar) | {"met": bar.met} for bar in bars]
        print(json.dumps({"encoder": encoder, "bars": json_ready(rows)}, indent=1))
    else:
        # A file or a pipe has no width: leave the notes on one line.
        console = Console() if Console().is_terminal else Console(width=160)
        console.print(table(bars, f"{encoder} on what it was not trained on"))


def json_ready(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with figures rounded and None for NaN, which JSON does not have."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return None if math.isnan(value) else round(value, 4)
        return value

    return [{key: plain(value) for key, value in row.items()} for row in rows]


if __name__ == "__main__":
    typer.run(main)
