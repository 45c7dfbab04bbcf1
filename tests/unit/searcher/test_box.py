"""Boxes as requests give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searcher.box import LEAST_SIDE, SIDES, parse_box
from services.errors import InvalidInput

BOX = (0.1, 0.2, 0.8, 0.9)


@pytest.mark.parametrize("given", [list(BOX), dict(zip(SIDES, BOX, strict=True)), "0.1,0.2,0.8,0.9", BOX])
def test_a_box_can_be_given_in_three_ways(given: object) -> None:
    assert parse_box(given, "box") == BOX


@pytest.mark.parametrize(
    "given",
    [
        [0.1, 0.2, 0.8],
        [0.1, 0.2, 0.8, 0.9, 1],
        [0.1, 0.2, 0.8, 1.1],
        [-0.1, 0.2, 0.8, 0.9],
        [0.8, 0.2, 0.1, 0.9],
        [0.1, 0.2, 0.1, 0.9],
        [0.1, 0.2, float("nan"), 0.9],
        [0.1, 0.2, True, 0.9],
        [0.1, 0.2, "0.8", 0.9],
        {"left": 0, "top": 0, "right": 1},
        {"left": 0, "top": 0, "right": 1, "bottom": 1, "back": 1},
        "0.1,0.2,0.8",
        "a,b,c,d",
        "",
        7,
        None,
    ],
)
def test_a_box_that_makes_no_sense_is_refused_with_field_and_mend(given: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_box(given, "parts[2].box")
    assert caught.value.field == "parts[2].box"
    assert "[0.1, 0.2, 0.8, 0.9]" in caught.value.mend


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6))
def test_what_is_taken_lies_in_the_picture_and_is_no_sliver(numbers: list[float]) -> None:
    try:
        left, top, right, bottom = parse_box(numbers, "box")
    except InvalidInput:
        return
    assert 0 <= left <= right - LEAST_SIDE and right <= 1
    assert 0 <= top <= bottom - LEAST_SIDE and bottom <= 1
