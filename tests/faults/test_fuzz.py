"""A short run of each fuzz target, and proof that it would tell."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris is not installed (it comes for Linux alone)")

ROOT = Path(__file__).parents[2]


def fuzz(target: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults.fuzz", target, "-seed=1", "-timeout=30", *options]
    command += [f"-artifact_prefix={folder}/", "-rss_limit_mb=4000"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("target", ["decoder", "query"])
def test_ten_thousand_inputs_end_in_results_or_clear_errors(target: str, tmp_path: Path) -> None:
    done = fuzz(target, tmp_path, "-runs=10000", "-max_len=20000")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Done 10000 runs" in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_unforeseen_error_ends_the_run_and_keeps_the_input(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.faults import fuzz\n"
        "def target(data):\n"
        "    if data.startswith(b'{') and b'dress' in data: raise KeyError('unforeseen')\n"
        "fuzz.query = target; sys.argv[1:] = ['query', '-runs=1000', sys.argv[1]]; fuzz.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert [path.name.startswith("crash-") for path in tmp_path.iterdir()] == [True]
