"""Columns find their fields, and records that cannot be used say why."""

from __future__ import annotations

from typing import Any

import pytest

from services.catalogue.product import Product
from services.catalogue.rows import (
    ALIASES,
    FIELDS,
    BadEncoding,
    BadPrice,
    BadValue,
    NoId,
    NothingToIndex,
    Row,
    make_row,
    normalise,
    resolve_columns,
)
from services.errors import CatalogueError


def read(record: dict[str, Any]) -> Row:
    return make_row(1, record, resolve_columns(record))


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        (["id", "title"], {"id": "id", "title": "title"}),
        (["SKU", "Product Name"], {"id": "SKU", "title": "Product Name"}),
        (["sku", "id", "name"], {"id": "id", "title": "name"}),
        ([" Id ", "Image-URL"], {"id": " Id ", "image": "Image-URL"}),
        (["id", "name", "title"], {"id": "id", "title": "title"}),
        (["id", "colour", ""], {"id": "id"}),
        (
            ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Image Src"],
            {
                "id": "Handle",
                "title": "Title",
                "description": "Body (HTML)",
                "brand": "Vendor",
                "category": "Type",
                "tags": "Tags",
                "image": "Image Src",
            },
        ),
    ],
)
def test_columns_are_found_by_plain_name_then_alias(columns: list[str], chosen: dict[str, str]) -> None:
    assert resolve_columns(columns) == chosen


def test_mapping_wins_over_names_and_frees_them() -> None:
    columns = ["id", "title", "short", "price"]
    assert resolve_columns(columns, {"title": "short"}) == {"id": "id", "title": "short", "price": "price"}
    # The plain column is now an attribute like any other.
    row = make_row(1, {"id": 1, "title": "long", "short": "s"}, resolve_columns(columns, {"title": "short"}))
    assert row.product == Product(id="1", title="s", attributes={"title": "long"})


def test_mapping_takes_column_names_as_loosely_as_aliases_do() -> None:
    assert resolve_columns(["id", "Product  Display-Name"], {"title": "product_display_name"})["title"] == (
        "Product  Display-Name"
    )


@pytest.mark.parametrize(
    ("mapping", "named", "mend"),
    [
        ({"headline": "title"}, "'headline'", "title"),
        ({"title": "headline"}, "'headline'", "id, title"),
        ({"attributes": "title"}, "'attributes'", "title"),
    ],
)
def test_bad_mapping_names_what_there_is(mapping: dict[str, str], named: str, mend: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        resolve_columns(["id", "title"], mapping)
    assert named in caught.value.message and mend in caught.value.mend and caught.value.field == "map"


def test_every_alias_is_written_as_names_are_compared_and_feeds_one_field() -> None:
    names = [name for names in ALIASES.values() for name in names]
    assert len(names) == len(set(names)) and all(normalise(name) == name for name in names)
    assert set(ALIASES) <= set(FIELDS)


def test_record_keeps_every_field_and_all_else_as_attributes() -> None:
    row = read(
        {
            "id": 12,
            "title": " Red dress ",
            "image": "a.jpg",
            "price": "12,99 €",
            "tags": ["summer", 7, None],
            "brand": " ",
            "kids": False,
            "sizes": ["S", "M"],
            "stock": None,
            "attributes": {"colour": "red", "lining": None},
        }
    )
    assert row == Row(1, product=row.product, raw_id="12")
    assert row.product == Product(
        id="12",
        title="Red dress",
        image="a.jpg",
        price=12.99,
        currency="EUR",
        tags=["summer", "7"],
        attributes={"kids": False, "sizes": "S, M", "colour": "red"},
    )


def test_currency_column_wins_over_the_sign_beside_the_price() -> None:
    product = read({"id": "1", "title": "t", "price": "$5", "currency": "CAD"}).product
    assert product is not None and (product.price, product.currency) == (5.0, "CAD")


@pytest.mark.parametrize(
    ("record", "kind", "field", "raw_id"),
    [
        ({"title": "t"}, NoId, "id", ""),
        ({"id": None, "title": "t"}, NoId, "id", ""),
        ({"id": " ", "title": "t"}, NoId, "id", ""),
        ({"id": ["a"], "title": "t"}, BadValue, "id", None),
        ({"id": True, "title": "t"}, BadValue, "id", None),
        ({"id": b"\xff", "title": "t"}, BadEncoding, "id", None),
        ({"id": "\ud800", "title": "t"}, BadEncoding, "id", None),
        ({"id": "x" * 257, "title": "t"}, BadValue, "id", "x" * 257),
        ({"id": "1"}, NothingToIndex, "title", "1"),
        ({"id": "1", "title": " ", "image": ""}, NothingToIndex, "title", "1"),
        ({"id": "1", "title": "t" * 2001}, BadValue, "title", "1"),
        ({"id": "1", "title": ["t"]}, BadValue, "title", "1"),
        ({"id": "1", "title": False}, BadValue, "title", "1"),
        ({"id": "1", "title": b"\xff"}, BadEncoding, "title", "1"),
        ({"id": "1", "title": "t\ud800"}, BadEncoding, "title", "1"),
        ({"id": "1", "title": "t", "image": {"bytes": "x"}}, BadValue, "image", "1"),
        ({"id": "1", "title": "t", "price": "free"}, BadPrice, "price", "1"),
        ({"id": "1", "title": "t", "price": "-1"}, BadPrice, "price", "1"),
        ({"id": "1", "title": "t", "price": float("nan")}, BadPrice, "price", "1"),
        ({"id": "1", "title": "t", "price": 10**400}, BadPrice, "price", "1"),
        ({"id": "1", "title": "t", "price": True}, BadPrice, "price", "1"),
        ({"id": "1", "title": "t", "tags": 5}, BadValue, "tags", "1"),
        ({"id": "1", "title": "t", "tags": [["a"]]}, BadValue, "tags", "1"),
        ({"id": "1", "title": "t", "tags": [b"\xff"]}, BadEncoding, "tags", "1"),
        ({"id": "1", "title": "t", "brand": {"name": "x"}}, BadValue, "brand", "1"),
        ({"id": "1", "title": "t", "colour": "\ud800"}, BadEncoding, "attributes", "1"),
        ({"id": "1", "title": "t", "\ud800": "red"}, BadEncoding, "attributes", "1"),
    ],
)
def test_bad_record_says_which_field_and_keeps_its_id(
    record: dict[str, Any], kind: type[CatalogueError], field: str, raw_id: str | None
) -> None:
    row = read(record)
    assert row.product is None and type(row.error) is kind
    assert (row.error.field, row.raw_id) == (field, raw_id)
    assert row.error.message and row.error.mend
