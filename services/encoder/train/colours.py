"""Named colours in a perceptual space: to paint rendered products and to name measured garments.

Distances are Euclidean in CIELAB (D65), with chroma and hue weighted above lightness, since shade
varies with the light while hue does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Colour:
    """A colour word, the family it belongs to, its sRGB prototype and other words for it.

    `synonyms` are English; `zh` Chinese, the plain one first. A colour named like its family is the one
    that most people mean by the word.
    """

    name: str
    family: str
    rgb: tuple[int, int, int]
    synonyms: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()

    @property
    def en(self) -> tuple[str, ...]:
        return (self.name, *self.synonyms)


COLOURS = (
    Colour("black", "black", (24, 24, 26), ("jet black",), ("黑色", "纯黑色")),
    Colour(
        "charcoal",
        "grey",
        (66, 68, 72),
        ("dark grey", "dark gray", "anthracite"),
        ("炭灰色", "深灰色", "炭灰"),
    ),
    Colour("grey", "grey", (132, 132, 134), ("gray",), ("灰色",)),
    Colour("light grey", "grey", (188, 188, 190), ("light gray", "silver"), ("浅灰色", "银色", "银灰色")),
    Colour("white", "white", (240, 240, 240), ("pure white",), ("白色", "纯白色")),
    Colour("cream", "white", (240, 230, 205), ("ivory", "off-white"), ("米白色", "奶油色", "象牙白")),
    Colour("beige", "beige", (208, 186, 152), ("sand", "tan"), ("米色", "杏色", "卡其色")),
    Colour("brown", "brown", (116, 74, 46), ("chestnut",), ("棕色", "褐色", "咖啡色")),
    Colour("dark brown", "brown", (66, 44, 34), ("chocolate",), ("深棕色", "巧克力色", "深咖色")),
    Colour("burgundy", "red", (116, 26, 44), ("dark red", "maroon", "wine"), ("酒红色", "暗红色", "枣红色")),
    Colour("red", "red", (206, 34, 42), ("scarlet", "crimson"), ("红色", "大红色", "正红色")),
    Colour("coral", "orange", (244, 118, 96), ("salmon",), ("珊瑚色", "珊瑚橙")),
    Colour("orange", "orange", (238, 128, 32), ("tangerine",), ("橙色", "橘色")),
    Colour("mustard", "yellow", (204, 156, 42), ("ochre", "gold"), ("芥末黄", "姜黄色", "土黄色", "金色")),
    Colour("yellow", "yellow", (246, 214, 56), ("lemon yellow",), ("黄色", "明黄色")),
    Colour("olive", "green", (106, 108, 62), ("khaki",), ("橄榄绿", "军绿色")),
    Colour("dark green", "green", (30, 78, 52), ("forest green", "hunter green"), ("深绿色", "墨绿色")),
    Colour("green", "green", (52, 152, 72), ("emerald",), ("绿色", "翠绿色")),
    Colour("light green", "green", (150, 212, 160), ("mint",), ("浅绿色", "薄荷绿")),
    Colour("teal", "teal", (18, 118, 124), ("petrol",), ("青色", "蓝绿色", "孔雀蓝")),
    Colour("turquoise", "teal", (72, 198, 200), ("aqua",), ("绿松石色", "湖蓝色")),
    Colour("light blue", "blue", (152, 192, 228), ("sky blue", "baby blue"), ("浅蓝色", "天蓝色", "淡蓝色")),
    Colour("blue", "blue", (40, 90, 190), ("royal blue",), ("蓝色", "宝蓝色", "皇家蓝")),
    Colour("navy", "blue", (30, 40, 80), ("dark blue", "navy blue"), ("藏青色", "海军蓝", "深蓝色")),
    Colour("denim blue", "blue", (84, 110, 146), ("denim",), ("牛仔蓝", "灰蓝色", "丹宁蓝")),
    Colour("purple", "purple", (106, 52, 140), ("violet",), ("紫色", "紫罗兰色")),
    Colour("lilac", "purple", (186, 162, 212), ("lavender",), ("浅紫色", "薰衣草紫", "淡紫色")),
    Colour("pink", "pink", (240, 158, 186), ("rose",), ("粉色", "粉红色")),
    Colour("hot pink", "pink", (226, 50, 126), ("fuchsia", "magenta"), ("玫红色", "桃红色", "亮粉色")),
)

FAMILIES = tuple(dict.fromkeys(colour.family for colour in COLOURS))
#: Family -> its Chinese name.
FAMILY_ZH = {colour.family: colour.zh[0] for colour in COLOURS if colour.name == colour.family}
INDEX = {colour.name: index for index, colour in enumerate(COLOURS)}


def srgb_to_lab(rgb: npt.ArrayLike) -> Array:
    """sRGB [..., 3] in 0..255 -> CIELAB [..., 3] float32 (D65; IEC 61966-2-1 and CIE 15)."""
    value = np.asarray(rgb, dtype=np.float32) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ],
        dtype=np.float32,
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883], dtype=np.float32)
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


_PROTOTYPES = srgb_to_lab([colour.rgb for colour in COLOURS])
_WEIGHTS = np.array([0.7, 1.0, 1.0], dtype=np.float32)


def nearest(rgb: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Index into `COLOURS` of the nearest named colour, for sRGB [..., 3] in 0..255."""
    lab = srgb_to_lab(rgb)
    delta = (lab[..., None, :] - _PROTOTYPES) * _WEIGHTS
    return np.asarray((delta**2).sum(-1).argmin(-1), dtype=np.intp)
