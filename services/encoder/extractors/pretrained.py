"""Networks with the weights that timm and torchvision publish, as extractors: what classes taught them.

The map before their classifier is averaged over all places (SPoC: Babenko and Lempitsky 2015, arXiv
1510.07493), which serves VGG and ResNet alike and needs no fully connected layer.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torch.hub import get_dir

from services.encoder import hub
from services.encoder.extractors.base import Extractor
from services.encoder.extractors.network import MeanPool, Network
from services.encoder.extractors.trunk import channels_of, timm_stages, torchvision_stages
from services.encoder.failures import one_line, unusable_model
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class PretrainedEncoder(Extractor):
    """A network as its library publishes it, with the preprocessing that it was trained with."""

    _model: Network
    exportable = True

    def __init__(
        self,
        name: str,
        trunk: nn.Sequential,
        preprocess: Callable[[Image.Image], torch.Tensor],
        settings: Settings,
        *,
        family: str,
    ) -> None:
        self._preprocess = preprocess
        self.family = family
        network = Network(trunk, MeanPool(), nn.Identity())
        super().__init__(name, network, settings, configuration={"preprocess": str(preprocess)})

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        return self._preprocess(image)

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._model(pixels)
        return features

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._model.patches(pixels)

    def _tuned(self, model: nn.Module) -> nn.Module:
        return model.to(memory_format=torch.channels_last)


def load_timm(name: str, model: str, settings: Settings) -> PretrainedEncoder:
    """A model of timm by its name and tag, `resnet50.a1_in1k`; without a tag its usual weights.

    Raises `EncoderUnavailable` for one that is not known, has no weights, or cannot be fetched.
    """
    if not timm.is_model(model):
        raise _unknown(name, "timm", "timm:resnet50.a1_in1k")
    pretrained = timm.get_pretrained_cfg(model)
    if pretrained is None or not pretrained.hf_hub_id:
        raise EncoderUnavailable(
            f"timm publishes no weights for {model!r}.",
            mend="Choose another, such as timm:resnet50.a1_in1k.",
            field="encoder",
        )
    try:
        folder = hub.fetch(name, pretrained.hf_hub_id, ["config.json"], weights=_WEIGHTS)
    except EncoderUnavailable as error:
        # Its own mends are for dual encoders.
        error.mend = (
            "Connect to the network, point HF_ENDPOINT to a mirror, use hog, which needs no weights, or "
            "train a network on your own catalogue: vitrine train."
        )
        raise
    file = next((folder / weights for weights in _WEIGHTS if (folder / weights).is_file()), None)
    if file is None:
        raise EncoderUnavailable(
            f"The encoder {name!r} has no weights on this machine ({' or '.join(_WEIGHTS)} of "
            f"{pretrained.hf_hub_id}).",
            mend="Connect to the network to fetch them, or choose another encoder.",
            field="encoder",
        )
    published: dict[str, Any] = resolve_data_config(pretrained_cfg=pretrained.to_dict())  # type: ignore[no-untyped-call]
    preprocess = create_transform(**published)
    options = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file), "hf_hub_id": None}}
    return _built(
        name, lambda: timm_stages(model, **options), preprocess, settings, pretrained.input_size[-1], "timm"
    )


def load_torchvision(name: str, model: str, weights: str | None, settings: Settings) -> PretrainedEncoder:
    """A model of torchvision and one of its weights, `vgg16/IMAGENET1K_V1`; without one its usual weights.

    Raises `EncoderUnavailable` for one that is not known or cannot be fetched.
    """
    if model not in torchvision.models.list_models(torchvision.models):
        raise _unknown(name, "torchvision", "torchvision:vgg16/IMAGENET1K_V1")
    known = torchvision.models.get_model_weights(model)
    tags = sorted(known.__members__)
    if weights is not None and weights not in tags:
        raise EncoderUnavailable(
            f"torchvision has no weights {weights[:60]!r} for {model!r}.",
            mend=f"Use one of: {', '.join(tags)}.",
            field="encoder",
        )
    chosen = known[weights or "DEFAULT"]
    _check_reach(name, chosen.url)
    preprocess = chosen.transforms()
    side = int(preprocess.crop_size[0])
    return _built(
        name,
        lambda: torchvision_stages(model, chosen),
        preprocess,
        settings,
        side,
        f"torchvision {chosen.name}",
    )


def pretrained_trunk(trunk: str, settings: Settings) -> nn.Sequential:
    """The stages of `timm:NAME` or `torchvision:NAME` with published weights, ready to be trained further.

    Raises `EncoderUnavailable` for one that is not known, has no weights, or cannot be fetched.
    """
    library, _, model = trunk.partition(":")
    if library == "timm":
        encoder = load_timm(trunk, model, settings)
    else:
        encoder = load_torchvision(trunk, model, None, settings)
    return encoder._model.trunk.cpu().requires_grad_(True).train()


def _built(
    name: str,
    stages: Callable[[], nn.Sequential],
    preprocess: Any,
    settings: Settings,
    side: int,
    family: str,
) -> PretrainedEncoder:
    try:
        trunk = stages()
        channels_of(trunk, name, side)
    except (InvalidInput, OSError, RuntimeError, ValueError) as error:
        raise unusable_model(name, error) from None
    return PretrainedEncoder(name, trunk, preprocess, settings, family=family)


def _check_reach(name: str, url: str) -> None:
    """Raise `EncoderUnavailable` if weights of torchvision are neither here nor to be had.

    torch's own loader has no time limit, and ends in an error of whichever layer failed.
    """
    file = Path(get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if file.is_file():
        return
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.urlopen(request, timeout=hub.REACH_TIMEOUT).close()
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise EncoderUnavailable(
            f"The weights of {name!r} are not on this machine and cannot be downloaded: {url} cannot be "
            f"reached ({one_line(error, 100)}).",
            mend=f"Connect to the network, or put the file at {file}.",
            field="encoder",
        ) from None


def _unknown(name: str, library: str, example: str) -> EncoderUnavailable:
    return EncoderUnavailable(
        f"{library} knows no model {name[:80]!r}.", mend=f"Use a name such as {example}.", field="encoder"
    )
