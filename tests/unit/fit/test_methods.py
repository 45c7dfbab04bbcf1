"""Every method learns: it finds pictures that it never saw better than it did before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.encoder.extractors.folder import read_description, read_folder, write_folder
from services.encoder.extractors.network import NetworkConfig, build, description_of
from services.encoder.fit import METHODS, Plan, Trained, train
from services.encoder.registry import load_encoder
from services.encoder.torch_encoder import TorchEncoder
from services.errors import EncoderUnavailable, PicturesOnly
from services.settings import Settings
from tests.unit.fit.shapes import class_map, shapes, view_recall

CPU = Settings(device="cpu", precision="fp32")
#: A network small enough to learn in seconds.
SMALL: dict[str, Any] = {"trunk": "timm:test_resnet", "image_size": 48, "dim": 16, "validation": 0.2}
UNSEEN = shapes(60, seed=9)


def encoder_of(folder: Path) -> TorchEncoder:
    return load_encoder(CPU.model_copy(update={"encoder": f"local-dir:{folder}"}))


def fitted(
    out: Path, count: int = 160, labelled: bool = True, **options: Any
) -> tuple[Trained, TorchEncoder]:
    trained = train(shapes(count, labelled=labelled), Plan(**options), out, settings=CPU)
    return trained, encoder_of(out)


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> TorchEncoder:
    config = NetworkConfig.from_dict(SMALL)
    folder = tmp_path_factory.mktemp("untrained") / "network"
    torch.manual_seed(0)  # the weights that runs with seed 0 begin with
    write_folder(folder, description_of(config, "classes", {}), build(config).state_dict())
    return encoder_of(folder)


@pytest.mark.parametrize("method", ["classes", "siamese", "triplet", "proxy"])
def test_networks_learn_what_the_labels_tell_apart(
    method: str, untrained: TorchEncoder, tmp_path: Path
) -> None:
    trained, encoder = fitted(tmp_path / "out", method=method, steps=45, batch=32, **SMALL)
    assert trained.scored_by == "class mAP" and trained.steps <= 45
    assert class_map(encoder, UNSEEN) > class_map(untrained, UNSEEN) + 0.15
    described = read_description(tmp_path / "out")
    assert described["method"] == method
    assert described["training"]["classes"] == 4 and described["training"]["plan"]["batch"] == 32
    assert trained.parameters == encoder.parameters > 1000


@pytest.mark.parametrize("method", ["simclr", "siamese"])
def test_networks_learn_without_labels(method: str, untrained: TorchEncoder, tmp_path: Path) -> None:
    trained, encoder = fitted(
        tmp_path / "out", 240, labelled=False, method=method, label=None, steps=60, batch=64, **SMALL
    )
    assert trained.scored_by == "view recall@1"
    assert view_recall(encoder, UNSEEN) > view_recall(untrained, UNSEEN) + 0.08


def test_the_architecture_is_the_plans(tmp_path: Path) -> None:
    options = {**SMALL, "attention": "cbam", "pooling": "attention", "hidden": 24}
    _, encoder = fitted(tmp_path / "out", method="siamese", steps=2, batch=16, **options)
    config = read_description(tmp_path / "out")["config"]
    assert {key: config[key] for key in options if key != "validation"} == {
        key: value for key, value in options.items() if key != "validation"
    }
    assert encoder.dim == 16 and encoder.image_size == 48


@pytest.mark.parametrize("method", ["bow", "vlad"])
def test_vocabularies_find_shapes(method: str, tmp_path: Path) -> None:
    trained, encoder = fitted(tmp_path / "out", count=80, method=method, image_size=64, validation=0.2)
    assert class_map(encoder, UNSEEN) > 0.5  # chance is 0.24
    assert trained.steps == 0 and trained.scored_by == "class mAP" and trained.score > 0.4


@pytest.mark.parametrize("learn", ["mahalanobis", "network"])
def test_a_learned_distance_is_better_than_that_of_its_encoder(learn: str, tmp_path: Path) -> None:
    base = load_encoder(CPU.model_copy(update={"encoder": "hog"}))
    _, encoder = fitted(
        tmp_path / "out",
        method="measure",
        learn=learn,
        start="hog",
        steps=200,
        batch=128,
        learning_rate=5e-3,
        validation=0.2,
        dim=32,
    )
    assert encoder.measure == "euclid" and encoder.dim == 32
    assert class_map(encoder, UNSEEN) > class_map(base, UNSEEN) + 0.05
    with pytest.raises(PicturesOnly):
        encoder.encode_texts(["a disc"])


def test_a_mahalanobis_distance_is_folded_exactly(tiny_openclip_dir: Path, tmp_path: Path) -> None:
    start = f"local-dir:{tiny_openclip_dir}"
    _, encoder = fitted(tmp_path / "out", method="measure", start=start, steps=20, dim=12, validation=0.2)
    base = load_encoder(CPU.model_copy(update={"encoder": start}))
    images = [image for _, image in UNSEEN[:12]]
    x = base.encode_images(images).astype(float)
    linear = read_folder(tmp_path / "out")[1]["linear.weight"].double().numpy()
    matrix = linear.T @ linear
    differences = x[:, None] - x[None, :]
    by_matrix = np.einsum("abi,ij,abj->ab", differences, matrix, differences)
    mapped = encoder.encode_images(images).astype(float)
    by_vectors = ((mapped[:, None] - mapped[None, :]) ** 2).sum(axis=2)
    np.testing.assert_allclose(by_vectors, by_matrix, atol=1e-5, rtol=1e-4)
    # Words and patches take the same way.
    assert encoder.sees_text
    words = base.encode_texts(["a disc", "a ring"])
    np.testing.assert_allclose(encoder.encode_texts(["a disc", "a ring"]), words @ linear.T, atol=1e-4)
    assert encoder.encode_texts([]).shape == (0, 12)
    assert encoder.encode_patches(images[:1]).shape[-1] == 12


def test_a_distance_learns_without_labels(tiny_openclip_dir: Path, tmp_path: Path) -> None:
    start = f"local-dir:{tiny_openclip_dir}"
    base = load_encoder(CPU.model_copy(update={"encoder": start}))
    options = {"learn": "network", "steps": 200, "batch": 64, "learning_rate": 5e-3, "validation": 0.2}
    trained, encoder = fitted(tmp_path / "out", method="measure", start=start, label=None, **options)
    assert trained.scored_by == "view recall@1"
    assert view_recall(encoder, UNSEEN) > view_recall(base, UNSEEN) + 0.05


def test_a_distance_needs_the_encoder_that_it_was_learned_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fitted(out, count=80, method="measure", start="hog", steps=2, validation=0.2)
    file = out / "vitrine_extractor.json"
    described = json.loads(file.read_text())
    described["config"]["identity"]["weights"] = "0" * 16
    file.write_text(json.dumps(described))
    with pytest.raises(EncoderUnavailable, match="other weights"):
        encoder_of(out)
    described["config"]["base"] = f"local-dir:{out}"
    file.write_text(json.dumps(described))
    with pytest.raises(EncoderUnavailable, match="another learned measure"):
        encoder_of(out)


def test_a_dual_encoder_learns_the_titles(tiny_openclip_dir: Path, tmp_path: Path) -> None:
    start = f"local-dir:{tiny_openclip_dir}"
    trained, encoder = fitted(
        tmp_path / "out", method="clip", start=start, steps=60, batch=32, learning_rate=3e-3, validation=0.2
    )
    base = load_encoder(CPU.model_copy(update={"encoder": start}))
    assert trained.scored_by == "title mAP"

    def right(one: TorchEncoder) -> float:
        """How often the title that is nearest to a picture is its own."""
        names = sorted({product.title for product, _ in UNSEEN})
        found = (one.encode_images([image for _, image in UNSEEN]) @ one.encode_texts(names).T).argmax(axis=1)
        return float(
            np.mean([names[at] == product.title for at, (product, _) in zip(found, UNSEEN, strict=True)])
        )

    assert right(encoder) > max(right(base), 0.25) + 0.15
    assert encoder.sees_text and encoder.identity.preprocess == base.identity.preprocess


def test_every_method_has_its_sentence() -> None:
    for method, sentence in METHODS.items():
        assert Plan(method).batch_size > 0 and sentence.endswith(".")
