"""`vitrine fusion train` fits a head to a shop's own products, and searches use it from then on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from searcher.engine import open_engine
from searcher.fusion.learned import Learned, find_head
from searcher.query import Part, Query
from services.encoder.registry import load_encoder
from services.errors import InvalidInput, NotFound, VitrineError
from services.points import collection_meta
from services.settings import Settings, get_settings
from services.store.factory import open_store
from vitrine.cli import app
from vitrine.sample import find_sample


def run(*arguments: str) -> str:
    get_settings.cache_clear()
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(done.exception, VitrineError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 240 drawn products indexed."""
    folder = tmp_path_factory.mktemp("shop")
    sample = find_sample(folder / "no-photos", folder / "sample", 240, quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_DATA_DIR", str(folder / "data"))
        run("index", str(sample.catalogue))
    return folder / "data"


@pytest.fixture
def data_dir(indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    shutil.copytree(indexed, tmp_path / "data")
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    yield tmp_path / "data"
    get_settings.cache_clear()


def test_a_collection_of_another_measure_needs_no_head(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_COLLECTION", "products-by-dot")
    settings = Settings(measure="dot")
    store = open_store(settings)
    store.open(collection_meta(load_encoder(settings), settings))
    store.close()
    with pytest.raises(InvalidInput, match="by dot") as caught:
        run("fusion", "train", "--steps", "1")
    assert caught.value.field == "measure" and "closed form" in caught.value.mend


def test_a_head_is_trained_measured_kept_and_used(data_dir: Path) -> None:
    told = json.loads(run("fusion", "train", "--steps", "20", "--most", "60", "--keep", "--json"))
    assert told["kept"] and Path(told["path"]).parent == data_dir / "heads"
    assert set(told["recall@10"]) == {"attention", "learned"}
    assert all(0 <= value <= 1 for kinds in told["recall@10"].values() for value in kinds.values())

    settings = Settings(data_dir=data_dir, fusion="learned")
    head = find_head(settings, load_encoder(settings).identity)
    assert head is not None and head.parameters < 1_000_000
    engine = open_engine(settings)
    try:
        answers = {
            fusion: engine.search(
                Query((Part(text="red mug"), Part(text="lamp", weight=-0.5)), limit=10, fusion=fusion)
            )
            for fusion in ("learned", "attention")
        }
    finally:
        engine.close()
    learned, closed = (answers[name] for name in ("learned", "attention"))
    assert len(learned.hits) == 10
    for hit in learned.hits:
        assert sum(w.weight for w in hit.weights if w.part == 0) == pytest.approx(1, abs=1e-4)
    assert [hit.score for hit in learned.hits] != pytest.approx([hit.score for hit in closed.hits])
    assert Learned(head).closed is not None


def test_a_collection_that_is_missing_or_too_small_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path))
    with pytest.raises(NotFound, match="vitrine index"):
        run("fusion", "train")
    sample = find_sample(tmp_path / "no-photos", tmp_path / "sample", 78, quiet=True)
    run("index", str(sample.catalogue))
    with pytest.raises(InvalidInput, match="fewer than 200"):
        run("fusion", "train")
    get_settings.cache_clear()
