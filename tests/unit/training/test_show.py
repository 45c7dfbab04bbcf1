"""The sheet asks the real engine, and no query photo is among its own answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from services.encoder.dual import DualEncoder
from services.encoder.train.colours import COLOURS, INDEX
from services.encoder.train.photos import Photo
from services.encoder.train.show import QUERIES, Asked, ask, choose, draw

CLASSES = ("shoes", "hat", "dress", "t-shirt", "pants", "longsleeve")


def photos(folder: Path) -> list[Photo]:
    """Flat pictures in three colours: two of each class and colour never seen, one trained on."""
    found = []
    for category in CLASSES:
        for colour in (INDEX["red"], INDEX["navy"], INDEX["white"]):
            for split in ("train", "validation", "test"):
                path = folder / f"{category}-{colour}-{split}.png"
                Image.new("RGB", (40, 50), COLOURS[colour].rgb).save(path)
                found.append(Photo(path.stem, category, path, colour, split=split))
    return found


def test_query_photos_are_test_photos_of_the_class_and_where_possible_of_the_colour(tmp_path: Path) -> None:
    queries = (
        Asked("red dress"), Asked(photo=("dress", "blue")), Asked(photo=("dress", "green")),
        Asked(photo=("dress", "blue")),
    )  # fmt: skip
    chosen = choose(photos(tmp_path), queries)
    assert chosen[0] is None
    found = [photo for photo in chosen[1:] if photo]
    assert {photo.split for photo in found} == {"test"} and {photo.category for photo in found} == {"dress"}
    assert COLOURS[found[0].colour].family == "blue"
    assert len({photo.id for photo in found}) == 3
    with pytest.raises(SystemExit, match="kite"):
        choose(photos(tmp_path), [Asked(photo=("kite", "red"))])


def test_answers_are_photos_never_seen_and_not_the_ones_asked_with(
    tiny_encoder: DualEncoder, tmp_path: Path
) -> None:
    everything = photos(tmp_path)
    answers = ask(everything, tiny_encoder)
    away = {photo.id for photo in choose(everything) if photo}
    assert len(answers) == len(QUERIES) == 12
    for answer in answers:
        assert len({photo.id for photo in answer.found}) == 8
        assert {photo.split for photo in answer.found} <= {"test", "validation"}
        assert not away & {photo.id for photo in answer.found}
    draw(answers, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 8 * 150 and sheet.height > 12 * 150
        # The first row's first answer stands in the third column, in its own colour.
        assert sheet.getpixel((330 + 75, 10 + 75)) == COLOURS[answers[0].found[0].colour].rgb
