"""A collection in one file: everything that is stored, as Parquet that any tool can read.

One row a product: its id, its payload as JSON, its vectors, its keywords. The collection's metadata
(encoder identity, calibration) is in the file's own. Nothing is encoded on the way out or back in, and a
file made of an embedded collection goes into a Qdrant server as well. Every page carries a checksum, and a
file that was cut short has no footer, so damage is found and never restored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.errors import InvalidInput
from services.store.base import PATCHES, VECTORS, CollectionMeta, Point, SparseVector, VectorStore
from services.store.schema import decode_meta, encode_meta

#: Key of the file's metadata under which ours is kept, and the version of this layout.
_KEY, FORMAT = b"vitrine", 1
#: Products read, written and sent at a time.
PAGE = 1000

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Snapshot:
    """A file that was opened: the metadata of its collection, and how many products it holds."""

    path: Path
    meta: CollectionMeta
    products: int

    def pages(self) -> Iterator[list[Point]]:
        """All products, a page at a time. Raises `InvalidInput` where the file is damaged."""
        with _readable(self.path), pq.ParquetFile(self.path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=PAGE):
                yield [_to_point(row, batch, at) for at, row in enumerate(_rows(batch))]


def pages_of(store: VectorStore, meta: CollectionMeta) -> Iterator[list[Point]]:
    """All points of an opened store with all their vectors, a page at a time. Raises `StoreUnavailable`."""
    cursor: str | None = None
    while True:
        page, cursor = store.scroll(limit=PAGE, cursor=cursor, vectors=True, patches=meta.patches)
        yield page
        if cursor is None:
            return


def write_snapshot(
    pages: Iterable[list[Point]], meta: CollectionMeta, path: Path, *, progress: Progress = lambda done: None
) -> Snapshot:
    """Write all pages into a file, which appears under its name when it is whole.

    Raises `InvalidInput` if it cannot be written, and whatever reading the pages raises.
    """
    part = path.with_name(f"{path.name}.part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(part, _schema(meta), compression="zstd", write_page_checksum=True) as writer:
            for page in pages:
                writer.write_table(_table(page, meta))
                count += len(page)
                progress(count)
        part.replace(path)
    except OSError as error:
        raise InvalidInput(
            f"The snapshot {path} cannot be written: {error.strerror or error}.",
            mend="Choose another place, with room for it.",
            field="file",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Snapshot(path, meta, count)


def read_snapshot(path: Path) -> Snapshot:
    """Open a file that `write_snapshot` wrote. Raises `InvalidInput` if it is none, or damaged."""
    with _readable(path), pq.ParquetFile(path) as file:
        metadata = (file.schema_arrow.metadata or {}).get(_KEY)
        if metadata is None:
            raise InvalidInput(
                f"{path} is a Parquet file, but no snapshot.",
                mend="Give one that vitrine snapshot create wrote.",
                field="file",
            )
        data = json.loads(metadata)
        if data["format"] == FORMAT and data["sha256"] != _digest(data["meta"]):
            raise ValueError("its metadata is not what was written")
        if data["format"] > FORMAT:
            raise InvalidInput(
                f"{path} was written by a newer Vitrine.", mend="Upgrade Vitrine.", field="file"
            )
        return Snapshot(path, decode_meta(data["meta"], f"the snapshot {path}"), file.metadata.num_rows)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what pyarrow and the file system say of a bad file into `InvalidInput`."""
    try:
        yield
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {path}.", mend="Correct the path.", field="file") from error
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise InvalidInput(
            f"{path} is no snapshot, or it is damaged ({error}).",
            mend="Copy it again, or restore another one.",
            field="file",
        ) from error


def _digest(meta: Any) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _schema(meta: CollectionMeta) -> pa.Schema:
    vector = pa.list_(pa.float32(), meta.dim)
    keywords = pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float32()))])
    fields = [pa.field("id", pa.string(), nullable=False), pa.field("payload", pa.string(), nullable=False)]
    fields += [pa.field(name, vector) for name in VECTORS] + [pa.field("keywords", keywords)]
    if meta.patches:
        fields.append(pa.field(PATCHES, pa.list_(vector)))
    # Parquet checks its pages, but not the footer that this goes into.
    encoded = encode_meta(meta)
    ours = json.dumps({"format": FORMAT, "meta": encoded, "sha256": _digest(encoded)})
    return pa.schema(fields, metadata={_KEY: ours.encode()})


def _table(points: list[Point], meta: CollectionMeta) -> pa.Table:
    schema = _schema(meta)
    columns = [
        pa.array([point.id for point in points], pa.string()),
        pa.array([json.dumps(point.payload, ensure_ascii=False) for point in points], pa.string()),
        *(_vectors([point.vectors.get(name) for point in points], meta.dim) for name in VECTORS),
        pa.array([_sparse(point.keywords) for point in points], schema.field("keywords").type),
    ]
    if meta.patches:
        rows = [None if point.patches is None else list(point.patches) for point in points]
        columns.append(pa.array(rows, schema.field(PATCHES).type))
    return pa.Table.from_arrays(columns, schema=schema)


def _vectors(vectors: list[Any], dim: int) -> pa.Array:
    blank = np.zeros(dim, dtype=np.float32)
    flat = np.concatenate([blank if one is None else one for one in vectors] or [blank[:0]])
    missing = np.array([one is None for one in vectors], dtype=np.bool_)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), dim, mask=pa.array(missing))


def _sparse(keywords: SparseVector | None) -> dict[str, Any] | None:
    if keywords is None:
        return None
    return {"indices": list(keywords.indices), "values": list(keywords.values)}


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return list(batch.select(["id", "payload", "keywords"]).to_pylist())


def _to_point(row: dict[str, Any], batch: pa.RecordBatch, at: int) -> Point:
    vectors = {}
    for name in VECTORS:
        value = batch.column(name)[at]
        if value.is_valid:
            vectors[name] = value.values.to_numpy(zero_copy_only=False).astype(np.float32)
    kept = row["keywords"]
    keywords = None if kept is None else SparseVector(tuple(kept["indices"]), tuple(kept["values"]))
    patches = None
    if PATCHES in batch.schema.names and (value := batch.column(PATCHES)[at]).is_valid:
        patches = np.asarray(value.as_py(), dtype=np.float32)
    return Point(row["id"], vectors, json.loads(row["payload"]), keywords, patches)
