"""`vitrine snapshot` and `vitrine migrate`: a collection into a file and back, or from folder to server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from services.errors import InvalidInput, NotFound
from services.settings import Settings, get_settings

if TYPE_CHECKING:
    from services.store.base import CollectionMeta, VectorStore

snapshot_app = typer.Typer(
    help="Keep a collection in one file, and restore it, with no encoding.", no_args_is_help=True
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Replace = Annotated[
    bool, typer.Option("--replace", help="Serve it in place of the collection that is there.")
]


@snapshot_app.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="File to write, such as products.parquet.")],
    as_json: _Json = False,
) -> None:
    """Write all that the served collection holds, vectors too, into one Parquet file.

    An embedded collection is open in one process, so stop its service first. On a server, products that
    are written meanwhile may be in the file or not; for very large collections Qdrant's own snapshots are
    quicker.
    """
    from services.store.snapshot import pages_of, write_snapshot

    with _opened(get_settings()) as (store, meta), _bar("writing", store.count()) as progress:
        done = write_snapshot(pages_of(store, meta), meta, file, progress=progress)
    size = file.stat().st_size
    if as_json:
        typer.echo(json.dumps({"file": str(file), "products": done.products, "bytes": size}))
    else:
        typer.echo(f"Wrote {done.products:,} products to {file} ({size / 1e6:,.1f} MB).")


@snapshot_app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="File that vitrine snapshot create wrote.")],
    replace: _Replace = False,
    as_json: _Json = False,
) -> None:
    """Build a collection from a snapshot and serve it, embedded or, with QDRANT_URL, on a server.

    What is served now goes on until the new collection is whole; running services follow within seconds.
    A collection that was replaced stays until `vitrine encoder tidy`.
    """
    from services.store.snapshot import read_snapshot
    from services.store.transfer import transfer

    settings = get_settings()
    snapshot = read_snapshot(file)
    with _bar("restoring", snapshot.products) as progress:
        collection = transfer(settings, snapshot.pages(), snapshot.meta, replace=replace, progress=progress)
    _tell(snapshot.products, collection, settings, as_json)


def migrate(
    to: Annotated[str | None, typer.Option(help="Address of the Qdrant server; default: QDRANT_URL.")] = None,
    replace: _Replace = False,
    as_json: _Json = False,
) -> None:
    """Move the embedded collection to a Qdrant server, vectors as they are, with nothing encoded anew.

    The embedded one is left as it is. Stop its service first.
    """
    from services.store.snapshot import pages_of
    from services.store.transfer import transfer

    settings = get_settings()
    address = to or settings.qdrant_url
    if not address:
        raise InvalidInput(
            "It is not said where to.", mend="Give --to http://HOST:6333 or set QDRANT_URL.", field="to"
        )
    target = settings.model_copy(update={"qdrant_url": address})
    with _opened(settings.model_copy(update={"qdrant_url": None})) as (store, meta):
        count = store.count()
        with _bar("moving", count) as progress:
            collection = transfer(target, pages_of(store, meta), meta, replace=replace, progress=progress)
    _tell(count, collection, target, as_json)


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[VectorStore, CollectionMeta]]:
    """The served collection, open. Raises `NotFound`, `StoreUnavailable`."""
    from services.store.alias import served
    from services.store.factory import open_store

    own = served(settings)
    with closing(open_store(own)) as store:
        meta = store.meta()
        if meta is None:
            raise NotFound(
                f"There is no collection '{settings.collection}' yet.",
                mend="Index a catalogue first: vitrine index CATALOGUE.",
                field="collection",
            )
        yield store, store.open(meta)


@contextmanager
def _bar(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn(doing),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total, rate="")

        def progress(done: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate="" if speed is None else f"{speed:,.0f}/s")

        yield progress


def _tell(products: int, collection: str, settings: Settings, as_json: bool) -> None:
    place = settings.qdrant_url or str(settings.data_dir)
    if as_json:
        typer.echo(json.dumps({"products": products, "collection": collection, "place": place}))
        return
    typer.echo(f"{products:,} products are served as '{settings.collection}' from {place}.")
    if settings.qdrant_url:
        typer.echo(f"Next: QDRANT_URL={settings.qdrant_url} vitrine serve")
