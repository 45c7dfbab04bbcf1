"""Where in an uploaded picture the products are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from PIL.Image import Image
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from searcher.api import examples
from searcher.api.boxes import RegionsAnswer, RegionsRequest, regions_json
from searcher.api.context import context_of, json_response, media_type
from searcher.api.problems import UnsupportedType, documented, invalid
from searcher.api.reading import parse_json
from searcher.api.sources import named_picture, picture
from services.encoder.regions import propose
from services.errors import InvalidInput
from services.settings import Settings

router = APIRouter(tags=["search"])

#: Pixels of the short side that a picture is decoded to, for its colours and outlines to be seen.
_SIDE = 256


@router.post(
    "/regions",
    summary="Propose the regions of a picture that may be products",
    response_model=RegionsAnswer,
    responses=documented(
        400, 413, 415, 422, 503, ok={200: {"description": "Their boxes.", **examples.REGIONS}}
    ),
    openapi_extra={"requestBody": examples.REGIONS_BODY},
)
async def post_regions(request: Request) -> Response:
    """Send JSON, or a form with one picture file. At most five regions, the likeliest first; the last is
    always the whole picture. Give one as the `box` of an image part to search by it alone."""
    context = context_of(request)
    settings, kind = context.settings, media_type(request)
    if kind == "multipart/form-data":
        async with request.form(max_files=1, max_fields=1, max_part_size=settings.max_request_bytes) as data:
            uploads = [value for name, value in data.multi_items() if name == "image"]
            if len(uploads) != 1 or len(data) != 1 or not isinstance(uploads[0], UploadFile):
                raise _no_picture()
            content = await uploads[0].read()
        return await _propose(request, lambda: picture(content, settings, side=_SIDE, field="image"))
    if kind == "application/json" or kind.endswith("+json"):
        body = await request.body()
        return await _propose(request, lambda: _named(parse_json(body), settings))
    raise UnsupportedType(
        f"The body is {kind[:100] or 'of no media type'}.",
        mend="Send application/json or multipart/form-data.",
        field="Content-Type",
    )


def _named(data: Any, settings: Settings) -> Image:
    if not isinstance(data, dict):
        raise _no_picture()
    try:
        source = RegionsRequest.model_validate(data).image
    except ValidationError as error:
        raise invalid(error.errors(include_url=False), allowed=list(RegionsRequest.model_fields)) from error
    return named_picture(source, settings, side=_SIDE, field="image")


def _no_picture() -> InvalidInput:
    return InvalidInput("There is not one picture.", mend="Send one picture as image.", field="image")


async def _propose(request: Request, read: Callable[[], Image]) -> Response:
    context = context_of(request)

    def work() -> Response:
        return json_response(regions_json(propose(read(), context.engine.encoder)))

    return await context.searching.run(work)
