"""Products as arrays, to ask many labelled queries of many fusions: every product is ranked, none is missed
by an approximate search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searcher.evaluate.metrics import score
from searcher.evaluate.queries import Facts, LabelledQuery
from searcher.fusion.base import Embeddings, Evidence, Fusion
from services.calibration import Calibration
from services.encoder.base import Encoder, Vectors
from services.store.base import VECTORS

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Pool:
    """`ids` [n] with `fields` unit vectors float32 [n, f, d] (zero where a product lacks the field),
    `present` bool [n, f], and what is known of each product; fields in order of `VECTORS`."""

    ids: list[str]
    fields: Vectors
    present: npt.NDArray[np.bool_]
    facts: Mapping[str, Facts]

    @classmethod
    def of(
        cls,
        ids: list[str],
        images: Vectors,
        titles: Sequence[str],
        facts: Mapping[str, Facts],
        encoder: Encoder,
    ) -> Pool:
        """The pool of pictures' vectors [n, d] and titles; an empty title is none."""
        fields = np.zeros((len(ids), len(VECTORS), images.shape[1]), dtype=np.float32)
        fields[:, VECTORS.index("image")] = images
        titled = [row for row, title in enumerate(titles) if title]
        if titled:
            fields[titled, VECTORS.index("title")] = encoder.encode_texts([titles[row] for row in titled])
        present = np.ones(fields.shape[:2], dtype=np.bool_)
        present[:, VECTORS.index("title")] = [bool(title) for title in titles]
        return cls(ids, fields, present, facts)

    def take(self, rows: Sequence[int]) -> Pool:
        """The products of those rows."""
        ids = [self.ids[row] for row in rows]
        facts = {one: self.facts[one] for one in ids if one in self.facts}
        return Pool(ids, self.fields[list(rows)], self.present[list(rows)], facts)

    def calibration(self, sample: int = 1000, seed: int = 0) -> Calibration:
        """As the worker fits it, from a sample of the products."""
        rows = np.random.default_rng(seed).permutation(len(self.ids))[:sample]
        image, title = (rows[self.present[rows, VECTORS.index(field)]] for field in ("image", "title"))
        names = np.asarray(self.ids)
        return Calibration.fit(
            self.fields[image, VECTORS.index("image")],
            self.fields[title, VECTORS.index("title")],
            image_ids=names[image].tolist(),
            title_ids=names[title].tolist(),
        )


@dataclass(frozen=True)
class Encoded:
    """The parts of a query: unit vectors float32 [p, d], modalities and user weights [p], and the rows of the
    products that it is asked by, which are no answer to it."""

    vectors: Vectors
    modalities: list[str]
    weights: list[float]
    examples: Rows


def encode(queries: Sequence[LabelledQuery], pool: Pool, encoder: Encoder) -> list[Encoded]:
    """The queries as the searcher's engine would encode them: a product by its picture."""
    texts = sorted({part.text for query in queries for part in query.parts if part.text is not None})
    vector_of = dict(zip(texts, encoder.encode_texts(texts), strict=True))
    row_of = {one: row for row, one in enumerate(pool.ids)}
    encoded = []
    for query in queries:
        vectors = [
            pool.fields[row_of[part.product], VECTORS.index("image")]
            if part.product is not None
            else vector_of[part.text or ""]
            for part in query.parts
        ]
        encoded.append(
            Encoded(
                np.stack(vectors),
                ["text" if part.text is not None else "image" for part in query.parts],
                [part.weight for part in query.parts],
                np.asarray([row_of[one] for one in sorted(query.examples)], dtype=np.intp),
            )
        )
    return encoded


Rank = Callable[[Encoded, Pool, Calibration], npt.NDArray[np.float64]]


def by(fusion: Fusion) -> Rank:
    """Scores of all products of a pool under a fusion, float64 [n]."""

    def rank(query: Encoded, pool: Pool, calibration: Calibration) -> npt.NDArray[np.float64]:
        embeddings = Embeddings(query.vectors, pool.fields)
        given = Evidence(
            embeddings.similarities(),
            pool.present[:, None, :],
            query.modalities,
            query.weights,
            calibration,
            embeddings,
        )
        return fusion.score(given).scores

    return rank


def values_of(
    queries: Sequence[LabelledQuery],
    encoded: Sequence[Encoded],
    pool: Pool,
    rank: Rank,
    calibration: Calibration,
) -> dict[str, list[float]]:
    """Values of every measure for every query, in their order."""
    rankings: dict[str, list[str]] = {}
    for number, query in enumerate(encoded):
        scores = rank(query, pool, calibration).copy()
        scores[query.examples] = -np.inf
        order = np.argsort(-scores, kind="stable")
        rankings[str(number)] = [pool.ids[row] for row in order if scores[row] > -np.inf]
    return score({str(number): query.relevant for number, query in enumerate(queries)}, rankings)
