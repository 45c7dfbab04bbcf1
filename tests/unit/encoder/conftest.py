"""Small checkpoints of transformers with random weights, and a hub on this machine to fetch from."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
import torch
import transformers
from huggingface_hub import constants
from tokenizers import normalizers

from tests.conftest import tiny_tokenizer

_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
_TEXT = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}


def _make(kind: str) -> tuple[Any, Any]:
    """(model, processor) of a family, with random weights."""
    tokenizer = tiny_tokenizer()
    cut = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    if kind == "siglip":
        config = transformers.SiglipConfig(
            text_config=_TEXT
            | {"projection_size": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
            vision_config=_VISION,
        )
        images = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
        # Some tokenizers published with SigLIP 2 leave capitals as they are.
        tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
        return transformers.SiglipModel(config), transformers.SiglipProcessor(images, tokenizer)
    if kind == "clip":
        config = transformers.CLIPConfig(
            text_config=_TEXT | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
            vision_config=_VISION,
            projection_dim=24,
        )
        images = transformers.CLIPImageProcessor(**cut)
        return transformers.CLIPModel(config), transformers.CLIPProcessor(images, tokenizer)
    config = transformers.ChineseCLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=24)
    images = transformers.ChineseCLIPImageProcessor(**cut)
    return transformers.ChineseCLIPModel(config), transformers.ChineseCLIPProcessor(images, tokenizer)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Family -> folder as save_pretrained() leaves it."""
    folders = {}
    for kind in ("siglip", "clip", "chinese-clip"):
        folders[kind] = tmp_path_factory.mktemp(kind)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            model, processor = _make(kind)
            with torch.no_grad():
                for parameter in model.parameters():
                    # Far from the tidy start values, so that a norm or a bias left out would show.
                    parameter.add_(0.1 * torch.randn_like(parameter))
        model.save_pretrained(folders[kind])
        processor.save_pretrained(folders[kind])
    return folders


class LocalHub:
    """Serves folders `root/ORGANISATION/NAME` by the part of the hub's protocol that downloads use."""

    SHA = "0123456789abcdef0123456789abcdef01234567"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.status: dict[str, tuple[int, str]] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.answer(self)

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        parts = [unquote(part) for part in urlsplit(request.path).path.strip("/").split("/")]
        api = parts[:2] == ["api", "models"]
        repository, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4 if api else 2 :]
        folder = self.root / repository
        if repository in self.status or not folder.is_dir():
            code, error = self.status.get(repository, (404, "RepoNotFound"))
            self._send(request, code, b"", {"X-Error-Code": error})
        elif api and rest[:1] == ["tree"]:
            self._send(
                request, 200, json.dumps([self._entry(path, folder) for path in self._files(folder)]).encode()
            )
        elif api:
            siblings = [{"rfilename": self._entry(path, folder)["path"]} for path in self._files(folder)]
            self._send(
                request, 200, json.dumps({"id": repository, "sha": self.SHA, "siblings": siblings}).encode()
            )
        elif (file := folder.joinpath(*rest[2:])).is_file():
            content = file.read_bytes()
            self._send(
                request,
                200,
                content,
                {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.SHA},
            )
        else:
            self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.SHA})

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.is_file())

    @staticmethod
    def _entry(path: Path, folder: Path) -> dict[str, Any]:
        content = path.read_bytes()
        return {
            "type": "file",
            "path": path.relative_to(folder).as_posix(),
            "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
        }

    @staticmethod
    def _send(
        request: BaseHTTPRequestHandler, code: int, content: bytes, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)


def _use_endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with nothing in it, in place of the user's; and no pause is ever waited out."""
    cache = tmp_path / "hub-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    huggingface_hub.close_session()

    def no_sleep(seconds: float) -> None:
        pytest.fail(f"a retry would have waited {seconds} s")

    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", no_sleep)
    return cache


@pytest.fixture
def no_hub(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a hub at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    _use_endpoint(monkeypatch, url)
    return url


@pytest.fixture
def local_hub(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub on this machine that serves what lies in its `root`."""
    (tmp_path / "hub").mkdir()
    hub = LocalHub(tmp_path / "hub")
    _use_endpoint(monkeypatch, hub.url)
    yield hub
    hub.close()
    huggingface_hub.close_session()
