"""Searches by several examples, wanted and unwanted, with weights of their own, over every route."""

import json

import pytest

from tests.api.conftest import data_uri, draw, file_of, problem, products

pytestmark = pytest.mark.anyio

RED = file_of(draw("red", "dress"))
BLUE = file_of(draw("blue", "mug"), "JPEG", quality=95)


async def get(shop, query):
    response = await shop.client.get(f"/search?{query}")
    assert response.status_code == 200, response.text
    return response.json()


async def post(shop, **body):
    response = await shop.client.post("/search", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def parts(answer):
    return [(part["kind"], part["label"], part["weight"]) for part in answer["parts"]]


async def test_an_address_holds_several_examples_and_what_not_to_be_like(shop):
    answer = await get(
        shop, "q=thing&like=sku-0&like=sku-4^2&unlike=sku-1&not=lamp^0.5&limit=100&diversity=0.3"
    )
    assert parts(answer) == [
        ("text", "thing", 1.0),
        ("product", "red dress", 1.0),
        ("product", "blue dress", 2.0),
        ("text", "lamp", -0.5),
        ("product", "red shoes", -1.0),
    ]
    body = [
        {"text": "thing"},
        {"product": "sku-0"},
        {"product": "sku-4", "weight": 2},
        {"text": "lamp", "weight": -0.5},
        {"product": "sku-1", "weight": -1},
    ]
    assert answer["hits"] == (await post(shop, parts=body, limit=100, diversity=0.3))["hits"]
    assert not {"sku-0", "sku-1", "sku-4"} & {hit["id"] for hit in answer["hits"]}


async def test_examples_alone_are_a_query(shop):
    answer = await get(shop, "like=sku-0&like=sku-4&unlike=sku-8&category=dress&limit=100")
    assert {hit["id"] for hit in answer["hits"]} == {"sku-12", "sku-16", "sku-20"}


async def test_odd_ids_serve_as_examples_in_an_address(shop):
    for name in ("a/b", 'quote"s', "per%cent", "que?ry", "#hash", "a b+c"):
        response = await shop.client.get("/search", params={"like": name})
        assert response.status_code == 200, name
        assert response.json()["parts"][0]["label"].startswith("odd thing")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("unlike=sku-1", "q"),
        ("not=lamp", "q"),
        ("q=a&like=nowhere", "like"),
        ("q=a&unlike=nowhere", "unlike"),
        ("like=", "like"),
        ("like=^2", "like"),
        ("q=a&like=sku-1^0", "like"),
        ("q=a&unlike=sku-1^1000", "unlike"),
        ("q=a&not=", "not"),
        ("q=a&not=" + "x" * 1001, "not"),
        ("like=sku-1&q=", "q"),
        ("&".join(["like=sku-1"] * 17), "like"),
        ("q=a&" + "&".join(["not=b"] * 16), "not"),
        ("like=sku-1&" + "&".join(["unlike=sku-2"] * 16), "unlike"),
        ("q=a&diversity=1.5", "diversity"),
        ("q=a&diversity=much", "diversity"),
        ("q=a&diversity=nan", "diversity"),
    ],
)
async def test_bad_addresses_are_refused_by_parameter(shop, query, field):
    problem(await shop.client.get(f"/search?{query}"), 422, field)


async def test_each_picture_of_a_form_has_a_weight(shop):
    files = [
        ("image", ("red.png", RED, "image/png")),
        ("image_weight", (None, "1.5")),
        ("image", ("blue.jpg", BLUE, "image/jpeg")),
        ("image_weight", (None, "-0.5")),
        ("limit", (None, "100")),
        ("diversity", (None, "0.4")),
    ]
    response = await shop.client.post("/search", files=files)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert parts(answer) == [("image", "photo", 1.5), ("image", "photo", -0.5)]
    body = [
        {"image": data_uri(RED), "weight": 1.5},
        {"image": data_uri(BLUE, "image/jpeg"), "weight": -0.5},
    ]
    assert answer["hits"] == (await post(shop, parts=body, limit=100, diversity=0.4))["hits"]


async def test_one_weight_of_a_form_is_that_of_all_pictures(shop):
    files = [("text", (None, "mug")), ("image_weight", (None, "-2"))]
    files += [("image", (f"{n}.png", RED)) for n in range(3)]
    answer = (await shop.client.post("/search", files=files)).json()
    assert [part["weight"] for part in answer["parts"]] == [1.0, -2.0, -2.0, -2.0]


@pytest.mark.parametrize(
    ("weights", "field"),
    [(("1", "1", "1"), "image_weight"), (("1", "0"), "image_weight"), (("-1", "-1"), "parts")],
)
async def test_weights_of_a_form_that_do_not_fit_are_refused(shop, weights, field):
    files = [("image", ("a.png", RED)), ("image", ("b.jpg", BLUE))]
    files += [("image_weight", (None, weight)) for weight in weights]
    problem(await shop.client.post("/search", files=files), 422, field)


@pytest.mark.parametrize("diversity", [-1, 2, "0.5", None])
async def test_a_bad_diversity_is_refused(shop, diversity):
    response = await shop.client.post("/search", json={"text": "a", "diversity": diversity})
    problem(response, 422, "diversity")


async def test_similar_products_may_be_varied(shop):
    plain = (await shop.client.get("/products/sku-0/similar?limit=100")).json()
    varied = (await shop.client.get("/products/sku-0/similar?limit=100&diversity=0.8")).json()
    names = [[hit["id"] for hit in answer["hits"]] for answer in (plain, varied)]
    assert names[0] != names[1] and set(names[0]) == set(names[1])
    problem(await shop.client.get("/products/sku-0/similar?diversity=9"), 422, "diversity")


async def test_an_unwanted_picture_takes_from_products_that_look_like_it(compact_shop):
    """With the shipped encoder: a red and a blue dress, but not the blue."""

    async def best(*given):
        sent = [
            {"image": data_uri(file_of(draw(colour, thing, 200))), "weight": weight}
            for colour, thing, weight in given
        ]
        answer = await post(compact_shop, parts=sent, limit=100)
        return {hit["id"]: rank for rank, hit in enumerate(answer["hits"])}, answer

    both, _ = await best(("red", "dress", 1.0), ("blue", "dress", 1.0))
    without, answer = await best(("red", "dress", 1.0), ("blue", "dress", -1.0))
    named = {product.title: product.id for product, _ in products()}
    red, blue = named["red dress"], named["blue dress"]
    assert both[blue] < 5 and without[blue] > both[blue]
    assert without[red] < 5
    hit = next(hit for hit in answer["hits"] if hit["id"] == blue)
    assert min(w["weight"] for w in hit["weights"] if w["part"] == 1 and w["field"] == "image") < 0
    # The more it weighs, the further down they go.
    heavy, _ = await best(("red", "dress", 1.0), ("blue", "dress", -3.0))
    assert heavy[blue] >= without[blue]


async def test_a_form_with_words_and_an_unwanted_photo(compact_shop):
    async def ask(*weights):
        files = [("text", (None, "dress")), ("parts", (None, json.dumps([{"product": "sku-0"}])))]
        files += [("image", ("red.png", RED))] * len(weights)
        files += [("image_weight", (None, weight)) for weight in weights]
        return (await compact_shop.client.post("/search", files=[*files, ("limit", (None, "100"))])).json()

    plain, without = await ask(), await ask("-1")
    assert parts(without) == [
        ("text", "dress", 1.0),
        ("image", "photo", -1.0),
        ("product", "red dress", 1.0),
    ]
    scores = [{hit["id"]: hit["score"] for hit in answer["hits"]} for answer in (plain, without)]
    lost = {name: scores[0][name] - scores[1][name] for name in scores[0]}
    assert min(lost.values()) >= -1e-6
    # A dress of another colour looks more like the photo than a mug does.
    assert lost["sku-4"] > 0 and lost["sku-4"] > lost["sku-6"]
