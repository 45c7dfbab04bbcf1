"""Named colours in a perceptual space: to paint rendered products and to name measured garments.

Distances are Euclidean in CIELAB (D65), with chroma and hue weighted above lightness, since shade
varies with the light while hue does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Colour:
    """A colour word, the basic colour family it belongs to, its sRGB prototype and other words for it."""

    name: str
    family: str
    rgb: tuple[int, int, int]
    synonyms: tuple[str, ...] = ()


COLOURS = (
    Colour("black", "black", (24, 24, 26)),
    Colour("charcoal", "grey", (66, 68, 72), ("dark grey", "dark gray")),
    Colour("grey", "grey", (132, 132, 134), ("gray",)),
    Colour("light grey", "grey", (188, 188, 190), ("light gray", "silver")),
    Colour("white", "white", (240, 240, 240)),
    Colour("cream", "white", (240, 230, 205), ("ivory", "off-white")),
    Colour("beige", "beige", (208, 186, 152), ("sand", "tan")),
    Colour("brown", "brown", (116, 74, 46)),
    Colour("dark brown", "brown", (66, 44, 34), ("chocolate",)),
    Colour("burgundy", "red", (116, 26, 44), ("dark red", "maroon", "wine")),
    Colour("red", "red", (206, 34, 42), ("scarlet",)),
    Colour("coral", "orange", (244, 118, 96), ("salmon",)),
    Colour("orange", "orange", (238, 128, 32)),
    Colour("mustard", "yellow", (204, 156, 42), ("ochre",)),
    Colour("yellow", "yellow", (246, 214, 56)),
    Colour("olive", "green", (106, 108, 62), ("khaki",)),
    Colour("dark green", "green", (30, 78, 52), ("forest green", "bottle green")),
    Colour("green", "green", (52, 152, 72)),
    Colour("light green", "green", (150, 212, 160), ("mint",)),
    Colour("teal", "teal", (18, 118, 124), ("petrol",)),
    Colour("turquoise", "teal", (72, 198, 200), ("aqua",)),
    Colour("light blue", "blue", (152, 192, 228), ("sky blue", "baby blue")),
    Colour("blue", "blue", (40, 90, 190), ("royal blue",)),
    Colour("navy", "blue", (30, 40, 80), ("dark blue", "navy blue")),
    Colour("denim blue", "blue", (84, 110, 146), ("denim",)),
    Colour("purple", "purple", (106, 52, 140), ("violet",)),
    Colour("lilac", "purple", (186, 162, 212), ("lavender",)),
    Colour("pink", "pink", (240, 158, 186), ("rose",)),
    Colour("hot pink", "pink", (226, 50, 126), ("fuchsia", "magenta")),
)

FAMILIES = tuple(dict.fromkeys(colour.family for colour in COLOURS))
INDEX = {colour.name: index for index, colour in enumerate(COLOURS)}


def srgb_to_lab(rgb: npt.ArrayLike) -> Array:
    """sRGB [..., 3] in 0..255 -> CIELAB [..., 3] float32 (D65; IEC 61966-2-1 and CIE 15)."""
    value = np.asarray(rgb, dtype=np.float32) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ],
        dtype=np.float32,
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883], dtype=np.float32)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


_PROTOTYPES = srgb_to_lab([colour.rgb for colour in COLOURS])
_WEIGHTS = np.array([0.7, 1.0, 1.0], dtype=np.float32)


def nearest(rgb: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Index into `COLOURS` of the nearest named colour, for sRGB [..., 3] in 0..255."""
    lab = srgb_to_lab(rgb)
    delta = (lab[..., None, :] - _PROTOTYPES) * _WEIGHTS
    return np.asarray((delta**2).sum(-1).argmin(-1), dtype=np.intp)
