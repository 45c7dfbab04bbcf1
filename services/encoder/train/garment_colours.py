"""The colours of a garment in a photo, by name: clusters in CIELAB, named by the nearest prototype.

Photos taken at home are dim, flat and tinted, and cloth has folds: levels are stretched and the tint is
taken back a little first; clusters that differ in lightness alone, as lit and shaded cloth does, are one.
Needs OpenCV (see `garment`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from services.encoder.train.colours import COLOURS, INDEX, srgb_to_lab
from services.encoder.train.garment import Floats, Pixels, clusters, lab_of
from services.encoder.train.titles import NONE, UNKNOWN

#: Pixels that are clustered at most: more change no name.
_ENOUGH = 4000

#: Lightness counts less than hue and chroma: it varies with the light.
_WEIGHTS = np.array([0.7, 1, 1], dtype=np.float32)

#: The least share of the garment that the main and the second colour hold.
_MAIN, _ACCENT = 0.45, 0.12

#: What cloth of each colour looks like in home photos, sRGB, beside the prototypes of `COLOURS`: washed
#: out, dyed duller than paint, lit by lamps. Chosen by eye on some 400 photos.
_LOOKS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((40, 38, 40), (34, 36, 40), (46, 43, 44)),
    "charcoal": ((80, 80, 82), (62, 64, 62)),
    "grey": ((112, 112, 114), (150, 148, 146)),
    "light grey": ((172, 176, 184), (172, 172, 172), (188, 187, 184)),
    "white": ((204, 207, 217), (206, 207, 210), (226, 226, 228), (216, 217, 220)),
    "cream": ((232, 222, 200), (238, 228, 184)),
    "beige": ((196, 178, 150), (180, 160, 130), (200, 186, 165), (170, 155, 135)),
    "brown": ((140, 100, 70), (125, 90, 75), (110, 85, 70)),
    "dark brown": ((80, 60, 50),),
    "burgundy": ((96, 40, 52), (120, 60, 72), (90, 30, 40), (130, 50, 65), (80, 48, 54)),
    "red": ((180, 40, 45), (220, 60, 55), (200, 30, 60)),
    "coral": ((250, 110, 110), (230, 130, 110)),
    "mustard": ((200, 165, 80), (180, 140, 50)),
    "yellow": ((240, 220, 110), (222, 226, 70)),
    "olive": ((90, 92, 70), (130, 128, 90), (75, 75, 50)),
    "dark green": ((75, 95, 85), (60, 80, 72), (40, 62, 50), (20, 60, 50)),
    "green": ((95, 130, 115), (80, 150, 60), (120, 175, 50)),
    "light green": ((140, 215, 180), (172, 197, 184), (190, 215, 130), (200, 228, 165), (180, 200, 60)),
    "teal": ((40, 90, 100), (30, 130, 130)),
    "turquoise": ((60, 160, 180), (40, 180, 200)),
    "light blue": ((150, 164, 176), (170, 195, 220), (130, 170, 215), (188, 206, 226)),
    "blue": ((60, 100, 180), (30, 60, 170), (40, 120, 210)),
    "navy": ((40, 48, 75), (35, 38, 60), (50, 56, 86), (28, 30, 48)),
    "denim blue": ((100, 120, 150), (70, 90, 125), (112, 136, 166)),
    "purple": ((105, 90, 110), (90, 50, 110), (75, 45, 85), (120, 80, 140)),
    "lilac": ((175, 155, 190), (160, 140, 175), (192, 172, 202)),
    "pink": ((218, 180, 170), (225, 170, 180), (235, 192, 196), (215, 150, 160), (190, 135, 142)),
    "hot pink": ((210, 50, 110), (220, 80, 150), (200, 40, 120)),
}
_EXAMPLES = [(INDEX[colour.name], colour.rgb) for colour in COLOURS] + [
    (INDEX[name], rgb) for name, looks in _LOOKS.items() for rgb in looks
]
_EXAMPLE_COLOUR = np.array([colour for colour, _ in _EXAMPLES])
_EXAMPLE_LAB = srgb_to_lab([rgb for _, rgb in _EXAMPLES])


@dataclass
class Patch:
    """One colour of the garment: share of its pixels in 0..1, CIELAB mean, index into `COLOURS`."""

    share: float
    lab: Floats
    colour: int

    @classmethod
    def of(cls, pixels: Floats, total: int) -> Patch:
        """Of CIELAB pixels [n, 3]; the name goes by the lit ones, for folds and dim rooms darken cloth."""
        light = pixels[:, 0]
        lit = pixels[(light >= np.quantile(light, 0.5)) & (light <= np.quantile(light, 0.95))]
        return cls(len(pixels) / total, pixels.mean(0), name_of(lit.mean(0)))


def balance(rgb: Pixels) -> Pixels:
    """Stretched levels and a milder tint: uint8 [h, w, 3] -> the same.

    The tint is judged by the least coloured pixels only: a red blanket is no red light.
    """
    picture = rgb.astype(np.float32)
    few = picture[::3, ::3]
    low, high = np.quantile(few.mean(-1), (0.01, 0.97))
    low = min(float(low), 20.0)
    gain = 240 / max(float(high) - low, 190.0)
    few = np.clip((few - low) * gain, 0, 255)
    lab = lab_of(few.astype(np.uint8))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    neutral = (chroma < 22) & (lab[..., 0] > 35) & (lab[..., 0] < 97)
    if neutral.mean() > 0.08:
        mean = few[neutral].mean(0)
        gain = gain * (1 + 0.15 * (mean.mean() / (mean + 1e-3) - 1))
    return np.asarray(np.clip((picture - low) * gain, 0, 255), dtype=np.uint8)


def patches(rgb: Pixels, mask: Pixels, count: int = 6) -> list[Patch]:
    """The colours of the masked part of a balanced picture, the largest first; empty if it is tiny."""
    kernel = np.ones((3, 3), dtype=np.uint8)
    inner = cv2.erode(mask, kernel)
    inner = inner if inner.sum() > 0.5 * mask.sum() else mask
    smooth = cv2.bilateralFilter(rgb, 5, 30, 3)
    pixels = smooth[inner > 0]
    if len(pixels) < 40:
        return []
    light = pixels.mean(-1)
    kept = pixels[(light >= np.quantile(light, 0.03)) & (light <= np.quantile(light, 0.98))]
    pixels = kept if len(kept) > 40 else pixels
    lab = srgb_to_lab(pixels[:: 1 + len(pixels) // _ENOUGH])
    label, centres = clusters(lab, min(count, len(lab)))
    groups = [[index] for index in range(len(centres)) if (label == index).any()]
    found = [Patch.of(lab[np.isin(label, group)], len(lab)) for group in groups]
    while len(found) > 1:
        pairs = itertools.combinations(range(len(found)), 2)
        one, two = min(pairs, key=lambda pair: _gap(found[pair[0]], found[pair[1]]))
        if _gap(found[one], found[two]) > 16:
            break
        groups[one] += groups.pop(two)
        found[one] = Patch.of(lab[np.isin(label, groups[one])], len(lab))
        found.pop(two)
    return sorted(found, key=lambda patch: -patch.share)


def _gap(one: Patch, two: Patch) -> float:
    """Distance with lightness counted by half, since folds shade cloth of one colour."""
    return float(np.linalg.norm((one.lab - two.lab) * np.array([0.5, 1, 1], dtype=np.float32)))


def name_of(lab: Floats) -> int:
    """Index into `COLOURS` of a CIELAB colour [3]: that of the nearest example."""
    gap = (_EXAMPLE_LAB - lab) * _WEIGHTS
    return int(_EXAMPLE_COLOUR[(gap**2).sum(-1).argmin()])


def around(rgb: Pixels, mask: Pixels) -> Floats:
    """The colours of what lies around the garment, CIELAB [k, 3], of a balanced picture."""
    near = cv2.dilate(mask, np.ones((25, 25), dtype=np.uint8)) - cv2.dilate(
        mask, np.ones((5, 5), dtype=np.uint8)
    )
    pixels = rgb[near > 0]
    lab = srgb_to_lab(pixels[:: 1 + len(pixels) // _ENOUGH])
    if len(lab) < 40:
        return np.zeros((0, 3), dtype=np.float32)
    label, centres = clusters(lab, 4)
    return centres[np.bincount(label, minlength=4) > 0.06 * len(label)]


def garment_colours(rgb: Pixels, mask: Pixels) -> tuple[int, int, dict[int, float]]:
    """Main colour, second colour, and the shares of all of them, of the masked part of a uint8 [h, w, 3]
    picture; `mask` is uint8 [h, w].

    Colours are indices into `COLOURS`. The main colour is UNKNOWN if none holds a clear share; the second
    is NONE if the garment has one colour, UNKNOWN if that is not clear: if it may be the shade of a fold,
    or a piece of what lies around the garment.
    """
    balanced = balance(rgb)
    found = patches(balanced, mask)
    shares: dict[int, float] = {}
    families: dict[str, float] = {}
    for patch in found:
        shares[patch.colour] = shares.get(patch.colour, 0.0) + patch.share
        family = COLOURS[patch.colour].family
        families[family] = families.get(family, 0.0) + patch.share
    if not families:
        return UNKNOWN, UNKNOWN, {}
    ranked = sorted(families, key=lambda name: -families[name])
    main = next(patch for patch in found if COLOURS[patch.colour].family == ranked[0])
    others = [patch for patch in found if COLOURS[patch.colour].family != ranked[0]]
    second = next((patch for patch in others if patch.share >= _ACCENT), None)
    accent = NONE if families[ranked[0]] > 0.9 else UNKNOWN
    if second is not None:
        accent = second.colour if _genuine(main, second, balanced, mask) else UNKNOWN
    clear = families[ranked[0]] >= _MAIN
    if not clear and accent >= 0:
        # Fine stripes leave many pixels between their two colours, and so less for each.
        clear = families[ranked[0]] >= 0.34 and main.share + families[COLOURS[accent].family] >= 0.7
    return (main.colour, accent, shares) if clear else (UNKNOWN, UNKNOWN, shares)


def _genuine(main: Patch, second: Patch, balanced: Pixels, mask: Pixels) -> bool:
    """Whether a second colour is the garment's: no shade of the main one, and no leak of the ground, which
    lies along the edge of the mask and has a colour that the ground has."""
    if float(np.linalg.norm((main.lab - second.lab) * _WEIGHTS)) < 33:
        return False
    if all(float(np.linalg.norm(second.lab - colour)) > 20 for colour in around(balanced, mask)):
        return True
    width = 2 * int(np.sqrt(mask.sum()) / 12) + 1
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    deep = cv2.erode(padded, np.ones((width, width), dtype=np.uint8))[1:-1, 1:-1]
    lab = srgb_to_lab(balanced[deep > 0])
    return len(lab) > 100 and float((np.linalg.norm(lab - second.lab, axis=-1) < 18).mean()) >= _ACCENT
