"""The identity follows what decides vectors, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from services.encoder.base import EncoderIdentity
from services.encoder.dual import DualEncoder
from services.encoder.identity import hash_weights
from services.encoder.registry import load_encoder
from services.settings import Settings
from tests.conftest import tiny_tokenizer

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def copy(tiny_openclip_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_openclip_dir, tmp_path / "copy")


def identity(folder: Path) -> EncoderIdentity:
    return load_encoder(Settings(encoder=f"local-dir:{folder}", device="cpu", precision="fp32")).identity


def test_a_copy_elsewhere_is_the_same_space(copy: Path, tiny_encoder: DualEncoder) -> None:
    assert identity(copy) != tiny_encoder.identity, "the names differ"
    assert identity(copy).same_space(tiny_encoder.identity)
    assert EncoderIdentity.from_dict(identity(copy).as_dict()).same_space(tiny_encoder.identity)


def test_one_weight_in_any_tower_changes_it(copy: Path, tiny_encoder: DualEncoder) -> None:
    original = load_file(copy / WEIGHTS)
    for key in ("visual.head.proj.weight", "text.token_embedding.weight", "visual.trunk.bn1.running_mean"):
        state = {name: value.clone() for name, value in original.items()}
        state[key].view(-1)[-1] += 1e-3
        save_file(state, copy / WEIGHTS)
        changed = identity(copy)
        assert changed.weights != tiny_encoder.identity.weights, key
        assert changed.preprocess == tiny_encoder.identity.preprocess
        assert not changed.same_space(tiny_encoder.identity)


def test_storage_in_fp16_or_fp32_is_the_same(copy: Path) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in load_file(copy / WEIGHTS).items()}
    save_file(half, copy / WEIGHTS)
    stored_half = identity(copy)
    save_file({k: v.float() if v.is_floating_point() else v for k, v in half.items()}, copy / WEIGHTS)
    assert identity(copy) == stored_half


def test_storage_as_a_pickle_of_tensors_is_the_same(copy: Path, tiny_encoder: DualEncoder) -> None:
    torch.save(load_file(copy / WEIGHTS), copy / "open_clip_pytorch_model.bin")
    (copy / WEIGHTS).unlink()
    assert identity(copy).same_space(tiny_encoder.identity)


def test_another_preprocessing_changes_it(copy: Path, tiny_encoder: DualEncoder) -> None:
    config = json.loads((copy / "open_clip_config.json").read_text())
    seen = {tiny_encoder.identity.preprocess}
    for key, value in (("mean", [0.5, 0.5, 0.4]), ("interpolation", "bilinear"), ("resize_mode", "longest")):
        changed = config | {"preprocess_cfg": config["preprocess_cfg"] | {key: value}}
        (copy / "open_clip_config.json").write_text(json.dumps(changed))
        assert identity(copy).weights == tiny_encoder.identity.weights
        seen.add(identity(copy).preprocess)
    assert len(seen) == 4


def test_another_tokenizer_changes_it(copy: Path, tiny_encoder: DualEncoder) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(copy)
    assert identity(copy).same_space(tiny_encoder.identity), "the same tokenizer, saved again"
    tokenizer(["red"], padding="max_length", truncation=True, max_length=9)
    tokenizer.save_pretrained(copy)
    assert '"max_length": 9' in (copy / "tokenizer.json").read_text()
    assert identity(copy).same_space(tiny_encoder.identity), "and again, after use"
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["normalizer"] = None
    (copy / "tokenizer.json").write_text(json.dumps(state))
    assert identity(copy).preprocess != tiny_encoder.identity.preprocess


def test_encoding_does_not_change_it(copy: Path) -> None:
    encoder = load_encoder(Settings(encoder=f"local-dir:{copy}", device="cpu", precision="fp32"))
    before = encoder.identity
    encoder.encode_texts(["red", "a much longer text about a red shirt"])
    assert encoder.identity == before == identity(copy)


def test_weights_are_told_apart_by_name_and_shape() -> None:
    def named(**tensors: torch.Tensor) -> torch.nn.Module:
        module = torch.nn.Module()
        for name, tensor in tensors.items():
            module.register_buffer(name, tensor)
        return module

    one, two = torch.ones(4), torch.zeros(4)
    hashes = [
        hash_weights(named(a=one, b=two)),
        hash_weights(named(a=two, b=one)),
        hash_weights(named(a=one.view(2, 2), b=two)),
        hash_weights(named(a=one, c=two)),
    ]
    assert len(set(hashes)) == 4
    assert hash_weights(named(b=two, a=one)) == hashes[0], "order of registration does not count"
    assert hash_weights(named(a=one.bfloat16(), b=two.half())) == hashes[0]
    assert hash_weights(named(a=torch.ones(4, 4)[:, 0], b=two)) == hashes[0], "layout does not count"
    assert hash_weights(named(a=torch.tensor(1), b=torch.empty(0))) not in hashes
