"""Single values of a catalogue: what a cell, a JSON value or an Arrow value means."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
from typing import Any

from services.catalogue.product import Scalar

_SYMBOLS = {"€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "zł": "PLN", "Rs": "INR"}
# Signs and words that several currencies share: kept as written, nothing is guessed.
_SHARED_SIGNS = "$¥₫₴₦฿₪₱"
_SHARED_WORDS = ("kr", "Kr", "Fr")
#: Longer texts are no price; it also keeps the pattern below from backtracking for long.
_LONGEST_PRICE = 40
_UNIT = r"[^\d\s.,+-]{1,4}"
_MONEY = re.compile(
    rf"(?P<sign>-?)\s*(?:(?P<before>{_UNIT})\.?)?\s*(?P<minus>-?)(?P<number>[\d.,'’\s]*\d)\s*"
    rf"(?:(?P<after>{_UNIT})\.?)?"
)
_PLAIN = re.compile(r"\d+(\.\d+)?")
# Nobody groups thousands after a leading zero: 0,999 is less than one.
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}|0,\d+")
# Thousands in groups of three, then decimals after the other mark: 1,299.00  1.299,00  1 299,00  1'299
_GROUPED = re.compile(r"[1-9]\d{0,2}(?P<group>[.,'’ ])\d{3}(?:(?P=group)\d{3})*(?P<rest>[.,]\d{1,2})?")
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9]\d{0,14})\.\d{1,15}")
_INT64 = 2**63


def parse_price(value: Any) -> tuple[float | None, str | None]:
    """A price and, if written beside it, its currency: `"1.299,00 €"` -> `(1299.0, "EUR")`.

    A single dot is a decimal point (`1.299` is 1.299, as programs write it); a single comma is one
    too unless exactly three digits follow (`12,99` is 12.99, `1,299` is 1299, but `0,999` is 0.999).
    Signs are kept, so the caller may refuse them. Raises `ValueError` with the reason.
    """
    if value is None:
        return None, None
    if isinstance(value, bool) or not isinstance(value, str | int | float | decimal.Decimal):
        raise ValueError(f"{_shown(value)} is not a number")
    if not isinstance(value, str):
        return _finite(float(value), value), None
    text = value.replace("\u00a0", " ").replace("\u202f", " ").strip()
    if not text:
        return None, None
    match = _MONEY.fullmatch(text) if len(text) <= _LONGEST_PRICE else None
    if match is None or (match["before"] and match["after"]):
        raise ValueError(f"{_shown(value)} is not a price")
    number = match["number"]
    if _PLAIN.fullmatch(number):
        amount = number
    elif _DECIMAL_COMMA.fullmatch(number):
        amount = number.replace(",", ".")
    elif (grouped := _GROUPED.fullmatch(number)) and (grouped["rest"] or " ")[0] != grouped["group"]:
        rest = grouped["rest"] or ""
        whole = number[: len(number) - len(rest)]
        amount = re.sub(r"\D", "", whole) + rest.replace(",", ".")
    else:
        raise ValueError(f"{_shown(value)} is not a price")
    result = float(amount)
    if match["sign"] or match["minus"]:
        result = -result
    unit = match["before"] or match["after"]
    if not unit:
        return result, None
    if unit in _SYMBOLS:
        return result, _SYMBOLS[unit]
    if len(unit) == 3 and unit.isascii() and unit.isalpha():
        return result, unit.upper()
    if unit in _SHARED_WORDS or any(character in _SHARED_SIGNS for character in unit):
        return result, unit
    raise ValueError(f"{_shown(value)} is not a price")


def _finite(number: float, shown: Any) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{_shown(shown)} is not a finite number")
    return number


def text_value(value: Any) -> Any:
    """A value for a text field: numbers become text (ids and titles are often numbers in JSON).

    A whole float is written as the integer it is: columns of integers become floats where one is missing.
    Raises `UnicodeDecodeError` for bytes that are not UTF-8.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < _INT64 else repr(value)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value


def cell_attribute(text: str) -> Scalar | None:
    """A CSV cell as an attribute: bool, int, float where it is unmistakably one, else text.

    Codes keep their leading zeros ("00123" stays text) and blank cells are None.
    """
    text = text.strip()
    if not text:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def attribute(value: Any) -> Scalar | None:
    """A typed (JSON, Arrow) value as an attribute; what is nested becomes text, NaN and null None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int):
        # The store keeps 64-bit integers; larger ones would stop the whole upsert.
        return value if -_INT64 <= value < _INT64 else str(value)
    if isinstance(value, decimal.Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list) and all(isinstance(part, str | int | float) for part in value):
        return ", ".join(str(part) for part in value) or None
    try:
        return json.dumps(value, ensure_ascii=False, default=str) if value else None
    except RecursionError:  # nested by the hundred: nothing one could filter on
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
