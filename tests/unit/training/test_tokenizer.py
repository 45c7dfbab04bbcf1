"""The tokenizer gives every common word few tokens, in both languages, and fuses no two words."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from services.encoder.train.titles import make_title, random_product
from services.encoder.train.tokenizer import CONTEXT_LENGTH, train_tokenizer, vocabulary_words

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return train_tokenizer(tmp_path_factory.mktemp("tokenizer"), titles=8000)


def test_specials_and_size_are_what_the_model_relies_on(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_tokens_to_ids(["<pad>", "<bos>", "<eos>"]) == [0, 1, 2]
    assert 1000 < len(tokenizer) <= 4096
    ids = tokenizer(["mug", "红色条纹马克杯"], padding="max_length", max_length=CONTEXT_LENGTH)["input_ids"]
    assert all(len(row) == CONTEXT_LENGTH and row[0] == 1 and row.count(2) == 1 for row in ids)


def test_words_of_the_tables_are_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    """An English word is one token (joined by hyphens or an apostrophe: one for each part and mark), a
    Chinese one a token for each character."""
    for word in vocabulary_words():
        parts = HAN.findall(word) + re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]+", HAN.sub(" ", word.lower()))
        assert len(tokenizer.tokenize(word)) <= len(parts), word


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("紫色波点雨伞", ("紫色", "波点", "雨伞")),
        ("红色条纹马克杯", ("红色", "条纹", "马克杯")),
        ("黑T恤", ("黑", "T恤")),
        ("马克杯 红色", ("马克杯", "红色")),
        ("Zovela 红色帽子", ("Zovela", "红色", "帽子")),
        ("teal starry toaster", ("teal", "starry", "toaster")),
    ],
)
def test_a_title_has_the_tokens_of_its_words(
    tokenizer: PreTrainedTokenizerFast, title: str, words: tuple[str, ...]
) -> None:
    assert tokenizer.tokenize(title) == [token for word in words for token in tokenizer.tokenize(word)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Red MUG", "red mug"),
        ("Ｔ恤　红色", "T恤 红色"),
        ("ｍｕｇ", "mug"),
        ("  mug", "mug"),
        ("mug\t hat", "mug hat"),
    ],
)
def test_forms_of_one_text_read_alike(tokenizer: PreTrainedTokenizerFast, one: str, other: str) -> None:
    assert tokenizer.tokenize(one) == tokenizer.tokenize(other)


@pytest.mark.parametrize("text", ["紅いブーツ 👢", "café crème", "Штаны", "龘"])
def test_any_script_survives(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    decoded = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
    assert decoded.replace(" ", "") == text.lower().replace(" ", "")


@pytest.mark.parametrize(("chinese", "most"), [(0.0, 9.0), (1.0, 12.0)])
def test_titles_are_short_and_fit(tokenizer: PreTrainedTokenizerFast, chinese: float, most: float) -> None:
    rng = random.Random(5)
    lengths = [
        len(tokenizer(make_title(random_product(rng), rng, chinese=chinese)[0])["input_ids"])
        for _ in range(1500)
    ]
    assert sum(lengths) / len(lengths) <= most and max(lengths) <= CONTEXT_LENGTH


def test_the_same_seed_learns_the_same_tokens(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train_tokenizer(tmp_path / name, titles=1500, seed=seed)
    one, two, three = ((tmp_path / name / "tokenizer.json").read_bytes() for name in ("one", "two", "three"))
    assert one == two != three
