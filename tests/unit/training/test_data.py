"""Drawn products follow from their seed and look as their attributes say; photos are measured alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from services.encoder.train.colours import COLOURS, INDEX, srgb_to_lab
from services.encoder.train.data import STORED, augment, batches, plain, rendered
from services.encoder.train.photos import fixed_splits, garment_colour, near_duplicates
from services.encoder.train.render import SHAPES, make_product, view
from services.encoder.train.titles import CATEGORY_NAMES, UNKNOWN


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
    drawn = rendered(48, 2, first=10, cache=tmp_path)
    pixels, codes, product, titles, said = next(batches(drawn, None, 16, 0.5, seed=3))
    assert len(pixels) == len(codes) == len(product) == len(titles) == len(said) == 16
    assert (product[0::2] == product[1::2]).all()
    assert all(titles)


def test_augmented_pictures_keep_shape_and_range_and_follow_the_generator() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, STORED, STORED, 3), dtype=np.uint8)
    one, two = (augment(pixels, 64, torch.Generator().manual_seed(5)) for _ in range(2))
    assert one.shape == (4, 3, 64, 64) and torch.equal(one, two)
    assert float(one.min()) >= -1 and float(one.max()) <= 1
    assert not torch.equal(one, augment(pixels, 64, torch.Generator().manual_seed(6)))
    assert plain(pixels, 64).shape == (4, 3, 64, 64)


@pytest.mark.parametrize("name", ["red", "blue", "green", "black", "white", "yellow", "purple"])
def test_the_garments_colour_is_measured_not_the_floors(name: str) -> None:
    side = 96
    image = Image.new("RGB", (side, side), (176, 140, 104))
    ImageDraw.Draw(image).polygon(
        [(30, 16), (66, 16), (90, 36), (76, 44), (72, 84), (24, 84), (20, 44), (6, 36)],
        fill=COLOURS[INDEX[name]].rgb,
    )
    found = garment_colour(np.asarray(image))
    assert found != UNKNOWN and COLOURS[found].family == COLOURS[INDEX[name]].family


def test_near_duplicates_share_a_group_mirrored_too_and_strangers_do_not() -> None:
    rng = np.random.default_rng(1)
    smooth = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    one, other, third = (
        np.asarray(Image.fromarray(s).resize((96, 96), Image.Resampling.BICUBIC)) for s in smooth
    )
    brighter = np.clip(one.astype(np.int16) + 6, 0, 255).astype(np.uint8)
    pictures = np.stack([one, other, brighter, other[:, ::-1], third])
    assert near_duplicates(pictures).tolist() == [0, 1, 0, 1, 4]


def test_the_fixed_splits_do_not_overlap() -> None:
    splits = fixed_splits()
    names = list(splits.values())
    assert names.count("test") >= 400 and names.count("validation") >= 200
    folder = Path(__file__).parents[3] / "services" / "encoder" / "train" / "splits"
    listed = [set((folder / f"{name}.txt").read_text().split()) for name in ("test", "validation")]
    assert not listed[0] & listed[1]
