import re

import pytest

from searcher.api import examples
from searcher.api.boxes import RegionsAnswer
from searcher.api.schemas import (
    DeleteAnswer,
    FacetsAnswer,
    FusionsAnswer,
    ProductRecord,
    ReadyAnswer,
    SearchAnswer,
    UpsertAnswer,
)
from services.catalogue.product import Product
from tests.api.conftest import draw, file_of

pytestmark = pytest.mark.anyio


@pytest.fixture()
async def document(shop):
    return (await shop.client.get("/openapi.json")).json()


def walk(value):
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def test_every_route_of_the_contract_is_there(document):
    found = {(path, method) for path, method, _ in operations(document)}
    assert found == {
        ("/search", "post"),
        ("/search", "get"),
        ("/products", "put"),
        ("/products", "delete"),
        ("/products/{product_id}", "get"),
        ("/products/{product_id}", "delete"),
        ("/products/{product_id}/image", "get"),
        ("/products/{product_id}/similar", "get"),
        ("/facets", "get"),
        ("/fusions", "get"),
        ("/regions", "post"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    }


async def test_every_reference_leads_somewhere(document):
    for value in walk(document):
        if isinstance(value, dict) and isinstance(value.get("$ref"), str):
            target = document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_every_operation_is_described(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"] and operation["description"] and operation["tags"], where
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        assert set(re.findall(r"{(\w+)}", path)) <= set(names), where
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                assert parameter.get("description") or parameter["schema"].get("description"), (
                    where,
                    parameter,
                )
        for status, response in operation["responses"].items():
            assert response["description"], where
            if int(status) >= 400 and path != "/readyz":
                assert list(response["content"]) == ["application/problem+json"], (where, status)


async def test_writes_are_marked_as_needing_the_key(document):
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path, method, operation in operations(document):
        assert ("security" in operation) == (method in ("put", "delete")), path


@pytest.mark.parametrize("name", examples.SEARCHES)
async def test_examples_of_searches_work(shop, document, name):
    documented = document["paths"]["/search"]["post"]["requestBody"]["content"]["application/json"][
        "examples"
    ]
    response = await shop.client.post("/search", json=documented[name]["value"])
    assert response.status_code == 200, response.text
    SearchAnswer.model_validate(response.json())


@pytest.mark.parametrize("name", examples.PRODUCTS)
async def test_examples_of_products_can_be_stored(open_shop, name):
    shop = open_shop()
    response = await shop.client.put("/products", json=examples.PRODUCTS[name]["value"])
    assert response.json()["rejected"] == []
    record = (await shop.client.get("/products/sku-1")).json()
    ProductRecord.model_validate(record)
    if name == "one":
        assert record == examples.RECORD["content"]["application/json"]["example"]


async def test_examples_of_answers_have_their_form(document):
    models = {
        ("/search", "post"): SearchAnswer,
        ("/search", "get"): SearchAnswer,
        ("/products", "put"): UpsertAnswer,
        ("/products", "delete"): DeleteAnswer,
        ("/products/{product_id}", "get"): ProductRecord,
        ("/products/{product_id}", "delete"): DeleteAnswer,
        ("/products/{product_id}/similar", "get"): SearchAnswer,
        ("/facets", "get"): FacetsAnswer,
        ("/fusions", "get"): FusionsAnswer,
        ("/regions", "post"): RegionsAnswer,
        ("/readyz", "get"): ReadyAnswer,
    }
    for path, method, operation in operations(document):
        content = operation["responses"]["200"].get("content", {}).get("application/json", {})
        if (model := models.get((path, method))) is not None:
            model.model_validate(content["example"], extra="forbid")


async def test_examples_of_parameters_work(shop, document):
    for path, method, operation in operations(document):
        if method != "get" or path.startswith("/products"):
            continue
        params = {}
        for parameter in operation.get("parameters", ()):
            given = parameter.get("example") or next(iter(parameter["schema"].get("examples", ())), None)
            if given is not None:
                params[parameter["name"]] = given
        response = await shop.client.get(path, params=params)
        assert response.status_code == 200, (path, params, response.text)


async def test_the_documented_form_is_the_form(shop, document):
    form = document["paths"]["/search"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    schema = document["components"]["schemas"][form["$ref"].rpartition("/")[2]]
    values = {
        "text": "red",
        "image": file_of(draw("red", "mug")),
        "image_weight": "0.5",
        "box": "0.1,0.2,0.8,0.9",
        "explain": "false",
        "parts": '[{"text": "x"}]',
        "filters": "{}",
        "limit": "3",
        "offset": "0",
        "fusion": "mean",
        "diversity": "0.5",
        "rerank": "",
    }
    assert set(schema["properties"]) == set(values)
    files = {name: ("a.png", value) if name == "image" else (None, value) for name, value in values.items()}
    assert (await shop.client.post("/search", files=files)).status_code == 200


async def test_the_documented_product_is_the_product(document):
    assert set(document["components"]["schemas"]["Product"]["properties"]) == set(Product.model_fields)
    request = document["components"]["schemas"]["SearchRequest"]
    assert set(request["properties"]) == {
        "text",
        "image",
        "box",
        "parts",
        "filters",
        "limit",
        "offset",
        "fusion",
        "diversity",
        "explain",
        "rerank",
    }
