"""Patch tokens for late interaction: what an index keeps of each picture, and what a photo asks with.

Late interaction (ColBERT: Khattab and Zaharia 2020, arXiv 2004.12832) keeps several vectors of a document
instead of one, and compares each token of a query with the one that it is most like.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from services.encoder.base import Encoder, Pixels, Vectors
from services.encoder.grid import coarser
from services.errors import EncoderUnavailable


@runtime_checkable
class PatchEncoder(Protocol):
    """An encoder that can look at places of pictures that are prepared already."""

    def encode_prepared_patches(self, pixels: Pixels) -> Vectors:
        """Pictures from `prepare`, stacked, at least one: float32 [n, 3, s, s] -> L2-normalised float32
        [n, rows, columns, d]."""


def picture_tokens(encoder: Encoder, prepared: Sequence[Pixels | None]) -> list[Vectors | None]:
    """Unit tokens float32 [k, d] of pictures from `Encoder.prepare`, None where there is none.

    They are the patches of the encoder's own grid (3 x 3 for the shipped one), averaged down to at most
    12 x 12. A finer grid, the picture moved by fractions of a patch, costs several looks. One look here.

    Raises `EncoderUnavailable` for an encoder whose image tower has no patches.
    """
    there = [pixels for pixels in prepared if pixels is not None]
    if not there:
        return [None] * len(prepared)
    if not isinstance(encoder, PatchEncoder):
        raise EncoderUnavailable(
            f"The encoder {encoder.identity.name} does not look at places of pictures.",
            mend="Choose another encoder, or set VITRINE_LATE_INTERACTION=false.",
            field="encoder",
        )
    grids = iter(encoder.encode_prepared_patches(np.stack(there)))
    return [None if pixels is None else coarser(next(grids)).reshape(-1, encoder.dim) for pixels in prepared]


def check_tokens(encoder: Encoder) -> None:
    """Raise `EncoderUnavailable` if the encoder cannot give any; costs a look at a blank picture."""
    from PIL import Image

    picture_tokens(encoder, [encoder.prepare(Image.new("RGB", (64, 64)))])
