"""What every encoder offers: pictures in, and words where it sees them, vectors of one space out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Vectors = npt.NDArray[np.float32]
#: Prepared pictures: float32 [3, s, s], or stacked [n, 3, s, s]. No tensors, so that whoever holds an encoder
#: need not import torch, which takes seconds.
Pixels = npt.NDArray[np.float32]
#: What vectors are compared by.
Measure = Literal["cosine", "euclid", "dot"]


@dataclass(frozen=True)
class EncoderIdentity:
    """What must be equal for two embeddings to be comparable; stored with the collection.

    `weights` is a SHA-256 (hex, 16 digits) over all parameters, `preprocess` one over the image
    preprocessing and the tokenizer, `dim` the width of the shared space.
    """

    name: str
    weights: str
    preprocess: str
    dim: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> EncoderIdentity:
        return cls(
            name=data["name"], weights=data["weights"], preprocess=data["preprocess"], dim=int(data["dim"])
        )

    def same_space(self, other: EncoderIdentity) -> bool:
        """True if vectors of both live in one space; the name alone does not matter."""
        return (self.weights, self.preprocess, self.dim) == (other.weights, other.preprocess, other.dim)

    def __str__(self) -> str:
        return f"{self.name} (weights {self.weights[:8]}, {self.dim}-d)"


@runtime_checkable
class LoadsBehind(Protocol):
    """An encoder that answers before all of it is loaded."""

    def load_behind(self) -> None:
        """Begin to load the rest where that is worth its memory, without waiting for it."""


@runtime_checkable
class Encoder(Protocol):
    """A dual encoder (CLIP, Radford et al. 2021, arXiv 2103.00020), or one with an image side alone.

    Vectors have unit length (L2) unless `measure` is another than cosine; patches always have. Safe to call
    from several threads.
    """

    @property
    def sees_text(self) -> bool:
        """Whether it puts texts into the space; False for an extractor, which sees pictures only."""

    @property
    def measure(self) -> Measure:
        """What its vectors are meant to be compared by."""

    @property
    def identity(self) -> EncoderIdentity: ...

    @property
    def dim(self) -> int:
        """Width d of the shared space."""

    @property
    def image_size(self) -> int:
        """Side in pixels of the square the image tower sees; loaders may decode JPEGs down to it."""

    def prepare(self, image: Image) -> Pixels:
        """One RGB picture preprocessed: float32 [3, image_size, image_size]. Cheap, for loader threads."""

    def encode_prepared(self, pixels: Pixels) -> Vectors:
        """Pictures from `prepare`, stacked: float32 [n, 3, s, s] -> float32 [n, d]."""

    def encode_images(self, images: Sequence[Image]) -> Vectors:
        """RGB pictures -> float32 [n, d]; n may be 0."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts -> float32 [n, d]; n may be 0.

        Raises `services.errors.PicturesOnly` for any text if the encoder does not see them.
        """

    def encode_patches(self, images: Sequence[Image]) -> Vectors:
        """Patch tokens projected to the space: L2-normalised float32 [n, rows, columns, d].

        Raises `services.errors.EncoderUnavailable` for a tower that has no spatial tokens.
        """
