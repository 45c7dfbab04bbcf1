"""Products of photos on the backgrounds of other photos, by any catalogue's pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from services.encoder.train.robustness import without_garment

#: Side in pixels at which products are cut out, and the rounds of GrabCut.
SIDE, _ROUNDS = 160, 3
#: The product is looked for within this margin of the sides; cut-outs that fill less or more of the picture
#: than this are most likely wrong.
_MARGIN, _LEAST, _MOST = 0.04, 0.08, 0.85


def elsewhere(pictures: Sequence[Image.Image], seed: int = 0) -> dict[int, Image.Image]:
    """Rows of the pictures that could be cut out -> their product on the background of another of them.

    Products are told from backgrounds by GrabCut (Rother et al. 2004); a picture for which that looks wrong
    is left out, and all are if OpenCV is not installed. Pictures keep their size and their own pixels on the
    product, so that the background alone is what changes.
    """
    masks = {row: mask for row, picture in enumerate(pictures) if (mask := mask_of(picture)) is not None}
    order = np.random.default_rng(seed).permutation(list(masks))
    if len(order) < 2:
        return {}
    moved = {}
    # A cycle in random order: nobody keeps its own background.
    for row, other in zip(order.tolist(), np.roll(order, 1).tolist(), strict=True):
        size = pictures[row].size
        edge = Image.fromarray(masks[row]).filter(ImageFilter.GaussianBlur(1)).resize(size)
        scene = without_garment(_square(pictures[other]), masks[other]).resize(size)
        moved[row] = Image.composite(pictures[row].convert("RGB"), scene, edge)
    return dict(sorted(moved.items()))


def mask_of(picture: Image.Image) -> npt.NDArray[np.uint8] | None:
    """Where the product is, uint8 [SIDE, SIDE], 255 on it and 0 off it; None if that cannot be told."""
    try:
        import cv2
    except ImportError:
        return None
    pixels = np.ascontiguousarray(_square(picture)[:, :, ::-1])
    margin = round(_MARGIN * SIDE)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    frame = (margin, margin, SIDE - 2 * margin, SIDE - 2 * margin)
    cv2.setRNGSeed(0)
    try:
        cv2.grabCut(pixels, mask, frame, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a picture of one colour
        return None
    product = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    # Only the largest piece, without its holes.
    count, labels, stats, _ = cv2.connectedComponentsWithStats(product)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    filled = (labels == largest).astype(np.uint8)
    if not _LEAST <= filled.mean() <= _MOST:
        return None
    found: npt.NDArray[np.uint8] = filled * np.uint8(255)
    return found


def _square(picture: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
