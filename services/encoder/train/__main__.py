"""`python -m services.encoder.train`: draw the data, train the compact encoder, write weights and card."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import open_clip
import torch
import typer
from open_clip.tokenizer import HFTokenizer

from services.encoder.train.card import write_card
from services.encoder.train.data import photographed, rendered
from services.encoder.train.head import refit
from services.encoder.train.loop import Recipe, train
from services.encoder.train.measure import measure
from services.encoder.train.model import build, config, load_weights, save_weights, write_config
from services.encoder.train.tokenizer import CONTEXT_LENGTH, train_tokenizer

OUT = Path(__file__).parents[1] / "weights" / "vitrine-compact"
#: Seeds of validation products lie beyond those of any training set.
VALIDATION_SEED = 1_000_000


def main(
    photos: Annotated[
        Path,
        typer.Option(
            help="Folder of real photos with products.csv; left out of training if it is not there."
        ),
    ] = Path("../shared/clothing"),
    out: Annotated[Path, typer.Option(help="Folder that the model is written to.")] = OUT,
    cache: Annotated[Path, typer.Option(help="Folder of drawn pictures and of the checkpoint.")] = Path(
        ".vitrine/train"
    ),
    products: Annotated[int, typer.Option(min=48, help="Rendered products to train on.")] = 9600,
    views: Annotated[int, typer.Option(min=2, help="Pictures of each rendered product.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = Recipe.steps,
    batch: Annotated[int, typer.Option(min=8, help="Pictures a step.")] = Recipe.batch,
    tower: Annotated[str, typer.Option(help="Image tower, a name of timm.")] = Recipe.tower,
    image_size: Annotated[
        int, typer.Option(min=32, help="Side of the pictures the tower sees, pixels.")
    ] = Recipe.image_size,
    loss: Annotated[str, typer.Option(help="infonce or siglip.")] = Recipe.loss,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of AdamW.")] = Recipe.learning_rate,
    photo_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of real photos in a batch.")
    ] = Recipe.photo_share,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    every: Annotated[
        int, typer.Option(min=1, help="Steps between validation measurements and checkpoints.")
    ] = 500,
) -> None:
    """Train the compact encoder; run again after Ctrl-C to go on from the last checkpoint."""
    if loss not in ("infonce", "siglip"):
        raise typer.BadParameter("must be infonce or siglip", param_hint="--loss")
    recipe = Recipe(
        tower=tower, image_size=image_size, loss=loss, steps=steps, batch=batch, photo_share=photo_share,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    real = photographed(photos, cache=cache) if (photos / "products.csv").exists() else None
    if real is None:
        print(f"There is no {photos / 'products.csv'}: training on rendered products alone.")
    print(f"Drawing {products} products with {views} views each ...")
    drawn = rendered(products, views, first=0, cache=cache)
    unseen = rendered(960, 2, first=VALIDATION_SEED, cache=cache)

    vocabulary = train_tokenizer(out, seed=seed)
    settings: dict[str, Any] = config(tower=tower, image_size=image_size, vocabulary=len(vocabulary))
    if loss == "siglip":
        settings["model_cfg"]["init_logit_bias"] = -10.0
    write_config(out, settings)
    tokenizer = HFTokenizer(str(out), context_length=CONTEXT_LENGTH)

    def tokenize(texts: list[str]) -> torch.Tensor:
        return torch.as_tensor(tokenizer(texts))

    def figures(model: torch.nn.Module, split: str) -> dict[str, float]:
        found = measure(model, tokenize, real[split], image_size, "photos") if real else {}
        return found | measure(model, tokenize, unseen, image_size, "rendered")

    model = build(settings).to(device)
    begun = time.monotonic()
    trained, log = train(
        model, drawn, real["train"] if real else None, recipe, tokenize,
        checkpoint=cache / "checkpoint.pt", measure=lambda now: figures(now, "validation"), every=every,
    )  # fmt: skip
    # The checkpoint stays until the weights are written, so that this stage can be repeated too.
    refit(
        trained, drawn, real["train"] if real else None, tokenize, size=image_size, loss_kind=loss, seed=seed
    )
    minutes = (time.monotonic() - begun) / 60
    size = save_weights(trained, out)
    # What ships is the half-precision copy, so that is what the card tells of.
    load_weights(trained, out)
    final = figures(trained, "test")
    counts = {name: len(part) for name, part in real.items()} if real else {}
    parameters = sum(parameter.numel() for parameter in trained.parameters())
    record = {
        "recipe": asdict(recipe), "rendered": {"products": products, "views": views}, "photos": counts,
        "parameters": parameters, "bytes": size, "minutes": round(minutes, 1), "device": str(device),
        "torch": torch.__version__, "open_clip": open_clip.__version__, "log": log, "test": final,
    }  # fmt: skip
    (out / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    write_card(record, out / "MODEL_CARD.md")
    (cache / "checkpoint.pt").unlink(missing_ok=True)
    print(json.dumps(final, indent=1))


if __name__ == "__main__":
    typer.run(main)
