"""`vitrine evaluate`: index a labelled catalogue, ask it labelled queries, print how well it answered."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from indexer.worker import index_opened
from searcher.engine import Engine
from searcher.evaluate.metrics import MEASURES, interval, score
from searcher.evaluate.queries import Facts, LabelledQuery, make_queries
from searcher.query import Query
from services.catalogue.product import Product
from services.catalogue.readers import Catalogue, Row
from services.encoder.base import Encoder
from services.errors import InvalidInput
from services.settings import Settings
from services.store.base import VectorStore
from services.store.factory import open_store

Titles = Literal["none", "half", "all"]


@dataclass(frozen=True)
class Plan:
    """What to evaluate: `label` and `attribute` name fields of the product ("category", "colour"), `where`
    keeps the products whose fields have these values, `titles` says whose titles are indexed."""

    label: str = "category"
    attribute: str | None = None
    where: Mapping[str, str] | None = None
    titles: Titles = "none"
    most: int = 200


@dataclass(frozen=True)
class Result:
    """Values of every measure for every query of one kind under one fusion."""

    kind: str
    fusion: str
    values: dict[str, list[float]]

    @property
    def queries(self) -> int:
        return len(next(iter(self.values.values())))

    def mean(self, measure: str) -> float:
        return sum(self.values[measure]) / self.queries


@dataclass(frozen=True)
class _Chosen:
    """The rows of a catalogue that the plan keeps, with titles as it says."""

    catalogue: Catalogue
    plan: Plan

    def __iter__(self) -> Iterator[Row]:
        kept = 0
        for row in self.catalogue:
            if row.product is None or any(
                row.product.text_of(field) != value for field, value in (self.plan.where or {}).items()
            ):
                continue
            kept += 1
            titled = self.plan.titles == "all" or (self.plan.titles == "half" and kept % 2 == 0)
            product = row.product if titled else row.product.model_copy(update={"title": ""})
            yield Row(row.number, product=product, raw_id=row.raw_id)


def measure(
    catalogue: Catalogue,
    settings: Settings,
    encoder: Encoder,
    plan: Plan,
    fusions: Sequence[str],
    *,
    console: Console,
) -> list[Result]:
    """Results by kind of query and fusion; the index lives in a temporary folder.

    Rankings go `settings.max_window` deep, so mAP is cut there. Raises `InvalidInput` if the catalogue has
    too few labelled products to ask anything.
    """
    with tempfile.TemporaryDirectory(prefix="vitrine-evaluate-") as folder:
        own = settings.model_copy(
            update={"data_dir": Path(folder), "collection": "evaluate", "qdrant_url": None}
        )
        store = open_store(own)
        try:
            chosen = Catalogue(
                catalogue.path, catalogue.base, catalogue.columns, None, _Chosen(catalogue, plan)
            )
            with console.status("Indexing ..."):
                report = index_opened(chosen, own, encoder, store)
            console.print(f"{report.counts.added} products indexed, {report.counts.rejected} rejected.")
            products = _labelled(store, plan)
            queries = make_queries(products, label=plan.label, most=plan.most)
            if not encoder.sees_text:
                queries = [query for query in queries if all(part.text is None for part in query.parts)]
            if not queries:
                raise InvalidInput(
                    f"No two products share a {plan.label}, so there is nothing to ask.",
                    mend="Name the field that holds the label: --label FIELD.",
                    field="label",
                )
            return _ask(Engine(own, encoder, store), queries, fusions, console)
        finally:
            store.close()


def _labelled(store: VectorStore, plan: Plan) -> Mapping[str, Facts]:
    found: dict[str, dict[str, str]] = {}
    cursor: str | None = None
    while True:
        points, cursor = store.scroll(limit=1000, cursor=cursor)
        for point in points:
            product = Product.from_payload(point.payload)
            if label := product.text_of(plan.label):
                found[point.id] = {plan.label: label}
                if plan.attribute and (attribute := product.text_of(plan.attribute)):
                    found[point.id][plan.attribute] = attribute
        if cursor is None:
            return found


def _ask(
    engine: Engine, queries: Sequence[LabelledQuery], fusions: Sequence[str], console: Console
) -> list[Result]:
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = []
    kinds = list(dict.fromkeys(query.kind for query in queries))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(queries) * len(fusions))
        for kind in kinds:
            asked = {str(number): query for number, query in enumerate(queries) if query.kind == kind}
            relevant = {number: query.relevant for number, query in asked.items()}
            for fusion in fusions:
                rankings = {}
                for number, query in asked.items():
                    answer = engine.search(
                        Query(query.parts, limit=engine.settings.max_window, fusion=fusion)
                    )
                    rankings[number] = [hit.product.id for hit in answer.hits]
                    progress.advance(task)
                results.append(Result(kind, fusion, score(relevant, rankings)))
    return results


def tables(results: Sequence[Result]) -> Iterator[Table]:
    """One table for each kind of query: a row for each fusion, the best value of each column in bold; the
    interval is that of nDCG@10."""
    for kind in dict.fromkeys(result.kind for result in results):
        rows = [result for result in results if result.kind == kind]
        table = Table(title=f"{kind} ({rows[0].queries} queries)", title_justify="left", box=box.SIMPLE)
        table.add_column("fusion", min_width=9)
        for measure in MEASURES:
            table.add_column(measure.replace("recall", "R").replace("precision", "P"), justify="right")
        table.add_column("95 % interval", justify="right", min_width=13)
        best = {measure: max(round(row.mean(measure), 3) for row in rows) for measure in MEASURES}
        for row in rows:
            cells = []
            for measure in MEASURES:
                value = round(row.mean(measure), 3)
                cells.append(f"[bold]{value:.3f}[/bold]" if value == best[measure] else f"{value:.3f}")
            low, high = interval(row.values["nDCG@10"])
            table.add_row(row.fusion, *cells, f"{low:.3f}-{high:.3f}")
        yield table


def as_markdown(results: Sequence[Result]) -> str:
    """All results as one Markdown table."""
    lines = [
        "| query | fusion | " + " | ".join(MEASURES) + " |",
        "|---|---|" + "---:|" * len(MEASURES),
    ]
    for result in results:
        cells = " | ".join(f"{result.mean(measure):.3f}" for measure in MEASURES)
        lines.append(f"| {result.kind} ({result.queries}) | {result.fusion} | {cells} |")
    return "\n".join(lines)


def as_json_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Means and 95 % intervals, ready for JSON."""
    return [
        {
            "query": result.kind,
            "fusion": result.fusion,
            "queries": result.queries,
            **{
                measure: {"mean": result.mean(measure), "interval": interval(result.values[measure])}
                for measure in MEASURES
            },
        }
        for result in results
    ]
