"""Who may read, and how often one client may ask."""

import base64
import time

import httpx
import pytest
from pydantic import ValidationError

from searcher.api.rates import client_network
from services.settings import Settings
from tests.api.conftest import ADDRESS, call, problem

pytestmark = pytest.mark.anyio


def basic(password: str, user: str = "shop") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class TestTheReadKey:
    @pytest.mark.parametrize(
        "path",
        ["/search?q=mug", "/products/sku-0", "/products/sku-0/image", "/", "/metrics", "/openapi.json",
         "/static/main.js", "/facets?key=brand", "/nothing"],
    )  # fmt: skip
    async def test_without_it_nothing_is_told(self, open_shop, path):
        shop = open_shop(filled=True, read_key="sesame", write_key="open")
        response = await shop.client.get(path)
        problem(response, 401, "Authorization")
        assert response.headers["www-authenticate"].startswith("Basic ")
        assert "sesame" not in response.text
        for key in ("sesame", "open"):
            response = await shop.client.get(path, headers={"Authorization": f"Bearer {key}"})
            assert response.status_code == (404 if path == "/nothing" else 200)

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Bearer sesam", "sesame", "Basic", "Basic ###", "Digest sesame",
                   basic("wrong"), basic(""), "Basic c2VzYW1l", "Basic //79"],
    )  # fmt: skip
    async def test_whatever_else_is_sent_is_refused(self, open_shop, header):
        shop = open_shop(filled=True, read_key="sesame")
        problem(
            await shop.client.get("/search?q=mug", headers={"Authorization": header}), 401, "Authorization"
        )

    async def test_a_browser_sends_it_as_password(self, open_shop):
        shop = open_shop(filled=True, read_key="sésame:1")
        headers = {"Authorization": basic("sésame:1")}
        assert (await shop.client.get("/", headers=headers)).status_code == 200
        assert (await shop.client.get("/products/sku-0/image", headers=headers)).status_code == 200

    async def test_the_key_for_reading_does_not_write(self, open_shop):
        shop = open_shop(read_key="sesame", write_key="open")
        body = {"id": "a", "title": "mug"}
        for header in ("Bearer sesame", basic("sesame"), basic("open")):
            response = await shop.client.put("/products", json=body, headers={"Authorization": header})
            problem(response, 403, "Authorization")
        problem(await shop.client.put("/products", json=body), 401, "Authorization")
        response = await shop.client.put("/products", json=body, headers={"Authorization": "Bearer open"})
        assert response.status_code == 200

    async def test_probes_need_none(self, open_shop):
        shop = open_shop(read_key="sesame", filled=True)
        assert (await shop.client.get("/healthz")).status_code == 200
        assert (await shop.client.get("/readyz")).status_code == 200

    async def test_a_page_elsewhere_may_ask_whether_it_may_send_one(self, open_shop):
        shop = open_shop(read_key="sesame", filled=True, cors_origins="https://shop.example")
        asked = {
            "Origin": "https://shop.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        assert (await shop.client.options("/search", headers=asked)).status_code == 200
        sent = {"Origin": "https://shop.example", "Authorization": "Bearer sesame"}
        response = await shop.client.get("/search?q=mug", headers=sent)
        assert response.headers["access-control-allow-origin"] == "https://shop.example"

    async def test_an_empty_key_is_none(self, open_shop):
        shop = open_shop(read_key="", filled=True)
        assert (await shop.client.get("/search?q=mug")).status_code == 200


def client_from(app, address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 4711)), base_url=ADDRESS)


class TestTheRateLimit:
    async def test_one_client_is_held_back_and_others_are_not(self, open_shop):
        shop = open_shop(filled=True, rate_limit="3/minute")
        here, there = client_from(shop.app, "203.0.113.5"), client_from(shop.app, "203.0.113.6")
        for _ in range(3):
            assert (await here.get("/search?q=mug")).status_code == 200
        response = await here.get("/search?q=mug")
        assert "3 per 1 minute" in problem(response, 429, None)["detail"]
        assert 1 <= int(response.headers["retry-after"]) <= 60
        assert response.headers["x-request-id"]
        problem(await here.post("/search", json={"text": "mug"}), 429, None)
        assert (await there.get("/search?q=mug")).status_code == 200

    async def test_the_page_its_pictures_and_probes_do_not_count(self, open_shop):
        shop = open_shop(filled=True, rate_limit="1/minute")
        for _ in range(3):
            for path in ("/", "/healthz", "/readyz", "/metrics", "/static/main.js", "/products/sku-0/image"):
                assert (await shop.client.get(path)).status_code == 200
        assert (await shop.client.get("/products/sku-0")).status_code == 200
        problem(await shop.client.get("/products/sku-0"), 429, None)
        problem(await shop.client.put("/products/x/image"), 429, None)

    async def test_a_client_may_ask_again_after_the_time_it_was_told(self, open_shop):
        shop = open_shop(filled=True, rate_limit="1/second")
        assert (await shop.client.get("/search?q=mug")).status_code == 200
        response = await shop.client.get("/search?q=mug")
        while response.status_code == 429:
            time.sleep(int(response.headers["retry-after"]))
            response = await shop.client.get("/search?q=mug")
        assert response.status_code == 200

    async def test_wrong_keys_count(self, open_shop):
        shop = open_shop(read_key="sesame", rate_limit="2/minute")
        client = call(shop.app, headers={"Authorization": "Bearer guess"})
        assert [(await client.get("/search?q=mug")).status_code for _ in range(3)] == [401, 401, 429]

    @pytest.mark.parametrize("text", ["often", "3", "3/fortnight", "-1/minute"])
    def test_a_rate_that_makes_no_sense_is_refused_with_the_settings(self, text):
        with pytest.raises(ValidationError, match="rate_limit"):
            Settings(rate_limit=text, _env_file=None)

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("203.0.113.5", "203.0.113.6", False),
            ("203.0.113.5", "::ffff:203.0.113.5", True),
            ("2001:db8::1", "2001:db8::ffff:1", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("fe80::1%eth0", "fe80::2%eth1", True),
            ("unix", "", False),
        ],
    )
    def test_what_counts_as_one_client(self, one, other, same):
        assert (client_network(one) == client_network(other)) is same
