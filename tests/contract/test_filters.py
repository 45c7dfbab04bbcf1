"""The store contract: a filter means in both stores what it means in plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput
from services.store.base import Filter, Match, Point, Range, VectorStore
from tests.contract.conftest import COSTLY, everything

pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

# --- What a filter means -----------------------------------------------------------------------------


def holds(filter: Filter, point: Point) -> bool:
    return (
        all(_condition(condition, point.payload) for condition in filter.must)
        and not any(_condition(condition, point.payload) for condition in filter.must_not)
        and (filter.ids is None or point.id in filter.ids)
        and point.id not in filter.not_ids
    )


def _condition(condition: Match | Range, payload: dict[str, Any]) -> bool:
    first, _, rest = condition.key.partition(".")
    value = payload.get(first)
    if rest:
        value = value.get(rest) if isinstance(value, dict) else None
    values = value if isinstance(value, list) else [value]
    if isinstance(condition, Match):
        return any(_equal(value, wanted) for value in values for wanted in condition.values)
    return any(_within(condition, value) for value in values)


def _equal(value: Any, wanted: Any) -> bool:
    # Python takes True for 1; a shop does not.
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def _within(bounds: Range, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (
        (bounds.gte is None or value >= bounds.gte)
        and (bounds.lte is None or value <= bounds.lte)
        and (bounds.gt is None or value > bounds.gt)
        and (bounds.lt is None or value < bounds.lt)
    )


# --- Random payloads and filters ---------------------------------------------------------------------

TEXTS = ["", "red", "Red", "größe", "true", "1", "a.b", 'quo"te', "靴/👠", " "]
NUMBERS = [-3, -1, 0, 1, 2, 38, 10**9, 2**53, -1.5, 0.0, 0.5, 1.0, 38.0, 1e-9, 1e12]
ATTRIBUTES = ["colour", "Heel height", "size.eu", "vegan", "größe", "a[0]", "(x)", "-", "true=false"]
KEYS = ["category", "brand", "tags", "price", "note", *(f"attributes.{name}" for name in ATTRIBUTES)]

texts, numbers, flags = st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.booleans()
scalars = st.one_of(texts, numbers, flags)
values = st.one_of(scalars, st.none(), st.lists(st.one_of(scalars, st.none()), max_size=3))
payloads = st.fixed_dictionaries(
    {},
    optional={
        "category": values,
        "brand": values,
        "tags": values,
        "price": values,
        "note": values,
        "attributes": st.one_of(st.dictionaries(st.sampled_from(ATTRIBUTES), values, max_size=4), scalars),
    },
)
keys = st.sampled_from(KEYS)
bound = st.one_of(st.none(), numbers)
matches = st.builds(Match, keys, st.lists(scalars, max_size=3).map(tuple))
ranges = st.builds(Range, keys, gte=bound, lte=bound, gt=bound, lt=bound)
conditions = st.lists(st.one_of(matches, ranges), max_size=2).map(tuple)
names = [f"p/{i}" for i in range(6)]
ids = st.lists(st.sampled_from([*names, "stranger"]), max_size=4).map(tuple)
filters = st.builds(
    Filter,
    must=conditions,
    must_not=conditions,
    ids=st.one_of(st.none(), st.none(), ids),
    not_ids=st.one_of(st.just(()), ids),
)


@pytest.mark.parametrize("place", COSTLY, indirect=True)
@given(st.lists(payloads, min_size=6, max_size=6), st.lists(filters, min_size=1, max_size=6))
@example(
    [{"attributes": {"vegan": True}}, {"attributes": {"vegan": 1}}] + [{}] * 4,
    [Filter(must=(Match("attributes.vegan", (value,)),)) for value in (True, False, 1, 0, "true")],
)
@example(
    [{"price": 38}, {"price": 38.0}, {"price": [1, 38]}, {"price": "38"}] + [{}] * 2,
    [
        Filter(must=(Match("price", (38,)),)),
        Filter(must_not=(Range("price", gte=38),)),
        Filter(must=(Range("price"),)),
    ],
)
@example(
    [{"tags": ["a"]}] * 6,
    [Filter(must=(Match("tags", ()),)), Filter(must_not=(Match("tags", ()),)), Filter(ids=())],
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_mean_the_same_everywhere(store: VectorStore, unit, contents, wanted) -> None:
    points = [
        Point(name, {"image": unit(i)}, payload)
        for i, (name, payload) in enumerate(zip(names, contents, strict=True))
    ]
    store.upsert(points)
    for filter in wanted:
        expected = {point.id for point in points if holds(filter, point)}
        assert store.count(filter) == len(expected)
        assert {point.id for point in everything(store, limit=4, filter=filter)} == expected
        assert {hit.id for hit in store.search("image", unit(9), 10, filter=filter)} == expected
        assert store.facets("note", filter=filter) == _facets(points, "note", expected)


@pytest.mark.parametrize("place", COSTLY, indirect=True)
@given(
    st.lists(st.lists(texts, max_size=4), min_size=6, max_size=6),
    st.integers(1, 6),
    st.sampled_from(["tags", "note"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_facets_mean_the_same_everywhere(store: VectorStore, contents, limit, key) -> None:
    points = [Point(name, {}, {key: values}) for name, values in zip(names, contents, strict=True)]
    store.upsert(points)
    assert store.facets(key, limit=limit) == _facets(points, key, set(names))[:limit]


def _facets(points: list[Point], key: str, ids: set[str]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for point in points:
        value = point.payload.get(key)
        spelt = {
            str(single).lower() if isinstance(single, bool) else str(single)
            for single in (value if isinstance(value, list) else [value])
            if single is not None
        }
        for text in spelt if point.id in ids else ():
            counts[text] = counts.get(text, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


# --- What cannot be filtered by ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (Match("", ("x",)), ""),
        (Match('attributes.a"b', ("x",)), 'attributes.a"b'),
        (Match("attributes.a\\b", ("x",)), "attributes.a\\b"),
        (Match("category", (None,)), "category"),
        (Match("category", ("lone \ud800",)), "category"),
        (Match("category", ({"gte": 1},)), "category"),
        (Match("category", (float("nan"),)), "category"),
        (Range("price", gte=float("inf")), "price"),
        (Range("price", lt=float("nan")), "price"),
        (Range("price", lt="10"), "price"),
        (Range("price", gt=10**400), "price"),
    ],
)
def test_conditions_that_make_no_sense_are_refused_by_name(
    store: VectorStore, unit, condition, field
) -> None:
    for filter in (Filter(must=(condition,)), Filter(must_not=(condition,))):
        for call in (
            lambda filter=filter: store.count(filter),
            lambda filter=filter: store.scroll(filter=filter),
            lambda filter=filter: store.search("image", unit(1), 5, filter=filter),
            lambda filter=filter: store.facets("category", filter=filter),
        ):
            with pytest.raises(InvalidInput) as caught:
                call()
            assert caught.value.field == field
            assert caught.value.mend


def test_long_lists_of_ids_and_values_work(store: VectorStore, unit) -> None:
    store.upsert([Point(f"p{i}", {"image": unit(i)}, {"category": f"c{i}", "price": i}) for i in range(300)])
    many = tuple(f"p{i}" for i in range(100, 3000))
    assert store.count(Filter(ids=many)) == 200
    assert store.count(Filter(not_ids=many)) == 100
    assert (
        store.count(Filter(must=(Match("category", tuple(f"c{i}" for i in range(2000))),), not_ids=many))
        == 100
    )
    assert store.count(Filter(must=(Match("price", tuple(range(50, 400))),))) == 250
    assert {hit.id for hit in store.search("image", unit(5), 200, filter=Filter(not_ids=many))} == {
        f"p{i}" for i in range(100)
    }


def test_vectors_are_no_part_of_a_filter(store: VectorStore) -> None:
    store.upsert([Point("a", {"image": np.ones(8, np.float32)}, {"image": "photo.jpg"})])
    assert store.count(Filter(must=(Match("image", ("photo.jpg",)),))) == 1
