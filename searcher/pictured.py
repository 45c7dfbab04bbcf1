"""The pictures behind a query and its answer: what of a photo counts, and the pictures of products."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image

from searcher.query import Part
from services.catalogue.images import decode_image, read_image_bytes
from services.encoder.regions import crop
from services.errors import ImageError, InvalidInput
from services.points import SOURCE
from services.settings import Settings
from services.store.base import Point


def needs_picture(part: Part) -> bool:
    """Whether the part is encoded from a picture, and not from text or stored vectors."""
    return part.image is not None or part.box is not None


def picture_of_part(part: Part, point: Point | None, settings: Settings, field: str) -> Image:
    """What is encoded of an image part, or of a product part with a box (`point` is the product's).

    A box is cut out with a margin, which measured best on validation scenes. Raises
    `InvalidInput` for a product whose picture is not there.
    """
    image = part.image
    if image is None:
        try:
            image = stored_picture(point.payload if point else {}, settings)
        except ImageError as error:
            raise InvalidInput(
                f"The product '{str(part.product)[:256]}' has no picture to take a box of "
                f"({error.title.lower()}).",
                mend="Leave the box out.",
                field=field,
            ) from error
    return image if part.box is None else crop(image, part.box)


def stored_picture(payload: dict[str, Any], settings: Settings, target: int | None = None) -> Image:
    """The picture of a stored product as RGB; with `target`, a JPEG is decoded no larger than that needs.

    Raises `ImageError` if there is none, or it is no longer there.
    """
    source = payload.get(SOURCE)
    if not source:
        raise ImageError("The product has no picture.", field="image")
    data = read_image_bytes(str(source), base=None, settings=settings)
    return decode_image(data, max_pixels=settings.max_image_pixels, target=target)
