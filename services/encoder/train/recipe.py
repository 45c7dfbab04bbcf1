"""What decides a training run, and how far it has come: rate and picture size follow from both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training run beside data and code; kept in the checkpoint.

    The run ends after `steps`, or after `minutes` of training if that comes first (0: no limit); rate and
    picture size follow whichever is further on.
    """

    tower: str = "resnet10t"
    image_size: int = 80
    loss: str = "infonce"
    steps: int = 60_000
    minutes: float = 170.0
    #: Share of the run until which pictures have that side, pixels.
    sizes: tuple[tuple[float, int], ...] = ((0.35, 48), (0.8, 64), (1.0, 80))
    #: Share of the run from which texts take part; linear classifiers alone teach the image tower before.
    words_from: float = 0.3
    batch: int = 64
    photo_share: float = 0.35
    #: Titles a batch that are wrong by one attribute.
    near: int = 24
    #: Share of photos put on another background.
    moved: float = 0.25
    #: How strongly drawn pictures and photos are augmented, 0..1.
    drawn_strength: float = 0.3
    photo_strength: float = 0.8
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 150
    pair_weight: float = 0.3
    kind_weight: float = 0.3
    #: Of what is `NAMED`, for the names as for the classifiers.
    name_weights: tuple[float, ...] = (1.5, 0.5, 0.5, 0.25)
    ema: float = 0.998
    seed: int = 0


def further(recipe: Recipe) -> Recipe:
    """The recipe for going on from trained weights: words at once, a gentler rate, and pictures of the size
    used from the first step, since weights that saw another size gain most by that."""
    return replace(recipe, words_from=0.02, sizes=((1.0, recipe.image_size),), learning_rate=8e-4)


@dataclass
class Pace:
    """How far a run has come: `step` of the recipe's, and `seconds` spent training."""

    recipe: Recipe
    step: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> float:
        """0..1."""
        timed = self.seconds / (60 * self.recipe.minutes) if self.recipe.minutes else 0.0
        return min(1.0, max(self.step / self.recipe.steps, timed))

    @property
    def size(self) -> int:
        """Side of the training pictures, pixels.

        Small ones first, for many more of them; and cropped products look larger in training than they do
        in use, which pictures smaller than those in use even out (FixRes, Touvron et al. 2019, arXiv
        1906.06423).
        """
        return next(
            (size for until, size in self.recipe.sizes if self.done < until), self.recipe.sizes[-1][1]
        )

    @property
    def rate(self) -> float:
        """Learning rate: linear warm-up, then a cosine down to zero."""
        warm = min(1.0, (self.step + 1) / self.recipe.warmup)
        return self.recipe.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * self.done))
