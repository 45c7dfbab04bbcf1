"""Smooth noise and coordinates that patterns, materials and scenes are made from.

All noise is cut from one fixed table of normal numbers, so that a field costs no more than a resize
and follows from the random source alone.
"""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.float32]

_SIDE = 512
_TABLE = np.random.default_rng(11).standard_normal((_SIDE, _SIDE)).astype(np.float32)


def floats(values: npt.ArrayLike | Image.Image) -> Field:
    """Numbers, as of a colour or a picture, as a float32 array."""
    return np.asarray(values, dtype=np.float32)


@lru_cache(maxsize=8)
def coordinates(size: int) -> tuple[Field, Field]:
    """x and y of every pixel, each float32 [size, size] in 0..1; shared, so never write to them."""
    x, y = np.meshgrid(np.arange(size, dtype=np.float32) / size, np.arange(size, dtype=np.float32) / size)
    return floats(x), floats(y)


def turned(size: int, angle: float) -> tuple[Field, Field]:
    """Coordinates turned by `angle` radians about the middle: u across and v along, in about -0.7..0.7."""
    x, y = coordinates(size)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return (x - 0.5) * cos + (y - 0.5) * sin, (y - 0.5) * cos - (x - 0.5) * sin


def smooth(rng: random.Random, size: int, cells_x: int, cells_y: int | None = None) -> Field:
    """Noise float32 [size, size] with about zero mean; `cells` is the number of bumps across it."""
    cells_y = cells_y or cells_x
    top, left = rng.randrange(_SIDE - cells_y), rng.randrange(_SIDE - cells_x)
    patch = np.ascontiguousarray(_TABLE[top : top + cells_y, left : left + cells_x])
    return np.asarray(Image.fromarray(patch).resize((size, size), Image.Resampling.BICUBIC))


def grain(rng: random.Random, u: Field, v: Field, across: float, along: float) -> Field:
    """Noise of pixel sharpness, looked up at (u * across, v * along): stretched grain of wood or grass."""
    left, top = rng.randrange(_SIDE), rng.randrange(_SIDE)
    rows = (u * across + top).astype(np.int32) & (_SIDE - 1)
    columns = (v * along + left).astype(np.int32) & (_SIDE - 1)
    return floats(_TABLE[rows, columns])


def speckle(rng: random.Random, size: int) -> Field:
    """Noise float32 [size, size], a new number for every pixel; size at most 512."""
    top, left = rng.randrange(_SIDE - size + 1), rng.randrange(_SIDE - size + 1)
    return _TABLE[top : top + size, left : left + size]


def folds(rng: random.Random, size: int, light: tuple[float, float], fine: float = 0.5) -> Field:
    """Light on folded cloth: float32 [size, size], about -1..1, the slope of a bumpy sheet towards `light`.

    Folds run along a random direction; `fine` adds small wrinkles to the long folds.
    """
    small = 56
    wide, tall = rng.choice(((3, 7), (7, 3), (4, 5), (5, 9), (9, 4)))
    sheet = smooth(rng, small, wide, tall) + fine * 0.4 * smooth(rng, small, wide * 3, tall * 3)
    # Cloth folds are narrow ridges between wide flats, which the square root of a bump resembles.
    sheet = np.sign(sheet) * np.sqrt(np.abs(sheet) + 0.02)
    slope_y, slope_x = np.gradient(sheet)
    slope = (slope_x * light[0] + slope_y * light[1]).astype(np.float32)
    slope /= float(np.abs(slope).mean()) * 2.5 + 1e-6
    image = Image.fromarray(np.clip(slope, -1.4, 1.4)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
