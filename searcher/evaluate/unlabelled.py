"""Queries from a catalogue nobody labelled: made of its own fields, else of its titles, else of what the
encoder takes its pictures for.

Titles say what differs: where "red linen dress" and "blue linen dress" are both sold, the first one's photo
with the word "blue" asks for the second.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from searcher.evaluate.pool import Pool
from searcher.evaluate.queries import (
    AGREEING,
    EXAMPLES,
    IMAGE,
    KINDS,
    NEGATIVE,
    OTHER_ATTRIBUTE,
    SEVERAL,
    TEXT,
    Facts,
    LabelledQuery,
    make_queries,
)
from searcher.query import Part
from searcher.vectors import stack
from services.catalogue.product import Product
from services.encoder.base import Encoder
from services.store.base import VECTORS, Point, VectorStore

Words = frozenset[str]

#: A field with fewer values tells nothing apart, one with more names products rather than kinds.
MIN_VALUES, MAX_VALUES = 2, 100
#: Share of the products that a field or titles must speak of.
COVERED = 0.5
#: A word that more of the titles hold says nothing; one that fewer hold names a product.
MAX_SHARE, MIN_TITLES = 0.6, 3
_WORD = re.compile(r"[^\W\d_]{2,}")

_KINDS = (
    "dress", "shirt", "trousers", "skirt", "jacket", "shoes", "boots", "hat", "bag", "watch", "mug", "plate",
    "lamp", "chair", "table", "sofa", "phone", "laptop", "headphones", "toy", "book", "bottle", "cushion",
    "ring",
)  # fmt: skip
_COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "brown", "black", "white", "grey")


def read_pool(store: VectorStore, dim: int) -> tuple[Pool, dict[str, Product]]:
    """All stored products that have a picture, as arrays, and their records."""
    found: list[Point] = []
    cursor: str | None = None
    while True:
        points, cursor = store.scroll(limit=1000, cursor=cursor, vectors=True)
        found += [point for point in points if "image" in point.vectors]
        if cursor is None:
            break
    pool = Pool([point.id for point in found], *stack(found, dim), {})
    return pool, {point.id: Product.from_payload(point.payload) for point in found}


def catalogue_queries(
    pool: Pool, products: Mapping[str, Product], encoder: Encoder, *, most: int, seed: int = 0
) -> tuple[str, list[LabelledQuery]]:
    """What the queries were made of ("fields", "titles" or "pictures"), and at most `most` of each kind."""
    facts = field_facts(products)
    if len(facts) >= COVERED * len(products):
        return "fields", make_queries(facts, label="category", most=most, seed=seed)
    words = title_words({one: product.title for one, product in products.items()})
    if len(words) >= COVERED * len(products):
        return "titles", title_queries(words, most=most, seed=seed)
    return "pictures", make_queries(seen_facts(pool, encoder), label="category", most=most, seed=seed)


def field_facts(products: Mapping[str, Product]) -> dict[str, Facts]:
    """Category and other fields of text with few values, of the products that have a category and more."""
    values: dict[str, dict[str, str]] = {
        one: {name: str(value) for name, value in product.attributes.items() if isinstance(value, str)}
        | ({"category": product.category} if product.category else {})
        for one, product in products.items()
    }
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for facts in values.values():
        for kind, value in facts.items():
            counts[kind][value] += 1
    kinds = {
        kind for kind, counted in counts.items()
        if MIN_VALUES <= len(counted) <= MAX_VALUES and counted.total() >= COVERED * len(products)
    }  # fmt: skip
    kept = {
        one: {kind: value for kind, value in facts.items() if kind in kinds} for one, facts in values.items()
    }
    return {one: facts for one, facts in kept.items() if "category" in facts and len(facts) > 1}


def title_words(titles: Mapping[str, str]) -> dict[str, Words]:
    """The words of each title that tell products apart, of the products whose title has two or more."""
    split = {one: set(_WORD.findall(title.lower())) for one, title in titles.items()}
    counts = Counter(word for words in split.values() for word in words)
    telling = {
        word for word, count in counts.items() if MIN_TITLES <= count <= MAX_SHARE * max(len(split), 1)
    }
    found = {one: frozenset(words & telling) for one, words in split.items()}
    return {one: words for one, words in found.items() if len(words) >= 2}


def title_queries(words: Mapping[str, Words], *, most: int, seed: int = 0) -> list[LabelledQuery]:
    """At most `most` queries of each kind; relevant are the products whose titles hold all wanted words."""
    rng = random.Random(seed)
    made: dict[str, list[LabelledQuery]] = {kind: [] for kind in KINDS}
    order = sorted(words)
    for _ in range(max(1, -(-2 * most // max(len(order), 1)))):
        rng.shuffle(order)
        for query in _title_queries(words, order, rng):
            if query.relevant and len(made[query.kind]) < most:
                made[query.kind].append(query)
    return [query for kind in KINDS for query in made[kind]]


def _title_queries(
    words: Mapping[str, Words], order: list[str], rng: random.Random
) -> Iterator[LabelledQuery]:
    having: dict[str, set[str]] = defaultdict(set)
    slots: dict[Words, set[str]] = defaultdict(set)
    for one, own in words.items():
        for word in own:
            having[word].add(one)
            slots[own - {word}].add(word)

    def answers(wanted: Words, *examples: str) -> dict[str, int]:
        return dict.fromkeys(sorted(set.intersection(*(having[word] for word in wanted)) - set(examples)), 1)

    for one in order:
        own, example = words[one], Part(product=one)
        some = frozenset(rng.sample(sorted(own), rng.randint(1, min(3, len(own)))))
        text = Part(text=" ".join(rng.sample(sorted(some), len(some))))
        yield LabelledQuery(TEXT, (text,), answers(some))
        yield LabelledQuery(IMAGE, (example,), answers(own, one))
        yield LabelledQuery(AGREEING, (example, text), answers(own, one))
        word = rng.choice(sorted(own))
        rest = own - {word}
        if others := sorted(slots[rest] - own):
            other = rng.choice(others)
            parts = (example, Part(text=other))
            yield LabelledQuery(OTHER_ATTRIBUTE, parts, answers(rest | {other}, one))
        without = {name: 1 for name in answers(rest, one) if word not in words[name]}
        yield LabelledQuery(NEGATIVE, (example, Part(text=word, weight=-1.0)), without)
        like = sorted(answers(some, one))
        if len(like) >= EXAMPLES:
            examples = (one, *rng.sample(like, EXAMPLES - 1))
            several = tuple(Part(product=name) for name in examples)
            yield LabelledQuery(SEVERAL, several, answers(some, *examples))


def seen_facts(pool: Pool, encoder: Encoder) -> dict[str, Facts]:
    """Category and colour as the encoder itself would name each picture, out of a few common ones."""
    images = pool.fields[:, VECTORS.index("image")]
    texts = encoder.encode_texts([f"{colour} {kind}" for kind in _KINDS for colour in _COLOURS])
    nearest = (images @ texts.T).argmax(1)
    return {
        one: {"category": _KINDS[row // len(_COLOURS)], "colour": _COLOURS[row % len(_COLOURS)]}
        for one, row in zip(pool.ids, nearest.tolist(), strict=True)
    }
