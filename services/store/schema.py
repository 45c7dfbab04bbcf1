"""What both stores agree on: point ids, reserved payload keys, payload indexes, HNSW, metadata."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from services.errors import EncoderMismatch, InvalidInput, StoreUnavailable
from services.store.base import DISTANCES, SCHEMA_VERSION, CollectionMeta

#: Payload key under which a store keeps the product id; added on write, taken off on read.
ID_KEY = "_id"
#: Payload key for the values of attributes as indexed terms (see `services.store.terms`); treated alike.
TERMS_KEY = "_terms"
#: Payload keys that belong to the stores and that no product may use.
RESERVED_KEYS = frozenset({ID_KEY, TERMS_KEY})

#: Payload keys with a keyword index that can also be counted by.
FACET_KEYS = ("category", "brand", "tags")
#: All payload keys with a keyword index. Not the hashes of products: no search asks for one, and an index of
#: texts that all differ takes a third of a write and 350 bytes a product.
KEYWORD_KEYS = (*FACET_KEYS, TERMS_KEY)
#: Payload keys with a float index.
FLOAT_KEYS = ("price",)

# HNSW (Malkov and Yashunin 2016, arXiv 1603.09320), filtered searches by ACORN (Patel et al. 2024, arXiv
# 2403.04871). Measured on 20,000 clustered 256-d vectors with in- and out-of-distribution queries:
# recall@10 1.000 and recall@200 0.99 at 1 ms a query; m=32 and ef_construct=200 take four times as long to
# build for the last 0.5 % of recall@200. Under a filter that a tenth of the points pass, plain HNSW fell
# to recall@10 0.96, with ACORN it is 1.00.
HNSW_M = 16
HNSW_EF_CONSTRUCT = 128
#: Segments below this size in kilobytes of vectors (20,000 vectors of 256-d) are searched exactly: a
#: scan of so few takes about 2 ms and misses nothing.
INDEXING_THRESHOLD_KB = 20_000

#: Points from which searches look further, and how many times as far at most.
_GROWS_FROM, _MOST_GROWTH = 100_000, 8
#: Share of a vector's numbers that scalar quantisation keeps within its range; outliers are cut off. A number
#: that float32 holds exactly, so that a server gives it back as it was sent.
QUANTILE = 127 / 128

_NAMESPACE = uuid.UUID("9089a74b-6890-59ae-8f9d-475d84530c2c")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")


def search_ef(limit: int, points: int) -> int:
    """How many candidates HNSW keeps while it looks for `limit` points among `points`.

    What finds 99 % of the ten best among 100,000 finds 96 % among a million, where it takes twice as many
    (`benchmarks.scale`).
    """
    growth = 2 ** max(math.log10(points / _GROWS_FROM), 0) if points else 1
    return round(max(256, 2 * limit) * min(growth, _MOST_GROWTH))


def point_id(product_id: str) -> str:
    """The UUIDv5 (RFC 9562) of a product id, as the engine's point id.

    Raises `InvalidInput` for an id that is empty or not valid Unicode.
    """
    if not isinstance(product_id, str) or not product_id:
        raise InvalidInput(
            f"A product id must be a text of at least one character, not {product_id!r}.",
            mend="Give every product an id.",
            field="id",
        )
    try:
        return _uuid(product_id)
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"The product id {product_id!r} is not valid Unicode.", mend="Write ids in UTF-8.", field="id"
        ) from error


@lru_cache(maxsize=16_384)
def _uuid(product_id: str) -> str:
    # Those of candidates are wanted again and again, and each takes 5 microseconds.
    return str(uuid.uuid5(_NAMESPACE, product_id))


def split_key(key: str) -> tuple[str, ...]:
    """`brand` -> ("brand",), `attributes.Heel height` -> ("attributes", "Heel height").

    Payloads are two levels deep, so only the first dot divides: what follows is one name, which may
    itself contain dots and spaces as the columns of a catalogue do.
    """
    return tuple(key.split(".", 1))


def json_path(key: str) -> str:
    """A payload key as the JSON path the engine takes, quoted where its grammar needs it.

    Raises `InvalidInput` for names that the grammar cannot express.
    """
    names = split_key(key) if isinstance(key, str) else ()
    if not names or not names[0] or any('"' in name or "\\" in name for name in names):
        raise InvalidInput(
            f"The field {key!r} cannot be filtered or counted by.",
            mend="Use a field name without quotation marks and backslashes; rename the catalogue's column.",
            field=str(key),
        )
    return ".".join(name if _PLAIN_NAME.fullmatch(name) else f'"{name}"' for name in names)


def encode_meta(meta: CollectionMeta) -> dict[str, Any]:
    """Metadata as a JSON-ready dict; raises `InvalidInput` for what JSON cannot hold."""
    data = asdict(meta)
    try:
        json.dumps(data, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"The metadata cannot be written as JSON: {error}.",
            mend="Keep to text, finite numbers, lists and dicts of Python's own types.",
            field="meta",
        ) from error
    return data


def decode_meta(data: Any, where: str) -> CollectionMeta:
    """The inverse of `encode_meta`; `where` names the place in errors.

    Raises `StoreUnavailable` if the data is damaged or was written by a newer Vitrine.
    """
    version = data.get("schema_version") if isinstance(data, Mapping) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{where} was written by a newer Vitrine: its schema version is {version}, "
            f"this one knows {SCHEMA_VERSION}.",
            mend="Upgrade Vitrine, or set VITRINE_COLLECTION to another name. Nothing was changed.",
            field="collection",
        )
    try:
        meta = CollectionMeta(
            dim=data["dim"],
            encoder=data["encoder"],
            calibration=data.get("calibration"),
            keywords=data.get("keywords", 0),
            schema_version=data["schema_version"],
            distance=data.get("distance", "cosine"),
            patches=data.get("patches", False),
        )
        sound = type(meta.dim) is int and meta.dim > 0 and type(meta.keywords) is int
        sound = sound and type(version) is int and 0 < version <= SCHEMA_VERSION
        sound = sound and meta.distance in DISTANCES and type(meta.patches) is bool
        sound = sound and isinstance(meta.encoder, dict) and isinstance(meta.calibration, dict | None)
    except (KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise StoreUnavailable(
            f"The metadata of {where} is damaged.",
            mend="Restore it from a backup, or drop the collection and index again.",
            field="collection",
        )
    return meta


def check_layout(stored: CollectionMeta, asked: CollectionMeta) -> None:
    """Raise `EncoderMismatch` if the collection holds vectors of another width, compares them by another
    distance, or differs in whether it keeps patches."""
    name, wanted = stored.encoder.get("name", "another encoder"), asked.encoder.get("name", "ENCODER")
    if stored.dim != asked.dim:
        raise EncoderMismatch(
            f"The collection holds {stored.dim}-d vectors of {name}, "
            f"but the encoder now set makes {asked.dim}-d ones.",
            mend=f"Set VITRINE_ENCODER={name}, or change over while it is being served: "
            f"vitrine index CATALOGUE --encoder {wanted} --switch.",
            field="encoder",
        )
    if stored.distance != asked.distance:
        raise EncoderMismatch(
            f"The collection compares vectors by {stored.distance}, which cannot become {asked.distance}.",
            mend=f"Set VITRINE_MEASURE={stored.distance}, or index again while it is being served: "
            f"vitrine index CATALOGUE --measure {asked.distance} --switch.",
            field="measure",
        )
    if stored.patches != asked.patches:
        has, wants = ("", "without") if stored.patches else ("no ", "with")
        raise EncoderMismatch(
            f"The collection keeps {has}patches of pictures, but one {wants} them is asked for.",
            mend="Leave it as it is, or index again while it is being served: "
            "vitrine index CATALOGUE --switch.",
            field="patches",
        )
