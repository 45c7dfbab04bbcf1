"""`vitrine encoder`: which encoders there are, fetching one ahead of time, what the one in use is."""

from __future__ import annotations

import json
import math
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.encoder.choices import Choice
from services.errors import EncoderUnavailable, StoreUnavailable
from services.settings import Settings, get_settings

encoder_app = typer.Typer(help="The model that turns pictures and words into vectors.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class _Row:
    name: str
    use: str
    note: str
    parameters: int
    download_bytes: int
    dim: int
    image_size: int
    licence: str
    #: shipped, installed, downloaded, or "" (not on this machine).
    here: str
    in_use: bool


@encoder_app.command("list")
def encoder_list(as_json: _Json = False) -> None:
    """List encoders worth choosing: what for, how large, whether they are on this machine.

    Any other name that open_clip or transformers knows works as well.
    """
    rows = _rows(get_settings())
    if as_json:
        typer.echo(json.dumps([row.__dict__ for row in rows], indent=2))
        return
    console = Console()
    # Names are there to be copied: they are folded only where there is no room at all, notes go first.
    noted = console.width >= 160
    table = Table(box=box.SIMPLE)
    table.add_column("name", overflow="fold", no_wrap=console.width >= 120, min_width=24)
    for column, side in (
        ("use", "left"),
        ("parameters", "right"),
        ("download", "right"),
        ("width", "right"),
        ("picture", "right"),
        ("licence", "left"),
        ("here", "left"),
    ):
        table.add_column(column, justify=side, no_wrap=True)  # type: ignore[arg-type]
    if noted:
        table.add_column("note", overflow="fold", min_width=16)
    for place, row in enumerate(rows):
        if row.use == "classic" and rows[place - 1].use != "classic":
            table.add_section()
        name = f"[bold]{escape(row.name)}[/bold]" if row.in_use else escape(row.name)
        table.add_row(
            name,
            row.use,
            f"{row.parameters / 1e6:,.1f} M" if row.parameters else "none",
            _size(row.download_bytes) if row.download_bytes else "none",
            str(row.dim),
            f"{row.image_size} px",
            row.licence,
            ", ".join(filter(None, (row.here, "in use" if row.in_use else ""))),
            *([escape(row.note)] if noted else []),
        )
    console.print(table)
    typer.echo(
        "Fetch one ahead of time: vitrine encoder add NAME. The one in use is in bold. The classic ones see "
        "pictures only."
    )


@encoder_app.command("add")
def encoder_add(
    name: Annotated[str, typer.Argument(help="An encoder, as in VITRINE_ENCODER.")], as_json: _Json = False
) -> None:
    """Download an encoder ahead of time and try it on one picture and, if it sees words, one text.

    A download that is cut short goes on where it was when the command is run again.
    """
    from PIL import Image

    from services.encoder.registry import describe, load_encoder

    # Made anew rather than copied, so that what is given is validated.
    encoder = load_encoder(Settings(encoder=name))
    picture = encoder.encode_images([Image.new("RGB", (64, 64), "red")])
    text = encoder.encode_texts(["a red square"]) if encoder.sees_text else picture
    if picture.shape != (1, encoder.dim) or text.shape != (1, encoder.dim):
        raise EncoderUnavailable(
            f"The encoder {name!r} gives vectors of shape {picture.shape} and {text.shape}.",
            mend="Choose another; vitrine encoder list names some.",
            field="encoder",
        )
    _show(describe(encoder), as_json)
    if not as_json:
        typer.echo(f"{name} is ready: {encoder.dim}-d, {_size(encoder.bytes)} in memory.")


@encoder_app.command("use")
def encoder_use(
    name: Annotated[str, typer.Argument(help="An encoder, as in VITRINE_ENCODER.")],
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Leave the old collection in the store.")
    ] = False,
    lossy: Annotated[
        bool,
        typer.Option("--lossy", help="Switch even if pictures of stored products can no longer be read."),
    ] = False,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that searchers get to follow.")] = 30.0,
    as_json: _Json = False,
) -> None:
    """Change the encoder: encode all stored products anew, then switch to the new collection.

    On a Qdrant server the old collection is served all the while. An embedded one can be open in one
    process only: with a running service, use vitrine index CATALOGUE --encoder NAME --switch.
    """
    from indexer.switch_cli import run_switch

    settings = Settings(encoder=name)
    code = run_switch(settings, None, keep_old=keep_old, lossy=lossy, grace=grace, as_json=as_json)
    raise typer.Exit(code)


@encoder_app.command("tidy")
def encoder_tidy(as_json: _Json = False) -> None:
    """Remove collections that a change of encoder has left: kept old ones, and one that was given up."""
    from services.store.alias import open_alias
    from services.store.factory import open_store

    settings = get_settings()
    with closing(open_alias(settings)) as alias:
        live = alias.read().live
        left = [name for name in alias.collections() if name != live]
        for name in left:
            with closing(open_store(settings.model_copy(update={"collection": name}))) as store:
                store.drop()
        if left:
            alias.switch(live)
    if as_json:
        typer.echo(json.dumps({"serving": live, "removed": left}))
    else:
        typer.echo(f"Removed {', '.join(left) or 'nothing'}; {live} is served.")


@encoder_app.command("info")
def encoder_info(as_json: _Json = False) -> None:
    """Show the encoder in use: what it is, how large, where it runs."""
    from services.encoder.registry import describe, load_encoder

    _show(describe(load_encoder(_in_use(get_settings()))), as_json)


def _in_use(settings: Settings) -> Settings:
    """The settings with the encoder of the served collection, if its store can be asked."""
    from services.store.alias import served

    try:
        return served(settings)
    except StoreUnavailable:
        return settings


def _rows(settings: Settings) -> list[_Row]:
    from services.encoder.choices import CLASSIC, DEFAULT, KNOWN

    used = _in_use(settings).encoder.strip()
    rows = []
    for choice in (*KNOWN, *CLASSIC):
        parameters, dim, image_size = choice.parameters, choice.dim, choice.image_size
        if choice.name == DEFAULT:
            parameters, dim, image_size = _shipped()
            here = "shipped"
        else:
            here = _here(choice)
        rows.append(
            _Row(
                choice.name,
                choice.use,
                choice.note,
                parameters,
                choice.download_bytes,
                dim,
                image_size,
                choice.licence,
                here,
                choice.name == used,
            )
        )
    return rows


def _here(choice: Choice) -> str:
    """Whether what a choice needs is on this machine; asks no network."""
    from torch.hub import get_dir

    from services.encoder.hub import is_downloaded

    if choice.name == "hog":
        return "installed" if find_spec("skimage") else ""
    if choice.repository.endswith(".pth"):
        there = (Path(get_dir()) / "checkpoints" / choice.repository).is_file()
    else:
        there = is_downloaded(choice.repository)
    return "downloaded" if there else ""


def _shipped() -> tuple[int, int, int]:
    """(parameters, width, picture side) of the encoder in the package, read from its own files."""
    from safetensors import safe_open

    from services.encoder.registry import DEFAULT_FOLDER

    config = json.loads((DEFAULT_FOLDER / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]
    parameters = 0
    with safe_open(DEFAULT_FOLDER / "open_clip_model.safetensors", framework="np") as file:
        for key in file.keys():  # noqa: SIM118  # the file is no mapping
            # Running statistics of batch norms are stored beside the parameters, but are none.
            if not key.rsplit(".", 1)[-1].startswith(("running_", "num_batches")):
                parameters += math.prod(file.get_slice(key).get_shape())
    return parameters, config["embed_dim"], config["vision_cfg"]["image_size"]


def _size(count: int) -> str:
    """Bytes for people, in decimal units as hubs print them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _show(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    table = Table(box=box.SIMPLE, show_header=False)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), escape(f"{value:,}" if isinstance(value, int) else str(value)))
    Console().print(table)
