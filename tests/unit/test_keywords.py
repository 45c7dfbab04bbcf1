"""What counts as a word, and what of a query and a product is one token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalogue.product import Product
from services.keywords import product_keywords, query_keywords, similarity
from services.store.checks import check_sparse


def tokens(text: str) -> set[int]:
    """The tokens of a query but the one for the whole of it."""
    vector = query_keywords(text)
    return (
        set()
        if vector is None
        else {index for index, value in zip(vector.indices, vector.values, strict=True) if value < 3.0}
    )


def weights(product: Product) -> dict[int, float]:
    vector = product_keywords(product)
    return dict(zip(vector.indices, vector.values, strict=True))


def score(text: str, product: Product) -> float:
    """As the store's, without IDF."""
    query, stored = query_keywords(text), weights(product)
    assert query is not None
    return sum(
        value * stored.get(index, 0.0) for index, value in zip(query.indices, query.values, strict=True)
    )


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("Red DRESSES", "red dress"),
        ("Café Crème", "cafe creme"),
        ("women's t-shirt", "women t-shirt"),
        ("women\u2019s", "women"),
        ("ＡＢ－１２３４", "ab-1234"),
        ("ﾄﾞﾚｽ", "ドレス"),
        ("the dress for a wedding", "dress wedding"),
        ("1,5 l", "1.5 l"),
        ("0012345678905", "12345678905"),
        ("Straße", "strasse"),
    ],
)
def test_spellings_of_one_thing_are_the_same_tokens(one: str, same: str) -> None:
    assert tokens(one) == tokens(same) != set()


@pytest.mark.parametrize(("one", "other"), [("1.5", "15"), ("0012", "12"), ("裙", "裙子"), ("AB-1", "AB-2")])
def test_different_things_are_different_tokens(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


def test_a_code_counts_whole_and_in_its_pieces() -> None:
    assert len(tokens("AB-1234/5")) == 4
    assert tokens("AB-1234/5") > tokens("1234") | tokens("5") | tokens("ab")
    assert tokens("AB-1234/5") & tokens("ab12345") > tokens("ab")
    assert tokens("iPhone15") > tokens("iphone") | tokens("15")
    assert tokens("self-timer") == tokens("selftimer") | tokens("self") | tokens("timer")
    assert tokens("T-shirt") == tokens("tshirt")


def test_chinese_and_japanese_are_read_in_pairs_of_characters() -> None:
    assert tokens("红色连衣裙") == tokens("红色") | tokens("色连") | tokens("连衣") | tokens("衣裙")
    assert len(tokens("红色连衣裙")) == 4
    assert tokens("红 dress") == tokens("红") | tokens("dress")
    assert tokens("红色dress12") > tokens("红色") | tokens("dress")


@pytest.mark.parametrize("text", ["", " ", "-/.", "👗", "\u0301"])
def test_a_text_without_letters_or_digits_has_no_keywords(text: str) -> None:
    assert query_keywords(text) is None


def test_words_without_meaning_are_no_tokens() -> None:
    assert tokens("but in the") == set()
    assert tokens("but in blue") == tokens("blue")


@given(st.text(max_size=1000))
def test_any_text_makes_a_vector_that_a_store_takes(text: str) -> None:
    vector = query_keywords(text)
    if vector is not None:
        assert check_sparse(vector, "keywords") == vector
        assert list(vector.indices) == sorted(vector.indices)
    title = product_keywords(Product(id="x", title=text))
    assert check_sparse(title, "keywords") == title
    assert all(0 < value < 2.2 for value in title.values)


@given(st.text(min_size=1, max_size=64).filter(lambda text: any(map(str.isalnum, text))))
def test_every_id_is_found_by_itself_however_it_is_cased(text: str) -> None:
    product = Product(id=f"x{text.strip()}", title="something else")
    for spelt in (product.id, product.id.swapcase()):
        query = query_keywords(spelt)
        assert query is not None and max(query.values) >= 3.0
    assert score(product.id, product) >= 3.0


@pytest.mark.parametrize(
    ("code", "typed"),
    [
        ("AB-1234/5", "ab12345"),
        ("AB-1234/5", "AB 1234 5"),
        ("4006381333931", "4 006381 333931"),
        ("0036000291452", "036000291452"),
        (4006381333931, "4006381333931"),
        (4006381333931.0, "4006381333931"),
        ("4 006381 333931", "4006381333931"),
        ("WH-1000XM5", "wh1000xm5"),
    ],
)
def test_a_code_is_found_however_it_is_punctuated(code: str | int | float, typed: str) -> None:
    product = Product(id="p1", title="Headphones", attributes={"code": code})
    assert score(typed, product) >= 3.0
    assert score(f"the {typed} in black", product) < 3.0


def test_a_code_in_a_title_is_no_product_of_that_code() -> None:
    itself = Product(id="AB-1234/5", title="Drill")
    case = Product(id="c1", title="Case for AB-1234/5")
    alike = Product(id="AB-1234/6", title="Drill")
    assert score("AB-1234/5", itself) > score("AB-1234/5", case) > score("AB-1234/5", alike) > 0
    repeated = Product(id="c2", title="AB-1234/5 " * 9)
    assert score("AB-1234/5", itself) > score("AB-1234/5", repeated)


@pytest.mark.parametrize("value", [38, 1.5, True, "red", "L34", "size 38", "x" * 65 + "1"])
def test_values_that_are_no_codes_are_no_keywords(value: str | float | bool) -> None:
    assert weights(Product(id="p1", attributes={"a": value})) == weights(Product(id="p1"))


def test_short_ids_are_no_words() -> None:
    # Else a search for an "iphone 15" would find the product number 15.
    assert score("iphone 15", Product(id="15", title="Lamp")) == 0
    assert score("15", Product(id="15", title="Lamp")) == 3.0


def test_a_brand_counts_as_a_word() -> None:
    assert score("nordtal lamp", Product(id="p", title="Lamp", brand="Nordtal")) > score(
        "nordtal lamp", Product(id="p", title="Lamp")
    )


def test_word_weights_are_those_of_bm25() -> None:
    [index] = tokens("dress")
    title = " ".join(["dress", "dress", *(f"{letter}{letter}{letter}" for letter in "bcdefghijklm")])
    assert weights(Product(id="p", title=title))[index] == pytest.approx(2 * 2.2 / (2 + 1.2))


def test_half_of_the_words_are_less_than_half_of_a_match() -> None:
    whole, half, none, code = similarity(np.array([8.0, 4.0, np.nan, 50.0]), 8.0)
    assert whole == pytest.approx(8**0.5) and half == pytest.approx(4**0.5 / 4)
    assert np.isnan(none) and code == pytest.approx(50**0.5)
    assert similarity(np.array([9.0]), 0.0) == [3.0]
