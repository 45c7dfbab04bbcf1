import io

import numpy as np
import pytest
from PIL import Image

from searcher.engine import Engine
from searcher.lexical import KeywordScores
from searcher.query import Part, Query
from searcher.statistics import Statistics
from searcher.upsert import NewProduct
from searcher.vectors import VectorTable
from services.calibration import Calibration, sample_calibration
from services.catalogue.product import Product
from services.errors import EncoderMismatch, InvalidInput, NotFound, StoreUnavailable
from services.keywords import query_keywords
from services.settings import Settings
from services.store.base import VECTORS, CollectionMeta, Filter, Match, Point
from services.store.factory import open_store

COLOURS = ("red", "blue", "green", "black", "white", "yellow")
THINGS = ("shirt", "chair", "mug", "boots", "dress", "lamp")


def picture(colour, size):
    out = io.BytesIO()
    image = Image.new("RGB", (64, 64), "grey")
    image.paste(Image.new("RGB", (8 * size, 48), colour), (4, 4))
    image.save(out, "PNG")
    return out.getvalue()


def items():
    found = []
    for row, colour in enumerate(COLOURS):
        for column, thing in enumerate(THINGS):
            number = row * len(THINGS) + column
            product = Product(
                id=f"p{number}",
                title="" if number % 7 == 3 else f"{colour} {thing}",
                category=thing,
                price=float(number),
            )
            image = None if number % 7 == 5 else picture(colour, column + 1)
            found.append(NewProduct(product, image, None if image is None else f"/shop/{number}.png"))
    return found


@pytest.fixture()
def make(tiny_encoder, tmp_path):
    engines = []

    def make(**options):
        settings = Settings(data_dir=tmp_path, _env_file=None, **options)
        engines.append(Engine(settings, tiny_encoder, open_store(settings)))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


@pytest.fixture()
def engine(make):
    # One temperature for parts and fields, so that one softmax by hand is the formula.
    engine = make(part_temperature=0.5)
    assert not engine.upsert(items()).refused
    return engine


def by_hand(engine, query, temperature):
    """The attention formula over every stored product, in plain Python."""
    points, _ = engine.store.scroll(limit=1000, vectors=True)
    calibration = Calibration.from_dict(engine.store.meta().calibration)
    ids = [point.id for point in points]
    asked = [query_keywords(part.text) if part.text is not None else None for part in query.parts]
    keywords = KeywordScores(asked, Statistics(engine.store)).scores(
        VectorTable(engine.store, engine.encoder.dim, size=0).read(ids).keywords
    )
    scores = {}
    for row, point in enumerate(points):
        terms = []
        for column, part in enumerate(query.parts):
            if part.text is not None:
                vector, modality = engine.encoder.encode_texts([part.text])[0], "text"
            else:
                vector, modality = engine.encoder.encode_images([part.image])[0], "image"
            if not np.isnan(keywords[row, column]):
                s = calibration.apply(float(keywords[row, column]), "text", "keywords")
                terms.append((part.weight, s))
            for field in VECTORS:
                if field in point.vectors:
                    cosine = float(vector @ point.vectors[field])
                    s = calibration.apply(cosine, modality, field)
                    terms.append((part.weight, s))
        grown = [(w * np.exp(s / temperature), s) for w, s in terms]
        total = sum(g for g, _ in grown)
        scores[point.id] = sum(g * s for g, s in grown) / total
    return scores


@pytest.mark.parametrize(
    "parts",
    [
        (Part(text="red dress"),),
        (Part(text="a blue mug", weight=2.0), Part(image=Image.new("RGB", (64, 64), "green"), weight=0.5)),
    ],
)
def test_the_answer_is_the_formula_over_all_products(engine, parts):
    query = Query(parts, limit=40)
    answer = engine.search(query)
    expected = by_hand(engine, query, engine.settings.temperature)
    assert {hit.product.id for hit in answer.hits} == set(expected)
    for hit in answer.hits:
        assert hit.score == pytest.approx(expected[hit.product.id], abs=1e-3)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


def test_reasons_add_up_to_the_score(engine):
    calibration = Calibration.from_dict(engine.store.meta().calibration)
    answer = engine.search(
        Query(
            (Part(text="red dress"), Part(product="p1", weight=0.5), Part(text="wooden chair", weight=-1)),
            limit=40,
        )
    )
    modality = ["text", "image", "text"]
    for hit in answer.hits:
        stored = engine.store.fetch([hit.product.id], vectors=True)[0]
        words = {
            (part, "keywords")
            for part, text in ((0, "red dress"), (2, "wooden chair"))
            if engine.store.search_keywords(query_keywords(text), 1, filter=Filter(ids=(stored.id,)))
        }
        assert {(weight.part, weight.field) for weight in hit.weights} == words | {
            (part, field) for part in range(3) for field in stored.vectors
        }
        total = sum(
            weight.weight * calibration.apply(weight.similarity, modality[weight.part], weight.field)
            for weight in hit.weights
        )
        assert total == pytest.approx(hit.score, abs=1e-4)
        assert sum(weight.weight for weight in hit.weights if weight.part < 2) == pytest.approx(1)


def test_total_counts_what_can_be_paged_through(make):
    engine = make(candidates=10, max_window=20)
    engine.upsert(items())
    assert engine.search(Query((Part(text="mug"),), limit=5)).total == 20
    mugs = Filter(must=(Match("category", ("mug",)),))
    assert engine.search(Query((Part(text="mug"),), mugs, limit=5)).total == 6
    assert engine.search(Query((Part(text="mug"),), limit=10, offset=10)).hits
    nothing = Filter(must=(Match("category", ("none",)),))
    answer = engine.search(Query((Part(text="mug"),), nothing))
    assert (answer.hits, answer.total) == ([], 0)


def test_an_example_is_one_part_by_its_picture_else_by_its_title(engine):
    with_picture = engine.search(Query((Part(product="p0"),), limit=1))
    assert with_picture.parts[0].kind == "product" and with_picture.parts[0].label == "red shirt"
    stored = engine.store.fetch(["p0", "p5"], vectors=True)
    by_picture = {h.product.id: h for h in engine.search(Query((Part(product="p0"),), limit=40)).hits}
    by_title = {h.product.id: h for h in engine.search(Query((Part(product="p5"),), limit=40)).hits}
    for hits, vector in ((by_picture, stored[0].vectors["image"]), (by_title, stored[1].vectors["title"])):
        for hit in hits.values():
            other = engine.store.fetch([hit.product.id], vectors=True)[0]
            for weight in hit.weights:
                assert weight.similarity == pytest.approx(
                    float(vector @ other.vectors[weight.field]), abs=1e-5
                )
    assert "p0" not in by_picture and "p5" not in by_title


def test_a_product_without_title_is_called_by_its_id(engine):
    assert engine.search(Query((Part(product="p3"),), limit=1)).parts[0].label == "p3"


def test_unknown_products(engine):
    with pytest.raises(NotFound, match="nowhere"):
        engine.product("nowhere")
    with pytest.raises(NotFound):
        engine.similar("nowhere")
    with pytest.raises(InvalidInput) as caught:
        engine.search(Query((Part(text="a"), Part(product="nowhere"))))
    assert caught.value.field == "parts[1].product"


def test_records_come_back_as_they_went_in(engine):
    for item in items():
        stored = engine.stored(item.product.id)
        assert stored.product == item.product
        assert stored.source == item.source
        assert len(stored.hash) == 64


def test_changes_show_at_once(engine):
    query = Query((Part(text="green boots"),), limit=40)
    before = {hit.product.id: hit for hit in engine.search(query).hits}
    engine.upsert([NewProduct(Product(id="p0", title="green boots"))])
    after = {hit.product.id: hit for hit in engine.search(query).hits}
    assert after["p0"].product.title == "green boots"
    title, words = after["p0"].weights
    assert title.similarity == pytest.approx(1, abs=1e-5)
    assert words.field == "keywords" and words.similarity > 0
    assert before["p0"].weights[1].similarity < 0.999
    assert engine.delete(["p0", "p1", "nowhere"]) == 2
    assert not {"p0", "p1"} & {hit.product.id for hit in engine.search(query).hits}


def test_a_workers_changes_show_once_it_has_calibrated(engine, tiny_encoder):
    query = Query((Part(text="green boots"),), limit=40)
    engine.search(query)
    [title] = tiny_encoder.encode_texts(["green boots"])
    engine.store.upsert([Point("p0", {"title": title}, {"id": "p0", "title": "green boots"})])
    meta = engine.store.meta()
    meta.calibration = sample_calibration(engine.store).as_dict()
    engine.store.save_meta(meta)
    engine.check()
    [weight] = next(hit for hit in engine.search(query).hits if hit.product.id == "p0").weights
    assert weight.similarity == pytest.approx(1, abs=1e-5)


def test_refused_products_leave_the_others(engine):
    broken = NewProduct(Product(id="broken", title="x"), picture("red", 3)[:60], "x.png")
    done = engine.upsert([broken, NewProduct(Product(id="new", title="x")), NewProduct(Product(id="none"))])
    assert done.count == 1
    assert [(one.index, one.id, one.error.field) for one in done.refused] == [
        (0, "broken", "image"),
        (2, "none", "title"),
    ]
    assert engine.product("new").title == "x"


def test_without_a_collection(make):
    engine = make()
    for call in (
        lambda: engine.search(Query((Part(text="a"),))),
        lambda: engine.product("a"),
        lambda: engine.facets("category"),
        lambda: engine.delete(["a"]),
        engine.count,
        engine.check,
    ):
        with pytest.raises(NotFound, match="vitrine index CATALOGUE"):
            call()
    state = engine.ready()
    assert state["status"] == "unavailable" and "vitrine index" in state["detail"]


def test_another_encoder(make):
    engine = make()
    identity = engine.encoder.identity.as_dict() | {"weights": "f" * 16, "name": "other"}
    engine.store.open(CollectionMeta(dim=engine.encoder.dim, encoder=identity))
    for call in (
        engine.check,
        lambda: engine.search(Query((Part(text="a"),))),
        lambda: engine.upsert(items()),
    ):
        with pytest.raises(EncoderMismatch, match="VITRINE_ENCODER=other"):
            call()
    assert engine.ready()["title"] == "Encoder mismatch"


def test_a_closed_store_is_unavailable(engine):
    engine.search(Query((Part(text="a"),)))
    engine.close()
    with pytest.raises(StoreUnavailable):
        engine.search(Query((Part(text="b"),)))


def test_an_unknown_fusion_is_refused_at_once(make):
    with pytest.raises(InvalidInput, match="magic"):
        make(fusion="magic")


def test_facets(engine):
    assert dict(engine.facets("category")) == dict.fromkeys(THINGS, 6)
    cheap = Filter(must=(Match("category", ("mug", "lamp")),))
    assert dict(engine.facets("category", filter=cheap)) == {"mug": 6, "lamp": 6}
    for key in ("price", "id", "title", "colour"):
        with pytest.raises(InvalidInput):
            engine.facets(key)
