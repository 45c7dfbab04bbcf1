"""Products that arrive one by one: decoded, encoded and stored exactly as the worker does it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from services.calibration import SAMPLE, Calibration, sample_calibration
from services.catalogue.images import decode_image, is_data_uri
from services.catalogue.product import Product
from services.encoder.base import Encoder, Pixels
from services.encoder.tokens import picture_tokens
from services.errors import InvalidInput, VitrineError
from services.points import check_pictured, content_hash, make_points, open_collection
from services.settings import Settings
from services.store.base import Vector, VectorStore

#: Pictures sent with a product are kept as they are up to this size, larger ones at this side length.
_KEPT_BYTES = 300_000
_KEPT_SIDE = 1200


@dataclass(frozen=True)
class NewProduct:
    """A product to store, the bytes of its picture and where they came from (URL or data URI)."""

    product: Product
    image: bytes | None = None
    source: str | None = None


@dataclass(frozen=True)
class Refused:
    """Product `index` of the request could not be stored."""

    index: int
    id: str
    error: VitrineError


@dataclass
class Upserted:
    """How many products are stored, and which are not."""

    count: int = 0
    refused: list[Refused] = field(default_factory=list)


def upsert(store: VectorStore, encoder: Encoder, settings: Settings, items: Sequence[NewProduct]) -> Upserted:
    """Store these products, creating the collection if need be; durable once this returns.

    A product that cannot be used is refused by itself. Raises `EncoderMismatch`, `StoreUnavailable`.
    """
    meta = open_collection(store, encoder, settings)
    done = Upserted()
    good: list[NewProduct] = []
    prepared: list[Pixels | None] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        try:
            pixels = _prepare(item, encoder, settings, seen)
        except VitrineError as error:
            done.refused.append(Refused(index, item.product.id, error))
            continue
        seen.add(item.product.id)
        good.append(item)
        prepared.append(pixels)
    vectors = _encode(encoder, prepared, settings.batch_size)
    points = make_points(
        [_record(item) for item in good],
        vectors,
        encoder,
        [content_hash(item.product, item.image, encoder.identity) for item in good],
        [_shown(item, settings) for item in good],
        picture_tokens(encoder, prepared) if meta.patches else None,
    )
    if points:
        store.upsert(points)
    done.count = len(points)
    return done


def refresh_calibration(store: VectorStore, encoder: Encoder) -> Calibration | None:
    """Measure the calibration anew if the collection has outgrown the sample behind it; None if not.

    It is measured again at every doubling up to the full sample, so products stored one by one cost
    no more than a few measurements in all.
    """
    meta = store.meta()
    if meta is None:
        return None
    known = Calibration.from_dict(meta.calibration).sample
    if known >= SAMPLE or store.count() < max(2 * known, 1):
        return None
    calibration = sample_calibration(store, encoder)
    meta.calibration = calibration.as_dict()
    store.save_meta(meta)
    return calibration


def _prepare(item: NewProduct, encoder: Encoder, settings: Settings, seen: set[str]) -> Pixels | None:
    if item.product.id in seen:
        raise InvalidInput(
            f"The id '{item.product.id}' comes twice.", mend="Send each product once.", field="id"
        )
    if item.image is None:
        if not item.product.title:
            raise InvalidInput(
                "The product has neither a title nor a picture.",
                mend="Give at least one of them.",
                field="title",
            )
        check_pictured(False, encoder)
        return None
    image = decode_image(item.image, max_pixels=settings.max_image_pixels, target=encoder.image_size)
    return encoder.prepare(image)


def _record(item: NewProduct) -> Product:
    # A data URI is kept once, as the source, and not in the record that every search reads.
    if item.product.image is not None and is_data_uri(item.product.image):
        return item.product.model_copy(update={"image": None})
    return item.product


def _shown(item: NewProduct, settings: Settings) -> str | None:
    """Where the picture is shown from; one that came in the request is kept in the store, at a size fit
    for looking at, so that every replica of the service has it."""
    if item.source is None or item.image is None or not is_data_uri(item.source):
        return item.source
    if len(item.image) <= _KEPT_BYTES:
        return item.source
    image = decode_image(item.image, max_pixels=settings.max_image_pixels, target=_KEPT_SIDE)
    image.thumbnail((_KEPT_SIDE, _KEPT_SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _encode(encoder: Encoder, prepared: Sequence[Pixels | None], batch_size: int) -> list[Vector | None]:
    vectors: list[Vector | None] = [None] * len(prepared)
    rows = [row for row, pixels in enumerate(prepared) if pixels is not None]
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        stacked = np.stack([pixels for row in batch if (pixels := prepared[row]) is not None])
        for row, vector in zip(batch, encoder.encode_prepared(stacked), strict=True):
            vectors[row] = np.asarray(vector, dtype=np.float32)
    return vectors
