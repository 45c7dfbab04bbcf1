"""What does re-ranking by late interaction gain, and what does it cost?

Gain: labelled queries over drawn products and real photos that no training saw and no choice was made by,
ranked by the fusion that the service uses, without and with the best 100 ranked anew (`searcher.late`) by the
embedded store. Cost: the sample catalogue indexed without and with patches, and searched. Prints a table of
each; differences have 95 % intervals of the paired bootstrap over queries.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.sample import open_sample
from indexer.worker import index_opened
from searcher.encode import QueryEncoder
from searcher.engine import Engine
from searcher.evaluate.labelled import (
    LABEL,
    SHAPE,
    drawn_pictures,
    drawn_pool,
    photo_pictures,
    photo_pool,
)
from searcher.evaluate.metrics import interval, score
from searcher.evaluate.pool import Pool, by, encode
from searcher.evaluate.queries import KINDS, LabelledQuery, make_queries
from searcher.fusion import make_fusion
from searcher.late import LateInteraction
from searcher.parts import EncodedParts
from searcher.query import Part, Query
from services.encoder.base import Encoder
from services.encoder.registry import load_encoder
from services.encoder.tokens import picture_tokens
from services.points import collection_meta
from services.settings import Settings, get_settings
from services.store.base import Point
from services.store.edge import EdgeStore
from services.store.factory import open_store

MEASURES = ("recall@10", "mAP")
NOTHING_ENCODED = EncodedParts([], [], {}, {})
console = Console(stderr=True)

Values = Mapping[str, Sequence[float]]


def keep_patches(store: EdgeStore, pool: Pool, pictures: Sequence[object], encoder: Encoder) -> None:
    """Fill an opened store with the patches of the pool's pictures."""
    for at in track(range(0, len(pictures), 64), "looking at places", console=console, transient=True):
        prepared = [encoder.prepare(picture) for picture in pictures[at : at + 64]]  # type: ignore[arg-type]
        tokens = picture_tokens(encoder, prepared)
        ids = pool.ids[at : at + 64]
        store.upsert([Point(one, patches=own) for one, own in zip(ids, tokens, strict=True)])


def ask(
    pool: Pool, queries: Sequence[LabelledQuery], encoder: Encoder, settings: Settings, store: EdgeStore
) -> tuple[Values, Values]:
    """Values of every measure for every query, without and with re-ranking."""
    late = LateInteraction(QueryEncoder(encoder, 4096), store)
    rank = by(make_fusion(settings.fusion, settings, encoder.identity))
    calibration = pool.calibration()
    plain: dict[str, list[str]] = {}
    again: dict[str, list[str]] = {}
    encoded = encode(queries, pool, encoder)
    for number, query in enumerate(track(queries, "asking", console=console, transient=True)):
        scores = rank(encoded[number], pool, calibration).copy()
        scores[encoded[number].examples] = -np.inf
        order = np.argsort(-scores, kind="stable")[: len(scores) - len(encoded[number].examples)]
        plain[str(number)] = [pool.ids[row] for row in order]
        pictured = len(query.parts) == 1 or any(part.text is not None for part in query.parts)
        if pictured:
            tokens = late.tokens(query.parts, NOTHING_ENCODED)
            order, _ = late.rerank(order, scores, pool.ids, tokens, [part.weight for part in query.parts])
        again[str(number)] = [pool.ids[row] for row in order]
    relevant = {str(number): query.relevant for number, query in enumerate(queries)}
    return score(relevant, plain), score(relevant, again)


def gains(title: str, queries: Sequence[LabelledQuery], without: Values, with_: Values) -> list[str]:
    """The table of one set, in Markdown."""
    lines = [
        f"{title}:\n",
        "| query | " + " | ".join(f"{m} | re-ranked | difference" for m in MEASURES) + " |",
        "|---|" + "---:|" * (3 * len(MEASURES)),
    ]
    for kind in KINDS:
        rows = [row for row, query in enumerate(queries) if query.kind == kind]
        cells = []
        for measure in MEASURES:
            before, after = ([values[measure][row] for row in rows] for values in (without, with_))
            low, high = interval([b - a for a, b in zip(before, after, strict=True)])
            mean = float(np.mean(after) - np.mean(before))
            cells += [f"{np.mean(before):.3f}", f"{np.mean(after):.3f}"]
            cells.append(f"{mean:+.3f} ({low:+.3f} to {high:+.3f})")
        lines.append(f"| {kind} ({len(rows)}) | {' | '.join(cells)} |")
    return lines


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def costs(settings: Settings, encoder: Encoder, asked: int) -> list[str]:
    """Indexing time, bytes on disk and milliseconds a query, without and with; a table in Markdown."""
    catalogue = open_sample(settings)
    found: dict[bool, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for late in (False, True):
            update = {
                "data_dir": Path(folder) / str(late),
                "qdrant_url": None,
                "query_cache": 0,
                "late_interaction": late,
            }
            own = settings.model_copy(update=update)
            store = open_store(own)
            begun = time.perf_counter()
            with console.status("indexing"):
                count = index_opened(catalogue, own, encoder, store).counts.added
            seconds = time.perf_counter() - begun
            used = bytes_of(own.data_dir)
            points, _ = store.scroll(limit=asked)
            words = [str(one.payload.get("title") or one.payload.get("category") or one.id) for one in points]
            engine = Engine(own, encoder, store)
            spent = []
            for parts in [[(Part(text=text),) for text in words], [(Part(product=p.id),) for p in points]]:
                times = []
                for one in parts:
                    begun = time.perf_counter()
                    engine.search(Query(one, limit=24, rerank="late" if late else None))
                    times.append((time.perf_counter() - begun) * 1000)
                spent.append(statistics.median(times))
            found[late] = [seconds * 1000 / count, used / count, *spent]
            engine.close()
    names = ("ms of indexing a product", "bytes on disk a product", "ms a text", "ms an example product")
    lines = [f"{count} products, median of {asked} queries:\n", "| cost | without | with | added |"]
    lines.append("|---|---:|---:|---:|")
    for name, before, after in zip(names, found[False], found[True], strict=True):
        lines.append(f"| {name} | {before:,.1f} | {after:,.1f} | {after - before:,.1f} |")
    return lines


def main(
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder that drawn pictures are kept in.")] = Path(
        ".vitrine/train"
    ),
    encoder: Annotated[str | None, typer.Option(help="Encoder, as in VITRINE_ENCODER.")] = None,
    most: Annotated[int, typer.Option(min=10, help="Queries of each kind.")] = 500,
    asked: Annotated[int, typer.Option(min=10, help="Queries timed.")] = 200,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown as it is.")] = False,
) -> None:
    """Print the tables."""
    given = {"encoder": encoder} if encoder else {}
    settings = get_settings().model_copy(update=given)
    chosen = load_encoder(settings)
    sets: dict[str, tuple[Callable[[], Pool], Callable[[], Sequence[object]]]] = {
        "rendered products": (
            lambda: drawn_pool("test", chosen, cache),
            lambda: drawn_pictures("test", cache),
        )
    }
    if (photos / "products.csv").exists():
        sets["real photos"] = (
            lambda: photo_pool("test", chosen, photos),
            lambda: photo_pictures("test", photos),
        )

    def show(lines: list[str]) -> None:
        text = "\n".join(lines)
        if as_markdown:
            typer.echo(text + "\n")
        else:
            from rich.markdown import Markdown

            Console(width=150).print(Markdown(text))

    for name, (make, pictures) in sets.items():
        pool = make()
        shape = SHAPE if any(SHAPE in facts for facts in pool.facts.values()) else None
        queries = make_queries(pool.facts, label=LABEL, most=most, shape=shape, seed=0)
        with tempfile.TemporaryDirectory() as folder:
            own = settings.model_copy(update={"data_dir": Path(folder), "late_interaction": True})
            store = EdgeStore(own)
            store.open(collection_meta(chosen, own))
            keep_patches(store, pool, pictures(), chosen)
            without, with_ = ask(pool, queries, chosen, settings, store)
            store.close()
        show(gains(f"{len(pool.ids)} {name}", queries, without, with_))
    show(costs(settings, chosen, asked))


if __name__ == "__main__":
    typer.run(main)
