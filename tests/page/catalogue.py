"""A small shop drawn on the spot: five things in six colours, and a few awkward products."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageDraw

COLOURS = {
    "red": (200, 30, 40),
    "blue": (35, 70, 190),
    "green": (30, 140, 70),
    "yellow": (240, 200, 40),
    "black": (25, 25, 28),
    "pink": (240, 140, 180),
}
BRANDS = ("Aster", "Norrland", "Kite & Co")

#: A title that would run a script if it were ever parsed as HTML, and what the script would do.
HOSTILE = '<img src=x onerror="window.pwned=true"> tee'
CHINESE = "红色连衣裙 夏季新款"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftshemd"


def draw(category: str, colour: str, size: tuple[int, int] = (240, 300)) -> Image.Image:
    """The picture of a product: its outline in its colour on a light ground."""
    image = Image.new("RGB", (240, 300), (244, 243, 240))
    pen = ImageDraw.Draw(image)
    fill = COLOURS[colour]
    if category == "dress":
        pen.polygon([(95, 40), (145, 40), (150, 130), (195, 260), (45, 260), (90, 130)], fill=fill)
    elif category == "mug":
        pen.rounded_rectangle((60, 90, 160, 220), 14, fill=fill)
        pen.arc((140, 115, 205, 190), 270, 90, fill=fill, width=16)
    elif category == "bag":
        pen.arc((80, 60, 160, 170), 180, 360, fill=fill, width=10)
        pen.rectangle((55, 120, 185, 240), fill=fill)
    elif category == "lamp":
        pen.polygon([(90, 60), (150, 60), (185, 150), (55, 150)], fill=fill)
        pen.rectangle((114, 150, 126, 250), fill=(90, 90, 90))
    else:
        pen.polygon([(40, 210), (60, 150), (110, 160), (200, 200), (205, 230), (40, 230)], fill=fill)
    return image.resize(size)


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    """The picture as a file of that format."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def products() -> list[dict[str, Any]]:
    """Product records as the service takes them, pictures as data URIs."""
    records: list[dict[str, Any]] = []
    for category in ("dress", "mug", "bag", "lamp", "shoe"):
        for number, colour in enumerate(COLOURS):
            records.append(
                {
                    "id": f"{category}-{colour}",
                    "title": f"{colour.capitalize()} {category}",
                    "image": _data_uri(draw(category, colour)),
                    "category": category,
                    "brand": BRANDS[number % 3],
                    "price": 10.0 + 10 * number,
                    "currency": "EUR",
                    "tags": ["new"] if number % 2 else ["sale"],
                    "attributes": {"colour": colour},
                    "url": f"https://shop.example/{category}/{colour}",
                    "description": f"A {colour} {category}, made to last.",
                }
            )
    records += [
        {
            "id": "hostile/tee",
            "title": HOSTILE,
            "category": HOSTILE,
            "description": HOSTILE,
            "url": "javascript:alert(1)",
        },
        {"id": "chinese", "title": CHINESE, "image": _data_uri(draw("dress", "red")), "category": "dress"},
        {
            "id": "long",
            "title": LONG,
            "image": _data_uri(draw("bag", "black")),
            "price": 3,
            "currency": "gold",
        },
        {"id": "bare", "title": "Plain thing"},
    ]
    return records


def _data_uri(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(image)).decode()}"
