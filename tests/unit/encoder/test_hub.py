"""Models of a hub: fetched once, used without a network ever after; refusals told apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip import pretrained
from safetensors.torch import load_file, save_file

from services.encoder import openclip
from services.encoder.dual import DualEncoder
from services.encoder.registry import load_encoder
from services.errors import EncoderUnavailable
from services.settings import Settings
from tests.conftest import TINY_CONFIG, tiny_tokenizer
from tests.unit.encoder.conftest import LocalHub
from tests.unit.encoder.pictures import noise

PICTURES = [noise(1), noise(2)]
WEIGHTS = "open_clip_model.safetensors"


def load(name: str) -> DualEncoder:
    return load_encoder(Settings(encoder=name, device="cpu", precision="fp32"))


def publish(folder: Path, hub: LocalHub, repository: str) -> Path:
    """Put a model folder on the hub as open_clip's push_to_hf_hub does: it names the tokenizer."""
    target = shutil.copytree(folder, hub.root / repository)
    config = json.loads((target / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = repository
    (target / "open_clip_config.json").write_text(json.dumps(config))
    return target


def test_a_model_of_open_clip_is_fetched_and_stays(
    local_hub: LocalHub, tiny_openclip_dir: Path, tiny_encoder: DualEncoder, empty_cache: Path
) -> None:
    folder = publish(tiny_openclip_dir, local_hub, "shop/tiny")
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"not needed")
    assert load("hf-hub:shop/tiny").identity.same_space(tiny_encoder.identity)
    assert not list(empty_cache.rglob("*.bin")), "weights were fetched in two formats"
    local_hub.close()
    again = load("hf-hub:shop/tiny")
    np.testing.assert_allclose(again.encode_images(PICTURES), tiny_encoder.encode_images(PICTURES), atol=1e-6)


def test_weights_that_exist_as_a_pickle_only(
    local_hub: LocalHub, tiny_openclip_dir: Path, tiny_encoder: DualEncoder
) -> None:
    folder = publish(tiny_openclip_dir, local_hub, "shop/old")
    torch.save(load_file(folder / WEIGHTS), folder / "open_clip_pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    assert load("hf-hub:shop/old").identity.same_space(tiny_encoder.identity)
    local_hub.close()
    assert load("hf-hub:shop/old").identity.same_space(tiny_encoder.identity)


def test_a_tokenizer_of_another_repository(
    local_hub: LocalHub, tiny_openclip_dir: Path, tiny_encoder: DualEncoder
) -> None:
    folder = local_hub.root / "shop/split"
    folder.mkdir(parents=True)
    config = json.loads(json.dumps(TINY_CONFIG))
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "words/only"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    shutil.copy(tiny_openclip_dir / WEIGHTS, folder)
    with pytest.raises(EncoderUnavailable, match=r"'hf-hub:shop/split' \(it needs 'words/only'\) is not on"):
        load("hf-hub:shop/split")
    tiny_tokenizer().save_pretrained(local_hub.root / "words/only")
    assert load("hf-hub:shop/split").identity.same_space(tiny_encoder.identity)


def test_a_model_of_transformers_is_fetched_and_stays(
    local_hub: LocalHub, checkpoints: dict[str, Path]
) -> None:
    shutil.copytree(checkpoints["siglip"], local_hub.root / "shop/siglip")
    first = load("transformers:shop/siglip")
    assert first.identity.same_space(load(f"transformers:{checkpoints['siglip']}").identity)
    local_hub.close()
    assert load("transformers:shop/siglip").identity == first.identity


TINY_VIT: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"layers": 1, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture
def built_in(local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that open_clip knows by name, `tiny-vit/seed0`; the folder of its weights on the hub."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-vit", TINY_VIT)
    tag = {
        "url": "",
        "hf_hub": "shop/tiny-vit/",
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 0.5, 0.5),
        "interpolation": "bilinear",
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setitem(
        pretrained._PRETRAINED, "tiny-vit", {"seed0": tag, "seed1": tag | {"hf_hub": "shop/tiny-vit/x.bin"}}
    )
    torch.manual_seed(2)
    folder = local_hub.root / "shop/tiny-vit"
    folder.mkdir(parents=True)
    state = open_clip.create_model("tiny-vit").state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, folder / WEIGHTS)
    return folder


def test_a_model_and_tag_of_open_clip(built_in: Path) -> None:
    encoder = load("tiny-vit/seed0")
    model, preprocess = open_clip.create_model_from_pretrained(
        "tiny-vit",
        pretrained=str(built_in / WEIGHTS),
        force_quick_gelu=True,
        image_mean=(0.1, 0.2, 0.3),
        image_std=(0.5, 0.5, 0.5),
        image_interpolation="bilinear",
        image_resize_mode="squash",
    )
    with torch.no_grad():
        pixels = torch.stack([preprocess(picture) for picture in PICTURES])
        images = model.eval().encode_image(pixels, normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer("tiny-vit")(["Red shirt", ""]), normalize=True)
    np.testing.assert_allclose(encoder.encode_images(PICTURES), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(["Red shirt", ""]), texts.numpy(), atol=1e-5)
    assert encoder.context_length == 12


def test_the_memory_of_words_is_bounded(built_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load("tiny-vit/seed0")
    before = encoder.encode_texts(["red shirt"])
    monkeypatch.setattr(openclip, "WORDS_KEPT", 50)
    encoder.encode_texts([f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(100)])
    assert len(encoder._tokenizer.cache) < 50  # type: ignore[attr-defined]
    np.testing.assert_array_equal(encoder.encode_texts(["red shirt"]), before)


def test_patches_of_a_built_in_model(built_in: Path) -> None:
    encoder = load("tiny-vit/seed0")
    assert encoder.encode_patches(PICTURES).shape == (2, 4, 4, 16)


def test_weights_of_a_file_for_a_built_in_model(built_in: Path) -> None:
    from_file = load(f"tiny-vit/{built_in / WEIGHTS}")
    assert from_file.identity.weights == load("tiny-vit/seed0").identity.weights
    assert from_file.identity.preprocess != load("tiny-vit/seed0").identity.preprocess


def test_a_tag_whose_file_has_a_name_of_its_own(built_in: Path) -> None:
    (built_in / WEIGHTS).rename(built_in / "x.safetensors")
    load("tiny-vit/seed1")


def test_a_tag_whose_weights_are_gone(built_in: Path) -> None:
    (built_in / WEIGHTS).rename(built_in / "other.safetensors")
    assert f"shop/tiny-vit ({WEIGHTS} or open_clip_pytorch_model.bin)" in refusal("tiny-vit/seed0")


def refusal(name: str) -> str:
    with pytest.raises(EncoderUnavailable) as caught:
        load(name)
    return str(caught.value)


def test_refusals_are_told_apart(local_hub: LocalHub) -> None:
    assert f"is not on {local_hub.url}, or it is private" in refusal("hf-hub:shop/none")
    local_hub.status["shop/gated"] = (403, "GatedRepo")
    assert "accepted its terms" in refusal("transformers:shop/gated")
    local_hub.status["shop/down"] = (503, "")
    assert f"cannot be downloaded: {local_hub.url} answered 503" in refusal("hf-hub:shop/down")


def test_a_cache_that_cannot_be_written(
    local_hub: LocalHub, tiny_openclip_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tiny_openclip_dir, local_hub, "shop/tiny")
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    assert f"cannot be stored in {str(tmp_path / 'file')!r}" in refusal("hf-hub:shop/tiny")


def test_repositories_of_the_other_library(
    local_hub: LocalHub, tiny_openclip_dir: Path, checkpoints: dict[str, Path]
) -> None:
    shutil.copytree(checkpoints["clip"], local_hub.root / "shop/clip")
    assert "VITRINE_ENCODER=transformers:shop/clip" in refusal("hf-hub:shop/clip")
    shutil.copytree(tiny_openclip_dir, local_hub.root / "shop/tiny")
    assert "hf-hub:MODEL" in refusal("transformers:shop/tiny")


def test_a_cached_copy_without_weights_is_no_model(
    local_hub: LocalHub, tiny_openclip_dir: Path, empty_cache: Path
) -> None:
    publish(tiny_openclip_dir, local_hub, "shop/tiny")
    load("hf-hub:shop/tiny")
    local_hub.close()
    for path in empty_cache.rglob(WEIGHTS):
        path.unlink()
    assert "holds no weights" in refusal("hf-hub:shop/tiny")
