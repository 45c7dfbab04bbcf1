"""The embedded store among processes and faults: kill -9, a second process, damaged and foreign files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.errors import StoreLocked, StoreUnavailable
from services.settings import Settings
from services.store import schema
from services.store.base import SCHEMA_VERSION, CollectionMeta, Filter, Match, Point
from services.store.edge import EdgeStore

DIM = 8
META = CollectionMeta(dim=DIM, encoder={"name": "toy"})

PROLOGUE = """
import os, sys
from pathlib import Path
import numpy as np
from services.settings import Settings
from services.store.base import SCHEMA_VERSION, CollectionMeta, Point
from services.store.edge import EdgeStore

store = EdgeStore(Settings(_env_file=None, data_dir=Path(sys.argv[1])))
store.open(CollectionMeta(dim=8, encoder={"name": "toy"}))

def vector(i):
    return np.random.default_rng(i).standard_normal(8).astype(np.float32)

def batch(number, size=50):
    return [
        Point(
            f"{number}-{i}",
            {"image": vector(i), "title": vector(i + 1)},
            {"category": f"c{number}", "n": i},
        )
        for i in range(size)
    ]

def say(word):
    print(word, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> EdgeStore:
    return EdgeStore(Settings(_env_file=None, data_dir=tmp_path))


@pytest.fixture
def process(tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Start a Python process with an open store; it is killed at the end if it still runs."""
    running = []

    def start(body: str) -> subprocess.Popen[str]:
        code = PROLOGUE + textwrap.dedent(body)
        command = [sys.executable, "-c", code, str(tmp_path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        running.append(subprocess.Popen(command, text=True, **pipes))
        return running[-1]

    yield start
    for child in running:
        child.kill()
        child.communicate()


def vector(i: int) -> np.ndarray:
    return np.random.default_rng(i).standard_normal(8).astype(np.float32)


def test_everything_acknowledged_survives_kill_9_during_writes(process, store) -> None:
    child = process(
        """
        number = 0
        while True:
            store.upsert(batch(number))
            say(number)
            number += 1
        """
    )
    acknowledged = -1
    while acknowledged < 20:
        acknowledged = int(child.stdout.readline())
    child.kill()
    acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    child.wait()
    assert child.returncode == -signal.SIGKILL

    store.open(META)
    for number in range(acknowledged + 1):
        wanted = Filter(must=(Match("category", (f"c{number}",)),))
        assert store.count(wanted) == 50
        points = store.fetch([f"{number}-{i}" for i in range(50)], vectors=True)
        assert [point.payload["n"] for point in points] == list(range(50))
        assert all(point.vectors.keys() == {"image", "title"} for point in points)
    # A batch that was not acknowledged may be there or not, but not in part.
    assert store.count() % 50 == 0
    assert store.search("image", vector(3), 1, filter=wanted)[0].id == f"{acknowledged}-3"
    store.close()


def test_deletes_replacements_and_metadata_survive_kill_9(process, store) -> None:
    child = process(
        """
        from dataclasses import replace
        for number in range(4):
            store.upsert(batch(number))
        store.delete([f"0-{i}" for i in range(50)])
        store.upsert([Point("1-0", {}, {"category": "new"})])
        store.save_meta(replace(store.meta(), calibration={"mean": 0.25}))
        say("done")
        os.kill(os.getpid(), 9)
        """
    )
    assert child.stdout.read().split() == ["done"]
    child.wait()
    assert store.open(META).calibration == {"mean": 0.25}
    assert store.count() == 150
    assert store.count(Filter(must=(Match("category", ("c0",)),))) == 0
    (point,) = store.fetch(["1-0"], vectors=True)
    assert (point.payload, dict(point.vectors)) == ({"category": "new"}, {})
    store.close()


def test_kill_9_while_graphs_are_built_loses_nothing(process, store, tmp_path, monkeypatch) -> None:
    child = process(
        """
        from services.store import schema
        schema.INDEXING_THRESHOLD_KB = 20
        store.close()
        store.open(CollectionMeta(dim=8, encoder={}))
        for number in range(40):
            store.upsert(batch(number))
        say("building")
        store.optimize()
        say("built")
        os.kill(os.getpid(), 9)
        """
    )
    assert child.stdout.readline() == "building\n"
    temporary = tmp_path / "products" / "store" / "shard" / "temp_segments"
    while not temporary.exists() and child.poll() is None:
        pass
    child.kill()
    child.wait()

    monkeypatch.setattr(schema, "INDEXING_THRESHOLD_KB", 20)
    store.open(META)
    assert not temporary.exists() or not any(temporary.iterdir())
    assert store.count() == 2000
    store.optimize()
    assert store.count() == 2000
    assert store._shard.info().indexed_vectors_count > 0
    assert store.search("image", vector(7), 1)[0].score == pytest.approx(1, abs=1e-6)
    store.close()


def test_a_second_process_is_told_who_holds_the_store(process, store) -> None:
    child = process('say("open"); sys.stdin.read()')
    assert child.stdout.readline() == "open\n"
    for attempt in (lambda: store.open(META), store.drop):
        with pytest.raises(StoreLocked, match=f"process {child.pid}") as caught:
            attempt()
        assert caught.value.mend
    assert store.meta() == META  # reading metadata needs no lock
    child.communicate("")
    assert store.open(META) == META
    store.close()


def test_a_second_process_is_told_what_the_first_was_started_as(store, tmp_path) -> None:
    program = tmp_path / "vitrine"
    program.write_text(PROLOGUE + 'say("open"); sys.stdin.read()')
    # The folder comes first here, where a command of Vitrine has its name.
    command = [sys.executable, str(program), str(tmp_path), "--key", "secret"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked) as caught:
            store.open(META)
        assert f"process {child.pid} (vitrine {tmp_path}"[:60] in str(caught.value)
        assert "secret" not in str(caught.value)
        child.communicate("")


def test_the_lock_of_a_killed_process_is_taken_over(process, store) -> None:
    child = process('store.upsert(batch(0)); say("open"); sys.stdin.read()')
    assert child.stdout.readline() == "open\n"
    child.kill()
    child.wait()
    assert store._folder._lock.read_pid() == child.pid  # left behind
    store.open(META)
    assert store._folder._lock.read_pid() == os.getpid()
    assert store.count() == 50
    store.close()


def test_a_second_store_in_the_same_process_is_refused_too(store, tmp_path) -> None:
    store.open(META)
    other = EdgeStore(Settings(_env_file=None, data_dir=tmp_path))
    with pytest.raises(StoreLocked, match="this process"):
        other.open(META)
    store.close()
    assert other.open(META) == META
    other.close()


def test_a_store_that_could_not_be_opened_lets_go_of_its_lock(store, tmp_path) -> None:
    store.open(META)
    store.close()
    meta_file(tmp_path).write_text("{}")
    with pytest.raises(StoreUnavailable):
        store.open(META)
    meta_file(tmp_path).write_text(json.dumps(schema.encode_meta(META)))
    EdgeStore(Settings(_env_file=None, data_dir=tmp_path)).open(META)


def meta_file(folder: Path) -> Path:
    return folder / "products" / "store" / "meta.json"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_newer_schema_is_refused_and_nothing_is_overwritten(store, tmp_path) -> None:
    store.open(META)
    store.upsert([Point("a", {"image": vector(1)})])
    store.close()
    newer = {
        "schema_version": SCHEMA_VERSION + 1,
        "dim": "unlike",
        "vectors": ["image", "title", "sparse"],
    }
    meta_file(tmp_path).write_text(json.dumps(newer))
    before = snapshot(tmp_path)
    for attempt in (store.meta, lambda: store.open(META)):
        with pytest.raises(StoreUnavailable, match="newer Vitrine") as caught:
            attempt()
        assert "Upgrade" in caught.value.mend
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "\xff", '{"schema_version": 1}', '{"schema_version": 1, "dim": 0, "encoder": {}}',
     '{"schema_version": 1, "dim": 8, "encoder": "toy"}', '{"dim": 8, "encoder": {}}',
     '{"schema_version": "1", "dim": 8, "encoder": {}}'],
)  # fmt: skip
def test_damaged_metadata_gives_a_clear_error_and_is_kept(store, tmp_path, text) -> None:
    store.open(META)
    store.close()
    meta_file(tmp_path).write_text(text, encoding="latin-1")
    before = snapshot(tmp_path)
    for attempt in (store.meta, lambda: store.open(META)):
        with pytest.raises(StoreUnavailable, match=r"metadata of .*meta\.json is damaged") as caught:
            attempt()
        assert "backup" in caught.value.mend
    assert snapshot(tmp_path) == before


def test_missing_metadata_beside_products_is_an_error_not_a_new_collection(store, tmp_path) -> None:
    store.open(META)
    store.upsert([Point("a", {"image": vector(1)})])
    store.close()
    meta_file(tmp_path).rename(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        store.open(META)
    (tmp_path / "elsewhere").rename(meta_file(tmp_path))
    store.open(META)
    assert store.count() == 1
    store.close()


def test_damaged_engine_files_give_a_clear_error(store, tmp_path) -> None:
    """Opened in a process of its own, since a panic of the engine prints its trace to stderr."""
    store.open(META)
    store.upsert([Point(f"p{i}", {"image": vector(i)}) for i in range(50)])
    store.close()
    damaged = []
    for file in ("edge_config.json", "first-index", "segment.json", "status.dat"):
        copy = tmp_path / f"damaged {file}"
        shutil.copytree(tmp_path / "products", copy / "products")
        target = next((copy / "products").rglob(file))
        target.write_bytes(b"\x07" * (target.stat().st_size // 2))
        damaged.append(str(copy))
    code = """
    from pathlib import Path
    import sys
    from services.errors import StoreUnavailable
    from services.settings import Settings
    from services.store.base import SCHEMA_VERSION, CollectionMeta
    from services.store.edge import EdgeStore
    for folder in sys.argv[1:]:
        store = EdgeStore(Settings(_env_file=None, data_dir=Path(folder)))
        try:
            store.open(CollectionMeta(dim=8, encoder={}))
            store.scroll(vectors=True)
        except StoreUnavailable as error:
            assert "backup" in error.mend and folder in error.message
            print(folder)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), *damaged]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout.splitlines() == damaged, result.stderr


@pytest.mark.parametrize("lost", ["shard", "shard/segments"])
def test_lost_engine_files_are_an_error_not_an_empty_collection(store, tmp_path, lost) -> None:
    store.open(META)
    store.upsert([Point("a", {"image": vector(1)})])
    store.close()
    shutil.rmtree(tmp_path / "products" / "store" / lost)
    with pytest.raises(StoreUnavailable, match="lost its files"):
        store.open(META)
    store.drop()  # the mend that the error names
    store.open(META)
    assert store.count() == 0
    store.close()


def test_what_a_process_killed_while_creating_or_dropping_left_behind_is_cleared(store, tmp_path) -> None:
    for leftover in ("store.new", "store.dropped"):
        (tmp_path / "products" / leftover / "shard").mkdir(parents=True)
    assert store.meta() is None
    store.open(META)
    assert store.count() == 0
    names = {path.name for path in (tmp_path / "products").iterdir()}
    assert names.isdisjoint({"store.new", "store.dropped"})
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_gives_a_clear_error(store, tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailable, match="cannot be locked"):
        store.open(META)
    tmp_path.chmod(0o700)


def test_a_file_where_the_folder_should_be_gives_a_clear_error(store, tmp_path) -> None:
    (tmp_path / "products").write_text("no folder")
    with pytest.raises(StoreUnavailable, match="cannot be locked") as caught:
        store.open(META)
    assert "VITRINE_DATA_DIR" in caught.value.mend


def test_small_collections_are_searched_exactly(store) -> None:
    store.open(META)
    store.upsert([Point(f"p{i}", {"image": vector(i)}) for i in range(500)])
    store.optimize()
    assert store._shard.info().indexed_vectors_count == 0
    store.close()


def test_an_interrupt_is_not_mistaken_for_a_fault_of_the_engine(store) -> None:
    store.open(META)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._call("read", interrupted)
    store.close()
