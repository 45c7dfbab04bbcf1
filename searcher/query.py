"""A query: parts that attract or repel, a filter, and the page of results wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL.Image import Image

from searcher.box import check_box
from searcher.fusion import make_fusion
from services.encoder.base import Encoder
from services.encoder.regions import Box
from services.errors import InvalidInput, PicturesOnly
from services.settings import Settings
from services.store.base import Filter

#: Longer texts are cut by every tokenizer anyway; refusing them is plainer than ignoring their end.
MAX_TEXT = 1000
MAX_WEIGHT = 100.0

Kind = Literal["text", "image", "product"]
#: Ways to rank the head of an answer anew: `searcher.late`.
Rerank = Literal["late"]


@dataclass(frozen=True)
class Part:
    """One thing the customer gave: exactly one of a text, an RGB picture or the id of an indexed product.

    `weight` says how much it counts; a negative one asks for "not like this". `label` is what answers
    call the part (default: the text, "photo", or the product's title); `name` is the request's field
    that errors name (default: `parts[i].text`, ...). `box` says which region of the picture alone counts.
    """

    text: str | None = None
    image: Image | None = None
    product: str | None = None
    weight: float = 1.0
    label: str = ""
    name: str = ""
    box: Box | None = None

    @property
    def kind(self) -> Kind:
        if self.text is not None:
            return "text"
        return "image" if self.image is not None else "product"


@dataclass(frozen=True)
class Query:
    """What to search for.

    `fusion` None means the one of the settings; `diversity` from 0 (the most relevant products) to 1
    (products unlike each other) is that of `searcher.diversity`; `explain` asks for heat maps, `rerank`
    for the best results to be ranked anew, which a collection with patches can do.
    """

    parts: tuple[Part, ...]
    filter: Filter | None = None
    limit: int = 20
    offset: int = 0
    fusion: str | None = None
    diversity: float = 0.0
    explain: bool = False
    rerank: Rerank | None = None

    def check(self, settings: Settings) -> None:
        """Raise `InvalidInput`, naming field and mend, for a query that makes no sense or is too large."""
        check_window(self.limit, self.offset, settings)
        if self.fusion is not None:
            make_fusion(self.fusion, settings)
        if not 0 <= self.diversity <= 1:
            raise InvalidInput(
                f"The diversity {self.diversity:g} is not between 0 and 1.",
                mend="Use a number from 0 (the most relevant) to 1 (unlike each other).",
                field="diversity",
            )
        if self.rerank is not None:
            check_rerank(self.rerank)
        if not self.parts:
            raise InvalidInput(
                "The query is empty.", mend="Give a text, an image or a product to search by.", field="parts"
            )
        if len(self.parts) > settings.max_parts:
            raise InvalidInput(
                f"The query has {len(self.parts)} parts, more than {settings.max_parts}.",
                mend=f"Use at most {settings.max_parts}.",
                field="parts",
            )
        for index, part in enumerate(self.parts):
            _check_part(part, field_of(part, index))
        if all(part.weight < 0 for part in self.parts):
            raise InvalidInput(
                "The query only says what it does not want.",
                mend="Give at least one part with a positive weight.",
                field="parts",
            )


def check_rerank(name: str) -> Rerank:
    """The name of a way to re-rank. Raises `InvalidInput` for any other."""
    if name != "late":
        raise InvalidInput(
            f"There is no re-ranking '{name[:64]}'.", mend="Use late, or leave it out.", field="rerank"
        )
    return "late"


def field_of(part: Part, index: int) -> str:
    """What errors call part `index` of a query."""
    return part.name or f"parts[{index}].{part.kind}"


def check_sees(parts: Sequence[Part], encoder: Encoder) -> None:
    """Raise `PicturesOnly`, naming the field, for words that the encoder does not see."""
    for index, part in enumerate(parts):
        if part.text is not None and not encoder.sees_text:
            raise PicturesOnly(
                f"This collection was indexed with {encoder.identity.name!r}, which sees pictures only, so "
                "words cannot be searched for.",
                mend="Search by a photo or a product, or index with an encoder that sees words too, such as "
                "vitrine-compact.",
                field=field_of(part, index),
            )


def check_window(limit: int, offset: int, settings: Settings) -> None:
    """Raise `InvalidInput` for a page that lies outside `settings.max_window`."""
    if limit < 1:
        raise InvalidInput(
            f"The limit {limit} is below 1.", mend="Ask for at least one result.", field="limit"
        )
    if offset < 0:
        raise InvalidInput(f"The offset {offset} is negative.", mend="Start at 0.", field="offset")
    if limit + offset > settings.max_window:
        raise InvalidInput(
            f"offset + limit is {offset + limit}, beyond the window of {settings.max_window} results.",
            mend="Ask for fewer results, narrow the search by a filter, or raise VITRINE_MAX_WINDOW.",
            field="limit" if limit > settings.max_window else "offset",
        )


def only_one(text: object, image: object, product: object, field: str) -> Kind:
    """Which of the three is given. Raises `InvalidInput` unless exactly one is not None."""
    values: dict[Kind, object] = {"text": text, "image": image, "product": product}
    given: list[Kind] = [kind for kind, value in values.items() if value is not None]
    if len(given) != 1:
        what = f"both {' and '.join(given)}" if given else "neither text nor image nor product"
        raise InvalidInput(
            f"The part has {what}.", mend="Give exactly one of text, image and product.", field=field
        )
    return given[0]


def clean_text(text: str, field: str) -> str:
    """The text with its white space collapsed. Raises `InvalidInput` if nothing usable is left."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            "The text holds half a character (a lone surrogate).", mend="Send it as UTF-8.", field=field
        ) from error
    cleaned = " ".join(text.replace("\0", " ").split())
    if not cleaned:
        raise InvalidInput("The text is empty.", mend="Write what to search for.", field=field)
    if len(cleaned) > MAX_TEXT:
        raise InvalidInput(
            f"The text is {len(cleaned)} characters long, more than {MAX_TEXT}.",
            mend=f"Shorten it to {MAX_TEXT}.",
            field=field,
        )
    return cleaned


def _check_part(part: Part, field: str) -> None:
    container = field.rpartition(".")[0]
    only_one(part.text, part.image, part.product, container or field)
    if not math.isfinite(part.weight) or part.weight == 0 or abs(part.weight) > MAX_WEIGHT:
        raise InvalidInput(
            f"The weight {part.weight:g} cannot be used.",
            mend=f"Use a number from -{MAX_WEIGHT:g} to {MAX_WEIGHT:g} other than 0; "
            "leave out a part that should not count.",
            field=f"{container}.weight" if container else f"{field}_weight",
        )
    if part.text is not None:
        clean_text(part.text, field)
    if part.image is not None and part.image.mode != "RGB":
        raise InvalidInput(
            f"The picture is in mode {part.image.mode}.", mend="Convert it to RGB.", field=field
        )
    if part.box is not None:
        place = f"{container}.box" if container else "box"
        if part.text is not None:
            raise InvalidInput("A text has no box.", mend="Give boxes to pictures alone.", field=place)
        check_box(part.box, place)
    if part.product is not None and not part.product:
        raise InvalidInput("The product id is empty.", mend="Give the id of an indexed product.", field=field)
