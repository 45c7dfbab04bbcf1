"""What training lowers, by pytorch-metric-learning: each takes embeddings and the class of each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from services.encoder.extractors.handmade import library

#: Cosines of a classifier are multiplied by 1 / this before the softmax, and those of NT-Xent.
_CLASS_TEMPERATURE, _VIEW_TEMPERATURE = 0.1, 0.2
#: What distances of unit vectors (0..2) pairs of different classes, and triplets, should differ by.
_CONTRAST, _TRIPLET = 1.0, 0.2
#: Proxies, class vectors and the like start from nothing and learn this much faster (Kim et al. 2020: 100).
FASTER = 50.0


class Objective(nn.Module):
    """A loss of embeddings [n, d] and classes int64 [n]; with parameters of its own where it has any.

    `beside` is a second loss that is added.
    """

    def __init__(
        self, loss: Any, miner: Any = None, head: nn.Module | None = None, beside: Any = None
    ) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner
        self.head = head or nn.Identity()
        self.beside = beside

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        seen = self.head(embeddings)
        mined = self.miner(seen, classes) if self.miner is not None else None
        found: Tensor = self.loss(seen, classes, mined)
        return found if self.beside is None else found + self.beside(seen, classes)


def network_objective(method: str, classes: int, dim: int) -> Objective:
    """What a network of a method is trained by, on the unit sphere.

    classes   cross-entropy of cosines to a vector for each class (Zhai and Wu 2019, arXiv 1811.12649)
    siamese   contrastive loss (Hadsell et al. 2006)
    triplet   triplet loss over semi-hard triplets (Schroff et al. 2015, FaceNet, arXiv 1503.03832)
    proxy     Proxy-Anchor (Kim et al. 2020, arXiv 2003.13911)
    simclr    NT-Xent behind a projection that is thrown away (Chen et al. 2020, arXiv 2002.05709)

    `classes` is how many there are, 0 without labels. Where there are, pairs and triplets are joined by the
    cross-entropy of `classes`, as in re-identification (Luo et al. 2019, arXiv 1903.07071): from scratch and
    within minutes they alone hardly leave chance. Raises `EncoderUnavailable` if pytorch-metric-learning is
    not installed.
    """
    losses = library("pytorch_metric_learning.losses", "pytorch-metric-learning")
    miners = library("pytorch_metric_learning.miners", "pytorch-metric-learning")
    telling_apart = (
        losses.NormalizedSoftmaxLoss(classes, dim, temperature=_CLASS_TEMPERATURE) if classes else None
    )
    if method == "classes":
        return Objective(telling_apart)
    if method == "siamese":
        contrast = losses.ContrastiveLoss(pos_margin=0, neg_margin=_CONTRAST)
        return Objective(contrast, beside=telling_apart)
    if method == "triplet":
        miner = miners.TripletMarginMiner(margin=_TRIPLET, type_of_triplets="semihard")
        return Objective(losses.TripletMarginLoss(margin=_TRIPLET), miner, beside=telling_apart)
    if method == "proxy":
        return Objective(losses.ProxyAnchorLoss(classes, dim, margin=0.1, alpha=32))
    projection = nn.Sequential(nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU(), nn.Linear(dim, dim))
    return Objective(losses.NTXentLoss(temperature=_VIEW_TEMPERATURE), head=projection)


def measure_objective() -> Objective:
    """What a learned distance is trained by: neighbourhood components analysis (Goldberger et al. 2004), that
    a picture's neighbours under a softmax of squared distances are of its class."""
    losses = library("pytorch_metric_learning.losses", "pytorch-metric-learning")
    distances = library("pytorch_metric_learning.distances", "pytorch-metric-learning")
    squared = distances.LpDistance(normalize_embeddings=False, p=2, power=2)
    return Objective(losses.NCALoss(softmax_scale=1.0, distance=squared))


def decayed(model: nn.Module, rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameter groups for AdamW: matrices decay, biases and scales do not."""
    learned = [value for value in model.parameters() if value.requires_grad]
    groups = [
        {"params": [value for value in learned if value.ndim > 1], "rate": rate, "weight_decay": decay},
        {"params": [value for value in learned if value.ndim <= 1], "rate": rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def optimiser_of(model: nn.Module, objective: nn.Module, rate: float, decay: float) -> torch.optim.AdamW:
    """AdamW over a model and, faster, its objective; the key `rate` of a group is its peak rate."""
    groups = decayed(model, rate, decay) + decayed(objective, rate * FASTER, 0.0)
    return torch.optim.AdamW(groups, lr=rate)
