"""`python -m searcher.fusion.shipped`: train the attention head that ships with the default encoder.

It learns from rendered products and photos of the training splits (`searcher.evaluate.labelled`), whose facts
are known; a shop's own head comes from `vitrine fusion train`, which needs none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from searcher.evaluate.labelled import LABEL, SHAPE, drawn_pool, photo_pool
from searcher.evaluate.pool import Pool
from searcher.evaluate.queries import make_queries
from searcher.fusion.fit import Lesson, Plan, fit
from searcher.fusion.learned import SHIPPED, head_path
from services.encoder.train.heldout import load

#: Queries of each kind to learn from, for either set of products.
QUERIES = 8000
#: Of the queries; those of the benchmark are other ones.
SEED = 2


def main(
    encoder: Annotated[
        str | None, typer.Option(help="Encoder, as in VITRINE_ENCODER; default: the one that ships.")
    ] = None,
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder that drawn pictures are kept in.")] = Path(
        ".vitrine/train"
    ),
    out: Annotated[Path, typer.Option(help="Folder of heads to write to.")] = SHIPPED,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = Plan.steps,
) -> None:
    """Train the head, write it, and remove the heads of encoders that no longer ship."""
    chosen = load(encoder)
    pools: list[tuple[Pool, str | None]] = [(drawn_pool("train", chosen, cache), SHAPE)]
    if (photos / "products.csv").exists():
        pools.append((photo_pool("train", chosen, photos), None))
    lessons = [
        Lesson.of(pool, make_queries(pool.facts, label=LABEL, most=QUERIES, shape=shape, seed=SEED), chosen)
        for pool, shape in pools
    ]
    console = Console()
    head = fit(lessons, chosen.identity, Plan(steps=steps), console)
    path = head_path(out, chosen.identity)
    if out == SHIPPED:
        for old in out.glob("*.safetensors"):
            old.unlink()
    head.save(path)
    console.print(f"{path}: {head.parameters} parameters, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
