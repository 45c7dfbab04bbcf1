"""The `vitrine` command: the worker's and the searcher's commands, the demo, the evaluation, the settings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from indexer.cli import index, run_index
from searcher.cli import run as run_service
from searcher.cli import search, serve
from services.errors import InvalidInput, VitrineError
from services.settings import Settings, get_settings
from vitrine.compare.command import compare
from vitrine.duplicates import duplicates
from vitrine.encoders import encoder_app
from vitrine.fusion import fusion_app
from vitrine.options import assignments
from vitrine.snapshots import migrate, snapshot_app
from vitrine.train import train

app = typer.Typer(
    help="Search a shop by words, by pictures, or by both. Start with: vitrine demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def demo(
    products: Annotated[
        int, typer.Option(min=48, help="Products to draw, where there are no photos.")
    ] = 1200,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to serve on; 0: a free one.")
    ] = None,
    only_index: Annotated[bool, typer.Option("--only-index", help="Index the sample and stop.")] = False,
) -> None:
    """Index a sample catalogue and serve the search page.

    The sample is the folder of real photos that VITRINE_SAMPLE_CATALOGUE names, where it is there, and
    drawn products otherwise. Run again, it goes on from what is done.
    """
    from services.store.alias import served
    from vitrine.sample import find_sample

    console = Console()
    settings = get_settings()
    # A folder and a collection of its own, so that the demo never meets a shop's products.
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "demo", "collection": "demo"})
    sample = find_sample(settings.sample_catalogue, settings.data_dir, products)
    console.print(f"Sample catalogue: {sample.what} ({sample.catalogue})")
    run_index(sample.catalogue, served(settings), images=sample.images, prune=True)
    if not only_index:
        run_service(settings if port is None else settings.model_copy(update={"port": port}))


app.command()(index)
app.command()(serve)
app.command()(search)
app.command()(duplicates)
app.command()(compare)
app.command()(train)
app.command()(migrate)
app.add_typer(snapshot_app, name="snapshot")


@app.command()
def evaluate(
    catalogue: Annotated[
        Path | None, typer.Argument(help="A labelled catalogue. Default: the demo's sample.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of its pictures, if not its own.")] = None,
    label: Annotated[str, typer.Option(help="Field that holds the label.")] = "category",
    attribute: Annotated[
        str | None, typer.Option(help="Field that words of a combined query change, such as a colour.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep products by a field, e.g. split=test; repeatable.")
    ] = None,
    titles: Annotated[str, typer.Option(help="Whose titles to index: none, half or all.")] = "none",
    fusion: Annotated[list[str] | None, typer.Option(help="Fusions to compare; default: all.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Most queries of each kind.")] = 200,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print one Markdown table.")] = False,
    as_json: _Json = False,
) -> None:
    """Measure how well searches are answered, on a catalogue with labels.

    Prints recall@1/5/10 (queries with a right answer among the first k), precision@10, mAP and nDCG@10
    for text, image and combined queries, for each fusion. The index is made in a temporary folder. With
    no catalogue, the sample's photos that the shipped encoder never saw are used.
    """
    from searcher.fusion import fusion_names
    from services.catalogue.readers import open_catalogue
    from services.encoder.registry import load_encoder
    from vitrine.evaluate import Plan, as_json_rows, as_markdown, measure, tables
    from vitrine.sample import find_sample

    if titles not in ("none", "half", "all"):
        raise InvalidInput(f"--titles {titles} is not known.", mend="Use none, half or all.", field="titles")
    settings = get_settings()
    wanted = assignments("--where", where)
    if catalogue is None:
        sample = find_sample(settings.sample_catalogue, settings.data_dir / "demo", 1200, quiet=as_json)
        catalogue, images, attribute = sample.catalogue, sample.images, attribute or "family"
        if sample.splits and not wanted:
            wanted = {"split": "test"}
    plan = Plan(label, attribute, wanted, titles, most)  # type: ignore[arg-type]  # checked above
    console = Console(stderr=True)
    results = measure(
        open_catalogue(catalogue, images=images),
        settings,
        load_encoder(settings),
        plan,
        fusion or fusion_names(),
        console=console,
    )
    if as_json:
        typer.echo(json.dumps(as_json_rows(results), indent=2))
    elif markdown:
        typer.echo(as_markdown(results))
    else:
        for table in tables(results):
            Console().print(table)


app.add_typer(encoder_app, name="encoder")
app.add_typer(fusion_app, name="fusion")


@app.command()
def settings(as_json: _Json = False) -> None:
    """List every setting: its environment variable, value and meaning."""
    now = get_settings()
    rows = [
        (variable_of(name), _shown(getattr(now, name)), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        typer.echo(json.dumps({variable: value for variable, value, _ in rows}, indent=2))
        return
    table = Table(box=box.SIMPLE)
    for column in ("variable", "value", "meaning"):
        table.add_column(column, overflow="fold")
    for (variable, value, meaning), name in zip(rows, Settings.model_fields, strict=True):
        changed = getattr(now, name) != Settings.model_fields[name].get_default()
        table.add_row(
            variable, f"[bold]{escape(value)}[/bold]" if changed else escape(value), escape(meaning)
        )
    Console().print(table)
    typer.echo("Set them in the environment or in a file .env; values in bold are not the defaults.")


def variable_of(name: str) -> str:
    """Environment variable of a setting, the shortest if it has several."""
    alias: Any = Settings.model_fields[name].validation_alias
    choices = [str(choice) for choice in alias.choices] if alias is not None else [f"VITRINE_{name.upper()}"]
    return min(choices, key=len)


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "********"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def main() -> None:
    """Entry point: errors of ours end in one sentence and exit code 2, not in a traceback."""
    try:
        app()
    except VitrineError as error:
        Console(stderr=True).print(f"[bold red]{escape(error.title)}:[/bold red] {escape(str(error))}")
        sys.exit(2)
    except ValidationError as error:
        # Settings that do not validate: pydantic names each one.
        for problem in error.errors(include_url=False):
            name = ".".join(str(part) for part in problem["loc"])
            name = variable_of(name) if name in Settings.model_fields else name
            Console(stderr=True).print(
                f"[bold red]Bad setting:[/bold red] {escape(name)}: {escape(problem['msg'])}"
            )
        sys.exit(2)


if __name__ == "__main__":
    main()
