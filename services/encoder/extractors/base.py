"""What the extractors have in common: a picture goes in, and no word ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import torch
from PIL import Image

from services.encoder.base import Vectors
from services.encoder.torch_encoder import TorchEncoder
from services.errors import EncoderUnavailable, PicturesOnly


class Extractor(TorchEncoder):
    """An encoder with an image side alone; keeps the contract of `services.encoder.base.Encoder`.

    Pictures are squeezed to a square of `side` pixels, as the shipped encoder does, so that every place of a
    picture counts. A subclass sets `side` before it calls `__init__` of this class.
    """

    sees_text = False
    side: int

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Empty float32 [0, d] for no texts. Raises `PicturesOnly` for any."""
        if texts:
            raise PicturesOnly(
                f"The encoder {self.name!r} sees pictures only, so words have no vectors.",
                mend="Give it pictures, or choose a dual encoder, such as vitrine-compact.",
                field="texts",
            )
        return np.empty((0, self.dim), dtype=np.float32)

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        """Pixels in 0..1: float32 [3, side, side]."""
        return to_square(image, self.side)

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        no_map(self.name)


def to_square(image: Image.Image, side: int) -> torch.Tensor:
    """An RGB picture squeezed to a square: float32 [3, side, side] in 0..1."""
    resized = image.resize((side, side), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float().div_(255)


def no_map(name: str) -> NoReturn:
    raise EncoderUnavailable(
        f"The encoder {name!r} describes pictures as a whole and not place by place.",
        mend="Search by the whole picture, or choose an encoder with a convolutional network or a ViT.",
        field="encoder",
    )
