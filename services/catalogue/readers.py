"""Catalogues of any kind, read as a stream of rows: CSV, JSON Lines, Parquet, a folder of pictures."""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from services.catalogue.csvfile import CsvReader
from services.catalogue.jsonlines import JsonLinesReader
from services.catalogue.product import Product
from services.catalogue.rows import (
    BadEncoding,
    BadValue,
    Row,
    RowError,
    make_row,
    require_id,
    resolve_columns,
)
from services.errors import CatalogueError

__all__ = ["Catalogue", "Row", "open_catalogue", "title_from_name"]

_CSV = {".csv", ".tsv", ".txt"}
_JSON_LINES = {".jsonl", ".ndjson", ".json"}
_PARQUET = {".parquet", ".pq"}
_DECODABLE = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
# Rejected with their reason, rather than passed over in silence.
_REFUSED = {".svg", ".heic", ".heif", ".psd"}
#: What a folder is searched for.
PICTURES = frozenset(_DECODABLE | _REFUSED)
#: A folder with exactly one of these files is taken as that catalogue, its pictures being the rest.
_CATALOGUE_NAMES = ("products", "catalogue", "catalog")

# Rows of a batch may hold pictures as data URIs: keep batches small.
_PARQUET_BATCH = 256
_COUNT_EXACTLY = 64 * 1024 * 1024
_SAMPLE = 1024 * 1024


class _Reader(Protocol):
    columns: list[str]

    def __iter__(self) -> Iterator[Row]: ...


@dataclass(frozen=True)
class Catalogue:
    """An opened catalogue; iterate it (as often as wanted) for its rows, read as they are asked for.

    `base` is the folder that relative pictures are looked up in; `length_hint` how many rows there are
    about, for a progress bar, or None.
    """

    path: Path
    base: Path
    columns: list[str]
    length_hint: int | None
    _reader: Iterable[Row]

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self._reader
        except (OSError, UnicodeError, pa.ArrowException) as error:
            raise CatalogueError(
                f"Reading {self.path} failed midway ({error}).", mend="Check the file and run again."
            ) from error


def open_catalogue(
    path: Path, *, mapping: Mapping[str, str] | None = None, images: Path | None = None
) -> Catalogue:
    """Open a catalogue by its kind: the suffix says CSV, JSON Lines or Parquet; a folder its pictures.

    `mapping` gives product field -> column name and wins over plain names and aliases. `images` is the
    folder that relative pictures are looked up in (default: that of the catalogue file). Raises
    `CatalogueError` for what cannot be read at all; bad rows come out as rows with an error.
    """
    path = Path(path)
    if images is not None and not images.is_dir():
        raise CatalogueError(f"There is no folder {images}.", mend="Correct the path.", field="images")
    if path.is_dir():
        if inner := _catalogue_within(path):
            return open_catalogue(inner, mapping=mapping, images=images)
        if mapping:
            raise CatalogueError(
                f"{path} is a folder of pictures and has no columns.", mend="Leave out --map.", field="map"
            )
        if images is not None:
            raise CatalogueError(
                f"{path} is a folder of pictures itself.", mend="Leave out --images.", field="images"
            )
        folder = FolderReader(path)
        return Catalogue(path, path.resolve(), folder.columns, folder.count(), folder)
    if not path.exists():
        raise CatalogueError(f"There is no catalogue {path}.", mend="Correct the path.", field="catalogue")
    suffix = path.suffix.lower()
    reader: _Reader
    try:
        if suffix in _CSV:
            reader, count = CsvReader(path, mapping), _count_lines(path, header=1)
        elif suffix in _JSON_LINES:
            reader, count = JsonLinesReader(path, mapping), _count_lines(path, header=0)
        elif suffix in _PARQUET:
            reader = ParquetReader(path, mapping)
            count = reader.count
        else:
            raise CatalogueError(
                f"{path.name} is no catalogue of a known kind.",
                mend="Give a .csv, .tsv, .jsonl or .parquet file, or a folder of pictures.",
                field="catalogue",
            )
    except OSError as error:
        raise CatalogueError(
            f"{path} cannot be read ({error.strerror or error}).",
            mend="Check its permissions.",
            field="catalogue",
        ) from error
    except UnicodeError as error:
        raise CatalogueError(
            f"{path.name} cannot be read as text ({error}).", mend="Save it as UTF-8.", field="catalogue"
        ) from error
    base = images.resolve() if images is not None else path.resolve().parent
    return Catalogue(path, base, reader.columns, count, reader)


def _catalogue_within(folder: Path) -> Path | None:
    found = [
        folder / f"{name}{suffix}"
        for name in _CATALOGUE_NAMES
        for suffix in sorted(_CSV | _JSON_LINES | _PARQUET)
        if (folder / f"{name}{suffix}").is_file()
    ]
    return found[0] if len(found) == 1 else None


def _count_lines(path: Path, *, header: int) -> int:
    """Lines of the file: counted up to 64 MB, beyond that estimated from the first megabyte."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size > _COUNT_EXACTLY:
            return int(max(file.read(_SAMPLE).count(b"\n"), 1) / _SAMPLE * size)
        lines, last = 0, b"\n"
        while chunk := file.read(_SAMPLE):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return max(lines + (last != b"\n") - header, 0)


class ParquetReader:
    """Rows of a Parquet file, one batch at a time. Raises `CatalogueError` for a file that is none."""

    def __init__(self, path: Path, mapping: Mapping[str, str] | None) -> None:
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                self.columns: list[str] = list(file.schema_arrow.names)
                self.count: int = file.metadata.num_rows
        except pa.ArrowException as error:
            raise CatalogueError(
                f"{path.name} is no readable Parquet file ({error}).", mend="Write it again."
            ) from error
        self._chosen = resolve_columns(self.columns, mapping)
        require_id(self._chosen, self.columns)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        # Without buffering ahead, memory holds pages of a row group instead of all of it.
        with pq.ParquetFile(self._path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
                for index in range(batch.num_rows):
                    number += 1
                    yield self._row(number, batch, index)

    def _row(self, number: int, batch: Any, index: int) -> Row:
        values: dict[str, Any] = {}
        failed: RowError | None = None
        for at, name in enumerate(self.columns):
            try:
                values[name] = batch.column(at)[index].as_py()
            except UnicodeDecodeError:
                failed = BadEncoding(
                    f"The column '{name}' holds text that is not UTF-8.",
                    mend="Write the file again as UTF-8.",
                    field=name,
                )
            except (ValueError, OverflowError, pa.ArrowException) as error:
                failed = BadValue(
                    f"The value of '{name}' cannot be read ({error}).", mend="Correct it.", field=name
                )
        row = make_row(number, values, self._chosen)
        if failed is None:
            return row
        return Row(number, error=failed, raw_id=row.raw_id if self._chosen["id"] in values else None)


class FolderReader:
    """Every picture below a folder: id = path within it, title from the name, category from its folder."""

    columns: list[str] = []  # noqa: RUF012 - the protocol's attribute, never changed

    def __init__(self, root: Path) -> None:
        self._root = root

    def _paths(self) -> Iterator[Path]:
        def fail(error: OSError) -> None:
            raise error

        for folder, subfolders, names in os.walk(self._root, onerror=fail):
            # Sorted, so that rows keep their numbers from run to run.
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and os.path.splitext(name)[1].lower() in PICTURES:
                    yield Path(folder, name)

    def count(self) -> int:
        try:
            found = sum(1 for _ in self._paths())
        except OSError as error:
            raise CatalogueError(
                f"{self._root} cannot be read ({error}).", mend="Check its permissions.", field="catalogue"
            ) from error
        if not found:
            raise CatalogueError(
                f"There are no pictures in {self._root}.",
                mend="Give a folder with JPEG, PNG, WebP or similar files, or a catalogue file.",
                field="catalogue",
            )
        return found

    def __iter__(self) -> Iterator[Row]:
        for number, path in enumerate(self._paths(), start=1):
            relative = path.relative_to(self._root)
            try:
                name = relative.as_posix()
                name.encode()
            except UnicodeEncodeError:
                error = BadEncoding("The file name is not UTF-8.", mend="Rename the file.", field="id")
                yield Row(number, error=error, raw_id="")
                continue
            if len(name) > 256:
                error_long = BadValue(
                    f"The path {name[:60]}... is longer than 256 characters, too long for an id.",
                    mend="Shorten the names of its folders.",
                    field="id",
                )
                yield Row(number, error=error_long, raw_id=name)
                continue
            category = _words(relative.parent.name) or None
            product = Product(id=name, title=title_from_name(path.stem), image=name, category=category)
            yield Row(number, product=product, raw_id=name)


_MACHINE = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|[0-9a-f]{16,}", re.I)
_CAMERA = {"img", "image", "dsc", "dscn", "dscf", "pxl", "photo", "picture", "pic", "screenshot", "wa"}


def _words(name: str) -> str:
    return " ".join(re.sub(r"[-_.+]+", " ", urllib.parse.unquote(name)).split())


def title_from_name(stem: str) -> str:
    """A title from a file name without suffix: `red-dress_01` -> `red dress`.

    Names that machines gave (UUIDs, hashes, bare numbers, `IMG_1234`) give no title: "".
    """
    if _MACHINE.fullmatch(stem.strip()):
        return ""
    words = _words(re.sub(r"\(\d+\)", " ", stem)).split()
    while words and words[-1].isdigit():
        words.pop()
    if all(word.isdigit() or word.lower() in _CAMERA for word in words):
        return ""
    return " ".join(words)
