import numpy as np
import pytest
from PIL import Image

from searcher.encode import QueryEncoder, VectorCache
from services.encoder.regions import look_attentively


class Counting:
    """The real encoder, counting what reaches it."""

    def __init__(self, encoder):
        self.encoder = encoder
        self.texts: list[str] = []
        self.pictures = 0

    def encode_texts(self, texts):
        self.texts += texts
        return self.encoder.encode_texts(texts)

    def prepare(self, image):
        return self.encoder.prepare(image)

    def encode_prepared(self, pixels):
        self.pictures += len(pixels)
        return self.encoder.encode_prepared(pixels)


@pytest.fixture()
def counting(tiny_encoder):
    return Counting(tiny_encoder)


def test_texts_are_encoded_once_and_in_one_batch(counting, tiny_encoder):
    queries = QueryEncoder(counting, 10)
    first = queries.texts(["red mug", "blue mug", "red mug"])
    assert counting.texts == ["red mug", "blue mug"]
    np.testing.assert_array_equal(first[0], first[2])
    again = queries.texts(["blue mug", "green mug"])
    assert counting.texts == ["red mug", "blue mug", "green mug"]
    np.testing.assert_array_equal(again[0], first[1])
    np.testing.assert_allclose(first[:2], tiny_encoder.encode_texts(["red mug", "blue mug"]), atol=1e-6)


def test_pictures_are_known_by_what_the_tower_sees(counting, tiny_encoder):
    queries = QueryEncoder(counting, 10)
    red, blue = Image.new("RGB", (90, 70), "red"), Image.new("RGB", (90, 70), "blue")
    first = queries.images([red, blue, red.copy()])
    assert counting.pictures == 2
    assert len(queries.images([blue.copy()])) == 1
    assert counting.pictures == 2
    np.testing.assert_allclose(first[:2], tiny_encoder.encode_images([red, blue]), atol=1e-5)


def test_a_text_is_never_taken_for_a_picture(counting):
    queries = QueryEncoder(counting, 10)
    [picture] = queries.images([Image.new("RGB", (8, 8))])
    [text] = queries.texts(["mug"])
    assert picture.shape == text.shape and not np.array_equal(picture, text)


def test_nothing_to_encode(counting):
    queries = QueryEncoder(counting, 10)
    assert queries.texts([]) == [] and queries.images([]) == []
    assert counting.texts == []


@pytest.mark.parametrize("size", [0, 1, 3])
def test_the_least_recently_used_goes_first(size):
    cache = VectorCache(size)
    for key in "abc":
        cache.put(key, np.ones(2, dtype=np.float32))
    cache.get("a")
    cache.put("d", np.zeros(2, dtype=np.float32))
    assert len(cache) == size
    assert [key for key in "abcd" if cache.get(key) is not None] == {0: [], 1: ["d"], 3: ["a", "c", "d"]}[
        size
    ]


def test_a_small_cache_still_answers(counting):
    queries = QueryEncoder(counting, 1)
    assert len(queries.texts(["a", "b", "c", "a"])) == 4


def test_pictures_that_are_marked_are_looked_at_attentively(tiny_encoder):
    queries = QueryEncoder(tiny_encoder, 10)
    photo = Image.new("RGB", (90, 70), "white")
    photo.paste((200, 20, 30), (30, 20, 60, 50))
    attentive, whole = queries.images([photo, photo], [True, False])
    np.testing.assert_allclose(attentive, look_attentively(photo, tiny_encoder), atol=1e-5)
    np.testing.assert_allclose(whole, tiny_encoder.encode_images([photo])[0], atol=1e-5)
    assert not np.allclose(attentive, whole, atol=1e-3)
