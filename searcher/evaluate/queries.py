"""Labelled queries made from the catalogue itself: what to ask, and which products answer it rightly.

A product's label is its category; its attribute (a colour, say) is a second value that words can ask
for. Both come from the catalogue, so whatever is wrong there is in the figures too.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from searcher.query import Part

#: The kinds of queries, in the order of the table.
TEXT, IMAGE, AGREEING, OTHER_ATTRIBUTE, OTHER_LABEL = (
    "text",
    "image",
    "image + agreeing text",
    "image + other attribute",
    "image + other category",
)


@dataclass(frozen=True)
class Labelled:
    """What is known of a product: its label and, if the catalogue says so, its attribute."""

    label: str
    attribute: str | None


@dataclass(frozen=True)
class LabelledQuery:
    """A query with the ids of all products that answer it; `example` is never among them."""

    kind: str
    parts: tuple[Part, ...]
    relevant: frozenset[str]
    example: str | None = None


def make_queries(products: Mapping[str, Labelled], *, most: int, seed: int = 0) -> list[LabelledQuery]:
    """At most `most` queries of each kind, drawn evenly over the labels; the same for the same seed.

    - text: "red dress" (every attribute and label that go together) and "dress" (every label);
    - image: a product as example; relevant are the others of its label;
    - image + agreeing text: a product and its own words; relevant are those of its label and attribute;
    - image + other attribute: a red dress and "blue"; relevant are the blue dresses;
    - image + other category: a red dress and "hat"; relevant are the red hats.
    """
    rng = random.Random(seed)
    of_label: dict[str, set[str]] = defaultdict(set)
    of_pair: dict[tuple[str, str], set[str]] = defaultdict(set)
    for product_id, known in products.items():
        of_label[known.label].add(product_id)
        if known.attribute:
            of_pair[known.label, known.attribute].add(product_id)

    made: dict[str, list[LabelledQuery]] = defaultdict(list)

    def add(kind: str, parts: tuple[Part, ...], relevant: set[str], example: str | None = None) -> None:
        if wanted := relevant - {example}:
            made[kind].append(LabelledQuery(kind, parts, frozenset(wanted), example))

    for label, ids in sorted(of_label.items()):
        add(TEXT, (Part(text=label),), ids)
    for (label, attribute), ids in sorted(of_pair.items()):
        add(TEXT, (Part(text=f"{attribute} {label}"),), ids)
    for product_id in _in_turn(products, rng):
        known = products[product_id]
        example = Part(product=product_id)
        add(IMAGE, (example,), of_label[known.label], product_id)
        if not known.attribute:
            continue
        own = of_pair[known.label, known.attribute]
        words = f"{known.attribute} {known.label}"
        add(AGREEING, (example, Part(text=words)), own, product_id)
        attributes = sorted(a for (label, a) in of_pair if label == known.label and a != known.attribute)
        if attributes:
            wanted = rng.choice(attributes)
            add(OTHER_ATTRIBUTE, (example, Part(text=wanted)), of_pair[known.label, wanted], product_id)
        labels = sorted(label for (label, a) in of_pair if a == known.attribute and label != known.label)
        if labels:
            wanted = rng.choice(labels)
            add(OTHER_LABEL, (example, Part(text=wanted)), of_pair[wanted, known.attribute], product_id)
    # Lest a cut leaves the first labels of the alphabet alone.
    rng.shuffle(made[TEXT])
    kinds = (TEXT, IMAGE, AGREEING, OTHER_ATTRIBUTE, OTHER_LABEL)
    return [query for kind in kinds for query in made[kind][:most]]


def _in_turn(products: Mapping[str, Labelled], rng: random.Random) -> list[str]:
    """All ids in an order in which labels take turns, so that any beginning of it is balanced."""
    groups: dict[str, list[str]] = defaultdict(list)
    for product_id in sorted(products):
        groups[products[product_id].label].append(product_id)
    for ids in groups.values():
        rng.shuffle(ids)
    longest = max((len(ids) for ids in groups.values()), default=0)
    return [ids[turn] for turn in range(longest) for _, ids in sorted(groups.items()) if turn < len(ids)]
