"""The store contract: collections that compare vectors by another distance than cosine."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import EncoderMismatch, InvalidInput
from services.store.base import (
    DISTANCES,
    PLAIN_VERSION,
    SCHEMA_VERSION,
    Distance,
    Filter,
    Match,
    Point,
    VectorStore,
)
from tests.contract.conftest import COSTLY, DIM, META, Place, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

N = 200


def expected(vectors: np.ndarray, query: np.ndarray, distance: Distance) -> np.ndarray:
    """Scores by the definition of each distance, float64 [n]."""
    vectors, query = vectors.astype(np.float64), query.astype(np.float64)
    if distance == "euclid":
        return -np.sqrt(((vectors - query) ** 2).sum(axis=1))
    if distance == "dot":
        return (vectors * query).sum(axis=1)
    return (vectors * query).sum(axis=1) / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))


def uneven(seed: int, n: int) -> np.ndarray:
    """Vectors of lengths from about 0.3 to 30, float32 [n, 8], so that the three distances disagree."""
    random = np.random.default_rng(seed)
    return (random.standard_normal((n, DIM)) * np.exp(random.uniform(-2, 2.3, (n, 1)))).astype(np.float32)


def opened(place: Place, distance: Distance, vectors: np.ndarray) -> VectorStore:
    store = place.connect()
    store.open(replace(META, distance=distance))
    store.upsert(
        [
            Point(f"p{row}", {"image": vector, "title": vector[::-1].copy()}, {"category": f"c{row % 3}"})
            for row, vector in enumerate(vectors)
        ]
    )
    return store


@pytest.mark.parametrize("distance", DISTANCES)
def test_higher_scores_are_nearer_by_every_distance(place: Place, distance: Distance) -> None:
    vectors = uneven(1, N)
    store = opened(place, distance, vectors)
    for name, held in (("image", vectors), ("title", vectors[:, ::-1])):
        for query in uneven(2, 5):
            scores = expected(held, query, distance)
            hits = store.search(name, query, 20)
            assert [hit.id for hit in hits] == [f"p{row}" for row in np.argsort(-scores)[:20]]
            assert [hit.score for hit in hits] == pytest.approx(np.sort(scores)[::-1][:20].tolist(), rel=1e-4)
    kept = np.arange(N) % 3 == 1
    hits = store.search("image", uneven(3, 1)[0], 5, filter=Filter(must=(Match("category", ("c1",)),)))
    scores = np.where(kept, expected(vectors, uneven(3, 1)[0], distance), -np.inf)
    assert [hit.id for hit in hits] == [f"p{row}" for row in np.argsort(-scores)[:5]]
    store.close()


def test_the_distances_order_vectors_of_different_lengths_differently() -> None:
    vectors, query = uneven(1, N), uneven(2, 1)[0]
    orders = {tuple(np.argsort(-expected(vectors, query, one))[:20]) for one in get_args(Distance)}
    assert len(orders) == 3


@pytest.mark.parametrize("place", COSTLY, indirect=True)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1))
def test_unit_vectors_come_in_the_same_order_by_every_distance(place: Place, seed: int) -> None:
    vectors = uneven(seed, 30)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query = vectors[0] + 0.5 * vectors[1]
    query /= np.linalg.norm(query)
    orders = []
    for distance in DISTANCES:
        store = place.connect()
        store.drop()
        store = opened(place, distance, vectors)
        orders.append([hit.id for hit in store.search("image", query, 30)])
        store.drop()
        store.close()
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize("distance", DISTANCES)
def test_vectors_come_back_at_their_length_unless_by_cosine(place: Place, distance: Distance) -> None:
    vectors = uneven(4, 5)
    store = opened(place, distance, vectors)
    store.optimize()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = vectors / lengths if distance == "cosine" else vectors
    for points in (
        store.fetch([f"p{row}" for row in range(5)], vectors=True),
        sorted(everything(store, vectors=True), key=lambda point: point.id),
    ):
        np.testing.assert_allclose([point.vectors["image"] for point in points], kept, rtol=1e-5)
    store.close()


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_collection_keeps_its_distance(place: Place, distance: Distance) -> None:
    meta = replace(META, distance=distance)
    store = opened(place, distance, uneven(5, 20))
    query = uneven(6, 1)[0]
    before = [hit.id for hit in store.search("image", query, 5)]
    other = replace(META, distance="dot" if distance == "euclid" else "euclid")
    with pytest.raises(InvalidInput, match="distance") as refused:
        store.save_meta(other)
    assert refused.value.field == "distance"
    store.close()

    store = place.connect()
    assert store.meta() == meta
    with pytest.raises(EncoderMismatch, match=f"by {distance}") as caught:
        store.open(other)
    assert caught.value.field == "measure"
    assert f"VITRINE_MEASURE={distance}" in caught.value.mend and "--switch" in caught.value.mend
    assert store.open(meta) == meta
    assert [hit.id for hit in store.search("image", query, 5)] == before
    store.close()


def test_only_collections_that_an_older_vitrine_would_misread_have_the_newer_version(place: Place) -> None:
    for distance in DISTANCES:
        store = place.connect()
        store.open(replace(META, distance=distance))
        newer = distance != "cosine"
        assert store.meta().schema_version == (SCHEMA_VERSION if newer else PLAIN_VERSION)
        store.drop()
        store.close()
