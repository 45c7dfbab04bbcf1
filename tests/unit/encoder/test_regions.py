"""Finer grids, saliency and region proposals, with the shipped encoder and with small ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from services.encoder.dual import DualEncoder
from services.encoder.grid import LEAST, MAX_SHIFTS, MOST, fine_patches
from services.encoder.regions import (
    WHOLE,
    Box,
    attended,
    crop,
    overlap,
    propose,
    regions_of,
    saliency,
    widened,
)

SHIRT: Box = (0.15, 0.1, 0.5, 0.5)
SHOE: Box = (0.6, 0.65, 0.9, 0.85)


def scene() -> Image.Image:
    """Two plain things on a pale ground."""
    image = Image.new("RGB", (400, 320), (225, 220, 210))
    pen = ImageDraw.Draw(image)
    for box, colour in ((SHIRT, (200, 30, 40)), (SHOE, (20, 60, 160))):
        pen.rectangle([side * (400, 320)[n % 2] for n, side in enumerate(box)], fill=colour)
    return image


def test_the_shipped_encoder_gives_a_fine_grid_of_unit_vectors(compact_encoder: DualEncoder) -> None:
    patches = fine_patches(compact_encoder, scene())
    assert patches.dtype == np.float32
    assert all(LEAST <= count <= MOST for count in patches.shape[:2])
    assert patches.shape[2] == compact_encoder.dim
    assert np.linalg.norm(patches, axis=-1) == pytest.approx(1, abs=1e-5)


def test_every_place_of_the_fine_grid_speaks_of_its_own_place(compact_encoder: DualEncoder) -> None:
    left = Image.new("RGB", (160, 160), "white")
    left.paste((180, 20, 30), (0, 0, 60, 160))
    patches = fine_patches(compact_encoder, left)
    mirrored = fine_patches(compact_encoder, left.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    affinity = patches @ patches[:, 0].mean(0)
    assert affinity[:, 0].mean() > affinity[:, -1].mean()
    affinity = mirrored @ mirrored[:, -1].mean(0)
    assert affinity[:, -1].mean() > affinity[:, 0].mean()


def test_a_coarse_tower_is_looked_through_at_most_sixteen_times(tiny_encoder: DualEncoder) -> None:
    rows, columns = tiny_encoder.encode_patches([scene()]).shape[1:3]
    fine = fine_patches(tiny_encoder, scene())
    assert fine.shape[0] <= rows * MAX_SHIFTS and fine.shape[1] <= columns * MAX_SHIFTS
    assert fine.shape[0] >= min(LEAST, rows * MAX_SHIFTS)


def test_both_products_of_a_scene_are_proposed_and_the_whole_last(compact_encoder: DualEncoder) -> None:
    regions = propose(scene(), compact_encoder)
    assert 3 <= len(regions) <= 5
    assert regions[-1].box == WHOLE
    assert [region.score for region in regions] == sorted((r.score for r in regions), reverse=True)
    for product in (SHIRT, SHOE):
        assert max(overlap(region.box, product) for region in regions[:-1]) > 0.5


def test_an_even_picture_has_the_whole_as_its_only_region(compact_encoder: DualEncoder) -> None:
    assert [region.box for region in propose(Image.new("RGB", (50, 90), "grey"), compact_encoder)] == [WHOLE]


def test_salient_is_what_is_not_like_the_border(compact_encoder: DualEncoder) -> None:
    salient = saliency(scene(), fine_patches(compact_encoder, scene()))
    assert salient.min() >= 0 and salient.max() <= 1
    inside = salient[6:14, 7:14].mean()
    border = np.concatenate([salient[0], salient[-1], salient[:, 0], salient[:, -1]]).mean()
    assert inside > border + 0.3


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (32, 32), elements=st.floats(0, 1, width=32)), st.integers(1, 6))
def test_regions_of_any_map_lie_in_it_and_differ(salient: np.ndarray, most: int) -> None:
    regions = regions_of(salient, most)
    assert 1 <= len(regions) <= most
    for number, region in enumerate(regions):
        left, top, right, bottom = region.box
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
        assert 0 <= region.score <= 1
        assert all(overlap(region.box, other.box) <= 0.5 for other in regions[:number])


@given(
    st.tuples(st.floats(0, 0.98), st.floats(0, 0.98), st.floats(0.02, 1), st.floats(0.02, 1)),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_a_crop_is_never_empty_and_never_beyond(
    sides: tuple[float, float, float, float], width: int, height: int
) -> None:
    left, top = sides[:2]
    box = (left, top, min(1.0, left + sides[2]), min(1.0, top + sides[3]))
    cut = crop(Image.new("RGB", (width, height)), box)
    assert 1 <= cut.width <= width and 1 <= cut.height <= height
    wide = widened(box)
    assert wide[0] <= box[0] and wide[1] <= box[1] and wide[2] >= box[2] and wide[3] >= box[3]


def test_attention_over_one_place_gives_that_place() -> None:
    patches = np.eye(4, dtype=np.float32).reshape(2, 2, 4)
    weights = np.array([[0, 0], [1, 0]], dtype=np.float32)
    assert attended(patches, weights) == pytest.approx(patches[1, 0])
