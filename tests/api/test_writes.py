import httpx
import numpy as np
import pytest

from searcher.engine import Engine
from services.calibration import Calibration
from services.points import content_hash
from services.store.factory import open_store
from tests.api.conftest import ADDRESS, call, data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio

MUG = data_uri(file_of(draw("red", "mug")))


async def put(shop, body, **options):
    return await shop.client.put("/products", json=body, **options)


async def test_one_product_or_several_become_searchable(open_shop):
    shop = open_shop()
    assert (await put(shop, {"id": "a", "title": "red mug", "image": MUG})).json() == {
        "upserted": 1,
        "rejected": [],
    }
    several = [{"id": "b", "title": "blue mug", "price": 4.5, "tags": ["x"]}, {"id": "c", "image": MUG}]
    assert (await put(shop, several)).json() == {"upserted": 2, "rejected": []}
    answer = (await shop.client.get("/search?q=mug")).json()
    assert {hit["id"] for hit in answer["hits"]} == {"a", "b", "c"}
    fields = {hit["id"]: {weight["field"] for weight in hit["weights"]} for hit in answer["hits"]}
    assert fields == {"a": {"image", "title", "keywords"}, "b": {"title", "keywords"}, "c": {"image"}}


async def test_points_are_those_of_the_worker(open_shop):
    shop = open_shop()
    await put(shop, {"id": "a", "title": "red mug", "image": MUG, "attributes": {"size": 3}})
    [point] = shop.engine.store.fetch(["a"], vectors=True)
    encoder = shop.engine.encoder
    np.testing.assert_allclose(
        point.vectors["image"], encoder.encode_images([draw("red", "mug")])[0], atol=1e-5
    )
    np.testing.assert_allclose(point.vectors["title"], encoder.encode_texts(["red mug"])[0], atol=1e-5)
    from services.catalogue.product import Product

    product = Product(id="a", title="red mug", image=MUG, attributes={"size": 3})
    assert point.payload["_hash"] == content_hash(product, file_of(draw("red", "mug")), encoder.identity)
    assert "image" not in point.payload


async def test_a_product_is_replaced_as_a_whole(open_shop):
    shop = open_shop()
    await put(shop, {"id": "a", "title": "red mug", "image": MUG, "price": 3})
    before = (await shop.client.get("/search?q=mug")).json()["hits"][0]
    await put(shop, {"id": "a", "title": "a lamp"})
    assert (await shop.client.get("/products/a")).json() == {
        "id": "a", "title": "a lamp", "tags": [], "attributes": {}, "image_url": None,
    }  # fmt: skip
    after = (await shop.client.get("/search?q=mug")).json()["hits"][0]
    assert [weight["field"] for weight in after["weights"]] == ["title"]
    titles = [next(w for w in hit["weights"] if w["field"] == "title") for hit in (before, after)]
    assert titles[0]["similarity"] != titles[1]["similarity"]


async def test_a_record_may_be_read_changed_and_sent_back(open_shop):
    shop = open_shop()
    await put(shop, {"id": "a", "title": "red mug", "attributes": {"colour": "red", "size": 3, "new": True}})
    record = (await shop.client.get("/products/a")).json()
    record["price"] = 9.5
    assert (await put(shop, record)).status_code == 200
    assert (await shop.client.get("/products/a")).json() == record


async def test_what_was_answered_is_on_disk(open_shop):
    shop = open_shop()
    await put(shop, [{"id": f"p{i}", "title": f"thing {i}"} for i in range(20)])
    shop.engine.close()
    again = Engine(shop.settings, shop.engine.encoder, open_store(shop.settings))
    try:
        assert again.count() == 20
        assert again.product("p7").title == "thing 7"
    finally:
        again.close()


async def test_bad_products_are_rejected_one_by_one(open_shop):
    shop = open_shop()
    body = [
        {"id": "good", "title": "mug"},
        {"id": "nothing"},
        {"id": "path", "image": "/etc/passwd"},
        {"id": "relative", "image": "images/a.jpg"},
        {"id": "url", "image": "https://shop.example/a.jpg"},
        {"id": "broken", "image": data_uri(file_of(draw("red", "mug"))[:-40])},
        {"id": "svg", "image": data_uri(b"<svg/>", "image/svg+xml")},
        {"title": "no id"},
        {"id": "", "title": "empty id"},
        {"id": "price", "title": "x", "price": -1},
        {"id": "typo", "title": "x", "colour": "red"},
        {"id": "long", "title": "x" * 2001},
        {"id": "good", "title": "again"},
        "text",
        {"id": "deep", "title": "x", "attributes": {"sizes": [1, 2], "none": None, "more": {"a": 1}}},
        {"id": "huge", "title": "x", "attributes": {"n": 10**30}},
        {"id": 7, "title": "x"},
        {"id": "tags", "title": "x", "tags": [1]},
    ]
    response = await put(shop, body)
    assert response.status_code == 200
    answer = response.json()
    assert answer["upserted"] == 3
    found = [(entry["index"], entry["id"], entry["field"]) for entry in answer["rejected"]]
    assert found == [
        (1, "nothing", "title"),
        (2, "path", "image"),
        (3, "relative", "image"),
        (4, "url", "image"),
        (5, "broken", "image"),
        (6, "svg", "image"),
        (7, None, "id"),
        (8, "", "id"),
        (9, "price", "price"),
        (10, "typo", "colour"),
        (11, "long", "title"),
        (12, "good", "id"),
        (13, None, "body"),
        (16, None, "id"),
        (17, "tags", "tags[0]"),
    ]
    assert all(
        entry["title"] and entry["mend"] and entry["detail"].endswith(entry["mend"])
        for entry in answer["rejected"]
    )
    assert (await shop.client.get("/products/good")).json()["title"] == "mug"
    attributes = (await shop.client.get("/products/deep")).json()["attributes"]
    assert attributes == {"sizes": "1, 2", "more": '{"a": 1}'}


async def test_if_all_are_bad_the_answer_is_a_problem_with_the_list(open_shop):
    shop = open_shop()
    found = problem(await put(shop, {"id": "a", "image": "a.jpg"}), 422, "image")
    assert found["rejected"][0]["index"] == 0
    found = problem(await put(shop, [{"id": "a"}, {"id": "b"}]), 422, "title")
    assert len(found["rejected"]) == 2 and "None of the 2" in found["detail"]
    assert shop.engine.store.meta() is None or shop.engine.count() == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"7", b'"a"', b"[]", b"null", b'{"id": "\\ud800", "title": "x"}']
)
async def test_bodies_that_are_no_products(open_shop, body):
    response = await open_shop().client.put(
        "/products", content=body, headers={"Content-Type": "application/json"}
    )
    problem(response, 422, "body")


async def test_too_many_at_once(open_shop):
    shop = open_shop()
    problem(await put(shop, [{"id": f"p{i}", "title": "x"} for i in range(257)]), 422, "body")
    assert (await put(shop, [{"id": f"p{i}", "title": "x"} for i in range(256)])).json()["upserted"] == 256


async def test_another_media_type(open_shop):
    response = await open_shop().client.put(
        "/products", content=b"id,title\na,mug", headers={"Content-Type": "text/csv"}
    )
    problem(response, 415, "Content-Type")


async def test_large_pictures_are_kept_smaller_for_showing(open_shop):
    shop = open_shop()
    noise = np.random.default_rng(0).integers(0, 255, size=(1600, 900, 3), dtype=np.uint8)
    from PIL import Image

    data = file_of(Image.fromarray(noise))
    assert (await put(shop, {"id": "a", "title": "noise", "image": data_uri(data)})).status_code == 200
    [point] = shop.engine.store.fetch(["a"])
    assert len(point.payload["_source"]) < len(data)
    picture = await shop.client.get("/products/a/image")
    assert picture.headers["content-type"] == "image/jpeg"


async def test_deleting_one_and_several(open_shop):
    shop = open_shop()
    await put(shop, [{"id": name, "title": name} for name in ("a", "b", "c/d", "e")])
    await shop.client.get("/search?q=a")
    assert (await shop.client.delete("/products/c%2Fd")).json() == {"deleted": 1}
    problem(await shop.client.delete("/products/c%2Fd"), 404, "id")
    answer = await shop.client.delete("/products", params={"id": ["a", "a", "nowhere", "b"]})
    assert answer.json() == {"deleted": 2}
    assert [hit["id"] for hit in (await shop.client.get("/search?q=a")).json()["hits"]] == ["e"]


@pytest.mark.parametrize("query", ["", "?id=", "?" + "&".join(f"id={i}" for i in range(1001))])
async def test_deleting_needs_ids(open_shop, query):
    shop = open_shop(filled=True)
    problem(await shop.client.delete(f"/products{query}"), 422, "id")
    assert shop.engine.count() == 36


async def test_calibration_follows_a_growing_collection(open_shop):
    shop = open_shop()
    assert (await put(shop, {"id": "one", "title": "one"})).status_code == 200
    await put(shop, [{"id": f"p{i}", "title": f"thing {i}"} for i in range(40)])
    stored = Calibration.from_dict(shop.engine.store.meta().calibration)
    assert stored.pairs["text", "title"].count > 0
    # A word that no product has: titles alone answer.
    answer = (await shop.client.get("/search?q=object&limit=40")).json()
    hit = answer["hits"][0]
    assert [weight["field"] for weight in hit["weights"]] == ["title"]
    expected = stored.apply(hit["weights"][0]["similarity"], "text", "title")
    assert hit["score"] == pytest.approx(expected, abs=0.01)


BODY = {"id": "a", "title": "mug"}


class TestWhoMayWrite:
    async def test_beyond_loopback_nobody_without_a_key(self, open_shop):
        shop = open_shop(host="0.0.0.0")
        problem(await put(shop, BODY), 403, "Authorization")
        problem(await shop.client.delete("/products/a"), 403, "Authorization")
        problem(await shop.client.delete("/products?id=a"), 403, "Authorization")
        assert shop.engine.store.meta() is None

    @pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::", "shop.example"])
    async def test_with_a_key_whoever_sends_it(self, open_shop, host):
        shop = open_shop(host=host, write_key="sesame")
        for header in (
            None,
            "Bearer",
            "Bearer wrong",
            "Bearer sesame2",
            "Basic sesame",
            "sesame",
            "Bearer sésame",
        ):
            headers = {} if header is None else {"Authorization": header.encode()}
            problem(await put(shop, BODY, headers=headers), 403, "Authorization")
        response = await put(shop, BODY, headers={"Authorization": "Bearer sesame"})
        assert response.json()["upserted"] == 1
        headers = {"Authorization": "Bearer sesame"}
        assert (await shop.client.delete("/products/a", headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            ("localhost", True),
            ("127.0.0.1", True),
            ("[::1]", True),
            ("evil.example", False),
            ("localhost.evil.example", False),
        ],
    )
    async def test_on_loopback_only_those_who_call_it_by_its_name(self, open_shop, host, allowed):
        shop = open_shop(host="localhost")
        client = call(shop.app, base_url=f"http://{host}:8000")
        response = await client.put("/products", json=BODY)
        assert response.status_code == (200 if allowed else 403)

    @pytest.mark.parametrize("address", ["10.0.0.5", "2001:db8::5", "unix"])
    async def test_whoever_comes_from_elsewhere_cannot_pretend_to_be_here(self, open_shop, address):
        shop = open_shop()
        transport = httpx.ASGITransport(shop.app, client=(address, 4711))
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")
        problem(await client.put("/products", json=BODY), 403, "Authorization")

    async def test_reading_needs_no_key(self, open_shop):
        shop = open_shop(host="0.0.0.0", write_key="sesame", filled=True)
        client = call(shop.app, base_url="http://shop.example")
        assert (await client.get("/search?q=mug")).status_code == 200
        assert ADDRESS not in (await client.get("/products/sku-0")).text

    async def test_the_key_is_never_shown(self, open_shop):
        shop = open_shop(host="0.0.0.0", write_key="sesame")
        for path in ("/readyz", "/metrics", "/openapi.json", "/fusions"):
            assert "sesame" not in (await shop.client.get(path)).text
