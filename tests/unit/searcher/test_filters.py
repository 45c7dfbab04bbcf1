import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searcher.filters import MAX_VALUES, check_key, parse_assignments, parse_filters, without
from services.errors import InvalidInput
from services.store.base import Filter, Match, Range


@pytest.mark.parametrize("empty", [None, {}, {"not": {}}])
def test_nothing_is_no_filter(empty):
    assert parse_filters(empty) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"category": "dress"}, Filter(must=(Match("category", ("dress",)),))),
        ({"category": ["dress", "skirt"]}, Filter(must=(Match("category", ("dress", "skirt")),))),
        ({"price": {"gte": 10, "lte": 50}}, Filter(must=(Range("price", gte=10.0, lte=50.0),))),
        ({"price": {"gt": 0, "lt": 9.5}}, Filter(must=(Range("price", gt=0.0, lt=9.5),))),
        ({"price": 12}, Filter(must=(Match("price", (12,)),))),
        ({"attributes.colour": "red"}, Filter(must=(Match("attributes.colour", ("red",)),))),
        ({"attributes.new": True}, Filter(must=(Match("attributes.new", (True,)),))),
        ({"attributes.size": 38}, Filter(must=(Match("attributes.size", (38,)),))),
        ({"attributes.size": [38, 40.5]}, Filter(must=(Match("attributes.size", (38, 40.5)),))),
        ({"not": {"category": "hat"}}, Filter(must_not=(Match("category", ("hat",)),))),
        (
            {"tags": "silk", "not": {"price": {"gt": 9}, "id": "p1"}},
            Filter(must=(Match("tags", ("silk",)),), must_not=(Range("price", gt=9.0),), not_ids=("p1",)),
        ),
        ({"id": ["a", "b"]}, Filter(ids=("a", "b"))),
    ],
)
def test_filters_mean_what_they_say(data, expected):
    assert parse_filters(data) == expected


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ([], "filters"),
        ("category=dress", "filters"),
        ({"colour": "red"}, "filters.colour"),
        ({"": "red"}, "filters."),
        ({"attributes.": "red"}, "filters.attributes."),
        ({"attributes": {"colour": "red"}}, "filters.attributes"),
        ({"_source": "x"}, "filters._source"),
        ({"description": "x"}, "filters.description"),
        ({"category": None}, "filters.category"),
        ({"category": []}, "filters.category"),
        ({"category": ["a", None]}, "filters.category"),
        ({"category": [["a"]]}, "filters.category"),
        ({"category": "x" * 1001}, "filters.category"),
        ({"category": ["x"] * (MAX_VALUES + 1)}, "filters.category"),
        ({"category": {"gte": 1}}, "filters.category"),
        ({"price": {"above": 1}}, "filters.price.above"),
        ({"price": {"gte": "10"}}, "filters.price.gte"),
        ({"price": {"gte": True}}, "filters.price.gte"),
        ({"price": {"gte": math.nan}}, "filters.price.gte"),
        ({"price": {"gte": None}}, "filters.price.gte"),
        ({"price": {}}, "filters.price"),
        ({"price": {"gte": 50, "lte": 10}}, "filters.price"),
        ({"price": [10, "20"]}, "filters.price"),
        ({"price": "10"}, "filters.price"),
        ({"price": True}, "filters.price"),
        ({"attributes.size": math.inf}, "filters.attributes.size"),
        ({"attributes.size": 2**63}, "filters.attributes.size"),
        ({"id": 7}, "filters.id"),
        ({"not": "hat"}, "filters.not"),
        ({"not": {"colour": "hat"}}, "filters.not.colour"),
        ({"not": {"not": {"category": "hat"}}}, "filters.not.not"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(data, field):
    with pytest.raises(InvalidInput) as caught:
        parse_filters(data)
    assert caught.value.field == field
    assert caught.value.mend


def test_a_column_of_the_shop_is_pointed_at():
    with pytest.raises(InvalidInput, match=r"write attributes\.colour"):
        parse_filters({"colour": "red"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["category", "price", "id", "tags", "attributes.x", "not"]) | st.text(max_size=10)


@given(data=st.dictionaries(KEYS, JSON, max_size=4))
def test_any_json_gives_a_filter_or_a_named_refusal(data):
    try:
        found = parse_filters(data)
    except InvalidInput as error:
        assert error.field and error.field.startswith("filters") and error.mend
    else:
        assert found is None or found != Filter()


def test_products_can_be_left_out_of_any_filter():
    assert without(None, ()) is None
    assert without(None, ("a",)) == Filter(not_ids=("a",))
    some = Filter(must=(Match("category", ("dress",)),), not_ids=("x",))
    assert without(some, ("a",)) == Filter(must=some.must, not_ids=("x", "a"))


def test_keys_to_count_by():
    assert check_key("brand", "key") == "brand"
    assert check_key("attributes.colour", "key") == "attributes.colour"
    with pytest.raises(InvalidInput):
        check_key("_hash", "key")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["category=dress"], Filter(must=(Match("category", ("dress",)),))),
        (["category=dress", " category = skirt "], Filter(must=(Match("category", ("dress", "skirt")),))),
        (["price=10..50"], Filter(must=(Range("price", gte=10.0, lte=50.0),))),
        (["price=..9.99"], Filter(must=(Range("price", lte=9.99),))),
        (["price=10.."], Filter(must=(Range("price", gte=10.0),))),
        (["price=12"], Filter(must=(Match("price", (12,)),))),
        (["brand!=Nordtal"], Filter(must_not=(Match("brand", ("Nordtal",)),))),
        (["attributes.size=38"], Filter(must=(Match("attributes.size", ("38", 38)),))),
        (["attributes.size=38.5"], Filter(must=(Match("attributes.size", ("38.5", 38.5)),))),
        (["attributes.new=true"], Filter(must=(Match("attributes.new", ("true", True)),))),
        (["attributes.code=007"], Filter(must=(Match("attributes.code", ("007",)),))),
        (["title=a=b"], Filter(must=(Match("title", ("a=b",)),))),
        (["category=2024"], Filter(must=(Match("category", ("2024",)),))),
    ],
)
def test_filters_written_as_words(words, expected):
    assert parse_assignments(words) == expected


@pytest.mark.parametrize(
    "word", ["category", "=dress", "category=", "!=x", "colour=red", "price=cheap", "price=.."]
)
def test_words_that_are_no_filter(word):
    with pytest.raises(InvalidInput) as caught:
        parse_assignments([word])
    assert caught.value.mend and (caught.value.field or "").startswith("filter")
