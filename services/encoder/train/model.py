"""The compact model: an open_clip config of our own, loaded by open_clip like any `local-dir:` model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file, save_file

import services.encoder.towers  # noqa: F401  # its towers may be named
from services.encoder.train.tokenizer import CONTEXT_LENGTH

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def config(
    *, tower: str, image_size: int, vocabulary: int, width: int = 192, layers: int = 2, dim: int = 256
) -> dict[str, Any]:
    """The `open_clip_config.json` of the compact model."""
    return {
        "model_cfg": {
            "embed_dim": dim,
            "custom_text": True,
            "vision_cfg": {
                "timm_model_name": tower,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "",
                "image_size": image_size,
            },
            "text_cfg": {
                "context_length": CONTEXT_LENGTH,
                "vocab_size": vocabulary,
                "hf_tokenizer_name": "vitrine-compact",
                "width": width,
                "heads": width // 64,
                "layers": layers,
                "pad_id": 0,
                "eos_id": 2,
                "pool_type": "eos",
            },
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }


def write_config(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(json.dumps(settings, indent=2) + "\n")


def build(settings: dict[str, Any]) -> torch.nn.Module:
    """The model with fresh weights, float32."""
    model: torch.nn.Module = open_clip.model.CustomTextCLIP(
        **{key: value for key, value in settings["model_cfg"].items() if key != "custom_text"}
    )
    return model


def memory_format(tower: str) -> torch.memory_format:
    """How the tower trains fastest on a CPU: channels last, except where torch's own kernels fail at that.

    Large depthwise kernels, as in FastViT, corrupt memory in torch 2.15's backward pass channels last.
    """
    return torch.contiguous_format if tower.startswith("fastvit") else torch.channels_last


def encode_text(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """open_clip's `encode_text`, unit features [n, d], of token ids [n, context] at the cost of the longest.

    Columns that are padding (0) in every row are cut off, and the causal mask with them: no token ever
    looks at the padding behind it, so the features are the same.
    """
    longest = int((tokens != 0).sum(1).max())
    mask = model.text.attn_mask
    model.text.attn_mask = mask[:longest, :longest]
    try:
        features: torch.Tensor = model.encode_text(tokens[:, :longest], normalize=True)
    finally:
        model.text.attn_mask = mask
    return features


def save_weights(model: torch.nn.Module, folder: Path) -> int:
    """Write fp16 safetensors (batch statistics and all); returns the bytes."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in model.state_dict().items()
    }
    path = folder / WEIGHTS
    save_file(state, path, metadata={"format": "pt"})
    path.chmod(0o644)  # it is written for its owner alone otherwise
    return path.stat().st_size


def load_weights(model: torch.nn.Module, folder: Path) -> None:
    model.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in load_file(folder / WEIGHTS).items()
        }
    )
