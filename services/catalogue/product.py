"""The product record: what a catalogue row becomes and what a search answers with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Scalar = str | int | float | bool


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _split_tags(value: Any) -> Any:
    # CSV has no lists: accept "a|b", "a;b" and "a, b".
    if value is None:
        return []
    if isinstance(value, str):
        for separator in "|;,":
            if separator in value:
                return [part.strip() for part in value.split(separator) if part.strip()]
        return [value.strip()] if value.strip() else []
    return value


Text = Annotated[str | None, BeforeValidator(_none_if_blank)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Product(BaseModel):
    """One product of the shop's catalogue.

    `image` is a path (relative to the catalogue's folder), an http(s) URL or a data URI. Fields the
    catalogue has beyond the named ones are kept in `attributes` and can be filtered on as
    `attributes.NAME`.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    id: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    title: Annotated[str, StringConstraints(max_length=2000)] = ""
    image: Text = None
    description: Text = None
    brand: Text = None
    category: Text = None
    price: Annotated[Amount | None, BeforeValidator(_none_if_blank)] = None
    currency: Text = None
    url: Text = None
    tags: Annotated[list[str], BeforeValidator(_split_tags)] = []
    attributes: dict[str, Scalar] = {}

    def payload(self) -> dict[str, Any]:
        """The record as JSON-ready payload, without empty fields."""
        return self.model_dump(exclude_none=True, exclude_defaults=True) | {
            "id": self.id,
            "title": self.title,
        }

    def text_of(self, field: str) -> str | None:
        """A field, or else the attribute of that name, as text; None where it is missing or empty."""
        value = getattr(self, field) if field in type(self).model_fields else self.attributes.get(field)
        if value is None or value == "":
            return None
        return str(value).lower() if isinstance(value, bool) else str(value)

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Product:
        """The record of a stored payload; keys that start with `_` are the store's own and left out."""
        return cls.model_validate({key: value for key, value in payload.items() if key in _FIELDS})


_FIELDS = frozenset(Product.model_fields)
