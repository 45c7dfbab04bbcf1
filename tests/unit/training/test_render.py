"""Rendered pictures: the same from the same seed, true to the codes, and every pattern and material seen."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import numpy.typing as npt
import pytest

from services.encoder.train import materials
from services.encoder.train.colours import COLOURS, INDEX, nearest, srgb_to_lab
from services.encoder.train.patterns import TWO_COLOURED, second_colour
from services.encoder.train.render import RenderedProduct, make_product, view
from services.encoder.train.shapes import HANGABLE, HOLDABLE, PLAIN_ONLY, SHAPES, SOFT
from services.encoder.train.titles import (
    CATEGORY_NAMES,
    MATERIAL_NAMES,
    NONE,
    PATTERN_NAMES,
    UNKNOWN,
)

Pixels = npt.NDArray[np.int16]
_SHOWN = ("t-shirt", "dress", "pants", "mug", "cushion", "handbag")


def _pixels(product: RenderedProduct, number: int = 0, size: int = 96) -> Pixels:
    return np.asarray(view(product, number, size), dtype=np.int16)


def _matte(seed: int, category: str, pattern: str) -> RenderedProduct:
    """A blue product, its pattern in cream, of a material without relief of its own."""
    return dataclasses.replace(
        make_product(seed, category),
        colour=INDEX["blue"],
        paint=COLOURS[INDEX["blue"]].rgb,
        accent=COLOURS[INDEX["cream"]].rgb,
        pattern=pattern,
        material="matte",
    )


def _surface(product: RenderedProduct, number: int = 0) -> npt.NDArray[np.bool_]:
    """Where the main colour is: what changes when nothing but the paint does."""
    twins = [
        dataclasses.replace(product, pattern="plain", paint=paint) for paint in ((220, 40, 40), (40, 40, 220))
    ]
    first, second = (_pixels(twin, number) for twin in twins)
    return np.asarray(np.abs(first - second)[..., (0, 2)].min(-1) > 60)


def test_the_same_seed_gives_the_same_product_and_views() -> None:
    for seed in range(12):
        first, second = make_product(seed), make_product(seed)
        assert first.attributes == second.attributes
        assert np.array_equal(_pixels(first, 3), _pixels(second, 3))
        assert not np.array_equal(_pixels(first, 3), _pixels(first, 4))


def test_views_have_the_size_asked_for() -> None:
    product = make_product(5)
    assert view(product, 0).size == (128, 128)
    assert view(product, 0, 80).size == (80, 80)
    assert view(product, 0).mode == "RGB"


@pytest.mark.parametrize("category", CATEGORY_NAMES)
def test_every_category_is_drawn_and_shows_its_colour(category: str) -> None:
    """The same view painted red and painted blue differs in a fair part of the picture."""
    product = dataclasses.replace(make_product(11, category), material="matte")
    shares = [_surface(product, number).mean() for number in range(4)]
    assert max(shares) > 0.02


@pytest.mark.parametrize("pattern", [name for name in PATTERN_NAMES if name != "plain"])
def test_a_pattern_is_seen_and_leaves_the_main_colour_in_the_lead(pattern: str) -> None:
    shares = []
    for number, category in enumerate(_SHOWN * 2):
        product = _matte(100 + number, category, pattern)
        surface = _surface(product)
        if surface.sum() < 150:  # mostly out of frame
            continue
        shown = _pixels(product)
        twins = (
            dataclasses.replace(product, pattern="plain", paint=p) for p in (product.paint, product.accent)
        )
        from_main, from_accent = (np.abs(shown - _pixels(twin)).max(-1) for twin in twins)
        same = from_main < (from_accent if pattern in TWO_COLOURED else 60)
        shares.append(same[surface].mean())
    assert len(shares) >= 8
    assert np.mean(shares) >= 0.55
    assert min(shares) >= 0.5
    assert max(shares) <= 0.985


@pytest.mark.parametrize("material", [name for name in MATERIAL_NAMES if name != "matte"])
def test_a_material_is_seen_and_keeps_the_colour(material: str) -> None:
    seen = []
    for number, category in enumerate(_SHOWN):
        product = _matte(200 + number, category, "plain")
        made = dataclasses.replace(product, material=material)
        surface = _surface(product)
        if surface.sum() < 150:
            continue
        before, after = _pixels(product)[surface], _pixels(made)[surface]
        seen.append(np.abs(after - before).mean())
        middle = np.median(after, axis=0)
        assert middle.argmax() == 2  # still blue
    assert np.mean(seen) > 3


def test_codes_are_those_of_the_picture() -> None:
    patterns, plain = set(), 0
    for seed in range(600):
        product = make_product(seed)
        row = product.attributes.row()
        assert CATEGORY_NAMES[product.attributes.category] == product.category
        assert PATTERN_NAMES[product.attributes.pattern] == product.pattern
        assert MATERIAL_NAMES[product.attributes.material] == product.material
        assert product.attributes.colour == int(nearest(product.paint))
        patterns.add(product.pattern)
        accent = product.attributes.accent
        if product.pattern == "plain":
            plain += 1
            assert accent == NONE
        elif product.pattern in TWO_COLOURED:
            assert accent == int(nearest(product.accent))
        else:
            assert accent == UNKNOWN
        assert len(row) == 6
    assert patterns == set(PATTERN_NAMES)
    assert 0.35 < plain / 600 < 0.62  # two in five, and the categories that carry no pattern


def test_what_shows_no_pattern_has_none() -> None:
    assert {make_product(seed, name).pattern for name in PLAIN_ONLY for seed in range(20)} == {"plain"}


def test_second_colours_differ_clearly() -> None:
    rng = random.Random(0)
    lab = srgb_to_lab([colour.rgb for colour in COLOURS])
    for colour in range(len(COLOURS)):
        chosen = {second_colour(colour, rng) for _ in range(60)}
        assert len(chosen) >= 3
        for other in chosen:
            assert COLOURS[other].family != COLOURS[colour].family
            assert np.linalg.norm(lab[other] - lab[colour]) >= 42


def test_materials_suit_their_category() -> None:
    rng = random.Random(1)
    for category in SHAPES:
        made = {materials.material_of(category, category in SOFT, rng) for _ in range(200)}
        assert "matte" in made
        assert not made & ({"wooden", "metallic"} if category in SOFT else {"knitted"})


def test_groups_of_categories_exist() -> None:
    """A misspelt name in a table would go unnoticed: the thing would just never hang or be held."""
    names = set(SHAPES)
    for group in (HANGABLE, HOLDABLE, PLAIN_ONLY, SOFT, materials.LEATHER, materials.NOT_KNITTED):
        assert group <= names
    assert names >= materials.NOT_WOODEN | materials.NOT_METALLIC
