"""kill -9 at fifty random moments; in a process of its own, since it forks."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(290)
def test_fifty_kills_at_random_moments_lose_and_double_nothing(tiny_openclip_dir: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.kills", "50", "1", f"local-dir:{tiny_openclip_dir}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "50 kills, nothing lost" in done.stdout
