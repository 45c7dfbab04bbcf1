"""Changed pictures are what the table says of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from services.encoder.train.robustness import CHANGES, cropped, noisy, turned, without_garment


def scene() -> Image.Image:
    """Red on the left, blue on the right, 90 wide and 60 high."""
    pixels = np.zeros((60, 90, 3), dtype=np.uint8)
    pixels[:, :45, 0] = pixels[:, 45:, 2] = 200
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_every_change_changes_the_picture_alike_for_the_same_seed(name: str) -> None:
    one, two = (CHANGES[name](scene(), np.random.default_rng(1)) for _ in range(2))
    assert one.mode == "RGB" and one.tobytes() == two.tobytes()
    assert one.size != scene().size or one.tobytes() != scene().tobytes()


def test_turning_keeps_the_size_and_fills_the_corners_from_the_picture() -> None:
    for degrees in (15, 45):
        image = turned(scene(), degrees)
        assert image.size == (90, 60)
        assert np.asarray(image).sum(-1).min() > 50  # nothing black
    assert turned(scene(), 90).size == (60, 90)


def test_crops_have_their_share_of_either_side_and_differ_in_place() -> None:
    rng = np.random.default_rng(0)
    windows = [cropped(scene(), 0.7, rng) for _ in range(5)]
    assert {window.size for window in windows} == {(63, 42)}
    assert len({window.tobytes() for window in windows}) > 1


def test_noise_has_the_deviation_it_is_said_to_have() -> None:
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    assert np.asarray(noisy(grey, 20, np.random.default_rng(0))).std() == pytest.approx(20, abs=1)


def test_a_background_shows_nothing_of_its_garment_and_all_else_as_it_was() -> None:
    pixels = np.zeros((96, 96, 3), dtype=np.uint8)
    pixels[..., 1] = 150
    pixels[30:60, 30:60] = (250, 0, 0)
    mask = np.zeros((96, 96), dtype=np.uint8)
    mask[30:60, 30:60] = 255
    background = np.asarray(without_garment(pixels, mask)).astype(int)
    assert np.abs(background - np.array([0, 150, 0])).max() < 12
    assert (background[:20] == pixels[:20]).all()
