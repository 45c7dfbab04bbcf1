"""Boxes in requests: the region of a picture that counts, given in one of three ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from services.encoder.regions import Box
from services.errors import InvalidInput

SIDES = ("left", "top", "right", "bottom")
#: A narrower box, as a share of the picture's side, shows nothing.
LEAST_SIDE = 0.02


def parse_box(value: object, field: str) -> Box:
    """A box given as {"left": .., "top": .., "right": .., "bottom": ..}, [left, top, right, bottom] or
    "left,top,right,bottom", checked. Raises `InvalidInput`."""
    if isinstance(value, Mapping):
        if set(value) != set(SIDES):
            raise _unusable("The box has other sides than it should.", field)
        numbers: Sequence[object] = [value[side] for side in SIDES]
    elif isinstance(value, str):
        numbers = [_number(text, field) for text in value.split(",", 4)]
    elif isinstance(value, Sequence):
        numbers = value
    else:
        raise _unusable("The box is neither an object nor a list.", field)
    if len(numbers) != 4:
        raise _unusable(f"The box has {len(numbers)} numbers instead of 4.", field)
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
        raise _unusable("The box holds something that is no number.", field)
    left, top, right, bottom = (float(number) for number in numbers)  # type: ignore[arg-type]
    return check_box((left, top, right, bottom), field)


def check_box(box: Box, field: str) -> Box:
    """The box itself. Raises `InvalidInput` unless it lies in the picture and is wide and high enough."""
    left, top, right, bottom = box
    if not all(math.isfinite(side) and 0 <= side <= 1 for side in box):
        raise _unusable("The box reaches beyond the picture.", field)
    if right - left < LEAST_SIDE or bottom - top < LEAST_SIDE:
        raise _unusable(f"The box is narrower than {LEAST_SIDE:g} of the picture, or turned about.", field)
    return box


def _number(text: str, field: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _unusable("The box holds something that is no number.", field) from error


def _unusable(message: str, field: str) -> InvalidInput:
    return InvalidInput(
        message,
        mend="Give left, top, right and bottom as shares of the picture's width and height, such as "
        "[0.1, 0.2, 0.8, 0.9].",
        field=field,
    )
