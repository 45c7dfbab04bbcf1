"""Convolutional extractors: a trunk of timm or torchvision, attention after its stages, pooling, projection.

    pixels [n, 3, s, s] -> stages with attention -> map [n, c, h, w] -> pooling [n, c] -> head [n, dim]

What a network was trained for (classes, pairs, triplets, views of one photo) does not show here: the same
architecture serves all of these, which is what makes them comparable.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from services.encoder.base import Measure
from services.encoder.extractors.base import Extractor, to_square
from services.encoder.extractors.folder import read_folder
from services.encoder.extractors.trunk import attentive, channels_of, make_trunk
from services.encoder.failures import unusable_model
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings

Attention = Literal["none", "se", "eca", "cbam"]
Pooling = Literal["avg", "gem", "attention"]

#: Sides of pictures, and widths, that a network may have.
_SIDES, _WIDTHS = (32, 512), (2, 4096)


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is made of. `trunk` is `timm:NAME` or `torchvision:NAME`, a convolutional network.

    `hidden` above 0 gives the head a hidden layer of that width (GELU): the small network of a learned
    measure. Raises `InvalidInput`, naming the field, for values that no network can have.
    """

    trunk: str = "timm:resnet10t"
    image_size: int = 96
    dim: int = 128
    attention: Attention = "none"
    pooling: Pooling = "avg"
    measure: Measure = "cosine"
    hidden: int = 0

    def __post_init__(self) -> None:
        for field, kind in (("attention", Attention), ("pooling", Pooling), ("measure", Measure)):
            if (value := getattr(self, field)) not in get_args(kind):
                raise InvalidInput(
                    f"The {field} {str(value)[:40]!r} is not known.",
                    mend=f"Use one of: {', '.join(get_args(kind))}.",
                    field=field,
                )
        for field, (low, high) in (("image_size", _SIDES), ("dim", _WIDTHS), ("hidden", (0, _WIDTHS[1]))):
            value = getattr(self, field)
            if not isinstance(value, int) or not low <= value <= high:
                raise InvalidInput(
                    f"The {field} {str(value)[:40]} is not between {low} and {high}.",
                    mend="Use a whole number that is.",
                    field=field,
                )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> NetworkConfig:
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})


class Network(nn.Module):
    """Pixels float32 [n, 3, s, s] in -1..1 -> embeddings [n, dim], not normalised."""

    def __init__(self, trunk: nn.Sequential, pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.pool = pool
        self.head = head

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """The map [n, c, h, w] that is pooled."""
        found: torch.Tensor = self.trunk(pixels)
        return found

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.head(self.pool(self.features(pixels)))
        return embedded

    def patches(self, pixels: torch.Tensor) -> torch.Tensor:
        """Each position of the map as if it were the only one, [n, h, w, dim]: pooling of any kind gives
        that position itself."""
        embedded: torch.Tensor = self.head(self.features(pixels).permute(0, 2, 3, 1))
        return embedded


class MeanPool(nn.Module):
    """[n, c, h, w] -> [n, c]."""

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        return found.mean((2, 3))


class GemPool(nn.Module):
    """Generalised mean, [n, c, h, w] -> [n, c], with a learned exponent (Radenovic et al. 2018, arXiv
    1711.02512): 1 is the mean, infinity the maximum."""

    def __init__(self, exponent: float = 3.0, least: float = 1e-6) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor([exponent]))
        self.least = least

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        exponent = self.exponent.clamp(min=1.0)
        # float32 whatever the arithmetic: powers leave the range of 16 bits.
        return found.float().clamp(min=self.least).pow(exponent).mean((2, 3)).pow(1 / exponent)


class AttentionPool(nn.Module):
    """Attention over regions, [n, c, h, w] -> [n, c]: a learned query asks every position of the map how much
    it matters, and their softmax weighs the mean (Ilse et al. 2018, arXiv 1802.04712; Noh et al. 2017, arXiv
    1612.06321). It begins as the mean."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Parameter(torch.zeros(channels))

    def weights(self, found: torch.Tensor) -> torch.Tensor:
        """How much each position counts: [n, h, w], each summing to 1."""
        places = self.norm(found.permute(0, 2, 3, 1))
        scores: torch.Tensor = places @ self.query / len(self.query) ** 0.5
        return functional.softmax(scores.flatten(1), dim=1).view_as(scores)

    def forward(self, found: torch.Tensor) -> torch.Tensor:
        return (found * self.weights(found).unsqueeze(1)).sum((2, 3))


def build(config: NetworkConfig, trunk: nn.Sequential | None = None) -> Network:
    """The network with fresh weights, float32, in training mode; `trunk` may bring weights of its own.

    Raises `InvalidInput` (field trunk) for a trunk that is not known or gives no map of features.
    """
    trunk = trunk or make_trunk(config.trunk)
    channels = channels_of(trunk, config.trunk, config.image_size)
    if config.attention != "none":
        trunk = attentive(trunk, config.attention)
    head: nn.Module = nn.Linear(channels, config.hidden or config.dim)
    if config.hidden:
        head = nn.Sequential(head, nn.GELU(), nn.Linear(config.hidden, config.dim))
    return Network(trunk, make_pool(config.pooling, channels), head).train()


def make_pool(kind: Pooling, channels: int) -> nn.Module:
    """What makes one vector [n, c] of a map [n, c, h, w]."""
    if kind == "gem":
        return GemPool()
    return AttentionPool(channels) if kind == "attention" else MeanPool()


def description_of(config: NetworkConfig, method: str, training: dict[str, Any]) -> dict[str, Any]:
    """What `write_folder` is given for a network that was trained by a method."""
    return {
        "method": method,
        "image_size": config.image_size,
        "dim": config.dim,
        "measure": config.measure,
        "config": config.as_dict(),
        "training": training,
    }


class NetworkEncoder(Extractor):
    """A trained network of a model folder. Pictures are scaled to -1..1."""

    _model: Network
    exportable = True

    def __init__(self, name: str, folder: Path, settings: Settings) -> None:
        description, tensors = read_folder(folder)
        try:
            config = NetworkConfig.from_dict(description["config"])
            model = build(config)
        except (InvalidInput, TypeError) as error:
            raise unusable_model(name, error) from None
        try:
            model.load_state_dict(
                {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
            )
        except RuntimeError as error:
            raise unusable_model(name, error) from None
        self.family = f"{description['method']} ({config.trunk.partition(':')[2]})"
        self.side = config.image_size
        self.measure = config.measure
        configuration = {"side": self.side, "resize": "bicubic squash", "range": [-1, 1]}
        super().__init__(name, model, settings, configuration=configuration | {"measure": self.measure})
        if self.dim != description["dim"]:
            raise EncoderUnavailable(
                f"The network of {name!r} gives {self.dim} dimensions, its description says "
                f"{description['dim']}.",
                mend="Train it anew.",
                field="encoder",
            )

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        return to_square(image, self.side).sub_(0.5).div_(0.5)

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._model(pixels)
        return features

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._model.patches(pixels)

    def _tuned(self, model: nn.Module) -> nn.Module:
        return model.to(memory_format=torch.channels_last)
