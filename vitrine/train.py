"""`vitrine train`: fit a method of image retrieval, or a dual encoder, on the shop's own catalogue."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.settings import get_settings
from vitrine.options import assignments


def train(
    catalogue: Annotated[
        Path, typer.Argument(help="A CSV, JSON Lines or Parquet file, or a folder of pictures.")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="bow or vlad (visual words), classes, siamese, triplet, proxy or simclr (networks), "
            "clip (pictures and titles), measure (a distance over the vectors of any encoder)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; local-dir:FOLDER then names the encoder.")],
    images: Annotated[Path | None, typer.Option(help="Folder of its pictures, if not its own.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FIELD=COLUMN, e.g. title=name; repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep products by a field, e.g. split=train; repeatable.")
    ] = None,
    label: Annotated[str, typer.Option(help="Field that holds the label.")] = "category",
    no_label: Annotated[bool, typer.Option("--no-label", help="Learn without labels.")] = False,
    trunk: Annotated[str, typer.Option(help="Network: timm:NAME or torchvision:NAME.")] = "timm:resnet10t",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from the weights that its library publishes.")
    ] = False,
    attention: Annotated[str, typer.Option(help="Attention in the network: none, se, eca or cbam.")] = "none",
    pooling: Annotated[
        str, typer.Option(help="What makes one vector of its map: avg, gem or attention.")
    ] = "avg",
    hidden: Annotated[int, typer.Option(help="Width of a hidden layer of its head; 0: none.")] = 0,
    dim: Annotated[int, typer.Option(help="Width of the vectors.")] = 128,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the pictures, pixels. Default: 96; 160 for visual words.")
    ] = None,
    start: Annotated[str, typer.Option(help="Encoder that clip and measure start from.")] = "vitrine-compact",
    learn: Annotated[
        str, typer.Option(help="Of measure: mahalanobis (a linear map) or network.")
    ] = "mahalanobis",
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so long. Default: 10, without --steps.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    batch: Annotated[int | None, typer.Option(help="Pictures of a step. Default: as is usual.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Its peak. Default: as is usual.")] = None,
    validation: Annotated[
        float, typer.Option(help="Share of the products that the best weights are chosen by.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the checkpoint of an earlier run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train an encoder on your own catalogue; index with it as --encoder local-dir:FOLDER.

    Part of the products is held back to choose the best weights by. Interrupted, the same command goes on
    from its last checkpoint, in FOLDER.checkpoint.
    """
    from services.catalogue.readers import open_catalogue
    from services.encoder.fit import Plan
    from services.encoder.fit import train as run
    from services.encoder.fit.pictures import CataloguePictures

    console = Console(stderr=True)
    settings = get_settings()
    plan = Plan(
        method=method,
        label=None if no_label else label,
        trunk=trunk,
        pretrained=pretrained,
        image_size=image_size,
        dim=dim,
        attention=attention,
        pooling=pooling,
        hidden=hidden,
        start=start,
        learn=learn,
        minutes=minutes,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        validation=validation,
        seed=seed,
    )
    opened = open_catalogue(catalogue, mapping=assignments("--map", mapping), images=images)
    pictures = CataloguePictures(opened, settings, assignments("--where", where))
    try:
        trained = run(pictures, plan, out, settings=settings, console=console, restart=restart)
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from the last checkpoint.")
        raise typer.Exit(130) from None
    if as_json:
        facts = trained.__dict__ | {"folder": str(trained.folder)}
        typer.echo(json.dumps(facts, indent=2))
        return
    took = f" in {trained.seconds / 60:.1f} min, {trained.steps} steps" if trained.steps else ""
    typer.echo(
        f"Trained{took}: {trained.scored_by} {trained.score:.3f} on products held back, "
        f"{trained.parameters / 1e6:.2f} M parameters."
    )
    typer.echo(f"vitrine index {shlex.quote(str(catalogue))} --encoder {shlex.quote(f'local-dir:{out}')}")
