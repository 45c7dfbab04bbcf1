"""What a trained model can do, measured on pictures with known attributes.

Pictures are ranked for made titles; a picture is relevant to a title if it shows all that the title
says (`titles.matches`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from services.encoder.train.colours import COLOURS
from services.encoder.train.data import Pictures, plain
from services.encoder.train.titles import (
    CATEGORIES,
    CATEGORY_NAMES,
    PATTERN_NAMES,
    PATTERNS,
    Attributes,
    matches,
)

Array = npt.NDArray[np.float32]
Tokenize = Callable[[list[str]], torch.Tensor]


@dataclass
class Measured:
    """Unit features of a set of pictures, float32 [n, d], and how to embed texts into the same space."""

    images: Array
    texts: Callable[[list[str]], Array]
    codes: npt.NDArray[np.int64]


def embed(model: Any, tokenize: Tokenize, pictures: Pictures, size: int) -> Measured:
    device = next(model.parameters()).device
    with torch.inference_mode():
        images = [
            model.encode_image(plain(pictures.pixels[at : at + 128], size).to(device), normalize=True)
            .cpu()
            .numpy()
            for at in range(0, len(pictures), 128)
        ]

    def texts(words: list[str]) -> Array:
        with torch.inference_mode():
            return np.asarray(model.encode_text(tokenize(words).to(device), normalize=True).cpu().numpy())

    return Measured(np.concatenate(images), texts, pictures.codes)


def zero_shot_accuracy(measured: Measured) -> float:
    """Share of pictures whose nearest class name (mean of two prompts) is their own; classes present only."""
    present = np.unique(measured.codes[:, 0])
    names = [CATEGORIES[CATEGORY_NAMES[code]][0] for code in present]
    prompts = measured.texts(names) + measured.texts([f"a photo of a {name}" for name in names])
    return float((present[(measured.images @ prompts.T).argmax(1)] == measured.codes[:, 0]).mean())


def titles_of(codes: npt.NDArray[np.int64]) -> dict[str, Attributes]:
    """Every distinct plain title of the pictures ("red striped mug"), with what it says."""
    found: dict[str, Attributes] = {}
    for category, colour, family, pattern, _ in np.unique(codes, axis=0):
        if colour < 0:
            continue
        words = [COLOURS[colour].name]
        if pattern > 0:
            words.append(PATTERNS[PATTERN_NAMES[pattern]][0])
        title = " ".join([*words, CATEGORIES[CATEGORY_NAMES[category]][0]])
        said = Attributes(int(category), int(colour), int(family), int(pattern) if pattern > 0 else -1)
        found[title] = said
    return found


def text_to_image(measured: Measured, k: int = 10) -> dict[str, float]:
    """Over all distinct titles: `recall` = relevant pictures in the first k, of those that could be there
    (at most k); `hit` = titles with a relevant picture in the first k; `class_precision` = pictures of the
    right category in the first k, over the category names."""
    titles = titles_of(measured.codes)
    relevant, _ = matches(np.asarray([said.row() for said in titles.values()]), measured.codes)
    first = np.argsort(-(measured.texts(list(titles)) @ measured.images.T), axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(relevant, first, 1).sum(1)
    present = np.unique(measured.codes[:, 0])
    names = measured.texts([CATEGORIES[CATEGORY_NAMES[code]][0] for code in present])
    nearest = np.argsort(-(names @ measured.images.T), axis=1)[:, :k]
    return {
        "recall": float((found / np.minimum(relevant.sum(1), k)).mean()),
        "hit": float((found > 0).mean()),
        "class_precision": float((measured.codes[nearest, 0] == present[:, None]).mean()),
    }


def class_map(measured: Measured) -> float:
    """`label_map` of the pictures and their categories."""
    return label_map(measured.images, measured.codes[:, 0])


def label_map(features: Array, labels: npt.NDArray[np.int64]) -> float:
    """Mean average precision of image->image search, leaving out the query itself; relevant are the
    pictures with the same label. `features` are unit vectors [n, d], `labels` [n]."""
    scores = features @ features.T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1)[:, :-1]
    same = labels[order] == labels[:, None]
    at = np.cumsum(same, 1) / np.arange(1, same.shape[1] + 1)
    return float(((at * same).sum(1) / np.maximum(same.sum(1), 1)).mean())


def measure(model: Any, tokenize: Tokenize, pictures: Pictures, size: int, name: str) -> dict[str, float]:
    """All figures of one set of pictures, named `name.figure`."""
    measured = embed(model, tokenize, pictures, size)
    ranked = text_to_image(measured)
    figures = {
        "zero_shot_accuracy": zero_shot_accuracy(measured),
        "text_image_recall@10": ranked["recall"],
        "text_image_hit@10": ranked["hit"],
        "class_precision@10": ranked["class_precision"],
        "image_image_class_map": class_map(measured),
    }
    return {f"{name}.{figure}": round(value, 4) for figure, value in figures.items()}
