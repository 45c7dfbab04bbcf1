"""Drawn products follow from their seed and look as their attributes say."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from services.encoder.train.augment import augment, backgrounds, move, plain
from services.encoder.train.colours import COLOURS, srgb_to_lab
from services.encoder.train.data import STORED, Pictures, batches, rendered
from services.encoder.train.render import make_product, view
from services.encoder.train.shapes import SHAPES
from services.encoder.train.titles import CATEGORY_NAMES, UNKNOWN, matches


def test_every_category_that_titles_know_can_be_drawn() -> None:
    assert set(SHAPES) == set(CATEGORY_NAMES)


@pytest.mark.parametrize("category", sorted(SHAPES))
def test_a_view_is_the_same_each_time_and_differs_from_the_next(category: str) -> None:
    product = make_product(7, category)
    first, again, other = (np.asarray(view(product, number, 64)) for number in (0, 0, 1))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first == again).all()
    assert (first != other).mean() > 0.2
    assert first.std() > 2  # something is there


def test_products_wear_the_colour_they_are_said_to_have() -> None:
    near = []
    for seed in range(30):
        product = make_product(seed, "t-shirt")
        product.pattern, product.material = "plain", "matte"
        middle = np.asarray(view(product, 0, 96))[36:60, 36:60].reshape(-1, 3)
        distance = srgb_to_lab(np.median(middle, 0)) - srgb_to_lab(COLOURS[product.colour].rgb)
        near.append(float(np.linalg.norm(distance[1:])) < 30)  # hue and chroma; light varies on purpose
    assert np.mean(near) > 0.85


def test_rendered_pictures_come_by_product_and_again_from_the_cache(tmp_path: Path) -> None:
    drawn = rendered(48, 2, first=10, cache=tmp_path)
    assert drawn.pixels.shape == (96, STORED, STORED, 3)
    assert drawn.product.tolist() == [10 + n // 2 for n in range(96)]
    assert (drawn.codes[0] == drawn.codes[1]).all()
    assert len(set(drawn.codes[:, 0].tolist())) == 48
    again = rendered(48, 2, first=10, cache=tmp_path)
    assert (again.pixels == drawn.pixels).all()


def test_batches_pair_views_of_a_product_and_give_every_picture_a_title(tmp_path: Path) -> None:
    drawn = rendered(78, 2, first=10, cache=tmp_path)
    samples = next(batches(drawn, None, 16, 0.5, seed=3, near=6))
    assert len(samples.pixels) == len(samples.masks) == len(samples.codes) == len(samples.product) == 16
    assert (samples.product[0::2] == samples.product[1::2]).all()
    assert len(samples.titles) == len(samples.said) > 16 and all(samples.titles)
    match, unsure = matches(samples.said, samples.codes)
    assert match[:16].diagonal().all()
    # Near titles follow, and each is wrong of the picture it was made for: a title of its own comes first.
    assert not (match & unsure).any() and len(samples.titles) <= 22


def test_photos_come_class_balanced_beside_drawn_products(tmp_path: Path) -> None:
    drawn = rendered(78, 2, first=10, cache=tmp_path)
    classes = np.repeat([0, 1], [90, 10])
    codes = np.full((100, 6), UNKNOWN, dtype=np.int64)
    codes[:, 0] = classes
    photos = Pictures(
        np.zeros((100, STORED, STORED, 3), dtype=np.uint8), codes, -1 - np.arange(100), ["photo"] * 100
    )
    stream = batches(drawn, photos, 20, 0.5, seed=1)
    seen = np.concatenate([samples.codes[samples.product < 0, 0] for samples in islice(stream, 40)])
    assert len(seen) == 400
    assert 0.15 < (seen == 1).mean() < 0.35  # 1 in 10 of them, weighted by the root: 1 in 4


def test_garments_move_to_another_background_and_keep_their_pixels() -> None:
    pixels = np.full((3, 32, 32, 3), 200, dtype=np.uint8)
    masks = np.zeros((3, 32, 32), dtype=np.uint8)
    masks[:2, 8:24, 8:24] = 255
    masks[2] = 255  # nobody knows where it is
    scenes = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    moved = move(pixels, masks, scenes, 1.0, np.random.default_rng(0))
    assert (moved[:2, 8:24, 8:24] == 200).all() and (moved[:2, :8] == 0).all()
    assert (moved[2] == 200).all() and (pixels == 200).all()
    assert (move(pixels, masks, scenes, 0.0, np.random.default_rng(0)) == pixels).all()


def test_backgrounds_are_many_and_follow_the_seed() -> None:
    scenes = backgrounds(6, 48, 1)
    assert scenes.shape == (6, 48, 48, 3) and scenes.dtype == np.uint8
    assert (scenes == backgrounds(6, 48, 1)).all() and not (scenes == backgrounds(6, 48, 2)).all()
    assert len({scene.tobytes() for scene in scenes}) == 6


def test_augmented_pictures_keep_shape_and_range_and_follow_the_generator() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, STORED, STORED, 3), dtype=np.uint8)
    one, two = (augment(pixels, 64, torch.Generator().manual_seed(5)) for _ in range(2))
    assert one.shape == (4, 3, 64, 64) and torch.equal(one, two)
    assert float(one.min()) >= -1 and float(one.max()) <= 1
    assert not torch.equal(one, augment(pixels, 64, torch.Generator().manual_seed(6)))
    assert plain(pixels, 64).shape == (4, 3, 64, 64)


def test_weaker_augmentation_stays_closer_to_the_picture() -> None:
    y, x = np.mgrid[0:STORED, 0:STORED] / STORED
    picture = np.stack([x, y, (x + y) / 2], -1) * 255
    pixels = np.repeat(picture[None].astype(np.uint8), 32, axis=0)

    def distance(strength: float) -> float:
        seen = augment(pixels, 64, torch.Generator().manual_seed(2), strength=strength)
        # Mirrored or not, whichever is nearer: that half of them are mirrored is not a matter of strength.
        plainly = plain(pixels, 64)
        gaps = [(seen - other).abs().mean((1, 2, 3)) for other in (plainly, plainly.flip(3))]
        return float(torch.minimum(*gaps).mean())

    assert distance(0.0) < distance(0.3) < distance(1.0)
    assert distance(0.0) < 0.06
