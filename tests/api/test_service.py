import logging
import re

import anyio
import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from searcher.api.app import create_app
from searcher.api.problems import Overloaded
from searcher.api.schemas import ReadyAnswer
from searcher.api.workers import Workers
from searcher.engine import Engine
from services.errors import StoreUnavailable
from services.store.base import CollectionMeta
from services.store.factory import open_store
from tests.api.conftest import call, data_uri, draw, file_of, problem

pytestmark = pytest.mark.anyio


async def test_health_and_readiness(shop):
    assert (await shop.client.get("/healthz")).json() == {"status": "ok"}
    response = await shop.client.get("/readyz")
    assert response.status_code == 200
    ReadyAnswer.model_validate(response.json())
    assert response.json()["products"] == shop.engine.count()
    assert response.json()["encoder"] == shop.engine.encoder.identity.name


async def test_without_a_collection_everything_says_what_to_do(open_shop):
    shop = open_shop()
    for path in (
        "/search?q=mug",
        "/products/a",
        "/products/a/image",
        "/products/a/similar",
        "/facets?key=brand",
    ):
        found = problem(await shop.client.get(path), 404, "collection")
        assert found["mend"] == "Index a catalogue first: vitrine index CATALOGUE."
    problem(await shop.client.delete("/products/a"), 404, "collection")
    ready = await shop.client.get("/readyz")
    assert ready.status_code == 503 and ready.json()["status"] == "unavailable"
    assert "vitrine index" in ready.json()["detail"]
    assert (await shop.client.get("/healthz")).status_code == 200
    assert "vitrine_products 0.0" in (await shop.client.get("/metrics")).text


async def test_another_encoder_is_a_conflict(open_shop):
    shop = open_shop()
    identity = shop.engine.encoder.identity.as_dict() | {"name": "other", "weights": "f" * 16}
    shop.engine.store.open(CollectionMeta(dim=shop.engine.encoder.dim, encoder=identity))
    for response in (
        await shop.client.get("/search?q=mug"),
        await shop.client.put("/products", json={"id": "a", "title": "mug"}),
    ):
        assert "VITRINE_ENCODER=other" in problem(response, 409, "encoder")["mend"]
    ready = await shop.client.get("/readyz")
    assert ready.status_code == 503 and ready.json()["title"] == "Encoder mismatch"


async def test_a_store_that_cannot_answer(open_shop):
    shop = open_shop(filled=True)
    assert (await shop.client.get("/search?q=mug")).status_code == 200
    shop.engine.close()
    response = await shop.client.get("/search?q=lamp")
    assert problem(response, 503, None)["title"] == "Store unavailable"
    assert response.headers["retry-after"]
    ready = await shop.client.get("/readyz")
    assert ready.status_code == 503
    metrics = (await shop.client.get("/metrics")).text
    assert "vitrine_products NaN" in metrics


async def test_a_store_that_another_process_holds(open_shop):
    shop = open_shop(filled=True)
    other = Engine(shop.settings, shop.engine.encoder, open_store(shop.settings))
    client = call(create_app(shop.settings, other))
    response = await client.get("/search?q=mug")
    assert problem(response, 503, response.json()["field"])["title"] == "Store in use"


async def test_the_application_builds_and_closes_its_own_engine(open_shop, monkeypatch):
    shop = open_shop(filled=True)
    shop.engine.close()
    built = []

    def build(settings):
        built.append(Engine(settings, shop.engine.encoder, open_store(settings)))
        return built[-1]

    monkeypatch.setattr("searcher.api.app.open_live", build)
    app = create_app(shop.settings)
    client = call(app)
    problem(await client.get("/search?q=mug"), 503, None)
    async with app.router.lifespan_context(app):
        assert (await client.get("/search?q=mug")).status_code == 200
    with pytest.raises(StoreUnavailable):
        built[0].store.count()


@pytest.mark.parametrize(
    "path", ["/nowhere", "/search/more", "/static/nothing.js", "/static/../app.py", "/docs", "/%2e%2e/etc"]
)
async def test_unknown_paths(shop, path):
    problem(await shop.client.get(path), 404, None)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/search", {"GET", "POST"}),
        ("DELETE", "/facets", {"GET"}),
        ("POST", "/products", {"PUT", "DELETE"}),
        ("PUT", "/products/a/image", {"GET"}),
        ("POST", "/", {"GET"}),
    ],
)
async def test_methods_a_path_does_not_have(shop, method, path, allowed):
    response = await shop.client.request(method, path)
    problem(response, 405, None)
    assert set(re.split(r",\s*", response.headers["allow"])) <= allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
async def test_other_media_types(shop, kind):
    response = await shop.client.post("/search", content=b"text=a", headers={"Content-Type": kind})
    problem(response, 415, "Content-Type")


class TestBodyLimit:
    async def test_a_length_beyond_the_limit_is_refused_at_once(self, open_shop):
        shop = open_shop(max_request_bytes=2000, filled=True)
        body = {"text": "a", "image": "x" * 3000}
        problem(await shop.client.post("/search", json=body), 413, "body")
        problem(
            await shop.client.put("/products", json=[{"id": "a", "title": "x" * 1900, "brand": "y" * 900}]),
            413,
            "body",
        )
        assert (await shop.client.post("/search", json={"text": "a"})).status_code == 200

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
    async def test_a_stream_beyond_the_limit_is_cut(self, open_shop, kind):
        shop = open_shop(max_request_bytes=2000)
        sent = 0

        async def stream():
            nonlocal sent
            start = (
                b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
                if "multipart" in kind
                else b'{"text":"'
            )
            yield start
            for _ in range(100):
                sent += 1
                yield b"x" * 500

        response = await shop.client.post("/search", content=stream(), headers={"Content-Type": kind})
        problem(response, 413, "body")

    async def test_large_pictures_below_the_limit_pass(self, shop):
        data = file_of(draw("red", "mug", 1500), "BMP")
        assert len(data) > 4_000_000
        assert (await shop.client.post("/search", json={"image": data_uri(data)})).status_code == 200
        assert (await shop.client.post("/search", files={"image": ("a.bmp", data)})).status_code == 200
        parts = f'[{{"image": "{data_uri(data)}"}}]'
        assert (await shop.client.post("/search", files={"parts": (None, parts)})).status_code == 200


async def test_unexpected_errors_tell_the_log_alone(shop, monkeypatch):
    def burst(query):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(shop.engine, "search", burst)
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        response = await shop.client.get("/search?q=mug")
    problem(response, 500, None)
    assert "secret" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    [line] = [line for line in lines if line["event"] == "unexpected error"]
    assert line["exc_info"] and line["request_id"] == response.headers["x-request-id"]


async def test_every_answer_has_an_id_that_the_log_has_too(shop):
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        given = await shop.client.get("/search?q=mug", headers={"X-Request-ID": "order-66.A_b"})
        made = await shop.client.get("/nowhere", headers={"X-Request-ID": "bad\tid or very long " + "x" * 90})
    assert given.headers["x-request-id"] == "order-66.A_b"
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["request_id"], line["status"]) for line in requests] == [
        ("order-66.A_b", 200),
        (made.headers["x-request-id"], 404),
    ]
    assert requests[0]["route"] == "/search"


async def test_paths_cannot_write_into_the_log(shop):
    with structlog.testing.capture_logs() as lines:
        await shop.client.get("/a%0Ab%1b[31m%ffkl%C3%BC")
        await shop.client.get("/products/a%2Fb%0A")
    paths = [line["path"] for line in lines if line["event"] == "request"]
    assert paths[1] == "/products/a%2Fb%0A"
    assert all(path.isascii() and path.isprintable() for path in paths)


async def test_a_client_that_hangs_up_is_no_error(shop):
    async def receive():
        return {"type": "http.disconnect"}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/search",
        "raw_path": b"/search",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
    }
    with structlog.testing.capture_logs() as lines:
        await shop.app(scope, receive, send)
    assert sent == []
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]


async def test_metrics_count_requests_by_route_and_stages(shop):
    await shop.client.get("/search?q=mug")
    await shop.client.get("/search")
    await shop.client.get("/products/sku-1")
    await shop.client.get("/products/nowhere%2Fat%2Fall/image")
    await shop.client.get("/made/up/path")
    await shop.client.request("BREW", "/pot")
    response = await shop.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    requests = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in families["vitrine_requests"].samples
        if s.name.endswith("_total")
    }
    assert requests == {
        ("GET", "/search", "200"): 1,
        ("GET", "/search", "422"): 1,
        ("GET", "/products/{product_id:path}", "200"): 1,
        ("GET", "/products/{product_id:path}/image", "404"): 1,
        ("GET", "unknown", "404"): 1,
        ("OTHER", "unknown", "404"): 1,
    }
    stages = {
        s.labels["stage"]: s.value
        for s in families["vitrine_search_stage_seconds"].samples
        if s.name.endswith("_count")
    }
    assert stages == {"encode": 1, "retrieve": 1, "fuse": 1, "total": 1}
    assert families["vitrine_products"].samples[0].value == shop.engine.count()


async def test_the_page_and_its_files_under_a_strict_policy(shop):
    page = await shop.client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (
        policy["default-src"] == "'none'"
        and policy["script-src"] == "'self'"
        and policy["style-src"] == "'self'"
    )
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)", page.text) and not re.search(r"\son\w+=", page.text)
    for address in re.findall(r'(?:src|href)="(static/[^"]+)"', page.text):
        file = await shop.client.get(f"/{address}")
        assert file.status_code == 200 and file.headers["cache-control"] == "no-cache", address
    assert page.headers["x-frame-options"] == "DENY"


async def test_pages_elsewhere_may_search_only_if_allowed(open_shop):
    closed = open_shop(filled=True)
    headers = {"Origin": "https://shop.example"}
    assert (
        "access-control-allow-origin"
        not in (await closed.client.get("/search?q=mug", headers=headers)).headers
    )
    opened = open_shop(filled=True, cors_origins="https://shop.example, https://other.example")
    response = await opened.client.get("/search?q=mug", headers=headers)
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    preflight = headers | {"Access-Control-Request-Method": "PUT"}
    assert (await opened.client.options("/products", headers=preflight)).status_code == 400


async def test_searches_do_not_hold_up_the_event_loop(shop, monkeypatch):
    """While searches stand still in their threads, probes and pictures are answered."""
    import threading

    gate = threading.Event()
    search = shop.engine.search

    def slow(query):
        gate.wait(30)
        return search(query)

    monkeypatch.setattr(shop.engine, "search", slow)
    done = []

    async def one():
        done.append(await shop.client.get("/search?q=mug"))

    async with anyio.create_task_group() as group:
        for _ in range(shop.settings.search_threads + 3):
            group.start_soon(one)
        await anyio.sleep(0.05)
        assert (await shop.client.get("/healthz")).status_code == 200
        assert (await shop.client.get("/readyz")).status_code == 200
        assert (await shop.client.get("/products/sku-0/image")).status_code == 200
        assert not done
        gate.set()
    assert {response.status_code for response in done} == {200}


async def test_too_many_waiting_requests_are_turned_away():
    import threading

    gate = threading.Event()
    workers = Workers(threads=1, waiting=2)
    refused, answered = [], []

    async def one():
        try:
            answered.append(await workers.run(gate.wait, 30))
        except Overloaded as error:
            refused.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(one)
            await anyio.sleep(0.01)
        gate.set()
    assert len(answered) == 3 and len(refused) == 3
    assert refused[0].status == 503 and refused[0].mend


async def test_several_searches_at_once_agree_with_one(shop):
    alone = {
        text: (await shop.client.get("/search", params={"q": text})).json()["hits"]
        for text in ("mug", "lamp", "dress")
    }
    found: list[tuple[str, httpx.Response]] = []

    async def one(text):
        found.append((text, await shop.client.get("/search", params={"q": text})))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            for text in alone:
                group.start_soon(one, text)
    assert all(response.json()["hits"] == alone[text] for text, response in found)


def test_logging_is_left_to_the_caller():
    """Building an application changes no global logging."""
    before = list(logging.getLogger().handlers)
    create_app()
    assert logging.getLogger().handlers == before
