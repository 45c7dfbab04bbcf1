"""The store contract: opening, metadata, closing, dropping.

The suite of this folder runs over the embedded store and over the server store. No Qdrant server
runs with the tests, so the server store is given qdrant-client's local mode, in memory and on disk,
which mirrors the server's behaviour but builds no index, opens no connection and searches exactly.
Set QDRANT_URL to run the same suite against a real server as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.errors import EncoderMismatch, InvalidInput, StoreUnavailable
from services.store.base import Filter, Match, Point, VectorStore
from tests.contract.conftest import META, Place, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)


def test_a_collection_that_was_never_opened_has_no_metadata(place: Place) -> None:
    assert place.connect().meta() is None


def test_opening_creates_an_empty_collection_once(place: Place, unit) -> None:
    store = place.connect()
    assert store.open(META) == META
    store.upsert([Point("a", {"image": unit(1)})])
    other = replace(META, encoder={"name": "other"})
    assert store.open(other) == META
    assert store.count() == 1


def test_an_empty_collection_answers_everything_with_nothing(store: VectorStore, unit) -> None:
    assert store.meta() == META
    assert store.count() == 0
    assert store.search("image", unit(1), 10) == []
    assert store.fetch(["a"]) == []
    assert store.fetch([]) == []
    assert store.scroll() == ([], None)
    assert store.facets("category") == []
    assert store.facets("attributes.colour") == []
    assert store.delete(["a"]) == 0
    assert store.delete([]) == 0
    store.upsert([])
    store.optimize()


def test_metadata_comes_back_as_it_was_saved(place: Place) -> None:
    calibration = {"text-image": {"mean": 0.125, "std": 1e-3, "n": 1000}, "größe": [1, 2.5, None, True, "x"]}
    store = place.connect()
    store.open(META)
    store.save_meta(replace(META, calibration=calibration))
    assert store.meta() == replace(META, calibration=calibration)
    store.save_meta(replace(META, calibration={"only": 1}))
    assert store.meta() == replace(META, calibration={"only": 1})
    store.close()
    store = place.connect()
    assert store.meta() == replace(META, calibration={"only": 1})
    assert store.open(META).calibration == {"only": 1}
    store.save_meta(META)
    assert store.meta().calibration is None
    store.close()


def test_metadata_that_changes_the_width_or_is_no_json_is_refused(store: VectorStore) -> None:
    with pytest.raises(InvalidInput, match="width"):
        store.save_meta(replace(META, dim=16))
    with pytest.raises(InvalidInput, match="JSON"):
        store.save_meta(replace(META, calibration={"mean": np.float32(1)}))
    assert store.meta() == META


def test_points_are_there_after_closing_and_reopening(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert(
        [Point(f"p{i}", {"image": unit(i)}, {"category": "even" if i % 2 == 0 else "odd"}) for i in range(50)]
    )
    store.delete(["p0"])
    before = everything(store)
    store.close()

    store = place.connect()
    store.open(META)
    assert everything(store) == before
    assert store.count() == 49
    assert store.search("image", unit(7), 1)[0].id == "p7"
    assert store.facets("category") == [("odd", 25), ("even", 24)]
    store.close()


def test_reopening_with_another_width_is_refused_and_harms_nothing(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert([Point("a", {"image": unit(1)})])
    store.close()

    store = place.connect()
    with pytest.raises(EncoderMismatch, match=r"8-d.*16-d") as caught:
        store.open(replace(META, dim=16))
    assert "toy" in caught.value.mend
    assert store.open(META) == META
    assert store.count() == 1
    store.close()


def test_a_store_that_is_not_open_says_so(place: Place, unit) -> None:
    store = place.connect()

    def refuses() -> None:
        for call in (
            lambda: store.upsert([Point("a", {"image": unit(1)})]),
            lambda: store.search("image", unit(1), 1),
            lambda: store.count(),
            lambda: store.scroll(),
            lambda: store.fetch(["a"]),
            lambda: store.delete(["a"]),
            lambda: store.facets("category"),
            lambda: store.save_meta(META),
            lambda: store.optimize(),
        ):
            with pytest.raises(StoreUnavailable, match="not open") as caught:
                call()
            assert caught.value.mend

    refuses()
    store.open(META)
    store.close()
    store.close()
    refuses()


def test_dropping_removes_points_and_metadata(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert([Point("a", {"image": unit(1)}, {"category": "x"})])
    store.drop()
    assert store.meta() is None
    with pytest.raises(StoreUnavailable, match="not open"):
        store.count()

    wider = replace(META, dim=16)
    assert store.open(wider) == wider
    assert store.count(None) == 0
    store.upsert([Point("b", {"title": unit(2, dim=16)})])
    assert store.search("title", unit(2, dim=16), 5)[0].id == "b"
    store.close()


def test_dropping_what_is_not_there_is_no_error(place: Place) -> None:
    store = place.connect()
    store.drop()
    assert store.meta() is None


def test_dropping_needs_no_opening(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert([Point("a", {"image": unit(1)})])
    store.close()
    store = place.connect()
    store.drop()
    assert store.meta() is None
    assert store.open(META) == META
    assert store.count() == 0
    store.close()


def test_collections_do_not_see_each_other(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert([Point("a", {"image": unit(1)}, {"category": "x"})])
    place.settings = place.settings.model_copy(update={"collection": "test-other"})
    if place.kind == "client-disk":
        store.close()
    other = place.connect()
    assert other.meta() is None
    other.open(META)
    assert other.count() == 0
    other.upsert([Point("a", {"image": unit(2)}, {"category": "y"})])
    assert other.count(None) == 1
    assert other.facets("category") == [("y", 1)]
    other.drop()
    if place.kind != "client-disk":
        assert store.facets("category") == [("x", 1)]
        assert store.count() == 1
        store.drop()


def test_filters_work_on_a_collection_that_was_reopened(place: Place) -> None:
    store = place.connect()
    store.open(META)
    store.upsert(
        [Point("a", {}, {"attributes": {"vegan": True}}), Point("b", {}, {"attributes": {"vegan": False}})]
    )
    store.close()
    store = place.connect()
    store.open(META)
    page, _ = store.scroll(filter=Filter(must=(Match("attributes.vegan", (True,)),)))
    assert [point.id for point in page] == ["a"]
    store.close()
