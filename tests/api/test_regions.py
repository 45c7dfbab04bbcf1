import json

import pytest
from PIL import Image

from searcher.api import examples
from searcher.api.boxes import RegionsAnswer
from searcher.api.schemas import SearchAnswer
from tests.api.conftest import data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio

BOX = {"left": 0.5, "top": 0.0, "right": 1.0, "bottom": 1.0}


def pair():
    """A red dress on the left, a blue mug on the right."""
    image = Image.new("RGB", (192, 96), "white")
    image.paste(draw("red", "dress"), (0, 0))
    image.paste(draw("blue", "mug"), (96, 0))
    return file_of(image)


def similarity(hit):
    return next(weight["similarity"] for weight in hit["weights"] if weight["field"] == "image")


async def search(shop, **body):
    response = await shop.client.post("/search", json=body)
    assert response.status_code == 200, response.text
    SearchAnswer.model_validate(response.json())
    return response.json()


async def hit(shop, name, **body):
    return next(found for found in (await search(shop, limit=100, **body))["hits"] if found["id"] == name)


async def test_only_what_lies_in_the_box_counts(shop):
    mug = "sku-6"
    whole = similarity(await hit(shop, mug, image=data_uri(pair())))
    boxed = similarity(await hit(shop, mug, image=data_uri(pair()), box=BOX))
    assert boxed > whole + 0.05


async def test_a_box_means_the_same_in_every_writing_and_on_every_way(shop):
    answers = [
        await search(shop, image=data_uri(pair()), box=BOX),
        await search(shop, image=data_uri(pair()), box=list(BOX.values())),
        await search(shop, parts=[{"image": data_uri(pair()), "box": BOX}]),
    ]
    for box in (json.dumps(BOX), json.dumps(list(BOX.values())), "0.5,0,1,1"):
        response = await shop.client.post("/search", files={"image": ("a.png", pair()), "box": (None, box)})
        answers.append(response.json())
    assert all(answer["hits"] == answers[0]["hits"] for answer in answers)
    assert all(answer["parts"][0]["box"] == BOX for answer in answers)


async def test_a_box_of_an_indexed_product_is_cut_from_its_picture(shop):
    answer = await search(shop, parts=[{"product": "sku-0", "box": [0.3, 0.5, 0.7, 0.9]}])
    assert answer["parts"][0]["box"]["left"] == 0.3
    # The product itself is not shown, as without a box.
    assert "sku-0" not in [found["id"] for found in answer["hits"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"image": data_uri(pair()), "box": [0, 0, 2, 1]}, "box"),
        ({"image": data_uri(pair()), "box": {"left": 0}}, "box"),
        ({"image": data_uri(pair()), "box": "middle"}, "box"),
        ({"text": "mug", "box": [0, 0, 1, 1]}, "box"),
        ({"parts": [{"text": "mug", "box": [0, 0, 1, 1]}]}, "parts[0].box"),
        ({"parts": [{"image": data_uri(pair()), "box": [0.5, 0.5, 0.5, 0.5]}]}, "parts[0].box"),
        ({"parts": [{"product": "sku-2", "box": [0, 0, 1, 1]}]}, "parts[0].product"),
    ],
)
async def test_a_box_that_cannot_be_used_is_refused_by_name(shop, body, field):
    problem(await shop.client.post("/search", json=body), 422, field)


async def test_a_box_with_two_files_is_refused(shop):
    files = [("image", ("a.png", pair())), ("image", ("b.png", pair())), ("box", (None, "0,0,1,1"))]
    problem(await shop.client.post("/search", files=files), 422, "box")


async def test_regions_are_proposed_for_json_and_for_a_form(shop):
    posted = await shop.client.post("/regions", json={"image": data_uri(pair())})
    form = await shop.client.post("/regions", files={"image": ("a.png", pair())})
    assert posted.status_code == form.status_code == 200, posted.text
    assert posted.json() == form.json()
    regions = RegionsAnswer.model_validate(posted.json()).regions
    assert 1 <= len(regions) <= 5
    assert regions[-1].box.model_dump() == {"left": 0, "top": 0, "right": 1, "bottom": 1}
    for region in regions:
        answer = await search(shop, image=data_uri(pair()), box=region.box.model_dump(), limit=1)
        assert len(answer["hits"]) == 1


async def test_the_documented_example_of_regions_works(shop):
    body = examples.REGIONS_BODY["content"]["application/json"]["example"]
    assert (await shop.client.post("/regions", json=body)).status_code == 200


@pytest.mark.parametrize(
    ("options", "status", "field"),
    [
        ({"json": {}}, 422, "image"),
        ({"json": []}, 422, "image"),
        ({"json": {"image": "x", "size": 3}}, 422, "size"),
        ({"json": {"image": "/etc/passwd"}}, 422, "image"),
        ({"json": {"image": data_uri(b"no picture")}}, 422, "image"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 422, "body"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, "Content-Type"),
        ({"files": {"image": (None, "text")}}, 422, "image"),
        ({"files": {"photo": ("a.png", b"x")}}, 422, "image"),
        ({"files": {"image": ("a.png", b"not a picture")}}, 422, "image"),
    ],
)
async def test_what_is_no_picture_is_refused_by_name(shop, options, status, field):
    problem(await shop.client.post("/regions", **options), status, field)


async def test_hits_are_explained_when_asked_on_every_way(shop):
    posted = await search(shop, text="red dress", limit=3, explain=True)
    got = (await shop.client.get("/search", params={"q": "red dress", "limit": 3, "explain": "true"})).json()
    form = (
        await shop.client.post(
            "/search", files={"text": (None, "red dress"), "limit": (None, "3"), "explain": (None, "true")}
        )
    ).json()
    assert posted["hits"] == got["hits"] == form["hits"]
    maps = [found["maps"] for found in posted["hits"]]
    assert any(maps)
    for heat in (heat for some in maps for heat in some):
        assert len(heat["values"]) == heat["rows"] and len(heat["values"][0]) == heat["columns"]
        assert all(0 <= value <= 1 for row in heat["values"] for value in row)
        assert -1 <= heat["low"] <= heat["high"] <= 1
    plain = await search(shop, text="red dress", limit=3)
    assert all("maps" not in found for found in plain["hits"])


async def test_explain_is_yes_or_no(shop):
    problem(await shop.client.post("/search", json={"text": "mug", "explain": "maybe"}), 422, "explain")
    files = {"text": (None, "mug"), "explain": (None, "maybe")}
    problem(await shop.client.post("/search", files=files), 422, "explain")
