"""The rejects file, the ids seen, and patience with a store that is away."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.patience import Patience
from indexer.rejects import Rejects, rejects_path
from indexer.report import Counts, Tally
from indexer.seen import SeenIds
from services.catalogue.rows import BadPrice, NoId
from services.errors import InvalidInput, StoreLocked, StoreUnavailable
from services.settings import Settings

# Rejects


def test_rejects_are_written_in_order_of_rows_and_whole(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "state" / "shop.rejects.jsonl")
    rejects.add(9, "p9", BadPrice("The price 'x' is not a price.", mend="Write a number.", field="price"))
    rejects.add(2, "", NoId("There is no id.", mend="Give one.\n", field="id"))
    rejects.add(5, None, BadPrice("café \ud800", mend="", field=None))
    assert not rejects.path.exists()  # not before the run is over
    assert rejects.finish() == rejects.path and len(rejects) == 3
    lines = [json.loads(line) for line in rejects.path.read_text().splitlines()]
    assert lines == [
        {"row": 2, "id": None, "title": "No id", "reason": "There is no id.", "field": "id",
         "mend": "Give one.\n"},
        {"row": 5, "id": None, "title": "Bad price", "reason": "café ?", "field": None, "mend": ""},
        {
            "row": 9, "id": "p9", "title": "Bad price", "reason": "The price 'x' is not a price.",
            "field": "price", "mend": "Write a number.",
        },
    ]  # fmt: skip
    assert rejects.reasons == {"Bad price": 2, "No id": 1}
    assert os.listdir(rejects.path.parent) == [rejects.path.name]


def test_rejects_of_many_threads_are_all_there(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path / "shop.rejects.jsonl")

    def add(start: int) -> None:
        for row in range(start, 2000, 8):
            rejects.add(row, str(row), NoId("x" * (row % 50)))

    threads = [threading.Thread(target=add, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rejects.finish()
    assert [json.loads(line)["row"] for line in rejects.path.open()] == list(range(2000))


def test_run_that_dies_leaves_the_last_list_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "shop.rejects.jsonl"
    path.write_text("old\n")
    rejects = Rejects(path)
    rejects.add(1, "a", NoId("x"))
    del rejects
    assert path.read_text() == "old\n" and os.listdir(tmp_path) == [path.name]


def test_rejects_lie_in_the_state_folder_under_the_name_of_the_catalogue(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "state")
    assert rejects_path(Path("shops/shoes.csv"), settings) == tmp_path / "state" / "shoes.csv.rejects.jsonl"
    assert rejects_path(Path("."), settings).name == f"{Path.cwd().name}.rejects.jsonl"


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be written") as caught:
        Rejects(tmp_path / "file" / "x.jsonl")
    assert "VITRINE_DATA_DIR" in caught.value.mend


# Ids seen


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3), st.booleans()), max_size=60))
def test_ids_are_told_apart_exactly_and_the_first_row_is_named(rows: list[tuple[str, bool]]) -> None:
    seen, claimed, known = SeenIds(), dict[str, int](), set[str]()
    for row, (product_id, usable) in enumerate(rows):
        known.add(product_id)
        if usable:
            assert seen.claim(product_id, row) == claimed.get(product_id)
            claimed.setdefault(product_id, row)
        else:
            seen.mark(product_id)
    asked = [*known, "never", "NEVER", " "]
    assert seen.missing(asked) == [product_id for product_id in asked if product_id not in known]
    seen.close()


# Patience


def patience(limit: float = 10.0) -> Patience:
    return Patience(threading.Event(), limit)


def test_call_is_repeated_until_it_succeeds() -> None:
    answers = iter([StoreUnavailable("away"), StoreUnavailable("away")])
    calls = []

    def call(*arguments: object, **options: object) -> str:
        calls.append((arguments, options))
        if error := next(answers, None):
            raise error
        return "done"

    assert patience()(call, 1, key=2) == "done"
    assert calls == [((1,), {"key": 2})] * 3


@pytest.mark.parametrize("error", [InvalidInput("bad point"), StoreLocked("in use"), RuntimeError("a bug")])
def test_what_does_not_pass_with_time_is_raised_at_once(error: Exception) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)) as caught:
        patience()(call)
    assert caught.value is error and len(calls) == 1


def test_patience_ends_at_its_limit_with_the_cause() -> None:
    def call() -> None:
        raise StoreUnavailable("Nobody answers at http://store.", mend="Start it.", field="qdrant_url")

    with pytest.raises(StoreUnavailable, match=r"within 0\.2 s: Nobody answers") as caught:
        patience(0.2)(call)
    assert caught.value.mend.startswith("Start it.") and "index again" in caught.value.mend
    assert caught.value.field == "qdrant_url"


def test_stop_ends_the_waiting_at_once() -> None:
    stopped = threading.Event()

    def call() -> None:
        raise StoreUnavailable("away")

    threading.Timer(0.1, stopped.set).start()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="away"):
        Patience(stopped, 600)(call)
    assert time.monotonic() - started < 60


# Counts


def test_counts_of_many_threads_add_up() -> None:
    tally = Tally()

    def work() -> None:
        for _ in range(500):
            tally.add(read=1, added=2)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.counts == Counts(read=4000, added=8000) and tally.counts.done == 8000
