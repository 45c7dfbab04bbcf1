"""One meaning of a filter for both stores: they differ only in the classes of their engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from services.store.base import Filter, Match, Range
from services.store.checks import check_wanted, finite
from services.store.schema import TERMS_KEY, json_path, point_id
from services.store.terms import term

C = TypeVar("C")
F = TypeVar("F", covariant=True)


class Dialect(Protocol[C, F]):
    """Builds the conditions (C) and filters (F) of one engine. `path` is the engine's JSON path."""

    def texts(self, path: str, values: Sequence[str]) -> C:
        """The field holds any of these texts."""

    def interval(self, path: str, bounds: Range) -> C:
        """The field holds a number within the bounds."""

    def point_ids(self, ids: Sequence[str]) -> C:
        """The point has any of these ids; of none if there are none."""

    def any_of(self, conditions: Sequence[C]) -> C:
        """At least one holds."""

    def combine(self, must: Sequence[C], must_not: Sequence[C]) -> F:
        """All of `must` hold and none of `must_not`."""


def compile_filter(filter: Filter | None, dialect: Dialect[C, F]) -> F | None:
    """The engine's filter, or None where nothing is limited.

    A field that a product lacks matches nothing, so `must_not` lets such products pass. A match
    without values holds for no product, as do empty `ids`. Numbers are compared as float64; a boolean
    equals no number.

    Raises `InvalidInput`, naming the field, for a condition that cannot be evaluated.
    """
    if filter is None:
        return None
    must = [_condition(condition, dialect) for condition in filter.must]
    must_not = [_condition(condition, dialect) for condition in filter.must_not]
    if filter.ids is not None:
        must.append(dialect.point_ids([point_id(product) for product in filter.ids]))
    if filter.not_ids:
        must_not.append(dialect.point_ids([point_id(product) for product in filter.not_ids]))
    return dialect.combine(must, must_not) if must or must_not else None


def _condition(condition: Match | Range, dialect: Dialect[C, F]) -> C:
    path = json_path(condition.key)
    if isinstance(condition, Range):
        bounds = {name: getattr(condition, name) for name in ("gte", "lte", "gt", "lt")}
        given = {name: finite(bound, condition.key) for name, bound in bounds.items() if bound is not None}
        return dialect.interval(path, Range(condition.key, **given))
    wanted = [check_wanted(value, condition.key) for value in condition.values]
    indexed, texts, either = [], [], []
    for value in wanted:
        if (spelt := term(condition.key, value)) is not None:
            indexed.append(spelt)
        elif isinstance(value, str):
            texts.append(value)
        else:
            # The engine's exact match knows no floats and would miss 38.0 for 38; an interval finds both.
            either.append(dialect.interval(path, Range(condition.key, gte=value, lte=value)))
    if indexed:
        either.append(dialect.texts(TERMS_KEY, indexed))
    if texts:
        either.append(dialect.texts(path, texts))
    if not either:
        return dialect.point_ids([])
    return either[0] if len(either) == 1 else dialect.any_of(either)
