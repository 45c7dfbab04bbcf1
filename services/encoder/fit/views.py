"""Augmented views of stored pictures: what training sees instead of the pictures themselves."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from services.encoder.train.augment import augment

Bytes = npt.NDArray[np.uint8]

#: Least side of a crop that stands for its photo, as a share of the photo's.
_CLOSEST = 0.55
#: How often the colours of a view are changed, and how often they go altogether.
_RECOLOURED, _GREYED = 0.8, 0.1
#: Most that hues turn, radians: products do differ by colour.
_HUE = 0.1 * math.pi
_GREY = torch.tensor([0.299, 0.587, 0.114])


def generator_of(seed: int, step: int) -> torch.Generator:
    """Random numbers of one step, the same whether or not the run was interrupted before it."""
    state = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def labelled_views(pixels: Bytes, size: int, generator: torch.Generator, *, strength: float = 0.5) -> Tensor:
    """One view of each picture, whose label it keeps: crop, turn, mirror, light, blur, erasing.

    uint8 [n, s, s, 3] -> float32 [n, 3, size, size] in -1..1. `strength` 0..1 is how far and how often;
    a run of minutes sees each picture a few times only, and learns more with less.
    """
    return augment(pixels, size, generator, strength=strength)


def far_views(pixels: Bytes, size: int, generator: torch.Generator) -> Tensor:
    """One view of each picture, for telling photos apart: as `labelled_views`, of closer crops, and with
    changed colours, since without labels colour alone would tell almost all photos apart (Chen et al. 2020,
    SimCLR, arXiv 2002.05709, section 3.1).

    uint8 [n, s, s, 3] -> float32 [n, 3, size, size] in -1..1.
    """
    return _recolour(labelled_views(_crop(pixels, generator), size, generator), generator)


def _crop(pixels: Bytes, generator: torch.Generator) -> Bytes:
    """A square crop of each picture, brought back to the size of the picture."""
    n, side = len(pixels), pixels.shape[1]
    out = torch.empty(n, side, side, 3, dtype=torch.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    shares = torch.rand(n, 3, generator=generator)
    for row, (share, down, right) in enumerate(shares.tolist()):
        crop = round(side * (_CLOSEST + (1 - _CLOSEST) * share))
        top, left = round(down * (side - crop)), round(right * (side - crop))
        part = images[row : row + 1, :, top : top + crop, left : left + crop].float()
        out[row] = (
            functional.interpolate(part, (side, side), mode="bilinear")[0].round().byte().permute(1, 2, 0)
        )
    return out.numpy()


def _recolour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Turn the hue, by a rotation about the grey axis, and change the saturation, of most pictures."""
    n = len(images)
    angle = (torch.rand(n, generator=generator) - 0.5) * 2 * _HUE
    saturation = 0.5 + torch.rand(n, generator=generator)
    kind = torch.rand(n, generator=generator)
    changed = kind < _RECOLOURED
    angle, saturation = torch.where(changed, angle, 0.0), torch.where(changed, saturation, 1.0)
    saturation = torch.where(kind > 1 - _GREYED, 0.0, saturation)
    axis = torch.full((3,), 1 / math.sqrt(3))
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    outer = torch.outer(axis, axis)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    rotation = cos * torch.eye(3) + sin * cross + (1 - cos) * outer
    greyed = torch.outer(torch.ones(3), _GREY)
    share = saturation[:, None, None]
    mixing = share * rotation + (1 - share) * greyed
    return torch.einsum("nij,njhw->nihw", mixing, images).clamp_(-1, 1)


def as_bytes(views: Tensor) -> Bytes:
    """float32 [n, 3, s, s] in -1..1 -> uint8 [n, s, s, 3], for encoders that want pictures."""
    scaled = views.permute(0, 2, 3, 1).add(1).mul(127.5).round().clamp(0, 255)
    found: Bytes = scaled.byte().numpy()
    return found
