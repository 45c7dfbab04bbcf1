"""Preparing pictures and texts for an encoder without torch: what its own library does, in Pillow and numpy.

Only the common ways: a picture squeezed to a square, a tokenizer in one file. Whoever uses them holds them
against the encoder's own on the probes below first.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import ftfy
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer

from services.encoder.base import Pixels
from services.errors import InvalidInput

#: Characters of a text that are looked at for each token the text tower can hold. Real text has about
#: five to a token, and the cost of some tokenizers grows with the square of an endless word.
CHARACTERS_PER_TOKEN = 32

#: Texts to try an encoder on: what customers write, and what they should not.
PROBE_TEXTS = (
    "a red summer dress with stripes",
    "boots",
    "",
    " Caf\u00e9 &amp; cr\u00e8me\u2019s\t\ufb01ne  T-shirt nr. 12-A/7 ",
    "\u7ea2\u8272\u8fde\u8863\u88d9 \U0001f457",
    "a very long title " * 200,
)


def probe_pictures() -> list[Image.Image]:
    """Two pictures of nothing to try an encoder on, the same ones every time."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    return [Image.fromarray(pixels).resize((64, 48)) for pixels in noise]


def clean_text(text: str, context_length: int) -> str:
    """As much of a text as may count, as UTF-8 can say it."""
    # Half of a surrogate pair, as cut-off JSON may hold, is no character and has no UTF-8 form.
    return text[: CHARACTERS_PER_TOKEN * context_length].encode("utf-8", "replace").decode("utf-8")


def check_stacked(pixels: Pixels, size: int | None = None) -> None:
    """Raise `InvalidInput` unless these are prepared pictures [n, 3, height, width], of that side if one is
    given."""
    if pixels.ndim != 4 or pixels.shape[1] != 3 or (size is not None and pixels.shape[2:] != (size, size)):
        raise InvalidInput(
            f"Prepared pictures must have the shape [n, 3, height, width], not {list(pixels.shape)}.",
            mend="Stack what prepare() returns.",
            field="pixels",
        )


class Squeezed(BaseModel):
    """Pictures squeezed to a square of `size` pixels, whatever their shape, and normalised by channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"]

    def __call__(self, image: Image.Image) -> Pixels:
        """One picture -> float32 [3, size, size]."""
        how = Image.Resampling[self.interpolation.upper()]
        small = image.convert("RGB").resize((self.size, self.size), how)
        pixels = np.asarray(small).transpose(2, 0, 1).astype(np.float32, order="C") / np.float32(255)
        pixels -= np.array(self.mean, dtype=np.float32)[:, None, None]
        pixels /= np.array(self.std, dtype=np.float32)[:, None, None]
        return pixels


class TokenFile:
    """The tokenizer of a `tokenizer.json`, as open_clip uses it: tidied text in, padded to `length`."""

    def __init__(self, file: Path, *, length: int, pad: int) -> None:
        self._length = length
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(length=length, pad_id=pad)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Texts -> int64 [n, length]."""
        tidy = [_tidy(clean_text(text, self._length)) for text in texts]
        return np.array([one.ids for one in self._tokenizer.encode_batch(tidy)], dtype=np.int64)


def _tidy(text: str) -> str:
    # What open_clip calls "whitespace" cleaning.
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
