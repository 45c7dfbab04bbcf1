"""Pictures for the encoder tests."""

from __future__ import annotations

import numpy as np
from PIL import Image


def noise(seed: int, width: int = 90, height: int = 70) -> Image.Image:
    """A blotchy RGB picture, always the same for a seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
