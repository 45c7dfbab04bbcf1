"""Second stage of the training: the image tower rests, its last layer and the text tower learn on.

A linear probe finds more in the image features than the end-to-end run brings into line with the words
(locked-image tuning, Zhai et al. 2022, arXiv 2111.07991, does the same for large towers). Features are
computed once, so that a step costs little more than its titles.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional

from services.encoder.train.data import Pictures, augment, batches, plain
from services.encoder.train.losses import objective
from services.encoder.train.titles import category_names, colour_names, matches

#: Features dropped at random, so that no title hangs on a few of them.
_DROP = 0.3
#: Views of each photo besides the plain one; rendered products have several pictures already.
_VIEWS = 4


def pooled(trunk: Any, images: Tensor) -> Tensor:
    """What the last layer of a timm trunk sees: float32 [n, 3, s, s] -> [n, features]."""
    features: Tensor = trunk.forward_head(trunk.forward_features(images), pre_logits=True)
    return features


def features_of(model: Any, pictures: Pictures, size: int, views: int, seed: int) -> Pictures:
    """The pictures with pooled features, float32, for pixels: of the plain one and `views` augmented ones."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    rows: list[list[Tensor]] = []
    model.eval()
    with torch.inference_mode():
        for at in range(0, len(pictures), 128):
            pixels = pictures.pixels[at : at + 128]
            shown = [plain(pixels, size), *(augment(pixels, size, generator) for _ in range(views))]
            rows.append([pooled(model.visual.trunk, images.to(device)).cpu() for images in shown])
    # Views of one picture lie side by side, as `batches` expects of products.
    features = torch.cat([torch.stack(views, dim=1) for views in rows]).flatten(0, 1)
    repeat = views + 1
    return Pictures(
        features.numpy(),
        np.repeat(pictures.codes, repeat, axis=0),
        np.repeat(pictures.product, repeat),
        [name for name in pictures.ids for _ in range(repeat)],
    )


def refit(
    model: Any,
    drawn: Pictures,
    photos: Pictures | None,
    tokenize: Callable[[list[str]], Tensor],
    *,
    size: int,
    steps: int = 600,
    batch: int = 256,
    learning_rate: float = 1e-3,
    photo_share: float = 0.5,
    loss_kind: str = "infonce",
    seed: int = 0,
) -> None:
    """Train the last image layer, the text tower and the logit scale of `model` in place.

    The model must have a timm trunk whose classifier is the projection. Losses are those of the first
    stage; the rate falls along a cosine.
    """
    device = next(model.parameters()).device
    drawn = features_of(model, drawn, size, 0, seed)
    photos = features_of(model, photos, size, _VIEWS, seed) if photos is not None else None
    layer = model.visual.trunk.get_classifier()
    trained = [*layer.parameters(), *model.text.parameters(), model.logit_scale]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.02, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 30) * 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    words = random.Random(seed)
    torch.manual_seed(seed)
    stream = batches(drawn, photos, batch, photo_share, seed)
    model.text.train()
    with Progress(refresh_per_second=1) as progress:
        for _ in progress.track(range(steps), description="last layer and text tower"):
            features, codes, product, titles, said = next(stream)
            match, unsure = (torch.from_numpy(flags).to(device) for flags in matches(said, codes))
            image = layer(functional.dropout(torch.from_numpy(features).to(device), _DROP))
            image = functional.normalize(image, dim=-1)
            names = (category_names(words), colour_names(words))
            text = model.encode_text(tokenize([*titles, *names[0], *names[1]]).to(device), normalize=True)
            text, *named_ = text.split([len(titles), len(names[0]), len(names[1])])
            loss = objective(
                model,
                image,
                text,
                names=named_,
                codes=torch.from_numpy(codes).to(device),
                product=torch.from_numpy(product).to(device),
                match=match,
                unsure=unsure,
                kind=loss_kind,
                pair_weight=0.3,
                name_weight=1.0,
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, 5.0)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(50))
    model.eval()
