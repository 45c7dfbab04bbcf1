"""Garments are found in pictures and described as they look; photos keep to their splits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from services.encoder.train.colours import COLOURS, INDEX
from services.encoder.train.garment import MASK_SIDE, garment_mask
from services.encoder.train.garment_colours import garment_colours
from services.encoder.train.garment_pattern import garment_pattern
from services.encoder.train.photos import (
    Photo,
    fixed_splits,
    load_with_mask,
    near_duplicates,
    read_garments,
    read_photos,
    titled_rows,
)
from services.encoder.train.titles import NONE, PATTERNS, UNKNOWN

_SHIRT = [(0.31, 0.17), (0.69, 0.17), (0.94, 0.37), (0.79, 0.46), (0.75, 0.88), (0.25, 0.88), (0.21, 0.46)]
_SHIRT += [(0.06, 0.37)]


def _picture(cloth: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """A shirt of that cloth on a wooden floor with grain, and where it is."""
    side = cloth.width
    floor = np.random.default_rng(3).normal((176, 140, 104), 5, (side, side, 3))
    image = Image.fromarray(np.clip(floor, 0, 255).astype(np.uint8))
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon([(x * side, y * side) for x, y in _SHIRT], fill=255)
    image.paste(cloth, (0, 0), mask)
    return np.asarray(image), np.asarray(mask) > 127


def _plain(name: str, side: int = MASK_SIDE) -> Image.Image:
    return Image.new("RGB", (side, side), COLOURS[INDEX[name]].rgb)


def _striped(ground: str, stripe: str, side: int) -> Image.Image:
    cloth = _plain(ground, side)
    for start in range(0, side, 16):
        ImageDraw.Draw(cloth).rectangle((0, start, side, start + 6), fill=COLOURS[INDEX[stripe]].rgb)
    return cloth


def _checked(ground: str, stripe: str, side: int) -> Image.Image:
    """Gingham: woven of stripes both ways, and so of half the colour where one crosses the ground."""
    one_way = _striped(ground, stripe, side)
    return Image.blend(one_way, one_way.transpose(Image.Transpose.TRANSPOSE), 0.5)


@pytest.mark.parametrize("name", ["red", "blue", "green", "black", "white", "yellow", "purple"])
def test_the_garments_colour_is_measured_not_the_floors(name: str) -> None:
    pixels, truth = _picture(_plain(name))
    garment = garment_mask(pixels)
    overlap = (truth & (garment.mask > 0)).sum() / (truth | (garment.mask > 0)).sum()
    assert garment.sure and overlap > 0.9
    colour, accent, shares = garment_colours(pixels, garment.mask)
    assert COLOURS[colour].family == COLOURS[INDEX[name]].family
    assert accent == NONE
    assert sum(shares.values()) == pytest.approx(1)


def test_a_picture_without_a_garment_gives_an_unsure_mask() -> None:
    flat = np.full((MASK_SIDE, MASK_SIDE, 3), 120, dtype=np.uint8)
    assert not garment_mask(flat).sure


def test_a_second_colour_is_named_and_a_motley_garment_has_no_main_one() -> None:
    half = _plain("navy")
    half.paste(COLOURS[INDEX["white"]].rgb, (0, 0, MASK_SIDE, MASK_SIDE // 2))
    pixels, mask = _picture(half)
    colour, accent, _ = garment_colours(pixels, mask.astype(np.uint8))
    assert {COLOURS[colour].family, COLOURS[accent].family} == {"blue", "white"}
    motley = _plain("red")
    for number, name in enumerate(("green", "blue", "yellow")):
        start = int((0.35 + 0.18 * number) * MASK_SIDE)
        motley.paste(COLOURS[INDEX[name]].rgb, (0, start, MASK_SIDE, MASK_SIDE))
    pixels, mask = _picture(motley)
    assert garment_colours(pixels, mask.astype(np.uint8))[0] == UNKNOWN


@pytest.mark.parametrize("pattern", ["plain", "striped", "checked", "graphic"])
def test_patterns_are_told_apart(pattern: str) -> None:
    side = 256
    cloths = {
        "plain": _plain("teal", side),
        "graphic": _plain("teal", side),
        "striped": _striped("white", "navy", side),
        "checked": _checked("white", "red", side),
    }
    ImageDraw.Draw(cloths["graphic"]).ellipse((100, 80, 150, 130), fill="white", outline="red", width=8)
    pixels, mask = _picture(cloths[pattern])
    category = "shirt" if pattern == "checked" else "t-shirt"
    assert garment_pattern(pixels, mask.astype(np.uint8), category) == pattern


def test_a_photo_and_its_mask_come_upright_and_square(tmp_path: Path) -> None:
    pixels, _ = _picture(_plain("red", 200))
    lying = Image.fromarray(pixels).resize((200, 260)).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    lying.save(tmp_path / "lying.jpg", exif=exif, quality=95)
    shown, mask = load_with_mask(tmp_path / "lying.jpg", 96)
    assert shown.shape == (96, 96, 3) and mask.shape == (96, 96)
    assert shown.dtype == mask.dtype == np.uint8
    upright = np.asarray(Image.fromarray(pixels).resize((96, 96))).astype(int)
    assert np.abs(shown.astype(int) - upright).mean() < 8
    assert mask[48, 48] == 255 and mask[2, 2] == 0


def test_titles_say_what_is_known_and_no_more() -> None:
    here = Path("x.jpg")
    navy, white = INDEX["navy"], INDEX["white"]
    assert Photo("1", "longsleeve", here, navy, white, "striped").title == "Navy and white striped longsleeve"
    assert Photo("2", "t-shirt", here, navy, NONE, "plain").title == "Navy t-shirt"
    assert Photo("3", "dress", here).title == "Dress"


def test_a_folder_is_read_without_measuring_and_a_stranger_is_titled_by_its_class(tmp_path: Path) -> None:
    known, (colour, accent, pattern) = next(
        (photo_id, found) for photo_id, found in read_garments().items() if found[0] >= 0 and found[1] >= 0
    )
    listed = next(photo_id for photo_id, split in fixed_splits().items() if split == "test")
    lines = [f"{i},dress,false,images/{i}.jpg" for i in (known, "stranger", listed)]
    (tmp_path / "products.csv").write_text("\n".join(["id,category,kids,image", *lines]) + "\n")
    photos = read_photos(tmp_path)
    assert [(p.colour, p.accent, p.pattern) for p in photos[:2]] == [
        (colour, accent, pattern),
        (UNKNOWN, UNKNOWN, None),
    ]
    rows = list(titled_rows(tmp_path))
    assert [row["title"] for row in rows] == [photo.title for photo in photos]
    assert rows[0]["colour"] == COLOURS[colour].name and rows[1]["title"] == "Dress"
    assert rows[2]["split"] == "test" and rows[1]["split"] == "train"


def test_what_was_measured_is_complete_and_in_known_words() -> None:
    found = read_garments()
    assert set(fixed_splits()) <= set(found)
    assert np.mean([colour >= 0 for colour, _, _ in found.values()]) > 0.8
    assert {pattern for _, _, pattern in found.values()} - {None} <= set(PATTERNS)


def test_reading_photos_needs_no_opencv() -> None:
    code = "import sys, services.encoder.train.photos, vitrine.sample; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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
