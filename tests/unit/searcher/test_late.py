"""Re-ranking by late interaction, through the engine over the embedded store."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searcher.engine import Engine
from searcher.late import WEIGHT, WINDOW, LateInteraction
from searcher.query import Part, Query, Rerank
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.encoder.dual import DualEncoder
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings
from services.store.base import CollectionMeta, Point
from services.store.edge import EdgeStore
from services.store.factory import open_store
from tests.unit.searcher.test_engine import items, picture

RED = Image.new("RGB", (64, 64), "red")


@pytest.fixture()
def make(tiny_encoder: DualEncoder, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def make(encoder: DualEncoder = tiny_encoder, **options: object) -> Engine:
        settings = Settings(data_dir=tmp_path, late_interaction=True, _env_file=None, **options)
        engines.append(Engine(settings, encoder, open_store(settings)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture()
def engine(make: Callable[..., Engine]) -> Engine:
    engine = make()
    assert not engine.upsert(items()).refused
    return engine


def ids(engine: Engine, *parts: Part, rerank: Rerank | None = "late", **options: object) -> list[str]:
    answer = engine.search(Query(parts, rerank=rerank, **{"limit": 100, **options}))
    assert answer.rerank == rerank
    return [hit.product.id for hit in answer.hits]


def by_hand(
    engine: Engine, tokens: Sequence[np.ndarray | None], weights: Sequence[float], *parts: Part
) -> list[str]:
    """The answer without re-ranking, ranked anew in plain numpy."""
    hits = engine.search(Query(parts, limit=100)).hits[:WINDOW]
    points = {one.id: one for one in engine.store.fetch([hit.product.id for hit in hits], patches=True)}
    scores = np.array([hit.score for hit in hits])
    mixed = (scores - scores.mean()) / scores.std()
    for own, weight in zip(tokens, weights, strict=True):
        if own is None:
            continue
        near = np.full(len(hits), np.nan)
        for row, hit in enumerate(hits):
            if (patches := points[hit.product.id].patches) is not None:
                near[row] = np.mean([max(float(one @ other) for other in patches) for one in own])
        apart = np.nan_to_num((near - np.nanmean(near)) / np.nanstd(near))
        mixed += WEIGHT * weight / sum(map(abs, weights)) * apart
    return [hits[row].product.id for row in np.argsort(-mixed, kind="stable")]


def test_products_with_pictures_get_the_patches_of_the_encoder(engine: Engine) -> None:
    points = engine.store.fetch([f"p{number}" for number in range(36)], vectors=True, patches=True)
    assert engine.store.meta().patches
    assert {point.id for point in points if point.patches is None} == {
        point.id for point in points if "image" not in point.vectors
    }
    stored = next(point for point in points if point.id == "p1")
    assert stored.patches is not None
    drawn = Image.open(io.BytesIO(picture("red", 2))).convert("RGB")
    expected = engine.encoder.encode_patches([drawn]).reshape(-1, engine.encoder.dim)
    np.testing.assert_allclose(stored.patches, expected, atol=2e-3)


def test_the_order_is_that_of_score_and_maxsim_together(engine: Engine) -> None:
    words = [engine.encoder.encode_texts(["red", "dress"]), engine.encoder.encode_texts(["blue"])]
    parts = (Part(text="red dress"), Part(text="blue", weight=-0.5))
    assert ids(engine, *parts) == by_hand(engine, words, (1.0, -0.5), *parts)
    photo = engine.encoder.encode_patches([RED]).reshape(-1, engine.encoder.dim)
    again = ids(engine, Part(image=RED))
    assert again == by_hand(engine, [photo], (1.0,), Part(image=RED))
    assert again != ids(engine, Part(image=RED), rerank=None)


def test_scores_descend_and_keep_the_range_that_they_had(engine: Engine) -> None:
    plain = [hit.score for hit in engine.search(Query((Part(text="red dress"),), limit=100)).hits]
    late = [
        hit.score for hit in engine.search(Query((Part(text="red dress"),), limit=100, rerank="late")).hits
    ]
    assert late == sorted(late, reverse=True)
    assert (late[0], late[-1]) == pytest.approx((plain[0], plain[-1]))


def test_an_example_counts_by_its_stored_patches(engine: Engine) -> None:
    patches = engine.store.fetch(["p1"], patches=True)[0].patches
    assert patches is not None
    found = ids(engine, Part(product="p1"))
    assert found == by_hand(engine, [patches], (1.0,), Part(product="p1"))
    again = engine.similar("p1", limit=100, rerank="late")
    assert [hit.product.id for hit in again.hits] == found and again.rerank == "late"


def test_a_picture_beside_words_takes_no_part(engine: Engine) -> None:
    words = engine.encoder.encode_texts(["blue"])
    parts = (Part(image=RED), Part(text="blue"))
    assert ids(engine, *parts) == by_hand(engine, [None, words], (1.0, 1.0), *parts)


def test_pages_neither_repeat_nor_skip(make: Callable[..., Engine]) -> None:
    engine = make(candidates=10)
    engine.upsert(items())
    for diversity in (0.0, 0.5):
        part = Part(text="red dress")
        whole = ids(engine, part, diversity=diversity)
        assert len(set(whole)) == len(whole) == 36
        pages = [ids(engine, part, limit=7, offset=at, diversity=diversity) for at in range(0, 36, 7)]
        assert [one for page in pages for one in page] == whole


def test_what_lies_beyond_the_window_follows_in_its_order(tiny_encoder: DualEncoder, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    store = EdgeStore(settings)
    dim, count = 4, WINDOW + 20
    store.open(CollectionMeta(dim=dim, encoder={"name": "none"}, patches=True))
    rng = np.random.default_rng(1)
    patches = rng.standard_normal((count, 3, dim)).astype(np.float32)
    names = [f"p{row}" for row in range(count)]
    store.upsert([Point(name, patches=own) for name, own in zip(names, patches, strict=True)])
    scores = np.linspace(3.0, 1.0, count)
    order = np.arange(count)
    late = LateInteraction(None, store)  # type: ignore[arg-type]
    again, renewed = late.rerank(order, scores, names, [np.eye(dim, dtype=np.float32)[:2], None], [1.0, 1.0])
    assert list(again[WINDOW:]) == list(range(WINDOW, count))
    assert sorted(again[:WINDOW]) == list(range(WINDOW)) and list(again[:WINDOW]) != list(range(WINDOW))
    assert (np.diff(renewed[again]) <= 1e-12).all()
    store.close()


def test_an_id_typed_in_full_stays_first(engine: Engine) -> None:
    for number in (0, 17, 26):
        assert ids(engine, Part(text=f"p{number}"))[0] == f"p{number}"


def test_products_without_pictures_take_part_by_their_score(engine: Engine) -> None:
    found = ids(engine, Part(text="red dress"))
    assert {"p5", "p12", "p19"} <= set(found)


def test_stages_tell_what_it_took(engine: Engine) -> None:
    query = Query((Part(text="red dress"),), rerank="late")
    assert set(engine.search(query).took) == {"encode", "retrieve", "fuse", "rerank", "total"}
    assert "rerank" not in engine.search(Query((Part(text="red dress"),))).took


@pytest.mark.parametrize("parts", [(Part(text="!?"),), (Part(product="p0"), Part(product="p1"))])
def test_a_query_without_tokens_is_refused(engine: Engine, parts: tuple[Part, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        ids(engine, *parts)
    assert caught.value.field == "rerank" and caught.value.mend


def test_a_collection_without_patches_refuses_and_says_how_to_get_them(
    make: Callable[..., Engine], tiny_encoder: DualEncoder
) -> None:
    make().close()
    plain = make(collection="plain")
    plain.settings.late_interaction = False
    plain.upsert(items()[:4])
    assert not plain.store.meta().patches
    with pytest.raises(InvalidInput) as caught:
        ids(plain, Part(text="red"))
    assert caught.value.field == "rerank"
    assert "VITRINE_LATE_INTERACTION=true" in caught.value.mend


def test_a_collection_keeps_its_own_choice(make: Callable[..., Engine], engine: Engine) -> None:
    engine.settings.late_interaction = False
    engine.upsert([NewProduct(Product(id="new", title="red hat"), picture("red", 3), "/shop/new.png")])
    (stored,) = engine.store.fetch(["new"], patches=True)
    assert stored.patches is not None


def test_an_encoder_without_patches_is_refused_before_anything_is_created(
    make: Callable[..., Engine], tiny_encoder: DualEncoder
) -> None:
    class Wholes:
        """The encoder, without its look at places."""

        def __getattr__(self, name: str) -> object:
            if name == "encode_prepared_patches":
                raise AttributeError(name)
            return getattr(tiny_encoder, name)

    engine = make(Wholes())
    with pytest.raises(EncoderUnavailable) as caught:
        engine.upsert(items()[:2])
    assert "VITRINE_LATE_INTERACTION=false" in caught.value.mend
    assert engine.store.meta() is None
