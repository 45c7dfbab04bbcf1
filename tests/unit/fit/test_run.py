"""Runs that are stopped go on, those that cannot work are refused, and what comes out is searched with."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from services.catalogue.readers import open_catalogue
from services.encoder.extractors.folder import read_folder
from services.encoder.fit import Plan, loop, train
from services.encoder.fit.batches import by_class, in_turn
from services.encoder.fit.pictures import CataloguePictures, gather, held_back
from services.encoder.fit.run import STATE
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings, get_settings
from tests.unit.fit.shapes import shapes
from vitrine.cli import app

CPU = Settings(device="cpu", precision="fp32")
SMALL: dict[str, Any] = {"trunk": "timm:test_resnet", "image_size": 32, "dim": 8, "validation": 0.2}


def plan(method: str = "classes", **options: Any) -> Plan:
    return Plan(**{"method": method, "steps": 12, "batch": 16, **SMALL, **options})


@pytest.fixture()
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step."""
    monkeypatch.setattr(loop, "_EVERY", 0.0)
    monkeypatch.setattr(loop, "_WORTH", 0.0)


@pytest.fixture()
def catalogue(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    with (folder / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "title", "category", "image", "split"))
        for product, image in shapes(96):
            name = f"{product.id}.png"
            image.save(folder / name)
            writer.writerow((product.id, product.title, product.category, name, "train"))
    return folder / "products.csv"


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = loop._step

    def stopped(task: Any, plan: Plan, now: int, done: float) -> float:
        if now == step:
            raise KeyboardInterrupt
        return whole(task, plan, now, done)

    monkeypatch.setattr(loop, "_step", stopped)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("options", [{"method": "siamese"}, {"method": "simclr"}, {"method": "proxy"}])
def test_a_stopped_run_ends_with_the_same_weights(options: dict[str, Any], tmp_path: Path) -> None:
    train(shapes(96), plan(**options), tmp_path / "whole", settings=CPU)
    with pytest.MonkeyPatch.context() as patch:
        stop_at(7, patch)
        with pytest.raises(KeyboardInterrupt):
            train(shapes(96), plan(**options), tmp_path / "parts", settings=CPU)
    assert (tmp_path / "parts.checkpoint" / STATE).is_file() and not (tmp_path / "parts").exists()
    torch.manual_seed(99)  # what else a process draws does not matter
    trained = train(shapes(96), plan(**options), tmp_path / "parts", settings=CPU)
    assert 7 < trained.steps <= 12
    whole, parts = (read_folder(tmp_path / name)[1] for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not (tmp_path / "parts.checkpoint").exists()


@pytest.mark.usefixtures("every_step")
def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(3, patch)
        with pytest.raises(KeyboardInterrupt):
            train(shapes(96), plan(), tmp_path / "out", settings=CPU)
    with pytest.raises(InvalidInput, match="other options") as refused:
        train(shapes(96), plan(seed=1), tmp_path / "out", settings=CPU)
    assert refused.value.field == "restart"
    with pytest.raises(InvalidInput, match="another catalogue"):
        train(shapes(96, seed=5), plan(), tmp_path / "out", settings=CPU)
    state = tmp_path / "out.checkpoint" / STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InvalidInput, match="damaged"):
        train(shapes(96), plan(), tmp_path / "out", settings=CPU)
    train(shapes(96), plan(seed=1, steps=2), tmp_path / "out", settings=CPU, restart=True)
    assert (tmp_path / "out").is_dir()


def unlabelled() -> list[Any]:
    return shapes(96, labelled=False)


def untitled() -> list[Any]:
    return [(product.model_copy(update={"title": " "}), image) for product, image in shapes(40)]


def of_one_label() -> list[Any]:
    return [(product.model_copy(update={"category": "mug"}), image) for product, image in shapes(40)]


@pytest.mark.parametrize(
    ("items", "options", "field"),
    [
        (unlabelled, {"method": "classes"}, "label"),
        (of_one_label, {"method": "triplet"}, "label"),
        (lambda: shapes(12), {"method": "siamese"}, "catalogue"),
        (lambda: [], {"method": "simclr", "label": None}, "catalogue"),
        (lambda: shapes(20), {"method": "simclr", "label": None, "validation": 0.01}, "validation"),
        (lambda: shapes(40), {"method": "classes", "trunk": "timm:nonesuch"}, "trunk"),
        (lambda: shapes(40), {"method": "classes", "attention": "much"}, "attention"),
        (lambda: shapes(40), {"method": "vlad", "dim": 4000}, "dim"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    items: Any, options: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as refused:
        train(items(), plan(**options), tmp_path / "out", settings=CPU)
    assert refused.value.field == field and refused.value.mend
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "magic"}, "method"),
        ({"method": "proxy", "label": None}, "label"),
        ({"method": "measure", "learn": "all"}, "learn"),
        ({"method": "classes", "steps": 0}, "steps"),
        ({"method": "classes", "validation": 0.9}, "validation"),
    ],
)
def test_plans_that_cannot_be(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Plan(**options)
    assert refused.value.field == field and refused.value.mend


def test_clip_needs_titles_and_a_text_tower(tiny_openclip_dir: Path, tmp_path: Path) -> None:
    start = f"local-dir:{tiny_openclip_dir}"
    with pytest.raises(InvalidInput, match="titles") as refused:
        train(untitled(), plan("clip", start=start), tmp_path / "out", settings=CPU)
    assert refused.value.field == "title"
    with pytest.raises(EncoderUnavailable, match="no model of open_clip"):
        train(shapes(40), plan("clip", start="hog"), tmp_path / "out", settings=CPU)
    train(shapes(96), plan(steps=1), tmp_path / "network", settings=CPU)
    with pytest.raises(EncoderUnavailable, match="pictures only"):
        train(
            shapes(40),
            plan("clip", start=f"local-dir:{tmp_path / 'network'}"),
            tmp_path / "out",
            settings=CPU,
        )


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(InvalidInput) as refused:
        train(shapes(40), plan(), tmp_path / "out", settings=CPU)
    assert refused.value.field == "out" and (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_without_labels_in_the_catalogue_pairs_are_views(tmp_path: Path) -> None:
    with (tmp_path / "said.txt").open("w") as file:
        trained = train(
            unlabelled(), plan("siamese"), tmp_path / "out", settings=CPU, console=Console(file=file)
        )
    assert trained.scored_by == "view recall@1"
    assert "No product has a category" in (tmp_path / "said.txt").read_text()


def test_pictures_that_cannot_be_read_are_named_and_left_out(catalogue: Path, tmp_path: Path) -> None:
    (catalogue.parent / "0-3.png").write_bytes(b"no picture")
    (catalogue.parent / "0-5.png").unlink()
    with catalogue.open("a", newline="") as file:
        csv.writer(file).writerow(("0-0", "again", "disc", "0-0.png", "train"))
        csv.writer(file).writerow(("other", "elsewhere", "disc", "0-0.png", "test"))
    products = CataloguePictures(open_catalogue(catalogue), CPU, {"split": "train"})
    with (tmp_path / "said.txt").open("w") as said:
        console = Console(file=said, width=200)
        pictures = gather(products, tmp_path / "cache", 40, "category", console)
        assert pictures.pixels.shape == (94, 40, 40, 3)
        assert [name for name, _ in products.skipped] == ["0-3", "0-5"]
        assert pictures.ids[:5] == ["0-0", "0-1", "0-2", "0-4", "0-6"]
        assert pictures.labels[0] == "disc"
        # Nothing is decoded twice.
        (catalogue.parent / "0-0.png").unlink()
        again = gather(products, tmp_path / "cache", 40, "category", console)
    assert again.digest == pictures.digest and (again.pixels == pictures.pixels).all()
    assert "2 skipped" in (tmp_path / "said.txt").read_text()


def test_the_split_is_that_of_each_id_alone() -> None:
    ids = [f"product-{number}" for number in range(4000)]
    held = held_back(ids, 0.1)
    assert 0.08 < held.mean() < 0.12
    assert (held_back(ids[1000:], 0.1) == held[1000:]).all()
    assert (held_back(ids, 0.2) | ~held).all()


def test_batches() -> None:
    one_pass = [in_turn(50, 8, 3, step).tolist() for step in range(6)]
    assert len({row for batch in one_pass for row in batch}) == 48
    assert in_turn(50, 8, 3, 2).tolist() == one_pass[2] != in_turn(50, 8, 4, 2).tolist()
    assert in_turn(5, 8, 0, 7).shape == (5,)
    members = [np.arange(10), np.arange(10, 13), np.arange(13, 40)]
    batch = by_class(members, 32, 4, 0, 1)
    counts = [int(np.isin(batch, some).sum()) for some in members]
    assert counts == [10, 10, 10]
    assert len(set(batch[np.isin(batch, members[2])].tolist())) == 10


@pytest.fixture()
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    monkeypatch.setenv("VITRINE_PRECISION", "fp32")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("settings_of")
@pytest.mark.parametrize("method", ["classes", "measure"])
def test_train_index_and_search(method: str, catalogue: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, arguments, env={"COLUMNS": "140"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    options = ["--trunk", "timm:test_resnet", "--image-size", "32", "--dim", "16", "--batch", "16"]
    printed = run(
        "train", str(catalogue), "--method", method, "--out", str(out), "--steps", "4", "--start", "hog",
        "--where", "split=train", "--validation", "0.2", "--json", *options,
    )  # fmt: skip
    facts = json.loads(printed)
    assert facts["folder"] == str(out) and facts["steps"] == 4 and 0 < facts["score"] <= 1
    run("index", str(catalogue), "--encoder", f"local-dir:{out}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_ENCODER", f"local-dir:{out}")
        get_settings.cache_clear()
        found = json.loads(run("search", "--image", str(catalogue.parent / "0-17.png"), "--json"))
    assert found["hits"][0]["product"]["id"] == "0-17"
