"""The pattern of a garment in a photo, where it can be told for sure.

Folds, zips and pockets look like patterns too, so the rules ask for much and leave most photos unnamed.
The garment is cut into overlapping square blocks. A block's power spectrum tells which way its colours
vary: those of stripes one way, those of checks two ways at right angles. A print is where blocks in the
middle of a top stray far from cloth that is plain elsewhere. Thresholds were set by eye, on what
they claimed of 700 photos. Needs OpenCV (see `garment`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from services.encoder.train.garment import Floats, Pixels, lab_of

#: Sides of the blocks that contrast and spectra are measured in, in pixels of a picture of about 256.
_SMALL, _LARGE = 20, 48
#: Only on these is a spot in the middle a print; on others it is a pocket, a zip or a fold as often.
_PRINTED = frozenset({"t-shirt", "longsleeve"})
#: Knitted tops, hats and jackets have rows of figures or of quilting, which run two ways as well.
_CHECKED = frozenset({"shirt", "dress", "skirt", "shorts", "pants"})


@dataclass
class Spots:
    """Small blocks, all [n]: `contrast`, in CIELAB units, `across`, where their middle lies in 0..1 of the
    garment's width, and `middle`, whether it lies on the chest."""

    contrast: Floats
    across: Floats
    middle: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass
class Waves:
    """Large blocks together: how many, the median `power` (log10), and in 0..1 how well their spectra
    agree on one direction (`one_way`) and on two at right angles (`two_way`)."""

    blocks: int
    power: float
    one_way: float
    two_way: float


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


def _corners(inner: Pixels, side: int, share: float) -> list[tuple[int, int]]:
    """Top left corners of the blocks, half overlapping, of which the garment fills at least a share."""
    left, top, width, height = cv2.boundingRect(inner)
    return [
        (row, column)
        for row in range(top, top + height - side + 1, side // 2)
        for column in range(left, left + width - side + 1, side // 2)
        if inner[row : row + side, column : column + side].mean() >= share
    ]


def spots(signal: Floats, inner: Pixels) -> Spots:
    """The small blocks of `contrast`'s signal, where `inner`, uint8 [h, w], is 1."""
    left, top, width, height = cv2.boundingRect(inner)
    strength = (signal**2).sum(-1) * inner
    found, across, middle = [], [], []
    for row, column in _corners(inner, _SMALL, 0.85):
        part = np.s_[row : row + _SMALL, column : column + _SMALL]
        found.append(np.sqrt(strength[part].sum() / inner[part].sum()))
        x, y = (column + _SMALL / 2 - left) / width, (row + _SMALL / 2 - top) / height
        across.append(x)
        middle.append(abs(x - 0.5) < 0.22 and 0.15 < y < 0.7)
    return Spots(
        np.asarray(found, dtype=np.float32),
        np.asarray(across, dtype=np.float32),
        np.asarray(middle, dtype=np.bool_),
    )


def waves(signal: Floats, inner: Pixels) -> Waves:
    """The spectra of the large blocks, between 3 and 18 cycles a block."""
    cycles = np.fft.fftfreq(_LARGE) * _LARGE
    down, across = np.meshgrid(cycles, cycles, indexing="ij")
    band = (np.hypot(across, down) >= 3) & (np.hypot(across, down) <= 18)
    angle = np.arctan2(down, across)
    window = np.outer(np.hanning(_LARGE), np.hanning(_LARGE))
    totals, twice, fourfold = [], [], []
    for row, column in _corners(inner, _LARGE, 0.8):
        part = np.s_[row : row + _LARGE, column : column + _LARGE]
        block = (signal[part] - signal[part][inner[part] > 0].mean(0)) * (window * inner[part])[..., None]
        power = (np.abs(np.fft.fft2(block, axes=(0, 1))) ** 2).sum(-1) * band
        totals.append(power.sum() + 1e-9)
        twice.append((power * np.exp(2j * angle)).sum() / totals[-1])
        fourfold.append((power * np.exp(4j * angle)).sum() / totals[-1])
    if not totals:
        return Waves(0, 0.0, 0.0, 0.0)
    agreed = (float(abs(np.mean(turns))) for turns in (twice, fourfold))
    return Waves(len(totals), float(np.log10(np.median(totals))), *agreed)


def garment_pattern(rgb: Pixels, mask: Pixels, category: str) -> str | None:
    """The name of the pattern on the masked part of a uint8 [h, w, 3] picture of some 256 pixels, or None
    if it is not clear; `mask` is uint8 [h, w]."""
    inner = np.asarray(cv2.erode(mask, np.ones((7, 7), dtype=np.uint8)), dtype=np.uint8)
    signal = contrast(rgb, mask)
    found = spots(signal, inner)
    if len(found.contrast) < 6 or found.middle.all() or not found.middle.any():
        return None
    low, half, high = (float(v) for v in np.quantile(found.contrast, (0.25, 0.5, 0.9)))
    lines = waves(signal, inner)
    if lines.blocks >= 6 and category != "shoes":
        # Folds run one way too, but less sharply than stripes, or with less contrast.
        if lines.power > 7.1 and lines.one_way > 0.7 and ((lines.two_way > 0.62 and low > 4) or low > 10):
            return "striped"
        if lines.power > 6.3 and lines.one_way > 0.75 and lines.two_way > 0.75:
            return "striped"
        two_ways = lines.two_way > 0.56 and lines.one_way < 0.6
        if category in _CHECKED and lines.power > 7.1 and two_ways and low > 8:
            return "checked"
    middle = found.contrast[found.middle]
    if high < 3.4 and half < 2.3 and float(middle.max()) < 4.6:
        return "plain"
    if category in _PRINTED and low < 4.5 and lines.one_way < 0.45:
        striking = found.contrast > max(9.0, 3 * low)
        chest = found.across[found.middle & striking]
        # Wider than a row of buttons, and not a band that goes on to the sleeves.
        on_chest, elsewhere = (float(striking[at].mean()) for at in (found.middle, ~found.middle))
        if len(chest) >= 3 and float(np.ptp(chest)) > 0.1 and elsewhere < 0.5 * on_chest:
            return "graphic"
    return None
