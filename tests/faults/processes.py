"""The worker as a process of its own, and a picture server that decides how far it gets."""

from __future__ import annotations

import contextlib
import csv
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from services.settings import Settings
from tests.unit.catalogue.pictures import jpeg


class Pictures:
    """Serves `/NUMBER.jpg`, each in a colour of its own, but no more than `allowed` of them at first.

    Requests beyond wait until `open` is set, so a worker can be caught at a known point.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.allowed = 0
        self.open = threading.Event()
        self.reached = threading.Event()
        self._lock = threading.Lock()
        self._served = 0

    def limit(self, allowed: int) -> None:
        self.open.clear()
        self.reached.clear()
        self._served, self.allowed = 0, allowed

    def wait_turn(self) -> None:
        with self._lock:
            self._served += 1
            beyond = self._served > self.allowed
        if beyond:
            self.reached.set()
            self.open.wait(250)


@contextlib.contextmanager
def picture_server() -> Iterator[Pictures]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pictures.wait_turn()
            number = int(self.path.strip("/").removesuffix(".jpg"))
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(jpeg((32, 32), (number * 7 % 256, number * 13 % 256, 90)))

        def log_message(self, *_: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """A worker that is killed hangs up."""

    with Server(("127.0.0.1", 0), Handler) as running:
        pictures = Pictures(f"http://127.0.0.1:{running.server_port}")
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield pictures
        pictures.open.set()
        running.shutdown()


def write_catalogue(path: Path, count: int, address: str) -> None:
    """`count` products with pictures from the server, and one row that cannot be used."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "image", "price"])
        writer.writerow(["bad", "x", f"{address}/0.jpg", "free"])
        writer.writerows([f"p{n}", f"title {n}", f"{address}/{n}.jpg", n] for n in range(count))


def start(catalogue: Path, settings: Settings, *options: str) -> subprocess.Popen[str]:
    """`vitrine index` in a process of its own."""
    environment = os.environ | {
        "VITRINE_DATA_DIR": str(settings.data_dir),
        "VITRINE_ENCODER": settings.encoder,
        "VITRINE_BATCH_SIZE": str(settings.batch_size),
        "VITRINE_DEVICE": "cpu",
        # As the encoder that the tests compare with computes, whatever the processor is good at.
        "VITRINE_PRECISION": "fp32",
        "VITRINE_RUNTIME": "torch",
        # Longer than any test holds a picture back.
        "VITRINE_FETCH_TIMEOUT": "250",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", "index", str(catalogue), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
