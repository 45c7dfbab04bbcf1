"""The worker killed, interrupted and doubled, as processes: the next run ends where one run would have."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.report import Counts, Report
from indexer.worker import index_catalogue
from services.encoder.dual import DualEncoder
from services.points import INDEXED_AT
from services.settings import Settings
from services.store.base import Point
from services.store.edge import EdgeStore
from tests.faults.processes import Pictures, picture_server, start, write_catalogue

COUNT = 60


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    with picture_server() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, tiny_openclip_dir: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data", encoder=f"local-dir:{tiny_openclip_dir}", batch_size=4, device="cpu"
    )


@pytest.fixture
def catalogue(tmp_path: Path, pictures: Pictures) -> Path:
    path = tmp_path / "products.csv"
    write_catalogue(path, COUNT, pictures.address)
    return path


@pytest.fixture
def index_here(catalogue: Path, settings: Settings, tiny_encoder: DualEncoder) -> Callable[..., Any]:
    """Indexes in this process; returns the report, what is stored, and the rejects."""

    def run(data_dir: Path) -> tuple[Report, dict[str, Point], list[str]]:
        own = settings.model_copy(update={"data_dir": data_dir})
        store = EdgeStore(own)
        try:
            report = index_catalogue(catalogue, own, tiny_encoder, store)
            points, _ = store.scroll(limit=1000, vectors=True)
        finally:
            store.close()
        assert report.rejects is not None
        return report, {point.id: point for point in points}, report.rejects.read_text().splitlines()

    return run


def assert_same(stored: dict[str, Point], expected: dict[str, Point]) -> None:
    assert stored.keys() == expected.keys()
    for name, point in stored.items():
        for payload in (point.payload, expected[name].payload):
            payload.pop(INDEXED_AT)
        assert point.payload == expected[name].payload
        assert point.vectors.keys() == expected[name].vectors.keys()
        for field, vector in point.vectors.items():
            np.testing.assert_allclose(vector, expected[name].vectors[field], atol=1e-6)


@pytest.mark.timeout(280)
def test_worker_killed_at_random_moments_ends_where_an_unkilled_one_does(
    tmp_path: Path, catalogue: Path, settings: Settings, pictures: Pictures, index_here: Callable[..., Any]
) -> None:
    pictures.open.set()
    _, expected, expected_rejects = index_here(tmp_path / "unkilled")
    chance = random.Random(7)
    for _ in range(2):
        pictures.limit(chance.randrange(10, COUNT))
        worker = start(catalogue, settings)
        assert pictures.reached.wait(200), worker.communicate()
        # Anywhere in decoding, encoding and writing what came so far, and hanging on what did not.
        time.sleep(chance.random() * 0.3)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    pictures.open.set()
    report, stored, rejects = index_here(settings.data_dir)
    assert_same(stored, expected)
    assert rejects == expected_rejects
    assert report.counts.added + report.counts.unchanged == COUNT and report.counts.unchanged > 0


@pytest.mark.timeout(280)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_what_was_begun_and_says_how_to_go_on(
    catalogue: Path, settings: Settings, pictures: Pictures, index_here: Callable[..., Any], number: int
) -> None:
    pictures.limit(30)
    worker = start(catalogue, settings)
    assert pictures.reached.wait(200), worker.communicate()
    time.sleep(0.2)
    worker.send_signal(number)
    output, errors = worker.communicate(timeout=200)
    assert worker.returncode == 130, errors
    assert "Traceback" not in errors and not output
    said = re.search(r"Stopped\. (\d+) products are stored.*goes on from there", " ".join(errors.split()))
    assert said is not None, errors
    pictures.open.set()
    report, stored, rejects = index_here(settings.data_dir)
    assert report.counts == Counts(
        read=COUNT + 1, added=COUNT - int(said[1]), unchanged=int(said[1]), rejected=1
    )
    # Full batches of what came through, and the one that was being gathered.
    assert int(said[1]) >= 4 and len(stored) == COUNT and len(rejects) == 1


@pytest.mark.timeout(280)
def test_second_worker_is_refused_while_the_first_goes_on(
    catalogue: Path, settings: Settings, pictures: Pictures
) -> None:
    pictures.limit(10)
    first = start(catalogue, settings, "--json")
    assert pictures.reached.wait(200), first.communicate()
    second = start(catalogue, settings)
    _, errors = second.communicate(timeout=200)
    assert second.returncode == 2 and "Store in use" in errors and "Traceback" not in errors
    pictures.open.set()
    output, errors = first.communicate(timeout=200)
    assert first.returncode == 1, errors  # for the one bad row
    report = json.loads(output)
    assert (report["read"], report["added"], report["rejected"]) == (COUNT + 1, COUNT, 1)
