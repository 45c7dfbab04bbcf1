"""Convolutional networks of timm and torchvision, cut into their stages: any of them can be a trunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import timm
import torch
import torchvision
from timm.layers.create_attn import create_attn
from timm.models._features import FeatureListNet
from torch import nn

import services.encoder.towers  # noqa: F401  # so that timm knows ours
from services.encoder.failures import one_line
from services.errors import InvalidInput

#: After so many of the last stages attention stands: after all but the stem of a usual network.
_ATTENTIVE = 4
#: Side of the picture that stages are told apart with; all that matters is that it can be halved often.
_PROBE = 128
_EXAMPLES = "timm:resnet10t, timm:vgg11_bn, torchvision:resnet18 or torchvision:vgg11_bn"


def make_trunk(name: str) -> nn.Sequential:
    """The stages of `timm:NAME` or `torchvision:NAME`, fresh: pixels [n, 3, s, s] -> map [n, c, h, w].

    A stage is what works at one resolution. Raises `InvalidInput` (field trunk).
    """
    library, colon, model = name.partition(":")
    if not colon or library not in ("timm", "torchvision"):
        raise InvalidInput(
            f"The trunk {name[:80]!r} does not say whose it is.",
            mend=f"Use timm:NAME or torchvision:NAME, such as {_EXAMPLES}.",
            field="trunk",
        )
    known = timm.is_model(model) if library == "timm" else model in torchvision.models.list_models()
    if not known:
        raise InvalidInput(
            f"{library} knows no model called {model[:80]!r}.",
            mend=f"Use one such as {_EXAMPLES}.",
            field="trunk",
        )
    try:
        return timm_stages(model) if library == "timm" else torchvision_stages(model)
    except InvalidInput:
        raise
    except Exception as error:
        raise _no_trunk(name, one_line(error)) from None


def timm_stages(model: str, **options: Any) -> nn.Sequential:
    """The stages of a model of timm; one stage where it cannot be cut."""
    net = timm.create_model(model, features_only=True, **options)
    if isinstance(net, FeatureListNet):
        return _staged(list(net.values()))
    # Networks that are not cut this way are built again whole, for the map before their head.
    whole = timm.create_model(model, num_classes=0, global_pool="", **options)
    return nn.Sequential(_Map(whole))


def torchvision_stages(model: str, weights: Any = None) -> nn.Sequential:
    """The stages of a model of torchvision: all before its global pooling."""
    net = torchvision.models.get_model(model, weights=weights)
    if isinstance(getattr(net, "features", None), nn.Sequential):
        return _staged(list(net.features))
    if not hasattr(net, "layer4"):
        raise _no_trunk(f"torchvision:{model}", f"a {type(net).__name__} has no stages in a row")
    return _staged([part for name, part in net.named_children() if name not in ("avgpool", "fc")])


class _Map(nn.Module):
    """The map of features, channels first, of a network of timm that is kept whole."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.net.forward_features(pixels)
        return found.permute(0, 3, 1, 2) if getattr(self.net, "output_fmt", "NCHW") == "NHWC" else found


def attentive(stages: nn.Sequential, kind: str) -> nn.Sequential:
    """The stages with attention after each of the last four, over channels (`se`: squeeze-and-excitation, Hu
    et al. 2018, arXiv 1709.01507; `eca`: Wang et al. 2020, arXiv 1910.03151) or over channels and places
    (`cbam`: Woo et al. 2018, arXiv 1807.06521)."""
    parts: list[nn.Module] = []
    first = len(stages) - _ATTENTIVE
    for number, (stage, shape) in enumerate(zip(stages, _shapes(list(stages)), strict=True)):
        parts.append(stage)
        if number >= first:
            parts.append(create_attn(kind, shape[0]))  # type: ignore[no-untyped-call]
    return nn.Sequential(*parts)


def channels_of(trunk: nn.Sequential, name: str, side: int) -> int:
    """Channels of the map of pictures with that side. Raises `InvalidInput` for a trunk that gives none."""
    was = trunk.training
    try:
        with torch.no_grad():
            found = trunk.eval()(torch.zeros(1, 3, side, side))
    except Exception as error:
        raise _no_trunk(name, one_line(error)) from None
    finally:
        trunk.train(was)
    if found.ndim != 4:
        raise _no_trunk(name, "it gives no map of features")
    return int(found.shape[1])


def _staged(parts: list[nn.Module]) -> nn.Sequential:
    """Parts that follow each other, those of one resolution in one stage; parts that only pool at the end
    belong to the last one."""
    stages: list[list[nn.Module]] = [[]]
    before = None
    for part, shape in zip(parts, _shapes(parts), strict=True):
        if before is not None and shape[1] < before and any(map(_learns, stages[-1])):
            stages.append([])
        stages[-1].append(part)
        before = shape[1]
    if len(stages) > 1 and not any(map(_learns, stages[-1])):
        last = stages.pop()
        stages[-1] += last
    return nn.Sequential(*(nn.Sequential(*stage) for stage in stages))


def _learns(part: nn.Module) -> bool:
    return next(part.parameters(), None) is not None


def _shapes(parts: list[nn.Module]) -> Iterator[tuple[int, int]]:
    """Channels and rows of the map after each part."""
    found = torch.zeros(1, 3, _PROBE, _PROBE)
    for part in parts:
        was = part.training
        with torch.no_grad():
            found = part.eval()(found)
        part.train(was)
        yield int(found.shape[1]), int(found.shape[2])


def _no_trunk(name: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"The network {name!r} cannot be a trunk: {why}.",
        mend=f"Use a convolutional one, such as {_EXAMPLES}.",
        field="trunk",
    )
