"""`vitrine fusion`: which fusions there are, and an attention head trained on the shop's own catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from services.errors import InvalidInput, NotFound
from services.settings import get_settings

if TYPE_CHECKING:
    # torch and the encoders take seconds to import, which no other command should wait for.
    from searcher.evaluate.pool import Pool
    from searcher.evaluate.queries import LabelledQuery
    from searcher.fusion import Fusion
    from services.encoder.base import Encoder

fusion_app = typer.Typer(
    help="How query parts and product fields are combined; train an attention head.", no_args_is_help=True
)

#: Fewer products with a picture teach nothing.
MIN_PRODUCTS = 200
#: Of ten products, one is to choose by and one to measure with.
PARTS = 10


@fusion_app.command("train")
def train(
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 2000,
    most: Annotated[int, typer.Option(min=1, help="Queries of each kind to train with.")] = 3000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the head even if the closed form answers better.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train an attention head on the indexed catalogue, with no labels: queries are made from its own fields,
    titles or pictures, and answered by its own products.

    Searches with the fusion "learned", the default, use it from then on. It is kept if it answers unseen
    products at least as well as the closed form.
    """
    from searcher.evaluate.unlabelled import catalogue_queries, read_pool
    from searcher.fusion import make_fusion
    from searcher.fusion.fit import Lesson, Plan, fit
    from searcher.fusion.learned import Learned, head_path
    from services.encoder.registry import load_encoder
    from services.points import check_encoder
    from services.store.alias import served
    from services.store.factory import open_store

    console = Console(stderr=True)
    settings = served(get_settings())
    encoder = load_encoder(settings)
    store = open_store(settings)
    try:
        meta = store.meta()
        if meta is None:
            raise NotFound(
                f"There is no collection '{settings.collection}' yet.",
                mend="Index a catalogue first: vitrine index CATALOGUE.",
                field="collection",
            )
        check_encoder(meta, encoder)
        if not encoder.sees_text:
            raise InvalidInput(
                f"The encoder {encoder.identity.name!r} sees pictures only; an attention head learns from "
                "words and pictures.",
                mend="The closed form serves it; for a head, index with an encoder that sees words too.",
                field="encoder",
            )
        if meta.distance != "cosine":
            raise InvalidInput(
                f"The collection compares vectors by {meta.distance}; an attention head is for cosines.",
                mend="The closed form serves it; for a head, index with VITRINE_MEASURE=cosine.",
                field="measure",
            )
        store.open(meta)
        with console.status("Reading the collection ..."):
            pool, products = read_pool(store, encoder.dim)
    finally:
        store.close()
    if len(pool.ids) < MIN_PRODUCTS:
        raise InvalidInput(
            f"The collection has {len(pool.ids)} products with a picture, fewer than {MIN_PRODUCTS}.",
            mend="Index more products; until then the closed form serves.",
            field="collection",
        )
    lessons: dict[str, tuple[Pool, list[LabelledQuery]]] = {}
    for name, rows in split(len(pool.ids), seed).items():
        part = pool.take(rows)
        own = {one: products[one] for one in part.ids}
        source, queries = catalogue_queries(
            part, own, encoder, most=most if name == "train" else 300, seed=seed
        )
        lessons[name] = (part, queries)
    if not all(queries for _, queries in lessons.values()):
        raise InvalidInput(
            "The products have too little in common to ask anything.",
            mend="Give them categories and attributes, or titles, and index again.",
            field="collection",
        )
    console.print(f"{len(lessons['train'][1])} queries made from the {source} of {len(pool.ids)} products.")
    head = fit(
        [Lesson.of(*lessons["train"], encoder)], encoder.identity, Plan(steps=steps, seed=seed), console
    )
    closed = make_fusion("attention", settings)
    rows_of = {
        name: compare(*lessons[name], encoder, {"attention": closed, "learned": Learned(head)})
        for name in ("validation", "test")
    }
    chosen = {fusion: sum(kinds.values()) for fusion, kinds in rows_of["validation"].items()}
    better = keep or chosen["learned"] >= chosen["attention"]
    path = head_path(settings.data_dir / "heads", encoder.identity)
    if better:
        head.save(path)
    if as_json:
        typer.echo(json.dumps({"kept": better, "path": str(path), "recall@10": rows_of["test"]}, indent=1))
        return
    Console().print(_table(rows_of["test"]))
    if better:
        typer.echo(f"Kept in {path}; searches with the fusion 'learned' use it from now on.")
    else:
        typer.echo("Not kept: the closed form answers this catalogue better, and goes on doing so.")


def split(count: int, seed: int) -> Mapping[str, list[int]]:
    """Rows of train, validation and test products: eight, one and one of ten."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(count).tolist()
    tenth = count // PARTS
    return {"train": order[2 * tenth :], "validation": order[:tenth], "test": order[tenth : 2 * tenth]}


def compare(
    pool: Pool, queries: Sequence[LabelledQuery], encoder: Encoder, fusions: Mapping[str, Fusion]
) -> dict[str, dict[str, float]]:
    """Mean recall@10 by fusion and kind of query."""
    from searcher.evaluate.pool import by, encode, values_of

    encoded, calibration = encode(queries, pool, encoder), pool.calibration()
    found: dict[str, dict[str, float]] = {}
    for name, fusion in fusions.items():
        values = values_of(queries, encoded, pool, by(fusion), calibration)["recall@10"]
        sums: dict[str, list[float]] = {}
        for query, value in zip(queries, values, strict=True):
            sums.setdefault(query.kind, []).append(value)
        found[name] = {kind: sum(some) / len(some) for kind, some in sums.items()}
    return found


def _table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="recall@10 on products not trained on", title_justify="left", box=box.SIMPLE)
    table.add_column("query")
    for fusion in rows:
        table.add_column(fusion, justify="right")
    for kind in next(iter(rows.values())):
        table.add_row(kind, *(f"{kinds[kind]:.3f}" for kinds in rows.values()))
    return table
