"""The real application over the embedded store and a real (if untrained) encoder, called over ASGI."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image, ImageDraw

from searcher.api.app import create_app
from searcher.engine import Engine
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.settings import Settings
from services.store.factory import open_store

ADDRESS = "http://127.0.0.1:8000"
COLOURS = ("red", "blue", "green", "black", "orange", "purple")
THINGS = ("dress", "shoes", "mug", "lamp")

#: Ids that break careless routing, quoting or filters.
ODD_IDS = (
    "a/b",
    "a/image",
    "a/similar",
    "a",
    "ключ 1",
    'quote"s',
    "per%cent",
    "que?ry",
    "#hash",
    "..x",
    "a b+c",
)
HOSTILE = "<script>alert('x')</script> & \"quotes\" \u202e rtl \x07 bell 👗"


def draw(colour: str, thing: str, size: int = 96) -> Image.Image:
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    box = (size // 8, size // 8, size - size // 8, size - size // 8)
    shapes: dict[str, Callable[..., None]] = {
        "dress": lambda fill: pen.polygon([(size // 2, 4), (size - 8, size - 4), (8, size - 4)], fill=fill),
        "shoes": lambda fill: pen.ellipse((4, size // 2, size - 4, size - 8), fill=fill),
        "mug": lambda fill: pen.rectangle(box, fill=fill),
        "lamp": lambda fill: pen.pieslice(box, 180, 360, fill=fill),
    }
    shapes[thing](fill=colour)
    return image


def file_of(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def data_uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def products() -> list[tuple[Product, Image.Image | None]]:
    """24 drawn products, three without picture, two without title, and the odd ones."""
    found: list[tuple[Product, Image.Image | None]] = []
    for row, colour in enumerate(COLOURS):
        for column, thing in enumerate(THINGS):
            number = row * len(THINGS) + column
            product = Product(
                id=f"sku-{number}",
                title="" if number in (5, 11) else f"{colour} {thing}",
                brand=("Nordtal", "Ostwerk")[row % 2],
                category=thing,
                price=5.0 * number,
                currency="EUR",
                tags=[colour, "sale"] if number % 3 == 0 else [colour],
                attributes={"colour": colour, "size": 36 + row, "code": f"00{row}", "new": row > 2},
            )
            found.append((product, None if number in (2, 7, 13) else draw(colour, thing)))
    for number, name in enumerate(ODD_IDS):
        found.append(
            (Product(id=name, title=f"odd thing {number}", category="odd"), draw("grey", "mug", 40 + number))
        )
    found.append((Product(id="hostile", title=HOSTILE, category="odd", brand='O\'Brien & "Söhne"'), None))
    return found


def stock(engine: Engine, folder: Path) -> None:
    """Store the products, their pictures as files of a catalogue."""
    items = []
    for number, (product, image) in enumerate(products()):
        if image is None:
            items.append(NewProduct(product))
            continue
        path = folder / f"{number}.png"
        path.write_bytes(file_of(image))
        items.append(NewProduct(product, path.read_bytes(), str(path)))
    done = engine.upsert(items)
    assert not done.refused


@dataclass
class Service:
    """An application and a client that calls it."""

    settings: Settings
    engine: Engine
    app: FastAPI
    client: httpx.AsyncClient


def call(app: FastAPI, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=options.pop("base_url", ADDRESS), **options)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def stocked(tiny_encoder: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the products, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("shop")
    settings = Settings(data_dir=folder / "data", _env_file=None)
    engine = Engine(settings, tiny_encoder, open_store(settings))
    stock(engine, folder)
    yield engine
    engine.close()


@pytest.fixture()
def shop(stocked: Engine) -> Service:
    app = create_app(stocked.settings, stocked)
    return Service(stocked.settings, stocked, app, call(app))


@pytest.fixture()
def open_shop(tiny_encoder: Any, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Opens services over an empty store of their own, with any settings."""
    opened: list[Engine] = []

    def make(*, filled: bool = False, **options: Any) -> Service:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        settings = Settings(data_dir=folder / "data", _env_file=None, **options)
        engine = Engine(settings, tiny_encoder, open_store(settings))
        opened.append(engine)
        if filled:
            stock(engine, folder)
        app = create_app(settings, engine)
        return Service(settings, engine, app, call(app))

    yield make
    for engine in opened:
        engine.close()


def problem(response: httpx.Response, status: int, field: str | None) -> dict[str, Any]:
    """The problem of an answer, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["title"]
    assert found["field"] == field, found
    assert found["detail"].endswith(found["mend"])
    assert status == 404 or status >= 500 or found["mend"], found
    assert "Traceback" not in response.text
    return found


@pytest.fixture()
def compact_shop(compact_encoder: Any, tmp_path: Path) -> Iterator[Service]:
    """The service with the encoder that Vitrine ships."""
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    engine = Engine(settings, compact_encoder, open_store(settings))
    stock(engine, tmp_path)
    app = create_app(settings, engine)
    yield Service(settings, engine, app, call(app))
    engine.close()
