"""CSV as shops write it: any common delimiter, stray quotes and broken bytes cost one row, not the file."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from services.catalogue.rows import (
    BadColumns,
    BadEncoding,
    BadSyntax,
    Row,
    make_row,
    require_id,
    resolve_columns,
)
from services.catalogue.values import cell_attribute
from services.errors import CatalogueError

_DELIMITERS = ",;\t|"
#: Longest line read at once; a picture of 25 MB as data URI takes 34 million characters.
MAX_LINE = 64_000_000
#: A quoted field that runs over more text than this in further lines was never closed.
_MAX_SPAN = 1_000_000
# What `surrogateescape` makes of bytes that are not UTF-8.
_BROKEN = re.compile("[\udc80-\udcff]")


def text_encoding(head: bytes) -> str:
    """Encoding of a file by its first bytes: UTF-8 or UTF-16, with or without byte order mark."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    # No catalogue starts with a NUL character: it is the other half of a UTF-16 letter.
    if len(head) >= 2 and 0 in head[:2]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def open_text(path: Path) -> TextIO:
    """The file as text; bytes that are no UTF-8 come through as lone surrogates, to be found later."""
    with path.open("rb") as raw:
        encoding = text_encoding(raw.read(4))
    return path.open("r", encoding=encoding, errors="surrogateescape", newline="")


def is_broken(text: str) -> bool:
    """True if the text held bytes that are not UTF-8."""
    return _BROKEN.search(text) is not None


class _Lines:
    """Lines of the file for `csv.reader`, remembering those of the current record to hand them back."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self.start = 1
        self._span = 0

    def begin(self) -> None:
        self.start += len(self.taken)
        self.taken = []
        self._span = 0

    def give_back(self) -> None:
        """Keep only the first line of the record; the others will be read again."""
        self._back.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._span > _MAX_SPAN:
            raise csv.Error("a quote is not closed")
        line = self._back.popleft() if self._back else self._file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        # The first line does not count: it may hold a whole picture as data URI.
        if self.taken:
            self._span += len(line)
        self.taken.append(line)
        return line


class CsvReader:
    """Reads the header at once and the rows one by one. Raises `CatalogueError` for a bad header."""

    def __init__(self, path: Path, mapping: Mapping[str, str] | None) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
        self._path = path
        with open_text(path) as file:
            self._skip, self._delimiter, header = self._read_header(file)
        if is_broken("".join(header)):
            raise CatalogueError(
                f"The header of {path.name} is not UTF-8.",
                mend="Save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8').",
            )
        self.columns = [name.strip() for name in header]
        named = [name for name in self.columns if name]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise CatalogueError(
                f"{path.name} has more than one column named {', '.join(twice)}.", mend="Rename one of them."
            )
        self._chosen = resolve_columns(named, mapping)
        require_id(self._chosen, named)
        self._id_at = self.columns.index(self._chosen["id"])

    def _read_header(self, file: TextIO) -> tuple[int, str, list[str]]:
        skip = 0
        while line := file.readline(_MAX_SPAN):
            skip += 1
            if not line.strip():
                continue
            # Spreadsheets may name the delimiter in a line of its own.
            if hint := re.fullmatch(r"sep=(.)", line.strip("\r\n"), re.IGNORECASE):
                delimiter, line = hint[1], file.readline(_MAX_SPAN)
                return skip + 1, delimiter, next(csv.reader([line], delimiter=delimiter), [])
            split = {mark: next(csv.reader([line], delimiter=mark), []) for mark in _DELIMITERS}
            delimiter = max(_DELIMITERS, key=lambda mark: len(split[mark]))
            return skip, delimiter, split[delimiter]
        raise CatalogueError(
            f"{self._path.name} is empty.", mend="Its first line must name the columns, e.g. id,title,image."
        )

    def __iter__(self) -> Iterator[Row]:
        with open_text(self._path) as file:
            for _ in range(self._skip):
                file.readline(_MAX_SPAN)
            lines = _Lines(file)
            lines.start += self._skip
            reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
            while True:
                lines.begin()
                try:
                    cells = next(reader)
                    amiss = len(cells) != len(self.columns) and self._swallowed(lines.taken[1:])
                except StopIteration:
                    return
                except csv.Error:
                    amiss = True
                if amiss:
                    yield self._recover(lines)
                elif any(cell.strip() for cell in cells):
                    yield self._row(lines.start, cells)

    def _swallowed(self, lines: list[str]) -> bool:
        """True if one of these lines of a record looks like a record of its own.

        A quote that is never closed joins rows until the next quote; those rows must not be lost.
        """
        return any(len(self._split(line)) == len(self.columns) for line in lines)

    def _split(self, line: str) -> list[str]:
        """Cells of a single line, stray quotes taken as they come."""
        try:
            return next(csv.reader([line], delimiter=self._delimiter), [])
        except csv.Error:
            return []

    def _recover(self, lines: _Lines) -> Row:
        """A quote is amiss: read the first line alone, leniently, and the lines after it anew."""
        lines.give_back()
        first = lines.taken[0]
        cells = self._split(first)
        if len(cells) == len(self.columns):
            return self._row(lines.start, cells)
        return Row(
            lines.start,
            error=BadSyntax(
                "A quote in this line is not closed.", mend='Double the quotes inside a field: "".'
            ),
            raw_id=None if first.lstrip().startswith('"') else self._raw_id(cells),
        )

    def _row(self, number: int, cells: list[str]) -> Row:
        expected = len(self.columns)
        while len(cells) > expected and not cells[-1].strip():
            cells.pop()
        if is_broken("".join(cells)):
            return Row(
                number,
                error=BadEncoding(
                    "The row holds bytes that are not UTF-8.",
                    mend="Save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8').",
                    field=self._broken_column(cells),
                ),
                raw_id=self._raw_id(cells),
            )
        if len(cells) != expected:
            many = len(cells) > expected
            return Row(
                number,
                error=BadColumns(
                    f"The row has {len(cells)} columns where the header has {expected}.",
                    mend=f"Quote fields that hold '{self._delimiter}'."
                    if many
                    else "Fill in the missing ones.",
                ),
                raw_id=self._raw_id(cells),
            )
        return make_row(number, dict(zip(self.columns, cells, strict=True)), self._chosen, cell_attribute)

    def _raw_id(self, cells: list[str]) -> str | None:
        # With a delimiter too many or too few, only the first cell is sure to stand in its place.
        shifted = len(cells) != len(self.columns) and self._id_at > 0
        if shifted or not cells or is_broken(cells[self._id_at]):
            return None
        return cells[self._id_at].strip()

    def _broken_column(self, cells: list[str]) -> str | None:
        for name, cell in zip(self.columns, cells, strict=False):
            if is_broken(cell):
                return name
        return None
