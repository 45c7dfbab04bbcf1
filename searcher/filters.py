"""Filters as customers write them, `{"category": ["dress"], "price": {"lte": 50}}`, into the store's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.catalogue.values import cell_attribute
from services.errors import InvalidInput
from services.store.base import Filter, Match, Range

#: Fields of a product that can be filtered on, beside `attributes.NAME`.
KEYS = ("id", "title", "brand", "category", "tags", "currency", "price")
BOUNDS = ("gte", "lte", "gt", "lt")
MAX_VALUES = 256
_MAX_CHARACTERS = 1000
_INT64 = 2**63
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})?\.\.(?P<high>{_NUMBER})?")


def parse_filters(data: Any, field: str = "filters") -> Filter | None:
    """The filter of a JSON object; None for None or an empty one.

    A scalar or a list of scalars: the key equals any of them. An object of gte, lte, gt, lt: a range of
    numbers. `not` holds an object of the same form, none of which may be true. `id` limits to products.
    Raises `InvalidInput` naming the very key that cannot be used.
    """
    if data is None:
        return None
    conditions = dict(_object(data, field))
    without = conditions.pop("not", None)
    must, ids = _conditions(conditions, field)
    must_not: list[Match | Range] = []
    not_ids: tuple[str, ...] | None = None
    if without is not None:
        must_not, not_ids = _conditions(_object(without, f"{field}.not"), f"{field}.not")
    if not must and not must_not and ids is None and not not_ids:
        return None
    return Filter(must=tuple(must), must_not=tuple(must_not), ids=ids, not_ids=not_ids or ())


def parse_assignments(assignments: Sequence[str], field: str = "filter") -> Filter | None:
    """The filter of words such as `category=dress`, `price=10..50`, `brand!=Nordtal`.

    A key may come several times and then equals any of its values. Raises `InvalidInput`.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or not value or not key.rstrip("!"):
            raise InvalidInput(
                f"'{assignment[:64]}' is no filter.",
                mend="Write category=dress, brand!=Nordtal or price=10..50.",
                field=field,
            )
        target = found.setdefault("not", {}) if key.endswith("!") else found
        key = key.rstrip("! ")
        if (bounds := _RANGE.fullmatch(value)) and value != "..":
            numbers = {"gte": bounds["low"], "lte": bounds["high"]}
            target[key] = {bound: float(number) for bound, number in numbers.items() if number}
        elif key == "price":
            target[key] = cell_attribute(value)
        else:
            values = target[key] if isinstance(target.get(key), list) else []
            target[key] = values + either_type(value, typed=key.startswith("attributes."))
    return parse_filters(found, field)


def either_type(value: str, *, typed: bool) -> list[Any]:
    """A value given as bare text, and if `typed` also as the number or truth value it may be stored as."""
    other = cell_attribute(value) if typed else None
    return [value] if isinstance(other, str | None) else [value, other]


def check_key(key: str, field: str) -> str:
    """The key, if products can be filtered or counted by it; else raises `InvalidInput`."""
    if key in KEYS:
        return key
    prefix, _, name = key.partition(".")
    if prefix == "attributes" and name.strip() and len(key) <= 256:
        return key
    mend = f"Use {', '.join(KEYS)} or attributes.NAME."
    if prefix not in ("attributes", "not") and "." not in key and key:
        mend += f" For a column of your own write attributes.{key[:64]}."
    raise InvalidInput(f"Products have no field '{key[:64]}'.", mend=mend, field=field)


def without(filter: Filter | None, ids: tuple[str, ...]) -> Filter | None:
    """The filter, leaving these products out as well."""
    if not ids:
        return filter
    filter = filter or Filter()
    return replace(filter, not_ids=(*filter.not_ids, *ids))


def _object(data: Any, field: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidInput(
            f"Filters are an object, not {_kind(data)}.",
            mend='Write for example {"category": "dress", "price": {"lte": 50}}.',
            field=field,
        )
    if len(data) > MAX_VALUES:
        raise InvalidInput("There are too many filters.", mend=f"Use at most {MAX_VALUES}.", field=field)
    return data


def _conditions(data: Mapping[str, Any], field: str) -> tuple[list[Match | Range], tuple[str, ...] | None]:
    found: list[Match | Range] = []
    ids: tuple[str, ...] | None = None
    for key, value in data.items():
        where = f"{field}.{key[:64]}" if field else str(key)[:64]
        check_key(key, where)
        if key == "id":
            values = _values(value, where)
            if not all(isinstance(one, str) for one in values):
                raise InvalidInput("An id is text.", mend="Write the ids as strings.", field=where)
            ids = tuple(str(one) for one in values)
        elif isinstance(value, Mapping):
            found.append(_range(key, value, where))
        else:
            found.append(_equals(key, value, where))
    return found, ids


def _range(key: str, bounds: Mapping[str, Any], where: str) -> Range:
    for operator, value in bounds.items():
        if operator not in BOUNDS:
            raise InvalidInput(
                f"There is no operator '{str(operator)[:64]}'.",
                mend=f"Use {', '.join(BOUNDS)}, or a plain value or list for equality.",
                field=f"{where}.{str(operator)[:64]}",
            )
        if not _is_number(value) or not math.isfinite(value):
            raise InvalidInput(
                f"The bound is {_kind(value)}, not a finite number.",
                mend="Write a number such as 12.99.",
                field=f"{where}.{operator}",
            )
    if not bounds:
        raise InvalidInput("The range has no bound.", mend=f"Use {', '.join(BOUNDS)}.", field=where)
    if key not in ("price",) and not key.startswith("attributes."):
        raise InvalidInput(
            f"The field '{key}' holds no numbers.",
            mend="Use ranges on price and on numeric attributes.",
            field=where,
        )
    values = {operator: float(value) for operator, value in bounds.items()}
    low = max(values.get("gte", -math.inf), values.get("gt", -math.inf))
    high = min(values.get("lte", math.inf), values.get("lt", math.inf))
    if low > high:
        raise InvalidInput(
            f"The range from {low:g} to {high:g} is empty.", mend="Swap its bounds.", field=where
        )
    return Range(key, **values)


def _equals(key: str, value: Any, where: str) -> Match:
    values = _values(value, where)
    if key == "price" and not all(_is_number(one) for one in values):
        raise InvalidInput("The price is a number.", mend='Write 12.99 or {"lte": 12.99}.', field=where)
    return Match(key, tuple(values))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(value: Any, where: str) -> list[str | float | bool]:
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise InvalidInput("The list is empty.", mend="Name a value or leave the filter out.", field=where)
    if len(values) > MAX_VALUES:
        raise InvalidInput(
            f"There are {len(values)} values, more than {MAX_VALUES}.", mend="Name fewer.", field=where
        )
    for one in values:
        if isinstance(one, str):
            if len(one) > _MAX_CHARACTERS:
                raise InvalidInput("The value is too long.", mend="Shorten it.", field=where)
        elif not isinstance(one, int | float) or not math.isfinite(one) or abs(one) >= _INT64:
            raise InvalidInput(
                f"A value is {_kind(one)}.", mend="Use text, numbers, true or false.", field=where
            )
    return list(values)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "not a finite number"
    kinds: dict[type, str] = {bool: "a truth value", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number" if isinstance(value, int | float) else "of a strange kind")
