"""Pictures in requests: uploaded, as data URI or base64, or by URL, into bytes and RGB pictures."""

from __future__ import annotations

import base64
import binascii

from PIL.Image import Image

from searcher.api.remote import fetch_public
from services.catalogue.images import (
    ImageSourceInvalid,
    ImageTooLarge,
    decode_image,
    is_data_uri,
    is_url,
    read_image_bytes,
)
from services.errors import ImageError
from services.settings import Settings


def named_bytes(source: str, settings: Settings, *, allow_base64: bool) -> bytes:
    """Bytes of a picture given in text: a data URI, a URL if allowed, or plain base64 if allowed.

    Never a path: a request must not read files of the service. Raises `ImageError`.
    """
    if is_data_uri(source):
        return read_image_bytes(source, base=None, settings=settings)
    if is_url(source):
        if not settings.allow_query_urls:
            raise ImageSourceInvalid(
                "Pictures by URL are not fetched.",
                mend="Send the picture itself, or set VITRINE_ALLOW_QUERY_URLS=true.",
                field="image",
            )
        return fetch_public(source, settings)
    if not allow_base64:
        raise ImageSourceInvalid(
            "A path cannot be used over HTTP.",
            mend="Give the picture as data:image/jpeg;base64,... or leave it out.",
            field="image",
        )
    if len(source) > 2 * settings.max_image_bytes:
        raise ImageTooLarge(
            f"The picture is larger than {settings.max_image_bytes:,} bytes.",
            mend="Use a smaller file or raise VITRINE_MAX_IMAGE_BYTES.",
            field="image",
        )
    try:
        compact = "".join(source.split()).translate(_URL_SAFE).rstrip("=")
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ImageSourceInvalid(
            "The image is neither base64 nor a data URI nor a URL.",
            mend="Send the bytes of a picture in base64.",
            field="image",
        ) from error


def picture(data: bytes, settings: Settings, *, side: int, field: str) -> Image:
    """An RGB picture of untrusted bytes, decoded no larger than a tower of `side` pixels needs."""
    try:
        if len(data) > settings.max_image_bytes:
            raise ImageTooLarge(
                f"The picture file is larger than {settings.max_image_bytes:,} bytes.",
                mend="Use a smaller file or raise VITRINE_MAX_IMAGE_BYTES.",
            )
        return decode_image(data, max_pixels=settings.max_image_pixels, target=side)
    except ImageError as error:
        error.field = field
        raise


def named_picture(source: str, settings: Settings, *, side: int, field: str) -> Image:
    """As `picture`, for a picture given in text."""
    try:
        data = named_bytes(source, settings, allow_base64=True)
    except ImageError as error:
        error.field = field
        raise
    return picture(data, settings, side=side, field=field)


_URL_SAFE = str.maketrans("-_", "+/")
