"""Labelled queries ask for what they say, and metrics agree with figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searcher.evaluate.metrics import interval, score
from searcher.evaluate.queries import (
    AGREEING,
    IMAGE,
    OTHER_ATTRIBUTE,
    OTHER_LABEL,
    TEXT,
    Labelled,
    LabelledQuery,
    make_queries,
)

PRODUCTS = {
    "d1": Labelled("dress", "red"),
    "d2": Labelled("dress", "red"),
    "d3": Labelled("dress", "blue"),
    "h1": Labelled("hat", "red"),
    "h2": Labelled("hat", None),
    "m1": Labelled("mug", "green"),
}


def of_kind(kind: str, products: dict[str, Labelled] = PRODUCTS) -> list[LabelledQuery]:
    return [query for query in make_queries(products, most=100) if query.kind == kind]


def test_texts_ask_for_labels_and_for_labels_with_attributes() -> None:
    asked = {query.parts[0].text: query.relevant for query in of_kind(TEXT)}
    assert asked["dress"] == {"d1", "d2", "d3"}
    assert asked["hat"] == {"h1", "h2"}
    assert asked["red dress"] == {"d1", "d2"}
    assert asked["green mug"] == {"m1"}
    assert len(asked) == 7


def test_examples_are_never_their_own_answer() -> None:
    asked = {query.example: query.relevant for query in of_kind(IMAGE)}
    assert asked["d1"] == {"d2", "d3"} and asked["h2"] == {"h1"}
    assert "m1" not in asked  # nothing else is like it
    assert {query.example: query.relevant for query in of_kind(AGREEING)} == {"d1": {"d2"}, "d2": {"d1"}}


def test_modifying_words_change_one_thing_and_keep_the_other() -> None:
    for query in of_kind(OTHER_ATTRIBUTE):
        example = PRODUCTS[str(query.example)]
        wanted = query.parts[1].text
        assert wanted != example.attribute
        assert query.relevant == {
            name for name, known in PRODUCTS.items() if known == Labelled(example.label, wanted)
        }
    for query in of_kind(OTHER_LABEL):
        example = PRODUCTS[str(query.example)]
        wanted = str(query.parts[1].text)
        assert wanted != example.label
        assert query.relevant == {
            name for name, known in PRODUCTS.items() if known == Labelled(wanted, example.attribute)
        }
    assert of_kind(OTHER_ATTRIBUTE) and of_kind(OTHER_LABEL)


def test_queries_are_balanced_over_labels_limited_and_the_same_each_time() -> None:
    many = {f"a{n}": Labelled("shirt", "red") for n in range(90)} | {
        f"b{n}": Labelled("tie", "blue") for n in range(10)
    }
    queries = [query for query in make_queries(many, most=16) if query.kind == IMAGE]
    assert len(queries) == 16
    assert sum(str(query.example).startswith("b") for query in queries) == 8
    assert queries == [query for query in make_queries(many, most=16) if query.kind == IMAGE]


def test_metrics_are_those_worked_out_by_hand() -> None:
    found = score(
        {"q": {"a", "b"}, "r": {"c"}}, {"q": ["x", "a", "y", "b"], "r": ["x", "y", "z", "w", "v", "c"]}
    )
    assert found["recall@1"] == [0, 0]
    assert found["recall@5"] == [1, 0]
    assert found["recall@10"] == [1, 1]
    assert found["precision@10"] == pytest.approx([0.2, 0.1])
    assert found["mAP"] == pytest.approx([(1 / 2 + 2 / 4) / 2, 1 / 6])
    ideal = 1 + 1 / math.log2(3)
    assert found["nDCG@10"] == pytest.approx(
        [(1 / math.log2(3) + 1 / math.log2(5)) / ideal, 1 / math.log2(7)]
    )


def test_a_query_without_answer_counts_as_zero_and_keeps_its_place() -> None:
    found = score({"q": {"a"}, "r": {"b"}}, {"q": [], "r": ["b"]})
    assert found["mAP"] == [0, 1]


@given(st.permutations([f"p{n}" for n in range(12)]))
def test_order_alone_decides_not_the_names(order: list[str]) -> None:
    found = score({"q": {"p3"}}, {"q": order})
    assert found["mAP"][0] == pytest.approx(1 / (order.index("p3") + 1))


def test_the_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    low, high = interval([0.0, 1.0] * 10)
    assert low < 0.5 < high
    closer = interval([0.0, 1.0] * 1000)
    assert closer[1] - closer[0] < (high - low) / 4
    assert interval([0.3] * 5) == pytest.approx((0.3, 0.3))
