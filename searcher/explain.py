"""Why a product was found, as heat maps: which places of its picture, and of the query's, agree.

The affinity of a place is the cosine of its patch embedding with what is looked for (Zhou et al. 2022,
MaskCLIP, arXiv 2112.01071). It shows what the encoder sees there; it takes no part in the score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from searcher.answer import HeatMap, ScoredHit
from searcher.encode import QueryEncoder, VectorCache
from searcher.pictured import stored_picture
from searcher.query import Part
from searcher.retrieve import PartVector
from services.encoder.base import Encoder, Vectors
from services.encoder.grid import fine_patches
from services.errors import EncoderUnavailable, ImageError
from services.points import HASH
from services.settings import Settings
from services.store.base import Point, Vector, VectorStore

#: Hits of one page that are explained, and words of one query that get a map of their own.
MOST_HITS, MOST_WORDS = 20, 12
#: Products whose patches are remembered: at most 144 x 256 numbers, 150 KB, each.
_KEPT = 128

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


class Explainer:
    """Makes heat maps for the hits of an answer. Thread-safe; remembers the latest products' patches."""

    def __init__(
        self, encoder: Encoder, queries: QueryEncoder, store: VectorStore, settings: Settings
    ) -> None:
        self._encoder = encoder
        self._queries = queries
        self._store = store
        self._settings = settings
        self._patches = VectorCache(_KEPT)

    def explain(
        self, parts: Sequence[Part], vectors: Sequence[PartVector], hits: Sequence[ScoredHit]
    ) -> list[ScoredHit]:
        """The hits, the first `MOST_HITS` of them with maps.

        For each part a map over the hit's picture, of its text or of what its picture shows; for a text of
        several words one for each word (of the whole query at most `MOST_WORDS`); for a picture also one
        over the query's picture, of what the hit's shows. Costs a `fine_patches` for each picture that is
        new. A picture that cannot be read, and an encoder without patches, give no maps.
        """
        chosen = hits[:MOST_HITS]
        if not chosen:
            return list(hits)
        asked = self._asked(parts, vectors)
        examples = [part.product for part in parts if part.product is not None]
        ids = list(dict.fromkeys([*(hit.product.id for hit in chosen), *examples]))
        points = {point.id: point for point in self._store.fetch(ids, vectors=True)}
        try:
            seen = self._of_products(list(points.values()))
            own = {
                index: grid
                for index, part in enumerate(parts)
                if (grid := self._of_part(part, seen)) is not None
            }
        except EncoderUnavailable:
            return list(hits)
        explained = []
        for hit in chosen:
            maps = []
            if (grid := seen.get(hit.product.id)) is not None:
                maps += [_map(part, words, "product", grid @ vector) for part, words, vector in asked]
            point = points.get(hit.product.id)
            if point is not None and "image" in point.vectors:
                maps += [_map(part, "", "query", grid @ point.vectors["image"]) for part, grid in own.items()]
            explained.append(replace(hit, maps=tuple(maps)))
        return [*explained, *hits[MOST_HITS:]]

    def _asked(self, parts: Sequence[Part], vectors: Sequence[PartVector]) -> list[tuple[int, str, Vector]]:
        """Part, words ("" for a picture) and vector of all that is looked for in the hits' pictures."""
        asked = []
        left = MOST_WORDS
        for index, (part, known) in enumerate(zip(parts, vectors, strict=True)):
            asked.append((index, " ".join((part.text or "").split()), known.vector))
            words = list(dict.fromkeys(_WORD.findall(part.text or "")))
            if len(words) > 1:
                words = words[:left]
                left -= len(words)
                asked += [
                    (index, word, vector)
                    for word, vector in zip(words, self._queries.texts(words), strict=True)
                ]
        return asked

    def _of_products(self, points: Sequence[Point]) -> dict[str, Vectors]:
        """Patches by product id, of those whose picture can be read."""
        # Pictures may lie on other machines: they are waited for together.
        with ThreadPoolExecutor(4) as pool:
            grids = pool.map(self._of_product, points)
            return {point.id: grid for point, grid in zip(points, grids, strict=True) if grid is not None}

    def _of_product(self, point: Point) -> Vectors | None:
        key = f"{point.id}|{point.payload.get(HASH)}"
        grid = self._patches.get(key)
        if grid is None:
            try:
                picture = stored_picture(point.payload, self._settings, 2 * self._encoder.image_size)
            except ImageError:
                return None
            grid = fine_patches(self._encoder, picture)
            self._patches.put(key, grid)
        return grid

    def _of_part(self, part: Part, seen: dict[str, Vectors]) -> Vectors | None:
        if part.image is not None:
            return fine_patches(self._encoder, part.image)
        return seen.get(part.product) if part.product is not None else None


def _map(part: int, words: str, of: str, cosines: Vectors) -> HeatMap:
    low, high = float(cosines.min()), float(cosines.max())
    grid = np.asarray((cosines - low) / max(high - low, 1e-6), dtype=np.float32)
    return HeatMap(part, words, "query" if of == "query" else "product", grid, low, high)
