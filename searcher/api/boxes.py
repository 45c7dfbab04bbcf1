"""Boxes and proposed regions over the wire."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr, WithJsonSchema

from searcher.box import SIDES
from services.encoder.regions import Box, Region

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_BOX = {
    "anyOf": [
        {
            "type": "object",
            "properties": {side: _SHARE for side in SIDES},
            "required": list(SIDES),
            "additionalProperties": False,
            "description": "Shares of the picture's width and height.",
        },
        {"type": "array", "items": _SHARE, "minItems": 4, "maxItems": 4, "description": ", ".join(SIDES)},
        {"type": "null"},
    ]
}

#: A box as a request may give it; `searcher.box.parse_box` reads it.
BoxIn = Annotated[Any, WithJsonSchema(_BOX)]


class BoxOut(BaseModel):
    """A region of a picture, in shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


class RegionOut(BaseModel):
    """A likely product in a picture."""

    box: BoxOut
    score: float = Field(description="How much it stands out, 0 to 1; 0 for the whole picture.")


class RegionsRequest(BaseModel):
    """A picture to find products in."""

    model_config = ConfigDict(extra="forbid")

    image: StrictStr = Field(
        description="Picture as base64, data URI or (if the service allows) http(s) URL."
    )


class RegionsForm(BaseModel):
    """A picture to find products in, as a form."""

    image: Annotated[bytes, Field(json_schema_extra={"format": "binary"})] = Field(
        description="One picture file."
    )


class RegionsAnswer(BaseModel):
    """Likely products, the likeliest first; the last is the whole picture."""

    regions: list[RegionOut]


def box_json(box: Box) -> dict[str, float]:
    """A box as JSON-ready dict of the form `BoxOut`."""
    return {side: round(value, 4) for side, value in zip(SIDES, box, strict=True)}


def regions_json(regions: Sequence[Region]) -> dict[str, Any]:
    """Regions as JSON-ready dict of the form `RegionsAnswer`."""
    return {"regions": [{"box": box_json(region.box), "score": round(region.score, 4)} for region in regions]}


def side_for(box: Box | None, side: int) -> int:
    """How large a picture must be decoded for what is in the box to be `side` pixels."""
    if box is None:
        return side
    return math.ceil(side / max(min(box[2] - box[0], box[3] - box[1]), 1e-3))
