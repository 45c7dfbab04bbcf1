"""`vitrine index`: the worker on the command line."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from services.errors import InvalidInput, VitrineError
from services.settings import Settings, get_settings

if TYPE_CHECKING:
    # Torch takes seconds to import, which `--help` need not wait for.
    from indexer.report import Counts, Report
    from services.catalogue.readers import Catalogue
    from services.encoder.base import Encoder

FINE, SOME_REJECTED, NOTHING_DONE, INTERRUPTED = 0, 1, 2, 130


def index(
    catalogue: Annotated[
        Path, typer.Argument(help="A CSV, JSON Lines or Parquet file, or a folder of pictures.")
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Index again whenever the catalogue or a picture changes.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove stored products that the catalogue no longer has.")
    ] = False,
    map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=COLUMN", help="Column that feeds a field, e.g. title=product_name; repeatable."
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder that relative pictures are in, if not that of the catalogue.")
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Collection to index into.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Encoder to index with.")] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="How a new collection compares vectors: auto, cosine, euclid or dot."),
    ] = None,
    switch: Annotated[
        bool,
        typer.Option(
            "--switch",
            help="Change the encoder or measure of a collection while it is served: build a new one, then "
            "switch to it.",
        ),
    ] = False,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave the old collection in the store after --switch.")
    ] = False,
    lossy: Annotated[
        bool,
        typer.Option("--lossy", help="Switch even if pictures of stored products can no longer be read."),
    ] = False,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds that searchers get to follow a --switch.")
    ] = 30.0,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Products encoded at a time.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Index a catalogue, or bring the index up to date with it.

    Products that are stored unchanged are skipped, so a run that was cut short goes on where it was.
    Rows that cannot be used are listed in a file with what is wrong and what to do about it.

    Exit code: 0 all is indexed; 1 some rows were rejected, or --prune was refused; 2 nothing could be
    done; 130 interrupted.
    """
    given = {"collection": collection, "encoder": encoder, "measure": measure, "batch_size": batch_size}
    given = {name: value for name, value in given.items() if value is not None}
    # Made anew rather than copied, so that what is given is validated.
    settings = Settings(**given) if given else get_settings()  # type: ignore[arg-type]
    mapping = dict(_assignment(text) for text in map or [])
    if switch:
        if watch or prune:
            raise InvalidInput(
                "--switch changes the encoder and does nothing else.",
                mend="Use --watch or --prune in a run after it.",
                field="switch",
            )
        from indexer.switch_cli import run_switch
        from services.catalogue.readers import open_catalogue

        opened = open_catalogue(catalogue, mapping=mapping, images=images)
        raise typer.Exit(
            run_switch(settings, opened, keep_old=keep_old, lossy=lossy, grace=grace, as_json=as_json)
        )
    if watch:
        raise typer.Exit(_watch(catalogue, settings, encoder, measure, mapping, images, prune, as_json))
    settings = _served(settings, encoder, measure)
    raise typer.Exit(
        exit_code(
            run_index(catalogue, settings, mapping=mapping, images=images, prune=prune, as_json=as_json)
        )
    )


def _served(settings: Settings, encoder: str | None, measure: str | None) -> Settings:
    """The settings for the collection that is served; what was given is kept, to be checked."""
    from services.store.alias import served

    given = {"encoder": encoder, "measure": measure}
    return served(settings).model_copy(update={key: value for key, value in given.items() if value})


def run_index(
    catalogue: Path,
    settings: Settings,
    *,
    mapping: Mapping[str, str] | None = None,
    images: Path | None = None,
    prune: bool = False,
    as_json: bool = False,
) -> Report:
    """Index once, with a progress bar on stderr and the report on stdout.

    Raises `VitrineError` if it cannot be done, `typer.Exit` with 130 on Ctrl-C or SIGTERM.
    """
    from services.catalogue.readers import open_catalogue

    return _run(open_catalogue(catalogue, mapping=mapping, images=images), settings, None, prune, as_json)


def exit_code(report: Report) -> int:
    """0 all is indexed, 1 some of it, 2 nothing could be."""
    counts = report.counts
    if counts.rejected == counts.read:
        return NOTHING_DONE
    return SOME_REJECTED if counts.rejected or report.not_pruned else FINE


def _assignment(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not (equals and field.strip() and column.strip()):
        raise InvalidInput(
            f"--map {text} is not FIELD=COLUMN.", mend="Write e.g. --map title=product_name.", field="map"
        )
    return field.strip(), column.strip()


def _run(
    catalogue: Catalogue, settings: Settings, encoder: Encoder | None, prune: bool, as_json: bool
) -> Report:
    with Bar(quiet=as_json) as bar, interruptible(bar):
        # Now, so that log lines go above the bar.
        from services.telemetry import configure_logging

        configure_logging(settings)
        if encoder is None:
            bar.say("loading the encoder")
            encoder = _load_encoder(settings)
        from indexer.worker import index_opened
        from services.store.factory import open_store
        from services.traces import span, traced

        bar.say("indexing")
        with (
            traced(settings, "vitrine-indexer"),
            closing(open_store(settings)) as store,
            span("index", collection=settings.collection),
        ):
            report = index_opened(catalogue, settings, encoder, store, prune=prune, progress=bar.update)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False))
    else:
        print_report(report)
    return report


def _load_encoder(settings: Settings) -> Encoder:
    from services.encoder.registry import load_accelerated

    return load_accelerated(settings, many=True)


def _watch(
    path: Path,
    named: Settings,
    wanted: str | None,
    measure: str | None,
    mapping: Mapping[str, str],
    images: Path | None,
    prune: bool,
    as_json: bool,
) -> int:
    """Index at every change until interrupted; a catalogue that is broken for a while is waited out.

    Follows the collection if its encoder or measure is changed meanwhile, unless one was given.
    """
    from indexer.watch import changes
    from services.catalogue.readers import open_catalogue

    errors = Console(stderr=True)
    catalogue = open_catalogue(path, mapping=mapping, images=images)
    first = True
    try:
        settings = _served(named, wanted, measure)
        encoder = _load_encoder(settings)
        for _ in changes(catalogue, ignore=settings.data_dir):
            try:
                if not first:
                    catalogue = open_catalogue(path, mapping=mapping, images=images)
                    if (now := _served(named, wanted, measure)) != settings:
                        settings, encoder = now, _load_encoder(now)
                _run(catalogue, settings, encoder, prune, as_json)
            except VitrineError as error:
                if first:
                    raise
                errors.print(Text.assemble((f"{error.title}: ", "bold red"), str(error)))
            first = False
            errors.print(Text(f"Watching {path} for changes; Ctrl-C ends it.", "dim"))
    except KeyboardInterrupt:
        errors.print("Stopped watching.")
    return FINE


@contextmanager
def interruptible(bar: Bar) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the command with a sentence on how to go on."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    # Only the main thread may set handlers, and only it gets Ctrl-C.
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, interrupt) if main else None
    try:
        yield
    except KeyboardInterrupt:
        bar.stop()
        stored = bar.stored
        Console(stderr=True).print(
            f"Stopped. {stored:,} {'product is' if stored == 1 else 'products are'} stored from this run; "
            "the same command goes on from there."
        )
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} products/s" if task.speed else "", style="progress.data.speed")


class Bar:
    """Progress on stderr: rows done, products a second, time left. Silent where nobody looks."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.fields[of]}"),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None, of="?")
        #: Products stored so far, unchanged ones left out.
        self.stored = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._progress.stop()

    def say(self, doing: str) -> None:
        self._progress.update(self._task, description=doing)

    def update(self, counts: Counts, expected: int | None) -> None:
        self.stored = counts.added + counts.updated
        # What is expected may be an estimate.
        total = None if expected is None else max(expected, counts.read)
        doing = "finishing" if total and counts.done >= total else "indexing"
        of = "?" if total is None else f"{total:,}"
        self._progress.update(self._task, completed=counts.done, total=total, of=of, description=doing)


def print_report(report: Report) -> None:
    console, counts = Console(), report.counts
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{counts.read:,}", f"rows read from {report.catalogue}")
    styles = {
        "added": "green",
        "updated": "green",
        "unchanged": "dim",
        "rejected": "yellow",
        "pruned": "magenta",
    }
    for name, style in styles.items():
        if number := getattr(counts, name):
            table.add_row(Text(f"{number:,}", style), Text(name, style))
    for reason, number in report.reasons.items():
        table.add_row("", Text(f"{number:,} x {reason}", "yellow"))
    console.print(table)
    stages = "  ".join(f"{name} {seconds:.1f}" for name, seconds in report.stages.items())
    console.print(
        Text(
            f"{report.seconds:.1f} s, {report.products_per_second:,.0f} products/s; seconds worked: {stages}",
            "dim",
        )
    )
    if report.rejects is not None:
        console.print(
            Text.assemble(
                "What is wrong with each rejected row and what to do: ", (str(report.rejects), "bold")
            ),
            soft_wrap=True,
        )
    if report.not_pruned is not None:
        console.print(Text.assemble(("Nothing was pruned. ", "yellow"), report.not_pruned))
    if not counts.read:
        console.print("The catalogue has no rows.")
