"""Scenes with several products whose places are known."""

from __future__ import annotations

import numpy as np

from services.encoder.train.cluttered import SIDE, clutter, cut_products


def test_each_scene_shows_its_product_larger_than_others_of_other_categories() -> None:
    cuts = cut_products(4, 1_900_000, side=64)
    scenes = clutter(cuts, 0)
    assert [scene.category for scene in scenes] == [cut.category for cut in cuts]
    for scene in scenes:
        assert scene.picture.size == (SIDE, SIDE) and scene.picture.mode == "RGB"
        assert len(scene.boxes) == 3
        spans = [max(right - left, bottom - top) for left, top, right, bottom in scene.boxes]
        assert spans[0] == max(spans)
        assert all(0 <= side <= 1 for box in scene.boxes for side in box)


def test_the_same_seed_gives_the_same_scenes() -> None:
    cuts = cut_products(3, 1_900_000, side=64)
    first, again, other = (np.asarray(clutter(cuts, seed)[0].picture) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
