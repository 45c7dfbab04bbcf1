"""Re-ranking by late interaction, over every route."""

import pytest

from searcher.api.schemas import SearchAnswer
from tests.api.conftest import data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio

RED = file_of(draw("red", "dress"))


@pytest.fixture()
def late_shop(open_shop):
    return open_shop(filled=True, late_interaction=True)


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


async def test_links_bodies_and_forms_ask_for_it_alike(late_shop):
    client = late_shop.client
    link = (await client.get("/search?q=red+dress&limit=100&rerank=late")).json()
    SearchAnswer.model_validate(link)
    assert link["rerank"] == "late" and "rerank" in link["took_ms"]
    body = {"text": "red dress", "limit": 100, "rerank": "late"}
    assert (await client.post("/search", json=body)).json()["hits"] == link["hits"]
    form = {"text": (None, "red dress"), "limit": (None, "100"), "rerank": (None, "late")}
    assert (await client.post("/search", files=form)).json()["hits"] == link["hits"]
    plain = (await client.post("/search", json=body | {"rerank": None})).json()
    assert "rerank" not in plain and set(ids(plain)) == set(ids(link))
    assert ids(plain) != ids(link)


async def test_photos_and_products_are_asked_with_by_their_patches(late_shop):
    photo = {"image": data_uri(RED), "limit": 100}
    plain, late = [
        (await late_shop.client.post("/search", json=photo | {"rerank": name})).json()
        for name in (None, "late")
    ]
    assert set(ids(plain)) == set(ids(late)) and ids(plain) != ids(late)
    similar = await late_shop.client.get("/products/sku-0/similar?limit=100&rerank=late")
    example = await late_shop.client.get("/search?like=sku-0&limit=100&rerank=late")
    assert similar.json()["rerank"] == "late"
    assert similar.json()["hits"] == example.json()["hits"]


async def test_pages_of_a_link_neither_repeat_nor_skip(late_shop):
    whole = (await late_shop.client.get("/search?q=blue+mug&limit=100&rerank=late")).json()
    pages = []
    for offset in range(0, whole["total"], 9):
        response = await late_shop.client.get(f"/search?q=blue+mug&limit=9&offset={offset}&rerank=late")
        pages += ids(response.json())
    assert pages == ids(whole)


async def test_products_that_come_by_http_are_looked_at_place_by_place_too(late_shop):
    record = {"id": "put", "title": "red thing", "image": data_uri(RED)}
    assert (await late_shop.client.put("/products", json=record)).status_code == 200
    (stored,) = late_shop.engine.store.fetch(["put"], patches=True)
    assert stored.patches is not None and stored.patches.shape[1] == late_shop.engine.encoder.dim


@pytest.mark.parametrize("name", ["magic", "Late", ""])
async def test_an_unknown_way_is_refused(shop, name):
    problem(await shop.client.get("/search", params={"q": "a", "rerank": name}), 422, "rerank")
    problem(await shop.client.post("/search", json={"text": "a", "rerank": name}), 422, "rerank")


@pytest.mark.parametrize("path", ["/search?q=red", "/search?like=sku-0", "/products/sku-0/similar?limit=3"])
async def test_a_collection_without_patches_says_how_to_get_them(shop, path):
    found = problem(await shop.client.get(f"{path}&rerank=late"), 422, "rerank")
    assert "VITRINE_LATE_INTERACTION=true" in found["mend"]
