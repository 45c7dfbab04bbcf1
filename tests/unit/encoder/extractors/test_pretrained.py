"""Published networks: their names, weights from a hub on this machine, clear sentences without."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from services.encoder.choices import CLASSIC, Choice
from services.encoder.extractors.trunk import make_trunk
from services.encoder.registry import load_encoder, parse_name
from services.errors import EncoderUnavailable
from services.settings import Settings
from tests.unit.encoder.conftest import LocalHub
from tests.unit.encoder.pictures import noise

NETWORKS = [choice for choice in CLASSIC if choice.architecture]


def test_names_are_taken_apart() -> None:
    assert parse_name("hog").kind == "hog"
    found = parse_name("torchvision:vgg16/IMAGENET1K_V1")
    assert (found.kind, found.place, found.weights) == ("torchvision", "vgg16", "IMAGENET1K_V1")
    assert parse_name("torchvision:vgg16").weights is None
    assert parse_name("timm:resnet50.a1_in1k").place == "resnet50.a1_in1k"


@pytest.mark.parametrize("choice", NETWORKS, ids=lambda choice: choice.name)
def test_figures_of_the_list_are_those_of_the_network(choice: Choice) -> None:
    trunk = make_trunk(choice.architecture).eval()
    assert sum(parameter.numel() for parameter in trunk.parameters()) == choice.parameters
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 64, 64)).shape[1] == choice.dim
    parsed = parse_name(choice.name)
    if parsed.kind == "torchvision":
        weights = torchvision.models.get_model_weights(parsed.place)[parsed.weights]
        assert weights.meta["num_params"] == choice.parameters + choice.unused
        assert weights.url.endswith(f"/{choice.repository}")
    else:
        assert timm.get_pretrained_cfg(parsed.place).hf_hub_id.strip("/") == choice.repository


def test_weights_of_timm_come_from_the_hub(local_hub: LocalHub) -> None:
    published = timm.create_model("test_resnet", pretrained=False).eval()
    folder = local_hub.root / timm.get_pretrained_cfg("test_resnet.r160_in1k").hf_hub_id
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"architecture": "test_resnet"}))
    save_file(published.state_dict(), folder / "model.safetensors")
    encoder = load_encoder(Settings(encoder="timm:test_resnet.r160_in1k", device="cpu", precision="fp32"))
    picture = noise(3, 120, 90)
    with torch.no_grad():
        pixels = torch.from_numpy(encoder.prepare(picture)[None])
        own = published.forward_features(pixels).mean((2, 3))[0].numpy()
    np.testing.assert_allclose(encoder.encode_images([picture])[0], own / np.linalg.norm(own), atol=1e-5)
    assert encoder.image_size == 160


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("timm:no_such_net", "knows no model"),
        ("torchvision:no_such_net", "knows no model"),
        ("torchvision:vgg16/BEST", "has no weights 'BEST'"),
        ("torchvision:", "ends where a model should follow"),
    ],
)
def test_a_name_that_is_not_known_is_told_with_a_mend(name: str, reason: str) -> None:
    with pytest.raises(EncoderUnavailable, match=reason) as caught:
        load_encoder(Settings(encoder=name))
    assert caught.value.mend


def test_weights_that_cannot_be_fetched_are_told_in_one_sentence(
    no_hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EncoderUnavailable, match="cannot be reached") as caught:
        load_encoder(Settings(encoder="timm:resnet18.a1_in1k"))
    assert "hog" in caught.value.mend
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        torchvision.models.ResNet18_Weights.IMAGENET1K_V1.value, "url", f"{no_hub}/r-1.pth", False
    )
    with pytest.raises(EncoderUnavailable, match="cannot be reached") as caught:
        load_encoder(Settings(encoder="torchvision:resnet18"))
    assert str(tmp_path) in caught.value.mend and "\n" not in str(caught.value)
