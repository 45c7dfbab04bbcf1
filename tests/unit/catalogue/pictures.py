"""Real picture files, made by Pillow, for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

Colour = tuple[int, ...]
RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 40), (30, 40, 200), (255, 255, 255)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(size: tuple[int, int] = (64, 48), colour: Colour = RED, **options: Any) -> bytes:
    return encode(Image.new("RGB", size, colour), "JPEG", **options)


def noise(size: tuple[int, int], kind: str = "JPEG", **options: Any) -> bytes:
    """A picture whose file is long, for it does not compress."""
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encode(Image.fromarray(pixels), kind, **options)


def halves(size: tuple[int, int] = (64, 32), left: Colour = RED, right: Colour = BLUE) -> Image.Image:
    """Left half in one colour, right half in another."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, size[0], size[1]))
    return image


def near(pixel: Any, colour: Colour, within: int = 12) -> bool:
    return all(abs(int(a) - int(b)) <= within for a, b in zip(pixel, colour, strict=True))
