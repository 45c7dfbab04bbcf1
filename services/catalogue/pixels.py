"""Whether two pictures show the same pixels: compared small, one laid over the other.

Vectors of an encoder say that two products look alike; shops photograph many different products in one
pose, and those look alike too. Copies of one picture (resized, compressed anew, brightened, mirrored,
cropped a little) agree pixel by pixel as other pictures do not. The measure is zero-mean normalised
cross-correlation (Lewis 1995, "Fast Normalized Cross-Correlation") of the colours. It is preferred to a
perceptual hash (DCT pHash, Zauner 2010): on photos of clothing in one pose that one put pictures cropped by
5 % at 4 to 16 bits from the original, and hundreds of other pictures of the same kind nearer than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Colours = npt.NDArray[np.float32]
#: Shares cut off at the left, top, right and bottom.
Cut = tuple[float, float, float, float]

#: Sides of a kept picture, and of the two sizes at which pictures are compared.
_KEPT, _FINE, _COARSE = 96, 32, 16
#: Most that is taken for cut off at each side.
_MOST_CUT = 0.12
# Measured by `python -m benchmarks.duplicates` on photos of clothing: copies correlate at 0.996 and above
# once aligned, the most alike of other pictures at 0.985.
_SAME = 0.99
#: Below this, seen coarsely, or if alignment has not brought it above that, pictures are different.
_MAY_ALIGN, _ALIGNED = 0.85, 0.95
#: Root mean square difference in grey levels that the worst of 4 x 4 tiles may have: two shirts on white that
#: differ in their print alone correlate highly as a whole.
_WORST_TILE = 12.0


@dataclass(frozen=True)
class Pixels:
    """A picture small enough to keep thousands of: RGB, 96 x 96 whatever its shape was."""

    small: Image.Image

    @classmethod
    def of(cls, image: Image.Image) -> Pixels:
        return cls(image.resize((_KEPT, _KEPT), Image.Resampling.LANCZOS))

    def mirrored(self) -> Pixels:
        return Pixels(self.small.transpose(Image.Transpose.FLIP_LEFT_RIGHT))

    def colours(self, side: int, cut: Cut = (0.0, 0.0, 0.0, 0.0)) -> Colours:
        """float32 [side, side, 3] in grey levels of what is left after cutting."""
        left, top, right, bottom = (share * _KEPT for share in cut)
        box = (left, top, _KEPT - right, _KEPT - bottom)
        return np.asarray(self.small.resize((side, side), Image.Resampling.BILINEAR, box=box), np.float32)


@dataclass(frozen=True)
class Sameness:
    """How one picture came from the other: "same pixels", "mirrored", "cropped" or "mirrored and cropped";
    and their correlation in [-1, 1] once that is undone."""

    kind: str
    correlation: float


def same_pixels(one: Pixels, other: Pixels) -> Sameness | None:
    """How two pictures are the same, or None if they are different ones."""
    coarse = one.colours(_COARSE)
    plain, turned = other, other.mirrored()
    mirrored = correlation(coarse, turned.colours(_COARSE)) > correlation(coarse, plain.colours(_COARSE))
    other = turned if mirrored else plain
    whole, fine = one.colours(_FINE), other.colours(_FINE)
    if (found := correlation(whole, fine)) >= _SAME:
        return _agreeing("mirrored" if mirrored else "same pixels", found, whole, fine)
    if correlation(coarse, other.colours(_COARSE)) < _MAY_ALIGN:
        return None
    for large, part in ((one, other), (other, one)):
        cut, score = _climb(large, part, (0.0, 0.0, 0.0, 0.0), _COARSE, (0.04, 0.02, 0.01))
        if score >= _ALIGNED:
            cut, score = _climb(large, part, cut, _FINE, (0.006, 0.003))
            if score >= _SAME:
                kind = "mirrored and cropped" if mirrored else "cropped"
                return _agreeing(kind, score, large.colours(_FINE, cut), part.colours(_FINE))
    return None


def correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Zero-mean normalised cross-correlation of two pictures of one shape, in [-1, 1]; brightness and
    contrast do not matter. Two plain pictures correlate if they are of one colour."""
    a, b = one - one.mean(), other - other.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if length < a.size:  # grey levels vary by less than one
        return float(np.abs(one - other).max() < 4)
    return float((a * b).sum()) / length


def _climb(large: Pixels, part: Pixels, cut: Cut, side: int, steps: tuple[float, ...]) -> tuple[Cut, float]:
    """The cut of `large` that correlates best with `part`, from `cut` on, one edge and step at a time."""
    target = part.colours(side)
    best = correlation(large.colours(side, cut), target)
    for step in steps:
        moved = True
        while moved:
            moved = False
            for edge in range(4):
                for by in (step, -step):
                    tried = [*cut]
                    tried[edge] = min(max(tried[edge] + by, 0.0), _MOST_CUT)
                    new = (tried[0], tried[1], tried[2], tried[3])
                    if new != cut and (score := correlation(large.colours(side, new), target)) > best + 1e-6:
                        cut, best, moved = new, score, True
    return cut, best


def _agreeing(kind: str, found: float, one: Colours, other: Colours) -> Sameness | None:
    """The sameness, unless a tile differs that the whole has hidden."""
    a, b = one - one.mean(), other - other.mean()
    gain = float((a * b).sum()) / max(float((a * a).sum()), 1e-6)
    tile = _FINE // 4
    squares = ((b - gain * a) ** 2).reshape(4, tile, 4, tile, 3).mean(axis=(1, 3, 4))
    return Sameness(kind, found) if float(np.sqrt(squares.max())) <= _WORST_TILE else None
