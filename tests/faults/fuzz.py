"""Coverage-guided fuzzing (atheris, libFuzzer) of what meets untrusted bytes.

`python -m tests.faults.fuzz TARGET` runs one.

TARGET is `decoder` (picture files) or `query` (bodies of searches, addresses, filters, records). Options go
to libFuzzer: `-runs=1000000 CORPUS_FOLDER`. An input that ends in anything but a picture, a query or one of
our own errors is written to a file and ends the run. Inputs start from small valid ones, so that mutations
get past the first check.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services", "searcher", "PIL"]):
    from PIL import Image, ImageFile, features

    from searcher.api.reading import filter_of_address, parts_of_address, query_of_json
    from searcher.filters import parse_filters
    from services.catalogue.images import FORMATS, decode_image
    from services.catalogue.product import Product
    from services.errors import VitrineError
    from services.keywords import product_keywords, query_keywords
    from services.settings import Settings

SETTINGS = Settings(_env_file=None)
#: Small, so that a run is about parsing and not about filling memory.
MAX_PIXELS = 250_000


def decoder(data: bytes) -> None:
    """A picture comes out upright and RGB, within the limit, or an `ImageError`."""
    for target in (None, 96):
        try:
            image = decode_image(data, max_pixels=MAX_PIXELS, target=target)
        except VitrineError:
            continue
        assert image.mode == "RGB", image.mode
        assert 0 < image.width * image.height <= MAX_PIXELS, image.size
        image.tobytes()


def query(data: bytes) -> None:
    """Whatever a client sends is a query or an error of ours."""
    _ours(lambda: query_of_json(data, SETTINGS, 96))
    text = data.decode("utf-8", "replace")
    _ours(lambda: query_keywords(text))
    names = text.split("&")[:32]
    items = [(name.partition("=")[0], name.partition("=")[2]) for name in names]
    _ours(lambda: filter_of_address(items, ("q", "limit")))
    _ours(lambda: parts_of_address(text, names, names, names, SETTINGS))
    try:
        record = json.loads(data)
    except (ValueError, RecursionError):
        return
    _ours(lambda: parse_filters(record))
    try:
        product = Product.model_validate(record)
    except ValueError:
        return
    _ours(lambda: product_keywords(product))


def _ours(call: Callable[[], object]) -> None:
    try:
        call()
    except VitrineError as error:
        assert error.message and error.status < 500, error


def seeds(target: str, folder: Path) -> None:
    """Small valid inputs to mutate."""
    if target == "decoder":
        picture = Image.radial_gradient("L").resize((24, 16))
        modes = ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
        made = [
            (kind, mode) for kind in FORMATS if features.check("avif") or kind != "AVIF" for mode in modes
        ]
        for kind, mode in made:
            out = io.BytesIO()
            try:
                picture.convert("I" if mode == "I;16" else mode).convert(mode).save(out, kind)
            except (OSError, ValueError):
                continue  # that format has no such mode
            (folder / f"{kind}-{mode.replace(';', '-')}").write_bytes(out.getvalue())
        return
    tiny = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    bodies = [
        {"text": "red dress", "limit": 5, "offset": 2, "fusion": "rrf", "diversity": 0.4, "explain": True},
        {"parts": [{"text": "dress"}, {"text": "stripes", "weight": -1}, {"product": "a", "weight": 2}]},
        {"image": tiny, "box": [0.1, 0.1, 0.9, 0.9]},
        {"parts": [{"image": tiny, "box": [0, 0, 1, 1], "weight": 0.5}], "filters": {"id": ["a", "b"]}},
        {"text": "x", "filters": {"category": ["a"], "price": {"gte": 1, "lt": 9.5}, "not": {"brand": "b"}}},
        {"category": ["a"], "attributes.Heel height": {"gt": 2}, "not": {"tags": ["x"]}},
        {"id": "sku-1", "title": "Mug", "price": 3.5, "tags": ["a"], "attributes": {"ean": "4006381333931"}},
    ]
    for number, body in enumerate(bodies):
        (folder / f"body-{number}").write_text(json.dumps(body))
    (folder / "address").write_text("q=red&category=a&price_min=2&attributes.size=38&not=sku-1^-2&like=b^0.5")
    (folder / "code").write_text("EAN 4006381333931, ref. AB-12/34 红色 连衣裙 T-shirt")


def main() -> None:
    names = {"decoder": decoder, "query": query}
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        raise SystemExit(f"Usage: python -m tests.faults.fuzz {'|'.join(names)} [options of libFuzzer]")
    target = sys.argv[1]
    warnings.simplefilter("ignore")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with tempfile.TemporaryDirectory() as corpus:
        seeds(target, Path(corpus))
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], names[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
