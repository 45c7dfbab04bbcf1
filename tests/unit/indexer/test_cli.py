"""`vitrine index`: options, what is printed, exit codes, and watching."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import indexer.cli
import indexer.worker
from indexer.cli import exit_code, run_index
from indexer.report import Counts, Report
from indexer.watch import changes
from services.catalogue.readers import open_catalogue
from services.errors import CatalogueError, EncoderMismatch, InvalidInput, StoreLocked, VitrineError
from services.settings import get_settings
from services.store.edge import EdgeStore
from tests.conftest import write_tiny_openclip
from tests.unit.indexer.conftest import Shop

app = typer.Typer()
app.command()(indexer.cli.index)

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(shop: Shop, tiny_openclip_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """The command with the shop's settings from the environment, as a user gives them."""
    monkeypatch.chdir(shop.folder)  # away from any .env
    monkeypatch.setenv("VITRINE_DATA_DIR", str(shop.settings.data_dir))
    monkeypatch.setenv("VITRINE_ENCODER", f"local-dir:{tiny_openclip_dir}")
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "200")
    get_settings.cache_clear()
    monkeypatch.setattr(indexer.cli, "get_settings", get_settings.__wrapped__)
    shop.write()

    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


def raised(result: Result) -> VitrineError:
    assert isinstance(result.exception, VitrineError)
    return result.exception


def test_whole_catalogue_is_indexed_with_a_summary_and_exit_code_0(shop: Shop, invoke: Invoke) -> None:
    result = invoke(shop.path)
    assert result.exit_code == 0, result.output
    assert re.search(r"12 +rows read", result.stdout) and re.search(r"12 +added", result.stdout)
    assert "products/s" in result.stdout and "rejected" not in result.stdout
    result = invoke(shop.path)
    assert re.search(r"12 +unchanged", result.stdout) and "added" not in result.stdout


def test_rejects_are_counted_by_reason_and_their_file_named_with_exit_code_1(
    shop: Shop, invoke: Invoke
) -> None:
    shop.rows["p1"][3], shop.rows["p2"][3] = "free", "gratis"
    (shop.folder / "images/p4.jpg").unlink()
    shop.write()
    result = invoke(shop.path)
    assert result.exit_code == 1
    assert re.search(r"3 +rejected", result.stdout)
    assert "2 x Bad price" in result.stdout and "1 x Picture not found" in result.stdout
    assert str(shop.settings.data_dir / "products.csv.rejects.jsonl") in result.stdout


def test_json_is_all_that_is_printed(shop: Shop, invoke: Invoke) -> None:
    result = invoke(shop.path, "--json")
    report = json.loads(result.stdout)
    assert (report["read"], report["added"], report["rejects"]) == (12, 12, None)


def test_options_go_before_the_environment(shop: Shop, invoke: Invoke) -> None:
    text = shop.path.read_text().replace("id,title,image,price", "number,headline,picture file,price")
    shop.path.write_text(text)
    (shop.folder / "pictures").mkdir()
    (shop.folder / "images").rename(shop.folder / "pictures/images")
    result = invoke(
        shop.path, "--map", "id=number", "--map", "title=headline", "--map", "image=picture file",
        "--images", shop.folder / "pictures", "--collection", "second", "--batch-size", "5", "--json",
    )  # fmt: skip
    assert json.loads(result.stdout)["added"] == 12 and json.loads(result.stdout)["collection"] == "second"
    store = EdgeStore(shop.settings.model_copy(update={"collection": "second"}))
    meta = store.meta()
    assert meta is not None
    store.open(meta)
    (point,) = store.fetch(["p0"], vectors=True)
    store.close()
    assert point.payload["title"] == "title of p0" and set(point.vectors) == {"image", "title"}


def test_the_measure_is_chosen_for_a_new_collection_and_checked_after(shop: Shop, invoke: Invoke) -> None:
    assert invoke(shop.path, "--measure", "euclid").exit_code == 0
    meta = EdgeStore(shop.settings).meta()
    assert meta is not None and (meta.distance, meta.schema_version) == ("euclid", 3)
    assert re.search(r"12 +unchanged", invoke(shop.path).stdout)
    refused = raised(invoke(shop.path, "--measure", "dot"))
    assert isinstance(refused, EncoderMismatch) and "--switch" in refused.mend
    assert invoke(shop.path, "--measure", "manhattan").exit_code != 0
    assert "Serving products@" in invoke(shop.path, "--measure", "dot", "--switch").stdout
    assert re.search(r"12 +unchanged", invoke(shop.path).stdout)
    refused = raised(invoke(shop.path, "--measure", "euclid"))
    assert isinstance(refused, EncoderMismatch) and "by dot" in refused.message


def test_prune_removes_what_is_gone_and_says_when_it_may_not(shop: Shop, invoke: Invoke) -> None:
    invoke(shop.path)
    del shop.rows["p3"]
    shop.write()
    assert re.search(r"1 +pruned", invoke(shop.path, "--prune").stdout)
    with shop.path.open("ab") as file:
        file.write(b"p\xe94,x,,1\n")
    result = invoke(shop.path, "--prune")
    assert result.exit_code == 1 and "Nothing was pruned. The id of row 13" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["none.csv"], CatalogueError, "no catalogue"),
        (["products.csv", "--map", "title"], InvalidInput, "FIELD=COLUMN"),
        (["products.csv", "--map", "title=nothing"], CatalogueError, "no column 'nothing'"),
        (["products.csv", "--images", "nowhere"], CatalogueError, "no folder"),
        (["products.csv", "--encoder", "local-dir:nowhere"], VitrineError, "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(
    invoke: Invoke, arguments: list[str], kind: type[VitrineError], said: str
) -> None:
    error = raised(invoke(*arguments))
    assert isinstance(error, kind) and said in error.message and error.mend


def test_setting_that_makes_no_sense_is_refused(invoke: Invoke) -> None:
    result = invoke("products.csv", "--collection", "no/slash")
    assert "collection" in str(result.exception)
    assert invoke("products.csv", "--batch-size", "0").exit_code == 2


def test_collection_of_another_encoder_and_a_store_in_use_are_refused(
    shop: Shop, invoke: Invoke, tmp_path: Path
) -> None:
    invoke(shop.path)
    other = write_tiny_openclip(tmp_path / "other", seed=1)
    assert isinstance(raised(invoke(shop.path, "--encoder", f"local-dir:{other}")), EncoderMismatch)
    shop.store.open(shop.store.meta())  # type: ignore[arg-type]
    assert isinstance(raised(invoke(shop.path)), StoreLocked)


@pytest.mark.parametrize(
    ("counts", "not_pruned", "code"),
    [
        (Counts(read=3, added=3), None, 0),
        (Counts(read=3, unchanged=3), None, 0),
        (Counts(read=3, added=2, rejected=1), None, 1),
        (Counts(read=3, added=3), "for a reason", 1),
        (Counts(read=3, rejected=3), None, 2),
        (Counts(), None, 2),
    ],
)
def test_exit_code_says_how_much_was_done(counts: Counts, not_pruned: str | None, code: int) -> None:
    assert exit_code(Report(Path("x.csv"), "products", counts, 1.0, not_pruned=not_pruned)) == code


def test_interrupt_says_how_to_go_on(
    shop: Shop, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, progress: Callable[[Counts, int | None], None], **__: Any) -> Report:
        progress(Counts(read=9, added=4, updated=1, unchanged=2), 12)
        raise KeyboardInterrupt

    monkeypatch.setattr(indexer.worker, "index_opened", interrupted)
    with pytest.raises(typer.Exit) as caught:
        run_index(shop.path, get_settings())
    assert caught.value.exit_code == 130
    assert "5 products are stored" in capsys.readouterr().err.replace("\n", " ")


# Watching


class Watching:
    """Runs `changes` on a thread and counts what it yields."""

    def __init__(self, path: Path, ignore: Path) -> None:
        self.stop = threading.Event()
        self._seen = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(path, ignore), daemon=True)
        self._thread.start()

    def _run(self, path: Path, ignore: Path) -> None:
        for _ in changes(open_catalogue(path), ignore=ignore, stop=self.stop):
            self._seen.release()

    def saw(self, within: float = 30) -> bool:
        return self._seen.acquire(timeout=within)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_change_of_catalogue_or_picture_is_noticed_and_nothing_else(shop: Shop) -> None:
    shop.write()
    shop.settings.data_dir.mkdir()
    watching = Watching(shop.path, shop.settings.data_dir)
    try:
        assert watching.saw()  # at once
        (shop.folder / "notes.txt").write_text("x")
        (shop.settings.data_dir / "thumbnail.jpg").write_bytes(b"x")
        (shop.folder / ".products.csv.swp").write_text("x")
        assert not watching.saw(within=1.5)
        shop.picture("p0", 77)
        assert watching.saw()
        # As editors save: a new file takes the place of the old one.
        (shop.folder / "new").write_text(shop.path.read_text() + "n,new,,1\n")
        (shop.folder / "new").rename(shop.path)
        assert watching.saw()
        (shop.folder / "images/p1.jpg").unlink()
        assert watching.saw()
    finally:
        watching.end()


def test_pictures_in_a_folder_of_their_own_are_watched_too(shop: Shop, tmp_path: Path) -> None:
    shop.write()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    roots = open_catalogue(shop.path, images=elsewhere)
    stop = threading.Event()
    found = changes(roots, ignore=shop.settings.data_dir, stop=stop)
    next(found)
    threading.Timer(0.2, (elsewhere / "a.jpg").write_bytes, (b"x",)).start()
    next(found)
    threading.Timer(0.2, shop.write).start()
    next(found)
    stop.set()
    assert list(found) == []


def test_watching_goes_on_over_a_catalogue_that_is_broken_for_a_while(
    shop: Shop, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is one flurry of changes; the last one is Ctrl-C."""

    def steps(*_: Any, **__: Any) -> Any:
        yield
        shop.path.write_text("title\nno id column\n")
        yield
        shop.add("late", picture=False)
        shop.write()
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.watch.changes", steps)
    result = invoke(shop.path, "--watch", "--json")
    first, last = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["added"], last["added"], last["unchanged"]) == (12, 1, 12)
    assert "no id column" in result.stderr and "Stopped watching" in result.stderr
    assert result.exit_code == 0


def test_watching_does_not_begin_with_a_catalogue_that_cannot_be_read(invoke: Invoke) -> None:
    assert isinstance(raised(invoke("none.csv", "--watch")), CatalogueError)
