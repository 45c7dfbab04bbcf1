"""Large catalogues to measure with: real embeddings of real products, jittered.

Products of the sample catalogue are encoded once, and each further one takes the vectors and the title of one
of them with noise on both vectors, so that lengths, clusters and the gap between modalities are those of a
real collection, which random vectors know nothing of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.sample import open_sample
from services.carry import calibrate
from services.catalogue.images import decode_image, read_image_bytes
from services.catalogue.product import Product
from services.encoder.base import Encoder, Vectors
from services.keywords import product_keywords
from services.points import open_collection
from services.settings import Settings
from services.store.base import VECTORS, Point, VectorStore

#: Length of the noise beside a vector of length 1: cosine 0.87 with where it came from, about that of two
#: photos of like products.
NOISE = 0.57
CHUNK = 5_000
_BRANDS = ("Alder", "Bramble", "Calluna", "Dogrose", "Elder", "Fennel", "Gorse", "Hazel")


@dataclass(frozen=True)
class Embedded:
    """The sample's titles and vectors by field, float32 [n, d] each, at unit length."""

    titles: list[str]
    vectors: dict[str, Vectors]

    def points(self, count: int, seed: int = 0) -> Iterator[list[Point]]:
        """`count` points in chunks, the same ones for the same seed."""
        for start in range(0, count, CHUNK):
            rng = np.random.default_rng((seed, start))
            size = min(CHUNK, count - start)
            of = rng.integers(len(self.titles), size=size)
            vectors = {name: self.near(name, of, rng) for name in VECTORS}
            yield [self._point(start + row, int(of[row]), row, vectors) for row in range(size)]

    def pictures(self, count: int, seed: int = 0) -> Iterator[Vectors]:
        """Vectors of `count` pictures alone, in chunks float32 [n, d], the same ones for the same seed."""
        for start in range(0, count, CHUNK):
            rng = np.random.default_rng((seed, start))
            of = rng.integers(len(self.titles), size=min(CHUNK, count - start))
            yield self.near("image", of, rng)

    def near(self, name: str, of: np.ndarray, rng: np.random.Generator) -> Vectors:
        """Vectors [n, d] near those of the products `of` [n]."""
        own = self.vectors[name][of]
        noise = rng.normal(size=own.shape).astype(np.float32)
        noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        found: Vectors = own + noise
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def _point(self, number: int, of: int, row: int, vectors: dict[str, Vectors]) -> Point:
        brand = _BRANDS[number % len(_BRANDS)]
        product = Product(
            id=f"J{number:08}", title=f"{brand} {self.titles[of]}", brand=brand, price=5.0 + number % 200
        )
        own = {name: vectors[name][row] for name in VECTORS}
        return Point(product.id, own, product.payload(), product_keywords(product))


def embedded(settings: Settings, encoder: Encoder, most: int | None = None) -> Embedded:
    """Vectors of the sample catalogue's first `most` products, computed once for an encoder and kept in the
    data folder."""
    catalogue = open_sample(settings)
    products = [row.product for row in catalogue if row.product and row.product.image and row.product.title]
    products = products[:most]
    titles = [str(product.title) for product in products]
    kept = settings.data_dir / "benchmarks" / f"{encoder.identity.weights}-{len(titles)}.npz"
    if kept.exists():
        with np.load(kept) as file:
            return Embedded(titles, {name: file[name] for name in VECTORS})
    pictures = []
    for product in track(products, "encoding the sample"):
        data = read_image_bytes(str(product.image), base=catalogue.base, settings=settings)
        pictures.append(encoder.encode_images([decode_image(data, max_pixels=settings.max_image_pixels)])[0])
    vectors = {"image": np.stack(pictures), "title": encoder.encode_texts(titles)}
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **vectors)
    return Embedded(titles, vectors)


def fill(
    store: VectorStore, chunks: Iterable[list[Point]], count: int, encoder: Encoder, settings: Settings
) -> None:
    """Store `count` points in a new collection, and finish it as an indexer does."""
    open_collection(store, encoder, settings)
    for points in track(chunks, "storing", total=-(-count // CHUNK), console=Console(stderr=True)):
        store.upsert(points)
    store.optimize()
    calibrate(store, encoder)
