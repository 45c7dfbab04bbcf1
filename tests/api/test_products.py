import io
from urllib.parse import quote

import pytest
from PIL import Image

from searcher.api.schemas import ProductRecord, SearchAnswer
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from tests.api.conftest import HOSTILE, ODD_IDS, data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio


async def test_a_record_is_as_it_was_stored(shop):
    response = await shop.client.get("/products/sku-0")
    assert response.status_code == 200
    ProductRecord.model_validate(response.json())
    assert response.json() == {
        "id": "sku-0",
        "title": "red dress",
        "brand": "Nordtal",
        "category": "dress",
        "price": 0.0,
        "currency": "EUR",
        "tags": ["red", "sale"],
        "attributes": {"colour": "red", "size": 36, "code": "000", "new": False},
        "image_url": "/products/sku-0/image",
    }


async def test_a_hostile_title_is_a_plain_json_string(shop):
    record = (await shop.client.get("/products/hostile")).json()
    assert record["title"] == HOSTILE
    assert record["image_url"] is None


@pytest.mark.parametrize("name", ODD_IDS)
async def test_odd_ids_reach_their_product_on_every_route(shop, name):
    path = f"/products/{quote(name, safe='')}"
    record = await shop.client.get(path)
    assert record.status_code == 200, record.text
    assert record.json()["id"] == name
    number = ODD_IDS.index(name)
    picture = await shop.client.get(record.json()["image_url"])
    assert picture.status_code == 200
    assert Image.open(io.BytesIO(picture.content)).size == (40 + number, 40 + number)
    similar = await shop.client.get(f"{path}/similar", params={"limit": 3})
    assert similar.json()["parts"][0]["label"] == f"odd thing {number}"


@pytest.mark.parametrize("name", ["a/b", "a b+c", 'quote"s', "ключ 1"])
async def test_slashes_of_an_id_may_stand_as_they_are(shop, name):
    assert (await shop.client.get(f"/products/{quote(name)}")).json()["id"] == name


async def test_a_plain_slash_before_a_route_belongs_to_the_route(shop):
    assert (await shop.client.get("/products/a%2Fimage")).json()["id"] == "a/image"
    assert (await shop.client.get("/products/a/image")).headers["content-type"] == "image/png"
    assert (await shop.client.get("/products/a/similar")).json()["parts"][0]["kind"] == "product"
    assert (await shop.client.get("/products/a%2Fsimilar/similar")).json()["total"] > 1


async def test_a_service_below_a_path_says_so_in_addresses(stocked):
    from searcher.api.app import create_app
    from tests.api.conftest import call

    client = call(create_app(stocked.settings, stocked))
    client._transport.root_path = "/shop/search"
    response = await client.get("/shop/search/products/a%2Fb")
    assert response.json()["image_url"] == "/shop/search/products/a%2Fb/image"
    assert (await client.get("/shop/search/products/a%2Fb/image")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/products/nowhere", "/products/nowhere/image", "/products/nowhere/similar"]
)
async def test_what_is_not_stored_is_not_found(shop, path):
    assert "nowhere" in problem(await shop.client.get(path), 404, "id")["detail"]


@pytest.mark.parametrize("path", ["/products/", "/products/%FF", "/products/%00"])
async def test_ids_that_cannot_be(shop, path):
    assert (await shop.client.get(path)).status_code in (404, 422)


async def test_similar_products_leave_the_product_out(shop):
    response = await shop.client.get("/products/sku-0/similar?limit=100")
    answer = response.json()
    SearchAnswer.model_validate(answer)
    assert answer["parts"] == [{"index": 0, "kind": "product", "label": "red dress", "weight": 1.0}]
    names = [hit["id"] for hit in answer["hits"]]
    assert "sku-0" not in names and len(names) == answer["total"]
    first = (await shop.client.get("/products/sku-0/similar?limit=3")).json()
    second = (await shop.client.get("/products/sku-0/similar?limit=3&offset=3")).json()
    assert [hit["id"] for hit in first["hits"] + second["hits"]] == names[:6]
    mugs = (await shop.client.get("/products/sku-0/similar?category=mug&fusion=mean")).json()
    assert {hit["product"]["category"] for hit in mugs["hits"]} == {"mug"} and mugs["fusion"] == "mean"


async def test_a_product_without_picture_is_compared_by_its_title(shop):
    answer = (await shop.client.get("/products/sku-2/similar?limit=50")).json()
    titles = {hit["product"]["title"]: hit for hit in answer["hits"]}
    same = max(
        (weight["similarity"], title)
        for title, hit in titles.items()
        for weight in hit["weights"]
        if weight["field"] == "title"
    )
    assert same[0] < 0.9999  # itself is left out


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("offset=-1", "offset"), ("fusion=x", "fusion"), ("q=a", "q")]
)
async def test_bad_parameters_of_similar(shop, query, field):
    problem(await shop.client.get(f"/products/sku-0/similar?{query}"), 422, field)


async def test_the_original_picture_is_served(shop):
    response = await shop.client.get("/products/sku-0/image")
    assert response.content == file_of(draw("red", "dress"))
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in response.headers["content-security-policy"]
    assert "max-age" in response.headers["cache-control"]


async def test_a_thumbnail_is_a_jpeg_no_larger_than_asked(shop):
    response = await shop.client.get("/products/sku-0/image?size=48")
    image = Image.open(io.BytesIO(response.content))
    assert (image.format, image.size) == ("JPEG", (48, 48))
    assert response.headers["content-type"] == "image/jpeg"
    again = await shop.client.get("/products/sku-0/image?size=48")
    assert again.content == response.content
    # A picture is never blown up.
    large = await shop.client.get("/products/sku-0/image?size=640")
    assert Image.open(io.BytesIO(large.content)).size == (96, 96)


async def test_an_unchanged_picture_is_not_sent_again(shop):
    first = await shop.client.get("/products/sku-0/image?size=48")
    tag = first.headers["etag"]
    again = await shop.client.get("/products/sku-0/image?size=48", headers={"If-None-Match": f'"x", {tag}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
    other = await shop.client.get("/products/sku-0/image?size=64", headers={"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag


@pytest.mark.parametrize("size", ["0", "15", "2049", "big", "-1"])
async def test_sizes_have_bounds(shop, size):
    problem(await shop.client.get(f"/products/sku-0/image?size={size}"), 422, "size")


async def test_a_product_without_picture_has_none_to_show(shop):
    assert "no picture" in problem(await shop.client.get("/products/sku-2/image"), 404, "id")["detail"]


async def test_files_that_went_bad_are_not_served(open_shop, tmp_path):
    shop = open_shop()
    path = tmp_path / "a.png"
    path.write_bytes(file_of(draw("red", "mug")))
    item = NewProduct(Product(id="m", title="mug"), path.read_bytes(), str(path))
    shop.engine.upsert([item])
    tag = (await shop.client.get("/products/m/image")).headers["etag"]
    path.write_bytes(b"<html><script>alert(1)</script></html>")
    for query in ("", "?size=64"):
        response = await shop.client.get(f"/products/m/image{query}", headers={"If-None-Match": tag})
        problem(response, 404, "id")
    path.unlink()
    for query in ("", "?size=64"):
        assert str(tmp_path) not in (await shop.client.get(f"/products/m/image{query}")).text
    path.write_bytes(file_of(draw("blue", "mug")))
    assert (await shop.client.get("/products/m/image")).content == path.read_bytes()


async def test_pictures_elsewhere_are_redirected_to(open_shop):
    shop = open_shop()
    url = "https://cdn.example/mug.png?v=1&w=2"
    shop.engine.upsert(
        [NewProduct(Product(id="m", title="mug", image=url), file_of(draw("red", "mug")), url)]
    )
    for query in ("", "?size=64"):
        response = await shop.client.get(f"/products/m/image{query}")
        assert response.status_code == 307
        assert response.headers["location"] == url


async def test_a_picture_stored_as_data_uri_has_an_address_like_any_other(open_shop):
    shop = open_shop()
    data = file_of(draw("red", "mug"))
    body = {"id": "m", "title": "mug", "image": data_uri(data)}
    assert (await shop.client.put("/products", json=body)).json() == {"upserted": 1, "rejected": []}
    record = (await shop.client.get("/products/m")).json()
    assert "image" not in record
    picture = await shop.client.get(record["image_url"])
    assert picture.content == data and picture.headers["content-type"] == "image/png"
