"""Query parts -> vectors, remembering the latest: customers page, refine and repeat."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from PIL.Image import Image

from searcher.batching import Batcher
from services.encoder.base import Encoder, Pixels
from services.encoder.regions import look_attentively
from services.encoder.tokens import picture_tokens
from services.store.base import Vector

T = TypeVar("T")


class VectorCache:
    """The `size` most recently used vectors by key. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Vector | None:
        with self._lock:
            vector = self._kept.get(key)
            if vector is not None:
                self._kept.move_to_end(key)
            return vector

    def put(self, key: str, vector: Vector) -> None:
        with self._lock:
            self._kept[key] = vector
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)


#: Texts or pictures that go through the encoder together, at most.
_BATCH = 32


class QueryEncoder:
    """An encoder with a cache before it; texts and pictures go through in one batch each, those of queries
    that come at the same time together. Thread-safe."""

    def __init__(self, encoder: Encoder, cache_size: int) -> None:
        self.encoder = encoder
        self._cache = VectorCache(cache_size)
        self._texts: Batcher[str, Vector] = Batcher(lambda texts: list(encoder.encode_texts(texts)), _BATCH)
        self._pictures: Batcher[Pixels, Vector] = Batcher(self._encode_prepared, _BATCH)

    def texts(self, texts: Sequence[str]) -> list[Vector]:
        """One vector float32 [d] for each text."""
        return self._cached([f"t{text}" for text in texts], texts, self._texts)

    def images(self, images: Sequence[Image], attend: Sequence[bool] = ()) -> list[Vector]:
        """One vector float32 [d] for each RGB picture; those marked in `attend` are looked at with
        attention to what is salient in them."""
        # Preparing (resize, crop) is cheap beside the tower, and its small result is quick to hash.
        prepared = [self.encoder.prepare(image) for image in images]
        # Attention pools unit vectors, which encoders for other measures than cosine do not make.
        unit = getattr(self.encoder, "measure", "cosine") == "cosine"
        marks = attend if attend and unit else [False] * len(images)
        keys = [
            ("a" if mark else "i") + hashlib.sha256(pixels.tobytes()).hexdigest()
            for pixels, mark in zip(prepared, marks, strict=True)
        ]
        return self._cached(keys, list(zip(images, prepared, marks, strict=True)), self._encode_pictures)

    def tokens(self, image: Image) -> Vector:
        """Unit patch tokens float32 [k, d] of one RGB picture. Raises `EncoderUnavailable` for an encoder
        without patches."""
        pixels = self.encoder.prepare(image)
        key = "p" + hashlib.sha256(pixels.tobytes()).hexdigest()
        tokens = self._cache.get(key)
        if tokens is None:
            tokens = picture_tokens(self.encoder, [pixels])[0]
            assert tokens is not None
            self._cache.put(key, tokens)
        return tokens

    def _encode_prepared(self, pixels: Sequence[Pixels]) -> list[Vector]:
        return list(self.encoder.encode_prepared(np.stack(pixels)))

    def _encode_pictures(self, pictures: Sequence[tuple[Image, Pixels, bool]]) -> list[Vector]:
        whole = [pixels for _, pixels, mark in pictures if not mark]
        vectors = iter(self._pictures(whole) if whole else ())
        return [
            look_attentively(image, self.encoder) if mark else next(vectors) for image, _, mark in pictures
        ]

    def _cached(
        self, keys: Sequence[str], items: Sequence[T], encode: Callable[[Sequence[T]], list[Vector]]
    ) -> list[Vector]:
        known: dict[str, Vector | None] = {key: self._cache.get(key) for key in keys}
        new = {key: item for key, item in zip(keys, items, strict=True) if known[key] is None}
        if new:
            for key, vector in zip(new, encode(list(new.values())), strict=True):
                # A copy, lest one row keeps the whole batch in memory.
                kept = np.array(vector, dtype=np.float32)
                known[key] = kept
                self._cache.put(key, kept)
        return [one for key in keys if (one := known[key]) is not None]
