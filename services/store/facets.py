"""Counting the values of fields that have no keyword index, by reading every matching product."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from services.store.base import Filter, VectorStore
from services.store.schema import split_key

_PAGE = 1000


def rank(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    """The most frequent values first, equally frequent ones by name; those of no product left out."""
    present = (item for item in counts.items() if item[1] > 0)
    return sorted(present, key=lambda item: (-item[1], item[0]))[:limit]


def count_by_scan(store: VectorStore, key: str, limit: int, filter: Filter | None) -> list[tuple[str, int]]:
    """As `VectorStore.facets`; numbers and booleans are counted under their JSON spelling."""
    counts: Counter[str] = Counter()
    cursor: str | None = None
    while True:
        page, cursor = store.scroll(limit=_PAGE, cursor=cursor, filter=filter, keys=[key])
        for point in page:
            counts.update(set(_values(point.payload, key)))
        if cursor is None:
            return rank(counts, limit)


def _values(payload: dict[str, Any], key: str) -> Iterator[str]:
    value: Any = payload
    for name in split_key(key):
        value = value.get(name) if isinstance(value, dict) else None
    for single in value if isinstance(value, list) else [value]:
        if isinstance(single, str):
            yield single
        elif isinstance(single, bool | int | float):
            yield json.dumps(single)
