"""The open_clip encoder does what open_clip does, in batches, from many threads, for any text."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import normalize

from services.encoder.base import Encoder
from services.encoder.dual import DualEncoder
from services.encoder.plain import CHARACTERS_PER_TOKEN
from services.encoder.registry import describe, load_encoder
from services.errors import InvalidInput
from services.settings import Settings
from tests.conftest import write_tiny_openclip
from tests.unit.encoder.pictures import noise

PICTURES = [noise(seed, 60 + 10 * seed, 90) for seed in range(5)]
TEXTS = ["red cotton shirt", "a wooden chair", "", "striped backpack, striped dress and a yellow lamp"]


def load(folder: Path, **changes: object) -> DualEncoder:
    return load_encoder(
        Settings(**({"encoder": f"local-dir:{folder}", "device": "cpu", "precision": "fp32"} | changes))  # type: ignore[arg-type]
    )


def test_keeps_the_protocol(tiny_encoder: DualEncoder) -> None:
    assert isinstance(tiny_encoder, Encoder)


def test_vectors_are_float32_of_unit_length(tiny_encoder: DualEncoder) -> None:
    for vectors, count in (
        (tiny_encoder.encode_images(PICTURES), len(PICTURES)),
        (tiny_encoder.encode_texts(TEXTS), len(TEXTS)),
    ):
        assert vectors.dtype == np.float32
        assert vectors.shape == (count, tiny_encoder.dim) == (count, 32)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_nothing_in_gives_nothing_out(tiny_encoder: DualEncoder) -> None:
    assert tiny_encoder.encode_images([]).shape == (0, 32)
    assert tiny_encoder.encode_texts([]).shape == (0, 32)
    assert tiny_encoder.encode_prepared(np.empty((0, 3, 64, 64), np.float32)).shape == (0, 32)
    assert tiny_encoder.encode_patches([]).shape == (0, 2, 2, 32)


def test_equals_open_clip_itself(tiny_openclip_dir: Path, tiny_encoder: DualEncoder) -> None:
    name = f"local-dir:{tiny_openclip_dir}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    with torch.no_grad():
        images = normalize(
            model.encode_image(torch.stack([preprocess(picture) for picture in PICTURES])), dim=-1
        )
        texts = normalize(model.encode_text(tokenizer(TEXTS)), dim=-1)
    np.testing.assert_allclose(tiny_encoder.encode_images(PICTURES), images.numpy(), atol=1e-5)
    np.testing.assert_allclose(tiny_encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-5)
    for picture in PICTURES:
        assert np.array_equal(tiny_encoder.prepare(picture), preprocess(picture).numpy())


def test_batches_do_not_change_vectors(tiny_openclip_dir: Path, tiny_encoder: DualEncoder) -> None:
    in_twos = load(tiny_openclip_dir, batch_size=2)
    np.testing.assert_allclose(
        in_twos.encode_images(PICTURES), tiny_encoder.encode_images(PICTURES), atol=1e-5
    )
    pixels = np.stack([tiny_encoder.prepare(picture) for picture in PICTURES])
    np.testing.assert_allclose(
        in_twos.encode_prepared(pixels), tiny_encoder.encode_images(PICTURES), atol=1e-5
    )
    np.testing.assert_allclose(in_twos.encode_texts(TEXTS), tiny_encoder.encode_texts(TEXTS), atol=1e-5)
    np.testing.assert_allclose(
        in_twos.encode_patches(PICTURES), tiny_encoder.encode_patches(PICTURES), atol=1e-5
    )
    for index, text in enumerate(TEXTS):
        np.testing.assert_allclose(
            tiny_encoder.encode_texts([text])[0], in_twos.encode_texts(TEXTS)[index], atol=1e-5
        )


def test_prepared_pictures_equal_pictures(tiny_encoder: DualEncoder) -> None:
    pixels = np.stack([tiny_encoder.prepare(picture) for picture in PICTURES])
    assert pixels.dtype == np.float32
    assert pixels.shape == (5, 3, tiny_encoder.image_size, tiny_encoder.image_size)
    np.testing.assert_array_equal(tiny_encoder.encode_prepared(pixels), tiny_encoder.encode_images(PICTURES))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_other_modes_are_taken_as_rgb(tiny_encoder: DualEncoder, mode: str) -> None:
    picture = PICTURES[0].convert(mode)
    expected = tiny_encoder.encode_images([picture.convert("RGB")])
    np.testing.assert_array_equal(tiny_encoder.encode_images([picture]), expected)


def test_different_pictures_and_texts_differ(tiny_encoder: DualEncoder) -> None:
    for vectors in (tiny_encoder.encode_images(PICTURES), tiny_encoder.encode_texts(TEXTS)):
        cosines = vectors @ vectors.T
        assert cosines[~np.eye(len(vectors), dtype=bool)].max() < 0.999


def test_a_text_longer_than_the_context_is_cut(tiny_encoder: DualEncoder) -> None:
    head = " ".join(["striped wooden lamp"] * 8)
    vectors = tiny_encoder.encode_texts([head, head + " red" * 500, head + "x" * 1_000_000])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)


def test_no_tokenizer_is_given_an_endless_text(
    tiny_encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """open_clip's own needs a second for a word of 5,000 letters, and the square of that for more."""
    make, seen = tiny_encoder._tokens, []

    def watched(texts: list[str]) -> dict[str, torch.Tensor]:
        seen.extend(len(text) for text in texts)
        return make(texts)

    monkeypatch.setattr(tiny_encoder, "_tokens", watched)
    tiny_encoder.encode_texts(["x" * 1_000_000, "short"])
    assert seen == [CHARACTERS_PER_TOKEN * 16, 5]


@given(texts=st.lists(st.text(st.characters(), max_size=60), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_text_has_a_vector(tiny_encoder: DualEncoder, texts: list[str]) -> None:
    # st.characters() includes lone surrogates, controls and unassigned code points.
    vectors = tiny_encoder.encode_texts(texts)
    assert vectors.shape == (len(texts), 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_string_is_no_list_of_texts(tiny_encoder: DualEncoder) -> None:
    with pytest.raises(InvalidInput, match="sequence of strings"):
        tiny_encoder.encode_texts("red shirt")


def test_prepared_pictures_of_a_wrong_shape_are_refused(tiny_encoder: DualEncoder) -> None:
    with pytest.raises(InvalidInput, match=r"\[n, 3, height, width\], not \[3, 64, 64\]"):
        tiny_encoder.encode_prepared(np.zeros((3, 64, 64), np.float32))


def test_bf16_stays_close_to_fp32(tiny_openclip_dir: Path, tiny_encoder: DualEncoder) -> None:
    halved = load(tiny_openclip_dir, precision="bf16")
    assert halved.precision == "bf16"
    for ours, exact in (
        (halved.encode_images(PICTURES), tiny_encoder.encode_images(PICTURES)),
        (halved.encode_texts(TEXTS), tiny_encoder.encode_texts(TEXTS)),
    ):
        assert ours.dtype == np.float32
        assert (ours != exact).any()
        assert (ours * exact).sum(axis=1).min() > 0.999
    assert halved.identity == tiny_encoder.identity


def test_eight_threads_get_what_one_gets(tiny_encoder: DualEncoder) -> None:
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS]
    images, words = tiny_encoder.encode_images(PICTURES), tiny_encoder.encode_texts(texts)
    patches = tiny_encoder.encode_patches(PICTURES)

    def work(turn: int) -> None:
        # Different lengths and counts at once: a tokenizer shared without care fails or mixes them up.
        part = slice(turn, turn + 1 + turn % 3)
        np.testing.assert_allclose(tiny_encoder.encode_texts(texts[part]), words[part], atol=1e-5)
        np.testing.assert_allclose(
            tiny_encoder.encode_images(PICTURES[turn % 5 :]), images[turn % 5 :], atol=1e-5
        )
        np.testing.assert_allclose(tiny_encoder.encode_patches(PICTURES[:2]), patches[:2], atol=1e-5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))


def test_a_tokenizer_is_used_by_one_thread_at_a_time(
    tiny_encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast tokenizers of transformers keep padding and truncation as state between calls."""
    make, inside, most = tiny_encoder._tokens, [0], [0]

    def watched(texts: list[str]) -> dict[str, torch.Tensor]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.002)
        tokens = make(texts)
        inside[0] -= 1
        return tokens

    monkeypatch.setattr(tiny_encoder, "_tokens", watched)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: tiny_encoder.encode_texts([text]), TEXTS * 6))
    assert most == [1]


def test_a_tower_with_training_time_branches_gives_the_same_once_folded(tmp_path: Path) -> None:
    folder = write_tiny_openclip(tmp_path, tower="repvit_m0_9")
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    encoder = load(folder)
    folded = sum(parameter.numel() for parameter in encoder._model.parameters())
    assert folded < encoder.parameters, "nothing was folded"
    with torch.no_grad():
        pixels = torch.stack([preprocess(picture) for picture in PICTURES])
        expected = normalize(model.eval().encode_image(pixels), dim=-1)
    np.testing.assert_allclose(encoder.encode_images(PICTURES), expected.numpy(), atol=1e-4)


def test_a_folder_needs_no_network(tiny_openclip_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail(f"connected to {args[1:]}"))
    load(tiny_openclip_dir).encode_texts(["red"])


def test_describe_tells_the_facts(tiny_openclip_dir: Path, tiny_encoder: DualEncoder) -> None:
    facts = describe(tiny_encoder)
    assert facts == {
        "name": f"local-dir:{tiny_openclip_dir}",
        "family": "open_clip",
        "parameters": facts["parameters"],
        "size_mb": facts["size_mb"],
        "image_size": 64,
        "dim": 32,
        "sees": "pictures and words",
        "measure": "cosine",
        "context_length": 16,
        "device": "cpu",
        "precision": "fp32",
        "runtime": "torch",
        "weights": tiny_encoder.identity.weights,
        "preprocess": tiny_encoder.identity.preprocess,
    }
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{tiny_openclip_dir}")
    assert facts["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert facts["size_mb"] == pytest.approx(facts["parameters"] * 4 / 1e6, abs=0.1)


def test_a_rectangular_tower_reports_its_larger_side(tmp_path: Path, tiny_openclip_dir: Path) -> None:
    folder = shutil.copytree(tiny_openclip_dir, tmp_path / "wide")
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"]["image_size"] = [64, 96]
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    encoder = load(folder)
    assert encoder.image_size == 96
    assert encoder.prepare(Image.new("RGB", (50, 50))).shape == (3, 64, 96)
    assert encoder.encode_patches(PICTURES[:1]).shape == (1, 2, 3, 32)
