"""Reads a made title back: which attributes its words name, by the tables alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.encoder.train.colours import COLOURS
from services.encoder.train.wording import SHORT_ZH
from services.encoder.train.words import CATEGORIES, MATERIALS, PATTERNS, Words


@dataclass(frozen=True)
class Word:
    text: str
    kind: str
    code: int
    chinese: bool


def words() -> list[Word]:
    """All words of the tables, and the short forms of Chinese colours."""
    colours = {colour.name: Words(colour.en, colour.zh) for colour in COLOURS}
    tables = {"category": CATEGORIES, "colour": colours, "pattern": PATTERNS, "material": MATERIALS}
    return [
        Word(text.lower(), kind, code, chinese)
        for kind, table in tables.items()
        for code, entry in enumerate(table.values())
        for chinese, texts in ((False, entry.en), (True, entry.zh))
        for text in texts
    ] + [Word(text, "colour", list(colours).index(name), True) for name, text in SHORT_ZH.items()]


_WORDS = {word.text: word for word in words()}
_ANY = re.compile(
    "|".join(
        re.escape(word.text) if word.chinese else rf"(?<![\w'-]){re.escape(word.text)}(?![\w'-])"
        for word in sorted(_WORDS.values(), key=lambda word: -len(word.text))
    )
)


def read(title: str) -> dict[str, int]:
    """What the title names, as {"category" | "colour" | "pattern" | "material" | "accent": code}.

    The longest word counts. A colour after "with" is the accent; so is the second of two.
    """
    found: dict[str, int] = {}
    lower = title.lower()
    for match in _ANY.finditer(lower):
        word, kind = _WORDS[match.group()], _WORDS[match.group()].kind
        if kind == "colour" and ("colour" in found or lower[: match.start()].endswith(("with ", "带"))):
            kind = "accent"
        if kind in found:
            raise ValueError(f"{title!r} names two of a kind: {kind}")
        found[kind] = word.code
    return found


def blank(title: str) -> str:
    """The title in lower case with "_" for every word of the tables: its frame."""
    return _ANY.sub("_", title.lower())
