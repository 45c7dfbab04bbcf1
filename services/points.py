"""Product + picture -> point: the one place where an encoder's vectors become something to store.

Both the worker (catalogues) and the service (`PUT /products`) come through here, so a product gets
the same vectors and the same content hash either way.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence

import numpy as np

from services.catalogue.product import Product
from services.encoder.base import Encoder, EncoderIdentity, Vectors
from services.encoder.tokens import check_tokens
from services.errors import EncoderMismatch, NoPicture
from services.keywords import VERSION, product_keywords
from services.measures import Measure
from services.settings import Settings
from services.store.base import CollectionMeta, Point, VectorStore

#: Payload keys of ours start with `_`, so that they never meet a field of the catalogue.
HASH, SOURCE, INDEXED_AT = "_hash", "_source", "_indexed_at"

_PAGE = 1000


def content_hash(product: Product, image: bytes | None, identity: EncoderIdentity) -> str:
    """SHA-256 (hex) over everything a stored point depends on: record, picture bytes, encoder."""
    digest = hashlib.sha256(product.model_dump_json().encode())
    digest.update(f"|{identity.weights}|{identity.preprocess}|".encode())
    digest.update(hashlib.sha256(image).digest() if image is not None else b"-")
    return digest.hexdigest()


def make_points(
    products: Sequence[Product],
    image_vectors: Sequence[np.ndarray | None],
    encoder: Encoder,
    hashes: Sequence[str],
    sources: Sequence[str | None],
    patches: Sequence[Vectors | None] | None = None,
) -> list[Point]:
    """Points of products whose pictures are encoded already; titles are encoded here, in one batch, if the
    encoder sees texts.

    `image_vectors` holds float32 [d] or None for a product without picture; `sources` the resolved
    picture (absolute path, URL or data URI), from which the service shows it; `patches` float32 [k, d], for
    a collection that keeps them.
    """
    titled = [index for index, product in enumerate(products) if product.title and encoder.sees_text]
    titles: Vectors = encoder.encode_texts([products[index].title for index in titled])
    title_of = dict(zip(titled, titles, strict=True))
    points = []
    now = int(time.time())
    for index, product in enumerate(products):
        vectors = {}
        if (image := image_vectors[index]) is not None:
            vectors["image"] = np.asarray(image, dtype=np.float32)
        if index in title_of:
            vectors["title"] = title_of[index]
        payload = product.payload() | {HASH: hashes[index], INDEXED_AT: now}
        if sources[index] is not None:
            payload[SOURCE] = sources[index]
        own = patches[index] if patches is not None else None
        points.append(Point(product.id, vectors, payload, product_keywords(product), own))
    return points


def collection_meta(encoder: Encoder, settings: Settings) -> CollectionMeta:
    """Metadata of a new collection indexed by this encoder."""
    # One that does not say is for cosines.
    own: Measure = getattr(encoder, "measure", "cosine")
    return CollectionMeta(
        dim=encoder.dim,
        encoder=encoder.identity.as_dict(),
        keywords=VERSION,
        distance=own if settings.measure == "auto" else settings.measure,
        patches=settings.late_interaction,
    )


def open_collection(store: VectorStore, encoder: Encoder, settings: Settings) -> CollectionMeta:
    """Open the collection to write this encoder's vectors to it, creating it if absent.

    One that exists keeps the measure it was created with, and whether it has patches. Raises
    `EncoderMismatch` if it is of another encoder, or if the settings ask for another measure by name,
    `EncoderUnavailable` if they ask for patches that the encoder cannot give; and what `VectorStore.open`
    raises.
    """
    wanted = collection_meta(encoder, settings)
    if wanted.patches:
        check_tokens(encoder)
    try:
        meta = store.open(wanted)
    except EncoderMismatch:
        stored = store.meta()
        if stored is None:
            raise
        distance = stored.distance if settings.measure == "auto" else wanted.distance
        meta = store.open(dataclasses.replace(wanted, distance=distance, patches=stored.patches))
    check_encoder(meta, encoder)
    return meta


def check_pictured(pictured: bool, encoder: Encoder) -> None:
    """Raise `NoPicture` for a product that this encoder could give no vector at all.

    It is refused rather than stored: with an encoder that sees pictures only, words are not searched for, so
    no search could ever find it.
    """
    if not pictured and not encoder.sees_text:
        raise NoPicture(
            f"The product has no picture, and the encoder {encoder.identity.name} sees nothing else.",
            mend="Give it a picture, or choose an encoder that sees words too, such as vitrine-compact.",
            field="image",
        )


def refresh_keywords(store: VectorStore) -> int:
    """Give all products of an opened collection the keywords of this `VERSION`, made from their stored
    records, if they have others or none; returns how many were given some.

    Nothing is encoded and no picture is read. May be run again after an interruption. Raises
    `StoreUnavailable`.
    """
    meta = store.meta()
    if meta is None or meta.keywords == VERSION:
        return 0
    given = 0
    cursor: str | None = None
    while True:
        points, cursor = store.scroll(limit=_PAGE, cursor=cursor)
        store.set_keywords({p.id: product_keywords(Product.from_payload(p.payload)) for p in points})
        given += len(points)
        if cursor is None:
            break
    store.save_meta(dataclasses.replace(meta, keywords=VERSION))
    return given


def check_encoder(meta: CollectionMeta, encoder: Encoder) -> None:
    """Raise `EncoderMismatch` unless the collection was indexed by this very encoder."""
    stored = EncoderIdentity.from_dict(meta.encoder)
    if not stored.same_space(encoder.identity):
        raise EncoderMismatch(
            f"The collection was indexed with {stored}, but the encoder now set is {encoder.identity}.",
            mend=f"Set VITRINE_ENCODER={stored.name}, or change over while it is being served: "
            f"vitrine index CATALOGUE --encoder {encoder.identity.name} --switch.",
            field="encoder",
        )
