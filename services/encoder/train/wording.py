"""Puts attribute codes into words as shops do, English or Chinese, beside things that no picture shows.

The same seed words different attributes alike ("Red mug with dots" and "Red mug with stripes"): every
choice takes one number from the generator, however many words there are to choose from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from services.encoder.train.colours import COLOURS, FAMILIES, FAMILY_ZH
from services.encoder.train.words import (
    CATEGORIES,
    CATEGORY_NAMES,
    MATERIAL_NAMES,
    MATERIALS,
    PATTERN_NAMES,
    PATTERN_NOUNS,
    PATTERNS,
    Words,
)

#: Codes in the order of `titles.Attributes`; a negative one is left unsaid.
Row = tuple[int, int, int, int, int, int]

#: Words that say nothing a picture shows; titles carry some so that the text tower learns to ignore them.
FILLERS = (
    "women's",
    "men's",
    "kids'",
    "for women",
    "for men",
    "for children",
    "summer",
    "winter",
    "new",
    "classic",
    "modern",
    "elegant",
    "casual",
    "vintage",
    "size M",
    "size L",
    "small",
    "large",
    "medium",
    "handmade",
    "basic",
    "premium",
    "slim fit",
    "comfortable",
    "everyday",
    "home",
    "office",
    "gift",
    "set of 1",
    "sale",
    "original",
    "2024",
    "high quality",
    "best seller",
    "unisex",
    "retro",
    "minimalist",
    "lightweight",
    "durable",
    "stylish",
    "limited edition",
)
FILLERS_ZH = (
    "女士",
    "男士",
    "儿童",
    "女款",
    "男款",
    "夏季",
    "冬季",
    "春秋",
    "新款",
    "经典",
    "现代",
    "优雅",
    "复古",
    "简约",
    "大号",
    "中号",
    "小号",
    "手工",
    "韩版",
    "百搭",
    "日常",
    "家用",
    "办公室",
    "送礼",
    "正品",
    "时尚",
    "学生",
    "高级感",
    "轻奢",
    "创意",
    "网购",
    "批发",
    "2024",
)

#: t: the title; a: the same after its article; f: a filler; b: a brand. Plain titles come most often.
FRAMES = (
    *("{t}",) * 7,
    *("{a}",) * 2,
    *("a photo of {a}",) * 2,
    "a picture of {a}",
    "{f} {t}",
    "{t} {f}",
    "{t}, {f}",
    "{b} {t}",
    "{b} {f} {t}",
    "{b} {t} {f}",
    "{t} by {b}",
    "{t} - {b}",
    "buy {t} online",
    "the {t}",
    "looking for {a}",
    "{t} for sale",
    "this is {a}",
    "close-up of {a}",
)
FRAMES_ZH = (
    *("{t}",) * 7,
    *("一张{t}的照片",) * 2,
    "{t}的图片",
    "一款{t}",
    "这是{t}",
    "{f}{t}",
    "{t} {f}",
    "{t}{f}",
    "{b} {t}",
    "{b} {f}{t}",
    "{b}{t} {f}",
    "2024新款{f}{t}",
    "新款{t}",
    "{t} 包邮",
    "想买{t}",
    "{f} {t} {b}",
)

#: Chinese colour words that may stand alone before a noun ("黑T恤"), and in pairs ("红白条纹").
SHORT_ZH = {
    "black": "黑",
    "grey": "灰",
    "white": "白",
    "brown": "棕",
    "red": "红",
    "orange": "橙",
    "yellow": "黄",
    "green": "绿",
    "blue": "蓝",
    "purple": "紫",
    "pink": "粉",
}
_DETAILS, _DETAILS_ZH = ("details", "accents", "trim"), ("细节", "点缀", "拼接")
_PAIRS, _PAIRS_ZH = (" and ", " and ", "/", " & "), ("", "配", "拼", "和")

# Three of these never make an English word of the tables, as two did ("sofa", "tote").
_SYLLABLES = tuple(a + b for a in "bdfgklmnprstvz" for b in "aeio")


def write(row: Row, rng: random.Random, chinese: float) -> str:
    """A title that says the codes of the row and nothing else; `chinese` is how often it is Chinese, 0..1."""
    return (_chinese if rng.random() < chinese else _english)(row, rng)


def pick(rng: random.Random, options: Sequence[str]) -> str:
    """Any of the options, at one draw."""
    return options[int(rng.random() * len(options))]


def word(rng: random.Random, options: Sequence[str]) -> str:
    """The first option half of the time, else any; always two draws."""
    plain, other = rng.random() < 0.5, pick(rng, options)
    return options[0] if plain else other


def family_words(family: int) -> Words:
    """What a colour family is called."""
    name = FAMILIES[family]
    return Words(("grey", "gray") if name == "grey" else (name,), (FAMILY_ZH[name],))


def _english(row: Row, rng: random.Random) -> str:
    category, colour, family, pattern, material, accent = row
    name = (
        word(rng, CATEGORIES[CATEGORY_NAMES[category]].en)
        if category >= 0
        else pick(rng, ("item", "product", "piece"))
    )
    main = _colour_words(colour, family, rng).en[0]
    second = word(rng, COLOURS[accent].en) if accent >= 0 else ""
    adjectives: list[str] = []
    tails: list[str] = []
    if pattern >= 0:
        nouns = PATTERN_NOUNS[PATTERN_NAMES[pattern]]
        noun = pick(rng, nouns)
        adjective = word(rng, [w for w in PATTERNS[PATTERN_NAMES[pattern]].en if not w.endswith("s")])
        if rng.random() < (0.5 if second else 0.2):
            tails.append(" ".join(f"with {second} {noun}".split()))
            second = ""
        else:
            adjectives.append(adjective)
    if second and main:
        main += pick(rng, _PAIRS) + second
    elif second:
        tails.append(f"with {second} {pick(rng, _DETAILS)}")
    if main and rng.random() < 0.12:
        tails.insert(0, f"in {main}")
    elif main:
        adjectives.append(main)
    if material >= 0:
        adjectives.append(word(rng, MATERIALS[MATERIAL_NAMES[material]].en))
    rng.shuffle(adjectives)
    layout = rng.random()
    if layout < 0.72:
        title = " ".join([*adjectives, name, *tails])
    elif layout < 0.84:
        title = ", ".join([name, *adjectives, *tails])
    elif layout < 0.92:
        title = " ".join([name, *adjectives, *tails])
    else:
        title = " ".join([*adjectives[:1], name, *adjectives[1:], *tails])
    frame, filler, brand = pick(rng, FRAMES), pick(rng, FILLERS), _brand(rng)
    framed = frame.format(t=title, a=_with_article(title, name), f=filler, b=brand)
    return framed[0].upper() + framed[1:] if rng.random() < 0.3 else framed


def _chinese(row: Row, rng: random.Random) -> str:
    category, colour, family, pattern, material, accent = row
    name = (
        word(rng, CATEGORIES[CATEGORY_NAMES[category]].zh)
        if category >= 0
        else pick(rng, ("商品", "单品", "东西"))
    )
    main = _colour_words(colour, family, rng).zh[0]
    second = word(rng, COLOURS[accent].zh) if accent >= 0 else ""
    parts: list[str] = []
    extra = ""
    figure = word(rng, PATTERNS[PATTERN_NAMES[pattern]].zh) if pattern >= 0 else ""
    apart = rng.random() < 0.35
    if second and (apart or not main):
        extra = f"带{second}{figure or pick(rng, _DETAILS_ZH)}"
        figure = ""
    elif second:
        between, short = pick(rng, _PAIRS_ZH), rng.random() < 0.5
        pair = _short_pair(colour, family, accent) if short else ""
        main = pair or main + between + second
    elif main and rng.random() < 0.15:
        main = _short(colour, family) or main
    if main:
        parts.append(main)
    if figure:
        parts.append(figure)
    if material >= 0:
        parts.append(word(rng, MATERIALS[MATERIAL_NAMES[material]].zh))
    if rng.random() < 0.4:
        rng.shuffle(parts)
    layout, first = rng.random(), rng.random() < 0.5
    if layout < 0.62 or not parts:
        title = "".join([*parts, name])
    elif layout < 0.74:
        title = " ".join([name, *parts])
    elif layout < 0.82:
        title = " ".join([*parts, name])
    elif layout < 0.92:
        title = "".join([*parts, "的", name])
    else:
        title = "".join([parts[0], "的", *parts[1:], name])
    if extra:
        title = f"{extra}的{title}" if first else f"{title} {extra}"
    frame, filler, brand = pick(rng, FRAMES_ZH), pick(rng, FILLERS_ZH), _brand(rng)
    return frame.format(t=title, f=filler, b=brand)


def _colour_words(colour: int, family: int, rng: random.Random) -> Words:
    """One English and one Chinese word for a colour or, where only that is said, for its family."""
    words = Words(("",), ("",))
    if colour >= 0:
        words = Words(COLOURS[colour].en, COLOURS[colour].zh)
    elif family >= 0:
        words = family_words(family)
    plain, other = rng.random() < 0.5, rng.random()
    return Words(
        *(
            ((choices[0] if plain else choices[int(other * len(choices))]),)
            for choices in (words.en, words.zh)
        )
    )


def _short(colour: int, family: int) -> str:
    """The one-character word of a basic colour, or ""; "深红" and the like are not made."""
    name = COLOURS[colour].name if colour >= 0 else FAMILIES[family] if family >= 0 else ""
    return SHORT_ZH.get(name, "")


def _short_pair(colour: int, family: int, accent: int) -> str:
    """Two one-character words ("红白"), or "".

    One of the two is black or white: "灰蓝" and "蓝绿" are names of a single colour.
    """
    one, two = _short(colour, family), _short(accent, -1)
    return one + two if one and two and {one, two} & {"黑", "白"} else ""


def _brand(rng: random.Random) -> str:
    return "".join(pick(rng, _SYLLABLES) for _ in range(3)).capitalize()


def _with_article(title: str, name: str) -> str:
    if (name.endswith("s") and not name.endswith("ss")) or name.split()[0] in ("footwear", "luggage"):
        return title
    return f"{'an' if title[0] in 'aeio' else 'a'} {title}"
