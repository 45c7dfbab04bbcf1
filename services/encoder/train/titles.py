# ruff: noqa: E501 - tables read better in long lines
"""What can be said of a product: its attributes, and titles that mention some of them.

A product is a row of attribute codes; a title mentions a subset of them in one of many wordings. The
pair decides, exactly, which pictures of a batch a title describes (`matches`), so that the
contrastive loss never treats a second black t-shirt as a negative of "black t-shirt".
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.encoder.train.colours import COLOURS, FAMILIES

#: Code of an attribute that a title leaves out.
UNSAID = -1
#: Code of an attribute that nobody knows of a product; no title that mentions it matches.
UNKNOWN = -2

#: Category -> the words shops use for it; the first is the plain one.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "t-shirt": ("t-shirt", "tee", "tshirt", "short-sleeved top"),
    "longsleeve": ("longsleeve", "long-sleeved top", "sweater", "pullover", "jumper", "sweatshirt"),
    "shirt": ("shirt", "button-up shirt", "blouse", "button-down shirt"),
    "dress": ("dress", "gown", "frock"),
    "skirt": ("skirt",),
    "pants": ("pants", "trousers", "jeans", "leggings"),
    "shorts": ("shorts", "short pants"),
    "outwear": ("outwear", "jacket", "coat", "outerwear", "vest"),
    "shoes": ("shoes", "sneakers", "trainers", "footwear", "pair of shoes"),
    "hat": ("hat", "cap", "beanie", "headwear"),
    "boots": ("boots", "ankle boots"),
    "sock": ("socks", "sock"),
    "scarf": ("scarf", "shawl"),
    "tie": ("tie", "necktie"),
    "handbag": ("handbag", "purse", "tote bag"),
    "backpack": ("backpack", "rucksack", "school bag"),
    "umbrella": ("umbrella", "parasol"),
    "watch": ("watch", "wristwatch"),
    "sunglasses": ("sunglasses", "shades"),
    "mug": ("mug", "coffee cup", "cup"),
    "bottle": ("bottle", "water bottle", "flask"),
    "vase": ("vase", "flower vase"),
    "teapot": ("teapot", "kettle"),
    "plate": ("plate", "dish"),
    "bowl": ("bowl", "salad bowl"),
    "glass": ("glass", "drinking glass", "tumbler"),
    "lamp": ("lamp", "table lamp", "desk lamp"),
    "chair": ("chair", "dining chair", "seat"),
    "table": ("table", "desk"),
    "sofa": ("sofa", "couch"),
    "shelf": ("shelf", "bookcase"),
    "bed": ("bed",),
    "cushion": ("cushion", "pillow", "throw pillow"),
    "rug": ("rug", "carpet", "mat"),
    "clock": ("clock", "wall clock"),
    "candle": ("candle", "scented candle"),
    "plant pot": ("plant pot", "flower pot", "planter"),
    "basket": ("basket", "storage basket"),
    "phone": ("phone", "smartphone", "mobile phone"),
    "laptop": ("laptop", "notebook computer"),
    "headphones": ("headphones", "headset"),
    "camera": ("camera", "digital camera"),
    "book": ("book", "notebook", "journal"),
    "ball": ("ball", "beach ball"),
    "toy car": ("toy car", "car toy"),
    "teddy bear": ("teddy bear", "plush bear", "stuffed toy"),
    "guitar": ("guitar", "acoustic guitar"),
    "suitcase": ("suitcase", "luggage", "trolley case"),
}
CATEGORY_NAMES = tuple(CATEGORIES)

#: Pattern -> words. "plain" is seldom said, as in real titles.
PATTERNS: dict[str, tuple[str, ...]] = {
    "plain": ("plain", "solid", "solid-colour"),
    "striped": ("striped", "stripes", "stripy"),
    "dotted": ("polka dot", "dotted", "spotted"),
    "checked": ("checked", "plaid", "checkered", "tartan"),
    "floral": ("floral", "flower print", "flowery"),
    "graphic": ("graphic print", "printed", "graphic"),
    "camouflage": ("camouflage", "camo"),
    "zigzag": ("zigzag", "chevron"),
    "gradient": ("ombre", "gradient", "dip-dye"),
}
PATTERN_NAMES = tuple(PATTERNS)

MATERIALS: dict[str, tuple[str, ...]] = {
    "matte": ("matte", "cotton", "linen", "soft"),
    "glossy": ("glossy", "shiny", "leather", "satin", "polished"),
    "textured": ("textured", "woven", "knitted", "wool", "rough"),
}
MATERIAL_NAMES = tuple(MATERIALS)

#: Words that say nothing a picture shows; titles carry some so that the text tower learns to ignore them.
FILLERS = (
    "women's", "men's", "kids'", "for women", "for men", "for children", "summer", "winter", "new", "classic",
    "modern", "elegant", "casual", "vintage", "size M", "size L", "small", "large", "medium", "handmade", "basic",
    "premium", "slim fit", "comfortable", "everyday", "home", "office", "gift", "set of 1", "sale", "original", "2024",
)  # fmt: skip

TEMPLATES = (
    "{a} {n}", "{a} {n}", "{a} {n}", "{a} {n}", "a {a} {n}", "a photo of a {a} {n}", "{n}, {a}", "{n} in {a}", "{n} {a}",
    "{f} {a} {n}", "{a} {n} {f}", "{b} {a} {n}", "{b} {n} {a} {f}", "picture of {a} {n}", "{a} {f} {n}", "the {a} {n}",
)  # fmt: skip

_SYLLABLES = (
    "ba be bo da de do fa fi ga go ka ki la le lo ma me mi mo na ne no pa pe ra re ri ro sa se so ta te to "
    "va ve vi vo za zo"
)


@dataclass(frozen=True)
class Attributes:
    """Codes of one product or of one title: category, colour, colour family, pattern, material."""

    category: int = UNSAID
    colour: int = UNSAID
    family: int = UNSAID
    pattern: int = UNSAID
    material: int = UNSAID

    def row(self) -> tuple[int, int, int, int, int]:
        return (self.category, self.colour, self.family, self.pattern, self.material)


def product_attributes(category: str, colour: int, pattern: str | None, material: str | None) -> Attributes:
    """Codes of a product; a colour of UNKNOWN, or None elsewhere, means that nobody knows."""
    return Attributes(
        category=CATEGORY_NAMES.index(category),
        colour=colour,
        family=FAMILIES.index(COLOURS[colour].family) if colour >= 0 else UNKNOWN,
        pattern=PATTERN_NAMES.index(pattern) if pattern else UNKNOWN,
        material=MATERIAL_NAMES.index(material) if material else UNKNOWN,
    )


def make_title(product: Attributes, rng: random.Random) -> tuple[str, Attributes]:
    """A title that mentions some attributes of the product, and the codes of those it mentions."""
    said: dict[str, int] = {}
    words: list[str] = []
    name = "item"
    if rng.random() < 0.92:
        said["category"] = product.category
        words_of = CATEGORIES[CATEGORY_NAMES[product.category]]
        name = words_of[0] if rng.random() < 0.5 else rng.choice(words_of)
    if product.colour >= 0 and rng.random() < 0.8:
        colour = COLOURS[product.colour]
        if rng.random() < 0.35:
            said["family"] = product.family
            words.append("gray" if colour.family == "grey" and rng.random() < 0.4 else colour.family)
        else:
            said["colour"] = product.colour
            said["family"] = product.family
            words.append(rng.choice((colour.name, colour.name, *colour.synonyms)))
    if product.pattern >= 0:
        pattern = PATTERN_NAMES[product.pattern]
        if rng.random() < (0.12 if pattern == "plain" else 0.65):
            said["pattern"] = product.pattern
            words.append(rng.choice(PATTERNS[pattern]))
    if product.material >= 0 and rng.random() < 0.2:
        said["material"] = product.material
        words.append(rng.choice(MATERIALS[MATERIAL_NAMES[product.material]]))
    if not said:
        said["category"] = product.category
        name = CATEGORIES[CATEGORY_NAMES[product.category]][0]
    rng.shuffle(words)
    title = rng.choice(TEMPLATES).format(
        a=" ".join(words),
        n=name,
        f=rng.choice(FILLERS),
        b="".join(rng.choice(_SYLLABLES.split()) for _ in range(rng.randint(2, 3))).capitalize(),
    )
    title = " ".join(title.split()).replace(" ,", ",").rstrip(", ")
    if rng.random() < 0.3:
        title = title.capitalize()
    return title, Attributes(**said)


def category_names(rng: random.Random) -> list[str]:
    """One name for every category, in order of their codes: the plain one or a synonym."""
    prefix = "a photo of a " if rng.random() < 0.4 else ""
    return [prefix + (words[0] if rng.random() < 0.6 else rng.choice(words)) for words in CATEGORIES.values()]


def colour_names(rng: random.Random) -> list[str]:
    """One name for every colour, in order of their codes."""
    return [rng.choice((colour.name, colour.name, *colour.synonyms)) for colour in COLOURS]


def matches(
    titles: npt.NDArray[np.integer], products: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which products each title describes, and which pairs nobody can judge, as two bool [t, p].

    `titles` are codes [t, 5], `products` [p, 5]. A pair is unsure if only attributes that are unknown of the product stand between it and a match.
    """
    left, right = titles[:, None, :], products[None, :, :]
    agrees = (left == UNSAID) | (left == right)
    match = np.asarray(agrees.all(-1))
    return match, np.asarray((agrees | (right == UNKNOWN)).all(-1)) & ~match
