"""Which products of a labelled catalogue are trained on and which are searched."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.product import Product
from services.catalogue.readers import Catalogue
from services.encoder.train.photos import fixed_splits, near_duplicates
from services.errors import InvalidInput, VitrineError
from services.settings import Settings

#: Share of the products that is searched, where the catalogue does not say which.
TEST_SHARE = 0.2
#: Longest side in pixels at which pictures are kept while they are compared; no method here sees more.
SIDE = 256
#: Field that says which products are for what, and its word for those that are searched.
FIELD, TEST = "split", "test"
_THUMBNAIL = 64


@dataclass(frozen=True)
class Item:
    """A product with its label and its picture."""

    product: Product
    label: str
    picture: Image.Image


@dataclass(frozen=True)
class Split:
    """Products to train on and products to search; `unused` is how many rows had no label or no picture
    that can be opened, `beyond` how many were more than was asked for, `by` says in words how they were
    divided."""

    train: list[Item]
    test: list[Item]
    unused: int
    by: str
    beyond: int = 0

    @property
    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) over what figures depend on: the products, their labels and pictures."""
        digest = hashlib.sha256()
        for items in (self.train, self.test):
            for item in items:
                digest.update(f"{item.product.id}\0{item.label}\0".encode())
                digest.update(item.picture.resize((8, 8)).tobytes())
            digest.update(b"|")
        return digest.hexdigest()[:16]


def split_catalogue(
    catalogue: Catalogue,
    settings: Settings,
    label: str,
    most: int,
    console: Console,
    *,
    where: Mapping[str, str] | None = None,
) -> Split:
    """Open all pictures and divide the products, the same way at every call.

    By the field `split` where there is one; the photos that the shipped encoder is measured on as it was
    trained; else by id, near-duplicate pictures on one side. `where` keeps the products whose fields have
    these values; of a longer catalogue `most` products are taken, by a hash of their ids. Raises
    `InvalidInput` for too few products or labels to compare anything.
    """
    rows = [
        row.product
        for row in catalogue
        if row.product is not None
        and all(value_of(row.product, field) == value for field, value in (where or {}).items())
    ]
    labelled = [(one, value) for one in rows if one.image and (value := value_of(one, label))]
    # By another hash than the one that divides: the lowest of that would all be held back.
    taken = sorted(labelled, key=lambda pair: _hash(f"taken {pair[0].id}"))[:most]
    beyond = len(labelled) - len(taken)
    items = []
    for product, value in track(taken, "opening pictures", console=console):
        try:
            data = read_image_bytes(str(product.image), base=catalogue.base, settings=settings)
            picture = decode_image(data, max_pixels=settings.max_image_pixels, target=SIDE)
        except VitrineError:
            continue
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
        items.append(Item(product, value, picture))
    held, by = _held_back(items)
    train = [item for item, test in zip(items, held, strict=True) if not test]
    # A label that occurs once among those searched is no query, and no answer either.
    test = [item for item, test in zip(items, held, strict=True) if test]
    counts = Counter(item.label for item in test)
    if sum(count > 1 for count in counts.values()) < 2 or not train:
        raise InvalidInput(
            f"There are {len(test)} products to search, with too few that share a {label}.",
            mend="Name the field that holds labels (--label FIELD), or give a larger catalogue.",
            field="label",
        )
    return Split(train, test, len(rows) - beyond - len(items), by, beyond)


def value_of(product: Product, field: str) -> str | None:
    """A field of the product, or an attribute of that name, as text, of tags the first; None if missing."""
    if field == "tags":
        return product.tags[0] if product.tags else None
    return product.text_of(field)


def _held_back(items: Sequence[Item]) -> tuple[list[bool], str]:
    if any(value_of(item.product, FIELD) == TEST for item in items):
        return [value_of(item.product, FIELD) == TEST for item in items], f"by the field {FIELD}"
    shipped = fixed_splits()
    if sum(item.product.id in shipped for item in items) > len(items) / 10:
        held = [shipped.get(item.product.id) == TEST for item in items]
        return held, "as the shipped encoder was trained"
    size = (_THUMBNAIL, _THUMBNAIL)
    thumbnails = [
        np.asarray(item.picture.convert("RGB").resize(size, Image.Resampling.BOX)) for item in items
    ]
    first = near_duplicates(np.stack(thumbnails)) if items else np.empty(0, dtype=np.intp)
    held = [_hash(items[int(group)].product.id) < TEST_SHARE for group in first]
    return held, "by id, near-duplicates on one side"


def _hash(product: str) -> float:
    """A number from 0 to 1 that the id decides."""
    return int(hashlib.sha256(product.encode()).hexdigest()[:8], 16) / 2**32


def pairs(items: Sequence[Item]) -> Iterator[tuple[Product, Image.Image]]:
    """Products with pictures, as training takes them."""
    for item in items:
        yield item.product, item.picture
