"""What can be said of a product: its attributes, and titles that mention some of them.

A product is a row of attribute codes; a title mentions a subset of them in one of many wordings. The
pair decides, exactly, which pictures of a batch a title describes (`matches`), so that the
contrastive loss never treats a second black t-shirt as a negative of "black t-shirt".

A word that names both a colour and its family ("blue") is said in two senses, as people say it: of a
blue product in the narrow one, of a navy product in the wide one (the family alone). Training on both
ranks the blue product first and the navy one before all that is not blue.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from services.encoder.train.colours import COLOURS, FAMILIES
from services.encoder.train.wording import Row, word, write
from services.encoder.train.words import (
    CATEGORIES,
    CATEGORY_NAMES,
    MATERIAL_NAMES,
    MATERIALS,
    PATTERN_NAMES,
    PATTERNS,
    Words,
)

#: Code of an attribute that a title leaves out.
UNSAID = -1
#: Code of an attribute that nobody knows of a product; no title that mentions it matches.
UNKNOWN = -2
#: Accent of a product that has no second colour.
NONE = -3

#: How often a title is Chinese.
CHINESE = 0.3

#: Patterns without one clear second colour.
_MANY_COLOURED = frozenset({"floral", "camouflage", "animal print", "tie-dye"})
#: Patterns that loose words ("printed", "flowers") tell apart too little to call one wrong of another.
_PRINTS = frozenset({"graphic", "floral", "animal print", "starry"})


@dataclass(frozen=True)
class Attributes:
    """Codes of one product or of one title; `accent` indexes `COLOURS` as `colour` does."""

    category: int = UNSAID
    colour: int = UNSAID
    family: int = UNSAID
    pattern: int = UNSAID
    material: int = UNSAID
    accent: int = UNSAID

    def row(self) -> Row:
        return (self.category, self.colour, self.family, self.pattern, self.material, self.accent)


def product_attributes(
    category: str, colour: int, pattern: str | None, material: str | None, accent: int | None = None
) -> Attributes:
    """Codes of a product; a colour or accent of UNKNOWN, or None elsewhere, means that nobody knows.

    An accent left out is NONE for a plain product and UNKNOWN for any other.
    """
    if accent is None:
        accent = NONE if pattern == "plain" else UNKNOWN
    return Attributes(
        category=CATEGORY_NAMES.index(category),
        colour=colour,
        family=family_of(colour) if colour >= 0 else UNKNOWN,
        pattern=PATTERN_NAMES.index(pattern) if pattern else UNKNOWN,
        material=MATERIAL_NAMES.index(material) if material else UNKNOWN,
        accent=accent,
    )


def random_product(rng: random.Random) -> Attributes:
    """Codes of any product, drawn uniformly: for titles without pictures."""
    pattern = rng.choice(PATTERN_NAMES)
    colour, accent = rng.sample(range(len(COLOURS)), 2)
    return product_attributes(
        rng.choice(CATEGORY_NAMES),
        colour,
        pattern,
        rng.choice(MATERIAL_NAMES),
        None if pattern == "plain" or pattern in _MANY_COLOURED else accent,
    )


def family_of(colour: int) -> int:
    """Index into `FAMILIES` of the family of a colour."""
    return FAMILIES.index(COLOURS[colour].family)


def make_title(
    product: Attributes, rng: random.Random, *, chinese: float = CHINESE, wording: int | None = None
) -> tuple[str, Attributes]:
    """A title that mentions some attributes of the product, and the codes of those it mentions.

    `chinese` is the share of Chinese titles, 0..1. A `wording` fixes language, words' places, fillers and
    frame: give the same one to `near_title` for a title that differs in one word.
    """
    said = _choose(product, rng)
    return _write(said, rng, chinese, wording), said


def near_title(
    product: Attributes,
    said: Attributes,
    rng: random.Random,
    *,
    chinese: float = CHINESE,
    wording: int | None = None,
) -> tuple[str, Attributes] | None:
    """A hard negative: a title that says `said` of the product but for one attribute, which is wrong.

    Returns None where nothing that is said can be made wrong. Never matches the product, nor is it in
    doubt; loose words do not make it true either (no "blue" of a navy product).
    """
    changes = [
        changed
        for changed in (
            _near_category(product, said, rng),
            _near_colour(product, said, rng),
            _near_pattern(product, said, rng),
            _near_material(product, said, rng),
            _near_accent(product, said, rng),
        )
        if changed is not None
    ]
    if not changes:
        return None
    changed = rng.choice(changes)
    return _write(changed, rng, chinese, wording), changed


def matches(
    titles: npt.NDArray[np.integer], products: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which products each title describes, and which pairs nobody can judge, as two bool [t, p].

    `titles` are codes [t, 6], `products` [p, 6]. A pair is unsure if only attributes that are unknown of
    the product stand between it and a match.
    """
    left, right = titles[:, None, :], products[None, :, :]
    agrees = (left == UNSAID) | (left == right)
    match = np.asarray(agrees.all(-1))
    return match, np.asarray((agrees | (right == UNKNOWN)).all(-1)) & ~match


def category_names(rng: random.Random, chinese: float = CHINESE) -> list[str]:
    """One name for every category, in order of their codes, all in one language and one prompt.

    `chinese` is how often they are Chinese; True and False do as 1 and 0.
    """
    return _names(tuple(CATEGORIES.values()), rng, chinese, ("a photo of a {}", "一张{}的照片"))


def colour_names(rng: random.Random, chinese: float = CHINESE) -> list[str]:
    """As `category_names`, of `COLOURS`."""
    words = [Words(colour.en, colour.zh) for colour in COLOURS]
    return _names(words, rng, chinese, ("a photo of a {} product", "一张{}商品的照片"))


def pattern_names(rng: random.Random, chinese: float = CHINESE) -> list[str]:
    """As `category_names`, of the patterns."""
    return _names(tuple(PATTERNS.values()), rng, chinese, ("a photo of a {} product", "一张{}商品的照片"))


def material_names(rng: random.Random, chinese: float = CHINESE) -> list[str]:
    """As `category_names`, of the materials."""
    return _names(tuple(MATERIALS.values()), rng, chinese, ("a photo of a {} product", "一张{}商品的照片"))


def _names(words: Sequence[Words], rng: random.Random, chinese: float, prompts: tuple[str, str]) -> list[str]:
    in_chinese = rng.random() < chinese
    prompt = prompts[in_chinese] if rng.random() < 0.4 else "{}"
    return [prompt.format(word(rng, entry.zh if in_chinese else entry.en)) for entry in words]


def _write(said: Attributes, rng: random.Random, chinese: float, wording: int | None) -> str:
    return write(said.row(), rng if wording is None else random.Random(wording), chinese)


def _choose(product: Attributes, rng: random.Random) -> Attributes:
    """What a title mentions of the product: at least one thing that is known of it."""
    said = Attributes()
    if rng.random() < 0.93:
        said = replace(said, category=product.category)
    if product.colour >= 0 and rng.random() < 0.8:
        said = replace(said, family=product.family)
        if _is_basic(product.colour) or rng.random() < 0.7:
            said = replace(said, colour=product.colour)
    if product.pattern >= 0:
        plain = PATTERN_NAMES[product.pattern] == "plain"
        if rng.random() < (0.12 if plain else 0.65):
            said = replace(said, pattern=product.pattern)
    if product.material >= 0 and rng.random() < 0.25:
        said = replace(said, material=product.material)
    if product.accent >= 0 and rng.random() < 0.3:
        said = replace(said, accent=product.accent)
    return said if said != Attributes() else replace(said, category=product.category)


def _is_basic(colour: int) -> bool:
    """Whether the word for the colour is also that for its family."""
    return COLOURS[colour].name == COLOURS[colour].family


def _near_category(product: Attributes, said: Attributes, rng: random.Random) -> Attributes | None:
    """Neighbours in the table are of one kind, so they are the hardest to tell apart."""
    if said.category < 0:
        return None
    others = [code for code in range(len(CATEGORY_NAMES)) if code != product.category]
    close = [code for code in others if abs(code - product.category) <= 6]
    return replace(said, category=rng.choice(close if rng.random() < 0.6 else others))


def _near_colour(product: Attributes, said: Attributes, rng: random.Random) -> Attributes | None:
    if said.family < 0:
        return None
    present = {product.family, family_of(product.accent) if product.accent >= 0 else product.family}
    if said.colour < 0:
        return replace(said, family=rng.choice([f for f in range(len(FAMILIES)) if f not in present]))
    shades = _other_shades(product.colour, product.accent)
    if shades and rng.random() < 0.3:
        colour = rng.choice(shades)
    else:
        colour = rng.choice([code for code in range(len(COLOURS)) if family_of(code) not in present])
    return replace(said, colour=colour, family=family_of(colour))


def _near_pattern(product: Attributes, said: Attributes, rng: random.Random) -> Attributes | None:
    if said.pattern < 0:
        return None
    own = PATTERN_NAMES[product.pattern]
    others = [
        code
        for code, name in enumerate(PATTERN_NAMES)
        if name != own
        and not (name in _PRINTS and own in _PRINTS)
        and not (name == "plain" and said.accent >= 0)
    ]
    return replace(said, pattern=rng.choice(others))


def _near_material(product: Attributes, said: Attributes, rng: random.Random) -> Attributes | None:
    if said.material < 0:
        return None
    others = [code for code in range(len(MATERIAL_NAMES)) if code != product.material]
    return replace(said, material=rng.choice(others))


def _near_accent(product: Attributes, said: Attributes, rng: random.Random) -> Attributes | None:
    if said.accent < 0:
        return None
    present = {family_of(product.accent), product.family}
    others = [code for code in range(len(COLOURS)) if family_of(code) not in present]
    return replace(said, accent=rng.choice(others))


def _other_shades(colour: int, accent: int) -> list[int]:
    """Colours of the same family whose name does not take this one in, as "blue" takes in navy."""
    return [
        code
        for code, other in enumerate(COLOURS)
        if other.family == COLOURS[colour].family and not _is_basic(code) and code not in (colour, accent)
    ]


__all__ = [
    "CATEGORIES",
    "CATEGORY_NAMES",
    "CHINESE",
    "MATERIALS",
    "MATERIAL_NAMES",
    "NONE",
    "PATTERNS",
    "PATTERN_NAMES",
    "UNKNOWN",
    "UNSAID",
    "Attributes",
    "category_names",
    "colour_names",
    "family_of",
    "make_title",
    "matches",
    "material_names",
    "near_title",
    "pattern_names",
    "product_attributes",
    "random_product",
]
