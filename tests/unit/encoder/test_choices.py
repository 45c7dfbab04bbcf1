"""What `vitrine encoder list` says of encoders, against the architectures themselves; no weights needed."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
import transformers
from open_clip.pretrained import get_pretrained_cfg

from services.encoder.choices import DEFAULT, KNOWN, Choice
from services.encoder.hub import is_downloaded
from services.encoder.registry import load_encoder, parse_name
from services.settings import Settings
from tests.unit.encoder.conftest import LocalHub
from tests.unit.encoder.test_hub import publish

DOWNLOADS = [choice for choice in KNOWN if choice.name != DEFAULT]


def built(choice: Choice) -> torch.nn.Module:
    """The architecture on torch's meta device: shapes without numbers."""
    with torch.device("meta"):
        if not choice.architecture:
            towers = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
            return transformers.ChineseCLIPModel(
                transformers.ChineseCLIPConfig(
                    text_config=towers | {"vocab_size": 21128, "intermediate_size": 3072},
                    vision_config=towers | {"patch_size": 16, "image_size": 224, "intermediate_size": 3072},
                    projection_dim=512,
                )
            )
        config = open_clip.get_model_config(choice.architecture)
        own = config.pop("custom_text", False)
        config.pop("quick_gelu", None)
        return (open_clip.model.CustomTextCLIP if own else open_clip.model.CLIP)(**config)


@pytest.mark.parametrize("choice", DOWNLOADS, ids=lambda choice: choice.name)
def test_figures_are_those_of_the_architecture(choice: Choice) -> None:
    if choice.architecture:
        config = open_clip.get_model_config(choice.architecture)
        assert (config["embed_dim"], config["vision_cfg"]["image_size"]) == (choice.dim, choice.image_size)
    if choice.architecture.startswith("xlm-roberta"):
        pictures = open_clip.get_model_config("ViT-B-32")
        with torch.device("meta"):
            tower = open_clip.model.CLIP(**pictures).visual
            text = transformers.XLMRobertaModel(
                transformers.XLMRobertaConfig(
                    vocab_size=250_002, max_position_embeddings=514, type_vocab_size=1
                ),
                add_pooling_layer=False,
            )
        # open_clip puts two linear layers without bias behind the text tower: 768 -> 640 -> 512.
        head = 768 * 640 + 640 * 512
        counted = sum(p.numel() for m in (tower, text) for p in m.parameters()) + head + 1
    else:
        counted = sum(parameter.numel() for parameter in built(choice).parameters())
    assert counted == choice.parameters


@pytest.mark.parametrize("choice", KNOWN, ids=lambda choice: choice.name)
def test_names_say_where_the_weights_are(choice: Choice) -> None:
    parsed = parse_name(choice.name)
    if parsed.kind == "openclip":
        tag = get_pretrained_cfg(parsed.place, parsed.weights)
        assert tag["hf_hub"].strip("/") == choice.repository
    elif choice.name != DEFAULT:
        assert parsed.place == choice.repository


def test_every_use_is_named_and_the_smallest_come_first() -> None:
    uses = {choice.use for choice in KNOWN}
    assert uses == {"shipped", "general", "fashion", "e-commerce", "multilingual", "Chinese"}
    assert [choice.parameters for choice in KNOWN] == sorted(choice.parameters for choice in KNOWN)


def test_what_is_downloaded_is_seen_in_the_cache(local_hub: LocalHub, tiny_openclip_dir: Path) -> None:
    publish(tiny_openclip_dir, local_hub, "shop/tiny")
    assert not is_downloaded("shop/tiny")
    load_encoder(Settings(encoder="hf-hub:shop/tiny", device="cpu", precision="fp32"))
    assert is_downloaded("shop/tiny")
    assert not is_downloaded("shop/other")
