"""One catalogue with every kind of broken row: each is named with its mend, and all others are indexed."""

from __future__ import annotations

import http.server
import json
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.report import Counts
from indexer.worker import index_catalogue
from services.encoder.dual import DualEncoder
from services.settings import Settings
from services.store.edge import EdgeStore
from tests.unit.catalogue.pictures import jpeg, noise


@pytest.fixture
def server() -> Iterator[str]:
    """A web server that has one picture and one page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"/picture.jpg": jpeg(), "/page.jpg": b"<!doctype html><html></html>"}.get(self.path)
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def bomb(side: int) -> bytes:
    """A small PNG file that would unfold to `side` x `side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


#: (line, id, title of the reject, field, a word of its mend); {server} is the server's address.
BROKEN = [
    (b"b1,t", "b1", "Wrong number of columns", None, "Fill in"),
    (b"b2,t,good.jpg,5,red,6", "b2", "Wrong number of columns", None, "Quote"),
    (b'b3,"never closed,good.jpg,5,red', "b3", "Not valid syntax", None, "Double the quotes"),
    (b"b4,caf\xe9,good.jpg,5,red", "b4", "Not UTF-8", "title", "UTF-8"),
    (b"b\xe95,t,good.jpg,5,red", None, "Not UTF-8", "id", "UTF-8"),
    (b",t,good.jpg,5,red", None, "No id", "id", "id of its own"),
    (b"b7,,,5,red", "b7", "Neither title nor picture", "title", "at least one"),
    (b"b8,t,good.jpg,free,red", "b8", "Bad price", "price", "number"),
    (b"b9,t,good.jpg,-5,red", "b9", "Bad price", "price", "0 or more"),
    (b"b10,t,good.jpg,1.2.3,red", "b10", "Bad price", "price", "number"),
    (b"b11," + b"t" * 2001 + b",good.jpg,5,red", "b11", "Bad value", "title", "2000"),
    (b"c" * 257 + b",t,good.jpg,5,red", "c" * 257, "Bad value", "id", "256"),
    (b"g0,again,good.jpg,5,red", "g0", "Duplicate id", "id", "id of its own"),
    (b"b14,t,none.jpg,5,red", "b14", "Picture not found", "image", "path"),
    (b"b15,t,../outside.jpg,5,red", "b15", "Picture outside the folder", "image", "under"),
    (b"b16,t,empty.jpg,5,red", "b16", "Empty picture", "image", "Copy"),
    (b"b17,t,cut.jpg,5,red", "b17", "Damaged picture", "image", "Copy"),
    (b"b18,t,drawing.jpg,5,red", "b18", "Not a known picture format", "image", "JPEG"),
    (b"b19,t,bomb.png,5,red", "b19", "Picture too large", "image", "VITRINE_MAX_IMAGE_PIXELS"),
    (b"b20,t,heavy.jpg,5,red", "b20", "Picture too large", "image", "VITRINE_MAX_IMAGE_BYTES"),
    (b"b21,t,line.jpg,5,red", "b21", "Picture too large", "image", "100 times"),
    (b"b22,t,folder,5,red", "b22", "Bad picture address", "image", "picture file"),
    (b"b23,t,ftp://host/a.jpg,5,red", "b23", "Bad picture address", "image", "http"),
    (b"b24,t,data:image/png;base64:@@@@,5,red", "b24", "Bad picture address", "image", "base64"),
    (b"b25,t,{server}/none.jpg,5,red", "b25", "Picture cannot be fetched", "image", "URL"),
    (b"b26,t,{server}/page.jpg,5,red", "b26", "Not a known picture format", "image", "JPEG"),
    (b"b27,t,http://127.0.0.1:1/a.jpg,5,red", "b27", "Picture cannot be fetched", "image", "URL"),
    (b"b29,t,huge.png,5,red", "b29", "Picture too large", "image", "smaller picture"),
    (b"b28,t,folder/../../outside.jpg,5,red", "b28", "Picture outside the folder", "image", "under"),
]


@pytest.mark.filterwarnings("ignore:::PIL")
def test_each_broken_row_is_named_with_its_mend_and_all_others_are_indexed(
    tmp_path: Path, server: str, tiny_encoder: DualEncoder
) -> None:
    shop = tmp_path / "shop"
    (shop / "folder").mkdir(parents=True)
    pictures = {
        "good.jpg": jpeg(),
        "../outside.jpg": jpeg(),
        "empty.jpg": b"",
        "cut.jpg": noise((60, 60))[:900],
        "drawing.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "bomb.png": bomb(12_000),
        "huge.png": bomb(60_000),
        "heavy.jpg": noise((200, 200)),
        "line.jpg": jpeg((500, 2)),
    }
    for name, data in pictures.items():
        (shop / name).write_bytes(data)
    content = b"id,title,image,price,colour\n"
    for number, (line, *_) in enumerate(BROKEN):
        source = "good.jpg" if number % 2 else f"{server}/picture.jpg"
        content += f'g{number},"good, ""quoted""",{source},"1.299,50 €",red\n'.encode()
        content += line.replace(b"{server}", server.encode()) + b"\n"
    (shop / "products.csv").write_bytes(content)

    settings = Settings(
        data_dir=tmp_path / "data", batch_size=8, device="cpu", max_image_bytes=20_000, fetch_timeout=5
    )
    store = EdgeStore(settings)
    report = index_catalogue(shop / "products.csv", settings, tiny_encoder, store)

    good, bad = len(BROKEN), len(BROKEN)
    assert report.counts == Counts(read=good + bad, added=good, rejected=bad)
    assert report.rejects is not None
    found = [json.loads(line) for line in report.rejects.read_text().splitlines()]
    expected = [(3 + 2 * number, *case[1:4]) for number, case in enumerate(BROKEN)]
    assert [(entry["row"], entry["id"], entry["title"], entry["field"]) for entry in found] == expected
    for entry, (*_, mend) in zip(found, BROKEN, strict=True):
        assert mend in entry["mend"] and entry["reason"], entry
        assert len(entry["reason"]) < 400
    assert found[12]["reason"].count("row 2") == 1

    points = {point.id: point for point in store.scroll(limit=100, vectors=True)[0]}
    assert points.keys() == {f"g{number}" for number in range(good)}
    for point in points.values():
        assert set(point.vectors) == {"image", "title"}
        assert (point.payload["title"], point.payload["price"], point.payload["currency"]) == (
            'good, "quoted"',
            1299.5,
            "EUR",
        )
    store.close()
