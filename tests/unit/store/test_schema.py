"""What stored collections depend on, so that it may not change unnoticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.store import schema
from services.store.terms import LONGEST, term, terms


def test_point_ids_never_change() -> None:
    # Collections on disk are keyed by these: a change here would orphan every stored product.
    assert schema.point_id("SKU 12/34") == "8b3dfbd4-2135-5429-b40b-af653c61a1bb"
    assert schema.point_id("größe-👠") == "e709eef1-e3e5-515c-96dd-1237a820da6e"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True))
def test_different_products_have_different_point_ids(names: list[str]) -> None:
    assert len({schema.point_id(name) for name in names}) == len(names)


def test_terms_tell_fields_and_types_apart() -> None:
    values = ["true", "1", "1.0", "", "red", True, False, 1, 0, 1.5]
    keys = ["attributes.a", "attributes.a.b", 'attributes.a","b', "attributes.", "other.a"]
    spelt = {term(key, value) for key in keys for value in values}
    assert None not in spelt
    assert len(spelt) == len(keys) * len(values)


def test_equal_numbers_share_a_term() -> None:
    assert term("attributes.size", 38) == term("attributes.size", 38.0)
    assert term("attributes.size", 0.0) == term("attributes.size", -0.0) == term("attributes.size", 0)
    assert term("attributes.size", 1) != term("attributes.size", True)


def test_only_attributes_and_booleans_have_terms() -> None:
    payload = {
        "title": "A dress",
        "price": 12.5,
        "new": True,
        "tags": ["red"],
        "a.b": True,
        "attributes": {"colour": ["red", "red"], "care": "x" * (LONGEST + 1), "size": 38, "none": None},
    }
    assert terms(payload) == [
        '["new",true]',
        '["attributes.colour","red"]',
        '["attributes.size",38.0]',
    ]
