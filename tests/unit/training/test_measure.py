"""Figures are right where the answer is known, in both languages."""

from __future__ import annotations

import numpy as np
import pytest

from services.encoder.train.colours import INDEX
from services.encoder.train.measure import (
    Measured,
    agreement,
    class_precision,
    colour_precision,
    label_map,
    phrase,
    recall,
    titles_of,
    zero_shot_accuracy,
)
from services.encoder.train.titles import UNKNOWN, Attributes, product_attributes


def codes(*products: tuple[str, int, str | None]) -> np.ndarray:
    rows = [
        product_attributes(category, colour, pattern, None).row() for category, colour, pattern in products
    ]
    return np.array(rows, dtype=np.int64)


def pointing(count: int, where: dict[str, list[int]]) -> Measured:
    """Pictures on an axis each; a text points at the pictures of the words in it, the first of them most."""

    def texts(words: list[str]) -> np.ndarray:
        out = np.zeros((len(words), count), dtype=np.float32)
        for row, text in enumerate(words):
            for word, pictures in where.items():
                if word in text:
                    for rank, picture in enumerate(pictures):
                        out[row, picture] += 1 - 0.1 * rank
        return out

    return Measured(np.eye(count, dtype=np.float32), texts, np.zeros((count, 6), dtype=np.int64))


RED, NAVY = INDEX["red"], INDEX["navy"]


def test_attributes_are_said_in_both_languages() -> None:
    product = product_attributes("mug", RED, "striped", None)
    assert phrase(product) == "red striped mug"
    assert phrase(product, "zh") == "红色条纹马克杯"
    navy = product_attributes("dress", NAVY, None, None)
    assert phrase(navy) == "navy dress"
    assert phrase(Attributes(category=navy.category, family=navy.family)) == "blue dress"
    assert phrase(Attributes(category=navy.category, family=navy.family), "zh") == "蓝色连衣裙"


def test_titles_leave_out_plain_and_unknown_patterns_and_pictures_without_colour() -> None:
    found = titles_of(
        codes(("mug", RED, "plain"), ("mug", RED, None), ("mug", RED, "striped"), ("dress", UNKNOWN, None))
    )
    assert sorted({phrase(said) for said in found}) == ["red mug", "red striped mug"]
    assert len(found) == 2


def test_recall_counts_what_could_be_among_the_first() -> None:
    measured = pointing(4, {"mug": [0, 3, 1, 2]})
    measured.codes = codes(*[("mug", RED, "plain")] * 3, ("dress", RED, "plain"))
    mug = [said for said in titles_of(measured.codes) if phrase(said) == "red mug"]
    assert recall(measured, mug, k=1) == {"recall": 1, "hit": 1}
    assert recall(measured, mug, k=2) == {"recall": 0.5, "hit": 1}  # the dress took the second place
    assert recall(measured, mug, k=4) == {"recall": 1, "hit": 1}


def test_precision_by_colour_word_asks_only_for_pairs_with_enough_pictures() -> None:
    measured = pointing(5, {"red": [0, 4, 1], "navy": [3], "blue": [3, 2]})
    measured.codes = codes(
        ("dress", RED, None), ("dress", RED, None), ("dress", NAVY, None), ("dress", INDEX["blue"], None),
        ("dress", UNKNOWN, None),
    )  # fmt: skip
    assert colour_precision(measured, "colour", least=2) == (0.5, 1)  # red: one of the first two
    value, pairs = colour_precision(measured, "family", least=2)
    assert (value, pairs) == (0.75, 2)  # red as before, blue both
    value, pairs = colour_precision(measured, "family", least=9)
    assert np.isnan(value) and pairs == 0


def test_class_figures_in_either_language() -> None:
    measured = pointing(3, {"dress": [0, 1], "mug": [2], "连衣裙": [2], "马克杯": [0, 1]})
    measured.codes = codes(("dress", RED, None), ("dress", RED, None), ("mug", RED, None))
    assert zero_shot_accuracy(measured) == 1
    assert zero_shot_accuracy(measured, "zh") == 0
    assert class_precision(measured, k=1) == 1
    assert class_precision(measured, k=1, language="zh") == 0
    assert class_precision(measured, k=2) == 0.75  # one mug only


def test_languages_agree_as_far_as_their_answers_overlap() -> None:
    measured = pointing(4, {"mug": [0, 1], "马克杯": [1, 2]})
    said = [product_attributes("mug", RED, None, None)]
    assert agreement(measured, said, k=2) == 0.5
    assert agreement(measured, said, k=4) == 1


def test_precision_of_pictures_searched_with_others_leaves_the_picture_itself_out() -> None:
    features = np.eye(4, dtype=np.float32)
    labels = np.array([0, 0, 1, 1])
    near = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=np.float32)
    assert label_map(features, labels, near) == 1
    far = np.array([[0, 0, 2, 1], [0, 0, 2, 1], [2, 1, 0, 0], [2, 1, 0, 0]], dtype=np.float32)
    assert label_map(features, labels, far) == pytest.approx(1 / 3)
