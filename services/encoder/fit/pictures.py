"""A catalogue's pictures to train on: decoded once, kept as bytes on disk, mapped into memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.catalogue.images import decode_image, make_client, read_resolved, resolve_source
from services.catalogue.product import Product
from services.catalogue.readers import Catalogue
from services.errors import ImageError, NoPicture, VitrineError
from services.settings import Settings

Bytes = npt.NDArray[np.uint8]

#: JPEGs are decoded at a part of their size, no smaller than this; no method looks at more.
_DECODED = 640
#: Skipped pictures that are named; the others are counted.
_NAMED = 5


class CataloguePictures:
    """The products of a catalogue with their pictures, decoded as they are asked for.

    `where` keeps the products whose fields have these values. Rows and pictures that cannot be used are left
    out and noted in `skipped`, by id or row, for each pass anew.
    """

    def __init__(
        self, catalogue: Catalogue, settings: Settings, where: Mapping[str, str] | None = None
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._where = dict(where or {})
        self.skipped: list[tuple[str, VitrineError]] = []

    @property
    def fingerprint(self) -> str | None:
        """Equal as long as the catalogue's file is unchanged and the same products are asked for; None for a
        folder of pictures, in which changes do not show from outside."""
        if self._catalogue.path.is_dir():
            return None
        stat = self._catalogue.path.stat()
        parts = [
            str(self._catalogue.path.resolve()),
            str(self._catalogue.base),
            stat.st_size,
            stat.st_mtime_ns,
        ]
        return hashlib.sha256(json.dumps([*parts, sorted(self._where.items())]).encode()).hexdigest()

    def __iter__(self) -> Iterator[tuple[Product, Image.Image]]:
        self.skipped = []
        threads = self._settings.workers or os.cpu_count() or 1
        waiting: deque[tuple[Product, Future[Image.Image]]] = deque()
        with make_client(self._settings) as client, ThreadPoolExecutor(threads) as pool:

            def load(product: Product) -> Image.Image:
                if product.image is None:
                    raise NoPicture("The product has no picture.", mend="Give it one.", field="image")
                source = resolve_source(product.image, self._catalogue.base)
                data = read_resolved(source, shown=product.image, settings=self._settings, client=client)
                return decode_image(data, max_pixels=self._settings.max_image_pixels, target=_DECODED)

            for product in self._products():
                waiting.append((product, pool.submit(load, product)))
                if len(waiting) > 4 * threads:
                    yield from self._finished(waiting)
            while waiting:
                yield from self._finished(waiting)

    def _products(self) -> Iterator[Product]:
        seen: set[str] = set()
        for row in self._catalogue:
            if row.product is None:
                if row.error is not None:
                    self.skipped.append((row.raw_id or f"row {row.number}", row.error))
                continue
            chosen = all(row.product.text_of(field) == value for field, value in self._where.items())
            if chosen and row.product.id not in seen:
                seen.add(row.product.id)
                yield row.product

    def _finished(
        self, waiting: deque[tuple[Product, Future[Image.Image]]]
    ) -> Iterator[tuple[Product, Image.Image]]:
        product, future = waiting.popleft()
        try:
            yield product, future.result()
        except ImageError as error:
            self.skipped.append((product.id, error))


@dataclass(frozen=True)
class Pictures:
    """What is trained on: `pixels` uint8 [n, side, side, 3], mapped from disk; `labels` None where a product
    has none; `digest` is equal for equal pictures, labels and titles."""

    pixels: Bytes
    ids: list[str]
    labels: list[str | None]
    titles: list[str]
    digest: str

    def __len__(self) -> int:
        return len(self.ids)


def gather(
    products: Iterable[tuple[Product, Image.Image]],
    folder: Path,
    side: int,
    label: str | None,
    console: Console,
) -> Pictures:
    """Decode all pictures, squeezed to a square of `side` pixels, into files of the folder; what an earlier
    run left there of the same unchanged catalogue is used again."""
    folder.mkdir(parents=True, exist_ok=True)
    raw, listing = folder / "pictures.bin", folder / "pictures.json"
    fingerprint = products.fingerprint if isinstance(products, CataloguePictures) else None
    asked = {"fingerprint": fingerprint, "side": side, "label": label}
    if fingerprint is not None and listing.is_file():
        known = json.loads(listing.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return _mapped(raw, side, known)
    found: dict[str, list[str | None]] = {"ids": [], "labels": [], "titles": []}
    digest = hashlib.sha256()
    columns = (SpinnerColumn(), TextColumn("reading pictures"), MofNCompleteColumn(), TimeElapsedColumn())
    listing.unlink(missing_ok=True)
    with raw.open("wb") as file, Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for product, image in products:
            small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
            file.write(data := small.tobytes())
            row = (product.id, product.text_of(label) if label else None, product.title)
            for column, value in zip(found.values(), row, strict=True):
                column.append(value)
            digest.update(json.dumps(row).encode())
            digest.update(data)
            progress.advance(task)
    known = {"asked": asked, "digest": digest.hexdigest(), **found}
    part = listing.with_suffix(".part")
    part.write_text(json.dumps(known), encoding="utf-8")
    part.replace(listing)
    if isinstance(products, CataloguePictures) and products.skipped:
        _tell_skipped(products.skipped, console)
    return _mapped(raw, side, known)


def _mapped(raw: Path, side: int, known: dict[str, list[str]]) -> Pictures:
    shape = (len(known["ids"]), side, side, 3)
    empty = np.empty(shape, dtype=np.uint8)
    pixels = np.memmap(raw, np.uint8, "r", shape=shape) if shape[0] else empty
    return Pictures(pixels, known["ids"], list(known["labels"]), known["titles"], str(known["digest"]))


def _tell_skipped(skipped: list[tuple[str, VitrineError]], console: Console) -> None:
    more = f", and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
    named = "; ".join(f"{name}: {error.message}" for name, error in skipped[:_NAMED])
    console.print(f"[yellow]{len(skipped)} skipped[/yellow] ({escape(named)}{more})")


def held_back(ids: list[str], share: float) -> npt.NDArray[np.bool_]:
    """Which products are for validation: bool [n], by a hash of each id alone, whatever else there is."""
    # Salted, since a catalogue may be a part that was itself chosen by a hash of the ids.
    digests = [hashlib.sha256(f"vitrine train {one}".encode()).digest() for one in ids]
    drawn = [int.from_bytes(digest[:8], "big") / 2**64 for digest in digests]
    return np.array(drawn) < share
