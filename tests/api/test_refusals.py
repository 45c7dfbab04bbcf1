"""Searches that cannot be answered name the field and what to do about it."""

import base64

import pytest

from tests.api.conftest import data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio

RED = file_of(draw("red", "dress"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "parts"),
        ({"parts": []}, "parts"),
        ({"text": ""}, "text"),
        ({"text": "   "}, "text"),
        ({"text": "x" * 1001}, "text"),
        ({"text": 7}, "text"),
        ({"txt": "dress"}, "txt"),
        ({"text": "a", "limit": 0}, "limit"),
        ({"text": "a", "limit": "many"}, "limit"),
        ({"text": "a", "limit": 1001}, "limit"),
        ({"text": "a", "limit": 10**30}, "limit"),
        ({"text": "a", "offset": -1}, "offset"),
        ({"text": "a", "offset": 990}, "offset"),
        ({"text": "a", "fusion": "magic"}, "fusion"),
        ({"text": "a", "filters": []}, "filters"),
        ({"text": "a", "filters": {"colour": "red"}}, "filters.colour"),
        ({"text": "a", "filters": {"price": {"above": 3}}}, "filters.price.above"),
        ({"text": "a", "filters": {"not": {"price": {"gt": "3"}}}}, "filters.not.price.gt"),
        ({"text": "a", "filters": {'attributes.a"b': "x"}}, 'attributes.a"b'),
        ({"parts": [{"text": "a", "weight": 0}]}, "parts[0].weight"),
        ({"parts": [{"text": "a", "weight": "1"}]}, "parts[0].weight"),
        ({"parts": [{"text": "a", "weight": True}]}, "parts[0].weight"),
        ({"parts": [{"text": "a"}, {"text": "b", "image": "c"}]}, "parts[1]"),
        ({"parts": [{"text": "a"}, {}]}, "parts[1]"),
        ({"parts": [{"text": "a"}, {"words": "b"}]}, "parts[1].words"),
        ({"parts": [{"text": "a"}, "b"]}, "parts[1]"),
        ({"parts": {"text": "a"}}, "parts"),
        ({"parts": [{"text": "a", "weight": -1}]}, "parts"),
        ({"parts": [{"text": "a"}] * 17}, "parts"),
        ({"parts": [{"product": "nowhere"}]}, "parts[0].product"),
        ({"parts": [{"product": ""}]}, "parts[0].product"),
        ({"image": ""}, "image"),
        ({"image": "!!!"}, "image"),
        ({"image": base64.b64encode(b"no picture at all").decode()}, "image"),
        ({"image": "data:image/png;base64,@@"}, "image"),
        ({"image": "data:image/png"}, "image"),
        ({"image": data_uri(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")}, "image"),
        ({"image": data_uri(RED[: len(RED) // 2])}, "image"),
        ({"image": "https://shop.example/a.jpg"}, "image"),
        ({"image": "file:///etc/passwd"}, "image"),
        ({"image": "/etc/passwd"}, "image"),
        ({"parts": [{"text": "a"}, {"image": "/etc/passwd"}]}, "parts[1].image"),
    ],
)
async def test_bad_queries_are_refused_by_field(shop, body, field):
    problem(await shop.client.post("/search", json=body), 422, field)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"a"', b"null", b'{"text": "\\ud800"}', b"\xff\xfe", b'{"text": NaN}', b"[" * 5000],
)
async def test_bodies_that_are_no_query(shop, body):
    headers = {"Content-Type": "application/json"}
    problem(await shop.client.post("/search", content=body, headers=headers), 422, "body")


async def test_infinite_numbers_are_refused(shop):
    headers = {"Content-Type": "application/json"}
    body = b'{"parts": [{"text": "a", "weight": 1e999}]}'
    problem(await shop.client.post("/search", content=body, headers=headers), 422, "parts[0].weight")
    body = b'{"text": "a", "filters": {"price": {"gte": 1e999}}}'
    problem(await shop.client.post("/search", content=body, headers=headers), 422, "filters.price.gte")


@pytest.mark.parametrize(
    ("files", "field"),
    [
        ([("text", (None, "a")), ("text", (None, "b"))], "text"),
        ([("words", (None, "a"))], "words"),
        ([("text", ("a.txt", b"a"))], "text"),
        ([("text", (None, "a")), ("limit", (None, "ten"))], "limit"),
        ([("text", (None, "a")), ("offset", (None, "1.5"))], "offset"),
        ([("text", (None, "a")), ("image_weight", (None, "heavy"))], "image_weight"),
        ([("image", ("a.png", RED)), ("image_weight", (None, "0"))], "image_weight"),
        ([("text", (None, "a")), ("image", ("a.png", RED)), ("image_weight", (None, "nan"))], "image_weight"),
        ([("parts", (None, "{"))], "parts"),
        ([("text", (None, "a")), ("filters", (None, "category=dress"))], "filters"),
        ([("text", (None, "a")), ("filters", (None, '{"colour": "red"}'))], "filters.colour"),
        ([("image", ("a.png", b""))], "image"),
        ([("image", ("a.png", b"no picture"))], "image"),
        ([("image", ("a.png", RED[:-30]))], "image"),
        ([("image", ("a.gif", b"GIF89a"))], "image"),
    ],
)
async def test_bad_forms_are_refused_by_field(shop, files, field):
    problem(await shop.client.post("/search", files=files), 422, field)


async def test_a_form_that_is_none(shop):
    headers = {"Content-Type": "multipart/form-data"}
    response = await shop.client.post("/search", content=b"text=a", headers=headers)
    assert problem(response, 400, "body")["detail"].startswith("Missing boundary")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=a&limit=x", "limit"),
        ("q=a&limit=0", "limit"),
        ("q=a&offset=-1", "offset"),
        ("q=a&fusion=magic", "fusion"),
        ("q=a&price_min=cheap", "price_min"),
        ("q=a&price_min=nan", "price_min"),
        ("q=a&price_max=inf", "price_max"),
        ("q=a&price_min=9&price_max=3", "price_min"),
        ("q=a&categroy=dress", "categroy"),
        ("q=a&attributes.=x", "attributes."),
    ],
)
async def test_bad_addresses_are_refused_by_parameter(shop, query, field):
    problem(await shop.client.get(f"/search?{query}"), 422, field)


async def test_a_bomb_is_refused_before_it_is_unpacked(open_shop):
    shop = open_shop(filled=True, max_image_pixels=100_000)
    bomb = file_of(draw("red", "dress").resize((1000, 101)))
    for body in ({"image": data_uri(bomb)}, {"parts": [{"image": data_uri(bomb)}]}):
        response = await shop.client.post("/search", json=body)
        field = "image" if "image" in body else "parts[0].image"
        assert problem(response, 422, field)["title"] == "Picture too large"
    response = await shop.client.post("/search", files={"image": ("a.png", bomb)})
    assert problem(response, 422, "image")["title"] == "Picture too large"


async def test_files_larger_than_allowed(open_shop):
    shop = open_shop(filled=True, max_image_bytes=200)
    for given in (data_uri(RED), base64.b64encode(RED).decode()):
        response = await shop.client.post("/search", json={"image": given})
        assert problem(response, 422, "image")["title"] == "Picture too large"
    response = await shop.client.post("/search", files={"image": ("a.png", RED)})
    assert problem(response, 422, "image")["title"] == "Picture too large"


async def test_more_files_than_parts_are_refused(shop):
    files = [("image", (f"{i}.png", RED)) for i in range(shop.settings.max_parts + 1)]
    response = await shop.client.post("/search", files=files)
    problem(response, 400, "body")
