"""`vitrine encoder list` and `add`: what is printed, and what a mistake ends in."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.encoder.choices import CLASSIC, KNOWN
from services.encoder.registry import describe
from services.errors import EncoderUnavailable
from tests.unit.encoder.conftest import LocalHub, empty_cache, local_hub, no_hub
from tests.unit.encoder.test_hub import publish
from vitrine.cli import app

__all__ = ["empty_cache", "local_hub", "no_hub"]


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["encoder", *arguments], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_list_tells_what_is_here_and_what_is_in_use(
    empty_cache: Path, compact_encoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path))
    snapshot = empty_cache / "models--timm--ViT-B-16-SigLIP2" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"x")
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert list(rows) == [choice.name for choice in (*KNOWN, *CLASSIC)]
    shipped = rows["vitrine-compact"]
    facts = describe(compact_encoder)
    assert shipped["here"] == "shipped" and shipped["in_use"]
    assert (shipped["parameters"], shipped["dim"], shipped["image_size"]) == (
        facts["parameters"],
        facts["dim"],
        facts["image_size"],
    )
    assert rows["ViT-B-16-SigLIP2/webli"]["here"] == "downloaded"
    assert rows["hf-hub:Marqo/marqo-fashionSigLIP"]["here"] == ""
    fetched = [row for row in rows.values() if row["use"] not in ("shipped", "classic")]
    assert all(row["download_bytes"] > 1e8 for row in fetched)


def test_the_table_names_every_choice(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    printed = run("list")
    for choice in KNOWN:
        assert choice.name in printed and choice.note in printed


def test_add_downloads_tries_and_tells(local_hub: LocalHub, tiny_openclip_dir: Path) -> None:
    publish(tiny_openclip_dir, local_hub, "shop/tiny")
    facts = json.loads(run("add", "hf-hub:shop/tiny", "--json"))
    assert facts["dim"] == 32 and facts["name"] == "hf-hub:shop/tiny"
    local_hub.close()
    assert "is ready: 32-d" in run("add", "hf-hub:shop/tiny"), "what was added needs no hub"


def test_add_shows_bytes_rate_and_time_left(
    local_hub: LocalHub, tiny_openclip_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a terminal of its own, as bars are only drawn for people."""
    publish(tiny_openclip_dir, local_hub, "shop/tiny")
    answer = local_hub.answer

    def slowly(request: BaseHTTPRequestHandler) -> None:
        if request.command == "GET" and request.path.endswith(".safetensors"):
            threading.Event().wait(1.0)
        answer(request)

    monkeypatch.setattr(local_hub, "answer", slowly)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 120))
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", "encoder", "add", "hf-hub:shop/tiny"],
        stdout=subprocess.PIPE,
        stderr=slave,
        env=os.environ
        | {
            "HF_ENDPOINT": local_hub.url,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "VITRINE_DEVICE": "cpu",
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        },
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    assert process.stdout is not None
    out = process.stdout.read()
    process.wait()  # without a limit: waiting for one sleeps, which this fixture forbids
    assert process.returncode == 0, seen.decode()
    assert b"is ready: 32-d" in out
    bars = seen.decode()
    assert re.search(r"downloading +\d+% \|.*\| [\d.]+[kM]?B?/[\d.]+[kM]B? .*B/s \d+:\d+<\d+:\d+", bars), bars


@pytest.mark.parametrize(
    ("name", "reason", "mend"),
    [
        ("hf-hub:shop/none", "is not on", "spelling"),
        ("ViT-B-23/laion2b", "knows no model", "Did you mean"),
        ("hf-hub:", "ends where a model should follow", "Give one"),
    ],
)
def test_add_names_the_model_the_reason_and_the_mend(
    local_hub: LocalHub, name: str, reason: str, mend: str
) -> None:
    with pytest.raises(EncoderUnavailable, match=reason) as caught:
        run("add", name)
    assert name.split("/")[0] in str(caught.value)
    assert mend in caught.value.mend and "\n" not in str(caught.value)


def test_add_without_a_network(no_hub: str) -> None:
    with pytest.raises(EncoderUnavailable, match="cannot be reached") as caught:
        run("add", "hf-hub:shop/tiny")
    assert "'hf-hub:shop/tiny'" in str(caught.value) and "HF_ENDPOINT" in caught.value.mend


def test_add_of_damaged_weights(local_hub: LocalHub, tiny_openclip_dir: Path) -> None:
    folder = publish(tiny_openclip_dir, local_hub, "shop/tiny")
    (folder / "open_clip_model.safetensors").write_bytes(b"12345678 not weights")
    with pytest.raises(EncoderUnavailable, match="damaged") as caught:
        run("add", "hf-hub:shop/tiny")
    assert "Fetch or copy the file again" in caught.value.mend


def test_the_classic_methods_are_listed_and_say_that_they_see_pictures_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    printed = run("list")
    for choice in CLASSIC:
        assert choice.name in printed and choice.note in printed
    assert "pictures only" in printed
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows["hog"]["here"] == "installed" and rows["hog"]["use"] == "classic"


def test_add_tries_an_encoder_that_sees_pictures_only() -> None:
    facts = json.loads(run("add", "hog", "--json"))
    assert facts["sees"] == "pictures only" and facts["dim"] == 901 and "context_length" not in facts
