"""An encoder that sees pictures only (HOG), through the whole product."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from searcher.api.app import create_app
from searcher.engine import Engine
from searcher.query import Part, Query
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.encoder.registry import load_encoder
from services.errors import NoPicture, PicturesOnly
from services.settings import Settings
from services.store.factory import open_store
from tests.api.conftest import COLOURS, THINGS, Service, call, data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("hog-shop")
    settings = Settings(data_dir=folder / "data", encoder="hog", _env_file=None)
    engine = Engine(settings, load_encoder(settings), open_store(settings))
    items = []
    for size in (72, 96, 130):
        for colour in COLOURS:
            for thing in THINGS:
                product = Product(id=f"{thing}-{colour}-{size}", title=f"{colour} {thing}", category=thing)
                path = folder / f"{product.id}.png"
                path.write_bytes(file_of(draw(colour, thing, size)))
                items.append(NewProduct(product, path.read_bytes(), str(path)))
    assert not engine.upsert(items).refused
    yield engine
    engine.close()


@pytest.fixture()
def shop(engine: Engine) -> Service:
    app = create_app(engine.settings, engine)
    return Service(engine.settings, engine, app, call(app))


def test_the_engine_finds_shapes_by_photo_and_by_product(engine: Engine) -> None:
    answer = engine.search(Query((Part(image=draw("black", "shoes", 110)),), limit=10))
    assert {hit.product.category for hit in answer.hits} == {"shoes"}
    assert {weight.field for hit in answer.hits for weight in hit.weights} == {"image"}
    alike = engine.similar("lamp-red-96", limit=5)
    assert {hit.product.category for hit in alike.hits} == {"lamp"}
    apart = engine.search(
        Query((Part(product="mug-red-96"), Part(product="mug-blue-96", weight=-0.5)), limit=5)
    )
    assert apart.hits
    engine.warm_up()
    assert engine.ready()["status"] == "ready"


def test_titles_are_kept_but_not_encoded(engine: Engine) -> None:
    point = engine.store.fetch(["mug-red-96"], vectors=True)[0]
    assert point.vectors.keys() == {"image"} and point.payload["title"] == "red mug"
    assert point.keywords is not None


def test_the_engine_refuses_words_by_name(engine: Engine) -> None:
    with pytest.raises(PicturesOnly) as caught:
        engine.search(Query((Part(product="mug-red-96"), Part(text="but in blue"))))
    assert caught.value.field == "parts[1].text"


def test_a_product_without_a_picture_is_refused_since_nothing_could_find_it(engine: Engine) -> None:
    before = engine.count()
    done = engine.upsert([NewProduct(Product(id="words", title="a red mug"))])
    assert done.count == 0 and isinstance(done.refused[0].error, NoPicture)
    assert done.refused[0].error.field == "image" and engine.count() == before


async def test_words_are_a_problem_that_names_field_and_mend(shop: Service) -> None:
    asked = {"parts": [{"product": "mug-red-96"}, {"text": "but in blue"}]}
    for response, field in (
        (await shop.client.get("/search", params={"q": "red mug"}), "q"),
        (await shop.client.get("/search", params={"like": "mug-red-96", "not": "red"}), "not"),
        (await shop.client.post("/search", json={"text": "red mug"}), "text"),
        (await shop.client.post("/search", json=asked), "parts[1].text"),
    ):
        found = problem(response, 422, field)
        assert found["title"] == "Searched by pictures only"
        assert "'hog'" in found["detail"] and "Search by a photo" in found["mend"]


async def test_photo_and_product_searches_answer_and_explain(shop: Service) -> None:
    photo = data_uri(file_of(draw("green", "dress", 100)))
    response = await shop.client.post("/search", json={"image": photo, "explain": True, "limit": 4})
    assert response.status_code == 200, response.text
    hits = response.json()["hits"]
    assert {hit["product"]["category"] for hit in hits} == {"dress"}
    response = await shop.client.get("/products/mug-red-96/similar", params={"limit": 3})
    assert {hit["product"]["category"] for hit in response.json()["hits"]} == {"mug"}


async def test_regions_are_not_promised(shop: Service) -> None:
    photo = data_uri(file_of(draw("green", "dress", 100)))
    found = problem(await shop.client.post("/regions", json={"image": photo}), 503, "encoder")
    assert "whole picture" in found["mend"]


async def test_a_product_that_is_put_without_a_picture_is_rejected_by_itself(shop: Service) -> None:
    response = await shop.client.put("/products", json={"id": "words", "title": "a red mug"})
    assert "No picture" in response.text and "sees nothing else" in response.text, response.text
    problem(await shop.client.get("/products/words"), 404, "id")
