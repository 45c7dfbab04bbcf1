"""What goes over the wire: request and answer models, and the JSON of an answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)

from searcher.answer import Answer
from searcher.api.boxes import BoxIn, BoxOut, box_json
from searcher.api.maps import HeatMapOut, map_json
from searcher.filters import BOUNDS, KEYS
from services.catalogue.images import is_data_uri
from services.catalogue.product import Product

DEFAULT_LIMIT = 24
#: Most products one PUT may hold.
MAX_PRODUCTS = 256
#: What `diversity` says, wherever it is given.
DIVERSITY = (
    "From 0, the best matches in order of their scores, to 1, matches as unlike each other as can be "
    "(MMR over the best 200)."
)

_VALUE = {"type": ["string", "number", "boolean"]}
_FILTER = {
    "anyOf": [
        _VALUE | {"description": "Equals this."},
        {"type": "array", "items": _VALUE, "minItems": 1, "description": "Equals any of these."},
        {
            "type": "object",
            "properties": {bound: {"type": "number"} for bound in BOUNDS},
            "additionalProperties": False,
            "minProperties": 1,
            "description": "Lies in this range.",
        },
    ]
}
_FILTERS = {
    "type": ["object", "null"],
    "properties": {"not": {"type": "object", "additionalProperties": _FILTER}},
    "additionalProperties": _FILTER,
}


class RequestPart(BaseModel):
    """One part of a query: exactly one of text, image and product."""

    model_config = ConfigDict(extra="forbid")

    text: StrictStr | None = Field(None, description="Words to look for.")
    image: StrictStr | None = Field(
        None, description="Picture as base64, data URI or (if the service allows) http(s) URL."
    )
    product: StrictStr | None = Field(None, description="Id of an indexed product to take as an example.")
    weight: StrictFloat = Field(1.0, description="How much it counts; negative: not like this; never 0.")
    box: BoxIn = Field(
        None, description="Region of the image, or of the product's picture, that alone counts."
    )


class SearchRequest(BaseModel):
    """A query. `text` and `image` are short for parts of weight 1 put before `parts`."""

    model_config = ConfigDict(extra="forbid")

    text: StrictStr | None = Field(None, description="Words to look for.")
    image: StrictStr | None = Field(
        None, description="Picture as base64, data URI or (if the service allows) http(s) URL."
    )
    box: BoxIn = Field(None, description="Region of `image` that alone counts.")
    parts: list[RequestPart] = Field([], description="Further parts, each with its weight.")
    filters: Annotated[dict[str, Any] | None, WithJsonSchema(_FILTERS)] = Field(
        None,
        description="Field -> value, list of values (equals any) or range of numbers; fields are "
        f"{', '.join(KEYS)} and attributes.NAME; `not` holds filters none of which may hold.",
    )
    limit: StrictInt = Field(DEFAULT_LIMIT, description="Results wanted.")
    offset: StrictInt = Field(0, description="Results to skip.")
    fusion: StrictStr | None = Field(None, description="How parts and fields are combined; see /fusions.")
    diversity: StrictFloat = Field(0.0, description=DIVERSITY)
    explain: StrictBool = Field(False, description="Whether hits come with heat maps; the first 20 do.")


class SearchForm(BaseModel):
    """A query as a form; `parts` and `filters` hold JSON text."""

    text: str | None = Field(None, description="Words to look for.")
    image: list[Annotated[bytes, Field(json_schema_extra={"format": "binary"})]] = Field(
        [], description="Picture files, at most as many as a query may have parts."
    )
    image_weight: list[float] = Field(
        [1.0],
        description="Weight of the pictures: one for all of them, or one for each in their order; negative: "
        "not like this; never 0.",
    )
    box: str | None = Field(
        None, description="Region of the one picture that alone counts: four numbers, or JSON."
    )
    parts: str | None = Field(None, description="As in the JSON body, as JSON text.")
    filters: str | None = Field(None, description="As in the JSON body, as JSON text.")
    limit: int = Field(DEFAULT_LIMIT, description="Results wanted.")
    offset: int = Field(0, description="Results to skip.")
    fusion: str | None = Field(None, description="How parts and fields are combined; see /fusions.")
    diversity: float = Field(0.0, description=DIVERSITY)
    explain: bool = Field(False, description="Whether hits come with heat maps; the first 20 do.")


class ProductRecord(Product):
    """A product as stored, with the address of its picture."""

    image_url: str | None = Field(None, description="Address of the picture; null without one.")


class WeightOut(BaseModel):
    """What one part of the query had to say about one field of a hit."""

    part: int = Field(description="Index of the part.")
    label: str
    field: Literal["image", "title", "keywords"]
    weight: float = Field(description="Those of wanted parts sum to 1; those of unwanted ones are <= 0.")
    similarity: float = Field(
        description="As measured: a cosine in [-1, 1] (a product, or a distance below 0, where the "
        "collection measures so), or for keywords the square root of BM25, times the squared share that the "
        "product has of the words by their weight."
    )


class HitOut(BaseModel):
    """A product that was found, and why."""

    id: str
    score: float = Field(description="Comparable within one answer only.")
    product: Product
    image_url: str | None = Field(description="Address of the picture; null without one.")
    weights: list[WeightOut]
    maps: list[HeatMapOut] | None = Field(None, description="Where it was seen; only if asked to explain.")


class PartOut(BaseModel):
    """A part of the query as it was understood."""

    index: int
    kind: Literal["text", "image", "product"]
    label: str
    weight: float
    box: BoxOut | None = Field(None, description="Region of its picture that counted; null: all of it.")


class SearchAnswer(BaseModel):
    """One page of results."""

    hits: list[HitOut]
    parts: list[PartOut]
    total: int = Field(description="Results that can be paged through.")
    limit: int
    offset: int
    fusion: str
    took_ms: dict[str, float] = Field(description="Milliseconds by stage: encode, retrieve, fuse, total.")


class RejectedOut(BaseModel):
    """A product that could not be stored."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str | None
    title: str = Field(description="Kind of problem.")
    detail: str
    field: str | None
    mend: str


class UpsertAnswer(BaseModel):
    """How many products are stored now, and which are not."""

    upserted: int
    rejected: list[RejectedOut]


class DeleteAnswer(BaseModel):
    """How many of the products were there."""

    deleted: int


class FacetValue(BaseModel):
    value: str
    count: int


class FacetsAnswer(BaseModel):
    """The most frequent values of a field."""

    key: str
    values: list[FacetValue]


class FusionsAnswer(BaseModel):
    """The fusions a search may name."""

    default: str
    names: list[str]


class HealthAnswer(BaseModel):
    """The process runs."""

    status: Literal["ok"]


class ReadyAnswer(BaseModel):
    """Whether searches can be answered."""

    status: Literal["ready", "unavailable"]
    encoder: str
    collection: str
    products: int | None
    store: Literal["embedded", "server"]
    title: str | None = None
    detail: str | None = None


def image_url(product_id: str, source: str | None, root: str = "") -> str | None:
    """Address of a product's picture below `root`, the path the service is mounted at."""
    return f"{root}/products/{quote(product_id, safe='')}/image" if source else None


def record_json(product: Product) -> dict[str, Any]:
    """A product as JSON-ready dict. A picture stored as data URI is left out: it has an address."""
    record = product.model_dump(exclude_none=True)
    if is_data_uri(record.get("image", "")):
        del record["image"]
    return record


def answer_json(answer: Answer, root: str = "") -> dict[str, Any]:
    """An answer as JSON-ready dict of the form `SearchAnswer`."""
    return {
        "hits": [
            {
                "id": hit.product.id,
                "score": round(hit.score, 6),
                "product": record_json(hit.product),
                "image_url": image_url(hit.product.id, hit.source, root),
                "weights": [
                    {
                        "part": weight.part,
                        "label": weight.label,
                        "field": weight.field,
                        "weight": round(weight.weight, 6),
                        "similarity": round(weight.similarity, 6),
                    }
                    for weight in hit.weights
                ],
            }
            | ({"maps": [map_json(map) for map in hit.maps]} if answer.explained else {})
            for hit in answer.hits
        ],
        "parts": [
            {
                "index": part.index,
                "kind": part.kind,
                "label": part.label,
                "weight": part.weight,
            }
            | ({"box": box_json(part.box)} if part.box else {})
            for part in answer.parts
        ],
        "total": answer.total,
        "limit": answer.limit,
        "offset": answer.offset,
        "fusion": answer.fusion,
        "took_ms": {stage: round(milliseconds, 3) for stage, milliseconds in answer.took.items()},
    }
