"""Requests into queries: JSON bodies, forms and addresses, each with the field named that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile

from searcher.api.boxes import side_for
from searcher.api.problems import invalid
from searcher.api.schemas import RequestPart, SearchRequest
from searcher.api.sources import named_picture, picture
from searcher.box import parse_box
from searcher.filters import either_type, parse_filters
from searcher.query import Part, Query, check_window, only_one
from searcher.weighted import weighted
from services.errors import InvalidInput
from services.settings import Settings
from services.store.base import Filter

_FORM_FIELDS = (
    "text",
    "image",
    "image_weight",
    "box",
    "parts",
    "filters",
    "limit",
    "offset",
    "fusion",
    "diversity",
    "explain",
    "rerank",
)


@dataclass(frozen=True)
class Form:
    """A form read off the wire: text fields by name, the bytes of its picture files, and their weights."""

    fields: dict[str, str]
    uploads: list[bytes]
    image_weights: list[str]


def parse_json(body: bytes | str, field: str = "body") -> Any:
    """Strict JSON, without NaN and half characters. Raises `InvalidInput` with the place of the error."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidInput(
            f"The {field} is not JSON: {error}.", mend="Send valid JSON.", field=field
        ) from error


def query_of_json(body: bytes, settings: Settings, side: int) -> Query:
    """The query of a JSON body; `side` is the picture size the encoder sees."""
    data = parse_json(body)
    if not isinstance(data, dict):
        raise InvalidInput("The body is no JSON object.", mend='Send {"text": "red dress"}.', field="body")
    return _query(_validated(data), [], [], settings, side)


def query_of_form(form: Form, settings: Settings, side: int) -> Query:
    """The query of a form, already read."""
    data: dict[str, Any] = {key: value for key, value in form.fields.items() if value}
    weights = [_number(weight, "image_weight") for weight in form.image_weights if weight]
    for field in ("parts", "filters"):
        if field in data:
            data[field] = parse_json(data[field], field)
    if data.get("box", "").lstrip()[:1] in ("{", "["):
        data["box"] = parse_json(data["box"], "box")
    for field in ("limit", "offset"):
        if field in data:
            data[field] = _whole(data[field], field)
    if "diversity" in data:
        data["diversity"] = _number(data["diversity"], "diversity")
    if "explain" in data:
        data["explain"] = _yes(data["explain"], "explain")
    return _query(_validated(data), form.uploads, weights, settings, side)


def parts_of_address(
    text: str | None, without: Sequence[str], like: Sequence[str], unlike: Sequence[str], settings: Settings
) -> tuple[Part, ...]:
    """The parts of `GET /search`: words to look for, words to leave out, ids of products to be like and
    unlike. All but the first may end in a weight: `sku-1^2`."""
    if text is None and not like:
        raise InvalidInput(
            "The query does not say what to look for.",
            mend="Give words as q, or the id of a product as like.",
            field="q",
        )
    parts = [Part(text=text, name="q")] if text is not None else []
    named = {"like": like, "not": without, "unlike": unlike}
    for name, values in named.items():
        if len(parts) + len(values) > settings.max_parts:
            raise InvalidInput(
                f"The query has more than {settings.max_parts} parts.",
                mend="Leave some out.",
                field=name,
            )
        for given in values:
            value, size = weighted(given, name)
            weight = size if name == "like" else -size
            if name == "not":
                parts.append(Part(text=value, weight=weight, name=name))
            else:
                parts.append(Part(product=value, weight=weight, name=name))
    return tuple(parts)


async def read_form(data: FormData) -> Form:
    """The contents of a parsed form. Raises `InvalidInput` for fields that are unknown or come twice."""
    fields: dict[str, str] = {}
    uploads: list[bytes] = []
    image_weights: list[str] = []
    for name, value in data.multi_items():
        if name not in _FORM_FIELDS:
            raise InvalidInput(
                f"There is no field '{name[:64]}'.", mend=f"Use {', '.join(_FORM_FIELDS)}.", field=name[:64]
            )
        if isinstance(value, UploadFile):
            if name != "image":
                raise InvalidInput(
                    f"The field {name} is a file.", mend="Send files as image, the rest as text.", field=name
                )
            content = await value.read()
            # Browsers send an empty file without a name where none was chosen.
            if content or value.filename:
                uploads.append(content)
        elif name == "image_weight":
            image_weights.append(value)
        elif name in fields:
            raise InvalidInput(f"The field {name} comes twice.", mend="Send it once.", field=name)
        else:
            fields[name] = value
    return Form(fields, uploads, image_weights)


def filter_of_address(items: Sequence[tuple[str, str]], declared: Sequence[str]) -> Filter | None:
    """The filter of query parameters: category, brand and tags (repeatable), price_min, price_max and
    attributes.NAME (repeatable).

    `declared` names the other parameters of the route; anything else is refused, since a misspelt
    filter that is ignored would show the wrong products.
    """
    data: dict[str, Any] = {}
    price: dict[str, float] = {}
    for name, value in items:
        if name in ("category", "brand", "tags"):
            data.setdefault(name, []).append(value)
        elif name in ("price_min", "price_max"):
            price["gte" if name == "price_min" else "lte"] = _number(value, name)
        elif name.startswith("attributes."):
            # An address has no types: "38" may be stored as text or as a number.
            data.setdefault(name, []).extend(either_type(value, typed=True))
        elif name not in declared:
            raise InvalidInput(
                f"There is no parameter '{name[:64]}'.",
                mend=f"Use {', '.join((*declared, 'category', 'brand', 'tags'))}, price_min, price_max "
                "or attributes.NAME.",
                field=name[:64],
            )
    if price:
        data["price"] = price
    try:
        return parse_filters(data, field="")
    except InvalidInput as error:
        names = {"price": "price_min", "price.gte": "price_min", "price.lte": "price_max"}
        error.field = names.get(error.field or "", error.field)
        raise


def _query(
    request: SearchRequest,
    uploads: Sequence[bytes],
    image_weights: Sequence[float],
    settings: Settings,
    side: int,
) -> Query:
    count = len(request.parts) + len(uploads) + (request.text is not None) + (request.image is not None)
    if count > settings.max_parts:
        # Before any picture is decoded.
        raise InvalidInput(
            f"The query has {count} parts, more than {settings.max_parts}.",
            mend=f"Use at most {settings.max_parts}.",
            field="parts",
        )
    check_window(request.limit, request.offset, settings)
    filter = parse_filters(request.filters)
    box = None if request.box is None else parse_box(request.box, "box")
    if box is not None and (request.image is not None) + len(uploads) != 1:
        raise InvalidInput(
            "It is not clear which picture the box is for.",
            mend="Send one picture with it, or give each part its own box.",
            field="box",
        )
    parts: list[Part] = []
    if request.text is not None:
        parts.append(Part(text=request.text, name="text"))
    weights = iter(_weight_each(image_weights, len(uploads) + (request.image is not None)))
    if request.image is not None:
        image = named_picture(request.image, settings, side=side_for(box, side), field="image")
        parts.append(Part(image=image, weight=next(weights), name="image", box=box))
    for upload in uploads:
        image = picture(upload, settings, side=side_for(box, side), field="image")
        parts.append(Part(image=image, weight=next(weights), name="image", box=box))
    parts += [_part(part, index, settings, side) for index, part in enumerate(request.parts)]
    return Query(
        tuple(parts),
        filter,
        request.limit,
        request.offset,
        request.fusion,
        request.diversity,
        request.explain,
        request.rerank,
    )


def _weight_each(weights: Sequence[float], pictures: int) -> Sequence[float]:
    if len(weights) <= 1:
        return [weights[0] if weights else 1.0] * pictures
    if len(weights) != pictures:
        raise InvalidInput(
            f"There are {len(weights)} weights for {pictures} pictures.",
            mend="Send one image_weight for all pictures, or one for each.",
            field="image_weight",
        )
    return weights


def _part(part: RequestPart, index: int, settings: Settings, side: int) -> Part:
    name = f"parts[{index}]"
    kind = only_one(part.text, part.image, part.product, name)
    box = None if part.box is None else parse_box(part.box, f"{name}.box")
    image: Image | None = None
    if part.image is not None:
        image = named_picture(part.image, settings, side=side_for(box, side), field=f"{name}.image")
    return Part(part.text, image, part.product, part.weight, name=f"{name}.{kind}", box=box)


def _validated(data: dict[str, Any]) -> SearchRequest:
    try:
        return SearchRequest.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        model = RequestPart if errors[0]["loc"][0] == "parts" and len(errors[0]["loc"]) > 1 else SearchRequest
        raise invalid(errors, allowed=list(model.model_fields)) from error


def _number(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidInput(
            f"{field} is not a number.", mend="Write a number such as 12.99.", field=field
        ) from error


def _yes(text: str, field: str) -> bool:
    values = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in values:
        raise InvalidInput(f"{field} is neither true nor false.", mend="Write true or false.", field=field)
    return values[text.lower()]


def _whole(text: str, field: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInput(
            f"{field} is not a whole number.", mend="Write a number such as 24.", field=field
        ) from error
