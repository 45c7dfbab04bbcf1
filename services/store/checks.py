"""What is refused before either store writes or searches anything."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from services.errors import InvalidInput, StoreUnavailable
from services.store.base import KEYWORDS, VECTORS, CollectionMeta, Point, Search, SparseVector, Vector
from services.store.schema import RESERVED_KEYS, point_id

_INT64 = range(-(2**63), 2**63)
_UINT32 = range(2**32)
#: More tokens than the longest title and brand can have.
_MOST_TOKENS = 8192
#: Patches of one picture, or tokens of one query: a grid of 32 x 32.
MOST_PATCHES = 1024


def check_open(meta: CollectionMeta | None, collection: str) -> CollectionMeta:
    """The metadata of an open collection; raises `StoreUnavailable` if it is not open."""
    if meta is None:
        raise StoreUnavailable(
            f"The collection {collection!r} is not open.",
            mend="Open the store before using it; a store that was closed or dropped must be opened again.",
            field="collection",
        )
    return meta


def check_same_layout(stored: CollectionMeta, replacement: CollectionMeta) -> None:
    """Raise `InvalidInput` for metadata that would change what a collection was created with."""
    for field, what in (("dim", "width"), ("distance", "distance"), ("patches", "choice of patches")):
        before, after = getattr(stored, field), getattr(replacement, field)
        if before != after:
            raise InvalidInput(
                f"The collection was created with the {what} {before}, which cannot become {after}.",
                mend="Index again into another VITRINE_COLLECTION.",
                field=field,
            )


def check_vector(vector: Any, dim: int, field: str) -> Vector:
    """The vector as contiguous float32 [dim]; raises `InvalidInput` for another width or infinities."""
    array = _floats(vector, field)
    if array.shape != (dim,):
        raise InvalidInput(
            f"{field} has the shape {list(array.shape)}, but the collection holds vectors of shape [{dim}].",
            mend="Use the encoder that the collection was indexed with.",
            field=field,
        )
    return array


def check_tokens(tokens: Any, dim: int, field: str) -> Vector:
    """Patches, or the tokens to compare them with, as contiguous float32 [k, dim]; raises `InvalidInput` for
    another width, infinities, or a k that is 0 or above `MOST_PATCHES`."""
    array = _floats(tokens, field)
    if array.ndim != 2 or array.shape[1] != dim or not 1 <= len(array) <= MOST_PATCHES:
        raise InvalidInput(
            f"{field} has the shape {list(array.shape)}, not [k, {dim}] with k from 1 to {MOST_PATCHES}.",
            mend="Use the encoder that the collection was indexed with, and a coarser grid if need be.",
            field=field,
        )
    return array


def _floats(vector: Any, field: str) -> Vector:
    try:
        array = np.ascontiguousarray(vector, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"{field} does not hold numbers alone.", mend="Pass an array of float32.", field=field
        ) from error
    if not np.isfinite(array).all():
        raise InvalidInput(
            f"{field} holds values that are not finite.",
            mend="Look for an encoder that overflows, for instance in reduced precision.",
            field=field,
        )
    return array


def check_name(name: str) -> str:
    """The name of a vector; raises `InvalidInput` if the collection has none of that name."""
    if name not in VECTORS:
        raise InvalidInput(
            f"There is no vector named {name!r}.", mend=f"Use one of {', '.join(VECTORS)}.", field="name"
        )
    return name


def check_sparse(vector: SparseVector, field: str) -> SparseVector:
    """The vector as plain ints and floats; raises `InvalidInput` for one that no engine can keep."""
    indices, values = tuple(map(int, vector.indices)), tuple(map(float, vector.values))
    if len(indices) != len(values) or len(set(indices)) != len(indices) or len(indices) > _MOST_TOKENS:
        raise InvalidInput(
            f"{field} does not give one value to each of at most {_MOST_TOKENS} distinct tokens.",
            mend="Make it with services.keywords.",
            field=field,
        )
    if not all(index in _UINT32 for index in indices) or not all(map(math.isfinite, values)):
        raise InvalidInput(
            f"{field} holds a token beyond 32 bits or a value that is not finite.",
            mend="Make it with services.keywords.",
            field=field,
        )
    return SparseVector(indices, values)


def check_search(search: Search, dim: int) -> Search:
    """The search with its vector or keywords checked; raises `InvalidInput`."""
    name, query = search
    if isinstance(query, SparseVector) and name == KEYWORDS:
        return Search(name, check_sparse(query, "The keywords of the query"))
    return Search(check_name(name), check_vector(query, dim, "The query vector"))


def check_limit(limit: int) -> int:
    if limit < 1:
        raise InvalidInput(f"The limit {limit} is below 1.", mend="Ask for at least one.", field="limit")
    return limit


def check_cursor(cursor: str | None) -> str | None:
    try:
        return None if cursor is None else str(uuid.UUID(cursor))
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidInput(
            f"{cursor!r} is not a cursor.",
            mend="Pass the cursor that the last page came with.",
            field="cursor",
        ) from error


def check_points(points: Sequence[Point], dim: int) -> dict[str, Point]:
    """The points by point id, checked and copied; of several with one product id the last counts.

    Vectors come back as contiguous float32 [dim]. Raises `InvalidInput`, naming product and field,
    if any point cannot be stored; so a batch is written whole or not at all.
    """
    checked: dict[str, Point] = {}
    for point in points:
        checked[point_id(point.id)] = check_point(point, dim)
    return checked


def check_point(point: Point, dim: int) -> Point:
    """One point, checked and copied as by `check_points`."""
    product = f"product {point.id!r}"
    vectors = {}
    for name, vector in point.vectors.items():
        if name not in VECTORS:
            raise InvalidInput(
                f"The {product} has a vector named {name!r}.",
                mend=f"Use only {', '.join(VECTORS)}.",
                field=f"vectors.{name}",
            )
        vectors[name] = check_vector(vector, dim, f"The {name} vector of {product}")
    payload = _plain(point.payload, "payload", product)
    for key in RESERVED_KEYS & payload.keys():
        raise InvalidInput(
            f"The {product} has the field {key!r}, which the store needs for itself.",
            mend="Rename the field.",
            field=key,
        )
    keywords = point.keywords
    if keywords is not None:
        # An engine would keep an empty vector as a product with keywords, and count it for the IDF.
        keywords = check_sparse(keywords, f"The keywords of {product}") if keywords.indices else None
    patches = point.patches
    if patches is not None:
        patches = (
            check_tokens(patches, dim, f"The matrix of patches of {product}") if np.size(patches) else None
        )
    return Point(point.id, vectors, payload, keywords, patches)


def _plain(value: Any, field: str, product: str) -> Any:
    """A copy in Python's own types; refuses what JSON with 64-bit integers cannot give back unchanged.

    Subclasses (numpy's float64, enumerations of text) become the plain type, because qdrant-client's
    conversion to gRPC looks at exact types.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if not _is_unicode(value):
            raise _unstorable(field, product, "is not valid Unicode", "Write the catalogue in UTF-8.")
        return str.__str__(value)
    if isinstance(value, int):
        if value not in _INT64:
            raise _unstorable(field, product, "is an integer beyond 64 bits", "Write long numbers as text.")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _unstorable(field, product, "is not a finite number", "Leave the field out.")
        return float(value)
    if isinstance(value, list):
        return [_plain(inner, field, product) for inner in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not _is_unicode(key):
                raise _unstorable(f"{field}.{key!r}", product, "has no valid name", "Name fields by text.")
        return {str.__str__(key): _plain(inner, f"{field}.{key}", product) for key, inner in value.items()}
    mend = "Use text, numbers, booleans, lists and dicts."
    raise _unstorable(field, product, f"is of type {type(value).__name__}", mend)


def _unstorable(field: str, product: str, what: str, mend: str) -> InvalidInput:
    field = field.removeprefix("payload.")
    return InvalidInput(f"The field {field!r} of {product} {what}.", mend=mend, field=field)


def _is_unicode(text: str) -> bool:
    # Lone surrogates (from half-read escapes) are the only strings that UTF-8 cannot encode.
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def check_wanted(value: Any, key: str) -> str | float:
    """A value of a `Match`: text, boolean, or the number as float64; raises `InvalidInput` for others."""
    if isinstance(value, bool) or (isinstance(value, str) and _is_unicode(value)):
        return value
    if isinstance(value, Real):
        return finite(value, key)
    raise InvalidInput(
        f"The filter on {key!r} cannot match {value!r}.",
        mend="Filter by text, numbers or booleans.",
        field=key,
    )


def finite(value: Any, key: str) -> float:
    """The number as float64; raises `InvalidInput` naming the field if it is none or not finite."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(
            f"The filter on {key!r} cannot compare with {value!r}.", mend="Use a finite number.", field=key
        )
    return number
