"""Rows of a catalogue become products: column names, aliases, values, and errors that say what to mend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.catalogue.product import Product, Scalar
from services.catalogue.values import attribute, parse_price, text_value
from services.errors import CatalogueError

#: Fields that a column may feed; anything else goes into `attributes`.
FIELDS = tuple(name for name in Product.model_fields if name != "attributes")

#: Names other shops use, best first; they count only where the plain name is missing.
ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("product_id", "sku", "item_id", "article_id", "asin", "handle"),
    "title": ("name", "product_name", "product_title", "product_display_name", "display_name", "item_name"),
    "image": (
        "image_url", "image_path", "image_link", "image_file", "image_filename", "image_src",
        "picture", "picture_url", "photo", "photo_url", "img", "img_url",
    ),
    "description": ("product_description", "body", "body_(html)", "body_html", "long_description"),
    "brand": ("brand_name", "manufacturer", "vendor"),
    "category": (
        "product_category", "category_name", "product_type", "article_type", "type", "class", "label",
    ),
    "price": ("product_price", "sale_price", "unit_price", "amount"),
    "currency": ("currency_code", "price_currency"),
    "url": ("link", "product_url", "product_link", "page_url"),
    "tags": ("keywords", "labels"),
}  # fmt: skip


class RowError(CatalogueError):
    """One row that cannot be used; the rest of the catalogue goes on."""

    title = "Bad row"


class BadEncoding(RowError):
    title = "Not UTF-8"


class BadColumns(RowError):
    title = "Wrong number of columns"


class BadSyntax(RowError):
    title = "Not valid syntax"


class BadValue(RowError):
    title = "Bad value"


class BadPrice(RowError):
    title = "Bad price"


class NoId(RowError):
    title = "No id"


class NothingToIndex(RowError):
    title = "Neither title nor picture"


@dataclass(frozen=True)
class Row:
    """One row: a product or the error it ended in.

    `number` is the line of the file where the row begins (CSV, JSON Lines) or its place counted from
    1 (Parquet, folder). `raw_id` is the id, also of a bad row, if it is certain; "" says that no
    product can have been stored for this row, None that its id could not be known.
    """

    number: int
    product: Product | None = None
    error: CatalogueError | None = None
    raw_id: str | None = None


def normalise(column: str) -> str:
    """Column names are compared without regard to case, spaces and hyphens."""
    return "_".join(column.strip().lower().replace("-", " ").split())


def resolve_columns(columns: Iterable[str], mapping: Mapping[str, str] | None = None) -> dict[str, str]:
    """Product field -> column that feeds it: by explicit mapping, plain name, or alias, in this order.

    Raises `CatalogueError` for a mapping to a field or column that does not exist.
    """
    present = [column for column in columns if column.strip()]
    by_name: dict[str, str] = {}
    for name in present:
        by_name.setdefault(normalise(name), name)
    chosen: dict[str, str] = {}
    for field, wanted in (mapping or {}).items():
        if field not in FIELDS:
            raise CatalogueError(
                f"'{field}' is no field of a product.",
                mend=f"Map one of: {', '.join(FIELDS)}.",
                field="map",
            )
        column = wanted if wanted in present else by_name.get(normalise(wanted))
        if column is None:
            raise CatalogueError(
                f"The catalogue has no column '{wanted}' to take the {field} from.",
                mend=f"Its columns are: {', '.join(present) or 'none'}.",
                field="map",
            )
        chosen[field] = column
    taken = set(chosen.values())
    plain = {field: (field,) for field in FIELDS}
    for candidates in (plain, ALIASES):
        for field, names in candidates.items():
            if field in chosen:
                continue
            for name in names:
                found = by_name.get(name)
                if found is not None and found not in taken:
                    chosen[field] = found
                    taken.add(found)
                    break
    return chosen


def require_id(chosen: Mapping[str, str], columns: Iterable[str]) -> None:
    """Raise `CatalogueError` unless a column feeds the id."""
    if "id" not in chosen:
        raise CatalogueError(
            "The catalogue has no id column.",
            mend=f"Name one with --map id=COLUMN; its columns are: {', '.join(columns) or 'none'}.",
            field="id",
        )


def make_row(
    number: int,
    values: Mapping[str, Any],
    chosen: Mapping[str, str],
    as_attribute: Callable[[Any], Scalar | None] = attribute,
) -> Row:
    """The row of one record; `values` maps column to value, `chosen` is of `resolve_columns`."""
    fields: dict[str, Any] = {field: values.get(column) for field, column in chosen.items()}
    raw_id: str | None = None
    try:
        raw_id = _read_id(fields.get("id"))
        fields["id"] = raw_id
        product = _make_product(fields, values, set(chosen.values()), as_attribute)
    except RowError as error:
        return Row(number, error=error, raw_id=raw_id)
    return Row(number, product=product, raw_id=product.id)


def _read_id(value: Any) -> str:
    value = _text(value, "id")
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not isinstance(value, str):
        raise BadValue(f"The id is {_kind(value)}, not text.", mend="Give the id as text.", field="id")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, from a JSON escape
        raise BadEncoding("The id holds broken characters.", mend="Write it as UTF-8.", field="id") from error
    return value.strip()


def _text(value: Any, field: str) -> Any:
    try:
        return text_value(value)
    except UnicodeDecodeError as error:
        raise BadEncoding(f"The {field} is not UTF-8.", mend="Store it as text.", field=field) from error


def _make_product(
    fields: dict[str, Any],
    values: Mapping[str, Any],
    used: set[str],
    as_attribute: Callable[[Any], Scalar | None],
) -> Product:
    if not fields["id"]:
        raise NoId("The row has no id.", mend="Give every product an id of its own.", field="id")
    for field in FIELDS:
        if field in ("price", "tags", "id") or field not in fields:
            continue
        fields[field] = _text(fields[field], field)
    if isinstance(fields.get("tags"), list):
        fields["tags"] = [_text(tag, "tags") for tag in fields["tags"] if tag is not None]
    try:
        fields["price"], currency = parse_price(fields.get("price"))
    except (ValueError, OverflowError) as error:
        raise BadPrice(
            f"The price {error}.", mend="Write it as a number such as 12.99.", field="price"
        ) from error
    if fields["price"] is not None and fields["price"] < 0:
        raise BadPrice(
            f"The price {fields['price']:g} is negative.", mend="Give a price of 0 or more.", field="price"
        )
    if currency and not fields.get("currency"):
        fields["currency"] = currency
    if fields.get("tags") is None:
        fields.pop("tags", None)
    if fields.get("title") is None:
        fields.pop("title", None)
    fields["attributes"] = _attributes(values, used, as_attribute)
    try:
        product = Product.model_validate(fields)
    except ValidationError as error:
        raise _translate(error) from error
    if not product.title and not product.image:
        raise NothingToIndex(
            "The row has neither a title nor a picture.", mend="Give at least one of them.", field="title"
        )
    return product


def _attributes(
    values: Mapping[str, Any], used: set[str], as_attribute: Callable[[Any], Scalar | None]
) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for column, value in values.items():
        if column in used or not column.strip():
            continue
        # A JSON record may already be shaped like ours.
        inner = value.items() if column == "attributes" and isinstance(value, dict) else ((column, value),)
        for name, part in inner:
            if (scalar := as_attribute(part)) is not None:
                found[str(name).strip()] = scalar
    return found


def _translate(error: ValidationError) -> RowError:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"][:1]) or None
    value, kind = first["input"], first["type"]
    if kind == "string_too_long":
        limit = first["ctx"]["max_length"]
        return BadValue(
            f"The {field} is {len(value)} characters long, more than {limit}.",
            mend=f"Shorten it to {limit}.",
            field=field,
        )
    if kind == "string_unicode":
        return BadEncoding(f"The {field} holds broken characters.", mend="Write it as UTF-8.", field=field)
    if kind == "string_type":
        return BadValue(f"The {field} is {_kind(value)}, not text.", mend="Give it as text.", field=field)
    return BadValue(f"The {field} cannot be used: {first['msg']}.", mend="Correct the value.", field=field)


def _kind(value: Any) -> str:
    names = {bool: "a truth value", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
