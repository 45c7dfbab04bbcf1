"""Products in a request body -> what the engine stores, each refused by itself if it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from searcher.api.problems import invalid
from searcher.api.reading import parse_json
from searcher.api.schemas import MAX_PRODUCTS
from searcher.api.sources import named_bytes
from searcher.live import AnyEngine
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.catalogue.values import attribute
from services.errors import InvalidInput, VitrineError


@dataclass(frozen=True)
class Stored:
    """The outcome of one PUT: how many products are stored, and JSON-ready refusals of the others."""

    count: int
    rejected: list[dict[str, Any]]


def store_products(body: bytes, engine: AnyEngine) -> Stored:
    """Store the product or products of a JSON body; durable once this returns.

    Raises `InvalidInput` if the body is no product, no list of them, or too long a list.
    """
    data = parse_json(body)
    records = data if isinstance(data, list) else [data]
    if not isinstance(data, list | dict):
        raise InvalidInput(
            "The body is neither a product nor a list of them.",
            mend='Send {"id": "sku-1", "title": "Red dress"}.',
            field="body",
        )
    if not 1 <= len(records) <= MAX_PRODUCTS:
        raise InvalidInput(
            f"The body holds {len(records)} products.",
            mend=f"Send 1 to {MAX_PRODUCTS} at a time.",
            field="body",
        )
    places: list[int] = []
    items: list[NewProduct] = []
    refused: dict[int, tuple[str | None, VitrineError]] = {}
    for place, record in enumerate(records):
        try:
            items.append(_new_product(record, engine))
            places.append(place)
        except VitrineError as error:
            name = record.get("id") if isinstance(record, Mapping) else None
            refused[place] = (name if isinstance(name, str) else None, error)
    done = engine.upsert(items) if items else None
    for one in done.refused if done is not None else []:
        refused[places[one.index]] = (one.id, one.error)
    return Stored(
        done.count if done is not None else 0,
        [_refusal(place, name, error) for place, (name, error) in sorted(refused.items())],
    )


def _new_product(record: Any, engine: AnyEngine) -> NewProduct:
    if not isinstance(record, dict):
        raise InvalidInput("The product is no object.", mend='Send {"id": "sku-1", ...}.', field="body")
    # A record that was read over HTTP may be changed and sent back as it is.
    fields = {key: value for key, value in record.items() if key != "image_url"}
    attributes = fields.get("attributes")
    if isinstance(attributes, dict):
        typed = {name: attribute(value) for name, value in attributes.items()}
        fields["attributes"] = {name: value for name, value in typed.items() if value is not None}
    try:
        product = Product.model_validate(fields)
    except ValidationError as error:
        refusal = invalid(error.errors(include_url=False), allowed=list(Product.model_fields))
        if error.errors()[0]["type"] == "extra_forbidden":
            refusal.mend += " Fields of your own go into attributes."
        raise refusal from error
    if product.image is None:
        return NewProduct(product)
    data = named_bytes(product.image, engine.settings, allow_base64=False)
    return NewProduct(product, data, product.image)


def _refusal(place: int, name: str | None, error: VitrineError) -> dict[str, Any]:
    return {
        "index": place,
        "id": name,
        "title": error.title,
        "detail": str(error),
        "field": error.field,
        "mend": error.mend,
    }
