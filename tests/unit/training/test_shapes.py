"""The outlines of all product categories: complete, in bounds, varied, and mostly of the named colour."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from services.encoder.train.shapes import HANGABLE, HOLDABLE, PLAIN_ONLY, SHAPES, SOFT
from services.encoder.train.shapes.pen import Part
from services.encoder.train.words import CATEGORY_NAMES

ROLES = {"main", "accent", "shade", "dark", "light", "metal", "wood", "leaf", "flame", "skin", "hole"}
SIZE = 96
SEEDS = range(24)


def drawn(category: str, seed: int) -> list[Part]:
    return SHAPES[category](random.Random(f"{category}-{seed}"))


def coverage(parts: list[Part]) -> dict[str, int]:
    """Pixels that show each role in the end, painted plainly at SIZE x SIZE."""
    roles = ["", *sorted(ROLES)]
    image = Image.new("L", (SIZE, SIZE))
    pen = ImageDraw.Draw(image)
    for part in parts:
        points = [(float(x), float(y)) for x, y in (part.points + 1) * SIZE / 2]
        fill = 0 if part.role == "hole" else roles.index(part.role)
        if part.width:
            pen.line(points, fill=fill, width=max(1, round(part.width * SIZE / 2)), joint="curve")
        else:
            pen.polygon(points, fill=fill)
    counts = np.bincount(np.asarray(image).ravel(), minlength=len(roles))
    return {role: int(count) for role, count in zip(roles, counts, strict=True) if role}


def test_every_category_has_an_outline() -> None:
    assert set(SHAPES) == set(CATEGORY_NAMES)


@pytest.mark.parametrize("kind", [PLAIN_ONLY, SOFT, HANGABLE, HOLDABLE])
def test_sets_name_categories(kind: frozenset[str]) -> None:
    assert kind and kind < set(CATEGORY_NAMES)


@pytest.mark.parametrize("category", sorted(SHAPES))
def test_parts_are_drawable(category: str) -> None:
    for seed in SEEDS:
        parts = drawn(category, seed)
        assert {part.role for part in parts} <= ROLES
        for part in parts:
            assert part.points.dtype == np.float32
            assert part.points.ndim == 2 and part.points.shape[1] == 2
            assert len(part.points) >= (2 if part.width else 3)
            assert np.isfinite(part.points).all()
            assert np.abs(part.points).max() <= 1.3


@pytest.mark.parametrize("category", sorted(SHAPES))
def test_seeds_repeat_and_vary(category: str) -> None:
    def flat(seed: int) -> bytes:
        return b"".join(part.points.tobytes() for part in drawn(category, seed))

    assert flat(0) == flat(0)
    assert len({flat(seed) for seed in SEEDS}) == len(SEEDS)
    # More than a change of measures: there are several kinds, built of different parts.
    assert len({tuple(part.role for part in drawn(category, seed)) for seed in SEEDS}) >= 2


@pytest.mark.parametrize("category", sorted(SHAPES))
def test_main_colour_covers_the_product(category: str) -> None:
    """A red hammer has to look red: a third of any hammer, and more of most."""
    shares = []
    for seed in SEEDS:
        counts = coverage(drawn(category, seed))
        shares.append(counts["main"] / sum(counts.values()))
        # It also fills its picture: no category is a speck.
        assert sum(counts.values()) >= 0.05 * SIZE * SIZE
    assert min(shares) >= 0.3
    assert np.mean(shares) >= 0.4
