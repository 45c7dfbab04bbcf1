"""A small catalogue of drawn shapes: the shape is the label, everything else about a picture is by chance."""

from __future__ import annotations

import random
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from services.catalogue.product import Product
from services.encoder.fit.judge import Judge, mean_average_precision
from services.encoder.torch_encoder import TorchEncoder
from services.measures import similarity

SHAPES = ("disc", "ring", "bars", "cross")
Item = tuple[Product, Image.Image]


def drawn(shape: str, rng: random.Random, side: int = 64) -> Image.Image:
    back = tuple(rng.randrange(0, 110) for _ in range(3))
    front = tuple(rng.randrange(150, 256) for _ in range(3))
    image = Image.new("RGB", (side, side), back)
    draw = ImageDraw.Draw(image)
    size = rng.randrange(side // 3, side // 2)
    left, top = (rng.randrange(side // 8, side - size - side // 16) for _ in range(2))
    box = (left, top, left + size, top + size)
    if shape == "disc":
        draw.ellipse(box, fill=front)
    elif shape == "ring":
        draw.ellipse(box, outline=front, width=4)
    elif shape == "bars":
        for x in range(left, left + size, 8):
            draw.rectangle((x, top, x + 3, top + size), fill=front)
    else:
        middle, thick = size // 2, 3
        draw.rectangle((left, top + middle - thick, left + size, top + middle + thick), fill=front)
        draw.rectangle((left + middle - thick, top, left + middle + thick, top + size), fill=front)
    return image


def shapes(count: int, seed: int = 0, *, labelled: bool = True) -> list[Item]:
    rng = random.Random(seed)
    found = []
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        product = Product(
            id=f"{seed}-{number}", title=f"a {shape}", category=shape if labelled else None, image="-"
        )
        found.append((product, drawn(shape, rng)))
    return found


def class_map(encoder: TorchEncoder, items: Iterable[Item]) -> float:
    """Mean average precision of searching the items with each other, relevant being the same shape."""
    products, images = zip(*items, strict=True)
    vectors = encoder.encode_images(images)
    names = np.array([product.title for product in products])
    scores = similarity(vectors, vectors, encoder.measure).T
    relevant = names[:, None] == names[None, :]
    np.fill_diagonal(scores, -np.inf)
    np.fill_diagonal(relevant, False)
    return mean_average_precision(scores, relevant)


def view_recall(encoder: TorchEncoder, items: Iterable[Item]) -> float:
    """How often an augmented view of a picture finds the picture itself."""
    pixels = np.stack([np.asarray(image) for _, image in items])
    judge = Judge(pixels, None, seed=7)
    return judge(lambda some: encoder.encode_images([Image.fromarray(one) for one in some]), encoder.measure)
