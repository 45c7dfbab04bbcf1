"""Outlines of the rendered products, and what is known of each category's make.

`SHAPES` has one outline per category: called with a random source it gives the parts of one product,
centred and scaled to fill [-1, 1]. The same state of the source gives the same product.
"""

from __future__ import annotations

import random
from functools import partial

from services.encoder.train.shapes.accessories import ACCESSORIES
from services.encoder.train.shapes.bottoms import BOTTOMS
from services.encoder.train.shapes.carried import CARRIED
from services.encoder.train.shapes.computing import COMPUTING
from services.encoder.train.shapes.decor import DECOR
from services.encoder.train.shapes.electronics import ELECTRONICS
from services.encoder.train.shapes.footwear import FOOTWEAR
from services.encoder.train.shapes.furniture import FURNITURE
from services.encoder.train.shapes.kitchen import KITCHEN
from services.encoder.train.shapes.leisure import LEISURE
from services.encoder.train.shapes.pen import Draw, Part, fit
from services.encoder.train.shapes.seats import SEATS
from services.encoder.train.shapes.tools import TOOLS
from services.encoder.train.shapes.tops import TOPS
from services.encoder.train.shapes.toys import TOYS

__all__ = ["HANGABLE", "HOLDABLE", "PLAIN_ONLY", "SHAPES", "SOFT", "Draw", "Part"]


def _fitted(draw: Draw, rng: random.Random) -> list[Part]:
    return fit(draw(rng))


#: Category -> its outline.
SHAPES: dict[str, Draw] = {
    name: partial(_fitted, draw)
    for kind in (
        TOPS, BOTTOMS, FOOTWEAR, ACCESSORIES, CARRIED, KITCHEN, TOOLS, SEATS, FURNITURE, DECOR, COMPUTING,
        ELECTRONICS, LEISURE, TOYS,
    )
    for name, draw in kind.items()
}  # fmt: skip

#: Categories whose coloured surface is too small or too thin to show a pattern.
PLAIN_ONLY: frozenset[str] = frozenset({
    "spoon", "fork", "knife", "scissors", "hammer", "hairbrush", "bicycle", "tennis racket", "necklace",
    "sunglasses", "headphones", "belt", "watch", "glass", "keyboard", "computer mouse",
    "game controller", "fan", "television", "laptop", "camera", "clock", "mirror", "picture frame", "toaster",
    "pan", "bench",
})  # fmt: skip

#: Categories made of cloth, wool or leather: they fold, wrinkle, and may be knitted or leather.
SOFT: frozenset[str] = frozenset({
    "t-shirt", "longsleeve", "shirt", "dress", "skirt", "pants", "shorts", "outwear", "shoes", "hat",
    "boots", "sock", "scarf", "tie", "belt", "wallet", "handbag", "backpack", "sofa", "bed", "cushion",
    "rug", "teddy bear", "kite", "umbrella",
})  # fmt: skip

#: Garments that hang from their shoulders on a clothes hanger.
HANGABLE: frozenset[str] = frozenset({"t-shirt", "longsleeve", "shirt", "outwear", "dress"})

#: Categories small and light enough for one hand to hold up.
HOLDABLE: frozenset[str] = frozenset({
    "shoes", "hat", "sock", "watch", "sunglasses", "mug", "bottle", "glass", "plate", "bowl", "jar",
    "spoon", "fork", "knife", "scissors", "hammer", "hairbrush", "candle", "plant pot", "phone",
    "camera", "headphones", "computer mouse", "game controller", "book", "ball", "toy car",
    "teddy bear", "rubber duck", "wallet", "belt", "necklace", "pan", "tennis racket", "handbag",
})  # fmt: skip
