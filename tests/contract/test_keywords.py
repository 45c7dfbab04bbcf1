"""The store contract: keywords, and collections from before there were any.

The client's local mode reads the IDF from its own counters and knows no shards; a server counts each of
its shards by itself.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import qdrant_edge as engine
from qdrant_client import models

from services.errors import InvalidInput
from services.store.base import (
    KEYWORDS,
    PLAIN_VERSION,
    Filter,
    Match,
    Point,
    Search,
    SparseVector,
    VectorStore,
)
from services.store.folder import StoreFolder
from services.store.schema import encode_meta, point_id
from tests.contract.conftest import DIM, META, Place, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)
#: The largest token there may be among them.
WORDS = {"red": 7, "blue": 2**32 - 1, "dress": 0, "rare": 99}


def sparse(**values: float) -> SparseVector:
    return SparseVector(tuple(WORDS[word] for word in values), tuple(values.values()))


@pytest.fixture
def shop(store: VectorStore, unit) -> VectorStore:
    """Ten products: all dresses, half of them red, one rare, one without keywords."""
    points = []
    for i in range(10):
        values = {"dress": 1.0} | ({"red": 1.5} if i % 2 else {}) | ({"rare": 2.0} if i == 4 else {})
        keywords = None if i == 8 else sparse(**values)
        points.append(Point(f"p{i}", {"image": unit(i)}, {"category": f"c{i % 3}"}, keywords))
    store.upsert(points)
    return store


def idf(count: int, having: int) -> float:
    return math.log(1 + (count - having + 0.5) / (having + 0.5))


def test_scores_are_bm25_over_the_products_with_keywords(shop: VectorStore) -> None:
    hits = {hit.id: hit.score for hit in shop.search_keywords(sparse(dress=1.0, red=1.0, rare=3.0), 20)}
    assert set(hits) == {f"p{i}" for i in range(10)} - {"p8"}
    assert hits["p0"] == pytest.approx(idf(9, 9), rel=1e-4)
    assert hits["p1"] == pytest.approx(idf(9, 9) + 1.5 * idf(9, 5), rel=1e-4)
    assert hits["p4"] == pytest.approx(idf(9, 9) + 3 * 2 * idf(9, 1), rel=1e-4)


def test_the_best_come_first_and_strangers_not_at_all(shop: VectorStore) -> None:
    assert [hit.id for hit in shop.search_keywords(sparse(rare=1.0, dress=1.0), 1)] == ["p4"]
    found = shop.search_keywords(sparse(red=1.0), 20)
    assert {hit.id for hit in found} == {"p1", "p3", "p5", "p7", "p9"}
    assert shop.search_keywords(sparse(blue=1.0), 20) == []
    assert shop.search_keywords(SparseVector((), ()), 20) == []


def test_filters_limit_what_is_found_and_not_what_words_are_worth(shop: VectorStore) -> None:
    everywhere = {hit.id: hit.score for hit in shop.search_keywords(sparse(red=1.0, dress=1.0), 20)}
    for filter, expected in (
        (Filter(must=(Match("category", ("c1",)),)), {"p1", "p4", "p7"}),
        (Filter(ids=("p1", "p2", "p8", "nowhere")), {"p1", "p2"}),
        (Filter(ids=()), set()),
        (Filter(not_ids=tuple(f"p{i}" for i in range(9))), {"p9"}),
    ):
        hits = {
            hit.id: hit.score for hit in shop.search_keywords(sparse(red=1.0, dress=1.0), 20, filter=filter)
        }
        assert set(hits) == expected
        assert hits == pytest.approx({one: everywhere[one] for one in expected}, rel=1e-5)


def test_keywords_come_back_as_they_were_stored(place: Place, unit) -> None:
    store = place.connect()
    store.open(META)
    store.upsert(
        [Point("a", {"image": unit(1)}, {}, sparse(red=1.5, blue=0.25)), Point("b", {"image": unit(2)})]
    )
    store.close()
    store = place.connect()
    store.open(META)
    for points in (
        store.fetch(["a", "b"], vectors=True),
        sorted(everything(store, vectors=True), key=lambda p: p.id),
    ):
        a, b = points
        assert dict(zip(a.keywords.indices, a.keywords.values, strict=True)) == {7: 1.5, 2**32 - 1: 0.25}
        assert b.keywords is None
        assert set(a.vectors) == set(b.vectors) == {"image"}
    assert store.fetch(["a"])[0].keywords is None
    store.close()


def test_writing_a_product_anew_replaces_its_keywords(shop: VectorStore, unit) -> None:
    shop.upsert([Point("p4", {"image": unit(4)}, {}, sparse(blue=1.0)), Point("p1", {"image": unit(1)})])
    assert shop.search_keywords(sparse(rare=1.0), 5) == []
    assert [hit.id for hit in shop.search_keywords(sparse(blue=1.0), 5)] == ["p4"]
    assert "p1" not in {hit.id for hit in shop.search_keywords(sparse(red=1.0), 20)}
    shop.delete(["p4"])
    assert shop.search_keywords(sparse(blue=1.0), 5) == []


def test_setting_keywords_changes_nothing_else(shop: VectorStore) -> None:
    before = {point.id: point for point in everything(shop, vectors=True)}
    shop.set_keywords({"p8": sparse(blue=1.0), "p4": sparse(blue=2.0), "nowhere": sparse(blue=9.0)})
    shop.set_keywords({})
    assert [hit.id for hit in shop.search_keywords(sparse(blue=1.0), 5)] == ["p4", "p8"]
    assert shop.count() == 10
    for point in everything(shop, vectors=True):
        assert point.payload == before[point.id].payload
        assert point.vectors["image"].tolist() == before[point.id].vectors["image"].tolist()


def test_dense_searches_are_as_before(shop: VectorStore, unit) -> None:
    assert shop.search("image", unit(3), 1)[0].id == "p3"
    with pytest.raises(InvalidInput, match="no vector named"):
        shop.search("keywords", unit(3), 1)


@pytest.mark.parametrize(
    "keywords",
    [
        SparseVector((1, 2), (1.0,)),
        SparseVector((1, 1), (1.0, 2.0)),
        SparseVector((-1,), (1.0,)),
        SparseVector((2**32,), (1.0,)),
        SparseVector((1,), (math.nan,)),
        SparseVector((1,), (math.inf,)),
        SparseVector(tuple(range(9000)), (1.0,) * 9000),
    ],
)
def test_keywords_that_cannot_be_kept_are_refused_by_name(
    store: VectorStore, keywords: SparseVector, unit
) -> None:
    for call in (
        lambda: store.upsert(
            [Point("good", {"image": unit(1)}), Point("a", {"image": unit(1)}, {}, keywords)]
        ),
        lambda: store.set_keywords({"a": keywords}),
    ):
        with pytest.raises(InvalidInput, match="'a'"):
            call()
    with pytest.raises(InvalidInput, match="query"):
        store.search_keywords(keywords, 5)
    assert store.count() == 0


def make_old(place: Place, vector: list[float]) -> None:
    """A collection of schema version 1 with a product, as it was made before there were keywords."""
    meta = encode_meta(replace(META, schema_version=1, calibration={"sample": 1}))
    del meta["keywords"]
    payload = {"_id": "old", "_terms": [], "title": "Red dress"}
    if place.kind == "edge":
        folder = StoreFolder(place.settings.data_dir / place.settings.collection)
        folder.lock()
        params = engine.EdgeVectorParams(size=DIM, distance=engine.Distance.Cosine)

        def make(path: Path) -> None:
            shard = engine.EdgeShard.create(
                str(path), engine.EdgeConfig(vectors={"image": params, "title": params})
            )
            point = engine.Point(point_id("old"), {"image": vector}, payload)
            shard.update(engine.UpdateOperation.upsert_points([point]))
            shard.close()

        folder.create(replace(META, schema_version=1, calibration={"sample": 1}), make)
        folder.unlock()
        return
    store = place.connect()
    params = models.VectorParams(size=DIM, distance=models.Distance.COSINE)

    def fill(client) -> None:
        name = place.settings.collection
        client.create_collection(
            name, vectors_config={"image": params, "title": params}, metadata={"vitrine": meta}
        )
        client.upsert(
            name, [models.PointStruct(id=point_id("old"), vector={"image": vector}, payload=payload)]
        )

    store._connection.call("made", fill)
    store.close()


def test_a_collection_from_before_keywords_is_upgraded_in_place(place: Place, unit) -> None:
    make_old(place, unit(1).tolist())
    store = place.connect()
    assert store.meta().schema_version == 1
    opened = store.open(META)
    assert (opened.schema_version, opened.keywords) == (PLAIN_VERSION, 0)
    assert opened.calibration == {"sample": 1}
    assert store.meta() == opened
    # All is there and found as before, only without keywords.
    [old] = store.fetch(["old"], vectors=True)
    assert old.payload == {"title": "Red dress"} and old.keywords is None
    assert store.search("image", unit(1), 5)[0].id == "old"
    assert store.search_keywords(sparse(red=1.0), 5) == []
    store.set_keywords({"old": sparse(red=1.0)})
    store.upsert([Point("new", {"title": unit(2)}, {}, sparse(red=1.0, dress=1.0))])
    assert {hit.id for hit in store.search_keywords(sparse(red=1.0), 5)} == {"old", "new"}
    store.close()

    store = place.connect()
    assert store.open(META) == opened
    assert {hit.id for hit in store.search_keywords(sparse(red=1.0), 5)} == {"old", "new"}
    assert store.search("image", unit(1), 5)[0].id == "old"
    store.close()


def test_keywords_survive_optimising_an_upgraded_collection(place: Place, unit, monkeypatch) -> None:
    # Few points are merged and indexed too where segments of any size are.
    monkeypatch.setattr("services.store.schema.INDEXING_THRESHOLD_KB", 1)
    make_old(place, unit(1).tolist())
    store = place.connect()
    store.open(META)
    store.upsert([Point(f"p{i}", {"image": unit(i)}, {}, sparse(red=1.0)) for i in range(300)])
    store.optimize()
    assert len(store.search_keywords(sparse(red=1.0), 1000)) == 300
    assert [
        hit.id for hit in store.search_keywords(sparse(red=1.0), 5, filter=Filter(ids=("p7", "old")))
    ] == ["p7"]
    store.close()
    store = place.connect()
    store.open(META)
    assert len(store.search_keywords(sparse(red=1.0), 1000)) == 300
    assert store.count() == 301
    store.close()


def test_several_searches_at_once_find_what_each_finds(shop: VectorStore, unit) -> None:
    only = Filter(must=(Match("category", ("c0", "c1")),))
    searches = [
        Search("image", unit(3)),
        Search(KEYWORDS, SparseVector((), ())),
        Search(KEYWORDS, sparse(red=1.0, rare=1.0)),
        Search("title", unit(3)),
        Search("image", unit(5)),
    ]
    for filter in (None, only):
        images = [shop.search("image", unit(at), 4, filter=filter) for at in (3, 5)]
        words = shop.search_keywords(sparse(red=1.0, rare=1.0), 4, filter=filter)
        assert images[0] and words and images[0] != images[1]
        for found, alone in zip(
            shop.search_many(searches, 4, filter=filter), [images[0], [], words, [], images[1]], strict=True
        ):
            assert [hit.id for hit in found] == [hit.id for hit in alone]
            assert [hit.score for hit in found] == pytest.approx([hit.score for hit in alone], abs=1e-5)
    assert shop.search_many([], 4) == []
    with pytest.raises(InvalidInput, match="no vector named"):
        shop.search_many([searches[0], Search("colour", unit(3))], 4)
    with pytest.raises(InvalidInput, match="limit"):
        shop.search_many(searches, 0)
