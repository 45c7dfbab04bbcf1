"""JSON Lines: one object a line; a line that is none costs itself alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from services.catalogue.csvfile import MAX_LINE, is_broken, open_text
from services.catalogue.rows import BadEncoding, BadSyntax, Row, make_row, require_id, resolve_columns
from services.errors import CatalogueError

#: Lines looked at to learn which keys there are.
_HEAD = 100


class JsonLinesReader:
    """Learns the keys from the first lines, then reads row by row.

    Raises `CatalogueError` for a file that is one JSON document, has no object in its first lines, or
    no key for the id.
    """

    def __init__(self, path: Path, mapping: Mapping[str, str] | None) -> None:
        self._path = path
        self._mapping = dict(mapping or {})
        self._resolved: dict[tuple[str, ...], dict[str, str]] = {}
        keys: dict[str, None] = {}
        seen = 0
        for _, line in islice(self._lines(), _HEAD):
            if not seen and line.startswith("["):
                raise CatalogueError(
                    f"{path.name} is one JSON array, which cannot be read piece by piece.",
                    mend=f"Write one object a line, e.g. jq -c '.[]' {path.name} > {path.stem}.jsonl.",
                )
            seen += 1
            record = _parse(line)
            if isinstance(record, dict):
                keys.update(dict.fromkeys(record))
        if not keys:
            raise CatalogueError(
                f"{path.name} has no JSON object in its first lines." if seen else f"{path.name} is empty.",
                mend='Write one object a line, e.g. {"id": "1", "title": "red dress", "image": "1.jpg"}.',
            )
        self.columns = list(keys)
        chosen = resolve_columns(keys, mapping)
        require_id(chosen, keys)
        self._id_key = chosen["id"]

    def _lines(self) -> Iterator[tuple[int, str]]:
        with open_text(self._path) as file:
            number = 0
            while line := file.readline(MAX_LINE):
                number += 1
                if line.strip():
                    yield number, line.strip()

    def __iter__(self) -> Iterator[Row]:
        for number, line in self._lines():
            yield self._row(number, line)

    def _row(self, number: int, line: str) -> Row:
        record = _parse(line)
        if is_broken(line):
            return Row(
                number,
                error=BadEncoding("The line holds bytes that are not UTF-8.", mend="Save the file as UTF-8."),
                raw_id=self._leading_id(line),
            )
        if isinstance(record, Exception):
            return Row(
                number,
                error=BadSyntax(
                    f"The line is not valid JSON ({record}).", mend="Write one JSON object a line."
                ),
                raw_id=self._leading_id(line),
            )
        if not isinstance(record, dict):
            return Row(
                number,
                error=BadSyntax(
                    f"The line is {type(record).__name__}, not a JSON object.",
                    mend="Write one JSON object a line.",
                ),
                raw_id="",
            )
        return make_row(number, record, self._columns_of(record))

    def _columns_of(self, record: dict[str, Any]) -> dict[str, str]:
        keys = tuple(record)
        if keys not in self._resolved:
            # Records with keys of their own without end must not fill the memory.
            if len(self._resolved) >= 1000:
                self._resolved.clear()
            # A key that this record happens to lack is a missing value; one that no record has was
            # refused on opening.
            known = {field: key for field, key in self._mapping.items() if field != "id" and key in record}
            # The id has one key throughout: a record without it has no id, whatever else it has.
            chosen = resolve_columns((key for key in keys if key != self._id_key), known)
            self._resolved[keys] = chosen | {"id": self._id_key}
        return self._resolved[keys]

    def _leading_id(self, line: str) -> str | None:
        """The id of a line that is not valid JSON: certain only where it comes first and whole."""
        key = re.escape(json.dumps(self._id_key, ensure_ascii=False))
        found = re.match(rf'\{{\s*{key}\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+)\s*[,}}]', line)
        value = _parse(found[1]) if found else None
        if isinstance(value, str | int) and not is_broken(str(value)):
            return str(value).strip()
        return None


def _parse(line: str) -> Any:
    """The JSON value of the line, or the exception it ended in."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return error
