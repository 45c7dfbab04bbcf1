"""What the hand-made methods share: numpy on the CPU, and an answer for pictures they see nothing in."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from services.encoder.base import Vectors
from services.encoder.extractors.base import Extractor
from services.errors import EncoderUnavailable
from services.settings import Settings

Floats = npt.NDArray[np.floating[Any]]

#: ITU-R BT.601, as every library greys pictures.
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class HandMade(Extractor):
    """An extractor that computes outside torch, always in float32 on the CPU."""

    def __init__(self, name: str, model: Any, settings: Settings, *, configuration: dict[str, Any]) -> None:
        on_cpu = settings.model_copy(update={"device": "cpu", "precision": "fp32"})
        super().__init__(name, model, on_cpu, configuration=configuration)


def with_nothing(features: Floats) -> Vectors:
    """Features [n, d] -> float32 [n, d + 1]: a row of zeros gets 1 in the last column, all others 0.

    A flat picture has no gradients and no keypoints, so its features are all zero and have no cosine with
    anything. On an axis of its own it is equal to other flat pictures and unlike everything else.
    """
    out = np.zeros((len(features), features.shape[1] + 1), dtype=np.float32)
    out[:, :-1] = features
    out[:, -1] = ~features.any(axis=1)
    return out


def grey(pixels: Vectors) -> Vectors:
    """Pictures float32 [..., 3, h, w] -> [..., h, w], in the same range."""
    return np.tensordot(pixels, _GREY, axes=(-3, 0)).astype(np.float32)


def library(name: str, package: str) -> ModuleType:
    """A library that comes with the extra `methods` only. Raises `EncoderUnavailable`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EncoderUnavailable(
            f"This method needs {package}, which is not installed.",
            mend="Install it: pip install 'vitrine[methods]'.",
            field="encoder",
        ) from error
