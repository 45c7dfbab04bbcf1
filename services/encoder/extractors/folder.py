"""The folder of an extractor that was fitted or trained: what it is as JSON, its numbers as safetensors."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from services.encoder.failures import one_line
from services.errors import EncoderUnavailable, InvalidInput

DESCRIPTION, WEIGHTS = "vitrine_extractor.json", "model.safetensors"


def is_extractor(folder: Path) -> bool:
    """Whether the folder holds an extractor (and not, say, a model of open_clip)."""
    return (folder / DESCRIPTION).is_file()


def write_folder(folder: Path, description: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a model folder, or replace the one that is there, in one step: no reader sees half of it.

    `description` is JSON-ready with at least method, image_size, dim, measure, config and training (what is
    known of how it came about). Raises `InvalidInput` if the place holds something else, or cannot be
    written.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not (is_extractor(folder) or (folder.is_dir() and not any(folder.iterdir()))):
        raise InvalidInput(
            f"{str(folder)!r} is there already and is no model folder of an extractor.",
            mend="Give a folder that does not exist yet.",
            field="out",
        )
    aside = folder.with_name(f".{folder.name}-{uuid4().hex[:8]}")
    old = aside.with_name(f"{aside.name}-old")
    try:
        aside.mkdir(parents=True)
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (aside / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(plain, aside / WEIGHTS, metadata={"format": "pt"})
        (aside / WEIGHTS).chmod(0o644)  # it is written for its owner alone otherwise
        if folder.exists():
            folder.rename(old)
        os.replace(aside, folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def unwritable(folder: Path, error: OSError) -> InvalidInput:
    """What to raise for a model folder that could not be written."""
    return InvalidInput(
        f"The model folder {str(folder)!r} cannot be written: {error.strerror or error}.",
        mend="Give a folder that can be.",
        field="out",
    )


def read_folder(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The description of a model folder and its tensors, on the CPU.

    Raises `EncoderUnavailable` for a folder that is not there, incomplete or damaged.
    """
    folder = folder.expanduser()
    description = read_description(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except FileNotFoundError:
        raise _unusable(folder, f"it holds no {WEIGHTS}") from None
    except (OSError, SafetensorError) as error:
        raise _unusable(folder, f"its {WEIGHTS} is damaged ({one_line(error)})") from None
    return description, tensors


def read_description(folder: Path) -> dict[str, Any]:
    """The description alone. Raises `EncoderUnavailable`."""
    folder = folder.expanduser()
    if not folder.is_dir():
        raise EncoderUnavailable(
            f"The model folder {str(folder)!r} does not exist.",
            mend=f"Give a folder that holds {DESCRIPTION} and {WEIGHTS}.",
            field="encoder",
        )
    try:
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unusable(folder, f"it holds no {DESCRIPTION}") from None
    except (OSError, ValueError) as error:
        raise _unusable(folder, f"its {DESCRIPTION} cannot be read ({one_line(error)})") from None
    known = {"method": str, "image_size": int, "dim": int, "measure": str, "config": dict}
    if not isinstance(description, dict):
        raise _unusable(folder, f"its {DESCRIPTION} is no object")
    for key, kind in known.items():
        if not isinstance(description.get(key), kind):
            raise _unusable(folder, f"its {DESCRIPTION} lacks {key!r}")
    if description["measure"] not in ("cosine", "euclid", "dot"):
        raise _unusable(folder, f"its measure {str(description['measure'])[:40]!r} is not known")
    return description


def _unusable(folder: Path, why: str) -> EncoderUnavailable:
    return EncoderUnavailable(
        f"The model folder {str(folder)!r} cannot be used: {why}.",
        mend="Copy it again, or train the model anew.",
        field="encoder",
    )
