"""Prices, text and attributes of single cells."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalogue.values import attribute, cell_attribute, parse_price, text_value


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("12.99", 12.99, None),
        ("12,99", 12.99, None),
        ("12,9", 12.9, None),
        ("1.299", 1.299, None),
        ("1,299", 1299.0, None),
        ("0,999", 0.999, None),
        ("0.5", 0.5, None),
        ("1,299.00", 1299.0, None),
        ("1.299,00", 1299.0, None),
        ("1 299,00", 1299.0, None),
        ("1\u202f299,00 €", 1299.0, "EUR"),
        ("1'299.50", 1299.5, None),
        ("CHF 1’299.50", 1299.5, "CHF"),
        ("1.234.567", 1234567.0, None),
        ("€12", 12.0, "EUR"),
        ("12 eur", 12.0, "EUR"),
        ("£ 9.50", 9.5, "GBP"),
        ("$20", 20.0, "$"),
        ("US$ 20", 20.0, "US$"),
        ("R$ 1.299,00", 1299.0, "R$"),
        ("Rs. 499", 499.0, "INR"),
        ("199 kr.", 199.0, "kr"),
        ("49,90 zł", 49.9, "PLN"),
        ("  7  ", 7.0, None),
        ("-5", -5.0, None),
        ("$-5.00", -5.0, "$"),
        ("-$5.00", -5.0, "$"),
        ("٣", 3.0, None),
        (12, 12.0, None),
        (12.5, 12.5, None),
        (decimal.Decimal("9.99"), 9.99, None),
        ("", None, None),
        (" \u00a0 ", None, None),
        (None, None, None),
    ],
)
def test_prices_as_shops_write_them(written: Any, amount: float | None, currency: str | None) -> None:
    assert parse_price(written) == (amount, currency)


@pytest.mark.parametrize(
    "written",
    [
        "free", "N/A", "12.99.1", "1,29,900", "1,299,00", "12 99", "12-15", "from 10", "€12€", "12,,5",
        "1.2.3", "12 pieces", "1e5", "NaN", "inf", "$", "-", "1,2345", "9" * 60, "-" + " " * 20_000 + "x",
        math.nan, math.inf, True, [1], {"amount": 1}, 10**400,
    ],
)  # fmt: skip
def test_what_is_no_price_is_refused(written: Any) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_price(written)


@given(
    cents=st.integers(0, 10**11),
    style=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("'", "."), ("’", ".")]),
    unit=st.sampled_from(
        [("", "", None), ("€ ", "", "EUR"), ("", " EUR", "EUR"), ("", "₽", "RUB"), ("$", "", "$")]
    ),
)
def test_grouped_price_means_the_same_in_every_country(
    cents: int, style: tuple[str, str], unit: tuple[str, str, str | None]
) -> None:
    group, point = style
    before, after, currency = unit
    grouped = f"{cents // 100:,}".replace(",", group) + f"{point}{cents % 100:02d}"
    assert parse_price(before + grouped + after) == (float(f"{cents // 100}.{cents % 100:02d}"), currency)


@given(st.floats(0, 1e15, allow_nan=False))
def test_price_written_by_a_program_is_read_back_exactly(number: float) -> None:
    assert parse_price(format(number, "f")) == (float(format(number, "f")), None)


@given(st.text(max_size=60))
def test_any_text_gives_a_finite_price_or_an_error(text: str) -> None:
    try:
        amount, currency = parse_price(text)
    except ValueError:
        return
    if amount is None:
        assert not text.strip() and currency is None
    else:
        assert math.isfinite(amount) and any(character.isdigit() for character in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (7.0, "7"),
        (1234567890123456.0, "1234567890123456"),
        (7.25, "7.25"),
        (math.nan, None),
        (decimal.Decimal("1.50"), "1.50"),
        (b"caf\xc3\xa9", "café"),
        ("x", "x"),
        (None, None),
        (True, True),
    ],
)
def test_numbers_become_text_where_text_is_wanted(value: Any, text: Any) -> None:
    assert text_value(value) == text


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("", None), ("  ", None), ("true", True), ("False", False), ("42", 42), ("-7", -7), ("0", 0),
        ("1.5", 1.5), ("00123", "00123"), ("0x10", "0x10"), ("1e5", "1e5"), ("nan", "nan"),
        ("1_000", "1_000"), ("9" * 30, "9" * 30), ("L", "L"), (" navy ", "navy"), ("1.", "1."), ("+5", "+5"),
    ],
)  # fmt: skip
def test_cell_is_typed_only_where_unmistakable(cell: str, value: Any) -> None:
    found = cell_attribute(cell)
    assert found == value and type(found) is type(value)


@given(st.one_of(st.integers(-(2**59), 2**59), st.booleans()))
def test_typed_cells_survive_being_written_as_text(value: int | bool) -> None:
    assert cell_attribute(str(value)) == value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None), ("", None), (" x ", "x"), (3, 3), (True, True), (math.nan, None), (math.inf, None),
        (2**63, str(2**63)), (-(2**63), -(2**63)), (decimal.Decimal("1.5"), 1.5), (b"\xff", "\ufffd"),
        (datetime.date(2026, 1, 2), "2026-01-02"), (["a", 1], "a, 1"), ([], None), ({}, None),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)  # fmt: skip
def test_typed_values_become_scalars_the_store_can_keep(value: Any, stored: Any) -> None:
    found = attribute(value)
    assert found == stored and type(found) is type(stored)


def test_value_nested_without_end_is_left_out() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    assert attribute(nested) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_every_json_value_becomes_a_scalar_or_nothing(value: Any) -> None:
    found = attribute(value)
    assert found is None or type(found) in (str, int, float, bool)
    if isinstance(found, float):
        assert math.isfinite(found)
    if type(found) is int:
        assert -(2**63) <= found < 2**63
    json.dumps(found)
