"""A model that cannot be had ends in one sentence: which, why, and what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from services.encoder.device import pick_device, pick_precision
from services.encoder.registry import DEFAULT, KNOWN, EncoderName, load_encoder, parse_name
from services.errors import EncoderUnavailable
from services.settings import Settings

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def copy(tiny_openclip_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_openclip_dir, tmp_path / "copy")


def refusal(name: str) -> str:
    with pytest.raises(EncoderUnavailable) as caught:
        load_encoder(Settings(encoder=name, device="cpu"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.field == "encoder"
    assert caught.value.mend
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "hf-hub:some/model",
        "ViT-B-32/laion2b_s34b_b79k",
        "ViT-B-16-SigLIP2/webli",
        "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
        "transformers:google/siglip2-base-patch16-224",
    ],
)
def test_no_network(no_hub: str, name: str) -> None:
    said = refusal(name)
    assert name in said
    assert "not on this machine and cannot be downloaded" in said
    assert f"{no_hub} cannot be reached" in said
    assert "VITRINE_ENCODER=local-dir:FOLDER" in said


def test_offline_by_wish(no_hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in refusal("hf-hub:some/model")


@pytest.mark.parametrize("name", ["hf-hub:a b/c", "transformers:no spaces", "hf-hub:a/b/c"])
def test_names_no_hub_can_hold(no_hub: str, name: str) -> None:
    assert "cannot be the name of a model on a hub" in refusal(name)


def test_unknown_names_come_with_close_ones() -> None:
    assert "Did you mean ViT-B-32" in refusal("ViT-B32/openai")
    assert "vitrine-compact" in refusal("vitrine-compac")
    assert "laion2b_s34b_b79k" in refusal("ViT-B-32/laion2b_s34b")
    assert "ViT-B-32/PRETRAINED" in refusal("ViT-B-32")
    assert "transformers:google/siglip2-base-patch16-224" in refusal("google/siglip2-base-patch16-224")


@pytest.mark.parametrize("name", ["hf-hub:", "local-dir: ", "transformers:", "ViT-B-32/", "/openai", ""])
def test_names_without_their_second_half(name: str) -> None:
    refusal(name)


def test_names_are_taken_apart() -> None:
    assert parse_name("ViT-B-32/laion2b_s34b_b79k") == EncoderName(
        "openclip", "ViT-B-32", "laion2b_s34b_b79k"
    )
    assert parse_name("ViT-B-32//w/file.safetensors") == EncoderName(
        "openclip", "ViT-B-32", "/w/file.safetensors"
    )
    assert parse_name("hf-hub:a/b") == EncoderName("hub", "a/b")
    assert parse_name(" local-dir:./a:b ") == EncoderName("folder", "./a:b")
    assert parse_name("transformers:a/b") == EncoderName("transformers", "a/b")
    assert parse_name(DEFAULT).kind == "folder"


def test_every_known_good_choice_exists_in_open_clip() -> None:
    pairs = {f"{model}/{tag}" for model, tag in open_clip.list_pretrained()}
    for name in (choice.name for choice in KNOWN):
        parsed = parse_name(name)
        assert parsed.kind != "openclip" or name in pairs, name


def test_folder_that_is_missing_or_lacks_something(copy: Path, tmp_path: Path) -> None:
    assert "does not exist" in refusal(f"local-dir:{tmp_path / 'none'}")
    (copy / WEIGHTS).unlink()
    assert "holds no weights (open_clip_model.safetensors)" in refusal(f"local-dir:{copy}")
    (copy / "open_clip_config.json").unlink()
    assert "holds no open_clip_config.json" in refusal(f"local-dir:{copy}")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model_cfg": {}}', '{"model_cfg": {"text_cfg": 3}}'])
def test_config_that_is_none(copy: Path, content: str) -> None:
    (copy / "open_clip_config.json").write_text(content)
    assert "is no model configuration of open_clip" in refusal(f"local-dir:{copy}")


def test_config_of_an_impossible_model(copy: Path) -> None:
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["timm_model_name"] = "no_such_tower"
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    said = refusal(f"local-dir:{copy}")
    assert "cannot be built" in said
    assert "no_such_tower" in said


@pytest.mark.parametrize("damage", ["half", "empty", "noise"])
def test_damaged_weights(copy: Path, damage: str) -> None:
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(
        {"half": content[: len(content) // 2], "empty": b"", "noise": os.urandom(999)}[damage]
    )
    assert "damaged" in refusal(f"local-dir:{copy}")


def test_weights_of_another_model(copy: Path) -> None:
    state = load_file(copy / WEIGHTS)
    state["visual.head.proj.weight"] = torch.zeros(8, 8)
    save_file(state, copy / WEIGHTS)
    assert "belong together" in refusal(f"local-dir:{copy}")


def test_weights_with_values_that_are_no_numbers(copy: Path) -> None:
    state = load_file(copy / WEIGHTS)
    state["text.text_projection"][0, 0] = float("inf")
    save_file(state, copy / WEIGHTS)
    assert "no numbers" in refusal(f"local-dir:{copy}")


def test_a_pickle_that_runs_code_is_refused(copy: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (open, (str(copy / "ran"), "w"))

    (copy / WEIGHTS).unlink()
    torch.save({"state_dict": Payload()}, copy / "open_clip_pytorch_model.bin")
    assert "without running code" in refusal(f"local-dir:{copy}")
    assert not (copy / "ran").exists()


def test_damaged_pickle(copy: Path) -> None:
    torch.save(load_file(copy / WEIGHTS), copy / "open_clip_pytorch_model.bin")
    (copy / WEIGHTS).unlink()
    path = copy / "open_clip_pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:5000])
    assert "damaged" in refusal(f"local-dir:{copy}")


def test_tokenizer_that_is_missing_or_unreadable(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{ this is no tokenizer")
    assert f"tokenizer of 'local-dir:{copy}' cannot be read" in refusal(f"local-dir:{copy}")
    for path in copy.glob("tokenizer*"):
        path.unlink()
    assert "holds no tokenizer" in refusal(f"local-dir:{copy}")


def test_a_tokenizer_that_brings_code_is_not_run(copy: Path) -> None:
    path = copy / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "code.Own"]}}
    path.write_text(json.dumps(config))
    (copy / "code.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    assert "tokenizer of" in refusal(f"local-dir:{copy}")
    assert not (copy / "ran").exists()


def test_tokenizer_with_more_words_than_the_model(copy: Path) -> None:
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {
        word: index if index < 3 else index + 5000 for word, index in words.items()
    }
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "loads but does not run" in refusal(f"local-dir:{copy}")


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EncoderUnavailable, match="'cuda', which this machine does not have") as caught:
        pick_device("cuda")
    assert caught.value.field == "device"
    assert "auto" in caught.value.mend
    assert pick_device("cpu").type == "cpu"


def test_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert pick_precision("auto", cpu) == "fp32"
    assert pick_precision("bf16", cpu) == "bf16"
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": True})
    assert pick_precision("auto", cpu) == "bf16"
    assert pick_precision("fp32", cpu) == "fp32"
