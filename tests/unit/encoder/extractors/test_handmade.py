"""HOG, visual words and VLAD: what they see, and pictures in which there is nothing to see."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from services.encoder.base import Encoder, Vectors
from services.encoder.extractors import words
from services.encoder.extractors.words import WordsConfig, fit
from services.encoder.registry import load_encoder
from services.encoder.torch_encoder import TorchEncoder
from services.errors import EncoderUnavailable, InvalidInput, PicturesOnly
from services.settings import Settings
from tests.unit.encoder.pictures import noise

FLAT = [Image.new("RGB", (50, 90), colour) for colour in ("red", "white", "black")]
SHAPES = ("square", "circle")
KINDS = [("bow", "dense"), ("bow", "keypoints"), ("vlad", "dense"), ("vlad", "keypoints")]


def drawn(shape: str, shift: int, ground: str = "white") -> Image.Image:
    """A ring of squares or of circles, moved a little; the two kinds have edges of different directions."""
    image = Image.new("RGB", (160, 160), ground)
    pen = ImageDraw.Draw(image)
    for row in range(3):
        for column in range(3):
            left, top = 14 + shift + 46 * column, 14 + shift // 2 + 46 * row
            draw = pen.rectangle if shape == "square" else pen.ellipse
            draw((left, top, left + 26, top + 26), outline="black", width=3)
    return image


def load(name: str) -> TorchEncoder:
    return load_encoder(Settings(encoder=name))


@pytest.fixture(scope="module")
def hog() -> TorchEncoder:
    return load("hog")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: "-".join(kind))
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TorchEncoder:
    method, points = request.param
    pictures = [drawn(shape, shift) for shape in SHAPES for shift in range(0, 16, 2)]
    config = WordsConfig(method=method, points=points, words=16)
    return load(f"local-dir:{fit(pictures, tmp_path_factory.mktemp(method) / 'model', config)}")


def check_contract(encoder: TorchEncoder) -> None:
    assert isinstance(encoder, Encoder) and not encoder.sees_text and encoder.measure == "cosine"
    vectors = encoder.encode_images([*FLAT, noise(1, 80, 64), noise(2, 30, 200)])
    assert vectors.shape == (5, encoder.dim) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[:3] @ vectors[:3].T, 1, atol=1e-6)
    np.testing.assert_allclose(vectors[:3] @ vectors[3:].T, 0, atol=1e-6)
    prepared = encoder.prepare(noise(1, 80, 64))
    assert prepared.shape == (3, encoder.image_size, encoder.image_size)
    # Rows are normalised together, in another order of additions on some processors.
    np.testing.assert_allclose(encoder.encode_prepared(prepared[None]), vectors[3:4], atol=1e-6)
    assert encoder.encode_images([]).shape == (0, encoder.dim)
    with pytest.raises(PicturesOnly):
        encoder.encode_texts(["red dress"])
    with pytest.raises(EncoderUnavailable, match="as a whole"):
        encoder.encode_patches(FLAT)


def test_hog_keeps_the_contract_and_flat_pictures_have_a_vector(hog: TorchEncoder) -> None:
    assert hog.dim == 901
    check_contract(hog)


def test_words_keep_the_contract_and_flat_pictures_have_a_vector(fitted: TorchEncoder) -> None:
    check_contract(fitted)


def test_hog_sees_outlines_and_no_colours(hog: TorchEncoder) -> None:
    square, moved, tinted, circle = hog.encode_images(
        [drawn("square", 4), drawn("square", 6), drawn("square", 4, "yellow"), drawn("circle", 4)]
    )
    assert square @ tinted > 0.95
    assert square @ moved > square @ circle


def test_words_tell_shapes_apart_wherever_they_lie(fitted: TorchEncoder) -> None:
    known = fitted.encode_images([drawn(shape, shift) for shape in SHAPES for shift in range(0, 16, 2)])
    asked = fitted.encode_images([drawn(shape, shift) for shape in SHAPES for shift in range(1, 15, 2)])
    nearest = (asked @ known.T).argmax(1) // 8
    assert (nearest == np.repeat([0, 1], 7)).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 90))
def test_any_picture_has_a_unit_vector(hog: TorchEncoder, seed: int, width: int, height: int) -> None:
    vector = hog.encode_images([noise(seed, width, height)])
    assert np.isfinite(vector).all() and abs(np.linalg.norm(vector) - 1) < 1e-5


def test_a_fit_is_the_same_again_and_goes_through_its_pictures_once(tmp_path: Path) -> None:
    def stream() -> Iterator[Image.Image]:
        yield from (drawn(shape, shift) for shape in SHAPES for shift in range(0, 16, 2))

    told: list[tuple[str, int]] = []
    config = WordsConfig(words=8)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        fit(stream(), folder, config, seed=5, progress=lambda doing, count: told.append((doing, count)))
    first, second = (load(f"local-dir:{folder}") for folder in folders)
    assert first.identity.same_space(second.identity)
    assert ("describing", 16) in told and first.image_size == config.image_size


def test_a_bag_counts_words_by_how_rare_they_are() -> None:
    vocabulary = np.eye(3, 128, dtype=np.float32)
    descriptors: Vectors = vocabulary[[0, 0, 2]] * 0.9
    np.testing.assert_array_equal(words._counts(descriptors, vocabulary), [2, 0, 1])


def test_vlad_of_descriptors_at_their_words_is_nothing_and_others_point_away() -> None:
    vocabulary = np.eye(2, 128, dtype=np.float32)
    assert not words._vlad(vocabulary, vocabulary).any()
    off = vocabulary[:1].copy()
    off[0, 5] = 0.25
    vlad = words._vlad(off, vocabulary).reshape(2, 128)
    assert vlad[0, 5] == pytest.approx(1) and not vlad[1].any()


@pytest.mark.parametrize(
    ("change", "field"),
    [({"method": "hog"}, "method"), ({"points": "some"}, "points"), ({"words": 5000}, "words"),
     ({"dim": 1}, "dim"), ({"image_size": 4}, "image_size")],
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_named(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        WordsConfig(**change)  # type: ignore[arg-type]
    assert caught.value.field == field and caught.value.mend


def test_too_few_pictures_or_flat_ones_make_no_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too few for a vocabulary"):
        fit([drawn("square", 0)] * 3, tmp_path / "a")
    with pytest.raises(InvalidInput, match="only 0 points"):
        fit(FLAT * 4, tmp_path / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("missing", "package"), [("skimage.feature", "scikit-image")])
def test_a_missing_library_is_told_in_one_sentence(
    missing: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EncoderUnavailable, match=package) as caught:
        load("hog")
    assert "pip install 'vitrine[methods]'" in caught.value.mend
