"""The store contract: nearest neighbours, with and without filter, and from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from services.errors import InvalidInput
from services.store import schema
from services.store.base import CollectionMeta, Filter, Match, Point, Range, VectorStore
from tests.contract.conftest import COSTLY, DIM, Place

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

N, WIDTH = 5000, 64


@pytest.fixture
def catalogue(place: Place, monkeypatch: pytest.MonkeyPatch) -> tuple[VectorStore, np.ndarray, np.ndarray]:
    """5,000 clustered points of 64-d in a store that builds HNSW over so few already, with their matrices."""
    monkeypatch.setattr(schema, "INDEXING_THRESHOLD_KB", 50)
    image, title = clustered(1, N), clustered(2, N)
    store = place.connect()
    store.open(CollectionMeta(dim=WIDTH, encoder={"name": "toy"}))
    for start in range(0, N, 1000):
        store.upsert(
            [
                Point(
                    f"p{i}",
                    {"image": image[i], "title": title[i]},
                    {
                        "category": f"c{i % 40}",
                        "price": float(i),
                        "attributes": {"size": i % 9, "vegan": i % 3 == 0},
                    },
                )
                for i in range(start, start + 1000)
            ]
        )
    store.optimize()
    return store, image, title


def clustered(seed: int, n: int) -> np.ndarray:
    """Unit vectors around 50 centres, as embeddings of product photos lie: float32 [n, 64]."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((50, WIDTH))
    points = centres[random.integers(0, 50, n)] + 0.6 * random.standard_normal((n, WIDTH))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def recall(
    store: VectorStore, name: str, matrix: np.ndarray, filter: Filter | None, keep: np.ndarray
) -> float:
    """Mean recall@10 over 20 queries, against the exact order of the rows where `keep` is true."""
    rows = np.flatnonzero(keep)
    found = 0
    for query in clustered(3, 20):
        scores = matrix[rows] @ query
        best = rows[np.argsort(-scores)[:10]]
        hits = store.search(name, query, 10, filter=filter)
        assert len(hits) == min(10, len(rows))
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            row = int(hit.id[1:])
            assert keep[row]
            assert hit.score == pytest.approx(float(matrix[row] @ query), abs=1e-5)
        found += len({int(hit.id[1:]) for hit in hits} & set(best.tolist()))
    return found / (20 * min(10, len(rows)))


@pytest.mark.parametrize("place", COSTLY, indirect=True)
def test_search_agrees_with_an_exact_scan(catalogue) -> None:
    store, image, title = catalogue
    i = np.arange(N)
    everything = np.ones(N, bool)
    assert recall(store, "image", image, None, everything) >= 0.99
    assert recall(store, "title", title, None, everything) >= 0.99

    broad = Filter(must=(Range("price", gte=1000, lt=4000),))
    assert recall(store, "image", image, broad, (i >= 1000) & (i < 4000)) >= 0.99
    narrow = Filter(must=(Match("category", ("c3", "c7")), Match("attributes.vegan", (True,))))
    assert recall(store, "image", image, narrow, np.isin(i % 40, (3, 7)) & (i % 3 == 0)) >= 0.99
    unindexed = Filter(must=(Match("attributes.size", (4,)),), must_not=(Match("category", ("c4",)),))
    assert recall(store, "title", title, unindexed, (i % 9 == 4) & (i % 40 != 4)) >= 0.99
    few = Filter(ids=tuple(f"p{n}" for n in range(0, N, 1000)))
    assert recall(store, "image", image, few, i % 1000 == 0) == 1.0
    without = Filter(not_ids=tuple(f"p{n}" for n in range(0, N, 200)))
    assert recall(store, "image", image, without, i % 200 != 0) >= 0.99

    many = {hit.id for hit in store.search("image", image[0], 1000)}
    assert len(many) == 1000
    assert len(many & {f"p{i}" for i in np.argsort(-(image @ image[0]))[:1000]}) >= 990


@pytest.mark.parametrize("place", COSTLY, indirect=True)
def test_points_written_and_deleted_after_optimize_count_at_once(catalogue) -> None:
    store, _, _ = catalogue
    query = clustered(9, 1)[0]
    best = store.search("image", query, 5)
    store.delete([best[0].id, best[1].id])
    store.upsert([Point("new", {"image": query}), Point(best[2].id, {"title": query})])
    found = [hit.id for hit in store.search("image", query, 10)]
    assert found[0] == "new"
    assert not {best[0].id, best[1].id, best[2].id} & set(found)
    assert found[1:3] == [best[3].id, best[4].id]
    assert store.count() == N - 1
    store.optimize()
    assert [hit.id for hit in store.search("image", query, 10)][:3] == found[:3]
    assert store.count() == N - 1
    assert store.search("title", query, 1)[0].id == best[2].id


def test_scores_are_cosines_whatever_the_length_of_the_query(store: VectorStore, unit) -> None:
    store.upsert([Point("same", {"image": unit(1)}), Point("opposite", {"image": -unit(1)})])
    for length in (1.0, 0.01, 250.0):
        hits = store.search("image", unit(1) * length, 10)
        assert [hit.id for hit in hits] == ["same", "opposite"]
        assert [hit.score for hit in hits] == pytest.approx([1.0, -1.0], abs=1e-6)


@pytest.mark.parametrize("width", [DIM - 1, DIM + 1, 0])
def test_a_query_of_another_width_is_refused(store: VectorStore, width: int) -> None:
    with pytest.raises(InvalidInput, match="shape"):
        store.search("image", np.ones(width, np.float32), 5)


def test_a_query_that_is_not_finite_or_names_no_vector_is_refused(store: VectorStore, unit) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        store.search("image", unit(1) * np.float32(np.nan), 5)
    with pytest.raises(InvalidInput, match="picture"):
        store.search("picture", unit(1), 5)


@pytest.mark.parametrize("place", COSTLY, indirect=True)
def test_searches_run_while_others_write(store: VectorStore, unit) -> None:
    """Readers see whole points only: never one half replaced, never a stale score for a new payload."""
    rounds, width = 30, 40
    store.upsert([Point(f"p{i}", {"image": unit(0, i)}, {"round": 0, "tags": ["r0"]}) for i in range(width)])
    stop = threading.Event()
    faults: list[BaseException] = []

    def watch(read: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                read()
        except BaseException as error:
            faults.append(error)

    def search() -> None:
        hits = store.search("image", unit(0, 1), 10)
        assert len(hits) == 10
        assert len({hit.id for hit in hits}) == 10

    def fetch() -> None:
        for point in store.fetch([f"p{i}" for i in range(width)], vectors=True):
            assert point.payload["tags"] == [f"r{point.payload['round']}"]
            expected = unit(point.payload["round"], int(point.id[1:]))
            np.testing.assert_allclose(point.vectors["image"], expected, atol=1e-6)

    def count() -> None:
        assert store.count(Filter(must=(Match("round", tuple(range(rounds + 1))),))) == width

    def page() -> None:
        points, _ = store.scroll(limit=width)
        assert len(points) == width

    threads = [threading.Thread(target=watch, args=(read,)) for read in (search, fetch, count, page)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, rounds + 1):
            store.upsert(
                [
                    Point(f"p{i}", {"image": unit(number, i)}, {"round": number, "tags": [f"r{number}"]})
                    for i in range(width)
                ]
            )
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert store.facets("tags") == [(f"r{rounds}", width)]
    assert store.search("image", unit(rounds, 7), 1)[0].id == "p7"


def test_several_threads_may_write(store: VectorStore, unit) -> None:
    def write(number: int) -> None:
        for i in range(20):
            store.upsert(
                [Point(f"{number}-{i}", {"image": unit(number, i)}), Point("shared", {}, {"by": number})]
            )
        deleted.append(store.delete([f"{number}-{i}" for i in range(5)]))

    deleted: list[int] = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert deleted == [5, 5, 5, 5]
    assert store.count() == 4 * 15 + 1
