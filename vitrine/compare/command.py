"""`vitrine compare`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.errors import InvalidInput, VitrineError
from services.settings import Settings, get_settings

log = structlog.get_logger(__name__)

#: Of the figures that are kept; those of another layout are measured again, and nothing is trained anew.
_LAYOUT = 2


def compare(
    catalogue: Annotated[
        Path | None, typer.Argument(help="A labelled catalogue. Default: the demo's sample.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder of the report, the figures and the trained models.")
    ] = Path("vitrine-compare"),
    images: Annotated[Path | None, typer.Option(help="Folder of its pictures, if not its own.")] = None,
    label: Annotated[str, typer.Option(help="Field that holds the label.")] = "category",
    method: Annotated[
        list[str] | None, typer.Option(help="Only these methods, as the table names them; repeatable.")
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option(help="Encoders to compare as well, as in VITRINE_ENCODER; repeatable.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Keep products by a field, e.g. brand=Alder; repeatable.")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="Compare all by cosine, euclid or dot. Default: each as it is meant to be."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes to train each method.")] = 3.0,
    most: Annotated[int, typer.Option(min=20, help="Most products to take.")] = 5000,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train or load every method of finding product pictures, and compare them on your own catalogue.

    Prints a table and writes report.html and results.json. Methods that are done are kept in the folder: an
    interrupted comparison goes on from there, and --method can be added to.
    """
    import torch

    from services.catalogue.readers import open_catalogue
    from services.encoder.extractors.handmade import library
    from services.measures import MEASURES
    from vitrine.compare.ladder import chosen
    from vitrine.compare.split import split_catalogue
    from vitrine.options import assignments
    from vitrine.sample import find_sample

    console = Console(stderr=True)
    settings = get_settings()
    # Asked now: hours of training later is no time to hear of them.
    for name in ("jinja2", "matplotlib"):
        library(name, name)
    from vitrine.compare.report import html, markdown

    if measure is not None:
        if measure not in MEASURES:
            raise InvalidInput(
                f"--measure {measure[:40]} is not known.", mend=f"Use {', '.join(MEASURES)}.", field="measure"
            )
        settings = settings.model_copy(update={"measure": measure})
    wanted = assignments("--where", where)
    methods = chosen(method, encoder or ())
    if catalogue is None:
        sample = find_sample(settings.sample_catalogue, settings.data_dir / "demo", 1200, quiet=as_json)
        catalogue, images = sample.catalogue, sample.images
    split = split_catalogue(
        open_catalogue(catalogue, images=images), settings, label, most, console, where=wanted
    )
    console.print(
        f"{len(split.train)} products to train on, {len(split.test)} to search, divided {split.by}."
    )
    try:
        found = run(methods, split, label, minutes, out, settings, console)
    except KeyboardInterrupt:
        console.print(f"Stopped. The same command goes on from what is done, in {out}.")
        raise typer.Exit(130) from None
    made = f"Up to {minutes:g} minutes of training each, by {torch.get_num_threads()} threads."
    page = html(found, split, label, made)
    (out / "report.html").write_text(page, encoding="utf-8")
    rows = [one.as_dict() for one in found]
    (out / "results.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif as_markdown:
        typer.echo(markdown(found, split, label))
    else:
        for table in tables(found):
            Console().print(table)
    console.print(f"The report is {out / 'report.html'}.")


def run(
    methods: Sequence[Any],
    split: Any,
    label: str,
    minutes: float,
    out: Path,
    settings: Settings,
    console: Console,
) -> list[Any]:
    """Figures of each method, measured now or kept from before; one that fails has a sentence instead."""
    from vitrine.compare.ladder import made, stands_on
    from vitrine.compare.measure import Figures, measure

    (out / "methods").mkdir(parents=True, exist_ok=True)
    found = []
    for number, one in enumerate(methods):
        asked = [
            str(one.encoder),
            one.plan.as_dict() if one.plan else None,
            label,
            minutes if one.plan else 0,
        ]
        figures = Figures(one.name, one.family, one.what, one.paper)
        try:
            if base := stands_on(one, settings):
                asked.append(base)
            key = _digest([asked, split.fingerprint])
            kept = out / "methods" / f"{_digest([one.name, key, settings.measure, _LAYOUT])}.json"
            if kept.exists():
                found.append(Figures(**json.loads(kept.read_text(encoding="utf-8"))))
                continue
            console.print(f"[bold]{number + 1}/{len(methods)}[/bold] {escape(one.name)}")
            models = out / "models" / key
            models.mkdir(parents=True, exist_ok=True)
            encoder, figures.minutes = made(one, split.train, label, minutes, models, settings, console)
            measure(figures, encoder, split.test, settings, console)
        except Exception as error:
            # One of twenty methods, some of them networks of other libraries: whatever ends it, the others go
            # on, and this one is tried again by the next call.
            if not isinstance(error, VitrineError):
                log.warning("compare.failed", method=one.name, exc_info=True)
            figures = Figures(one.name, one.family, one.what, one.paper, error=_sentence(error))
            console.print(f"  {one.name}: {figures.error}", style="red", markup=False)
        else:
            part = kept.with_suffix(".part")
            part.write_text(json.dumps(figures.as_dict()), encoding="utf-8")
            part.replace(kept)
        found.append(figures)
    return found


def _digest(what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def _sentence(error: Exception) -> str:
    if isinstance(error, VitrineError):
        return str(error)
    return f"It ended unexpectedly ({type(error).__name__}: {' '.join(str(error).split())[:200]})."


def _stacked(heading: str) -> str:
    """A long heading on two lines, as narrow as it gets."""
    words = heading.split()
    if len(heading) < 7 or len(words) < 2:
        return heading
    halves = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    return "\n".join(min(halves, key=lambda pair: max(map(len, pair))))


def tables(found: Sequence[Any]) -> Iterator[Table]:
    """What each method finds and costs, and what changes of the photo leave of that."""
    from vitrine.compare.report import COLUMNS, background_note, cells, changes, robustness_cells

    def robust(one: Any) -> list[str]:
        return [one.name, *robustness_cells(one)]

    done = [one for one in found if not one.error]
    failed = [one for one in found if one.error]
    for title, names, row in (
        ("Photos that search photos", COLUMNS, cells),
        (
            f"What is left of the mAP when the photo asked with is changed. {background_note(done)}",
            ("method", *changes()),
            robust,
        ),
    ):
        shown = Table(title=title, title_justify="left", box=box.SIMPLE, padding=0)
        for name in names:
            # A number on two lines is another number.
            shown.add_column(_stacked(name), justify="left" if name == "method" else "right", no_wrap=True)
        for one in done:
            shown.add_row(*(escape(cell) for cell in row(one)))
        yield shown
    if failed:
        shown = Table("method", "why", title="Not measured", title_justify="left", box=box.SIMPLE)
        for one in failed:
            shown.add_row(escape(one.name), escape(one.error), style="red")
        yield shown
