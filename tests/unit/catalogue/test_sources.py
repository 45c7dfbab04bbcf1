"""Where pictures come from: paths within the folder, data URIs, and URLs of a real local server."""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalogue.images import (
    ImageEmpty,
    ImageMissing,
    ImageOutside,
    ImageSourceInvalid,
    ImageTooLarge,
    ImageUnreachable,
    brief,
    make_client,
    read_image_bytes,
    resolve_source,
)
from services.errors import ImageError
from services.settings import Settings
from tests.unit.catalogue.pictures import jpeg

SETTINGS = Settings(max_image_bytes=20_000, fetch_timeout=5.0)
PICTURE = jpeg()


def read(source: str, base: Path | None = None, settings: Settings = SETTINGS) -> bytes:
    return read_image_bytes(source, base=base, settings=settings)


# Paths


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    (root / "images").mkdir(parents=True)
    (root / "images" / "a b.jpg").write_bytes(PICTURE)
    (tmp_path / "secret.jpg").write_bytes(PICTURE)
    return root


@pytest.mark.parametrize("source", ["images/a b.jpg", "./images/../images/a b.jpg", "  images/a b.jpg "])
def test_path_is_taken_from_the_catalogue(shop: Path, source: str) -> None:
    assert read(source, shop) == PICTURE
    assert resolve_source(source, shop) == str(shop / "images" / "a b.jpg")


def test_absolute_path_may_point_into_the_folder_only(shop: Path) -> None:
    assert read(str(shop / "images" / "a b.jpg"), shop) == PICTURE
    with pytest.raises(ImageOutside):
        read(str(shop.parent / "secret.jpg"), shop)
    assert read(str(shop.parent / "secret.jpg")) == PICTURE


@pytest.mark.parametrize(
    "source", ["../secret.jpg", "images/../../secret.jpg", "/etc/passwd", "//host/a.jpg", "link.jpg"]
)
def test_nothing_outside_the_folder_is_read(shop: Path, source: str) -> None:
    (shop / "link.jpg").symlink_to("../secret.jpg")
    with pytest.raises(ImageOutside) as caught:
        read(source, shop)
    assert caught.value.field == "image" and "Put the picture" in caught.value.mend


def test_folder_itself_may_be_reached_by_a_link(shop: Path) -> None:
    link = shop.parent / "link"
    link.symlink_to(shop)
    assert read("images/a b.jpg", link) == PICTURE


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("images/none.jpg", ImageMissing),
        ("images", ImageSourceInvalid),
        (".", ImageSourceInvalid),
        ("pipe.jpg", ImageSourceInvalid),
        ("loop.jpg", ImageSourceInvalid),
        ("nul\0.jpg", ImageSourceInvalid),
        ("a" * 5000, ImageMissing),
        ("images/a b.jpg/x.jpg", ImageMissing),
        ("empty.jpg", ImageEmpty),
        ("large.jpg", ImageTooLarge),
        ("ftp://host/a.jpg", ImageSourceInvalid),
        ("file:///etc/passwd", ImageSourceInvalid),
        ("javascript:alert(1)", ImageSourceInvalid),
        ("s3://bucket/a.jpg", ImageSourceInvalid),
    ],
)
def test_path_that_is_no_picture_is_refused_with_a_reason(
    shop: Path, source: str, kind: type[ImageError]
) -> None:
    os.mkfifo(shop / "pipe.jpg")
    (shop / "loop.jpg").symlink_to("loop.jpg")
    (shop / "empty.jpg").touch()
    (shop / "large.jpg").write_bytes(b"x" * 20_001)
    with pytest.raises(ImageError) as caught:
        read(source, shop)
    assert type(caught.value) is kind and caught.value.field == "image" and caught.value.mend
    assert len(caught.value.message) < 400


def test_limit_of_bytes_is_exact(shop: Path) -> None:
    (shop / "just.jpg").write_bytes(b"x" * 20_000)
    assert len(read("just.jpg", shop)) == 20_000


# Data URIs


@given(st.binary(min_size=1, max_size=300))
def test_data_uri_in_every_way_of_writing_it(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    for source in (
        f"data:image/png;base64,{encoded}",
        f"DATA:;BASE64,{encoded}",
        f"data:image/png;charset=x;base64,{encoded.rstrip('=')}",
        f"data:image/png;base64,{urllib.parse.quote(encoded, safe='')}",
        "data:image/png;base64," + "\n ".join(encoded[at : at + 20] for at in range(0, len(encoded), 20)),
        f"data:image/png,{urllib.parse.quote_from_bytes(data)}",
    ):
        assert read(source) == data


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("data:image/png;base64", ImageSourceInvalid),
        ("data:image/png;base64,@@@@", ImageSourceInvalid),
        ("data:image/png;base64,AAAAA", ImageSourceInvalid),
        ("data:image/png;base64,", ImageEmpty),
        ("data:,", ImageEmpty),
        ("data:image/png;base64," + "A" * 26_672, ImageTooLarge),
        ("data:image/png;base64," + "A" * 1_000_000, ImageTooLarge),
        ("data:," + "x" * 20_001, ImageTooLarge),
    ],
)
def test_bad_data_uri_is_refused_without_being_repeated(source: str, kind: type[ImageError]) -> None:
    with pytest.raises(ImageError) as caught:
        read(source)
    assert type(caught.value) is kind and caught.value.mend and len(str(caught.value)) < 300


def test_long_sources_are_cut_when_shown() -> None:
    assert brief("images/a.jpg") == "images/a.jpg"
    assert len(brief("data:image/png;base64," + "A" * 1000)) < 120


# URLs


class Handler(BaseHTTPRequestHandler):
    """Each path misbehaves in its own way; `asked` counts the requests for it."""

    protocol_version = "HTTP/1.1"
    asked: Counter[str]
    hurry: threading.Event

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        times = self.asked[self.path]
        name = self.path.strip("/").split("/")[0]
        with contextlib.suppress(ConnectionError):
            getattr(self, f"answer_{name}")(times)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_ok(self, times: int) -> None:
        self.answer(200, PICTURE)

    def answer_redirect(self, times: int) -> None:
        left = int(self.path.rsplit("/", 1)[1])
        self.answer(302, Location=f"/redirect/{left - 1}" if left else "/ok")

    def answer_loop(self, times: int) -> None:
        self.answer(302, Location="/loop")

    def answer_status(self, times: int) -> None:
        self.answer(int(self.path.rsplit("/", 1)[1]), b"sorry")

    def answer_recovers(self, times: int) -> None:
        self.answer(200, PICTURE) if times == 3 else self.answer(503)

    def answer_breaks(self, times: int) -> None:
        """Closes the connection in the middle of the picture, the first time."""
        if times > 1:
            return self.answer(200, PICTURE)
        self.answer(200, PICTURE[:50], Content_Length=str(len(PICTURE)))
        self.close_connection = True

    def answer_drip(self, times: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        while not self.hurry.wait(0.05):
            self.wfile.write(b"x")

    def answer_silent(self, times: int) -> None:
        self.hurry.wait(30)
        self.close_connection = True

    def answer_large(self, times: int) -> None:
        self.answer(200, b"x" * 20_001)

    def answer_endless(self, times: int) -> None:
        """Chunked, so that no length is known beforehand."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.hurry.is_set():
            self.wfile.write(b"400\r\n" + b"x" * 0x400 + b"\r\n")

    def answer_empty(self, times: int) -> None:
        self.answer(200)

    def answer_bomb(self, times: int) -> None:
        self.answer(200, gzip.compress(b"\0" * 3_000_000), Content_Encoding="gzip")

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that hang up early are what some tests are about."""


@pytest.fixture
def server() -> Iterator[tuple[str, Counter[str]]]:
    Handler.asked, Handler.hurry = Counter(), threading.Event()
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", Handler.asked
        Handler.hurry.set()
        running.shutdown()


def test_url_is_fetched_also_with_a_shared_client(server: tuple[str, Counter[str]], tmp_path: Path) -> None:
    url, _ = server
    assert read(f"{url}/ok", tmp_path) == PICTURE
    with make_client(SETTINGS) as client:
        for _ in range(3):
            assert read_image_bytes(f"{url}/ok", base=None, settings=SETTINGS, client=client) == PICTURE


def test_redirects_are_followed_but_not_for_ever(server: tuple[str, Counter[str]]) -> None:
    url, asked = server
    assert read(f"{url}/redirect/3") == PICTURE
    with pytest.raises(ImageUnreachable, match="redirect"):
        read(f"{url}/loop")
    assert asked["/loop"] == 6  # not tried again: it would only loop once more


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_refusal_is_final(server: tuple[str, Counter[str]], status: int) -> None:
    url, asked = server
    with pytest.raises(ImageUnreachable, match=str(status)):
        read(f"{url}/status/{status}")
    assert asked[f"/status/{status}"] == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failure_is_tried_three_times(server: tuple[str, Counter[str]], status: int) -> None:
    url, asked = server
    with pytest.raises(ImageUnreachable, match=str(status)) as caught:
        read(f"{url}/status/{status}")
    assert asked[f"/status/{status}"] == 3 and caught.value.title == ImageUnreachable.title


def test_server_that_recovers_gives_the_picture(server: tuple[str, Counter[str]]) -> None:
    url, asked = server
    assert read(f"{url}/recovers") == PICTURE and asked["/recovers"] == 3
    assert read(f"{url}/breaks") == PICTURE and asked["/breaks"] == 2


@pytest.mark.parametrize("name", ["drip", "silent"])
def test_slow_server_is_left_after_the_time_allowed(server: tuple[str, Counter[str]], name: str) -> None:
    url, asked = server
    started = time.monotonic()
    with pytest.raises(ImageUnreachable, match="in time"):
        read(f"{url}/{name}", settings=Settings(fetch_timeout=0.5))
    # The drip of one byte each 50 ms would take 80 minutes; each read alone is well within its time.
    assert time.monotonic() - started < 30 and asked[f"/{name}"] == 1


@pytest.mark.parametrize("name", ["large", "endless", "bomb"])
def test_too_large_answers_are_cut_off(server: tuple[str, Counter[str]], name: str) -> None:
    url, asked = server
    with pytest.raises(ImageTooLarge):
        read(f"{url}/{name}")
    assert asked[f"/{name}"] == 1


def test_empty_answer_is_an_empty_picture(server: tuple[str, Counter[str]]) -> None:
    with pytest.raises(ImageEmpty):
        read(f"{server[0]}/empty")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/a.jpg",
        "http://no.such.host.invalid/a.jpg",
        "http://",
        "http://[::1/a",
        "http://a:b/",
    ],
)
def test_url_that_leads_nowhere_is_unreachable(url: str) -> None:
    with pytest.raises(ImageUnreachable) as caught:
        read(url, settings=Settings(fetch_timeout=3))
    assert caught.value.mend and caught.value.field == "image"
