"""Towers with channel attention are named in a model's config like any of timm's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from timm.layers import EcaModule, SEModule
from timm.layers.cbam import CbamModule

import services.encoder.towers  # noqa: F401
from services.encoder.registry import load_encoder
from services.settings import Settings
from tests.conftest import write_tiny_openclip
from tests.unit.encoder.pictures import noise

KINDS = {"resnet10t_se": SEModule, "resnet10t_eca": EcaModule, "resnet10t_cbam": CbamModule}


@pytest.mark.parametrize(("tower", "module"), KINDS.items())
def test_a_model_folder_may_name_them(tower: str, module: type[Any], tmp_path: Path) -> None:
    folder = write_tiny_openclip(tmp_path, tower=tower)
    encoder = load_encoder(Settings(encoder=f"local-dir:{folder}", device="cpu", precision="fp32"))
    trunk = encoder._model.visual.trunk
    assert sum(isinstance(part, module) for part in trunk.modules()) == 4  # one for each residual block
    pictures = [noise(seed, 80, 64) for seed in (1, 2)]
    vectors = encoder.encode_images(pictures)
    assert not np.allclose(vectors[0], vectors[1])
    assert encoder.encode_patches(pictures).shape[0] == 2


@pytest.mark.parametrize("tower", KINDS)
def test_weights_that_do_not_exist_are_not_promised(tower: str) -> None:
    with pytest.raises(ValueError, match="no pretrained weights"):
        timm.create_model(tower, pretrained=True)
