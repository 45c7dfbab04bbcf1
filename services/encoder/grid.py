"""Finer grids of patch embeddings for any encoder, coarse as its tower may be."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from services.encoder.base import Encoder, Vectors

#: A grid has at least so many rows and columns, where `MAX_SHIFTS` allow it, and at most `MOST`.
LEAST, MOST = 7, 12
#: The picture is looked at from at most the square of this many places.
MAX_SHIFTS = 4


def fine_patches(encoder: Encoder, image: Image.Image) -> Vectors:
    """Patch embeddings of one RGB picture, about 7 x 7 to 12 x 12: unit float32 [rows, columns, d].

    The grid covers the whole picture evenly, whatever the encoder's own preprocessing cuts off. A tower
    with fewer than `LEAST` rows or columns sees the picture moved by fractions of a patch, mirrored at its
    edges, and the grids are interleaved (shift-and-stitch: Long et al. 2015, arXiv 1411.4038, section 3.2);
    one with more than `MOST` has neighbouring patches averaged.

    On 117 validation photos and the shipped encoder (3 x 3), the affinity of a patch to its photo's class
    tells garment from background with an AUC of 0.69 as it is and of 0.78 moved 3 x 3 times; at a larger
    input (0.69 at 112 px, 0.53 at 224) or in overlapping tiles (0.66 to 0.75) it is worse, since both show
    the tower a scale it was not trained at. Cost: one batch of at most `MAX_SHIFTS` squared pictures, 9 for
    the shipped encoder, beside one look to see how coarse the tower is.

    Raises `EncoderUnavailable` for a tower that has no spatial tokens.
    """
    square = image.resize((2 * encoder.image_size,) * 2, Image.Resampling.BICUBIC)
    plain = encoder.encode_patches([square])
    rows, columns = plain.shape[1:3]
    down, across = _shifts(rows), _shifts(columns)
    if (down, across) == (1, 1):
        return coarser(plain[0])
    moved = _moved(square, (rows, columns), (down, across))
    patches = encoder.encode_patches(moved).reshape(down, across, rows, columns, -1)
    return coarser(patches.transpose(2, 0, 3, 1, 4).reshape(rows * down, columns * across, -1))


def resized(values: Vectors, shape: tuple[int, int]) -> Vectors:
    """A grid of numbers, float32 [rows, columns], smoothly brought to another shape."""
    picture = Image.fromarray(values.astype(np.float32))
    return np.asarray(picture.resize(shape[::-1], Image.Resampling.BICUBIC), dtype=np.float32)


def _shifts(count: int) -> int:
    return min(MAX_SHIFTS, math.ceil(LEAST / count))


def _moved(square: Image.Image, grid: tuple[int, int], shifts: tuple[int, int]) -> list[Image.Image]:
    """The picture moved to all places between two patches, by rows: shifts[0] * shifts[1] pictures."""
    side = square.width
    margin = side // 2
    padded = Image.fromarray(
        np.pad(np.asarray(square), ((margin, margin), (margin, margin), (0, 0)), "reflect")
    )
    # Fractions of a patch, symmetric about the place it has anyway.
    tops, lefts = (
        [margin + round((((n + 0.5) / k) - 0.5) * side / cells) for n in range(k)]
        for k, cells in zip(shifts, grid, strict=True)
    )
    return [padded.crop((left, top, left + side, top + side)) for top in tops for left in lefts]


def coarser(patches: Vectors) -> Vectors:
    """A grid of unit vectors float32 [rows, columns, d] with at most `MOST` rows and columns, neighbours
    averaged where it has more."""
    rows, columns = (range(0, count, math.ceil(count / MOST)) for count in patches.shape[:2])
    if len(rows) < patches.shape[0] or len(columns) < patches.shape[1]:
        summed = np.add.reduceat(np.add.reduceat(patches, list(rows), 0), list(columns), 1)
        patches = summed / np.maximum(np.linalg.norm(summed, axis=-1, keepdims=True), 1e-12)
    return np.asarray(patches, dtype=np.float32)
