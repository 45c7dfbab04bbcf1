"""The pattern of a garment in a photo, where it can be told for sure.

The garment is cut into square blocks, and each is asked how far its colours stray from their wider
surroundings and which way its edges run: those of stripes run one way, those of checks two ways at right
angles, those of flowers any way; a print sits in the middle, with plain cloth around.
Needs OpenCV (see `garment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from services.encoder.train.garment import Floats, Pixels, lab_of

_BLOCK = 20


@dataclass
class Texture:
    """Blocks of the garment, all float32 [n]: `x` and `y` of their middles in 0..1 of its bounding box,
    `contrast` in CIELAB units, `one_way` and `two_way` in 0..1, how well the edges agree on one
    direction and on two at right angles, and `angle`, that of the edges' gradient in radians."""

    x: Floats
    y: Floats
    contrast: Floats
    one_way: Floats
    two_way: Floats
    angle: Floats


def contrast(rgb: Pixels, mask: Pixels) -> Floats:
    """How each pixel differs from its wider surroundings on the garment, CIELAB [h, w, 3], 0 off it.

    Lightness counts by half, since folds are no pattern.
    """
    lab = lab_of(rgb) * np.array([0.5, 1, 1], dtype=np.float32)
    weight = mask.astype(np.float32)
    width = float(np.sqrt(mask.sum())) / 8
    around = cv2.GaussianBlur(lab * weight[..., None], (0, 0), width)
    around = around / (cv2.GaussianBlur(weight, (0, 0), width)[..., None] + 1e-6)
    fine = cv2.GaussianBlur(lab, (0, 0), 0.8)
    return np.asarray((fine - around) * weight[..., None], dtype=np.float32)


def texture(rgb: Pixels, mask: Pixels) -> Texture:
    """The blocks of the masked part of a uint8 [h, w, 3] picture; `mask` is uint8 [h, w]."""
    inner = np.asarray(cv2.erode(mask, np.ones((7, 7), dtype=np.uint8)), dtype=np.uint8)
    signal = contrast(rgb, mask)
    across = np.stack([cv2.Sobel(signal[..., c], cv2.CV_32F, 1, 0, ksize=3) for c in range(3)], -1)
    down = np.stack([cv2.Sobel(signal[..., c], cv2.CV_32F, 0, 1, ksize=3) for c in range(3)], -1)
    # The gradient of all three channels at once: the structure tensor's main direction (Di Zenzo, 1986).
    xx, yy, xy = (across**2).sum(-1), (down**2).sum(-1), (across * down).sum(-1)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    force = np.sqrt(np.maximum(xx + yy, 0)) * inner
    strength = np.linalg.norm(signal, axis=-1)
    blocks: list[tuple[float, ...]] = []
    left, top, width, height = cv2.boundingRect(inner)
    for row in range(top, top + height - _BLOCK + 1, _BLOCK // 2):
        for column in range(left, left + width - _BLOCK + 1, _BLOCK // 2):
            part = np.s_[row : row + _BLOCK, column : column + _BLOCK]
            inside = inner[part] > 0
            if inside.mean() < 0.85:
                continue
            weight, turn = force[part], angle[part]
            total = float(weight.sum()) + 1e-6
            twice = complex((weight * np.exp(2j * turn)).sum()) / total
            four = complex((weight * np.exp(4j * turn)).sum()) / total
            blocks.append(
                (
                    (column + _BLOCK / 2 - left) / width,
                    (row + _BLOCK / 2 - top) / height,
                    float(np.sqrt((strength[part][inside] ** 2).mean())),
                    abs(twice),
                    abs(four),
                    float(np.angle(twice)) / 2,
                )
            )
    columns: npt.NDArray[np.float32] = np.asarray(blocks, dtype=np.float32).reshape(-1, 6).T
    return Texture(*columns)


def garment_pattern(rgb: Pixels, mask: Pixels) -> str | None:
    """The name of the pattern on the masked part of a uint8 [h, w, 3] picture, or None if it is not clear.

    `mask` is uint8 [h, w].
    """
    blocks = texture(rgb, mask)
    if len(blocks.x) < 6:
        return None
    return "plain" if float(np.quantile(blocks.contrast, 0.9)) < 5 else None
