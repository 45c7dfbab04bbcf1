"""`vitrine duplicates`: what is printed and written, and what a mistake ends in."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from searcher.engine import Engine
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.errors import InvalidInput, NotFound
from services.settings import get_settings
from services.store.factory import open_store
from tests.unit.catalogue.test_pixels import scene
from tests.unit.searcher.test_diversity import png
from vitrine.cli import app


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture()
def shop(folder: Path, tiny_encoder: Any) -> Path:
    settings = get_settings()
    engine = Engine(settings, tiny_encoder, open_store(settings))
    items = []
    for name, title, seed in (
        ("one", "Red mug", 1),
        ("two", "\x1b[31mRed mug,\nagain", 1),
        ("three", "Lamp", 3),
    ):
        path = folder / f"{name}.png"
        path.write_bytes(png(scene(seed)))
        items.append(NewProduct(Product(id=name, title=title, image=path.name), path.read_bytes(), str(path)))
    engine.upsert(items)
    engine.close()
    return folder


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["duplicates", *arguments], env={"COLUMNS": "140"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_table_of_pairs_and_what_was_looked_at(shop: Path) -> None:
    printed = run()
    assert "same file" in printed and "1.000" in printed
    assert "1 groups with 1 copies among 3 products" in " ".join(printed.split())
    assert "\x1b" not in printed and "Lamp" not in printed


def test_json_tells_all(shop: Path) -> None:
    answer = json.loads(run("--json", "--near", "0.99"))
    assert answer["products"] == 3
    [group] = answer["groups"]
    assert [product["id"] for product in group["products"]] == ["one", "two"]
    assert group["products"][0] == {"id": "one", "title": "Red mug", "image": "one.png"}
    [pair] = group["pairs"]
    assert (pair["id"], pair["other"], pair["evidence"], pair["correlation"]) == (
        "one",
        "two",
        "same file",
        None,
    )
    assert pair["cosine"] == pytest.approx(1, abs=1e-3)


def test_pairs_as_csv(shop: Path) -> None:
    printed = run("--csv", str(shop / "pairs.csv"))
    assert "pairs.csv" in printed
    with (shop / "pairs.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["group"], row["id"], row["other"], row["evidence"]) == ("1", "one", "two", "same file")
    assert row["other_title"] == "\x1b[31mRed mug,\nagain"


def test_mistakes_are_named(folder: Path) -> None:
    with pytest.raises(NotFound, match="vitrine index"):
        run()


@pytest.mark.parametrize(
    ("arguments", "field"), [(("--near", "2"), "near"), (("--csv", "nowhere/at/all.csv"), "csv")]
)
def test_bad_options_are_refused_by_name(shop: Path, arguments: tuple[str, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        run(*arguments)
    assert caught.value.field == field and caught.value.mend
