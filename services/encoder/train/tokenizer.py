"""The compact tokenizer: byte-level BPE learnt from made titles, so any text in any script has tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from services.encoder.train.colours import COLOURS
from services.encoder.train.titles import make_title, random_product
from services.encoder.train.wording import FILLERS, FILLERS_ZH
from services.encoder.train.words import CATEGORIES, MATERIALS, PATTERNS

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
CONTEXT_LENGTH = 32


def train_tokenizer(
    folder: Path, *, vocabulary: int = 4096, titles: int = 40_000, seed: int = 0
) -> PreTrainedTokenizerFast:
    """Learn the BPE merges (Sennrich et al. 2016) and save a transformers tokenizer into the folder.

    `vocabulary` is the most tokens it may have; the same seed learns the same ones. It reads compatible
    forms (NFKC: full-width letters), capitals and runs of space alike, and any text byte by byte. Ids of
    the specials are fixed (pad 0, bos 1, eos 2): the model's config names them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    # Chinese writes no spaces. Were whole runs one piece, merges would fuse "red" and "mug" into one
    # token and a new pair of words would have none of its own; so every Han character stands alone.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\p{Han}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=20,  # below are pieces of invented brands
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(titles, seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}",
        special_tokens=[(BOS, tokenizer.token_to_id(BOS)), (EOS, tokenizer.token_to_id(EOS))],
    )
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=CONTEXT_LENGTH,
    )
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)
    return fast


def _corpus(titles: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    yield from (make_title(random_product(rng), rng)[0] for _ in range(titles))
    for words in vocabulary_words():
        yield from [words] * 40


def vocabulary_words() -> list[str]:
    """Every word of the tables and every filler, in both languages."""
    words = [entry for table in (CATEGORIES, PATTERNS, MATERIALS) for entry in table.values()]
    colours = [word for colour in COLOURS for word in (*colour.en, *colour.zh)]
    return [word for entry in words for word in (*entry.en, *entry.zh)] + colours + [*FILLERS, *FILLERS_ZH]
