"""`vitrine duplicates`: products of the collection that show the same picture."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from searcher.duplicates import NEAR, Duplicates, find_duplicates, sources_of
from services.errors import InvalidInput, NotFound
from services.settings import get_settings

#: Groups shown in the terminal.
_SHOWN = 40
_COLUMNS = ("group", "id", "title", "other", "other_title", "evidence", "cosine", "correlation")


def duplicates(
    near: Annotated[
        float, typer.Option(help="Cosine of their vectors from which pictures are compared.")
    ] = NEAR,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Also open pictures at URLs, over the network.")
    ] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the pairs to this file, one a row.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find products that show the same picture: copies of a file, resized, compressed, mirrored, cropped.

    The pictures of products whose vectors are near are opened and compared pixel by pixel, so products that
    only look alike are left out. Pictures that cannot be opened count as copies if their vectors are nearly
    equal; the evidence of such pairs says so.
    """
    # Imported here, because they pull in store libraries that `--help` need not wait for.
    from services.store.alias import served
    from services.store.factory import open_store

    settings = served(get_settings())
    with closing(open_store(settings)) as store:
        meta = store.meta()
        if meta is None:
            raise NotFound(
                f"There is no collection '{settings.collection}' yet.",
                mend="Index a catalogue first: vitrine index CATALOGUE.",
                field="collection",
            )
        store.open(meta)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            tasks = {
                stage: bar.add_task(what, total=None, rate="", visible=False)
                for stage, what in (("searching", "products"), ("comparing", "pairs"))
            }

            def progress(stage: str, done: int, total: int) -> None:
                speed = bar.tasks[tasks[stage]].speed
                rate = "" if speed is None else f"{speed:,.0f}/s"
                bar.update(tasks[stage], completed=done, total=total, rate=rate, visible=True)

            found = find_duplicates(store, settings, near=near, fetch=fetch, progress=progress)
        ids = [one for group in found.groups for one in group.products]
        known = sources_of(store, ids) if ids else {}
    if csv_file is not None:
        write_csv(csv_file, found, known)
    if as_json:
        typer.echo(json.dumps(as_json_report(found, known), ensure_ascii=False, indent=2))
    else:
        _show(found, known, csv_file)


def as_json_report(found: Duplicates, known: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """What was found, ready for JSON; `known` gives title and picture by id."""
    return {
        "products": found.products,
        "near_pairs": found.near,
        "different_pairs": found.different,
        "unopened_pairs": found.unopened,
        "groups": [
            {
                "products": [
                    {"id": one, "title": _known(known, one)[0], "image": _known(known, one)[1]}
                    for one in group.products
                ],
                "pairs": [
                    {
                        "id": pair.one,
                        "other": pair.other,
                        "evidence": pair.evidence,
                        "cosine": round(pair.cosine, 4),
                        "correlation": None if pair.correlation is None else round(pair.correlation, 4),
                    }
                    for pair in group.pairs
                ],
            }
            for group in found.groups
        ],
    }


def write_csv(path: Path, found: Duplicates, known: Mapping[str, tuple[str, str]]) -> None:
    """One row for each pair, with the number of its group. Raises `InvalidInput` if it cannot be written."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for number, group in enumerate(found.groups, 1):
                for pair in group.pairs:
                    correlation = "" if pair.correlation is None else f"{pair.correlation:.4f}"
                    titles = _known(known, pair.one)[0], _known(known, pair.other)[0]
                    cells = (number, pair.one, titles[0], pair.other, titles[1], pair.evidence)
                    writer.writerow((*cells, f"{pair.cosine:.4f}", correlation))
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: {error.strerror or error}.",
            mend="Name a file in a folder that is there and may be written to.",
            field="csv",
        ) from error


def _known(known: Mapping[str, tuple[str, str]], one: str) -> tuple[str, str]:
    title, image = known.get(one, ("", ""))
    return title, "" if image.startswith("data:") else image


def _show(found: Duplicates, known: Mapping[str, tuple[str, str]], csv_file: Path | None) -> None:
    console = Console()
    if found.groups:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("group", justify="right")
        table.add_column("product", overflow="fold", ratio=2)
        table.add_column("same picture as", overflow="fold", ratio=2)
        table.add_column("evidence", no_wrap=True)
        table.add_column("cosine", justify="right")
        for number, group in enumerate(found.groups[:_SHOWN], 1):
            for place, pair in enumerate(group.pairs[:_SHOWN]):
                table.add_row(
                    "" if place else str(number),
                    _named(pair.one, known),
                    _named(pair.other, known),
                    pair.evidence,
                    f"{pair.cosine:.3f}",
                )
        console.print(table)
        if len(found.groups) > _SHOWN or any(len(group.pairs) > _SHOWN for group in found.groups):
            console.print(Text("There are more; --json prints and --csv FILE writes all of them.", "dim"))
    if csv_file is not None:
        console.print(f"Pairs written to {csv_file}", soft_wrap=True)
    copies = sum(len(group.products) - 1 for group in found.groups)
    told = f"{found.near:,} near pairs, {found.different:,} of them different pictures"
    if found.unopened:
        told += f", {found.unopened:,} with pictures that could not be opened"
    console.print(
        f"{len(found.groups):,} groups with {copies:,} copies among {found.products:,} products ({told})."
    )


def _named(one: str, known: Mapping[str, tuple[str, str]]) -> Text:
    title = _known(known, one)[0]
    text = f"{one} {title}" if title else one
    # Titles come from anywhere, and a terminal obeys control characters.
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))
