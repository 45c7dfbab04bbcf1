"""Local gradients as words: SIFT, quantised by a vocabulary, as a bag of visual words or as VLAD.

    SIFT    gradients about a point (Lowe 2004, IJCV 60), here as their root ("RootSIFT": Arandjelovic and
            Zisserman 2012): unit vectors, 128 numbers each
    bow     how often each word occurs, by tf-idf (Sivic and Zisserman 2003, "Video Google")
    vlad    the sum of what descriptors differ from their word by (Jegou et al. 2010), its root (power law)
            taken, each word normalised by itself ("intra": Arandjelovic and Zisserman 2013), then whitened by
            PCA (Jegou and Chum 2012)

The vocabulary is fitted on pictures without labels; `fit` writes it to a model folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from services.encoder.base import Vectors
from services.encoder.extractors.base import to_square
from services.encoder.extractors.folder import read_folder, write_folder
from services.encoder.extractors.handmade import HandMade, grey, library, with_nothing
from services.encoder.failures import unusable_model
from services.errors import InvalidInput
from services.settings import Settings

Method = Literal["bow", "vlad"]
Points = Literal["dense", "keypoints"]
#: Called with what is being done and how many pictures it was done to.
Progress = Callable[[str, int], None]

#: Most pictures and descriptors that a vocabulary is fitted on; more no longer change it.
MOST_PICTURES, MOST_DESCRIPTORS = 2000, 100_000
#: Fewer pictures make no vocabulary.
LEAST_PICTURES = 8
#: Most keypoints of one picture, the strongest.
_MOST_POINTS = 600
#: Between dense points, and the sides of each of the 4 x 4 bins about a point (two of the four of PHOW: Bosch
#: et al. 2007), in pixels. OpenCV makes a bin 1.5 times as wide as the keypoint.
_STEP, _BINS, _BIN_OF_POINT = 8, (4.0, 8.0), 1.5
_SIFT = 128


@dataclass(frozen=True)
class WordsConfig:
    """`words` 0 takes as many as is usual: 1000 for bow, 64 for vlad. `dim` is the width that VLAD is reduced
    to, at most a quarter of the pictures it is fitted on: whitening as many dimensions as there are pictures
    would put them all at one distance. `points` says where descriptors are taken: on a grid, or at keypoints.

    Of 267 validation photos of clothing, by a vocabulary of 665 others, the grid finds the class with an mAP
    of 0.28 (vlad; the same at 32 to 128 dimensions) and 0.27 (bow), keypoints with 0.22 and 0.20: fabric
    has few corners.

    Raises `InvalidInput`, naming the field.
    """

    method: Method = "vlad"
    words: int = 0
    dim: int = 128
    image_size: int = 160
    points: Points = "dense"

    def __post_init__(self) -> None:
        for field, known in (("method", ("bow", "vlad")), ("points", ("dense", "keypoints"))):
            if (value := getattr(self, field)) not in known:
                raise _invalid(field, value, f"Use one of: {', '.join(known)}.")
        bounds = {"words": (0, 1000), "dim": (2, 512), "image_size": (64, 512)}
        for field, (low, high) in bounds.items():
            value = getattr(self, field)
            if not isinstance(value, int) or not low <= value <= high:
                raise _invalid(field, value, f"Use a whole number from {low} to {high}.")

    @property
    def vocabulary(self) -> int:
        """How many words are looked for."""
        return self.words or (1000 if self.method == "bow" else 64)


def fit(
    pictures: Iterable[Image.Image],
    folder: Path,
    config: WordsConfig = WordsConfig(),
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Fit a vocabulary on RGB pictures and write the model folder; returns it.

    Of many pictures `MOST_PICTURES` count, drawn evenly; they are gone through once. Raises `InvalidInput`
    for too few pictures, or pictures in which next to nothing is seen, and `EncoderUnavailable` if
    scikit-learn or opencv is not installed.
    """
    clusters = library("sklearn.cluster", "scikit-learn")
    tell = progress or (lambda doing, count: None)
    rng = np.random.default_rng(seed)
    described: list[npt.NDArray[np.uint8]] = []
    seen = 0
    for picture in pictures:
        seen += 1
        # Reservoir sampling (Vitter 1985): each picture stays with the same chance.
        place = len(described) if len(described) < MOST_PICTURES else int(rng.integers(seen))
        if place < MOST_PICTURES:
            pixels = to_square(picture.convert("RGB"), config.image_size).numpy()
            described[place : place + 1] = [_sift(pixels, config.points)]
        tell("describing", seen)
    if seen < LEAST_PICTURES:
        raise InvalidInput(
            f"There are {seen} pictures, too few for a vocabulary of visual words.",
            mend=f"Give at least {LEAST_PICTURES}.",
            field="catalogue",
        )
    all_of_them = np.concatenate(described)
    count = min(config.vocabulary, len(all_of_them) // 8)
    if count < 2:
        raise InvalidInput(
            f"In the {seen} pictures there are only {len(all_of_them)} points to describe.",
            mend="Give pictures that show something.",
            field="catalogue",
        )
    if len(all_of_them) > MOST_DESCRIPTORS:
        all_of_them = all_of_them[rng.choice(len(all_of_them), MOST_DESCRIPTORS, replace=False)]
    tell("clustering", seen)
    found = clusters.MiniBatchKMeans(count, batch_size=4096, max_iter=20, n_init=1, random_state=seed)
    words = found.fit(_root(all_of_them)).cluster_centers_.astype(np.float32)
    tensors = {"words": words} | _statistics(described, words, config, seed)
    dim = len(tensors["projection"] if config.method == "vlad" else words) + 1
    description = {
        "method": config.method,
        "image_size": config.image_size,
        "dim": dim,
        "measure": "cosine",
        "config": asdict(config),
        "training": {"pictures": seen, "sampled": len(described), "words": count, "seed": seed},
    }
    write_folder(folder, description, {key: torch.from_numpy(value) for key, value in tensors.items()})
    return folder


def _statistics(
    described: list[npt.NDArray[np.uint8]], words: Vectors, config: WordsConfig, seed: int
) -> dict[str, Vectors]:
    """What the fitted pictures say beside the words: how rare each is, or the axes of their VLAD."""
    if config.method == "bow":
        there = np.stack([_counts(_root(some), words) > 0 for some in described]).sum(axis=0)
        # Smoothed, so that a word of no picture or of every picture still has a finite weight above 0.
        return {"idf": np.log1p((len(described) + 0.5) / (there + 0.5)).astype(np.float32)}
    decomposition = library("sklearn.decomposition", "scikit-learn")
    vectors = np.stack([_vlad(_root(some), words) for some in described])
    dim = max(2, min(config.dim, len(described) // 4, vectors.shape[1]))
    axes = decomposition.PCA(dim, svd_solver="randomized", random_state=seed).fit(vectors)
    spread = np.sqrt(np.maximum(axes.explained_variance_, 1e-9))[:, None]
    return {
        "mean": axes.mean_.astype(np.float32),
        "projection": np.ascontiguousarray(axes.components_ / spread, dtype=np.float32),
    }


class _Vocabulary(torch.nn.Module):
    """The fitted numbers as buffers, so that they are hashed like any weights."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.float())


class WordsEncoder(HandMade):
    """A bag of visual words or VLAD by the vocabulary of a model folder; one more number marks pictures in
    which nothing is seen."""

    def __init__(self, name: str, folder: Path, settings: Settings) -> None:
        library("cv2", "opencv-python-headless")
        description, tensors = read_folder(folder)
        wanted = {"words", "idf"} if description["method"] == "bow" else {"words", "mean", "projection"}
        try:
            known = {field.name for field in fields(WordsConfig)}
            config = WordsConfig(**{k: v for k, v in description["config"].items() if k in known})
            if set(tensors) != wanted:
                raise ValueError(f"it should hold {', '.join(sorted(wanted))}")
        except (InvalidInput, TypeError, ValueError) as error:
            raise unusable_model(name, error) from None
        self._config = config
        self._numbers = {key: value.float().numpy() for key, value in tensors.items()}
        self.family = f"{'VLAD' if config.method == 'vlad' else 'bag of visual words'} (SIFT)"
        self.side = config.image_size
        super().__init__(name, _Vocabulary(tensors), settings, configuration=asdict(config))

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        rows = [self._described(_root(_sift(picture, self._config.points))) for picture in pixels.numpy()]
        return torch.from_numpy(with_nothing(np.stack(rows)))

    def _described(self, descriptors: Vectors) -> Vectors:
        numbers = self._numbers
        if self._config.method == "bow":
            counts = _counts(descriptors, numbers["words"])
            weighted: Vectors = counts / max(float(counts.sum()), 1.0) * numbers["idf"]
            return weighted
        if not len(descriptors):
            return np.zeros(len(numbers["projection"]), dtype=np.float32)
        projected: Vectors = numbers["projection"] @ (_vlad(descriptors, numbers["words"]) - numbers["mean"])
        return projected


def _sift(pixels: Vectors, points: Points) -> npt.NDArray[np.uint8]:
    """SIFT of a picture float32 [3, s, s] in 0..1: uint8 [m, 128], where there are gradients at all."""
    cv2: Any = library("cv2", "opencv-python-headless")
    picture = np.clip(grey(pixels) * 255 + 0.5, 0, 255).astype(np.uint8)
    # Made anew: one that is shared keeps state while it runs, and it costs microseconds.
    sift = cv2.SIFT_create(nfeatures=_MOST_POINTS)
    if points == "keypoints":
        _, found = sift.detectAndCompute(picture, None)
    else:
        sides = np.arange(_STEP // 2, picture.shape[0], _STEP, dtype=float)
        grid = [cv2.KeyPoint(x, y, bin / _BIN_OF_POINT, 0.0) for bin in _BINS for y in sides for x in sides]
        _, found = sift.compute(picture, grid)
    if found is None:
        return np.empty((0, _SIFT), dtype=np.uint8)
    kept: npt.NDArray[np.uint8] = found[found.any(axis=1)].astype(np.uint8)
    return kept


def _root(descriptors: npt.NDArray[np.uint8]) -> Vectors:
    """RootSIFT: unit float32 [m, 128], whose dot products are the Hellinger kernel of the histograms."""
    whole = descriptors.astype(np.float32)
    rooted: Vectors = np.sqrt(whole / np.maximum(whole.sum(axis=1, keepdims=True), 1.0))
    return rooted


def _nearest(descriptors: Vectors, words: Vectors) -> npt.NDArray[np.intp]:
    """The nearest word of each descriptor; words are means of unit vectors, and shorter than these."""
    nearest: npt.NDArray[np.intp] = np.argmin((words**2).sum(axis=1) - 2 * descriptors @ words.T, axis=1)
    return nearest


def _counts(descriptors: Vectors, words: Vectors) -> Vectors:
    """How often each word occurs: float32 [k]."""
    return np.bincount(_nearest(descriptors, words), minlength=len(words)).astype(np.float32)


def _vlad(descriptors: Vectors, words: Vectors) -> Vectors:
    """VLAD before whitening: float32 [k * 128], of unit length; zeros without descriptors."""
    sums = np.zeros_like(words)
    nearest = _nearest(descriptors, words)
    np.add.at(sums, nearest, descriptors - words[nearest])
    sums = np.sign(sums) * np.sqrt(np.abs(sums))
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    whole = sums.ravel()
    unit: Vectors = whole / max(float(np.linalg.norm(whole)), 1e-12)
    return unit


def _invalid(field: str, value: object, mend: str) -> InvalidInput:
    return InvalidInput(f"The {field} {str(value)[:40]!r} cannot be used.", mend=mend, field=field)
