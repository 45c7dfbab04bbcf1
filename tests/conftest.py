"""Fixtures that several test folders share: small encoders that are real, only not trained."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from services.encoder.dual import DualEncoder
from services.encoder.registry import DEFAULT_FOLDER, load_encoder
from services.settings import Settings

# Threads gain nothing on models this small, and on a busy machine they wait for each other.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands under test configure logging, to a stderr that ends with their test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


#: open_clip's configuration of the tiny model: the layout of the shipped one, with less in it. The
#: image tower pools by mean and projects linearly, so patches and pictures can be compared exactly.
TINY_CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 32,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "test_resnet",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": 64,
        },
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 400,
            "hf_tokenizer_name": "tiny",
            "width": 64,
            "heads": 2,
            "layers": 1,
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

_CORPUS = [
    f"{colour} {material} {thing}"
    for colour in ("red", "blue", "green", "black", "white", "yellow")
    for material in ("cotton", "leather", "wooden", "striped")
    for thing in ("shirt", "chair", "mug", "boots", "dress", "lamp", "backpack")
]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of 400 entries with the special tokens of the shipped one: pad 0, bos 1, eos 2."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(
        _CORPUS,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<pad>", "<bos>", "<eos>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 1), ("<eos>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        model_max_length=16,
    )


def write_tiny_openclip(folder: Path, *, tower: str = "test_resnet", seed: int = 0) -> Path:
    """A model folder as open_clip's `local-dir:` wants it, with random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(TINY_CONFIG)
    config["model_cfg"]["vision_cfg"]["timm_model_name"] = tower
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    settings = {key: value for key, value in config["model_cfg"].items() if key != "custom_text"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.model.CustomTextCLIP(**settings).train()
        with torch.no_grad():
            # Batch statistics of flat colours, so that different pictures get clearly different vectors.
            for _ in range(4):
                model.visual(torch.rand(16, 3, 1, 1).expand(-1, -1, 64, 64) * 2 - 1)
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_openclip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a real, small open_clip model; its weights are random but always the same."""
    return write_tiny_openclip(tmp_path_factory.mktemp("tiny-openclip"))


@pytest.fixture(scope="session")
def tiny_encoder(tiny_openclip_dir: Path) -> DualEncoder:
    """The encoder of `tiny_openclip_dir`: 64 px, 32 dimensions, on the CPU in fp32."""
    return load_encoder(Settings(encoder=f"local-dir:{tiny_openclip_dir}", device="cpu", precision="fp32"))


@pytest.fixture(scope="session")
def compact_encoder() -> DualEncoder:
    """The encoder that Vitrine ships, on the CPU in fp32."""
    if not (DEFAULT_FOLDER / "open_clip_model.safetensors").is_file():
        pytest.skip("the weights of vitrine-compact are not in this checkout")
    return load_encoder(Settings(encoder="vitrine-compact", device="cpu", precision="fp32"))
