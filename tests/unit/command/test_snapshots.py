"""`vitrine snapshot` and `vitrine migrate`, as a shop would use them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.errors import InvalidInput, NotFound, StoreUnavailable, VitrineError
from services.settings import Settings, get_settings
from services.store.alias import served
from services.store.factory import open_store
from vitrine.cli import app

ROWS = [f"sku-{n},{colour} {thing}" for n, colour in enumerate(["red", "blue"]) for thing in ["mug"]]


def run(*arguments: str) -> str:
    get_settings.cache_clear()
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(done.exception, VitrineError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def found(query: str) -> list[tuple[str, float]]:
    hits = json.loads(run("search", query, "--json"))["hits"]
    return [(hit["product"]["id"], round(hit["score"], 4)) for hit in hits]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a catalogue, its index in `data`."""
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("QDRANT_URL", raising=False)
    (tmp_path / "products.csv").write_text("id,title\n" + "\n".join(ROWS) + "\n")
    run("index", str(tmp_path / "products.csv"))
    yield tmp_path
    get_settings.cache_clear()


def test_a_destroyed_index_comes_back_from_its_snapshot(shop: Path) -> None:
    before = found("red mug")
    made = json.loads(run("snapshot", "create", str(shop / "shop.parquet"), "--json"))
    assert made["products"] == 2 and made["bytes"] == (shop / "shop.parquet").stat().st_size
    shutil.rmtree(shop / "data")
    assert "2 products are served as 'products'" in run("snapshot", "restore", str(shop / "shop.parquet"))
    assert found("red mug") == before
    # Indexing goes on where it was: nothing has changed, so nothing is encoded.
    report = json.loads(run("index", str(shop / "products.csv"), "--json"))
    assert report["unchanged"] == 2


def test_a_served_collection_is_replaced_only_if_that_is_said(shop: Path) -> None:
    run("snapshot", "create", str(shop / "shop.parquet"))
    (shop / "products.csv").write_text("id,title\nsku-9,green lamp\n")
    run("index", str(shop / "products.csv"), "--prune")
    with pytest.raises(InvalidInput, match="already") as caught:
        run("snapshot", "restore", str(shop / "shop.parquet"))
    assert "--replace" in caught.value.mend
    assert [one for one, _ in found("mug")] == ["sku-9"]
    run("snapshot", "restore", str(shop / "shop.parquet"), "--replace")
    assert {one for one, _ in found("mug")} == {"sku-0", "sku-1"}
    # The one that was replaced is kept until it is tidied away.
    assert "Removed products;" in run("encoder", "tidy")
    assert {one for one, _ in found("mug")} == {"sku-0", "sku-1"}


def test_a_running_service_is_told_to_stop_first(shop: Path) -> None:
    settings = served(Settings(data_dir=shop / "data", _env_file=None))
    with closing(open_store(settings)) as store:
        meta = store.meta()
        assert meta is not None
        store.open(meta)
        with pytest.raises(StoreUnavailable, match="in use"):
            run("snapshot", "create", str(shop / "shop.parquet"))
    assert not (shop / "shop.parquet").exists()


def test_without_a_collection_there_is_nothing_to_keep(shop: Path) -> None:
    shutil.rmtree(shop / "data")
    with pytest.raises(NotFound, match="no collection"):
        run("snapshot", "create", str(shop / "shop.parquet"))
    with pytest.raises(NotFound, match="no collection"):
        run("migrate", "--to", "http://127.0.0.1:1")


def test_moving_needs_an_address_that_answers_and_leaves_the_embedded_one_alone(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput) as caught:
        run("migrate")
    assert caught.value.field == "to" and "QDRANT_URL" in caught.value.mend
    monkeypatch.setenv("VITRINE_STORE_TIMEOUT", "1")
    with pytest.raises(StoreUnavailable):
        run("migrate", "--to", "http://127.0.0.1:1")
    assert {one for one, _ in found("mug")} == {"sku-0", "sku-1"}
