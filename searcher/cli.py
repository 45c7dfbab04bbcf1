"""`vitrine serve` and `vitrine search`."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.console import Console
from rich.table import Table
from rich.text import Text
from threadpoolctl import threadpool_limits

from searcher.answer import Answer, ScoredHit
from searcher.box import parse_box
from searcher.engine import open_engine
from searcher.filters import parse_assignments
from searcher.live import AnyEngine, open_live
from searcher.query import Part, Query, check_rerank
from searcher.weighted import weighted
from services.catalogue.images import decode_image, read_image_bytes
from services.errors import ImageError, InvalidInput, NotFound
from services.settings import Settings, get_settings

#: Seconds that an idle connection is kept: longer than proxies keep theirs (60), lest one asks on a
#: connection that is being closed.
_KEEP_ALIVE = 75
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR = 6
_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")
    ] = None,
) -> None:
    """Serve the search page and the HTTP API."""
    given = {"host": host, "port": port}
    run(get_settings().model_copy(update={key: value for key, value in given.items() if value is not None}))


def search(
    text: Annotated[str | None, typer.Argument(help="Words to look for.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(help="Picture to look for: a file or URL; repeatable.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="Region of the picture that alone counts: left,top,right,bottom as shares of its sides."
        ),
    ] = None,
    like: Annotated[
        list[str] | None, typer.Option(help="Id of a product to take as an example; repeatable.")
    ] = None,
    unlike: Annotated[
        list[str] | None, typer.Option(help="Id of a product it should not be like; repeatable.")
    ] = None,
    not_text: Annotated[
        list[str] | None,
        typer.Option("--not", "--not-text", help="Words for what it should not be like; repeatable."),
    ] = None,
    not_image: Annotated[
        list[str] | None, typer.Option(help="Picture it should not be like: a file or URL; repeatable.")
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option(help="category=dress, brand!=Nordtal, price=10..50, attributes.colour=red; repeatable."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Results wanted.")] = 10,
    fusion: Annotated[str | None, typer.Option(help="How parts and fields are combined.")] = None,
    diversity: Annotated[
        float, typer.Option(help="From 0, the best matches, to 1, matches unlike each other.")
    ] = 0.0,
    rerank: Annotated[
        str | None,
        typer.Option(help="late: rank the best anew by places in their pictures; the index must have them."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Search the collection from the command line.

    Words, pictures and products may end in a weight: "red dress^2" counts twice, --not stripes^0.5 half.
    """
    settings = get_settings()
    filters = parse_assignments(filter or [])
    given = [("text", [] if text is None else [text]), ("image", image or []), ("like", like or [])]
    given += [("not", not_text or []), ("not-image", not_image or []), ("unlike", unlike or [])]
    if (count := sum(len(values) for _, values in given)) > settings.max_parts:
        # Before any picture is read.
        raise InvalidInput(
            f"The query has {count} parts, more than {settings.max_parts}.",
            mend=f"Use at most {settings.max_parts}.",
            field="parts",
        )
    parts = [_part(name, value, settings) for name, values in given for value in values]
    parts = parts if box is None else _boxed(parts, box)
    again = None if rerank is None else check_rerank(rerank)
    query = Query(tuple(parts), filters, limit, fusion=fusion, diversity=diversity, rerank=again)
    query.check(settings)
    with closing(open_engine(settings)) as engine:
        answer = engine.search(query)
    if as_json:
        # Imported here, because its models take a while to build.
        from searcher.api.schemas import answer_json

        typer.echo(json.dumps(answer_json(answer), ensure_ascii=False, indent=2))
    else:
        console = Console()
        console.print(results_table(answer) if answer.hits else Text("Nothing found."))
        console.print(
            Text(
                f"{len(answer.hits)} of {answer.total} in {answer.took['total']:.0f} ms by {answer.fusion}"
                + (", re-ranked" if answer.rerank else ""),
                "dim",
            )
        )


def run(
    settings: Settings, *, engine: AnyEngine | None = None, announce: Callable[[str], None] = typer.echo
) -> None:
    """Serve until interrupted; `announce` is told in one line where, as soon as requests are answered.

    Raises whatever would keep every search from being answered, such as `EncoderMismatch` or
    `StoreLocked`; a collection that does not exist yet is no reason not to start.
    """
    # Imported here, because it takes longer than a search from the command line should.
    from searcher.api.app import create_app
    from services.telemetry import configure_logging
    from services.traces import traced

    configure_logging(settings)
    with (
        traced(settings, "vitrine-searcher"),
        closing(_listen(settings.host, settings.port)) as listener,
        closing(engine or open_live(settings)) as own,
        # Products of a few hundred vectors are no faster on several threads, which wait for each other by
        # spinning: that took as much of the processor as all the rest of a search.
        threadpool_limits(1, user_api="blas"),
    ):
        try:
            own.check()
        except NotFound as error:
            announce(str(error))
        config = uvicorn.Config(
            create_app(settings, own),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=10,
        )
        address = _address(settings.host, listener.getsockname()[1])
        _Server(config, lambda: announce(f"Vitrine is at {address}")).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Calls `ready` once it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    # Before the model is loaded, so that a taken port is known at once.
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise InvalidInput(
            f"The service cannot listen on {host}, port {port}: {error.strerror or error}.",
            mend="Choose another with --host and --port (0: a free one).",
            field="port",
        ) from error
    return listener


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _boxed(parts: list[Part], box: str) -> list[Part]:
    """The parts, of whose one picture that region alone counts."""
    pictures = [index for index, part in enumerate(parts) if part.image is not None]
    if len(pictures) != 1:
        raise InvalidInput(
            f"The box is for one picture, and there are {len(pictures)}.",
            mend="Give --box together with one --image.",
            field="--box",
        )
    boxed = replace(parts[pictures[0]], box=parse_box(box, "--box"))
    return [boxed if part.image is not None else part for part in parts]


def _part(name: str, given: str, settings: Settings) -> Part:
    value, weight = weighted(given, name)
    if name in ("not", "not-image", "unlike"):
        weight = -weight
    if name in ("text", "not"):
        return Part(text=value, weight=weight, name=name)
    if name in ("like", "unlike"):
        return Part(product=value, weight=weight, name=name)
    try:
        data = read_image_bytes(value, base=None, settings=settings)
        image = decode_image(data, max_pixels=settings.max_image_pixels)
    except ImageError as error:
        error.field = f"--{name}"
        raise
    return Part(image=image, weight=weight, label=Path(value).name[:60], name=name)


def results_table(answer: Answer) -> Table:
    """Hits as a table; the last column shows what each part had to say about picture and title."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("score", justify="right")
    table.add_column("id", overflow="fold", max_width=24)
    table.add_column("title", overflow="fold", ratio=2, min_width=16)
    table.add_column("category", overflow="fold", max_width=18)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("because of", no_wrap=True)
    for hit in answer.hits:
        price = "" if hit.product.price is None else f"{hit.product.price:.2f} {hit.product.currency or ''}"
        table.add_row(
            f"{hit.score:.2f}",
            _plain(hit.product.id),
            _plain(hit.product.title),
            _plain(hit.product.category or ""),
            _plain(price.strip()),
            _reasons(hit, [part.label for part in answer.parts]),
        )
    return table


def _reasons(hit: ScoredHit, labels: Sequence[str]) -> Text:
    """A line for each part, a bar for each field: `red dress: picture ███▌ 0.59  title ██▍ 0.41`."""
    reasons = Text()
    last = -1
    for weight in hit.weights:
        if weight.part != last:
            label = f"{_printable(labels[weight.part][:16])}: " if len(labels) > 1 else ""
            reasons.append("\n" if reasons else "").append(label)
        else:
            reasons.append("  ")
        last = weight.part
        colour = "red" if weight.weight < 0 else _COLOURS[last % len(_COLOURS)]
        eighths = round(min(abs(weight.weight), 1.0) * _BAR * 8)
        bar = (_BLOCKS[8] * (eighths // 8) + _BLOCKS[eighths % 8]).ljust(_BAR)[:_BAR]
        reasons.append("picture " if weight.field == "image" else f"{weight.field} ", "dim")
        reasons.append(bar, colour)
        reasons.append(f" {weight.weight:.2f}")
    return reasons


def _plain(text: str) -> Text:
    return Text(_printable(text))


def _printable(text: str) -> str:
    # Titles come from anywhere, and a terminal obeys control characters.
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
