"""Where the garment lies in a photo: saliency first, GrabCut after.

The photos show one garment, laid out or hung up, mostly in the middle and on a background of few
colours. Saliency asks of each colour how much more of the middle than of the border it covers, and how
far it is from the border's colours; GrabCut (Rother, Kolmogorov and Blake, 2004) then draws the edge.
Needs OpenCV, and so the `train` extra; nothing but the measuring and the training's data imports this.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Side of the square that masks are found at: GrabCut's time grows with the pixels, its edge hardly sharpens.
MASK_SIDE = 96


class Garment(NamedTuple):
    """`mask` uint8 [s, s], 1 on the garment; `sure` is False where the mask is only a guess."""

    mask: Pixels
    sure: bool


def lab_of(rgb: Pixels) -> Floats:
    """uint8 sRGB [h, w, 3] -> CIELAB float32 [h, w, 3], L in 0..100."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def clusters(points: Floats, count: int, seed: int = 0) -> tuple[npt.NDArray[np.intp], Floats]:
    """k-means of float32 [n, d]: the cluster of each point, int [n], and the centres, float32 [count, d]."""
    cv2.setRNGSeed(seed)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    start = np.zeros((len(points), 1), dtype=np.int32)
    _, labels, centres = cv2.kmeans(points, count, start, stop, 2, cv2.KMEANS_PP_CENTERS)
    return np.asarray(labels, dtype=np.intp).ravel(), np.asarray(centres, dtype=np.float32)


def saliency(rgb: Pixels) -> tuple[Floats, Floats]:
    """How likely each pixel of a uint8 [s, s, 3] picture is to be garment, float32 [s, s] in 0..1, and
    how strange its colour is to the picture's frame, likewise."""
    side = rgb.shape[0]
    lab = cv2.GaussianBlur(lab_of(rgb), (0, 0), side / 90).astype(np.float32)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / (side - 1) - 0.5
    middle = np.exp(-((x / 0.24) ** 2 + (y / 0.30) ** 2))
    frame = np.maximum(np.abs(x), np.abs(y)) > 0.45

    # Each colour by how much more of the middle than of the frame it covers.
    _, centres = clusters(np.ascontiguousarray(lab[::2, ::2].reshape(-1, 3)), 12)
    label = ((lab.reshape(-1, 1, 3) - centres) ** 2).sum(-1).argmin(-1)
    inside = np.bincount(label, (middle / middle.sum()).ravel(), 12)
    outside = np.bincount(label, (frame / frame.sum()).ravel(), 12)
    central = (inside / (inside + outside + 1e-9))[label].reshape(side, side)

    # Each pixel by how far its colour is from those of the frame; lightness counts less, for shadows.
    weighted = lab * np.array([0.6, 1.0, 1.0], dtype=np.float32)
    _, border = clusters(np.ascontiguousarray(weighted[frame]), 5)
    distance = np.sqrt(((weighted[:, :, None] - border) ** 2).sum(-1).min(-1))
    strange = distance / (distance + max(float(np.quantile(distance, 0.6)), 6.0))
    salient = (0.65 * central + 0.35 * strange) * (0.45 + 0.55 * middle)
    return salient.astype(np.float32), strange.astype(np.float32)


def garment_mask(rgb: Pixels) -> Garment:
    """The garment in a uint8 [s, s, 3] picture (s about `MASK_SIDE`).

    A GrabCut that leaves nothing, takes everything or runs along all borders is no answer: the salient
    pixels stand in, or the whole picture if these are no better, and the mask is marked unsure.
    """
    side = rgb.shape[0]
    salient, strange = (cv2.GaussianBlur(part, (0, 0), side / 60) for part in saliency(rgb))
    # Seeds by rank, not by level: the garment fills a tenth to most of the picture.
    low, high = np.quantile(salient, (0.35, 0.85))
    split = float(cv2.threshold((salient * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0]) / 255
    labels = np.where((salient > split) & (strange > 0.2), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    # Between two legs the middle shows background: no seed where the colour is the frame's.
    labels[(salient > max(float(high), split)) & (strange > 0.45)] = cv2.GC_FGD
    labels[salient < min(float(low), 0.6 * split)] = cv2.GC_BGD
    edge = max(1, side // 64)
    rim = np.ones((side, side), dtype=bool)
    rim[edge:-edge, edge:-edge] = False
    labels[rim & (labels == cv2.GC_PR_BGD)] = cv2.GC_BGD
    guess = _tidy((salient > split).astype(np.uint8))
    if (labels == cv2.GC_FGD).any() and (labels == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)
        background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(
            np.ascontiguousarray(rgb),
            labels,
            (0, 0, side, side),
            background,
            foreground,
            4,
            cv2.GC_INIT_WITH_MASK,
        )
        cut = _tidy(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
        if _plausible(cut):
            return Garment(cut, True)
    if _plausible(guess):
        return Garment(guess, False)
    return Garment(np.ones((side, side), dtype=np.uint8), False)


def _plausible(mask: Pixels) -> bool:
    """Neither a speck nor nearly everything, and not along three borders or more."""
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    touched = sum(float(line.mean()) > 0.5 for line in sides)
    return 0.04 < float(mask.mean()) < 0.9 and touched < 3


def _tidy(mask: Pixels) -> Pixels:
    """Without specks and threads, and with the holes filled that a print leaves."""
    side = mask.shape[0]
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), dtype=np.uint8)
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count > 1:
        area = stats[:, cv2.CC_STAT_AREA].astype(np.float64)
        area[0] = 0
        mask = np.isin(label, np.flatnonzero(area > 0.2 * area.max())).astype(np.uint8)
    count, label, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    for hole in range(1, count):
        left, top, width, height, size = (int(v) for v in stats[hole])
        open_ = left == 0 or top == 0 or left + width == side or top + height == side
        if not open_ and size < 0.08 * side * side:
            mask[label == hole] = 1
    return mask
