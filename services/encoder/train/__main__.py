"""`python -m services.encoder.train`: draw the data, train the compact encoder, write weights and card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import open_clip
import torch
import typer
from open_clip.tokenizer import HFTokenizer

from services.encoder.train.bars import PRODUCTS, measure_bars
from services.encoder.train.card import write_card
from services.encoder.train.data import photographed, rendered
from services.encoder.train.heldout import load, unseen_photos
from services.encoder.train.loop import train
from services.encoder.train.measure import measure
from services.encoder.train.model import build, config, load_weights, save_weights, write_config
from services.encoder.train.recipe import Recipe, further
from services.encoder.train.robustness import measure_robustness
from services.encoder.train.tokenizer import CONTEXT_LENGTH, train_tokenizer

OUT = Path(__file__).parents[1] / "weights" / "vitrine-compact"
#: Seeds of validation products lie beyond those of any training set.
VALIDATION_SEED = 1_000_000
#: What the card is written from, beside the weights.
RECORD = "training.json"


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
    products: Annotated[int, typer.Option(min=78, help="Rendered products to train on.")] = 12_480,
    views: Annotated[int, typer.Option(min=2, help="Pictures of each rendered product.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Training steps at most.")] = Recipe.steps,
    minutes: Annotated[
        float, typer.Option(min=0, help="Minutes of training at most; 0 for no limit.")
    ] = Recipe.minutes,
    batch: Annotated[int, typer.Option(min=8, help="Pictures a step.")] = Recipe.batch,
    tower: Annotated[str, typer.Option(help="Image tower, a name of timm.")] = Recipe.tower,
    image_size: Annotated[
        int, typer.Option(min=32, help="Side of the pictures the tower sees in use, pixels.")
    ] = Recipe.image_size,
    loss: Annotated[str, typer.Option(help="infonce or siglip.")] = Recipe.loss,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate of AdamW.")] = Recipe.learning_rate,
    photo_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of real photos in a batch.")
    ] = Recipe.photo_share,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    every: Annotated[
        int, typer.Option(min=1, help="Steps between validation measurements and checkpoints.")
    ] = 250,
    start: Annotated[
        Path | None,
        typer.Option(help="Folder of an encoder trained by this command, to train further than it came."),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the image tower: a sixth faster, takes a C++ compiler.")
    ] = False,
) -> None:
    """Train the compact encoder; run again after Ctrl-C to go on from the last checkpoint."""
    if loss not in ("infonce", "siglip"):
        raise typer.BadParameter("must be infonce or siglip", param_hint="--loss")
    recipe = Recipe(
        tower=tower, image_size=image_size, loss=loss, steps=steps, minutes=minutes, batch=batch,
        photo_share=photo_share, learning_rate=learning_rate, seed=seed,
    )  # fmt: skip
    if start is not None:
        recipe = further(recipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    real = photographed(photos, cache=cache) if (photos / "products.csv").exists() else None
    if real is None:
        print(f"There is no {photos / 'products.csv'}: training on rendered products alone.")
    drawn = rendered(products, views, first=0, cache=cache)
    unseen = rendered(780, 1, first=VALIDATION_SEED, cache=cache)

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

    checkpoint = cache / "checkpoint.pt"
    model = build(settings)
    if start is not None:
        load_weights(model, start)
    trained, log = train(
        model.to(device), drawn, real["train"] if real else None, recipe, tokenize,
        checkpoint=checkpoint, measure=lambda now: figures(now, "validation"), every=every,
        compiled=compiled,
    )  # fmt: skip
    size = save_weights(trained, out)
    # What ships is the half-precision copy, so that is what the card tells of.
    load_weights(trained, out)
    final = figures(trained, "test")
    record: dict[str, Any] = {
        "recipe": asdict(recipe), "rendered": {"products": products, "views": views},
        "photos": {name: len(part) for name, part in real.items()} if real else {},
        "parameters": sum(parameter.numel() for parameter in trained.parameters()), "bytes": size,
        "minutes": log[-1]["minutes"], "device": _told(device), "torch": torch.__version__,
        "open_clip": open_clip.__version__, "log": log, "test": final,
        "before": _before(start) if start is not None else [],
    }  # fmt: skip
    name = f"local-dir:{out}"
    record["bars"] = [bar.row() for bar in measure_bars(name, photos, cache, PRODUCTS)]
    if real is not None:
        rows = measure_robustness(load(name), unseen_photos(photos))
        record["robustness"] = [row.cells() for row in rows]
    (out / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    write_card(record, out / "MODEL_CARD.md")
    checkpoint.unlink(missing_ok=True)
    print(json.dumps(final, indent=1))


def _before(start: Path) -> list[dict[str, Any]]:
    """What the card tells of the runs that this one goes on from, the first one first."""
    record = json.loads((start / RECORD).read_text())
    return [*record["before"], {name: record[name] for name in ("recipe", "rendered", "minutes", "log")}]


def _told(device: torch.device) -> str:
    if device.type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    return f"{torch.get_num_threads()} CPU threads"


if __name__ == "__main__":
    typer.run(main)
