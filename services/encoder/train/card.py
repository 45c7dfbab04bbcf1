# ruff: noqa: E501 - the card's own lines
"""The model card beside the weights, written from the record of the training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HEAD = """# Model card: vitrine-compact

The encoder that ships with Vitrine: a dual encoder (CLIP) in the format of open_clip, small enough for any
laptop. It is the default so that everything works with no download; for broad, everyday vocabulary set a larger
encoder (see the README).

## Data
- Rendered products: {products} products of 48 categories with {views} views each, drawn by
  `services/encoder/train/render.py` in 29 named colours, 9 patterns and 3 kinds of material, with varied light,
  angle, crop, shadow and background; titles by `services/encoder/train/titles.py`.
{photos}
- Products (not pictures) are split. Near-duplicates of a photo fall on one side. The ids in
  `services/encoder/train/splits/test.txt` are never trained on and no choice is made by them.

## Training
`python -m services.encoder.train` trains, measures, and writes this card. {steps} steps of {batch} pictures, seed
{seed}, {minutes} minutes on {device}; loss: {loss} (open_clip's own, with every picture that a title describes
as positive), image-image InfoNCE between views of one product (weight {pair_weight}) and, from step
{names_from} on, InfoNCE of pictures against all category and all colour names (weight {name_weight}); AdamW, cosine schedule, averaged (EMA)
weights; the last step is kept, not the best. Then the image tower rests and its last layer and the text tower learn
on for 600 steps of 256 (`head.py`). torch {torch}, open_clip {open_clip}.

| | |
|---|---|
| image tower | {tower}, {image_size} px (steps {small_from} to {small_until} at {small_size} px) |
| parameters | {parameters:.2f} M |
| weights | {megabytes:.1f} MB, fp16 safetensors |
{notes}
## Figures on what training never saw
| figure | real photos ({test} held out) | rendered products (960) |
|---|---|---|
{rows}

`zero_shot_accuracy`: nearest of the class names, mean of two prompts. `text_image_recall@10`: over all distinct
titles "colour (pattern) category", relevant pictures among the first ten, of those that could be there; a photo's
colour is the measured one. `hit@10`: titles with at least one. `class_precision@10`: over category names.
`image_image_class_map`: mean average precision, relevant being pictures of the same category.

## Course of training (validation; first stage)
| step | loss | photos: accuracy | photos: recall@10 | rendered: recall@10 |
|---|---|---|---|---|
{log}

## Limits
Knows the categories and words it was trained on; other words (brands, occasions, fit) carry no meaning to it.
English only. Titles of the real photos are made from their class and the measured colour, so a wrong label or a
misread colour is in the figures too. Patterns of real photos were never named to it.
"""


def write_card(record: dict[str, Any], path: Path) -> None:
    """Write the card of a run; `record` is what `training.json` holds."""
    recipe, test, photos = record["recipe"], record["test"], record["photos"]
    names = [name.split(".", 1)[1] for name in test if name.startswith("rendered.")]
    rows = [f"| {name} | {test.get(f'photos.{name}', '-')} | {test[f'rendered.{name}']} |" for name in names]
    log = [
        f"| {line['step']} | {line['loss']} | {line.get('photos.zero_shot_accuracy', '-')} "
        f"| {line.get('photos.text_image_recall@10', '-')} | {line['rendered.text_image_recall@10']} |"
        for line in record["log"]
    ]
    said = (
        f"- Real photos: {photos['train']} to train, {photos['validation']} to validate, {photos['test']} held out, of the\n"
        "  public Clothing dataset (small), CC0 1.0, 10 classes; titles made from the class and the measured colour."
        if photos
        else "- No real photos."
    )
    path.write_text(
        _HEAD.format(
            products=record["rendered"]["products"],
            views=record["rendered"]["views"],
            photos=said,
            steps=recipe["steps"],
            batch=recipe["batch"],
            seed=recipe["seed"],
            pair_weight=recipe["pair_weight"],
            name_weight=recipe["name_weight"],
            names_from=recipe["names_from"],
            small_from=recipe["small_from"],
            small_until=recipe["small_until"],
            small_size=recipe["small_size"],
            minutes=record["minutes"],
            device=record["device"],
            loss=recipe["loss"],
            tower=recipe["tower"],
            image_size=recipe["image_size"],
            parameters=record["parameters"] / 1e6,
            megabytes=record["bytes"] / 1e6,
            torch=record["torch"],
            open_clip=record["open_clip"],
            test=photos.get("test", 0),
            rows="\n".join(rows),
            log="\n".join(log),
            notes=f"\n{record['notes']}\n" if record.get("notes") else "",
        )
    )
