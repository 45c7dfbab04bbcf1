"""Weights behind values, as addresses and the command line write them: `sku-1^2` counts twice."""

from __future__ import annotations

import re

from searcher.query import MAX_WEIGHT
from services.errors import InvalidInput

_WEIGHTED = re.compile(r"(.*)\^(\d+(?:\.\d+)?)", re.DOTALL)


def weighted(text: str, field: str) -> tuple[str, float]:
    """`value^weight` -> value and weight, 1 if none is given.

    A value that ends like a weight itself is written with one: `ten^2^1`. The page writes its addresses in
    the same way. Raises `InvalidInput`, naming `field`, for a weight that no part may have.
    """
    match = _WEIGHTED.fullmatch(text)
    if match is None:
        return text, 1.0
    weight = float(match[2])
    if not 0 < weight <= MAX_WEIGHT:
        raise InvalidInput(
            f"The weight {match[2][:32]} of '{match[1][:64]}' cannot be used.",
            mend=f"Write a number above 0 and up to {MAX_WEIGHT:g} after the ^.",
            field=field,
        )
    return match[1], weight
