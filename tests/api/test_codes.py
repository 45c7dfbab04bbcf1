"""A code, barcode, id or brand typed in full, over HTTP: that product is found first, among many alike."""

from __future__ import annotations

import json

import pytest

from searcher.upsert import NewProduct
from services.catalogue.product import Product
from tests.api.conftest import data_uri, draw, file_of

pytestmark = pytest.mark.anyio

COUNT = 2000


def ean(number: int) -> str:
    """An EAN-13 with its check digit; neighbours differ in a few digits."""
    digits = f"40063{number:07}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def machine(number: int) -> Product:
    return Product(
        id=f"item-{number}",
        title=("Cordless drill", "Drill AB", "Circular saw 1200", "Saw")[number % 4],
        brand=("Nordtal", "Ostwerk")[number % 2],
        attributes={
            "mpn": f"AB-{1000 + number // 10}/{number % 10}",
            "ean": ean(number) if number % 2 else int(ean(number)),
            "sku": f"{number:08}",
        },
    )


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture()
def shop(open_shop):
    shop = open_shop()
    items = [NewProduct(machine(number)) for number in range(COUNT)]
    # An accessory that names another's code, more often than that product itself does.
    items.append(NewProduct(Product(id="case", title="AB-1042/7 case for AB-1042/7 and AB-1042/8")))
    assert not shop.engine.upsert(items).refused
    return shop


async def first(shop, text: str, **body):
    response = await shop.client.post("/search", json={"text": text, "limit": 5, **body})
    assert response.status_code == 200, response.text
    return response.json()["hits"][0]


async def test_a_code_is_answered_with_its_product_however_it_is_typed(shop):
    for number in (427, 428, 1999, 0):
        product = machine(number)
        code, barcode = str(product.attributes["mpn"]), ean(number)
        for text in (
            product.id,
            product.id.upper(),
            code,
            code.lower().replace("/", "-"),
            code.replace("-", "").replace("/", ""),
            barcode,
            f"{barcode[0]} {barcode[1:7]} {barcode[7:]}",
            f"0{barcode}",
            str(product.attributes["sku"]),
        ):
            hit = await first(shop, text)
            assert hit["id"] == product.id, text
            by = {weight["field"]: weight for weight in hit["weights"]}
            assert by["keywords"]["weight"] > 0.9
            assert sum(weight["weight"] for weight in hit["weights"]) == pytest.approx(1)


async def test_the_code_is_found_by_get_too_and_within_filters(shop):
    answer = (await shop.client.get("/search", params={"q": "AB-1042/7", "limit": 2})).json()
    assert [hit["id"] for hit in answer["hits"]] == ["item-427", "case"]
    hit = await first(shop, "AB-1042/7", filters={"brand": "Nordtal"})
    assert hit["id"] != "item-427" and hit["product"]["brand"] == "Nordtal"


async def test_a_code_beside_a_photo_is_still_heard(shop):
    photo = data_uri(file_of(draw("red", "dress")))
    hit = await first(shop, "AB-1042/7", image=photo)
    assert hit["id"] == "item-427"
    assert all(weight["field"] != "keywords" for weight in hit["weights"] if weight["part"] == 1)


async def test_a_code_that_is_not_wanted_goes_down(shop):
    wanted = {"text": "cordless drill", "limit": COUNT // 2}
    best = (await shop.client.post("/search", json=wanted)).json()["hits"][0]["id"]
    unwanted = [{"text": best, "weight": -1}]
    hits = (await shop.client.post("/search", json=wanted | {"parts": unwanted})).json()["hits"]
    assert hits[0]["id"] != best


async def test_a_brand_in_full_finds_its_products(shop):
    answer = (await shop.client.get("/search", params={"q": "ostwerk", "limit": 20})).json()
    assert {hit["product"]["brand"] for hit in answer["hits"]} == {"Ostwerk"}


async def test_a_product_that_was_put_is_found_by_its_code_at_once_and_after_a_change_by_the_new_one(shop):
    record = {"id": "new one", "title": "Lamp", "attributes": {"gtin": "00012345678905", "model": "ZX-9"}}
    for model, other in (("ZX-9", "QQ-77"), ("QQ-77", "ZX-9")):
        record["attributes"]["model"] = model
        assert (await shop.client.put("/products", json=record)).status_code == 200
        for text in (model, "012345678905", "new one"):
            assert (await first(shop, text))["id"] == "new one", json.dumps(record)
        gone = await first(shop, other)
        assert gone["id"] != "new one" or all(w["field"] != "keywords" for w in gone["weights"])
