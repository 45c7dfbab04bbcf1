import math

import pytest
from PIL import Image

from searcher.query import MAX_TEXT, Part, Query, clean_text
from services.errors import InvalidInput
from services.settings import Settings

SETTINGS = Settings(max_parts=3, max_window=100)
RED = Image.new("RGB", (8, 8), "red")


def refused(query: Query) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        query.check(SETTINGS)
    assert caught.value.mend
    return caught.value


def test_each_kind_of_part_is_fine():
    Query((Part(text="red dress"), Part(image=RED, weight=0.5), Part(product="p1", weight=-1))).check(
        SETTINGS
    )
    assert [Part(text="a").kind, Part(image=RED).kind, Part(product="p").kind] == ["text", "image", "product"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (Query(()), "parts"),
        (Query((Part(text="a"),) * 4), "parts"),
        (Query((Part(text="a", weight=-1),)), "parts"),
        (Query((Part(),)), "parts[0]"),
        (Query((Part(text="a"), Part(text="b", image=RED))), "parts[1]"),
        (Query((Part(text="a"), Part(text="b", weight=0))), "parts[1].weight"),
        (Query((Part(text="a", weight=math.nan),)), "parts[0].weight"),
        (Query((Part(text="a", weight=math.inf),)), "parts[0].weight"),
        (Query((Part(text="a", weight=101),)), "parts[0].weight"),
        (Query((Part(image=RED, weight=0, name="image"),)), "image_weight"),
        (Query((Part(text=""),)), "parts[0].text"),
        (Query((Part(text=" \n\t "),)), "parts[0].text"),
        (Query((Part(text="x" * (MAX_TEXT + 1), name="q"),)), "q"),
        (Query((Part(text="half \ud83d"),)), "parts[0].text"),
        (Query((Part(product=""),)), "parts[0].product"),
        (Query((Part(image=Image.new("L", (8, 8))),)), "parts[0].image"),
        (Query((Part(text="a"),), limit=0), "limit"),
        (Query((Part(text="a"),), limit=101), "limit"),
        (Query((Part(text="a"),), offset=-1), "offset"),
        (Query((Part(text="a"),), limit=20, offset=81), "offset"),
        (Query((Part(text="a"),), fusion="magic"), "fusion"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(query, field):
    assert refused(query).field == field


def test_the_last_page_of_the_window_is_allowed():
    Query((Part(text="a"),), limit=20, offset=80).check(SETTINGS)


def test_messages_say_what_is_wrong_and_what_to_do():
    error = refused(Query((Part(text="a", image=RED),)))
    assert str(error) == "The part has both text and image. Give exactly one of text, image and product."


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (" red\n dress ", "red dress"),
        ("a\0b", "a b"),
        ("привет 👗", "привет 👗"),
        ("x" * MAX_TEXT, "x" * MAX_TEXT),
    ],
)
def test_texts_are_cleaned(text, clean):
    assert clean_text(text, "q") == clean
