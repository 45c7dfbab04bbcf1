"""What each choice is worth: the same short training again and again, with one thing changed.

`python -m services.encoder.train.ablate` trains every variant from nothing on the same data for the same
processor time, so that a tower that costs twice as much sees half as many pictures, and prints one table
of validation figures. Short runs rank choices for short runs: differences below about three points of
accuracy are within what another seed does.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from open_clip.tokenizer import HFTokenizer

from services.encoder.train.card import table
from services.encoder.train.data import Pictures, photographed, rendered
from services.encoder.train.heldout import PROGRESS
from services.encoder.train.loop import Tokenize, train
from services.encoder.train.measure import measure
from services.encoder.train.model import build, config
from services.encoder.train.recipe import Recipe
from services.encoder.train.tokenizer import CONTEXT_LENGTH, train_tokenizer


@dataclass(frozen=True)
class Variant:
    """What differs from the common recipe."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)


VARIANTS = (
    Variant("resnet10t, InfoNCE, as below"),
    Variant("the same, another seed", {"seed": 1}),
    Variant("SigLIP", {"loss": "siglip"}),
    Variant("channel attention: SE", {"tower": "resnet10t_se"}),
    Variant("channel attention: ECA", {"tower": "resnet10t_eca"}),
    Variant("tower fastvit_t8", {"tower": "fastvit_t8"}),
    Variant("tower mobilenetv4_conv_small", {"tower": "mobilenetv4_conv_small"}),
    Variant("no titles wrong by one attribute", {"near": 0}),
    Variant("no attraction within a product or category", {"pair_weight": 0.0, "kind_weight": 0.0}),
    Variant("no classifiers of names", {"name_weights": (0.0, 0.0, 0.0, 0.0)}),
    Variant("no other backgrounds", {"moved": 0.0}),
    Variant("hardly any augmentation", {"drawn_strength": 0.05, "photo_strength": 0.05}),
    Variant("strong augmentation of everything", {"drawn_strength": 0.8, "photo_strength": 0.8}),
)

_SHOWN = {
    "photos.zero_shot_accuracy": "photos: accuracy",
    "photos.text_image_recall@10": "photos: recall@10",
    "photos.image_image_class_map": "photos: class mAP",
    "rendered.zero_shot_accuracy": "rendered: accuracy",
    "rendered.text_image_recall@10": "rendered: recall@10",
}


def common(minutes: float, size: int) -> Recipe:
    """The recipe that all variants change: one size, and words from a tenth of the run on."""
    return Recipe(
        image_size=size, sizes=((1.0, size),), minutes=minutes, steps=1_000_000, words_from=0.1, warmup=50,
        ema=0.99,
    )  # fmt: skip


def run(
    recipe: Recipe,
    drawn: Pictures,
    real: dict[str, Pictures] | None,
    unseen: Pictures,
    tokenize: Tokenize,
    vocabulary: int,
) -> dict[str, float]:
    """Train one variant and measure it on validation pictures; `recipe.minutes` are of the processor."""
    settings = config(tower=recipe.tower, image_size=recipe.image_size, vocabulary=vocabulary)
    if recipe.loss == "siglip":
        settings["model_cfg"]["init_logit_bias"] = -10.0
    torch.manual_seed(recipe.seed)
    size = recipe.image_size
    with tempfile.TemporaryDirectory() as folder:
        model, log = train(
            build(settings), drawn, real["train"] if real else None, recipe, tokenize,
            checkpoint=Path(folder) / "checkpoint.pt", measure=lambda _: {}, every=1_000_000,
            clock=time.process_time,
        )  # fmt: skip
    found = measure(model, tokenize, real["validation"], size, "photos") if real else {}
    found |= measure(model, tokenize, unseen, size, "rendered")
    return found | {"steps": log[-1]["step"]}


def main(
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder that drawn pictures are kept in.")] = Path(
        ".vitrine/train"
    ),
    products: Annotated[int, typer.Option(min=78, help="Rendered products to train on.")] = 12_480,
    views: Annotated[int, typer.Option(min=2, help="Pictures of each.")] = 3,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of the processor a variant.")] = 6.0,
    size: Annotated[int, typer.Option(min=32, help="Side of the pictures, pixels.")] = 48,
    only: Annotated[
        list[str] | None, typer.Option(help="Variants whose name holds this; repeatable.")
    ] = None,
) -> None:
    """Train every variant for the same processor time and print their validation figures."""
    real = photographed(photos, cache=cache) if (photos / "products.csv").exists() else None
    drawn = rendered(products, views, first=0, cache=cache)
    unseen = rendered(780, 1, first=1_000_000, cache=cache)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = train_tokenizer(Path(folder), seed=0)
        tokenizer = HFTokenizer(folder, context_length=CONTEXT_LENGTH)
        for variant in VARIANTS:
            if only and not any(word in variant.name for word in only):
                continue
            recipe = replace(common(minutes, size), **variant.changes)
            found = run(
                recipe, drawn, real, unseen, lambda texts: torch.as_tensor(tokenizer(texts)), len(vocabulary)
            )
            PROGRESS.print(variant.name, json.dumps(found))
            shown = [f"{found[name]:.3f}" if name in found else "-" for name in _SHOWN]
            rows.append((variant.name, f"{found['steps'] * recipe.batch:,.0f}", *shown))
    print(table(("variant", "pictures", *_SHOWN.values()), rows))


if __name__ == "__main__":
    typer.run(main)
