"""Patch embeddings of open_clip's image towers: what each place of a picture shows, in the shared space.

One idea serves every tower: pool and project each position as though it were the only one (Zhou et al.
2022, MaskCLIP, arXiv 2112.01071). Attention over a single key gives its value, a mean over one position
that position, so each tower's own head is asked rather than a copy of it.
"""

from __future__ import annotations

from typing import Any

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import AttentionalPooler, VisionTransformer
from timm.layers.attention_pool2d import AttentionPool2d
from torch.nn.functional import linear

from services.errors import EncoderUnavailable


def patch_features(visual: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """float32 [n, 3, height, width] -> [n, rows, columns, d], not normalised.

    Raises `EncoderUnavailable` for a tower without spatial tokens.
    """
    if isinstance(visual, VisionTransformer):
        return _vision_transformer(visual, pixels)
    if isinstance(visual, TimmModel):
        return project_each(visual, visual.trunk.forward_features(pixels), pixels)
    if isinstance(visual, ModifiedResNet):
        return _modified_resnet(visual, pixels)
    raise no_patches(type(visual).__name__)


def no_patches(tower: str) -> EncoderUnavailable:
    return EncoderUnavailable(
        f"The image tower {tower} has no patch tokens that could be projected into the shared space.",
        mend="Choose an encoder with a ViT or convolutional tower.",
        field="encoder",
    )


def _vision_transformer(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    last = visual.forward_intermediates(pixels, indices=1, intermediates_only=True, output_fmt="NCHW")
    tokens = last["image_intermediates"][-1].permute(0, 2, 3, 1)
    if visual.attn_pool is None:
        pooled = visual.ln_post(tokens)
    elif visual.attn_pool_contrastive is None:
        pooled = visual.ln_post(_attend_alone(visual.attn_pool, tokens))
    else:
        pooled = visual.ln_post(tokens)
        if visual.attn_pool_type == "cascade":
            pooled = _attend_alone(visual.attn_pool, pooled)
        pooled = _attend_alone(visual.attn_pool_contrastive, pooled)
    projected: torch.Tensor = pooled @ visual.proj
    return projected


def _attend_alone(pooler: AttentionalPooler, tokens: torch.Tensor) -> torch.Tensor:
    """The pooler's answer to each token by itself; all its queries give the same, so one is asked."""
    keys = pooler.ln_k(tokens).flatten(0, -2).unsqueeze(1)
    query = pooler.ln_q(pooler.query[:1]).expand(len(keys), 1, -1)
    answer: torch.Tensor = pooler.attn(query, keys, keys, need_weights=False)[0]
    return answer.reshape(*tokens.shape[:-1], -1)


def _modified_resnet(visual: Any, pixels: torch.Tensor) -> torch.Tensor:
    last = visual.forward_intermediates(pixels, indices=1, intermediates_only=True)["image_intermediates"][-1]
    pool = visual.attnpool
    values = linear(last.permute(0, 2, 3, 1), pool.v_proj.weight, pool.v_proj.bias)
    return linear(values, pool.c_proj.weight, pool.c_proj.bias)


def project_each(visual: Any, features: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Features of a timm trunk, through its head one position at a time: [n, rows, columns, d]."""
    trunk = visual.trunk
    if isinstance(getattr(visual.head, "pool", None), AttentionPool2d):
        # Its position table fits the whole map only.
        raise no_patches(type(trunk).__name__)
    if features.ndim == 4:
        if getattr(trunk, "output_fmt", "NCHW") == "NHWC":
            count, rows, columns, width = features.shape
            alone = features.reshape(-1, 1, 1, width)
        else:
            count, width, rows, columns = features.shape
            alone = features.permute(0, 2, 3, 1).reshape(-1, width, 1, 1)
    elif features.ndim == 3:
        patches = features[:, getattr(trunk, "num_prefix_tokens", 0) :]
        count, length, width = patches.shape
        rows, columns = _grid(length, pixels, trunk)
        alone = patches.reshape(-1, 1, width)
        alone = torch.cat([alone.new_zeros(len(alone), _prefix_left_out(trunk), width), alone], dim=1)
    else:
        raise no_patches(type(trunk).__name__)
    projected: torch.Tensor = visual.head(trunk.forward_head(alone))
    return projected.reshape(count, rows, columns, -1)


def _grid(length: int, pixels: torch.Tensor, trunk: Any) -> tuple[int, int]:
    height, width = pixels.shape[-2:]
    rows = round((length * height / width) ** 0.5)
    if rows == 0 or length % rows:
        raise no_patches(type(trunk).__name__)
    return rows, length // rows


def _prefix_left_out(trunk: Any) -> int:
    """How many tokens at the front (class, registers) the trunk's pooling skips."""
    prefix: int = getattr(trunk, "num_prefix_tokens", 0)
    if getattr(trunk, "attn_pool", None) is not None:
        # Only the plain ViT has the choice; EVA's attention looks at all tokens.
        return 0 if getattr(trunk, "pool_include_prefix", True) else prefix
    return 0 if trunk.global_pool == "token" or getattr(trunk, "pool_include_prefix", False) else prefix
