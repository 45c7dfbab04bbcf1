"""What a method is worth: how well photos find photos, also changed ones, and what it costs."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from threadpoolctl import threadpool_limits

from searcher.engine import Engine
from searcher.evaluate.metrics import interval, score
from searcher.query import Part, Query
from services.calibration import sample_calibration
from services.encoder.base import Encoder
from services.encoder.train.robustness import turned
from services.points import collection_meta, make_points
from services.settings import Settings
from services.store.base import Filter
from services.store.factory import open_store
from vitrine.compare.backgrounds import elsewhere
from vitrine.compare.split import Item

Change = Callable[[Image.Image], Image.Image]

#: Changes of a photo that is searched with. Those that are searched stay as they are.
CHANGES: dict[str, Change] = {
    "turned by 15°": lambda picture: turned(picture, 15),
    "turned by 45°": lambda picture: turned(picture, 45),
    "turned by 90°": lambda picture: turned(picture, 90),
    "dark (x 0.5)": lambda picture: ImageEnhance.Brightness(picture).enhance(0.5),
    "bright (x 1.5)": lambda picture: ImageEnhance.Brightness(picture).enhance(1.5),
    "blurred": lambda picture: picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 90)),
}
BACKGROUND = "new background"
#: Photos that are changed; answers to each are ranked in full.
MOST_CHANGED = 100
#: Photos that the report shows with their answers.
SHOWN = 5
_TIMED = 24
_CHUNK = 64


@dataclass
class Figures:
    """`values` holds mAP and recall@k for each photo; `changed` the mAP under each change, of as many of the
    photos as `changed_of` says, and `before` that of the very same photos as they are, since not every photo
    can be changed in every way; `unchanged` that of all that are changed in some way. `answers` are ids, best
    first, for the photos shown."""

    name: str
    family: str
    what: str
    paper: str
    values: dict[str, list[float]] = field(default_factory=dict)
    changed: dict[str, float] = field(default_factory=dict)
    changed_of: dict[str, int] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    unchanged: float = 0.0
    answers: dict[str, list[str]] = field(default_factory=dict)
    minutes: float = 0.0
    milliseconds: float = 0.0
    bytes: int = 0
    dim: int = 0
    parameters: int = 0
    measure: str = ""
    error: str = ""

    def mean(self, name: str) -> float:
        return float(np.mean(self.values[name]))

    def left(self, change: str) -> float | None:
        """Share of the mAP that is left under a change; None where that was not measured."""
        before = self.before.get(change, 0.0)
        return self.changed[change] / before if before else None

    @property
    def spread(self) -> tuple[float, float]:
        """95 % interval of the mAP."""
        return interval(self.values["mAP"])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def shown(items: Sequence[Item]) -> list[Item]:
    """The photos that the report shows: of as many labels as there can be, the same for every method."""
    queries = askable(items)
    by_label: dict[str, list[Item]] = {}
    for item in queries:
        by_label.setdefault(item.label, []).append(item)
    turns = [rows[turn] for turn in range(SHOWN) for rows in by_label.values() if len(rows) > turn]
    return turns[:SHOWN]


def askable(items: Sequence[Item]) -> list[Item]:
    """Items that another one shares the label of."""
    counts = Counter(item.label for item in items)
    return [item for item in items if counts[item.label] > 1]


def measure(
    figures: Figures, encoder: Encoder, items: Sequence[Item], settings: Settings, console: Console
) -> None:
    """Fill in what an encoder is worth on these items: each one's photo searches the others, through the
    store and the engine as in the product."""
    figures.dim, figures.bytes = encoder.dim, 4 * encoder.dim
    figures.parameters = int(getattr(encoder, "parameters", 0))
    figures.milliseconds = milliseconds(encoder, items)
    with tempfile.TemporaryDirectory(prefix="vitrine-compare-") as folder:
        changes = {
            "data_dir": Path(folder), "collection": "compare", "qdrant_url": None,
            "max_window": min(max(len(items), 10), 10_000), "late_interaction": False,
        }  # fmt: skip
        own = settings.model_copy(update=changes)
        store = open_store(own)
        try:
            store.open(collection_meta(encoder, own))
            for start in range(0, len(items), _CHUNK):
                chunk = items[start : start + _CHUNK]
                # Without titles: it is pictures that are compared.
                products = [item.product.model_copy(update={"title": ""}) for item in chunk]
                vectors = list(encoder.encode_images([item.picture for item in chunk]))
                blank = [""] * len(chunk)
                store.upsert(make_points(products, vectors, encoder, blank, [None] * len(chunk)))
            store.optimize()
            meta = store.meta()
            assert meta is not None  # opened above
            figures.measure = meta.distance
            meta.calibration = sample_calibration(store, encoder).as_dict()
            store.save_meta(meta)
            _ask(figures, Engine(own, encoder, store), items, console)
        finally:
            store.close()


def _ask(figures: Figures, engine: Engine, items: Sequence[Item], console: Console) -> None:
    relevant = {
        item.product.id: {o.product.id: 1 for o in items if o.label == item.label and o is not item}
        for item in askable(items)
    }
    queries = askable(items)

    def ranked(item: Item, picture: Image.Image) -> list[str]:
        others = Filter(not_ids=(item.product.id,))
        # By its vectors alone: an attention head there is for some encoders only.
        query = Query((Part(image=picture),), others, limit=engine.settings.max_window, fusion="attention")
        answer = engine.search(query)
        return [hit.product.id for hit in answer.hits]

    def asked(some: Sequence[Item], pictures: Sequence[Image.Image], what: str) -> dict[str, list[float]]:
        rankings = {
            item.product.id: ranked(item, picture)
            for item, picture in track(
                list(zip(some, pictures, strict=True)),
                escape(f"{figures.name}: {what}"),
                console=console,
                transient=True,
                # Written to a file, what is wiped from a terminal leaves an empty line each time.
                disable=not console.is_terminal,
            )
        }
        figures.answers |= {one: rankings[one][:SHOWN] for one in rankings if one in kept}
        return score({one: relevant[one] for one in rankings}, rankings)

    kept = {item.product.id for item in shown(items)}
    values = asked(queries, [item.picture for item in queries], "asking")
    figures.values = {name: values[name] for name in ("mAP", "recall@1", "recall@5", "recall@10")}
    kept = set()
    step = max(len(queries) // MOST_CHANGED, 1)
    some = queries[::step][:MOST_CHANGED]
    clean = figures.values["mAP"][::step][:MOST_CHANGED]
    figures.unchanged = float(np.mean(clean))

    def under(name: str, pictures: dict[int, Image.Image]) -> None:
        changed = asked([some[row] for row in pictures], list(pictures.values()), name)
        figures.changed[name], figures.changed_of[name] = float(np.mean(changed["mAP"])), len(pictures)
        figures.before[name] = float(np.mean([clean[row] for row in pictures]))

    for name, change in CHANGES.items():
        under(name, {row: change(item.picture) for row, item in enumerate(some)})
    if moved := elsewhere([item.picture for item in some]):
        under(BACKGROUND, moved)


def milliseconds(encoder: Encoder, items: Sequence[Item]) -> float:
    """Median time to encode one picture, preprocessing included.

    On the CPU it is processor time over all threads, hence what one core takes, however many there are and
    whatever else the machine does; limiting threads alone would not reach runtimes that made theirs before.
    On other devices it is time on the clock.
    """
    on_cpu = str(getattr(encoder, "device", "cpu")) == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    pictures = [item.picture for item in items[:_TIMED]]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # BLAS and OpenMP threads wait by spinning, which would count as work.
        with threadpool_limits(1):
            encoder.encode_images(pictures[:1])
            took = []
            for picture in pictures:
                begun = clock()
                encoder.encode_images([picture])
                took.append(1000 * (clock() - begun))
        return float(np.median(took))
    finally:
        torch.set_num_threads(threads)
