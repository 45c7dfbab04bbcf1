"""What an encoder can do, measured on pictures with known attributes.

Pictures are ranked for made titles; a picture is relevant to a title if it shows all that the title
says (`titles.matches`). Everything works on features, so that it serves a model in training
(`measure`) as well as any finished encoder (`bars`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from services.encoder.train.augment import plain
from services.encoder.train.colours import COLOURS, FAMILIES, FAMILY_ZH
from services.encoder.train.data import Pictures
from services.encoder.train.titles import CATEGORY_NAMES, PATTERN_NAMES, UNSAID, Attributes, matches
from services.encoder.train.words import CATEGORIES, PATTERNS

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
Tokenize = Callable[[list[str]], torch.Tensor]
Language = Literal["en", "zh"]

#: A class is the mean of these for its plain name (Radford et al. 2021, section 3.1.4).
PROMPTS: Mapping[Language, tuple[str, ...]] = {
    "en": ("{}", "a photo of a {}", "picture of {}"),
    "zh": ("{}", "一张{}的照片", "{}图片"),
}


@dataclass
class Measured:
    """Unit features of a set of pictures, float32 [n, d], how to embed texts into the same space, and
    the pictures' attribute codes, int64 [n, 6] as `Attributes.row`."""

    images: Array
    texts: Callable[[list[str]], Array]
    codes: Codes


def embed(model: Any, tokenize: Tokenize, pictures: Pictures, size: int) -> Measured:
    """Features of a model in training, which sees the pictures at `size` pixels."""
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
            parts = [
                model.encode_text(tokenize(words[at : at + 256]).to(device), normalize=True).cpu().numpy()
                for at in range(0, len(words), 256)
            ]
        return np.concatenate(parts)

    return Measured(np.concatenate(images), texts, pictures.codes)


def phrase(said: Attributes, language: Language = "en") -> str:
    """The plain words for what is said of colour (or else its family), pattern and category: "red striped
    mug", "红色条纹马克杯". Codes below 0 are left out."""
    words: list[str] = []
    if said.colour >= 0:
        colour = COLOURS[said.colour]
        words.append(colour.name if language == "en" else colour.zh[0])
    elif said.family >= 0:
        family = FAMILIES[said.family]
        words.append(family if language == "en" else FAMILY_ZH[family])
    if said.pattern >= 0:
        words.append(getattr(PATTERNS[PATTERN_NAMES[said.pattern]], language)[0])
    if said.category >= 0:
        words.append(getattr(CATEGORIES[CATEGORY_NAMES[said.category]], language)[0])
    return (" " if language == "en" else "").join(words)


def class_names(codes: Codes, language: Language = "en") -> list[str]:
    """The plain names of categories, given by their codes [c]."""
    return [phrase(Attributes(category=int(code)), language) for code in codes]


def zero_shot_accuracy(measured: Measured, language: Language = "en") -> float:
    """Share of pictures whose nearest class name (mean over `PROMPTS`) is their own; classes present only."""
    present = np.unique(measured.codes[:, 0])
    names = class_names(present, language)
    prompts = np.mean(
        [measured.texts([prompt.format(name) for name in names]) for prompt in PROMPTS[language]], axis=0
    )
    prompts /= np.linalg.norm(prompts, axis=1, keepdims=True)
    return float((present[(measured.images @ prompts.T).argmax(1)] == measured.codes[:, 0]).mean())


def class_precision(measured: Measured, k: int = 10, language: Language = "en") -> float:
    """Share of pictures of the right category among the first k, over the bare class names as queries."""
    present = np.unique(measured.codes[:, 0])
    first = nearest(measured, class_names(present, language), k)
    return float((measured.codes[first, 0] == present[:, None]).mean())


def titles_of(codes: Codes) -> list[Attributes]:
    """What every distinct plain title of the pictures says: colour, pattern (unless plain or unknown) and
    category. Pictures without a known colour give none."""
    said = (
        Attributes(int(category), int(colour), int(family), int(pattern) if pattern > 0 else UNSAID)
        for category, colour, family, pattern in np.unique(codes[:, :4], axis=0)
        if colour >= 0
    )
    return list(dict.fromkeys(said))


def nearest(measured: Measured, queries: list[str], k: int) -> npt.NDArray[np.intp]:
    """The k pictures nearest to each text, nearest first: indices [queries, k]."""
    scores = measured.texts(queries) @ measured.images.T
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def recall(
    measured: Measured, titles: list[Attributes], k: int = 10, language: Language = "en"
) -> dict[str, float]:
    """Means over the titles: `recall` = relevant pictures among the first k, of those that could be there
    (at most k); `hit` = titles with at least one. NaN where there are no titles."""
    if not titles:
        return {"recall": float("nan"), "hit": float("nan")}
    relevant, _ = matches(np.asarray([said.row() for said in titles]), measured.codes)
    first = nearest(measured, [phrase(said, language) for said in titles], k)
    found = np.take_along_axis(relevant, first, 1).sum(1)
    return {
        "recall": float((found / np.minimum(relevant.sum(1), k)).mean()),
        "hit": float((found > 0).mean()),
    }


def text_to_image(measured: Measured, k: int = 10) -> dict[str, float]:
    """`recall` over all distinct titles of the pictures, and `class_precision`."""
    return recall(measured, titles_of(measured.codes), k) | {"class_precision": class_precision(measured, k)}


def colour_precision(
    measured: Measured, by: Literal["colour", "family"], least: int, k: int = 10
) -> tuple[float, int]:
    """Precision@min(k, relevant) of "{colour} {class}", and over how many such pairs it is the mean.

    Pairs with fewer than `least` relevant pictures are not asked for. Of a pair with only r < k relevant
    pictures the first r answers count, so that 1 can be reached. A picture is relevant if it is of
    the class and of the colour (or colour family); with the colour unknown it is not.
    """
    column = 1 if by == "colour" else 2
    pairs, counts = np.unique(measured.codes[:, [0, column]], axis=0, return_counts=True)
    asked = [tuple(int(code) for code in pair) for pair in pairs[(pairs[:, 1] >= 0) & (counts >= least)]]
    if not asked:
        return float("nan"), 0
    titles = [Attributes(category=category, **{by: colour}) for category, colour in asked]
    first = nearest(measured, [phrase(said) for said in titles], k)
    right = (measured.codes[first][:, :, [0, column]] == np.asarray(asked)[:, None]).all(-1)
    depth = np.minimum(k, [(measured.codes[:, [0, column]] == pair).all(1).sum() for pair in asked])
    within = np.arange(first.shape[1]) < depth[:, None]
    return float(((right & within).sum(1) / depth).mean()), len(asked)


def agreement(measured: Measured, titles: list[Attributes], k: int = 10) -> float:
    """Mean overlap@k of the answers to the same titles in English and in Chinese; NaN without titles."""
    if not titles:
        return float("nan")
    english = nearest(measured, [phrase(said, "en") for said in titles], k)
    chinese = nearest(measured, [phrase(said, "zh") for said in titles], k)
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(english, chinese, strict=True)]))


def class_map(measured: Measured) -> float:
    """`label_map` of the pictures and their categories."""
    return label_map(measured.images, measured.codes[:, 0])


def label_map(features: Array, labels: Codes, queries: Array | None = None) -> float:
    """Mean average precision of image->image search, relevant being the pictures with the same label.

    `features` are unit vectors [n, d], `labels` [n]. Each picture is searched with and left out of its own
    answers; `queries` [n, d], if given, are other features of the same pictures to search with.
    """
    return mean_precision(features if queries is None else queries, labels, features, labels, own=True)


def mean_precision(queries: Array, labels: Codes, found: Array, found_labels: Codes, *, own: bool) -> float:
    """Mean average precision of the queries [q, d], with `labels` [q], among `found` [n, d]; `own` leaves out
    each query's row."""
    scores = queries @ found.T
    if own:
        np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1)[:, : len(found) - own]
    same = found_labels[order] == labels[:, None]
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
