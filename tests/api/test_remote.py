"""Pictures by URL, from a real server on loopback, which the tests permit for themselves."""

import ipaddress
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from searcher.api.remote import fetch_public, is_public, resolve
from services.errors import ImageError
from services.settings import Settings
from tests.api.conftest import draw, file_of, problem

PICTURE = file_of(draw("red", "mug"))
LOOPBACK = ipaddress.ip_address("127.0.0.1")
SETTINGS = Settings(fetch_timeout=2, max_image_bytes=10_000)


class Handler(BaseHTTPRequestHandler):
    hosts: ClassVar[list[str]] = []
    released = threading.Event()

    def do_GET(self):
        self.hosts.append(self.headers["Host"])
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        if self.path == "/large":
            for _ in range(100):
                self.wfile.write(b"x" * 1000)
        elif self.path == "/drip":
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                if self.released.wait(0.1):
                    return
        else:
            self.wfile.write(PICTURE)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://shop.example:{httpd.server_address[1]}"
    Handler.released.set()
    httpd.shutdown()
    httpd.server_close()


def fetch(url, addresses=("127.0.0.1",), permitted=(LOOPBACK,), settings=SETTINGS):
    def resolver(host, port):
        if host in ("shop.example", "127.0.0.1"):
            return [ipaddress.ip_address(address) for address in addresses]
        if host == "inside.example":
            return [ipaddress.ip_address("10.0.0.7")]
        raise OSError("unknown")

    return fetch_public(url, settings, resolver=resolver, permitted=lambda address: address in permitted)


def refused(url, **options):
    with pytest.raises(ImageError) as caught:
        fetch(url, **options)
    assert caught.value.field == "image" and caught.value.mend
    return str(caught.value)


def test_the_connection_goes_to_the_checked_address_under_the_given_name(server):
    Handler.hosts.clear()
    assert fetch(f"{server}/a.png") == PICTURE
    assert Handler.hosts == [server.removeprefix("http://")]


def test_redirects_are_followed_and_checked_each(server):
    assert fetch(f"{server}/to//a.png") == PICTURE
    assert fetch(f"{server}/to/{server}/a.png") == PICTURE
    assert "public" in refused(f"{server}/to/http://inside.example/a.png")
    assert "http(s)" in refused(f"{server}/to/file:///etc/passwd")
    assert "redirects too often" in refused(f"{server}/loop")


def test_every_address_of_a_name_must_be_permitted(server):
    assert "public" in refused(f"{server}/a.png", addresses=("127.0.0.1", "10.0.0.7"))
    assert "public" in refused(f"{server}/a.png", addresses=())
    assert "public" in refused(f"{server}/a.png", permitted=())


def test_what_cannot_be_had(server):
    assert "404" in refused(f"{server}/missing")
    assert "larger" in refused(f"{server}/large")
    assert "not known" in refused("http://nowhere.example/a.png")
    assert "http(s)" in refused("ftp://shop.example/a.png")
    assert "http(s)" in refused("gopher://shop.example/a.png")
    assert refused("http://")
    assert refused("http://shop.example:99999/")
    assert "time" in refused(f"{server}/drip", settings=Settings(fetch_timeout=0.5))
    closed = server.rpartition(":")[0] + ":1"
    assert "cannot be fetched" in refused(f"{closed}/a.png")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.0", "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
        "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "fd12:3456::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:db8::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fec0::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"]
)
def test_addresses_that_are_public(address):
    assert is_public(ipaddress.ip_address(address))


def test_names_and_numbers_are_resolved_alike():
    assert ipaddress.ip_address("127.0.0.1") in resolve("127.0.0.1", 80)
    assert all(address.is_loopback for address in resolve("localhost", 80))
    # Other spellings of 127.0.0.1 that a check of the text would miss.
    for spelling in ("2130706433", "0x7f.1", "127.1"):
        assert not any(is_public(address) for address in resolve(spelling, 80))


@pytest.mark.anyio
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/products/a/image", "http://localhost/a.png", "http://[::1]/a.png", "http://2130706433/",
        "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://0/", "HTTP://127.1/",
        "http://[::ffff:127.0.0.1]/a.png", "http://user:pass@127.0.0.1/a.png",
    ],
)  # fmt: skip
async def test_a_request_cannot_reach_inside(open_shop, url):
    shop = open_shop(filled=True, allow_query_urls=True)
    found = problem(await shop.client.post("/search", json={"image": url}), 422, "image")
    assert "not a public address" in found["detail"]
    found = problem(await shop.client.put("/products", json={"id": "a", "image": url}), 422, "image")
    assert "not a public address" in found["detail"]
