"""Contrastive losses over batches in which one title may describe several pictures.

Both build on open_clip's own losses and change only what counts as a positive: every picture a title
describes, instead of the diagonal. Pairs nobody can judge (a title says "striped", the photo's pattern
is unknown) take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from open_clip.loss import ClipLoss, SigLipLoss
from torch import Tensor
from torch.nn import functional

#: Pictures of one category differ in all else, so they attract each other softly: the temperature of 0.1
#: that SupCon was found best with, not the sharp one that titles learn.
_KIND_SCALE = 10.0

#: Logit of a pair that takes no part: its softmax share vanishes, yet 0 * logit stays finite.
_OUT = -1e4


class MatchInfoNCE(ClipLoss):  # type: ignore[misc]
    """InfoNCE (Radford et al. 2021, arXiv 2103.00020) with soft targets over all positives (as SupCon,
    Khosla et al. 2020, arXiv 2004.11362)."""

    def matched(self, image: Tensor, text: Tensor, scale: Tensor, match: Tensor, unsure: Tensor) -> Tensor:
        """Loss of unit features [n, d]; `match` and `unsure` are bool [texts, images]."""
        per_image, per_text = self.get_logits(image, text, scale)
        return (_soft(per_text, match, unsure) + _soft(per_image, match.T, unsure.T)) / 2


class MatchSigLip(SigLipLoss):  # type: ignore[misc]
    """Sigmoid loss (Zhai et al. 2023, arXiv 2303.15343) with all positives."""

    def matched(
        self, image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, match: Tensor, unsure: Tensor
    ) -> Tensor:
        """Loss of unit features [n, d]; `match` and `unsure` are bool [texts, images]."""
        logits = self.get_logits(image, text, scale, bias).T
        signs = match.to(logits.dtype) * 2 - 1
        losses = -functional.logsigmoid(signs * logits).masked_fill(unsure, 0)
        return losses.sum() / len(image)


def _soft(logits: Tensor, match: Tensor, unsure: Tensor) -> Tensor:
    target = match.to(logits.dtype)
    has = match.any(1)
    target = target[has] / target[has].sum(1, keepdim=True)
    return functional.cross_entropy(logits.masked_fill(unsure, _OUT)[has], target)


def named(image: Tensor, names: Tensor, scale: Tensor, codes: Tensor) -> Tensor:
    """InfoNCE of pictures against every name of one attribute (UniCL, Yang et al. 2022, arXiv 2204.03610).

    Titles tell colours apart long before shapes; asked for the bare name, a picture has to show its kind.
    `image` and `names` are unit features [n, d] and [k, d], `codes` int [n] index the names; pictures of
    unknown code (below 0) take no part.
    """
    return _of_known(image, codes, lambda known: scale * known @ names.T)


def classified(embedding: Tensor, heads: Iterable[Any], codes: Tensor, weights: Sequence[float]) -> Tensor:
    """Cross-entropy of linear classifiers, one for each attribute, over embeddings [n, d].

    `codes` is int [n, attributes]; pictures of unknown code (below 0) take no part.
    """
    loss = embedding.new_zeros(())
    for column, (head, weight) in enumerate(zip(heads, weights, strict=True)):
        loss = loss + weight * _of_known(embedding, codes[:, column], head)
    return loss


def _of_known(features: Tensor, codes: Tensor, logits: Callable[[Tensor], Tensor]) -> Tensor:
    """Cross-entropy of `logits` over the features [n, d] whose code, int [n], is known; 0 if none is."""
    known = codes >= 0
    if not known.any():
        return features.sum() * 0
    return functional.cross_entropy(logits(features[known]), codes[known], label_smoothing=0.05)


def alike(image: Tensor, labels: Tensor, scale: Tensor | float) -> Tensor:
    """Image-image InfoNCE (SupCon): pictures of one label attract each other.

    `image` is unit features [n, d], `labels` int [n], such as product or category; pictures that are alone
    with their label are negatives and no anchors. 0 if there is no pair.
    """
    itself = torch.eye(len(image), dtype=torch.bool, device=image.device)
    match = (labels[:, None] == labels[None, :]) & ~itself
    if not match.any():
        return image.sum() * 0
    return _soft(scale * image @ image.T, match, itself)


def objective(
    model: Any,
    image: Tensor,
    text: Tensor,
    *,
    names: Sequence[Tensor],
    codes: Tensor,
    product: Tensor,
    match: Tensor,
    unsure: Tensor,
    kind: str,
    pair_weight: float,
    kind_weight: float,
    name_weights: Sequence[float],
) -> Tensor:
    """What training lowers: titles, views of one product, products of one category, and bare names.

    `kind` is infonce or siglip; `names` are the features of all names of each attribute (categories,
    colours, ...), `codes` int [n, attributes] each picture's own, `name_weights` one for each attribute.
    """
    scale = model.logit_scale.exp()
    if kind == "siglip":
        loss = MatchSigLip().matched(image, text, scale, model.logit_bias, match, unsure)
    else:
        loss = MatchInfoNCE().matched(image, text, scale, match, unsure)
    if pair_weight:
        loss = loss + pair_weight * alike(image, product, scale)
    if kind_weight:
        loss = loss + kind_weight * alike(image, codes[:, 0], _KIND_SCALE)
    for column, (name, weight) in enumerate(zip(names, name_weights, strict=True)):
        loss = loss + weight * named(image, name, scale, codes[:, column])
    return loss
