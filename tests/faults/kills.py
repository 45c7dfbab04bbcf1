"""`python -m tests.faults.kills`: kill -9 an indexer at many random moments, and look at what is left.

Each round indexes a catalogue into a store of its own, empty or holding an earlier version of the catalogue,
and is killed again and again before it may end once. The store must then equal one that was never killed:
ids, payloads, vectors and keywords. Indexers are forks of this process, which has loaded what takes long to
load, so that a kill costs a fraction of a second and falls on the work and not on imports.
"""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from indexer.worker import index_catalogue
from services.encoder.registry import load_encoder
from services.points import INDEXED_AT
from services.settings import Settings
from services.store.edge import EdgeStore

PRODUCTS = 80
#: Kills of one round.
KILLS = 5


def write(folder: Path, version: int) -> Path:
    """Two versions of a catalogue: a third of the products changes, a tenth goes, as many come."""
    path = folder / f"products-{version}.csv"
    for number in range(16):
        Image.new("RGB", (48, 48), (number * 16, 90, 160)).save(folder / f"{number}.jpg")
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "title", "price", "image"])
        for number in range(PRODUCTS):
            own = number + PRODUCTS if version and number % 10 == 0 else number
            title = f"thing {own}" + (" changed" if version and number % 3 == 0 else "")
            picture = (number + version * (number % 3 == 0)) % 16
            out.writerow([f"k{own}", title, own, f"{picture}.jpg" if number % 4 else ""])
    return path


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a fork of this process; returns its process id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        # What it has to say belongs to nobody.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        work()
        code = 0
    except BaseException as error:  # a fork must never go on as this process
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    os._exit(code)


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def contents(settings: Settings) -> dict[str, object]:
    """All that a store holds, by product id, but for the time it was written."""
    store = EdgeStore(settings)
    meta = store.meta()
    assert meta is not None
    store.open(meta)
    points, cursor = store.scroll(limit=10_000, vectors=True)
    store.close()
    assert cursor is None
    return {
        point.id: [
            {key: value for key, value in point.payload.items() if key != INDEXED_AT},
            {name: [round(float(v), 5) for v in vector] for name, vector in sorted(point.vectors.items())},
            list(zip(point.keywords.indices, point.keywords.values, strict=True)) if point.keywords else None,
        ]
        for point in points
    }


def run(times: int, seed: int, encoder_name: str, say: Callable[[str], None]) -> list[str]:
    """Kill `times` indexers; returns what was wrong afterwards, a line for each round that differs."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(
            _env_file=None, data_dir=folder, encoder=encoder_name, batch_size=8, device="cpu", workers=1,
            runtime="torch",
        )  # fmt: skip
        encoder = load_encoder(settings)
        versions = [write(folder, version) for version in (0, 1)]

        def own(place: str) -> Settings:
            return settings.model_copy(update={"data_dir": folder / place})

        def index(place: str, version: int) -> Callable[[], None]:
            def work() -> None:
                store = EdgeStore(own(place))
                index_catalogue(versions[version], own(place), encoder, store, prune=True)
                store.close()

            return work

        def dump(place: str, out: Path) -> Callable[[], None]:
            return lambda: out.write_text(json.dumps(contents(own(place)), sort_keys=True)) and None

        def held(place: str) -> str:
            out = folder / f"{place}.json"
            assert wait(forked(dump(place, out))) == 0, f"{place} cannot be read"
            return out.read_text()

        begun = time.monotonic()
        assert wait(forked(index("whole", 1))) == 0
        whole = time.monotonic() - begun
        expected, killed, round_number = held("whole"), 0, 0
        say(f"an indexer that is left alone takes {whole:.2f} s")
        while killed < times:
            place, round_number = f"round-{round_number}", round_number + 1
            if round_number % 2 == 0:
                assert wait(forked(index(place, 0))) == 0
            for _ in range(KILLS):
                pid = forked(index(place, 1))
                time.sleep(chance.uniform(0, 0.9 * whole))
                os.kill(pid, signal.SIGKILL)
                if wait(pid) != -signal.SIGKILL:  # it was done before
                    break
                killed += 1
            if wait(forked(index(place, 1))):
                wrong.append(f"{place}: it did not go on")
            elif held(place) != expected:
                wrong.append(f"{place}: its store is not that of an indexer left alone")
            say(f"{place}: {killed} killed")
    return wrong


def main() -> None:
    """`python -m tests.faults.kills [TIMES [SEED [ENCODER]]]`"""
    given = sys.argv[1:]
    times, seed = int(given[0]) if given else 50, int(given[1]) if len(given) > 1 else 0
    begun = time.monotonic()
    wrong = run(times, seed, given[2] if len(given) > 2 else "vitrine-compact", print)
    print("\n".join(wrong) or f"{times} kills, nothing lost, in {time.monotonic() - begun:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
