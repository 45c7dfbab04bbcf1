"""Where in a picture the products are, from the picture alone: saliency, and boxes around what is salient.

No outside detector: a place is salient if neither its patch embedding nor its colour is that of the
picture's border. Boxes are (left, top, right, bottom) in shares of width and height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.encoder.base import Encoder, Vectors
from services.encoder.grid import fine_patches, resized

Box = tuple[float, float, float, float]
Mask = npt.NDArray[np.bool_]

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
#: Most regions that are proposed.
MOST = 5
#: Share of a box's sides that is looked at beyond it: measured best of 0 to 0.35 on validation scenes.
MARGIN = 0.1

#: Of the attention over saliency; measured best of 0.1, 0.25 and 0.5 on validation photos.
TEMPERATURE = 0.25

#: Saliency is found on so many rows and columns.
_CELLS = 32
#: Levels, between the least and the most salient, above which cells are joined to regions.
_LEVELS = (0.15, 0.25, 0.35, 0.45, 0.55)
#: Smaller regions, as shares of the picture, are specks.
_LEAST_AREA = 0.012
#: Two boxes that share more than this of their union are one.
_OVERLAP = 0.5


@dataclass(frozen=True)
class Region:
    """A likely product: its box, and a score in 0..1 that says how much it stands out."""

    box: Box
    score: float


def saliency(picture: Image.Image, patches: Vectors) -> Vectors:
    """How little each place of an RGB picture is like its border: float32 [32, 32] in 0..1.

    The product of two distances to the border, of patch embeddings (`patches`, float32 [rows, columns, d],
    unit, as `fine_patches` gives them) and of colours (CIELAB): the embedding tells things from
    backgrounds, the colour tells where they end. That what lies at the border is background is the
    assumption of Zhu et al. (2014, "Saliency Optimization from Robust Background Detection").
    """
    border = patches[_border(patches.shape[:2])].mean(0)
    strange = 1 - patches @ (border / max(float(np.linalg.norm(border)), 1e-12))
    strange = _stretched(resized(strange, (_CELLS, _CELLS)), 0.05)
    # Not the colour alone: where it is the border's all over, the embedding still has a say.
    # Not stretched again, lest the noise of an even picture looks like products.
    return np.asarray(strange * (0.1 + _stretched(_colour_distance(picture), 10.0)) / 1.1, dtype=np.float32)


def propose(picture: Image.Image, encoder: Encoder, most: int = MOST) -> list[Region]:
    """Up to `most` likely products of an RGB picture, the likeliest first; the last is the whole picture.

    Connected cells above several levels of `saliency` are candidates; each is scored by how far it stands
    out from what is around it, and of two that overlap by more than half the better one stays. Costs one
    `fine_patches`.
    """
    return regions_of(saliency(picture, fine_patches(encoder, picture)), most)


def regions_of(salient: Vectors, most: int = MOST) -> list[Region]:
    """The regions of a saliency map, float32 [rows, columns] in 0..1; see `propose`."""
    found = [
        _region(part, salient)
        for level in _LEVELS
        for part in _parts(salient > level)
        if part.mean() >= _LEAST_AREA
    ]
    kept: list[Region] = []
    for region in sorted(found, key=lambda region: -region.score):
        if len(kept) < most - 1 and all(
            overlap(region.box, other.box) <= _OVERLAP for other in [*kept, Region(WHOLE, 0)]
        ):
            kept.append(region)
    return [*kept, Region(WHOLE, 0.0)]


def overlap(one: Box, other: Box) -> float:
    """What two boxes share, of their union (intersection over union)."""
    shared = shared_area(one, other)
    return shared / (_area(one) + _area(other) - shared)


def shared_area(one: Box, other: Box) -> float:
    """Area of what two boxes share, as a share of the picture."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def widened(box: Box, margin: float = MARGIN) -> Box:
    """The box with that share of its sides added on each, within the picture."""
    across, down = margin * (box[2] - box[0]), margin * (box[3] - box[1])
    left, top, right, bottom = box[0] - across, box[1] - down, box[2] + across, box[3] + down
    return max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)


def crop(picture: Image.Image, box: Box, margin: float = MARGIN) -> Image.Image:
    """What of a picture lies in a box and a margin about it; at least one pixel."""
    left, top, right, bottom = widened(box, margin)
    left, top = (min(int(a * side), side - 1) for a, side in zip((left, top), picture.size, strict=True))
    right, bottom = (
        max(round(b * side), a + 1)
        for a, b, side in zip((left, top), (right, bottom), picture.size, strict=True)
    )
    return picture.crop((left, top, right, bottom))


def look_attentively(picture: Image.Image, encoder: Encoder) -> Vectors:
    """One unit vector, float32 [d], of an RGB picture in which clutter at the border counts less.

    The mean of `fine_patches`, weighted by a softmax of their `saliency` over `TEMPERATURE`. Costs one
    `fine_patches`, about ten looks at the picture with the shipped encoder.
    """
    patches = fine_patches(encoder, picture)
    rows, columns = patches.shape[:2]
    return attended(patches, attention(resized(saliency(picture, patches), (rows, columns))))


def attention(salient: Vectors, temperature: float = TEMPERATURE) -> Vectors:
    """Softmax of saliency over all places: float32 [rows, columns], sum 1."""
    weights = np.exp((salient - salient.max()) / temperature)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def attended(patches: Vectors, weights: Vectors) -> Vectors:
    """One unit vector, float32 [d], of patches [rows, columns, d]: their mean by weights [rows, columns]."""
    pooled = np.einsum("rc,rcd->d", weights, patches)
    return np.asarray(pooled / max(float(np.linalg.norm(pooled)), 1e-12), dtype=np.float32)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _border(shape: tuple[int, ...]) -> Mask:
    frame = np.ones(shape[:2], dtype=bool)
    frame[1:-1, 1:-1] = False
    return frame


def _stretched(values: Vectors, least: float) -> Vectors:
    """The values brought to 0..1; a range of less than `least` is stretched no further than that one."""
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / max(high - low, least), dtype=np.float32)


def _colour_distance(picture: Image.Image) -> Vectors:
    small = picture.convert("LAB").resize((_CELLS, _CELLS), Image.Resampling.BOX)
    lab = np.asarray(small).astype(np.int16)
    # Pillow keeps a and b as signed bytes; lightness counts less, for the sake of shadows.
    lab[..., 1:] = (lab[..., 1:] + 128) % 256 - 128
    colours = lab * np.array([0.6, 1, 1], dtype=np.float32)
    frame = colours[_border(colours.shape)]
    distances = np.linalg.norm(colours[:, :, None] - frame, axis=-1)
    # The nearest sixth of the border: it may show several colours, each of which is background.
    nearest = np.sort(distances, axis=-1)[..., 1 : 1 + len(frame) // 6]
    return np.asarray(nearest.mean(-1), dtype=np.float32)


def _region(part: Mask, salient: Vectors) -> Region:
    rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
    high, wide = part.shape
    box = (columns[0] / wide, rows[0] / high, (columns[-1] + 1) / wide, (rows[-1] + 1) / high)
    # What lies around it, to half its own size away.
    left, top, right, bottom = widened(box, 0.5)
    around = np.zeros_like(part)
    around[int(top * high) : round(bottom * high), int(left * wide) : round(right * wide)] = True
    around &= ~part
    beside = float(salient[around].mean()) if around.any() else 0.0
    score = (float(salient[part].mean()) - beside) * float(part.mean()) ** _AREA_POWER
    return Region(tuple(float(side) for side in box), min(max(score, 0.0), 1.0))  # type: ignore[arg-type]


#: How much larger regions are preferred: score ~ contrast * area ** this.
_AREA_POWER = 0.5


def _parts(inside: Mask) -> list[Mask]:
    """The connected parts of a mask (cells that share a side)."""
    label = np.where(inside, np.arange(1, inside.size + 1).reshape(inside.shape), 0)
    while True:
        padded = np.pad(label, 1)
        # Each cell takes the largest label beside it, until none changes.
        beside = (
            padded[1:-1, 1:-1],
            padded[:-2, 1:-1],
            padded[2:, 1:-1],
            padded[1:-1, :-2],
            padded[1:-1, 2:],
        )
        spread = np.where(inside, np.max(beside, axis=0), 0)
        if (spread == label).all():
            return [label == name for name in np.unique(label[inside])]
        label = spread
