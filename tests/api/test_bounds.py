"""Every line of waiting and every size has a bound, and what is over it is refused by name."""

import threading

import anyio
import httpx
import pytest

from searcher.api.app import create_app
from searcher.engine import Engine


class Slow:
    """An engine whose searches wait until they are let go."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def search(self, query):
        self.begun.release()
        assert self.go.wait(60)
        return self._engine.search(query)


def test_more_searches_than_may_wait_are_sent_away_at_once_and_the_others_are_answered(open_shop):
    shop = open_shop(filled=True)
    slow = Slow(shop.engine)
    settings = shop.settings.model_copy(update={"search_threads": 2, "max_waiting": 3})

    async def story() -> None:
        transport = httpx.ASGITransport(create_app(settings, slow))
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            answers: list[httpx.Response] = []

            async def ask(number: int) -> None:
                answers.append(await client.get("/search", params={"q": f"dress {number}"}, timeout=60))

            async with anyio.create_task_group() as group:
                for number in range(8):
                    group.start_soon(ask, number)
                # Two are at it and three wait; the other three have no place.
                with anyio.fail_after(30):
                    while len(answers) < 3:
                        await anyio.sleep(0.01)
                assert [answer.status_code for answer in answers] == [503] * 3
                for answer in answers:
                    assert int(answer.headers["retry-after"]) > 0
                    assert "more requests than it can answer" in answer.json()["detail"]
                # Whether it lives and whether it can answer is told all the same.
                assert (await client.get("/healthz")).status_code == 200
                assert (await client.get("/readyz")).status_code == 200
                slow.go.set()
            assert sorted(answer.status_code for answer in answers) == [200] * 5 + [503] * 3

    anyio.run(story)


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ({"parts": [{"text": f"word {n}"} for n in range(17)]}, "16"),
        ({"text": "dress", "limit": 2, "offset": 999}, "1000"),
        ({"text": "dress", "limit": 5000}, "1000"),
    ],
)
@pytest.mark.anyio
async def test_parts_and_windows_beyond_their_bound_are_refused_with_the_bound(open_shop, body, limit):
    shop = open_shop(filled=True)
    transport = httpx.ASGITransport(create_app(shop.settings, shop.engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        answer = await client.post("/search", json=body)
        assert answer.status_code == 422, answer.text
        assert limit in answer.text
        large = await client.post("/search", json={"text": "x" * (shop.settings.max_request_bytes + 1)})
        assert large.status_code == 413 and str(shop.settings.max_request_bytes)[:2] in large.text
