"""Dual encoders of transformers: SigLIP, CLIP and Chinese-CLIP, each by its own customs."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize
from transformers import AutoModel, AutoProcessor

from services.encoder.base import Encoder
from services.encoder.dual import DualEncoder
from services.encoder.registry import describe, load_encoder
from services.errors import EncoderUnavailable
from services.settings import Settings
from tests.unit.encoder.pictures import noise

FAMILIES = ("siglip", "clip", "chinese-clip")
DIMS = {"siglip": 32, "clip": 24, "chinese-clip": 24}
PICTURES = [noise(seed, 40 + 10 * seed, 50) for seed in range(4)]
TEXTS = ["red cotton shirt", "a wooden chair", "", "striped backpack, striped dress and a yellow lamp 红色"]


def load(folder: Path, **changes: object) -> DualEncoder:
    return load_encoder(
        Settings(**({"encoder": f"transformers:{folder}", "device": "cpu", "precision": "fp32"} | changes))  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def encoders(checkpoints: dict[str, Path]) -> dict[str, DualEncoder]:
    return {family: load(folder) for family, folder in checkpoints.items()}


def directly(folder: Path, family: str) -> tuple[Any, Any, dict[str, Any]]:
    """(model, processor, how texts are padded) as the library's own documentation uses them."""
    padding = {"padding": "max_length"} if family == "siglip" else {"padding": True}
    text = padding | {"truncation": True, "max_length": 16, "return_tensors": "pt"}
    return AutoModel.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder), text


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers_itself(
    checkpoints: dict[str, Path], encoders: dict[str, DualEncoder], family: str
) -> None:
    model, processor, how = directly(checkpoints[family], family)
    encoder = encoders[family]
    with torch.no_grad():
        pixels = processor(images=PICTURES, return_tensors="pt")["pixel_values"]
        images = normalize(model.get_image_features(pixel_values=pixels).pooler_output, dim=-1)
        tokens = processor(text=TEXTS, **how)
        if family == "siglip":
            # The model was trained without a mask: padding is part of the text.
            tokens = {"input_ids": tokens["input_ids"]}
        texts = normalize(model.get_text_features(**tokens).pooler_output, dim=-1)
    np.testing.assert_allclose(encoder.encode_images(PICTURES), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-5)
    for picture, expected in zip(PICTURES, pixels, strict=True):
        assert np.array_equal(encoder.prepare(picture), expected.numpy())


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_batches_and_facts(encoders: dict[str, DualEncoder], family: str) -> None:
    encoder = encoders[family]
    assert isinstance(encoder, Encoder)
    images, texts = encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)
    assert images.dtype == texts.dtype == np.float32
    assert images.shape == texts.shape == (4, DIMS[family]) == (4, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, encoder.dim)
    for index in range(4):
        # A text alone is padded less than beside a longer one; that must not show.
        np.testing.assert_allclose(encoder.encode_texts([TEXTS[index]])[0], texts[index], atol=1e-5)
        np.testing.assert_allclose(encoder.encode_images([PICTURES[index]])[0], images[index], atol=1e-5)
    facts = describe(encoder)
    assert facts["family"] == f"transformers ({family.replace('-', '_')})"
    assert (facts["image_size"], facts["context_length"]) == (32, 16)


@pytest.mark.parametrize("family", FAMILIES)
def test_long_and_odd_texts(encoders: dict[str, DualEncoder], family: str) -> None:
    head = " ".join(["striped wooden lamp"] * 8)
    vectors = encoders[family].encode_texts([head, head + " red" * 500, "\ud800", "\0", "👕" * 3000])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_siglip_takes_capitals_as_small_letters(encoders: dict[str, DualEncoder]) -> None:
    one, other = encoders["siglip"].encode_texts(["Red COTTON Shirt", "red cotton shirt"])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("family", ["clip", "chinese-clip"])
def test_patches_are_projected_like_the_class_token(
    checkpoints: dict[str, Path], encoders: dict[str, DualEncoder], family: str
) -> None:
    encoder = encoders[family]
    model, _, _ = directly(checkpoints[family], family)
    pixels = torch.from_numpy(np.stack([encoder.prepare(picture) for picture in PICTURES]))
    with torch.no_grad():
        hidden = model.vision_model(pixel_values=pixels).last_hidden_state
        each = normalize(model.visual_projection(model.vision_model.post_layernorm(hidden)), dim=-1)
    patches = encoder.encode_patches(PICTURES)
    assert patches.shape == (4, 4, 4, 24)
    np.testing.assert_allclose(each[:, 0].numpy(), encoder.encode_images(PICTURES), atol=1e-5)
    np.testing.assert_allclose(patches.reshape(4, 16, 24), each[:, 1:].numpy(), atol=1e-5)


def test_siglip_patches_go_through_its_attention_pooling_alone(
    checkpoints: dict[str, Path], encoders: dict[str, DualEncoder]
) -> None:
    encoder = encoders["siglip"]
    model, _, _ = directly(checkpoints["siglip"], "siglip")
    pixels = torch.from_numpy(np.stack([encoder.prepare(picture) for picture in PICTURES]))
    with torch.no_grad():
        hidden = model.vision_model(pixel_values=pixels).last_hidden_state
        alone = [
            normalize(model.vision_model.head(hidden[:, at : at + 1]), dim=-1).numpy() for at in range(16)
        ]
    patches = encoder.encode_patches(PICTURES)
    assert patches.shape == (4, 4, 4, 32)
    np.testing.assert_allclose(patches.reshape(4, 16, 32), np.stack(alone, axis=1), atol=1e-5)


def test_eight_threads_get_what_one_gets(encoders: dict[str, DualEncoder]) -> None:
    encoder = encoders["clip"]
    texts = [f"{text} {number}" for number in range(6) for text in TEXTS]
    words, images = encoder.encode_texts(texts), encoder.encode_images(PICTURES)

    def work(turn: int) -> None:
        part = slice(turn, turn + 1 + turn % 3)
        np.testing.assert_allclose(encoder.encode_texts(texts[part]), words[part], atol=1e-5)
        np.testing.assert_allclose(encoder.encode_images(PICTURES), images, atol=1e-5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))


@pytest.fixture
def copy(checkpoints: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(checkpoints["clip"], tmp_path / "copy")


def test_identity_follows_weights_preprocessing_and_tokenizer(
    copy: Path, encoders: dict[str, DualEncoder]
) -> None:
    original = encoders["clip"].identity
    assert load(copy).identity.same_space(original)

    state = load_file(copy / "model.safetensors")
    half = {name: tensor.half() for name, tensor in state.items()}
    save_file(half, copy / "model.safetensors", metadata={"format": "pt"})
    in_half = load(copy).identity
    save_file(
        {name: tensor.float() for name, tensor in half.items()},
        copy / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert load(copy).identity == in_half
    assert in_half.weights != original.weights, "rounding to fp16 is a change"
    assert in_half.preprocess == original.preprocess

    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    path = copy / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(config))
    other = load(copy).identity
    assert other.weights == original.weights
    assert other.preprocess != original.preprocess


def test_bf16_stays_close_to_fp32(copy: Path, encoders: dict[str, DualEncoder]) -> None:
    halved = load(copy, precision="bf16")
    exact = encoders["clip"]
    assert (halved.encode_images(PICTURES) * exact.encode_images(PICTURES)).sum(axis=1).min() > 0.999
    assert (halved.encode_texts(TEXTS) * exact.encode_texts(TEXTS)).sum(axis=1).min() > 0.999
    assert halved.identity.same_space(exact.identity)


def test_a_folder_as_older_repositories_have_it(
    copy: Path, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """Chinese-CLIP as published: weights in a pickle, a bare word list, preprocessor_config.json."""
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(checkpoints["chinese-clip"] / "config.json", folder)
    torch.save(load_file(checkpoints["chinese-clip"] / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "红", "色", "衬", "衫"])
    )
    side = {"height": 32, "width": 32}
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {"feature_extractor_type": "ChineseCLIPFeatureExtractor", "size": side, "do_center_crop": False}
        )
    )
    encoder = load(folder)
    assert encoder.identity.weights == load(checkpoints["chinese-clip"]).identity.weights
    red, shirt = encoder.encode_texts(["红色", "衬衫"])
    assert red @ shirt < 0.9999
    assert encoder.encode_images(PICTURES).shape == (4, 24)


def test_a_folder_needs_no_network(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail(f"connected to {args[1:]}"))
    load(copy).encode_texts(["red"])


# What cannot be had


def refusal(folder: Path) -> str:
    with pytest.raises(EncoderUnavailable) as caught:
        load(folder)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert caught.value.field == "encoder"
    assert caught.value.mend
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing_folder(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none")


def test_folder_without_config_or_weights(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    assert "holds no weights" in refusal(copy)
    (copy / "config.json").unlink()
    assert "holds no config.json" in refusal(copy)
    (copy / "open_clip_config.json").write_text("{}")
    assert "open_clip_config.json" in refusal(copy)


def test_damaged_weights(copy: Path) -> None:
    content = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert "damaged" in refusal(copy)


def test_weights_that_lack_a_parameter_are_not_made_up(copy: Path) -> None:
    state = load_file(copy / "model.safetensors")
    del state["visual_projection.weight"]
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert "lack 1 of the model's parameters, visual_projection.weight" in refusal(copy)


def test_weights_with_values_that_are_no_numbers(copy: Path) -> None:
    state = load_file(copy / "model.safetensors")
    state["visual_projection.weight"][0, 0] = float("nan")
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert "damaged: its vectors hold values that are no numbers" in refusal(copy)


def test_weights_that_do_not_fit(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["projection_dim"] = 8
    (copy / "config.json").write_text(json.dumps(config))
    assert "cannot be built" in refusal(copy)


def test_preprocessing_for_another_size(copy: Path) -> None:
    path = copy / "processor_config.json"
    config = json.loads(path.read_text())
    config["image_processor"]["crop_size"] = {"height": 16, "width": 16}
    path.write_text(json.dumps(config))
    assert "loads but does not run" in refusal(copy)


def test_unreadable_tokenizer(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{ this is no tokenizer")
    assert "tokenizer" in refusal(copy)


def test_missing_preprocessing(copy: Path) -> None:
    (copy / "processor_config.json").unlink()
    assert "image preprocessing" in refusal(copy)


def test_code_of_a_tokenizer_is_not_run(copy: Path) -> None:
    path = copy / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "code.Own"]}}
    path.write_text(json.dumps(config))
    (copy / "code.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    load(copy)  # by the class that belongs to the kind of model
    assert not (copy / "ran").exists()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "siglip2"}, "NaFlex"),
        ({"model_type": "bert"}, "does not put pictures and texts into one space"),
        ({"model_type": "unheard-of"}, "cannot be built"),
        (
            {"model_type": "x", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}},
            "cannot be built",
        ),
    ],
)
def test_models_of_other_kinds(copy: Path, config: dict[str, Any], reason: str) -> None:
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "code.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    assert reason in refusal(copy)
    assert not (copy / "ran").exists(), "code of a model was run"
