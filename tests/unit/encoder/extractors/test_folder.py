"""A model folder is written whole or not at all, and read with one clear sentence where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from services.encoder.extractors.folder import (
    DESCRIPTION,
    WEIGHTS,
    is_extractor,
    read_folder,
    write_folder,
)
from services.errors import EncoderUnavailable, InvalidInput

ABOUT: dict[str, Any] = {
    "method": "classes",
    "image_size": 64,
    "dim": 8,
    "measure": "cosine",
    "config": {"trunk": "timm:test_resnet"},
    "training": {"minutes": 1.5},
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    numbers = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.tensor([1], dtype=torch.int64)}
    write_folder(tmp_path / "models" / "mine", ABOUT, numbers)
    about, read = read_folder(tmp_path / "models" / "mine")
    assert about == ABOUT
    assert read.keys() == numbers.keys() and all(torch.equal(read[key], numbers[key]) for key in read)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["mine"], "nothing is left aside"


def test_a_model_is_replaced_and_anything_else_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_folder(folder, ABOUT, {"a": torch.zeros(1)})
    write_folder(folder, ABOUT | {"dim": 9}, {"a": torch.ones(1)})
    about, numbers = read_folder(folder)
    assert about["dim"] == 9 and numbers["a"] == 1
    other = tmp_path / "papers"
    other.mkdir()
    (other / "letter.txt").write_text("keep me")
    with pytest.raises(InvalidInput, match="no model folder") as caught:
        write_folder(other, ABOUT, {"a": torch.zeros(1)})
    assert caught.value.field == "out" and (other / "letter.txt").read_text() == "keep me"


def test_a_write_that_fails_leaves_the_old_model(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_folder(folder, ABOUT, {"a": torch.zeros(1)})
    with pytest.raises(TypeError):
        write_folder(folder, ABOUT | {"training": object()}, {"a": torch.ones(1)})
    assert read_folder(folder)[1]["a"] == 0
    assert list(tmp_path.iterdir()) == [folder]


def damage(folder: Path, how: str) -> None:
    about = folder / DESCRIPTION
    if how == "no weights":
        (folder / WEIGHTS).unlink()
    elif how == "half the weights":
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:40])
    elif how == "no JSON":
        about.write_text("{")
    elif how == "a list":
        about.write_text("[]")
    elif how == "no method":
        about.write_text(json.dumps({key: value for key, value in ABOUT.items() if key != "method"}))
    else:
        about.write_text(json.dumps(ABOUT | {"measure": "taxi"}))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("no weights", "holds no model.safetensors"),
        ("half the weights", "damaged"),
        ("no JSON", "cannot be read"),
        ("a list", "no object"),
        ("no method", "lacks 'method'"),
        ("an unknown measure", "not known"),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(how: str, reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_folder(folder, ABOUT, {"a": torch.zeros(64)})
    damage(folder, how)
    with pytest.raises(EncoderUnavailable, match=reason) as caught:
        read_folder(folder)
    assert str(folder) in str(caught.value) and caught.value.mend


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert not is_extractor(tmp_path)
    with pytest.raises(EncoderUnavailable, match="does not exist"):
        read_folder(tmp_path / "none")
