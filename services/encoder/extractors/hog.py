"""Histograms of oriented gradients (Dalal and Triggs 2005, "Histograms of Oriented Gradients for Human
Detection", CVPR): the outline of a picture, without its colours; nothing is learned."""

from __future__ import annotations

import numpy as np
import torch

from services.encoder.extractors.handmade import HandMade, grey, library, with_nothing
from services.settings import Settings

#: Orientations, cells to a block and block normalisation are those of the paper, gradients are of the root of
#: grey. Six cells across give 5 x 5 blocks of 4 cells of 9 orientations: 900 numbers, below 1024, where the
#: paper's 8 pixels a cell would give 4,356 at this side. So nothing has to be projected away.
SIDE, CELL, BLOCK, ORIENTATIONS = 96, 16, 2, 9


class HogEncoder(HandMade):
    """HOG of the whole picture: 900 numbers and one for flat pictures, unit length."""

    family = "HOG (scikit-image)"
    side = SIDE

    def __init__(self, name: str, settings: Settings) -> None:
        self._hog = library("skimage.feature", "scikit-image").hog
        configuration = {"method": "hog", "side": SIDE, "cell": CELL, "block": BLOCK, "bins": ORIENTATIONS}
        super().__init__(name, torch.nn.Module(), settings, configuration=configuration)

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        described = [
            self._hog(
                picture,
                orientations=ORIENTATIONS,
                pixels_per_cell=(CELL, CELL),
                cells_per_block=(BLOCK, BLOCK),
                block_norm="L2-Hys",
                transform_sqrt=True,
            )
            for picture in grey(pixels.numpy())
        ]
        return torch.from_numpy(with_nothing(np.stack(described)))
