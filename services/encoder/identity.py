"""Hashes that tell whether two encoders put their vectors into the same space."""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

_DIGITS = 16


def hash_weights(model: torch.nn.Module) -> str:
    """SHA-256 (hex, 16 digits) over every stored parameter and buffer of the model, by name.

    Values count as float32, so a model read from fp16, bf16 or fp32 files of equal values hashes alike,
    and so it does on every device. Buffers a model computes for itself when built (attention masks,
    rotary tables) are left out: their last bit may differ between machines without meaning anything.
    About 0.2 s for 90 million parameters, so nothing is cached.
    """
    tensors = sorted(model.state_dict().items())
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_hash_tensor, (tensor for _, tensor in tensors)))
    total = hashlib.sha256()
    for (name, tensor), digest in zip(tensors, digests, strict=True):
        total.update(f"{name}|{tuple(tensor.shape)}|".encode())
        total.update(digest)
    return total.hexdigest()[:_DIGITS]


def _hash_tensor(tensor: torch.Tensor) -> bytes:
    plain = tensor.detach().cpu()
    if plain.is_floating_point():
        plain = plain.float()
    # hashlib releases the interpreter lock while it reads a large buffer, hence the threads above.
    return hashlib.sha256(plain.contiguous().numpy().reshape(-1).data.cast("B")).digest()


def hash_configuration(configuration: dict[str, Any]) -> str:
    """SHA-256 (hex, 16 digits) over JSON-ready settings, whatever the order of their keys."""
    text = json.dumps(configuration, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def tokenizer_configuration(tokenizer: Any) -> dict[str, Any]:
    """What decides the token ids of a transformers tokenizer: the whole of its pipeline, hashed.

    Truncation and padding are set anew by every call, so they are cleared first and do not count.
    """
    ends = {
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "pad": tokenizer.pad_token_id,
    }
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        return ends | {
            "class": type(tokenizer).__name__,
            "vocabulary": hash_configuration({"words": vocabulary}),
        }
    backend.no_truncation()
    backend.no_padding()
    return ends | {"pipeline": hashlib.sha256(backend.to_str().encode()).hexdigest()[:_DIGITS]}
