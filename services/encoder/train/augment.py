"""From stored pixels to what the network sees: strong augmentation that leaves named colours true.

RandAugment (Cubuk et al. 2020, arXiv 1909.13719) draws from geometry, light and sharpness; hue and
saturation are left alone, since titles name colours. Random erasing is Zhong et al. 2020 (arXiv 1708.04896).
"""

from __future__ import annotations

import math
import random

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from services.encoder.train.scenes import background

Bytes = npt.NDArray[np.uint8]


def backgrounds(count: int, side: int, seed: int) -> Bytes:
    """Drawn scenes without a product, to put garments on: uint8 [count, side, side, 3]."""
    rng = random.Random(f"backgrounds-{seed}")
    scenes = []
    for _ in range(count):
        angle = rng.uniform(0, 2 * math.pi)
        light = (math.cos(angle), math.sin(angle))
        scenes.append(np.clip(background(side, rng, light, upright=rng.random() < 0.5), 0, 255))
    return np.stack(scenes).astype(np.uint8)


def move(pixels: Bytes, masks: Bytes, scenes: Bytes, share: float, rng: np.random.Generator) -> Bytes:
    """Put `share` of the pictures whose product is known onto another background.

    `pixels` uint8 [n, s, s, 3], `masks` uint8 [n, s, s] (all 255: unknown), `scenes` uint8 [k, s, s, 3];
    returns uint8 [n, s, s, 3]. The masks' soft edge blends.
    """
    chosen = np.flatnonzero((masks.min((1, 2)) == 0) & (rng.random(len(pixels)) < share))
    moved = pixels.copy()
    for row in chosen:
        scene = scenes[rng.integers(len(scenes))]
        if rng.random() < 0.5:
            scene = scene[:, ::-1]
        weight = masks[row].astype(np.float32)[..., None] / 255
        moved[row] = (pixels[row] * weight + scene * (1 - weight)).astype(np.uint8)
    return moved


def augment(pixels: Bytes, size: int, generator: torch.Generator, *, strength: float = 1.0) -> Tensor:
    """Random crop, turn, squeeze, mirror, light, blur, noise, erasing.

    uint8 [n, s, s, 3] -> float32 [n, 3, size, size] in -1..1. `strength`, 0..1, scales how far and how
    often: little data takes 1, pictures that are seen a few times only learn more with less. One affine grid
    does all the geometry.
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    if size <= images.shape[-1] // 2:
        images = functional.avg_pool2d(images, 2)
    images = _warp(images, size, generator, strength)
    images = _light(images, generator, strength)
    images = _sharpness(images, generator, strength)
    return _erase(images, generator, strength).clamp_(0, 1).sub_(0.5).div_(0.5)


def plain(pixels: Bytes, size: int) -> Tensor:
    """Pictures to measure with, scaled as the shipped preprocessing does: float32 [n, 3, size, size]."""
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    resized = functional.interpolate(images, (size, size), mode="bicubic", antialias=True)
    return resized.clamp_(0, 1).sub_(0.5).div_(0.5)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator) * (high - low) + low


def _some(generator: torch.Generator, n: int, share: float) -> Tensor:
    return (torch.rand(n, generator=generator) < share).nonzero().flatten()


def _warp(images: Tensor, size: int, generator: torch.Generator, strength: float) -> Tensor:
    n = len(images)
    angle = strength * _uniform(generator, -0.3, 0.3, n)
    # Photos of garments lie any way round now and then.
    anyway = torch.rand(n, generator=generator) < 0.2 * strength
    angle = torch.where(anyway, _uniform(generator, -math.pi, math.pi, n), angle)
    scale = 1.05 - strength * _uniform(generator, 0.0, 0.4, n)
    stretch = torch.exp(strength * _uniform(generator, -0.2, 0.2, n))
    shear = strength * _uniform(generator, -0.12, 0.12, n)
    mirror = (torch.rand(n, generator=generator) < 0.5).float() * 2 - 1
    room = (1.05 - scale) * 0.85 + 0.05
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * stretch * angle.cos() * mirror, -scale * (angle.sin() + shear)
    theta[:, 1, 0], theta[:, 1, 1] = scale * angle.sin() * mirror, scale / stretch * angle.cos()
    theta[:, :, 2] = _uniform(generator, -1, 1, n, 2) * room[:, None]
    grid = functional.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _light(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    n = len(images)
    gain = 1 + strength * _uniform(generator, -0.25, 0.25, n, 1, 1, 1)
    lift = strength * _uniform(generator, -0.08, 0.08, n, 1, 1, 1)
    gamma = torch.exp(strength * _uniform(generator, -0.25, 0.25, n, 1, 1, 1))
    tint = 1 + strength * _uniform(generator, -0.05, 0.05, n, 3, 1, 1)
    return (((images.clamp(0, 1) ** gamma - 0.5) * gain + 0.5 + lift) * tint).clamp_(0, 1)


def _sharpness(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    n = len(images)
    blurred = _some(generator, n, 0.15 * strength)
    images[blurred] = functional.avg_pool2d(images[blurred], 3, 1, 1, count_include_pad=False)
    sharp = _some(generator, n, 0.1 * strength)
    soft = functional.avg_pool2d(images[sharp], 3, 1, 1, count_include_pad=False)
    images[sharp] = images[sharp] * 1.8 - soft * 0.8
    noisy = _some(generator, n, 0.15 * strength)
    images[noisy] += torch.randn(images[noisy].shape, generator=generator) * 0.05
    return images


def _erase(images: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    size = images.shape[-1]
    for index in _some(generator, len(images), 0.3 * strength).tolist():
        height, width = (int(v) for v in torch.randint(size // 8, size // 2, (2,), generator=generator))
        top, left = (int(v) for v in torch.randint(0, size - size // 3, (2,), generator=generator))
        images[index, :, top : top + height, left : left + width] = torch.rand(3, 1, 1, generator=generator)
    return images
