"""The compact tokenizer: byte-level BPE learnt from made titles, so any text in any script has tokens."""

from __future__ import annotations

import random
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from services.encoder.train.colours import COLOURS
from services.encoder.train.render import make_product
from services.encoder.train.titles import CATEGORIES, FILLERS, MATERIALS, PATTERNS, make_title

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
CONTEXT_LENGTH = 24


def train_tokenizer(
    folder: Path, *, vocabulary: int = 2048, titles: int = 40_000, seed: int = 0
) -> PreTrainedTokenizerFast:
    """Learn the BPE merges (Sennrich et al. 2016) and save a transformers tokenizer into the folder.

    Ids of the specials are fixed (pad 0, bos 1, eos 2): the model's config names them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=3,
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


def _corpus(titles: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    words = [
        word for group in (CATEGORIES, PATTERNS, MATERIALS) for names in group.values() for word in names
    ]
    words += [name for colour in COLOURS for name in (colour.name, *colour.synonyms)] + list(FILLERS)
    return [make_title(make_product(n).attributes, rng)[0] for n in range(titles)] + words * 40
