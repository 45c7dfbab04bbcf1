"""The record: what it accepts, and that nothing is lost on the way through the store's payload."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.catalogue.product import Product

texts = st.text(max_size=20)
products = st.builds(
    Product,
    id=texts.filter(str.strip),
    title=texts,
    image=st.none() | texts,
    brand=st.none() | texts,
    category=st.none() | texts,
    price=st.none() | st.floats(0, 1e12),
    tags=st.lists(texts.filter(str.strip), max_size=3),
    attributes=st.dictionaries(texts, texts | st.integers(-(2**60), 2**60) | st.booleans(), max_size=3),
)


@given(products)
def test_payload_is_json_and_gives_the_record_back(product: Product) -> None:
    payload = json.loads(json.dumps(product.payload() | {"_hash": "x"}))
    assert Product.from_payload(payload) == product


@pytest.mark.parametrize("price", [None, "", " "])
def test_no_price_may_be_written_in_any_way(price: Any) -> None:
    assert Product(id="1", price=price).price is None


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "x"])
def test_impossible_price_is_refused(price: Any) -> None:
    with pytest.raises(ValidationError):
        Product(id="1", price=price)


@pytest.mark.parametrize(
    ("tags", "split"),
    [
        ("a|b, c", ["a", "b, c"]),
        ("a; b", ["a", "b"]),
        ("a, b,,", ["a", "b"]),
        ("a b", ["a b"]),
        ("", []),
        (None, []),
        (["a"], ["a"]),
    ],
)
def test_tags_of_a_single_cell_are_split(tags: Any, split: list[str]) -> None:
    assert Product(id="1", tags=tags).tags == split
