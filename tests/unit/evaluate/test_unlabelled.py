"""Queries from catalogues nobody labelled ask for what their own fields or titles say."""

from __future__ import annotations

import random
from itertools import product as combinations

import numpy as np

from searcher.evaluate.pool import Pool
from searcher.evaluate.queries import AGREEING, IMAGE, NEGATIVE, OTHER_ATTRIBUTE, SEVERAL, TEXT
from searcher.evaluate.unlabelled import catalogue_queries, field_facts, title_queries, title_words
from services.catalogue.product import Product

COLOURS, CLOTHS, THINGS = ("red", "blue", "green"), ("linen", "wool"), ("dress", "skirt", "coat")
TITLES = {
    f"{n}-{colour}-{cloth}-{thing}": f"{colour} {cloth} {thing} no. {n}"
    for n, colour, cloth, thing in combinations(range(4), COLOURS, CLOTHS, THINGS)
}


class Unasked:
    """Stands where an encoder goes that must not be asked."""


def products(titles: dict[str, str] = TITLES, **fields: str) -> dict[str, Product]:
    return {one: Product(id=one, title=title, **fields) for one, title in titles.items()}


def pool(count: int) -> Pool:
    return Pool(
        [str(n) for n in range(count)], np.zeros((count, 2, 4), np.float32), np.ones((count, 2), bool), {}
    )


def test_words_that_all_titles_or_hardly_any_have_tell_nothing() -> None:
    titles = TITLES | {"odd": "red linen dress xylophone shop"}
    titles = {one: f"{title} shop" for one, title in titles.items()}
    words = title_words(titles)
    assert words["odd"] == {"red", "linen", "dress"}
    assert all(len(found) == 3 for found in words.values())


def test_another_word_in_the_same_place_asks_for_the_product_that_has_it() -> None:
    words = title_words(TITLES)
    queries = title_queries(words, most=200)
    kinds = {kind: [query for query in queries if query.kind == kind] for kind in (TEXT, IMAGE, AGREEING)}
    assert all(kinds.values())
    modified = [query for query in queries if query.kind == OTHER_ATTRIBUTE]
    assert modified
    for query in modified:
        example, other = words[str(query.parts[0].product)], str(query.parts[1].text)
        assert other not in example
        for one in query.relevant:
            assert other in words[one] and len(words[one] & example) == len(example) - 1
    for query in queries:
        assert query.relevant and not query.examples & set(query.relevant)
        if query.kind == NEGATIVE:
            assert not any(str(query.parts[1].text) in words[one] for one in query.relevant)
        if query.kind == SEVERAL:
            shared = frozenset.intersection(*(words[one] for one in query.examples))
            assert shared and all(words[one] & shared for one in query.relevant)


def test_fields_with_few_values_are_facts_and_names_are_not() -> None:
    rng = random.Random(0)
    records = {
        str(n): Product(
            id=str(n), category=rng.choice(THINGS),
            attributes={"colour": rng.choice(COLOURS), "sku": f"sku-{n}", "stock": n, "shop": "ours"},
        )
        for n in range(200)
    }  # fmt: skip
    facts = field_facts(records)
    assert len(facts) == 200
    assert all(set(known) == {"category", "colour"} for known in facts.values())


def test_fields_are_asked_before_titles_and_titles_before_pictures() -> None:
    encoder: object = Unasked()
    titled = products()
    source, queries = catalogue_queries(pool(len(titled)), titled, encoder, most=20)  # type: ignore[arg-type]
    assert source == "titles" and queries
    records = {
        one: Product(
            id=one, title=title, category=one.split("-")[3], attributes={"colour": one.split("-")[1]}
        )
        for one, title in TITLES.items()
    }
    source, queries = catalogue_queries(pool(len(records)), records, encoder, most=20)  # type: ignore[arg-type]
    assert source == "fields" and queries
