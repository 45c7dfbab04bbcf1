"""The encoder that Vitrine ships."""

from __future__ import annotations

import random

import numpy as np
import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from services.encoder.dual import DualEncoder
from services.encoder.registry import DEFAULT, DEFAULT_FOLDER, load_encoder
from services.encoder.train.render import make_product, view
from services.encoder.train.titles import make_title
from services.settings import Settings
from tests.unit.encoder.pictures import noise

PICTURES = [noise(seed) for seed in range(3)]
TEXTS = ["red leather boots", "a striped cotton dress", "", "紅いブーツ 👢"]


def test_is_what_the_settings_name_by_default(compact_encoder: DualEncoder) -> None:
    assert Settings.model_fields["encoder"].default == DEFAULT
    assert compact_encoder.identity.name == DEFAULT
    assert compact_encoder.encode_images(PICTURES).shape == (3, compact_encoder.dim)


def test_equals_open_clip_itself(compact_encoder: DualEncoder) -> None:
    name = f"local-dir:{DEFAULT_FOLDER}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    tokenizer = open_clip.get_tokenizer(name)
    with torch.no_grad():
        images = normalize(
            model.eval().encode_image(torch.stack([preprocess(picture) for picture in PICTURES]))
        )
        texts = normalize(model.encode_text(tokenizer(TEXTS)))
    np.testing.assert_allclose(compact_encoder.encode_images(PICTURES), images.numpy(), atol=1e-4)
    np.testing.assert_allclose(compact_encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-4)


def test_tells_patches_apart(compact_encoder: DualEncoder) -> None:
    patches = compact_encoder.encode_patches(PICTURES)
    assert patches.ndim == 4
    assert patches.shape[1] == patches.shape[2] == -(-compact_encoder.image_size // 32)
    np.testing.assert_allclose(np.linalg.norm(patches, axis=-1), 1, atol=1e-5)


def test_loads_without_a_network(compact_encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *args: pytest.fail(f"connected to {args[1:]}"))
    again = load_encoder(Settings(encoder=DEFAULT, device="cpu", precision="fp32"))
    assert again.identity == compact_encoder.identity


def test_titles_find_their_products(compact_encoder: DualEncoder) -> None:
    """Products of the kind it was trained on, but never drawn in training: chance would be 1 in 40."""
    products = [make_product(90_000_000 + number) for number in range(40)]
    rng = random.Random(1)
    titles = compact_encoder.encode_texts([make_title(product.attributes, rng)[0] for product in products])
    pictures = compact_encoder.encode_images([view(product, 0) for product in products])
    ranks = (titles @ pictures.T > (titles * pictures).sum(axis=1)[:, None]).sum(axis=1)
    assert (ranks < 5).mean() > 0.5
