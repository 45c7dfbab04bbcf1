"""Which way of combining query parts and product fields answers composed queries best?

At least 1,000 labelled queries of each kind over rendered products (exact facts) and over real photos (class
and measured colour), none of which any training saw; all products are ranked. What can be tuned (fixed
weights, temperatures) is tuned on validation products first. Prints one table for each set:
recall@1, recall@10 (with 95 % bootstrap intervals), mAP and nDCG@10; and where the learned head fails.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as combinations
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import qdrant_edge as qdrant
import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from searcher.evaluate.labelled import LABEL, SHAPE, Split, drawn_pool, photo_pool
from searcher.evaluate.metrics import interval
from searcher.evaluate.pool import Encoded, Pool, Rank, by, encode, values_of
from searcher.evaluate.queries import KINDS, MODIFYING, LabelledQuery, make_queries
from searcher.fusion.attention import Attention
from searcher.fusion.baselines import Mean, ReciprocalRank, RelativeScore, Weighted
from searcher.fusion.learned import Learned, find_head
from services.calibration import Calibration
from services.encoder.base import Encoder
from services.encoder.train.heldout import load
from services.settings import Settings
from services.store.base import VECTORS

MEASURES = ("recall@1", "recall@10", "mAP", "nDCG@10")
#: Queries of each kind to tune with.
TUNING = 150
#: Plain ways of mixing, which attention has to beat.
PLAIN = ("mean", "fixed weights", "rrf", "relative score", "Qdrant RRF", "Qdrant DBSF")
#: Products that Qdrant's own fusions take from each of their searches.
DEPTH = 1000
console = Console(width=150)


@dataclass(frozen=True)
class Asked:
    """A set of products with its encoded queries."""

    pool: Pool
    queries: list[LabelledQuery]
    encoded: list[Encoded]
    calibration: Calibration

    def rows(self, *kinds: str) -> list[int]:
        return [row for row, query in enumerate(self.queries) if query.kind in kinds]

    def groups(self) -> list[tuple[str, list[int]]]:
        """Every kind with its rows, and both modifying ones together."""
        return [(kind, self.rows(kind)) for kind in KINDS] + [("both modifying kinds", self.rows(*MODIFYING))]

    def values(self, rank: Rank) -> dict[str, list[float]]:
        return values_of(self.queries, self.encoded, self.pool, rank, self.calibration)


def ask(pool: Pool, encoder: Encoder, most: int, seed: int) -> Asked:
    shape = SHAPE if any(SHAPE in facts for facts in pool.facts.values()) else None
    queries = make_queries(pool.facts, label=LABEL, most=most, shape=shape, seed=seed)
    return Asked(pool, queries, encode(queries, pool, encoder), pool.calibration())


def tuned(sets: Sequence[Asked]) -> tuple[Weighted, Attention]:
    """Fixed weights and temperatures with the best mean recall@10 over kinds of queries and sets."""

    def goodness(rank: Rank) -> float:
        found = []
        for asked in sets:
            values = asked.values(rank)["recall@10"]
            found += [np.mean([values[row] for row in asked.rows(kind)]) for kind in KINDS]
        return float(np.mean(found))

    weights = [
        Weighted((image, 1 - image), text_weight=text)
        for image, text in combinations((0.3, 0.5, 0.7), (0.7, 1.0, 1.4, 2.0))
    ]
    attentions = [Attention(t, p) for t, p in combinations((0.5, 1.0, 2.0), (2.0, 8.0, 32.0))]
    fixed = max(track(weights, "tuning fixed weights", console=console), key=lambda one: goodness(by(one)))
    attention = max(
        track(attentions, "tuning temperatures", console=console), key=lambda one: goodness(by(one))
    )
    return fixed, attention


class QdrantFusion:
    """Qdrant's own fusion of one search for each wanted part and field. It knows no unwanted parts."""

    def __init__(self, pool: Pool, folder: Path, fusion: Any) -> None:
        self._fusion = fusion
        self._row_of = {one: row for row, one in enumerate(pool.ids)}
        dim = pool.fields.shape[2]
        vectors = {
            name: qdrant.EdgeVectorParams(size=dim, distance=qdrant.Distance.Cosine) for name in VECTORS
        }
        folder.mkdir()
        self._shard = qdrant.EdgeShard.create(str(folder), qdrant.EdgeConfig(vectors=vectors))
        points = [
            qdrant.Point(
                row,
                {
                    name: pool.fields[row, column].tolist()
                    for column, name in enumerate(VECTORS)
                    if pool.present[row, column]
                },
                {},
            )
            for row in range(len(pool.ids))
        ]
        self._shard.update(qdrant.UpdateOperation.upsert_points(points))

    def __call__(self, query: Encoded, pool: Pool, calibration: Calibration) -> np.ndarray:
        searches = [
            qdrant.Prefetch(limit=DEPTH, query=qdrant.Query.Nearest(vector.tolist(), using=name))
            for vector, weight in zip(query.vectors, query.weights, strict=True)
            for name in VECTORS
            if weight > 0
        ]
        found = self._shard.query(
            qdrant.QueryRequest(limit=len(pool.ids), prefetches=searches, query=self._fusion)
        )
        scores = np.full(len(pool.ids), -np.inf)
        for place, hit in enumerate(found):
            scores[int(hit.id)] = -place
        return scores


def fusions(
    asked: Asked, fixed: Weighted, attention: Attention, encoder: Encoder, folder: Path
) -> dict[str, Rank]:
    """Everything that is compared, the plain ways first."""
    found: dict[str, Rank] = {
        "mean": by(Mean()),
        "fixed weights": by(fixed),
        "rrf": by(ReciprocalRank()),
        "relative score": by(RelativeScore()),
        "Qdrant RRF": QdrantFusion(asked.pool, folder / "rrf", qdrant.Fusion.Rrf(60)),
        "Qdrant DBSF": QdrantFusion(asked.pool, folder / "dbsf", qdrant.Fusion.Dbsf()),
        "attention": by(attention),
    }
    if (head := find_head(Settings(), encoder.identity)) is not None:
        found["learned attention"] = by(Learned(head, attention))
    return found


def table(title: str, asked: Asked, found: Mapping[str, Mapping[str, list[float]]]) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE)
    shown.add_column("query")
    shown.add_column("fusion")
    for measure in MEASURES:
        shown.add_column(measure, justify="right")
    shown.add_column("recall@10, 95 %", justify="right")
    for kind, rows in asked.groups():
        means = {
            name: {m: float(np.mean([v[m][r] for r in rows])) for m in MEASURES} for name, v in found.items()
        }
        best = {measure: max(round(mean[measure], 3) for mean in means.values()) for measure in MEASURES}
        for place, (name, mean) in enumerate(means.items()):
            low, high = interval([found[name]["recall@10"][row] for row in rows])
            cells = [
                f"[bold]{mean[m]:.3f}[/bold]" if round(mean[m], 3) == best[m] else f"{mean[m]:.3f}"
                for m in MEASURES
            ]
            shown.add_row(f"{kind} ({len(rows)})" if not place else "", name, *cells, f"{low:.3f}-{high:.3f}")
        shown.add_section()
    return shown


def markdown(title: str, asked: Asked, found: Mapping[str, Mapping[str, list[float]]]) -> str:
    """recall@10 of everything, one row for each kind of query."""
    lines = [
        f"{len(asked.pool.ids)} {title}:\n",
        f"| query | {' | '.join(found)} |",
        "|---|" + "---:|" * len(found),
    ]
    for kind, rows in asked.groups():
        means = [float(np.mean([values["recall@10"][row] for row in rows])) for values in found.values()]
        lines.append(f"| {kind} ({len(rows)}) | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(lines)


def verdict(asked: Asked, found: Mapping[str, Mapping[str, list[float]]]) -> list[str]:
    """Learned attention against the best plain way of each kind, by recall@10."""
    if "learned attention" not in found:
        return ["There is no attention head for this encoder: python -m searcher.fusion.shipped trains one."]
    lines = []
    for kind, rows in asked.groups():
        mean = {name: float(np.mean([v["recall@10"][r] for r in rows])) for name, v in found.items()}
        plain = max(PLAIN, key=lambda name: mean[name])
        difference = 100 * (mean["learned attention"] - mean[plain])
        lines.append(f"{kind}: {difference:+.1f} points of recall@10 against the best plain way ({plain})")
    return lines


def failures(asked: Asked, values: Mapping[str, list[float]], most: int = 6) -> list[str]:
    """Of modifying queries, the categories and the asked words that are answered worst."""
    by_label: dict[str, list[float]] = defaultdict(list)
    by_word: dict[str, list[float]] = defaultdict(list)
    for row in asked.rows(*MODIFYING):
        query = asked.queries[row]
        facts = asked.pool.facts[next(iter(query.relevant))]
        by_label[facts[LABEL]].append(values["recall@10"][row])
        by_word[str(query.parts[-1].text).rsplit(" ", 1)[-1]].append(values["recall@10"][row])

    def worst(groups: Mapping[str, list[float]]) -> str:
        means = {name: float(np.mean(some)) for name, some in groups.items() if len(some) >= 5}
        return ", ".join(f"{name} {means[name]:.2f}" for name in sorted(means, key=lambda n: means[n])[:most])

    return [f"answered worst, by category wanted: {worst(by_label)}", f"by last word asked: {worst(by_word)}"]


def main(
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder that drawn pictures are kept in.")] = Path(
        ".vitrine/train"
    ),
    encoder: Annotated[str | None, typer.Option(help="Encoder, as in VITRINE_ENCODER.")] = None,
    most: Annotated[int, typer.Option(min=10, help="Queries of each kind.")] = 1000,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print recall@10 alone, as Markdown.")
    ] = False,
) -> None:
    """Print the tables."""
    chosen = load(encoder)
    pools: dict[str, Callable[[Split], Pool]] = {
        "rendered products": lambda split: drawn_pool(split, chosen, cache)
    }
    if (photos / "products.csv").exists():
        pools["real photos"] = lambda split: photo_pool(split, chosen, photos)
    validation = [ask(pool("validation"), chosen, TUNING, seed=1) for pool in pools.values()]
    fixed, attention = tuned(validation)
    console.print(f"Tuned on validation: {fixed}, {attention}")
    for name, pool in pools.items():
        asked = ask(pool("test"), chosen, most, seed=0)
        with tempfile.TemporaryDirectory() as folder:
            ranks = fusions(asked, fixed, attention, chosen, Path(folder))
            found = {
                fusion: asked.values(rank)
                for fusion, rank in track(ranks.items(), f"asking {name}", console=console)
            }
        if as_markdown:
            typer.echo(markdown(name, asked, found))
        else:
            console.print(table(f"{len(asked.pool.ids)} {name}", asked, found))
        for line in verdict(asked, found):
            console.print(line)
        if "learned attention" in found:
            for line in failures(asked, found["learned attention"]):
                console.print(line)


if __name__ == "__main__":
    typer.run(main)
