"""Query parts -> what products are compared with: vectors, keywords, and labels that answers call them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL.Image import Image

from searcher.encode import QueryEncoder
from searcher.pictured import needs_picture, picture_of_part
from searcher.query import Part, clean_text, field_of
from searcher.retrieve import PartVector
from services.errors import InvalidInput
from services.keywords import query_keywords
from services.settings import Settings
from services.store.base import Point, VectorStore


@dataclass(frozen=True)
class EncodedParts:
    """The parts of one query in their order; `pictures` are those that were encoded, by part, with boxes cut
    out, and `examples` the products that parts name, by id."""

    vectors: list[PartVector]
    labels: list[str]
    pictures: Mapping[int, Image]
    examples: Mapping[str, Point]


class PartEncoder:
    """Encodes the parts of queries; an example product counts by its stored vectors. Thread-safe."""

    def __init__(self, queries: QueryEncoder, store: VectorStore, settings: Settings) -> None:
        self._queries = queries
        self._store = store
        self._settings = settings

    def encode(self, parts: Sequence[Part]) -> EncodedParts:
        """All parts. Raises `InvalidInput` for a text without words, and for a product that is not stored or
        has no picture to take a box of."""
        texts = [
            clean_text(part.text, field_of(part, index))
            for index, part in enumerate(parts)
            if part.text is not None
        ]
        text_vectors = iter(zip(texts, self._queries.texts(texts), strict=True))
        examples = self._examples(parts)
        pictures = {
            index: picture_of_part(
                part, examples.get(part.product or ""), self._settings, field_of(part, index)
            )
            for index, part in enumerate(parts)
            if needs_picture(part)
        }
        attend = [parts[index].box is None and self._settings.photo_attention for index in pictures]
        image_vectors = iter(self._queries.images(list(pictures.values()), attend))
        vectors, labels = [], []
        for part in parts:
            keywords = None
            if part.text is not None:
                text, vector = next(text_vectors)
                keywords = query_keywords(text)
                modality, label = "text", part.label or text
            elif part.image is not None:
                vector, modality, label = next(image_vectors), "image", part.label or "photo"
            elif part.box is not None:
                point = examples[str(part.product)]
                vector, modality = next(image_vectors), "image"
                label = part.label or str(point.payload.get("title") or point.id)
            else:
                point = examples[str(part.product)]
                # A product with a picture is one part like a photo; its title would only repeat it.
                stored = "image" if "image" in point.vectors else "title"
                vector, modality = point.vectors[stored], "image" if stored == "image" else "text"
                label = part.label or str(point.payload.get("title") or point.id)
            vectors.append(PartVector(vector, modality, part.weight, keywords))
            labels.append(label)
        return EncodedParts(vectors, labels, pictures, examples)

    def _examples(self, parts: Sequence[Part]) -> dict[str, Point]:
        wanted = {part.product: field_of(part, index) for index, part in enumerate(parts) if part.product}
        if not wanted:
            return {}
        stored = self._store.fetch(list(wanted), vectors=True)
        points = {point.id: point for point in stored if point.vectors}
        for product_id, field in wanted.items():
            if product_id not in points:
                raise InvalidInput(
                    f"There is no product '{product_id[:256]}' to search by.",
                    mend="Give the id of an indexed product.",
                    field=field,
                )
        return points
