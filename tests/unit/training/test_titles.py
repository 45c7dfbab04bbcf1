"""Titles say only what is true of the product, and `matches` knows whom they describe."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.encoder.train.colours import COLOURS, FAMILIES, FAMILY_ZH, INDEX, nearest
from services.encoder.train.titles import (
    CATEGORIES,
    CATEGORY_NAMES,
    NONE,
    UNKNOWN,
    UNSAID,
    Attributes,
    category_names,
    colour_names,
    make_title,
    matches,
    material_names,
    near_title,
    pattern_names,
    product_attributes,
    random_product,
)
from services.encoder.train.wording import FILLERS, FILLERS_ZH, FRAMES, FRAMES_ZH
from services.encoder.train.words import MATERIALS, PATTERN_NOUNS, PATTERNS
from tests.unit.training.reader import blank, read, words

SEEDS = st.integers(0, 2**32 - 1)


def one(title: Attributes, product: Attributes) -> tuple[bool, bool]:
    match, unsure = matches(np.array([title.row()]), np.array([product.row()]))
    return bool(match[0, 0]), bool(unsure[0, 0])


def assert_says(title: str, said: Attributes) -> None:
    """The words of the title name the codes of `said`, no less and no more."""
    found = read(title)
    for kind in ("category", "pattern", "material", "accent"):
        assert found.get(kind, UNSAID) == getattr(said, kind), (title, kind)
    assert ("colour" in found) == (said.family != UNSAID), title
    if "colour" in found:
        colour = COLOURS[found["colour"]]
        assert colour.family == FAMILIES[said.family], title
        # The word of a family is said in two senses; every other word in one.
        assert said.colour == found["colour"] or (said.colour == UNSAID and colour.name == colour.family), (
            title
        )


def test_the_tables_hold_what_the_product_promises() -> None:
    assert len(CATEGORIES) == 78 and len(PATTERNS) == 12 and len(MATERIALS) == 6 and len(COLOURS) == 29
    assert set(PATTERN_NOUNS) == set(PATTERNS) and set(FAMILY_ZH) == set(FAMILIES)
    for table in (CATEGORIES, PATTERNS, MATERIALS):
        assert all(len(entry.en) >= 2 and len(entry.zh) >= 1 for entry in table.values())


def test_no_word_belongs_to_two_things_in_one_language() -> None:
    counts = Counter((word.text, word.chinese) for word in words())
    assert [word for word, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("text", [*FILLERS, *FILLERS_ZH, *FRAMES, *FRAMES_ZH])
def test_fillers_and_frames_name_nothing(text: str) -> None:
    assert read(text) == {}


def test_nouns_of_patterns_name_their_pattern() -> None:
    for code, nouns in enumerate(PATTERN_NOUNS.values()):
        for noun in nouns:
            assert read(f"mug with {noun}")["pattern"] == code


def test_thousands_of_titles_say_what_their_codes_say() -> None:
    rng = random.Random(7)
    for _ in range(6000):
        product = random_product(rng)
        title, said = make_title(product, rng)
        assert one(said, product) == (True, False)
        assert_says(title, said)


@given(SEEDS, st.floats(0, 1))
def test_a_title_is_the_same_for_the_same_seed(seed: int, chinese: float) -> None:
    product = random_product(random.Random(seed))
    first, second = (make_title(product, random.Random(seed), chinese=chinese) for _ in range(2))
    assert first == second


@given(SEEDS)
def test_what_nobody_knows_is_never_said(seed: int) -> None:
    rng = random.Random(seed)
    whole = random_product(rng)
    unknown = rng.sample(("colour", "pattern", "material", "accent"), rng.randint(1, 4))
    product = replace(whole, **dict.fromkeys(unknown, UNKNOWN))
    if "colour" in unknown:
        product = replace(product, family=UNKNOWN)
    title, said = make_title(product, rng)
    assert_says(title, said)
    assert all(getattr(said, name) == UNSAID for name in unknown)


def test_titles_vary_in_language_and_in_what_they_leave_out() -> None:
    rng = random.Random(3)
    product = product_attributes("mug", INDEX["navy"], "striped", "glossy", INDEX["white"])
    made = [make_title(product, rng) for _ in range(2000)]
    chinese = sum(any("\u4e00" <= c <= "\u9fff" for c in title) for title, _ in made)
    assert 0.25 < chinese / 2000 < 0.35
    assert len({title for title, _ in made}) > 1500
    for name in ("category", "colour", "family", "pattern", "material", "accent"):
        assert 100 < sum(getattr(said, name) == UNSAID for _, said in made) < 1900
    wide = {title for title, said in made if said.family >= 0 and said.colour == UNSAID}
    assert any("blue" in title.lower() for title in wide) and not any(
        "navy" in title.lower() for title in wide
    )
    assert not any(
        c >= "\u4e00" for title, _ in [make_title(product, rng, chinese=0) for _ in range(99)] for c in title
    )


def test_a_near_title_differs_in_one_word_and_is_never_true() -> None:
    rng = random.Random(11)
    for _ in range(4000):
        product, wording = random_product(rng), rng.getrandbits(32)
        title, said = make_title(product, rng, wording=wording)
        near = near_title(product, said, rng, wording=wording)
        assert near is not None
        text, codes = near
        assert_says(text, codes)
        assert one(codes, product) == (False, False)
        differing = [name for name in vars(said) if getattr(said, name) != getattr(codes, name)]
        assert differing in (
            ["colour"],
            ["colour", "family"],
            ["family"],
            ["category"],
            ["pattern"],
            ["material"],
            ["accent"],
        )
        before, after = read(title), read(text)
        assert before.keys() == after.keys() and sum(before[kind] != after[kind] for kind in before) == 1
        if "colour" in differing:  # loose words do not make it true: no "blue" of a navy product
            colour = COLOURS[after["colour"]]
            assert colour.family != COLOURS[product.colour].family or colour.name != colour.family


@given(SEEDS, st.integers(0, 2**32 - 1))
def test_one_wording_frames_a_title_and_its_near_title_alike(seed: int, wording: int) -> None:
    """Only the changed word, and the article or noun that goes with it, set the two titles apart."""
    rng = random.Random(seed)
    product = random_product(rng)
    title, said = make_title(product, rng, wording=wording, chinese=0)
    near = near_title(product, said, rng, wording=wording, chinese=0)
    assert near is not None
    frames = [
        [
            part
            for part in blank(text).replace(",", " ").split()
            if part not in ("a", "an", "pattern", "design", "effect")
        ]
        for text in (title, near[0])
    ]
    assert frames[0] == frames[1], (title, near[0])


def test_nothing_to_change_gives_no_near_title() -> None:
    product = product_attributes("mug", UNKNOWN, None, None)
    assert near_title(product, Attributes(), random.Random(0)) is None


def test_matches_tells_match_contradiction_and_doubt_apart() -> None:
    red, blue, white = INDEX["red"], INDEX["blue"], INDEX["white"]
    red_dress = product_attributes("dress", red, "striped", "matte", white)
    blue_dress = product_attributes("dress", blue, "plain", "matte")
    some_dress = product_attributes("dress", UNKNOWN, None, None)
    assert blue_dress.accent == NONE and some_dress.accent == UNKNOWN
    titles = [
        Attributes(red_dress.category, red_dress.colour, red_dress.family),
        Attributes(category=red_dress.category),
        Attributes(category=red_dress.category, accent=white),
    ]
    match, unsure = matches(
        np.array([title.row() for title in titles]),
        np.array([red_dress.row(), blue_dress.row(), some_dress.row()]),
    )
    assert match.tolist() == [[True, False, False], [True, True, True], [True, False, False]]
    assert unsure.tolist() == [[False, False, True], [False, False, False], [False, False, True]]


@pytest.mark.parametrize("chinese", [False, True])
def test_names_stand_in_the_order_of_their_codes(chinese: bool) -> None:
    kinds = {
        category_names: "category",
        colour_names: "colour",
        pattern_names: "pattern",
        material_names: "material",
    }
    for seed in range(50):
        for names, kind in kinds.items():
            made = names(random.Random(seed), chinese)
            assert [read(name) for name in made] == [{kind: code} for code in range(len(made))]
            assert all(any(c >= "\u4e00" for c in name) == chinese for name in made)
    assert len(made) == len(MATERIALS)


def test_every_prototype_is_nearest_to_its_own_name_and_every_family_has_one() -> None:
    assert nearest([colour.rgb for colour in COLOURS]).tolist() == list(range(len(COLOURS)))
    assert set(FAMILIES) == {colour.family for colour in COLOURS}
    assert all(family in INDEX for family in FAMILIES)


def test_categories_keep_their_order() -> None:
    assert CATEGORY_NAMES[:3] == ("t-shirt", "longsleeve", "shirt") and CATEGORY_NAMES[47:49] == (
        "suitcase",
        "pan",
    )
    assert CATEGORY_NAMES[-1] == "hammer"
