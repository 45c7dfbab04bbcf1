"""Patch embeddings of every kind of image tower that open_clip offers."""

from __future__ import annotations

from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower

from services.encoder.dual import DualEncoder
from services.encoder.patches import patch_features, project_each
from services.errors import EncoderUnavailable
from tests.unit.encoder.pictures import noise

DIM = 24


def tower(dim: int = DIM, **config: object) -> torch.nn.Module:
    torch.manual_seed(1)
    visual = _build_vision_tower(dim, CLIPVisionCfg(**config)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in visual.parameters():
            # Zero biases and unit gains, as a fresh network has them, would hide a forgotten norm.
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return visual.requires_grad_(False)


def pixels(height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def vit(**config: Any) -> torch.nn.Module:
    small = {"layers": 2, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
    return tower(**(small | config))


def timm_tower(name: str, pool: str = "avg", projection: str = "linear", **config: object) -> torch.nn.Module:
    return tower(timm_model_name=name, timm_pool=pool, timm_proj=projection, **({"image_size": 64} | config))


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_byobnet", "repvit_m0_9"])
def test_mean_of_patches_is_the_picture_after_mean_pooling_and_a_linear_projection(name: str) -> None:
    visual = timm_tower(name)
    patches = patch_features(visual, pixels())
    assert patches.shape == (2, patches.shape[1], patches.shape[2], DIM)
    assert patches.shape[1] == patches.shape[2] == 2
    torch.testing.assert_close(patches.mean(dim=(1, 2)), visual(pixels()), atol=1e-4, rtol=1e-4)


def test_the_same_through_the_encoder(tiny_encoder: DualEncoder) -> None:
    pictures = [noise(seed) for seed in range(3)]
    raw = torch.from_numpy(np.stack([tiny_encoder.prepare(picture) for picture in pictures]))
    with torch.inference_mode():
        patches = tiny_encoder._patch_features(raw).numpy()
    mean = patches.mean(axis=(1, 2))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(mean, tiny_encoder.encode_images(pictures), atol=1e-5)

    shown = tiny_encoder.encode_patches(pictures)
    assert shown.shape == (3, 2, 2, 32)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, patches / np.linalg.norm(patches, axis=-1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "pool", "projection"),
    [
        ("test_convnext", "avg", "linear"),
        ("mobilenetv4_conv_small", "avg", ""),
        ("test_resnet", "", "mlp"),
        ("test_efficientnet", "rot_attn", ""),
    ],
)
def test_a_head_after_pooling_is_applied_to_each_position(name: str, pool: str, projection: str) -> None:
    """On a map that is the same everywhere, each patch must be what the whole map gives."""
    visual = timm_tower(name, pool, projection)
    features = visual.trunk.forward_features(pixels())
    even = features[:, :, :1, :1].expand(-1, -1, *features.shape[-2:])
    expected = visual.head(visual.trunk.forward_head(even))
    each = project_each(visual, even, pixels())
    torch.testing.assert_close(each, expected[:, None, None].expand_as(each), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(project_each(visual, features, pixels()), each)


def test_channels_last_features_are_read_as_such() -> None:
    visual = tower(timm_model_name="swin_tiny_patch4_window7_224", timm_pool="", timm_proj="linear")
    raw = pixels(224, 224)[:1]
    patches = patch_features(visual, raw)
    assert patches.shape == (1, 7, 7, DIM)
    # Swin normalises before it pools, so its patches add up exactly.
    torch.testing.assert_close(patches.mean(dim=(1, 2)), visual(raw), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("pool", "projection"),
    [("avg", "linear"), ("token", "linear"), ("token", ""), ("map", "none"), ("map", "")],
)
def test_timm_vit_tokens(pool: str, projection: str) -> None:
    visual = tower(timm_model_name="test_vit", timm_pool=pool, timm_proj=projection, image_size=160)
    raw = pixels(160, 160)
    patches = patch_features(visual, raw)
    assert patches.shape[:3] == (2, 10, 10)
    features = visual.trunk.forward_features(raw)
    prefix = visual.trunk.num_prefix_tokens
    assert features.shape[1] == 100 + prefix
    # All tokens alike: pooling has nothing to choose from, so each patch is the picture.
    even = features[:, prefix : prefix + 1].expand_as(features)
    expected = visual.head(visual.trunk.forward_head(even))
    each = project_each(visual, even, raw)
    torch.testing.assert_close(each, expected[:, None, None].expand_as(each), atol=1e-4, rtol=1e-4)


def test_rectangular_timm_tower_keeps_rows_and_columns_apart() -> None:
    visual = timm_tower("test_resnet", image_size=(64, 128))
    assert patch_features(visual, pixels(64, 128)).shape == (2, 2, 4, DIM)


def test_own_vit_with_mean_pooling_adds_up() -> None:
    visual = vit(pool_type="avg")
    patches = patch_features(visual, pixels())
    assert patches.shape == (2, 4, 4, DIM)
    torch.testing.assert_close(patches.mean(dim=(1, 2)), visual(pixels()), atol=1e-5, rtol=1e-4)


def test_own_vit_with_class_token_projects_each_token_like_the_class_token() -> None:
    for visual in (vit(), vit(final_ln_after_pool=True)):
        visual.output_tokens = True
        pooled, tokens = visual(pixels())
        if visual.final_ln_after_pool:
            tokens = visual.ln_post(tokens)
        patches = patch_features(visual, pixels())
        torch.testing.assert_close(patches.flatten(1, 2), tokens @ visual.proj, atol=1e-5, rtol=1e-4)
        hidden = visual.transformer(visual._embeds(pixels()))
        torch.testing.assert_close(pooled, visual.ln_post(hidden[:, 0]) @ visual.proj, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", [True, "parallel", "cascade"])
def test_attention_pooling_gives_each_token_its_value(pooling: bool | str) -> None:
    # open_clip builds the two-pooler variants only if both widths are the same.
    visual = vit(dim=64, attentional_pool=pooling, attn_pooler_queries=5, attn_pooler_heads=2)
    patches = patch_features(visual, pixels())
    hidden = visual.transformer(visual._embeds(pixels()))
    for position in (0, 5, 15):
        alone, _ = visual._pool(hidden[:, 1 + position : 2 + position])
        expected = (alone if alone.ndim == 2 else alone[:, 0]) @ visual.proj
        torch.testing.assert_close(patches.flatten(1, 2)[:, position], expected, atol=1e-5, rtol=1e-4)


def test_openai_resnet_gives_values() -> None:
    visual = tower(layers=[1, 1, 1, 1], width=16, head_width=64, image_size=64)
    raw = pixels()
    patches = patch_features(visual, raw)
    assert patches.shape == (2, 2, 2, DIM)
    with torch.no_grad():
        visual.attnpool.positional_embedding.zero_()
        even = torch.randn(2, 512, 1, 1).expand(-1, -1, 2, 2)
        values = torch.nn.functional.linear(
            even.permute(0, 2, 3, 1), visual.attnpool.v_proj.weight, visual.attnpool.v_proj.bias
        )
        each = visual.attnpool.c_proj(values)
    torch.testing.assert_close(each[:, 0, 0], visual.attnpool(even), atol=1e-4, rtol=1e-4)


def test_a_tower_without_places_says_so() -> None:
    with pytest.raises(EncoderUnavailable, match="Linear has no patch tokens"):
        patch_features(torch.nn.Linear(3, 3), pixels())
    visual = timm_tower("test_efficientnet", "abs_attn", "")
    with pytest.raises(EncoderUnavailable, match="no patch tokens"):
        project_each(visual, torch.zeros(1, 256, 2, 2), pixels())


def test_every_timm_tower_of_open_clip_is_of_a_kind_tested_here() -> None:
    """A new release with another pooling must not slip through unseen."""
    pools = set()
    for name in open_clip.list_models():
        vision = open_clip.get_model_config(name)["vision_cfg"]
        if "timm_model_name" in vision:
            pools.add(vision.get("timm_pool", "avg"))
    assert pools <= {"", "avg", "token", "map", "abs_attn", "rot_attn"}
