"""A Qdrant server that is away, slow or cut off, and comes back: nothing lost, nothing doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from indexer.worker import index_catalogue
from searcher.api.app import create_app
from searcher.engine import Engine
from services.settings import Settings
from services.store.server import ServerStore
from tests.faults.qdrant_rest import Proxy, qdrant_server
from tests.unit.catalogue.pictures import jpeg

COUNT = 40


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with qdrant_server() as port:
        yield port


@pytest.fixture
def proxy(server: int) -> Iterator[Proxy]:
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture
def settings(tmp_path: Path, proxy: Proxy, request: pytest.FixtureRequest) -> Settings:
    return Settings(
        _env_file=None, data_dir=tmp_path / "data", qdrant_grpc=False,
        qdrant_url=f"http://127.0.0.1:{proxy.port}",
        collection=f"c{abs(hash(request.node.name)) % 10**8}", store_timeout=1.5, batch_size=4, device="cpu",
    )  # fmt: skip


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    lines = ["id,title,image"]
    for number in range(COUNT):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg((40, 40), (number * 6, 90, 160)))
        lines.append(f"s{number},title {number},{number}.jpg")
    path = tmp_path / "products.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def stored(settings: Settings, server: int) -> list[str]:
    """Ids of all that the server holds, asked for past the proxy."""
    store = ServerStore(settings.model_copy(update={"qdrant_url": f"http://127.0.0.1:{server}"}))
    meta = store.meta()
    assert meta is not None
    store.open(meta)
    points, _ = store.scroll(limit=1000)
    store.close()
    return sorted(point.id for point in points)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("fault", ["away", "cut"])
def test_indexing_waits_for_a_server_that_comes_back(
    settings: Settings, catalogue: Path, tiny_encoder, proxy: Proxy, server: int, fault: str
) -> None:
    expected = sorted(f"s{number}" for number in range(COUNT))
    written = threading.Event()

    class Watched(ServerStore):
        def upsert(self, points) -> None:  # type: ignore[no-untyped-def]
            super().upsert(points)
            written.set()

    def trouble() -> None:
        assert written.wait(60)
        if fault == "away":
            proxy.go_away()
        else:
            # Answers are lost after the server did what was asked.
            proxy.cut_after = 20
        time.sleep(4)
        proxy.away, proxy.cut_after = False, None

    thread = threading.Thread(target=trouble)
    thread.start()
    store = Watched(settings)
    report = index_catalogue(catalogue, settings, tiny_encoder, store)
    store.close()
    thread.join()
    assert report.counts.added == COUNT and not report.counts.rejected
    assert stored(settings, server) == expected
    # And there is nothing left to do.
    store = ServerStore(settings)
    assert index_catalogue(catalogue, settings, tiny_encoder, store).counts.unchanged == COUNT
    store.close()


@pytest.mark.timeout(200)
def test_the_service_says_that_its_store_is_away_and_answers_again_once_it_is_back(
    settings: Settings, catalogue: Path, tiny_encoder, proxy: Proxy
) -> None:
    store = ServerStore(settings)
    index_catalogue(catalogue, settings, tiny_encoder, store)
    engine = Engine(settings, tiny_encoder, store)

    async def story() -> None:
        transport = httpx.ASGITransport(create_app(settings, engine))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as shop:

            async def search(words: str) -> httpx.Response:
                return await shop.get("/search", params={"q": words, "limit": 5})

            assert len((await search("title 3")).json()["hits"]) == 5
            assert (await shop.get("/readyz")).status_code == 200
            for fault in ("away", "slow", "cut"):
                if fault == "away":
                    proxy.go_away()
                elif fault == "slow":
                    proxy.delay = 4.0
                else:
                    proxy.cut_after = 20
                answer = await search(f"title of {fault}")
                assert answer.status_code == 503, (fault, answer.text)
                assert int(answer.headers["retry-after"]) > 0
                assert "Qdrant" in answer.json()["detail"] or "server" in answer.json()["detail"]
                ready = await shop.get("/readyz")
                assert ready.status_code == 503 and ready.json()["status"] != "ready", fault
                assert (await shop.get("/healthz")).status_code == 200
                proxy.away, proxy.delay, proxy.cut_after = False, 0.0, None
                end = time.monotonic() + 30
                while (answer := await search(f"after {fault}")).status_code != 200:
                    assert time.monotonic() < end, answer.text
                    time.sleep(0.2)
                assert len(answer.json()["hits"]) == 5
                assert (await shop.get("/readyz")).status_code == 200

    import anyio

    anyio.run(story)
    engine.close()
