"""Networks of any trunk, with attention and pooling of any kind, keep the contract of an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from timm.layers import EcaModule, SEModule
from timm.layers.cbam import CbamModule

from services.encoder.base import Encoder
from services.encoder.extractors.folder import read_folder, write_folder
from services.encoder.extractors.network import (
    Attention,
    AttentionPool,
    GemPool,
    Network,
    NetworkConfig,
    Pooling,
    build,
    description_of,
)
from services.encoder.extractors.trunk import make_trunk
from services.encoder.registry import describe, load_encoder
from services.errors import EncoderUnavailable, InvalidInput, PicturesOnly
from services.settings import Settings
from tests.unit.encoder.pictures import noise

TINY = NetworkConfig(trunk="timm:test_resnet", image_size=64, dim=16)
PICTURES = [noise(seed, 60 + 10 * seed, 90) for seed in range(3)]
BLOCKS: dict[str, type[Any]] = {"se": SEModule, "eca": EcaModule, "cbam": CbamModule}


def changed(**changes: Any) -> NetworkConfig:
    return NetworkConfig.from_dict(TINY.as_dict() | changes)


def seeded(config: NetworkConfig) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build(config)


def written(config: NetworkConfig, folder: Path) -> Any:
    write_folder(folder, description_of(config, "classes", {}), seeded(config).state_dict())
    return load_encoder(Settings(encoder=f"local-dir:{folder}", device="cpu", precision="fp32"))


@pytest.mark.parametrize("pooling", get_args(Pooling))
@pytest.mark.parametrize("attention", get_args(Attention))
def test_every_attention_and_pooling_makes_an_encoder(attention: str, pooling: str, tmp_path: Path) -> None:
    encoder = written(changed(attention=attention, pooling=pooling), tmp_path / "mine")
    assert isinstance(encoder, Encoder) and not encoder.sees_text
    vectors = encoder.encode_images(PICTURES)
    assert vectors.shape == (3, 16) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert not np.allclose(vectors[0], vectors[1])
    patches = encoder.encode_patches(PICTURES)
    assert patches.shape[0] == 3 and patches.shape[-1] == 16
    blocks = sum(isinstance(part, BLOCKS.get(attention, ())) for part in encoder._model.modules())
    assert blocks == (0 if attention == "none" else 4), "one after each of the last four stages"
    assert encoder.encode_images([]).shape == (0, 16) == encoder.encode_texts([]).shape
    with pytest.raises(PicturesOnly, match="pictures only") as caught:
        encoder.encode_texts(["red dress"])
    assert caught.value.mend


@pytest.mark.parametrize(
    "trunk", ["timm:resnet10t", "timm:vgg11_bn", "torchvision:resnet18", "torchvision:vgg11_bn"]
)
def test_trunks_of_both_libraries_end_in_a_map(trunk: str) -> None:
    stages = make_trunk(trunk).eval()
    assert len(stages) == 5
    with torch.no_grad():
        assert stages(torch.zeros(1, 3, 64, 64)).shape == (1, 512, 2, 2)


def test_a_trunk_computes_what_its_library_does() -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    whole = torchvision.models.get_model("resnet18", weights=None).eval()
    torch.manual_seed(0)
    stages = make_trunk("torchvision:resnet18").eval()
    whole.fc = torch.nn.Identity()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(stages(pixels).mean((2, 3)), whole(pixels))


def test_patches_of_a_mean_and_a_linear_head_average_to_the_picture(tmp_path: Path) -> None:
    network = seeded(TINY).eval()
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.patches(pixels).mean((1, 2)), network(pixels))


def test_generalised_mean_lies_between_mean_and_maximum() -> None:
    found = torch.rand(4, 6, 5, 5)
    torch.testing.assert_close(GemPool(1.0)(found), found.mean((2, 3)))
    pooled = GemPool(3.0)(found)
    assert (pooled > found.mean((2, 3))).all() and (pooled < found.amax((2, 3))).all()
    torch.testing.assert_close(GemPool(80.0)(found), found.amax((2, 3)), rtol=0.1, atol=0)


def test_attention_over_regions_begins_as_the_mean_and_learns_to_look() -> None:
    pool = AttentionPool(6)
    found = torch.rand(4, 6, 5, 5)
    torch.testing.assert_close(pool(found), found.mean((2, 3)))
    found[:, 2, 1, 3] += 10
    with torch.no_grad():
        pool.query[2] = 100.0
    weights = pool.weights(found)
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(4))
    assert (weights[:, 1, 3] > 0.99).all()


def test_gradients_reach_every_part() -> None:
    network = seeded(changed(attention="cbam", pooling="attention", hidden=12))
    network(torch.randn(4, 3, 64, 64)).square().sum().backward()
    without = [name for name, one in network.named_parameters() if one.grad is None]
    assert not without


@pytest.mark.parametrize("measure", ["euclid", "dot"])
def test_vectors_for_other_measures_keep_their_length(measure: str, tmp_path: Path) -> None:
    encoder = written(changed(measure=measure), tmp_path / "mine")
    assert encoder.measure == measure == describe(encoder)["measure"]
    assert not np.allclose(np.linalg.norm(encoder.encode_images(PICTURES), axis=1), 1, atol=1e-3)
    patches = encoder.encode_patches(PICTURES)
    np.testing.assert_allclose(np.linalg.norm(patches, axis=-1), 1, atol=1e-5)


def test_one_weight_or_another_measure_is_another_space(tmp_path: Path) -> None:
    first = written(TINY, tmp_path / "a").identity
    assert written(TINY, tmp_path / "b").identity.same_space(first)
    assert not written(changed(measure="dot"), tmp_path / "c").identity.same_space(first)
    about, numbers = read_folder(tmp_path / "b")
    numbers["head.bias"][0] += 1e-3
    write_folder(tmp_path / "b", about, numbers)
    again = load_encoder(Settings(encoder=f"local-dir:{tmp_path / 'b'}", device="cpu", precision="fp32"))
    assert not again.identity.same_space(first)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attention": "all"}, "attention"),
        ({"pooling": "max"}, "pooling"),
        ({"measure": "taxi"}, "measure"),
        ({"dim": 1}, "dim"),
        ({"dim": "128"}, "dim"),
        ({"image_size": 9000}, "image_size"),
        ({"hidden": -1}, "hidden"),
        ({"trunk": "resnet18"}, "trunk"),
        ({"trunk": "timm:no_such_net"}, "trunk"),
        ({"trunk": "torchvision:vit_b_16"}, "trunk"),
        ({"trunk": "timm:vit_tiny_patch16_224"}, "trunk"),
    ],
)
def test_what_cannot_be_built_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        build(changed(**change))
    assert caught.value.field == field and caught.value.mend


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", description_of(TINY, "classes", {}), build(changed(dim=8)).state_dict())
    with pytest.raises(EncoderUnavailable, match="cannot be built"):
        load_encoder(Settings(encoder=f"local-dir:{tmp_path / 'mine'}"))
