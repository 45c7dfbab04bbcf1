"""Which collection a name stands for: resolved, switched in one step, remembered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import pytest

from services.errors import StoreUnavailable
from services.store.alias import Alias, Draft, State, collection_for
from services.store.base import DISTANCES, Point
from tests.contract.conftest import DIM, META, Place

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")


@pytest.fixture
def alias(place: Place) -> Iterator[Alias]:
    alias = place.alias()
    yield alias
    alias.close()


def make(place: Place, collection: str) -> None:
    store = place.connect(collection)
    store.open(META)
    store.upsert([Point("a", {"image": np.eye(DIM, dtype=np.float32)[0]}, {"in": collection})])
    store.close()


def test_a_name_stands_for_itself_until_it_is_switched(place: Place, alias: Alias) -> None:
    name = place.settings.collection
    assert alias.read() == State(name)
    make(place, name)
    assert alias.read() == State(name)
    assert alias.collections() == [name]


def test_a_switch_is_seen_by_whoever_looks_and_ends_the_building(place: Place, alias: Alias) -> None:
    name = place.settings.collection
    first, second = f"{name}@first", f"{name}@second"
    for collection in (name, first, second):
        make(place, collection)
    other = place.alias()
    alias.begin(Draft(first))
    found = other.read()
    assert found.live == name and found.draft is not None and found.draft.collection == first
    alias.switch(first)
    assert other.read() == State(first)
    other.begin(Draft(second))
    assert alias.read().live == first
    other.switch(second)
    assert alias.read() == State(second)
    # Not even the original, which has the very name, comes back by itself.
    assert alias.collections() == sorted([name, first, second])
    store = place.connect(alias.read().live)
    store.open(META)
    [point] = store.fetch(["a"])
    store.close()
    assert point.payload == {"in": second}
    other.close()


def test_another_draft_takes_the_place_of_one_that_was_given_up(place: Place, alias: Alias) -> None:
    name = place.settings.collection
    for end in ("first", "second"):
        make(place, f"{name}@{end}")
        alias.begin(Draft(f"{name}@{end}"))
    state = alias.read()
    assert state.live == name and state.draft is not None and state.draft.collection == f"{name}@second"


def test_the_served_collection_may_be_switched_to_again(place: Place, alias: Alias) -> None:
    name = f"{place.settings.collection}@first"
    make(place, name)
    alias.switch(name)
    alias.switch(name)
    assert alias.read() == State(name)


def test_a_name_of_its_own_for_each_encoder() -> None:
    identity = {"name": "a", "weights": "1" * 16, "preprocess": "2" * 16, "dim": 8}
    name = collection_for("products", identity)
    assert name.startswith("products@") and name == collection_for("products", identity | {"name": "b"})
    for key, value in {"weights": "3" * 16, "preprocess": "3" * 16, "dim": 9}.items():
        assert collection_for("products", identity | {key: value}) != name
    plain = collection_for("products", identity, distance="cosine", patches=False)
    others = {
        collection_for("products", identity, distance=distance, patches=patches)
        for distance in DISTANCES
        for patches in (False, True)
    }
    assert plain == name and name in others and len(others) == 6


@pytest.mark.parametrize("place", ["edge"], indirect=True)
class TestEmbedded:
    def test_what_a_draft_says_is_kept(self, place: Place, alias: Alias) -> None:
        draft = Draft("products@x", since=12.5, ready=True, keep_old=True, lossy=True)
        alias.begin(draft)
        assert place.alias().read().draft == draft

    def test_deleted_products_are_noted_until_the_switch(self, place: Place, alias: Alias) -> None:
        alias.begin(Draft("products@x"))
        alias.note_deleted(["a", 'b"\n'])
        alias.note_deleted(["c"])
        alias.begin(dataclasses.replace(Draft("products@x"), ready=True))
        assert place.alias().deleted() == {"a", 'b"\n', "c"}
        alias.switch("products@x")
        assert alias.deleted() == frozenset()
        alias.note_deleted(["d"])
        alias.begin(Draft("products@y"))
        assert alias.deleted() == frozenset(), "notes of another building"

    def test_a_note_cut_short_is_left_out(self, place: Place, alias: Alias) -> None:
        alias.begin(Draft("products@x"))
        alias.note_deleted(["a"])
        [journal] = place.settings.data_dir.glob("*@deleted.jsonl")
        with journal.open("a") as file:
            file.write('"half')
        assert alias.deleted() == {"a"}

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"live": "x"}', json.dumps({"draft": {"no": 1}})])
    def test_a_damaged_file_is_named_with_the_mend(self, place: Place, alias: Alias, content: str) -> None:
        alias.switch("products@x")
        [file] = place.settings.data_dir.glob("*@alias.json")
        file.write_text(content)
        with pytest.raises(StoreUnavailable, match="is damaged") as caught:
            alias.read()
        assert str(file) in caught.value.message and "remove the file" in caught.value.mend
