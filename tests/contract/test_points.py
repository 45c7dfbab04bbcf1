"""The store contract: writing, reading, deleting, paging, counting values."""

from __future__ import annotations

import uuid
from enum import StrEnum

import numpy as np
import pytest

from services.errors import InvalidInput
from services.store.base import Filter, Match, Point, Range, VectorStore
from tests.contract.conftest import DIM, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

IDS = [
    "a",
    "A",
    " a ",
    "SKU 12/34#5?x=1&y",
    "../../etc/passwd",
    "größe-靴-👠",
    "e\u0301",
    "\u00e9",
    "line\nbreak\ttab\x00nul",
    "0",
    "9089a74b-6890-59ae-8f9d-475d84530c2c",
    "x" * 5000,
    "x" * 4999 + "y",
]


def test_points_come_back_as_they_were_written(store: VectorStore, unit) -> None:
    payload = {
        "id": "a",
        "title": "Stiefel „Größe 38“ 靴 👠\n\x00",
        "price": 49.5,
        "whole": 3.0,
        "tags": ["leather", "boots"],
        "_hash": "ff" * 32,
        "_indexed_at": 1_795_000_000,
        "attributes": {
            "vegan": False,
            "size": 38,
            "long": -(2**63),
            "empty": "",
            "Heel height (cm)": 7.5,
            'q"\\': 1,
        },
        "nothing": None,
        "mixed": [1, "1", True, None, 1.5, []],
    }
    store.upsert([Point("a", {"image": unit(1), "title": unit(2)}, payload)])
    (point,) = store.fetch(["a"], vectors=True)
    assert point.id == "a"
    assert point.payload == payload
    assert _types(point.payload) == _types(payload)
    assert point.vectors.keys() == {"image", "title"}
    for name, seed in (("image", 1), ("title", 2)):
        assert point.vectors[name].dtype == np.float32
        np.testing.assert_allclose(point.vectors[name], unit(seed), atol=1e-6)
    (bare,) = store.fetch(["a"])
    assert bare.payload == payload
    assert bare.vectors == {}


def test_kinds_of_text_and_number_come_back_plain(store: VectorStore) -> None:
    class Colour(StrEnum):
        RED = "red"

    payload = {"price": np.float64(9.5), "tags": [Colour.RED], "attributes": {Colour.RED: Colour.RED}}
    store.upsert([Point("a", {}, payload)])
    (point,) = store.fetch(["a"])
    assert point.payload == {"price": 9.5, "tags": ["red"], "attributes": {"red": "red"}}
    assert _types(point.payload) == {"price": float, "tags": [str], "attributes": {"red": str}}
    assert (
        store.count(Filter(must=(Match("attributes.red", (Colour.RED,)), Range("price", gte=np.float32(9)))))
        == 1
    )
    assert store.facets("tags") == [("red", 1)]


def _types(value):
    if isinstance(value, dict):
        return {key: _types(inner) for key, inner in value.items()}
    return [_types(inner) for inner in value] if isinstance(value, list) else type(value)


def test_ids_are_free_texts(store: VectorStore, unit) -> None:
    store.upsert([Point(product, {"image": unit(i)}, {"i": i}) for i, product in enumerate(IDS)])
    assert store.count() == len(IDS)
    assert [point.id for point in store.fetch(IDS)] == IDS
    assert [point.payload["i"] for point in store.fetch(IDS)] == list(range(len(IDS)))
    assert {point.id for point in everything(store)} == set(IDS)
    for i, product in enumerate(IDS):
        assert store.search("image", unit(i), 1)[0].id == product
    assert store.delete([IDS[3], IDS[-1]]) == 2
    assert store.fetch([IDS[3], IDS[-1]]) == []
    assert store.count() == len(IDS) - 2


@pytest.mark.parametrize("product", ["", "lone \ud800 surrogate", None, 7])
def test_ids_that_are_no_texts_are_refused(store: VectorStore, unit, product) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.upsert([Point("fine", {"image": unit(1)}), Point(product, {"image": unit(1)})])
    assert caught.value.field == "id"
    assert store.count() == 0


def test_fetch_keeps_the_order_asked_for_and_leaves_out_strangers(store: VectorStore) -> None:
    store.upsert([Point(name, {}, {"n": name}) for name in "abcdef"])
    assert [point.id for point in store.fetch(["f", "?", "a", "c", "a"])] == ["f", "a", "c", "a"]


def test_upsert_replaces_whole_points(store: VectorStore, unit) -> None:
    store.upsert(
        [Point("a", {"image": unit(1), "title": unit(2)}, {"category": "x", "attributes": {"vegan": True}})]
    )
    store.upsert([Point("a", {"title": unit(3)}, {"brand": "y"})])
    (point,) = store.fetch(["a"], vectors=True)
    assert point.payload == {"brand": "y"}
    assert point.vectors.keys() == {"title"}
    np.testing.assert_allclose(point.vectors["title"], unit(3), atol=1e-6)
    assert store.search("image", unit(1), 5) == []
    assert store.count(Filter(must=(Match("attributes.vegan", (True,)),))) == 0
    assert store.facets("category") == []
    assert store.count() == 1


def test_of_duplicates_in_one_batch_the_last_wins(store: VectorStore, unit) -> None:
    store.upsert(
        [Point("a", {"image": unit(1)}, {"n": 1}), Point("b"), Point("a", {"title": unit(2)}, {"n": 2})]
    )
    assert store.count() == 2
    (point,) = store.fetch(["a"], vectors=True)
    assert point.payload == {"n": 2}
    assert point.vectors.keys() == {"title"}


def test_points_may_lack_one_vector_or_both(store: VectorStore, unit) -> None:
    store.upsert([Point("pictured", {"image": unit(1)}), Point("titled", {"title": unit(1)}), Point("bare")])
    assert [hit.id for hit in store.search("image", unit(1), 10)] == ["pictured"]
    assert [hit.id for hit in store.search("title", unit(1), 10)] == ["titled"]
    assert store.count() == 3
    found = {point.id: set(point.vectors) for point in everything(store, vectors=True)}
    assert found == {"pictured": {"image"}, "titled": {"title"}, "bare": set()}


def _with(value: float) -> np.ndarray:
    vector = np.ones(DIM, np.float32)
    vector[3] = value
    return vector


@pytest.mark.parametrize(
    ("vectors", "names"),
    [
        ({"image": np.ones(DIM + 1, np.float32)}, "shape"),
        ({"image": np.ones((1, DIM), np.float32)}, "shape"),
        ({"title": _with(np.nan)}, "finite"),
        ({"title": _with(np.inf)}, "finite"),
        ({"title": ["a"] * DIM}, "numbers"),
        ({"picture": np.ones(DIM, np.float32)}, "picture"),
    ],
)
def test_a_bad_vector_is_refused_before_anything_is_written(store: VectorStore, unit, vectors, names) -> None:
    batch = [Point(f"good{i}", {"image": unit(i)}) for i in range(3)] + [Point("bad one", vectors)]
    with pytest.raises(InvalidInput, match=names) as caught:
        store.upsert(batch)
    assert "bad one" in str(caught.value)
    assert caught.value.mend
    assert store.count() == 0


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"price": float("nan")}, "price"),
        ({"attributes": {"weight": float("inf")}}, "attributes.weight"),
        ({"attributes": {"serial": 2**64}}, "attributes.serial"),
        ({"tags": ["fine", "\udc00"]}, "tags"),
        ({"tags": ("a", "b")}, "tags"),
        ({"seen": {1, 2}}, "seen"),
        ({"attributes": {1: "x"}}, "attributes.1"),
        ({"_id": "mine"}, "_id"),
    ],
)
def test_a_bad_payload_is_refused_before_anything_is_written(store: VectorStore, payload, field) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.upsert([Point("good"), Point("bad one", {}, payload)])
    assert caught.value.field == field
    assert "bad one" in str(caught.value)
    assert store.count() == 0


def test_writing_leaves_the_callers_points_alone(store: VectorStore, unit) -> None:
    payload = {"category": "x", "attributes": {"vegan": True}}
    point = Point("a", {"image": unit(1) * 3}, payload)
    store.upsert([point])
    assert point.payload == {"category": "x", "attributes": {"vegan": True}}
    assert point.payload is payload
    np.testing.assert_array_equal(point.vectors["image"], unit(1) * 3)


def test_delete_counts_what_was_there(store: VectorStore) -> None:
    store.upsert([Point(name) for name in "abcd"])
    assert store.delete(["a", "?", "a", "b"]) == 2
    assert store.delete(["a"]) == 0
    assert {point.id for point in everything(store)} == {"c", "d"}
    store.upsert([Point("a")])
    assert store.count() == 3


def test_scroll_visits_everything_once_in_a_stable_order(store: VectorStore) -> None:
    store.upsert([Point(f"p{i}", {}, {"i": i}) for i in range(1237)])
    once = [point.id for point in everything(store, limit=100)]
    assert len(once) == 1237
    assert set(once) == {f"p{i}" for i in range(1237)}
    assert [point.id for point in everything(store, limit=77)] == once
    store.optimize()
    assert [point.id for point in everything(store, limit=1000)] == once


def test_scroll_goes_on_where_it_was_while_points_come_and_go(store: VectorStore) -> None:
    store.upsert([Point(f"p{i}") for i in range(100)])
    first, cursor = store.scroll(limit=40)
    assert isinstance(cursor, str)
    rest_before, _ = store.scroll(limit=100, cursor=cursor)
    following = rest_before[0].id
    store.delete([first[0].id, following])
    rest, done = store.scroll(limit=100, cursor=cursor)
    assert done is None
    assert [point.id for point in rest] == [point.id for point in rest_before if point.id != following]


def test_scroll_ends_with_a_full_last_page(store: VectorStore) -> None:
    store.upsert([Point(f"p{i}") for i in range(20)])
    page, cursor = store.scroll(limit=20)
    assert (len(page), cursor) == (20, None)


def test_scroll_filters_and_limits_the_payload(store: VectorStore, unit) -> None:
    attributes = {"Heel height": 7, "colour": "red", "size.eu": 38}
    store.upsert(
        [
            Point(
                f"p{i}",
                {"image": unit(i)},
                {"category": "ab"[i % 2], "_hash": str(i), "attributes": attributes},
            )
            for i in range(30)
        ]
    )
    keys = ["_hash", "attributes.Heel height", "attributes.size.eu", "absent"]
    wanted = Filter(must=(Match("category", ("a",)),))
    points = everything(store, limit=4, filter=wanted, keys=keys, vectors=True)
    assert {point.id for point in points} == {f"p{i}" for i in range(0, 30, 2)}
    for point in points:
        assert point.payload == {"_hash": point.id[1:], "attributes": {"Heel height": 7, "size.eu": 38}}
        assert point.vectors.keys() == {"image"}
    assert all(point.payload == {} for point in everything(store, keys=[]))


@pytest.mark.parametrize("cursor", ["", "next", 5])
def test_scroll_refuses_a_cursor_it_never_gave(store: VectorStore, cursor) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.scroll(cursor=cursor)
    assert caught.value.field == "cursor"


def test_scroll_accepts_a_cursor_of_a_point_that_is_gone(store: VectorStore) -> None:
    store.upsert([Point("a")])
    page, _ = store.scroll(cursor=str(uuid.UUID(int=0)))
    assert [point.id for point in page] == ["a"]


def test_facets_count_list_fields_once_a_product(store: VectorStore) -> None:
    store.upsert(
        [
            Point("1", {}, {"tags": ["red", "red", "new"], "category": "dress"}),
            Point("2", {}, {"tags": ["red"], "category": "dress"}),
            Point("3", {}, {"tags": [], "category": "hat"}),
            Point("4", {}, {"category": "größe/靴"}),
        ]
    )
    assert store.facets("tags") == [("red", 2), ("new", 1)]
    assert store.facets("category") == [("dress", 2), ("größe/靴", 1), ("hat", 1)]
    assert store.facets("tags", limit=1) == [("red", 2)]
    assert store.facets("tags", filter=Filter(must=(Match("category", ("dress",)),), not_ids=("2",))) == [
        ("new", 1),
        ("red", 1),
    ]
    store.delete(["1"])
    assert store.facets("tags") == [("red", 1)]


def test_facets_count_attributes_of_any_type(store: VectorStore) -> None:
    values = ["red", "red", "true", True, True, True, 38, 38.5, None, ["red", 38], {"deep": 1}]
    store.upsert([Point(str(i), {}, {"attributes": {"My value": value}}) for i, value in enumerate(values)])
    store.upsert([Point("plain", {}, {"attributes": "red"}), Point("none", {}, {})])
    assert store.facets("attributes.My value") == [("true", 4), ("red", 3), ("38", 2), ("38.5", 1)]
    assert store.facets("attributes.My value", limit=2) == [("true", 4), ("red", 3)]
    assert store.facets("attributes") == [("red", 1)]
    assert store.facets("price") == []


def test_facets_are_exact_over_many_products(store: VectorStore) -> None:
    store.upsert([Point(f"p{i}", {}, {"brand": f"b{i % 7}", "price": float(i)}) for i in range(1500)])
    cheap = Filter(must=(Range("price", lt=700),))
    assert store.facets("brand", filter=cheap) == [(f"b{i}", 100) for i in range(7)]
    assert store.facets("brand", limit=3) == [("b0", 215), ("b1", 215), ("b2", 214)]


@pytest.mark.parametrize("key", ["", 'a"b', "attributes.a\\b", None])
def test_facets_refuse_keys_that_cannot_be_asked_for(store: VectorStore, key) -> None:
    with pytest.raises(InvalidInput):
        store.facets(key)
    with pytest.raises(InvalidInput):
        store.scroll(keys=[key])


def test_limits_below_one_are_refused(store: VectorStore, unit) -> None:
    for call in (
        lambda: store.search("image", unit(1), 0),
        lambda: store.scroll(limit=0),
        lambda: store.facets("category", limit=-1),
        lambda: store.facets("attributes.colour", limit=0),
    ):
        with pytest.raises(InvalidInput) as caught:
            call()
        assert caught.value.field == "limit"
