"""Image towers of ours beside timm's: its smallest ResNet with channel attention.

Importing this registers them, so that a model's `vision_cfg.timm_model_name` may name them like any other.
Attention stands at the end of each residual block: squeeze-and-excitation (`_se`: Hu et al. 2018, arXiv
1709.01507), efficient channel attention (`_eca`: Wang et al. 2020, arXiv 1910.03151), or channel and spatial
attention (`_cbam`: Woo et al. 2018, arXiv 1807.06521).
"""

from __future__ import annotations

from typing import Any

from timm.models import register_model
from timm.models.resnet import resnet10t


@register_model
def resnet10t_se(pretrained: bool = False, **options: Any) -> Any:
    """resnet10t with squeeze-and-excitation; there are no pretrained weights."""
    return _attentive("se", pretrained, options)


@register_model
def resnet10t_eca(pretrained: bool = False, **options: Any) -> Any:
    """resnet10t with efficient channel attention; there are no pretrained weights."""
    return _attentive("eca", pretrained, options)


@register_model
def resnet10t_cbam(pretrained: bool = False, **options: Any) -> Any:
    """resnet10t with channel and spatial attention; there are no pretrained weights."""
    return _attentive("cbam", pretrained, options)


def _attentive(kind: str, pretrained: bool, options: dict[str, Any]) -> Any:
    if pretrained:
        raise ValueError(f"There are no pretrained weights of resnet10t_{kind}.")
    return resnet10t(pretrained=False, block_args={"attn_layer": kind}, **options)
