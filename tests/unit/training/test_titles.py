"""Titles say only what is true of the product, and `matches` knows whom they describe."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.train.colours import COLOURS, FAMILIES, nearest
from services.encoder.train.render import make_product
from services.encoder.train.titles import (
    CATEGORIES,
    CATEGORY_NAMES,
    PATTERN_NAMES,
    PATTERNS,
    UNKNOWN,
    UNSAID,
    Attributes,
    make_title,
    matches,
    product_attributes,
)


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_title_matches_its_product_and_says_only_its_attributes(seed: int, wording: int) -> None:
    product = make_product(seed).attributes
    title, said = make_title(product, random.Random(wording))
    match, unsure = matches(np.array([said.row()]), np.array([product.row()]))
    assert match.all() and not unsure.any()
    words = title.lower()
    if said.category != UNSAID:
        assert any(word.lower() in words for word in CATEGORIES[CATEGORY_NAMES[said.category]])
    if said.pattern != UNSAID:
        assert any(word in words for word in PATTERNS[PATTERN_NAMES[said.pattern]])
    if said.colour != UNSAID:
        colour = COLOURS[said.colour]
        assert any(word in words for word in (colour.name, *colour.synonyms))


def test_matches_tells_match_contradiction_and_doubt_apart() -> None:
    red, blue = COLOURS.index(next(c for c in COLOURS if c.name == "red")), 22
    red_dress = product_attributes("dress", red, "striped", "matte")
    blue_dress = product_attributes("dress", blue, "plain", "matte")
    some_dress = product_attributes("dress", UNKNOWN, None, None)
    title = Attributes(red_dress.category, red_dress.colour, red_dress.family)
    match, unsure = matches(
        np.array([title.row(), Attributes(category=red_dress.category).row()]),
        np.array([red_dress.row(), blue_dress.row(), some_dress.row()]),
    )
    assert match.tolist() == [[True, False, False], [True, True, True]]
    assert unsure.tolist() == [[False, False, True], [False, False, False]]


def test_every_prototype_is_nearest_to_its_own_name_and_every_family_has_one() -> None:
    assert nearest([colour.rgb for colour in COLOURS]).tolist() == list(range(len(COLOURS)))
    assert set(FAMILIES) == {colour.family for colour in COLOURS}
