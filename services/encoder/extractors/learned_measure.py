"""A learned distance over the vectors of any encoder, folded into the vectors themselves.

    mahalanobis   (x - y)' M (x - y) with M = L'L is |Lx - Ly|^2: the vectors become Lx, exactly
    network       |g(x) - g(y)| for a small network g, which acts on one side at a time and folds likewise

so every store that compares by Euclidean distance compares by the learned one. Words go the same way if
the encoder sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from services.encoder.base import Vectors
from services.encoder.extractors.folder import is_extractor, read_description, read_folder
from services.encoder.failures import unusable_model
from services.encoder.torch_encoder import TorchEncoder
from services.errors import EncoderUnavailable
from services.settings import Settings


class LearnedMap(nn.Module):
    """[n, width] -> [n, dim]: a linear map, and with `hidden` a network of that width added to it, which
    begins as nothing."""

    def __init__(self, width: int, dim: int, hidden: int = 0) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim, bias=False)
        self.curved: nn.Module | None = None
        if hidden:
            last = nn.Linear(hidden, dim)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.curved = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.linear(vectors)
        return mapped if self.curved is None else mapped + self.curved(vectors)


def base_name(name: str, description: dict[str, Any]) -> str:
    """The encoder whose vectors a measure was learned over.

    Raises `EncoderUnavailable` for a description that names none, or a learned measure again.
    """
    base = description["config"].get("base")
    if not isinstance(base, str):
        raise unusable_model(name, ValueError("it does not say over which encoder it was learned"))
    if is_measure(base):
        raise unusable_model(name, ValueError("it was learned over another learned measure"))
    return base


def is_measure(encoder: str) -> bool:
    """Whether the name of an encoder is that of a folder with a learned measure."""
    prefix, _, place = encoder.strip().partition(":")
    folder = Path(place).expanduser()
    return prefix == "local-dir" and is_extractor(folder) and read_description(folder)["method"] == "measure"


class LearnedMeasure(TorchEncoder):
    """An encoder whose vectors pass through a learned map, and are compared by Euclidean distance."""

    _model: LearnedMap

    def __init__(self, name: str, folder: Path, base: TorchEncoder, settings: Settings) -> None:
        description, tensors = read_folder(folder)
        config = description["config"]
        now = base.identity.as_dict()
        if any(now[key] != config.get("identity", {}).get(key) for key in ("weights", "preprocess", "dim")):
            raise EncoderUnavailable(
                f"The distance of {name!r} was learned over other weights or preprocessing of "
                f"{base.name!r} than are there now.",
                mend="Bring these back, or learn the distance anew: vitrine train --method measure.",
                field="encoder",
            )
        try:
            model = LearnedMap(base.dim, description["dim"], int(config.get("hidden", 0)))
            model.load_state_dict({key: value.float() for key, value in tensors.items()})
        except (RuntimeError, TypeError, ValueError) as error:
            raise unusable_model(name, error) from None
        self._base = base
        self.family = f"learned distance ({base.name})"
        self.sees_text = base.sees_text
        self.measure = "euclid"
        # The map costs nothing, and stays exact.
        exact = settings.model_copy(update={"precision": "fp32"})
        identity = {key: now[key] for key in ("weights", "preprocess", "dim")}
        super().__init__(name, model, exact, configuration={"base": identity, "measure": self.measure})
        self.parameters += base.parameters
        self.bytes += base.bytes

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts -> float32 [n, d]; n may be 0. Raises `PicturesOnly` if the encoder below sees pictures
        only."""
        vectors = torch.from_numpy(self._base.encode_texts(texts))
        return self._run(self._model, torch.split(vectors, self.batch_size) if len(vectors) else ())

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(self._base.prepare(image))

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._mapped(self._base.encode_prepared(pixels.cpu().numpy()))

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._mapped(self._base.encode_prepared_patches(pixels.cpu().numpy()))

    def _mapped(self, vectors: Vectors) -> torch.Tensor:
        mapped: torch.Tensor = self._model(torch.from_numpy(vectors).to(self.device))
        return mapped
