"""Attributes as indexed terms, so that filtering by them needs no look at every product's payload.

A catalogue's own columns (`attributes.NAME`) are not known in advance and get no payload index of their
own. Their values are therefore also stored as terms, such as `["attributes.colour","red"]`, in one list
with a keyword index. Booleans outside attributes are stored so too: the embedded engine's binding (0.9.0)
turns a boolean in a condition into the integer 1 or 0, which equals no stored boolean.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: Longer texts (a care instruction, say) are matched without an index.
LONGEST = 200


def term(key: str, value: str | float) -> str | None:
    """The term of one value of a field, or None if such values have none.

    Numbers are told apart as float64, so 38 and 38.0 share a term.
    """
    if isinstance(value, bool):
        return _spell(key, value)
    if "." not in key:
        return None
    if isinstance(value, str):
        return _spell(key, value) if len(value) <= LONGEST else None
    return _spell(key, float(value) + 0.0)  # -0.0 becomes 0.0


def terms(payload: dict[str, Any]) -> list[str]:
    """All terms of a payload, each once."""
    found = (term(key, value) for key, value in _scalars(payload))
    return list(dict.fromkeys(spelt for spelt in found if spelt is not None))


def _scalars(payload: dict[str, Any]) -> Iterator[tuple[str, str | float]]:
    for key, value in payload.items():
        if "." in key:  # such a key cannot be named in a filter
            continue
        inner = [(f"{key}.{name}", inner) for name, inner in value.items()] if isinstance(value, dict) else []
        for path, held in [(key, value), *inner]:
            for single in held if isinstance(held, list) else [held]:
                if isinstance(single, str | int | float):
                    yield path, single


def _spell(key: str, value: str | float) -> str:
    return json.dumps([key, value], ensure_ascii=False, separators=(",", ":"))
