"""The service as a process of its own, with all that its clients were told."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

#: Seconds the service may take to start; torch alone takes several on a busy machine.
STARTS = 120.0


class Service:
    """`vitrine serve` on a free port; `address` is where it listens."""

    def __init__(self, data_dir: Path, encoder: str, log: Path, **settings: str) -> None:
        environment = os.environ | {
            "VITRINE_DATA_DIR": str(data_dir),
            "VITRINE_ENCODER": encoder,
            "VITRINE_DEVICE": "cpu",
            "VITRINE_PORT": "0",
            "VITRINE_LOG_FORMAT": "json",
            "OMP_NUM_THREADS": "1",
            **{f"VITRINE_{name.upper()}": value for name, value in settings.items()},
        }
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vitrine.cli", "serve"],
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.address = self._listening()

    def said(self) -> str:
        """All that it printed so far."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait for it."""
        self.process.kill()
        self.process.wait()

    def _listening(self) -> str:
        end = time.monotonic() + STARTS
        while time.monotonic() < end:
            for address in re.findall(r"http://127\.0\.0\.1:\d+", self.said()):
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                        return str(address)
            if self.process.poll() is not None:
                raise RuntimeError(f"The service ended with {self.process.returncode}: {self.said()}")
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"The service did not start: {self.said()}")


@contextlib.contextmanager
def serving(data_dir: Path, encoder: str, log: Path, **settings: str) -> Iterator[Service]:
    """A service that is gone at the end, however that comes."""
    service = Service(data_dir, encoder, log, **settings)
    try:
        yield service
    finally:
        service.kill()
