"""Labelled queries made from products whose facts are known: what to ask, and which products answer it.

A product's facts are values by kind, such as category "dress", colour "red", pattern "striped". One kind is
the label, what a product is; the others are attributes, which words can ask for. Facts come from a
catalogue, so whatever is wrong there is in the figures too.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from searcher.query import Part

Facts = Mapping[str, str]

#: The kinds of queries, in the order of the table.
TEXT, IMAGE, AGREEING, OTHER_ATTRIBUTE, OTHER_LABEL, SEVERAL, NEGATIVE = KINDS = (
    "text",
    "image",
    "image + agreeing text",
    "image + other attribute",
    "image + other category",
    "several images",
    "negative text",
)
#: Kinds whose words contradict their picture.
MODIFYING = (OTHER_ATTRIBUTE, OTHER_LABEL)
#: Examples in a query of several images.
EXAMPLES = 3

_WHOLE = (
    "{attributes} {label}",
    "a {attributes} {label}",
    "{label} in {attributes}",
    "{label}, {attributes}",
)
_ATTRIBUTE = ("{}", "in {}", "but {}", "make it {}")
_LABEL = ("{}", "a {}", "but a {}", "{} instead")


@dataclass(frozen=True)
class LabelledQuery:
    """A query with all products that answer it and how well, 1 or more; its examples are never among them."""

    kind: str
    parts: tuple[Part, ...]
    relevant: Mapping[str, int]

    @property
    def examples(self) -> frozenset[str]:
        return frozenset(part.product for part in self.parts if part.product)


def make_queries(
    products: Mapping[str, Facts], *, label: str, most: int, shape: str | None = None, seed: int = 0
) -> list[LabelledQuery]:
    """At most `most` queries of each kind, drawn evenly over the labels; the same for the same seed.

    - text: "dress", "a red dress", "dress in red" (label with any of its attributes);
    - image: a product as example; relevant are the others of its label;
    - image + agreeing text: a product and all its own words; relevant are those with all its facts;
    - image + other attribute: a red striped dress and "in blue"; relevant are the blue striped dresses;
    - image + other category: a red striped dress and "hat"; relevant are the red striped hats;
    - several images: three dresses that share an attribute; relevant are the other dresses with it;
    - negative text: a red dress, or the word, and not "red"; relevant are the dresses of other known colours.

    `shape` names a kind that words cannot ask for: where an answer shares it with the example, it counts 2.
    """
    makers = _Makers(products, label, shape, random.Random(seed))
    made: dict[str, list[LabelledQuery]] = {kind: [] for kind in KINDS}
    asked: set[tuple[Part, ...]] = set()
    for query in makers.all(most):
        if query.relevant and len(made[query.kind]) < most and query.parts not in asked:
            asked.add(query.parts)
            made[query.kind].append(query)
    return [query for kind in KINDS for query in made[kind]]


class _Makers:
    def __init__(
        self, products: Mapping[str, Facts], label: str, shape: str | None, rng: random.Random
    ) -> None:
        self.products = products
        self.label = label
        self.shape = shape
        self.rng = rng
        self.having: dict[tuple[str, str], set[str]] = defaultdict(set)
        values: dict[str, set[str]] = defaultdict(set)
        for product_id, facts in products.items():
            for kind, value in facts.items():
                self.having[kind, value].add(product_id)
                values[kind].add(value)
        self.values = {kind: sorted(found) for kind, found in values.items()}

    def all(self, most: int) -> Iterator[LabelledQuery]:
        """Queries of all kinds in turn, over all products and again, since choices differ each time."""
        order = _in_turn(self.products, self.label, self.rng)
        for value in self.values.get(self.label, ()):
            yield LabelledQuery(TEXT, (Part(text=value),), self._gains({self.label: value}))
        makers = (
            self._text, self._image, self._agreeing, self._other_attribute, self._other_label, self._several,
            self._negative,
        )  # fmt: skip
        for _ in range(max(1, -(-2 * most // max(len(order), 1)))):
            for product_id in order:
                facts = self.products[product_id]
                for make in makers:
                    if (query := make(product_id, facts)) is not None:
                        yield query

    def _attributes(self, facts: Facts) -> list[str]:
        return [kind for kind in facts if kind not in (self.label, self.shape)]

    def _gains(self, wanted: Facts, *, examples: tuple[str, ...] = ()) -> dict[str, int]:
        """The products with all these facts, without the examples; 2 for those of an example's shape."""
        ids = set.intersection(*(self.having[item] for item in wanted.items())) - set(examples)
        shapes = {self.products[one].get(self.shape) for one in examples} if self.shape else set()
        shapes.discard(None)
        alike = set().union(*(self.having[self.shape or "", str(shape)] for shape in shapes))
        return {one: 2 if one in alike else 1 for one in sorted(ids)}

    def _words(self, facts: Facts, kinds: list[str]) -> str:
        wording = self.rng.choice(_WHOLE) if kinds else "{label}"
        attributes = " ".join(facts[kind] for kind in kinds)
        return wording.format(attributes=attributes, label=facts[self.label])

    def _text(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        kinds = self._attributes(facts)
        if not kinds:
            return None
        kinds = self.rng.sample(kinds, self.rng.randint(1, len(kinds)))
        wanted = {kind: facts[kind] for kind in (self.label, *kinds)}
        return LabelledQuery(TEXT, (Part(text=self._words(facts, kinds)),), self._gains(wanted))

    def _image(self, product_id: str, facts: Facts) -> LabelledQuery:
        wanted = {self.label: facts[self.label]}
        return LabelledQuery(IMAGE, (Part(product=product_id),), self._gains(wanted, examples=(product_id,)))

    def _agreeing(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        kinds = self._attributes(facts)
        if not kinds:
            return None
        parts = (Part(product=product_id), Part(text=self._words(facts, kinds)))
        wanted = {kind: facts[kind] for kind in (self.label, *kinds)}
        return LabelledQuery(AGREEING, parts, self._gains(wanted, examples=(product_id,)))

    def _other_attribute(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        kinds = self._attributes(facts)
        if not kinds:
            return None
        return self._modified(OTHER_ATTRIBUTE, product_id, facts, self.rng.choice(kinds), _ATTRIBUTE)

    def _other_label(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        if not self._attributes(facts):
            return None
        return self._modified(OTHER_LABEL, product_id, facts, self.label, _LABEL)

    def _modified(
        self, name: str, product_id: str, facts: Facts, kind: str, wordings: tuple[str, ...]
    ) -> LabelledQuery | None:
        """All facts of the product kept but one, for which another value is asked that some product has."""
        kept = {one: facts[one] for one in (self.label, *self._attributes(facts)) if one != kind}
        like = set.intersection(*(self.having[item] for item in kept.items()))
        others = sorted({value for one in like if (value := self.products[one].get(kind))} - {facts[kind]})
        if not others:
            return None
        value = self.rng.choice(others)
        parts = (Part(product=product_id), Part(text=self.rng.choice(wordings).format(value)))
        return LabelledQuery(name, parts, self._gains(kept | {kind: value}, examples=(product_id,)))

    def _several(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        kinds = self._attributes(facts)
        if not kinds:
            return None
        kind = self.rng.choice(kinds)
        wanted = {self.label: facts[self.label], kind: facts[kind]}
        others = sorted(set(self._gains(wanted)) - {product_id})
        if len(others) < EXAMPLES:
            return None
        examples = (product_id, *self.rng.sample(others, EXAMPLES - 1))
        parts = tuple(Part(product=one) for one in examples)
        return LabelledQuery(SEVERAL, parts, self._gains(wanted, examples=examples))

    def _negative(self, product_id: str, facts: Facts) -> LabelledQuery | None:
        kinds = self._attributes(facts)
        if not kinds:
            return None
        kind = self.rng.choice(kinds)
        by_word = self.rng.random() < 0.5
        wanted = Part(text=facts[self.label]) if by_word else Part(product=product_id)
        examples = () if by_word else (product_id,)
        relevant = self._gains({self.label: facts[self.label]}, examples=examples)
        relevant = {
            one: gain for one, gain in relevant.items()
            if self.products[one].get(kind) not in (None, facts[kind])
        }  # fmt: skip
        return LabelledQuery(NEGATIVE, (wanted, Part(text=facts[kind], weight=-1.0)), relevant)


def _in_turn(products: Mapping[str, Facts], label: str, rng: random.Random) -> list[str]:
    """All ids in an order in which labels take turns, so that any beginning of it is balanced."""
    groups: dict[str, list[str]] = defaultdict(list)
    for product_id in sorted(products):
        if label in products[product_id]:
            groups[products[product_id][label]].append(product_id)
    for ids in groups.values():
        rng.shuffle(ids)
    longest = max((len(ids) for ids in groups.values()), default=0)
    return [ids[turn] for turn in range(longest) for _, ids in sorted(groups.items()) if turn < len(ids)]
