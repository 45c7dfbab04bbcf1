"""A shop to index: a folder with pictures and a catalogue, a real store, and the tiny real encoder."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.report import Report
from indexer.worker import index_catalogue
from services.encoder.dual import DualEncoder
from services.settings import Settings
from services.store.base import Point, VectorStore
from services.store.edge import EdgeStore
from tests.unit.catalogue.pictures import jpeg

COLUMNS = ["id", "title", "image", "price"]


class Shop:
    """A catalogue under the test's control, and how it is indexed."""

    def __init__(self, folder: Path, settings: Settings, encoder: DualEncoder) -> None:
        self.folder = folder
        self.settings = settings
        self.encoder = encoder
        self.path = folder / "products.csv"
        self.rows: dict[str, list[str]] = {}
        self.store: VectorStore = EdgeStore(settings)
        (folder / "images").mkdir(parents=True)

    def picture(self, name: str, shade: int = 0) -> None:
        (self.folder / "images" / f"{name}.jpg").write_bytes(jpeg((40, 40), (shade % 256, 90, 160)))

    def add(self, name: str, title: str | None = None, *, picture: bool = True, price: str = "5") -> None:
        if picture:
            self.picture(name, len(self.rows) * 5)
        self.rows[name] = [
            name,
            f"title of {name}" if title is None else title,
            f"images/{name}.jpg" if picture else "",
            price,
        ]

    def fill(self, count: int) -> None:
        for number in range(count):
            self.add(f"p{number}", picture=number % 4 != 3)

    def write(self) -> Path:
        with self.path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(self.rows.values())
        return self.path

    def index(self, **options: Any) -> Report:
        self.write()
        return self.index_as_is(**options)

    def index_as_is(self, **options: Any) -> Report:
        return index_catalogue(self.path, self.settings, self.encoder, self.store, **options)

    def stored(self) -> dict[str, Point]:
        points, cursor = self.store.scroll(limit=10_000, vectors=True)
        assert cursor is None
        return {point.id: point for point in points}


@pytest.fixture
def make_shop(tmp_path: Path, tiny_encoder: DualEncoder) -> Iterator[Callable[..., Shop]]:
    made: list[Shop] = []

    def make(count: int = 0, **options: Any) -> Shop:
        folder = tmp_path / f"shop{len(made)}"
        settings = Settings(
            **{"data_dir": folder / "data", "batch_size": 4, "workers": 2, "device": "cpu", **options}
        )
        shop = Shop(folder, settings, tiny_encoder)
        shop.fill(count)
        made.append(shop)
        return shop

    yield make
    for shop in made:
        shop.store.close()


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """A shop of twelve products, nine of them with a picture."""
    return make_shop(12)
