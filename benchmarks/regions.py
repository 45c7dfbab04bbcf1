"""What does clutter cost a search by photo, and what wins it back?

Photos search clean photos (or drawn products other views of drawn ones) of the same split; relevant is the
same category. Baseline: the whole picture's embedding. Ours: the crop of the region that is proposed
first; of the proposed region that a shopper would tap, the one nearest to the product; of the box a
shopper would draw; and patches pooled by attention. In the clean photos the product is the garment's mask.
The second table says how well regions are proposed. `--split validation` is what choices were made by.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

from services.encoder.base import Encoder, Vectors
from services.encoder.grid import fine_patches, resized
from services.encoder.regions import Region, attended, attention, crop, overlap, regions_of, saliency
from services.encoder.train.cluttered import Scene, clutter, cut_photos, cut_products
from services.encoder.train.heldout import features, load
from services.encoder.train.measure import mean_precision
from services.encoder.train.photos import Photo, load_with_mask, read_photos
from services.encoder.train.photos import load as load_photo
from services.encoder.train.render import make_product, view
from services.encoder.train.shapes import SHAPES

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

#: Seeds of the drawn products, beyond those that training draws.
SEEDS = {"validation": 1_900_000, "test": 2_000_000}
#: Temperatures of the attention over saliency (0..1).
TEMPERATURES = (0.1, 0.25)


def ways(
    encoder: Encoder, scenes: Sequence[Scene], seen: Sequence[tuple[Vectors, list[Region]]]
) -> dict[str, Array]:
    """Query vectors of the scenes, of which `seen` has patches and proposals, by each way of looking."""
    proposed = [regions for _, regions in seen]
    pictures = [scene.picture for scene in scenes]
    meant = [scene.boxes[0] for scene in scenes]
    tapped = [
        max(regions, key=lambda region: overlap(region.box, box)).box
        for regions, box in zip(proposed, meant, strict=True)
    ]

    def crops(boxes: Sequence[tuple[float, float, float, float]]) -> list[Image.Image]:
        return [crop(picture, box) for picture, box in zip(pictures, boxes, strict=True)]

    found = {
        "whole picture": features(encoder, pictures, "whole"),
        "crop, first proposal": features(encoder, crops([r[0].box for r in proposed]), "first"),
        "crop, proposal tapped": features(encoder, crops(tapped), "tapped"),
        "crop, box drawn": features(encoder, crops(meant), "drawn"),
    }
    found["whole + first proposal"] = _unit(found["whole picture"] + found["crop, first proposal"])
    for temperature in TEMPERATURES:
        pooled = []
        for picture, (grid, _) in zip(pictures, seen, strict=True):
            rows, columns = grid.shape[:2]
            salient = resized(saliency(picture, grid), (rows, columns))
            pooled.append(attended(grid, attention(salient, temperature)))
        found[f"attention over saliency, T={temperature:g}"] = np.stack(pooled)
    return found


def masked(photos: Sequence[Photo]) -> list[Scene]:
    """The photos as they are, with the box of the garment's mask (all of the picture if it is not sure)."""
    scenes = []
    for photo in photos:
        _, mask = load_with_mask(photo.path, 160)
        rows, columns = np.flatnonzero((mask > 127).any(1)), np.flatnonzero((mask > 127).any(0))
        box = (columns[0] / 160, rows[0] / 160, (columns[-1] + 1) / 160, (rows[-1] + 1) / 160)
        scenes.append(Scene(load_photo(photo.path), photo.attributes.category, [box]))
    return scenes


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _sets(
    encoder: Encoder, photos: Sequence[Photo], split: Literal["validation", "test"], most: int
) -> dict[str, tuple[list[Scene], Array, Labels, bool]]:
    """Name -> scenes to search with, features to search among, their labels, and whether both are one."""
    clean = masked(photos[:most])
    gallery = features(encoder, [load_photo(photo.path) for photo in photos], "photos")
    labels = np.asarray([photo.attributes.category for photo in photos], dtype=np.int64)
    names = tuple(SHAPES)
    first = SEEDS[split]
    products = [make_product(first + n, names[n % len(names)]) for n in range(3 * len(names))]
    drawn = features(encoder, [view(product, 0) for product in products], "products")
    drawn_labels = np.asarray([product.attributes.category for product in products], dtype=np.int64)
    in_clutter = clutter(cut_photos(photos[:most]), 0)
    drawn_scenes = clutter(cut_products(len(products), first), 0)[:: max(1, len(products) // most)][:most]
    return {
        "photos as they are": (clean, gallery, labels, True),
        "photos' garments in clutter": (in_clutter, gallery, labels, False),
        "drawn products in clutter": (drawn_scenes, drawn, drawn_labels, False),
    }


def main(
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    split: Annotated[str, typer.Option(help="validation or test")] = "test",
    encoder: Annotated[str | None, typer.Option(help="As in VITRINE_ENCODER.")] = None,
    most: Annotated[int, typer.Option(min=1, help="Queries of each kind.")] = 10_000,
) -> None:
    """Print image->image class mAP by way of looking, and how well regions are proposed."""
    model = load(encoder)
    chosen = [photo for photo in read_photos(photos) if photo.split == split]
    sets = _sets(model, chosen, "validation" if split == "validation" else "test", most)
    table: dict[str, list[str]] = {}
    proposals = []
    for name, (scenes, gallery, labels, own) in sets.items():
        scenes = scenes[:most]
        begun = time.process_time()
        seen = []
        for scene in scenes:
            patches = fine_patches(model, scene.picture)
            seen.append((patches, regions_of(saliency(scene.picture, patches))))
        each = (time.process_time() - begun) / len(scenes) * 1000
        asked = np.asarray([scene.category for scene in scenes], dtype=np.int64)
        for way, vectors in ways(model, scenes, seen).items():
            figure = mean_precision(vectors, asked, gallery, labels, own=own)
            table.setdefault(way, []).append(f"{figure:.3f}")
        first = np.mean(
            [overlap(r[0].box, scene.boxes[0]) for (_, r), scene in zip(seen, scenes, strict=True)]
        )
        best = [
            max(overlap(region.box, box) for region in regions)
            for (_, regions), scene in zip(seen, scenes, strict=True)
            for box in scene.boxes
        ]
        cells = (
            f"{name} ({len(scenes)})",
            f"{first:.2f}",
            f"{np.mean(np.array(best) > 0.5):.2f}",
            f"{each:.0f}",
        )
        proposals.append(f"| {' | '.join(cells)} |")
    print(f"| query, {split} | {' | '.join(sets)} |\n|---|{'---:|' * len(sets)}")
    for way, figures in table.items():
        print(f"| {way} | {' | '.join(figures)} |")
    print(
        "\n| proposals | IoU of the first | products with one of IoU > 0.5 | ms a picture |"
        "\n|---|---:|---:|---:|"
    )
    print("\n".join(proposals))


if __name__ == "__main__":
    typer.run(main)
