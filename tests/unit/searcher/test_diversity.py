import io

import numpy as np
import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from searcher import diversity
from searcher.diversity import likeness, mmr
from searcher.engine import Engine
from searcher.query import Part, Query
from searcher.upsert import NewProduct
from searcher.vectors import VectorTable
from services.calibration import Calibration
from services.catalogue.product import Product
from services.errors import InvalidInput
from services.settings import Settings
from services.store.base import CollectionMeta, Point
from services.store.factory import open_store
from services.store.schema import point_id

DIM = 16


def patterned(number: int) -> Image.Image:
    """One of many pictures that are all different."""
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((64, 64))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def opened(folder, encoder, items, **options) -> Engine:
    settings = Settings(data_dir=folder, _env_file=None, **options)
    engine = Engine(settings, encoder, open_store(settings))
    assert not engine.upsert(items).refused
    return engine


@pytest.fixture(scope="module")
def pictured(tiny_encoder, tmp_path_factory):
    """120 products that have a picture and nothing else to compare."""
    items = [NewProduct(Product(id=f"p{n}"), png(patterned(n)), f"/{n}.png") for n in range(120)]
    engine = opened(tmp_path_factory.mktemp("pictured"), tiny_encoder, items)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def mixed(tiny_encoder, tmp_path_factory):
    """300 products, some with a title only, some with a picture only; few candidates, so several tiers."""
    items = []
    for n in range(300):
        product = Product(id=f"p{n}", title="" if n % 5 == 0 else f"{n % 7} mugs, number {n}")
        pixels = None if n % 3 == 1 and n % 5 else png(patterned(n))
        items.append(NewProduct(product, pixels, f"/{n}.png" if pixels else None))
    engine = opened(tmp_path_factory.mktemp("mixed"), tiny_encoder, items, candidates=60)
    yield engine
    engine.close()


def found(engine, query) -> list[str]:
    return [hit.product.id for hit in engine.search(query).hits]


@pytest.mark.parametrize("wanted", [0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_one_part_on_one_field_is_ordered_as_by_the_engines_own_mmr(pictured, wanted):
    query = patterned(1000)
    ours = found(pictured, Query((Part(image=query),), limit=120, diversity=wanted))
    vector = pictured.encoder.encode_images([query])[0]
    points, _ = pictured.store.scroll(limit=1000, vectors=True)
    vectors = np.stack([point.vectors["image"] for point in points]).astype(float)
    relevance = vectors @ vector
    between = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
    # The engine trades raw cosines; ours are stretched to a scale from 0 to 1, which its lambda makes up for.
    relevant = (1 - wanted) / np.ptp(relevance)
    different = wanted / np.ptp(between)
    request = qdrant_edge.QueryRequest(
        limit=120,
        query=qdrant_edge.Mmr(
            vector.tolist(),
            lambda_=relevant / (relevant + different),
            candidates_limit=diversity.HEAD,
            using="image",
        ),
    )
    name = {point_id(point.id): point.id for point in points}
    theirs = [name[str(hit.id)] for hit in pictured.store._shard.query(request)]
    assert len(theirs) == 120
    assert ours == theirs


def test_without_diversity_the_order_is_that_of_the_scores(mixed):
    plain = Query((Part(text="3 mugs"),), limit=60)
    assert found(mixed, plain) == found(mixed, Query(plain.parts, limit=60, diversity=0.0))
    assert found(mixed, plain) != found(mixed, Query(plain.parts, limit=60, diversity=0.5))
    scores = [hit.score for hit in mixed.search(plain).hits]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("fusion", ["attention", "mean", "weighted", "rrf"])
@pytest.mark.parametrize("size", [7, 100])
def test_pages_neither_repeat_nor_skip(mixed, fusion, size):
    def ask(limit, offset=0):
        parts = (Part(text="3 mugs"), Part(image=patterned(4), weight=0.5), Part(product="p9", weight=-1))
        return found(mixed, Query(parts, limit=limit, offset=offset, fusion=fusion, diversity=0.6))

    whole = ask(300)
    paged = [one for offset in range(0, 300, size) for one in ask(size, offset)]
    assert paged == whole
    assert len(set(whole)) == len(whole) == 299


def test_only_the_best_candidates_are_picked_from(mixed, monkeypatch):
    monkeypatch.setattr(diversity, "HEAD", 20)
    parts = (Part(text="3 mugs"),)
    plain, varied = (found(mixed, Query(parts, limit=300, diversity=d)) for d in (0.0, 1.0))
    assert varied[0] == plain[0]
    assert varied[:20] != plain[:20] and set(varied[:20]) == set(plain[:20])
    assert varied[20:] == plain[20:]


def test_copies_of_one_product_no_longer_fill_the_page(tiny_encoder, tmp_path):
    items = [NewProduct(Product(id=f"copy{n}"), png(patterned(1)), "/1.png") for n in range(10)]
    items += [NewProduct(Product(id=f"other{n}"), png(patterned(n)), f"/{n}.png") for n in range(2, 12)]
    engine = opened(tmp_path, tiny_encoder, items)
    query = (Part(image=patterned(1)),)
    assert all(one.startswith("copy") for one in found(engine, Query(query, limit=10)))
    varied = found(engine, Query(query, limit=10, diversity=0.9))
    assert varied[0] == "copy0"
    assert not any(one.startswith("copy") for one in varied[1:5])
    engine.close()


@given(
    values=st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays.arrays(float, n, elements=st.floats(0, 1)),
            arrays.arrays(float, (n, n), elements=st.floats(0, 1)),
        )
    ),
    wanted=st.floats(0, 1),
)
def test_mmr_is_the_formula_of_the_paper(values, wanted):
    relevance, alike = values
    alike = np.maximum(alike, alike.T)
    picked = mmr(relevance, alike, wanted).tolist()
    assert sorted(picked) == list(range(len(relevance)))
    assert relevance[picked[0]] == relevance.max()
    for step in range(1, len(picked)):

        def marginal(row, before=tuple(picked[:step])):
            return (1 - wanted) * relevance[row] - wanted * max(alike[row, other] for other in before)

        assert marginal(picked[step]) == max(marginal(row) for row in picked[step:])


def test_likeness_is_the_mean_over_the_fields_that_both_have(tmp_path):
    store = open_store(Settings(data_dir=tmp_path, _env_file=None))
    store.open(CollectionMeta(dim=DIM, encoder={"name": "none", "weights": "w", "preprocess": "p"}))
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(4, 2, DIM))
    unit = (rows / np.linalg.norm(rows, axis=2, keepdims=True)).astype(np.float32)
    store.upsert(
        [
            Point("both", {"image": unit[0, 0], "title": unit[0, 1]}, {}),
            Point("also", {"image": unit[1, 0], "title": unit[1, 1]}, {}),
            Point("picture", {"image": unit[2, 0]}, {}),
            Point("title", {"title": unit[3, 1]}, {}),
        ]
    )
    table = VectorTable(store, DIM, size=100)
    alike = likeness(["both", "gone", "also", "picture", "title"], table, Calibration.identity())
    assert alike[0, 2] == pytest.approx((unit[0] * unit[1]).sum() / 2, abs=1e-6)
    assert alike[0, 3] == pytest.approx(unit[0, 0] @ unit[2, 0], abs=1e-6)
    assert alike[4, 2] == pytest.approx(unit[3, 1] @ unit[1, 1], abs=1e-6)
    assert alike[3, 4] == 0
    assert not alike[1].any() and not alike[:, 1].any()
    store.close()


@pytest.mark.parametrize("wanted", [-0.1, 1.01, float("nan"), float("inf")])
def test_a_diversity_outside_its_scale_is_refused(pictured, wanted):
    with pytest.raises(InvalidInput) as caught:
        pictured.search(Query((Part(text="mug"),), diversity=wanted))
    assert caught.value.field == "diversity" and caught.value.mend
