"""The service killed while it writes, and changed while it is searched: answers can be relied on."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.settings import Settings
from services.store.base import Point
from services.store.edge import EdgeStore
from tests.faults.service import Service, serving

ROUNDS = 3
IDS = 40
WRITERS = 3


class Writer(threading.Thread):
    """Writes and deletes products of its own, one request at a time, until the service is gone.

    `acknowledged` has the last state the service confirmed of each id (None: deleted), `open` the one
    request that got no answer, which may or may not have been done.
    """

    def __init__(self, name: str, address: str, state: dict[str, int | None], seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.acknowledged = state
        self.open: dict[str, int | None] = {}
        self.refused: list[str] = []
        self.answers = 0
        self._address = address
        self._chance = random.Random(seed)

    def run(self) -> None:
        with httpx.Client(base_url=self._address, timeout=30) as http:
            while True:
                some = self._chance.sample(range(IDS), 4)
                names = [f"{self.name}-{n}" for n in some]
                delete = self._chance.random() < 0.25
                version = None if delete else self._chance.randrange(10**9)
                self.open = dict.fromkeys(names, version)
                try:
                    if delete:
                        answer = http.delete("/products", params={"id": names})
                    else:
                        answer = http.put("/products", json=[record(name, version) for name in names])
                except httpx.TransportError:
                    return
                if answer.status_code != 200:
                    self.refused.append(answer.text)
                    return
                self.acknowledged |= self.open
                self.open = {}
                self.answers += 1


def record(name: str, version: int | None) -> dict[str, Any]:
    return {"id": name, "title": f"thing {version}", "price": version, "brand": f"brand {version}"}


def stored_in(data_dir: Path) -> dict[str, Point]:
    store = EdgeStore(Settings(_env_file=None, data_dir=data_dir))
    meta = store.meta()
    assert meta is not None
    store.open(meta)
    try:
        points, _ = store.scroll(limit=10_000, vectors=True)
    finally:
        store.close()
    assert len({point.id for point in points}) == len(points)
    return {point.id: point for point in points}


@pytest.mark.timeout(290)
def test_service_killed_while_it_writes_keeps_all_it_acknowledged_and_nothing_half(
    tmp_path: Path, tiny_openclip_dir: Path
) -> None:
    data_dir, encoder, chance = tmp_path / "data", f"local-dir:{tiny_openclip_dir}", random.Random(3)
    states: list[dict[str, int | None]] = [{} for _ in range(WRITERS)]
    for turn in range(ROUNDS):
        with serving(data_dir, encoder, tmp_path / f"log-{turn}") as service:
            writers = [
                Writer(f"w{n}", service.address, state, seed=100 * turn + n) for n, state in enumerate(states)
            ]
            # Deleting needs a collection, which the first product makes.
            httpx.put(f"{service.address}/products", json=record("first", 0)).raise_for_status()
            for writer in writers:
                writer.start()
            deadline = time.monotonic() + 60
            while not all(writer.answers for writer in writers) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.random())
            service.kill()
            for writer in writers:
                writer.join(40)
                assert not writer.is_alive() and not writer.refused, writer.refused
                assert writer.answers > 0, service.said()
        stored = stored_in(data_dir)
        for writer in writers:
            own = {name: point for name, point in stored.items() if name.startswith(f"{writer.name}-")}
            for name in own.keys() | writer.acknowledged.keys() | writer.open.keys():
                allowed = {writer.acknowledged.get(name)}
                if name in writer.open:
                    allowed.add(writer.open[name])
                assert _version(own.get(name)) in allowed, (turn, name, allowed)
                # What was left open is decided now; the next round goes on from it.
                writer.acknowledged[name] = _version(own.get(name))


def _version(point: Point | None) -> int | None:
    """The version all parts of a stored product agree on."""
    if point is None:
        return None
    version = int(point.payload["price"])
    assert point.payload["title"] == f"thing {version}" and point.payload["brand"] == f"brand {version}"
    assert set(point.vectors) == {"title"} and point.keywords is not None
    return version


@pytest.mark.timeout(280)
def test_searches_during_live_updates_meet_no_error_and_no_other_change(
    tmp_path: Path, tiny_openclip_dir: Path
) -> None:
    fixed, moving = [f"fixed-{n}" for n in range(20)], [f"moving-{n}" for n in range(5)]
    seen: list[tuple[int, frozenset[str], int]] = []
    done = threading.Event()

    def search(service: Service) -> None:
        with httpx.Client(base_url=service.address, timeout=30) as http:
            while not done.is_set():
                answer = http.get("/search", params={"q": "striped mug", "limit": 50})
                hits = [hit["id"] for hit in answer.json()["hits"]] if answer.status_code == 200 else []
                seen.append((answer.status_code, frozenset(hits), len(hits)))

    with (
        serving(tmp_path / "data", f"local-dir:{tiny_openclip_dir}", tmp_path / "log") as service,
        httpx.Client(base_url=service.address, timeout=30) as http,
    ):

        def put(names: list[str]) -> None:
            body = [{"id": name, "title": f"striped mug {name}"} for name in names]
            http.put("/products", json=body).raise_for_status()

        put(fixed)
        searcher = threading.Thread(target=search, args=(service,), daemon=True)
        searcher.start()
        for _ in range(15):
            put(moving)
            found = http.get("/search", params={"q": "striped mug", "limit": 50}).json()["hits"]
            assert {hit["id"] for hit in found} == {*fixed, *moving}
            http.delete("/products", params={"id": moving}).raise_for_status()
            found = http.get("/search", params={"q": "striped mug", "limit": 50}).json()["hits"]
            assert {hit["id"] for hit in found} == {*fixed}
        done.set()
        searcher.join(40)
    assert not searcher.is_alive() and len(seen) >= 15
    for status, hits, count in seen:
        assert status == 200 and count == len(hits)
        assert hits >= {*fixed} and hits <= {*fixed, *moving}
    assert len({hits for _, hits, _ in seen}) > 1, "no search met an update"
