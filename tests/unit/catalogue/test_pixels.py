import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from services.catalogue.pixels import Pixels, correlation, same_pixels


def scene(seed: int, size: tuple[int, int] = (240, 300)) -> Image.Image:
    """A picture like a photo in that it has large and small things in it, and noise."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(value) for value in rng.integers(120, 230, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(25):
        left, top = (int(rng.integers(0, side)) for side in size)
        width, height = (int(value) for value in rng.integers(10, 90, 2))
        fill = tuple(int(value) for value in rng.integers(0, 256, 3))
        pen.ellipse((left, top, left + width, top + height), fill=fill)
    noise = rng.normal(0, 6, (*size[::-1], 3))
    grainy = np.clip(np.asarray(image, float) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(grainy).filter(ImageFilter.GaussianBlur(1))


def jpeg(image: Image.Image, quality: int = 90) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    box = (left * width, top * height, width - right * width, height - bottom * height)
    return image.crop(tuple(round(edge) for edge in box))


def compare(one: Image.Image, other: Image.Image):
    return same_pixels(Pixels.of(one), Pixels.of(other))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda image: image, "same pixels"),
        (lambda image: image.resize((90, 113), Image.Resampling.LANCZOS), "same pixels"),
        (lambda image: jpeg(image, 60), "same pixels"),
        (lambda image: ImageEnhance.Brightness(image).enhance(1.1), "same pixels"),
        (lambda image: ImageEnhance.Contrast(image).enhance(0.8), "same pixels"),
        (ImageOps.mirror, "mirrored"),
        (lambda image: cropped(image, 0.025, 0.025, 0.025, 0.025), "cropped"),
        (lambda image: cropped(image, 0.05, 0, 0, 0.05), "cropped"),
        (lambda image: cropped(image, 0, 0.08, 0, 0), "cropped"),
        (lambda image: ImageOps.mirror(cropped(image, 0.04, 0.02, 0.0, 0.03)), "mirrored and cropped"),
    ],
    ids=[
        "itself",
        "resized",
        "jpeg",
        "brighter",
        "flatter",
        "mirrored",
        "cropped",
        "corner",
        "top",
        "mirrored crop",
    ],
)
def test_copies_are_the_same_whichever_comes_first(seed, change, kind):
    image = scene(seed)
    for pair in ((image, jpeg(change(image))), (jpeg(change(image)), image)):
        found = compare(*pair)
        assert found is not None and found.kind == kind
        assert found.correlation > 0.99


def test_other_pictures_are_not_the_same():
    pictures = [Pixels.of(scene(seed)) for seed in range(12)]
    for at, one in enumerate(pictures):
        assert all(same_pixels(one, other) is None for other in pictures[:at])


@pytest.mark.parametrize("seed", range(4))
def test_another_colour_is_another_picture(seed):
    image = scene(seed)
    red, green, blue = image.split()
    assert compare(image, Image.merge("RGB", (blue, green, red))) is None
    assert compare(image, ImageOps.grayscale(image).convert("RGB")) is None


def test_another_print_on_the_same_shirt_is_another_picture():
    shirts = []
    for text in ("circle", "bar"):
        image = Image.new("RGB", (400, 400), "white")
        pen = ImageDraw.Draw(image)
        pen.polygon(
            [(100, 60), (300, 60), (390, 160), (310, 190), (310, 380), (90, 380), (90, 190), (10, 160)]
        )
        pen.rectangle((92, 100, 308, 378), fill=(20, 20, 30))
        if text == "circle":
            pen.ellipse((165, 165, 235, 235), fill=(210, 210, 60))
        else:
            pen.rectangle((150, 230, 250, 250), fill=(210, 60, 60))
        shirts.append(image)
    one, other = (Pixels.of(shirt) for shirt in shirts)
    # Alike as a whole, which is why tiles are looked at.
    assert correlation(one.colours(32), other.colours(32)) > 0.97
    assert same_pixels(one, other) is None


def test_plain_pictures_are_told_apart_by_their_colour():
    red, reddish, blue = (Image.new("RGB", (50, 80), colour) for colour in ("#c81e28", "#c91e28", "#1e28c8"))
    assert compare(red, reddish) is not None
    assert compare(red, blue) is None
    assert compare(red, scene(1)) is None


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.integers(64, 400),
    st.integers(64, 400),
)
def test_any_picture_is_the_same_as_itself_in_any_size(seed, width, height):
    image = scene(seed)
    found = compare(image, image.resize((width, height), Image.Resampling.LANCZOS))
    assert found is not None and found.kind == "same pixels"
