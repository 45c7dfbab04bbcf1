"""The store contract: patches, several vectors of one picture, scored by MaxSim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from services.errors import EncoderMismatch, InvalidInput
from services.store import schema
from services.store.base import SCHEMA_VERSION, Filter, Match, Point, SparseVector, VectorStore
from services.store.checks import MOST_PATCHES
from tests.contract.conftest import COSTLY, DIM, META, Place, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

WITH = replace(META, patches=True)
#: Patches are kept as float16: each cosine is off by less than this.
ROUNDING = 1e-3


@pytest.fixture
def patched(place: Place) -> Iterator[VectorStore]:
    """An open, empty collection with patches."""
    store = place.connect()
    store.open(WITH)
    yield store
    store.close()


def tokens(seed: int, count: int) -> np.ndarray:
    """float32 [count, 8] of any length."""
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32) * 3


def maxsim(query: np.ndarray, patches: np.ndarray) -> float:
    """Late interaction (Khattab and Zaharia 2020, arXiv 2004.12832), written out."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (query, patches)]
    return sum(max(float(one @ other) for other in unit[1]) for one in unit[0])


@pytest.mark.parametrize("place", COSTLY, indirect=True)
@pytest.mark.parametrize("optimised", [False, True])
def test_the_score_is_maxsim_and_exact(
    place: Place, unit, monkeypatch: pytest.MonkeyPatch, optimised: bool
) -> None:
    monkeypatch.setattr(schema, "INDEXING_THRESHOLD_KB", 1)  # graphs, if there were to be any, over so few
    patched = place.connect()
    patched.open(WITH)
    held = {f"p{row}": tokens(row, 1 + row % 7) for row in range(300)}
    patched.upsert(
        [
            Point(one, {"image": unit(3)}, {"category": f"c{len(some)}"}, None, some)
            for one, some in held.items()
        ]
    )
    patched.upsert([Point("bare", {"image": unit(4)})])
    if optimised:
        patched.optimize()
    for count in (1, 4):
        query = tokens(1000 + count, count)
        scores = {one: maxsim(query, some) for one, some in held.items()}
        hits = patched.search_patches(query, 400)
        assert {hit.id for hit in hits} == set(held)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            assert hit.score == pytest.approx(scores[hit.id], abs=count * ROUNDING)
        assert [hit.id for hit in patched.search_patches(query, 3)] == [hit.id for hit in hits[:3]]

        few = Filter(ids=("p5", "p6", "p70", "bare", "never"))
        assert [hit.id for hit in patched.search_patches(query, 10, filter=few)] == sorted(
            ("p5", "p6", "p70"), key=lambda one: -scores[one]
        )
        some = Filter(must=(Match("category", ("c3",)),))
        assert {hit.id for hit in patched.search_patches(query, 400, filter=some)} == {
            one for one, rows in held.items() if len(rows) == 3
        }
    patched.close()


def test_patches_come_back_only_where_asked_for(patched: VectorStore, unit) -> None:
    keywords = SparseVector((1, 2), (0.5, 1.0))
    patches = tokens(1, 4)
    patched.upsert([Point("a", {"image": unit(1)}, {"title": "A"}, keywords, patches), Point("b", {}, {})])
    for read in (
        lambda **options: patched.fetch(["a", "b"], **options),
        lambda **options: sorted(everything(patched, **options), key=lambda one: one.id),
    ):
        plain, bare = read()
        assert plain.vectors == {} and plain.keywords is None and plain.patches is None
        with_vectors, bare = read(vectors=True)
        np.testing.assert_allclose(with_vectors.vectors["image"], unit(1), atol=1e-6)
        assert with_vectors.keywords == keywords and with_vectors.patches is None
        alone, bare = read(patches=True)
        assert alone.vectors == {} and alone.keywords is None and bare.patches is None
        full, bare = read(vectors=True, patches=True)
        assert set(full.vectors) == {"image"} and full.keywords == keywords
        for point in (alone, full):
            assert point.payload == {"title": "A"}
            assert point.patches.dtype == np.float32
            unit_patches = patches / np.linalg.norm(patches, axis=1, keepdims=True)
            np.testing.assert_allclose(point.patches, unit_patches, atol=ROUNDING)


def test_patches_are_written_replaced_and_deleted_with_their_product(patched: VectorStore, unit) -> None:
    query = tokens(9, 2)
    patched.upsert([Point("a", {"image": unit(1)}, {}, None, query), Point("b", {}, {}, None, -query)])
    assert [hit.id for hit in patched.search_patches(query, 5)] == ["a", "b"]
    patched.upsert([Point("b", {}, {}, None, query), Point("a", {"image": unit(1)})])
    assert [hit.id for hit in patched.search_patches(query, 5)] == ["b"]
    assert patched.fetch(["a"], patches=True)[0].patches is None
    patched.set_keywords({"b": SparseVector((1,), (1.0,))})
    assert [hit.id for hit in patched.search_patches(query, 5)] == ["b"]
    patched.delete(["b"])
    assert patched.search_patches(query, 5) == []


def test_patches_are_there_after_reopening(place: Place) -> None:
    store = place.connect()
    store.open(replace(WITH, distance="dot"))
    store.upsert([Point(f"p{row}", {}, {}, None, tokens(row, 3)) for row in range(20)])
    before = [hit.id for hit in store.search_patches(tokens(50, 2), 5)]
    assert len(before) == 5
    store.close()
    store = place.connect()
    assert store.meta() == replace(WITH, distance="dot")
    assert store.meta().schema_version == SCHEMA_VERSION
    store.open(replace(WITH, distance="dot"))
    assert [hit.id for hit in store.search_patches(tokens(50, 2), 5)] == before
    store.close()


def test_a_collection_without_patches_leaves_them_out_and_finds_none(store: VectorStore, unit) -> None:
    store.upsert([Point("a", {"image": unit(1)}, {}, None, tokens(1, 3))])
    assert store.search_patches(tokens(1, 3), 5) == []
    (found,) = store.fetch(["a"], vectors=True, patches=True)
    assert set(found.vectors) == {"image"} and found.patches is None


@pytest.mark.parametrize("kept", [True, False])
def test_opening_with_another_choice_is_refused(place: Place, kept: bool) -> None:
    meta, other = (WITH, META) if kept else (META, WITH)
    store = place.connect()
    store.open(meta)
    with pytest.raises(InvalidInput, match="patches"):
        store.save_meta(other)
    store.close()
    store = place.connect()
    with pytest.raises(EncoderMismatch, match="patches") as caught:
        store.open(other)
    assert "--switch" in caught.value.mend
    assert store.open(meta) == meta
    store.close()


@pytest.mark.parametrize("size", [(3, DIM + 1), (DIM,), (MOST_PATCHES + 1, DIM), (1, 2, DIM)])
def test_patches_of_another_shape_are_refused(patched: VectorStore, size: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="shape"):
        patched.upsert([Point("fine", {}, {}), Point("a", {}, {}, None, np.ones(size, np.float32))])
    with pytest.raises(InvalidInput, match="shape"):
        patched.search_patches(np.ones(size, np.float32), 5)
    assert patched.count() == 0


def test_patches_that_are_not_finite_are_refused_and_none_at_all_is_a_product_without(
    patched: VectorStore,
) -> None:
    broken = tokens(1, 2)
    broken[1, 3] = np.inf
    with pytest.raises(InvalidInput, match="finite"):
        patched.upsert([Point("a", {}, {}, None, broken)])
    with pytest.raises(InvalidInput, match="finite"):
        patched.search_patches(broken, 5)
    with pytest.raises(InvalidInput, match="shape"):
        patched.search_patches(np.empty((0, DIM), np.float32), 5)
    with pytest.raises(InvalidInput, match="limit"):
        patched.search_patches(tokens(1, 2), 0)
    patched.upsert([Point("a", {}, {}, None, np.empty((0, DIM), np.float32))])
    assert patched.fetch(["a"], patches=True)[0].patches is None
