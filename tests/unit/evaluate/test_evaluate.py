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
    NEGATIVE,
    OTHER_ATTRIBUTE,
    OTHER_LABEL,
    SEVERAL,
    TEXT,
    Facts,
    LabelledQuery,
    make_queries,
)

PRODUCTS: dict[str, Facts] = {
    "d1": {"category": "dress", "colour": "red"},
    "d2": {"category": "dress", "colour": "red"},
    "d3": {"category": "dress", "colour": "blue"},
    "h1": {"category": "hat", "colour": "red"},
    "h2": {"category": "hat"},
    "m1": {"category": "mug", "colour": "green"},
}


def of_kind(
    kind: str, products: dict[str, Facts] = PRODUCTS, shape: str | None = None
) -> list[LabelledQuery]:
    made = make_queries(products, label="category", most=100, shape=shape)
    return [query for query in made if query.kind == kind]


def having(**facts: str) -> set[str]:
    return {name for name, known in PRODUCTS.items() if facts.items() <= known.items()}


def value_in(text: str | None, values: set[str]) -> str:
    (value,) = [value for value in values if value in str(text).split()]
    return value


def test_texts_ask_for_labels_and_for_labels_with_attributes() -> None:
    asked = {query.parts[0].text: set(query.relevant) for query in of_kind(TEXT)}
    assert asked["dress"] == {"d1", "d2", "d3"}
    assert asked["hat"] == {"h1", "h2"}
    for text, relevant in asked.items():
        words = set(str(text).replace(",", "").split()) - {"a", "in"}
        assert relevant == {name for name, known in PRODUCTS.items() if words <= set(known.values())}
    assert any("red" in str(text) for text in asked)


def test_examples_are_never_their_own_answer() -> None:
    asked = {query.parts[0].product: set(query.relevant) for query in of_kind(IMAGE)}
    assert asked["d1"] == {"d2", "d3"} and asked["h2"] == {"h1"}
    assert "m1" not in asked  # nothing else is like it
    agreeing = {(query.parts[0].product, *query.relevant) for query in of_kind(AGREEING)}
    assert agreeing == {("d1", "d2"), ("d2", "d1")}


def test_modifying_words_change_one_thing_and_keep_the_other() -> None:
    for query in of_kind(OTHER_ATTRIBUTE):
        example = PRODUCTS[str(query.parts[0].product)]
        wanted = value_in(query.parts[1].text, {"red", "blue", "green"})
        assert wanted != example["colour"]
        assert set(query.relevant) == having(category=example["category"], colour=wanted)
    for query in of_kind(OTHER_LABEL):
        example = PRODUCTS[str(query.parts[0].product)]
        wanted = value_in(query.parts[1].text, {"dress", "hat", "mug"})
        assert wanted != example["category"]
        assert set(query.relevant) == having(category=wanted, colour=example["colour"])
    assert of_kind(OTHER_ATTRIBUTE) and of_kind(OTHER_LABEL)


def test_several_examples_share_what_their_answers_have() -> None:
    shirts: dict[str, Facts] = {
        f"{colour}{n}": {"category": "shirt", "colour": colour}
        for n in range(5)
        for colour in ("red", "blue")
    }
    asked = of_kind(SEVERAL, shirts)
    assert asked
    for query in asked:
        (colour,) = {shirts[one]["colour"] for one in query.examples}
        assert len(query.examples) == 3
        assert set(query.relevant) == {f"{colour}{n}" for n in range(5)} - query.examples


def test_what_is_not_wanted_is_no_answer_nor_is_what_nobody_knows() -> None:
    asked = of_kind(NEGATIVE)
    for query in asked:
        assert query.parts[1].weight == -1
        assert query.relevant and all(
            PRODUCTS[one].get("colour") not in (None, query.parts[1].text) for one in query.relevant
        )
    assert {query.parts[0].kind for query in asked} == {"text", "product"}


def test_the_very_shape_counts_twice() -> None:
    mugs: dict[str, Facts] = {
        "round-red": {"category": "mug", "colour": "red", "form": "round"},
        "round-blue": {"category": "mug", "colour": "blue", "form": "round"},
        "square-blue": {"category": "mug", "colour": "blue", "form": "square"},
    }
    gains = [q.relevant for q in of_kind(OTHER_ATTRIBUTE, mugs, "form") if q.examples == {"round-red"}]
    assert gains and all(gain == {"round-blue": 2, "square-blue": 1} for gain in gains)
    assert not any("square" in str(query.parts[-1].text) for query in of_kind(TEXT, mugs, "form"))


def test_queries_are_balanced_over_labels_limited_and_the_same_each_time() -> None:
    many: dict[str, Facts] = {f"a{n}": {"category": "shirt", "colour": "red"} for n in range(90)} | {
        f"b{n}": {"category": "tie", "colour": "blue"} for n in range(10)
    }
    queries = make_queries(many, label="category", most=16)
    images = [query for query in queries if query.kind == IMAGE]
    assert len(images) == 16
    assert sum(str(query.parts[0].product).startswith("b") for query in images) == 8
    assert queries == make_queries(many, label="category", most=16)


def test_metrics_are_those_worked_out_by_hand() -> None:
    found = score(
        {"q": {"a": 1, "b": 1}, "r": {"c": 1}},
        {"q": ["x", "a", "y", "b"], "r": ["x", "y", "z", "w", "v", "c"]},
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
    found = score({"q": {"a": 1}, "r": {"b": 1}}, {"q": [], "r": ["b"]})
    assert found["mAP"] == [0, 1]


@given(st.permutations([f"p{n}" for n in range(12)]))
def test_order_alone_decides_not_the_names(order: list[str]) -> None:
    found = score({"q": {"p3": 1}}, {"q": order})
    assert found["mAP"][0] == pytest.approx(1 / (order.index("p3") + 1))


def test_the_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    low, high = interval([0.0, 1.0] * 10)
    assert low < 0.5 < high
    closer = interval([0.0, 1.0] * 1000)
    assert closer[1] - closer[0] < (high - low) / 4
    assert interval([0.3] * 5) == pytest.approx((0.3, 0.3))
