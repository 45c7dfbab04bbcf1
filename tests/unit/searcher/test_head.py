"""The learned attention head: the same arithmetic in numpy and torch, and training that learns to compose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from searcher.evaluate.pool import Encoded, Pool, by, encode, values_of
from searcher.evaluate.queries import OTHER_ATTRIBUTE, OTHER_LABEL, Facts, make_queries
from searcher.fusion import make_fusion
from searcher.fusion.attention import Attention
from searcher.fusion.base import Embeddings, Evidence
from searcher.fusion.fit import Heads, Lesson, Plan, fit
from searcher.fusion.head import SHAPES, Head
from searcher.fusion.learned import Learned, composed, find_head, head_path
from services.calibration import MODALITIES, Calibration
from services.encoder.base import EncoderIdentity
from services.errors import EncoderMismatch
from services.settings import Settings

IDENTITY = EncoderIdentity("toy", "a" * 16, "b" * 16, 24)
OTHER = replace(IDENTITY, weights="c" * 16)
CALIBRATION = Calibration.identity()
PLAN = Plan(heads=3, rank=8, hidden=6, steps=150, batch=32, candidates=100, learning_rate=3e-3)


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def trained_somehow(seed: int = 0) -> Heads:
    """A head with nothing at its first value."""
    torch.manual_seed(seed)
    model = Heads(PLAN, torch.from_numpy(unit(2, 24) * 0.3), torch.from_numpy(unit(2, 24, seed=1) * 0.3))
    with torch.no_grad():
        for value in model.parameters():
            value.add_(0.3 * torch.randn_like(value))
    return model


def test_numpy_scores_what_torch_was_trained_with() -> None:
    model = trained_somehow()
    head = model.head(IDENTITY, scale=1.7, offset=0.2)
    parts, fields = unit(3, 24, seed=2), unit(40, 2, 24, seed=3)
    present = np.random.default_rng(4).random((40, 2)) < 0.7
    present[0] = False
    weights = [1.0, 0.4, -1.5]
    modalities = ["image", "text", "text"]
    kinds = torch.tensor([[MODALITIES.index(name) for name in modalities]])
    with torch.no_grad():
        expected = model(
            torch.from_numpy(parts)[None], kinds, torch.tensor([weights]), torch.from_numpy(fields),
            torch.from_numpy(present),
        )[0].numpy()  # fmt: skip
    embeddings = Embeddings(parts, fields)
    fused = Learned(head, share=0.0).score(
        Evidence(embeddings.similarities(), present[:, None, :], modalities, weights, CALIBRATION, embeddings)
    )
    some = present.any(1)
    np.testing.assert_allclose(fused.scores[some], (expected[some] - 0.2) / 1.7, rtol=1e-3, atol=1e-4)
    assert (fused.scores[~some] == -np.inf).all()
    np.testing.assert_allclose(fused.weights[some][:, :2].sum((1, 2)), 1, rtol=1e-5)
    assert (fused.weights[:, 2] <= 0).all() and (fused.weights[:, 2] < 0).any()
    assert not fused.weights[:, :2].transpose(0, 2, 1)[~present].any()


def test_a_single_head_that_learnt_nothing_is_the_closed_form() -> None:
    d = 24
    arrays: dict[str, Any] = {
        "part_mean": np.zeros((2, d)), "field_mean": np.zeros((2, d)),
        "query": np.broadcast_to(np.eye(d), (2, 1, d, d)), "key": np.broadcast_to(np.eye(d), (2, 1, d, d)),
        "gate_in": np.zeros((2, 4, d)), "gate_in_bias": np.zeros((2, 4)),
        "gate_out": np.zeros((2, 1, 4)), "gate_out_bias": np.zeros((2, 1)),
        "sharpness": np.full(1, 1 / 0.5), "field_bias": np.zeros((1, 2)), "gain": np.ones(1),
        "scale": 1.0, "offset": 0.0, "refusal": 1.0, "threshold": 0.0,
    }  # fmt: skip
    head = Head(IDENTITY, {name: np.asarray(value, dtype=np.float32) for name, value in arrays.items()})
    embeddings = Embeddings(unit(2, d, seed=5), unit(30, 2, d, seed=6))
    mask = np.random.default_rng(7).random((30, 1, 2)) < 0.8
    given: tuple[Any, ...] = (embeddings.similarities(), mask, ["text", "image"], [1.0, 2.0], CALIBRATION)
    learned = Learned(head, share=0.0).score(Evidence(*given, embeddings))
    closed = Attention(temperature=0.5).score(Evidence(*given))
    np.testing.assert_allclose(learned.scores, closed.scores, atol=1e-4)
    np.testing.assert_allclose(learned.weights, closed.weights, atol=1e-4)


def test_no_candidates_get_no_scores() -> None:
    head = trained_somehow().head(IDENTITY, 1.0, 0.0)
    embeddings = Embeddings(unit(2, 24), np.zeros((0, 2, 24), np.float32))
    empty = np.zeros((0, 2, 3), dtype=np.float32)
    fused = Learned(head).score(
        Evidence(empty, empty > 0, ["text", "image"], [1.0, -1.0], CALIBRATION, embeddings)
    )
    assert fused.scores.shape == (0,) and fused.weights.shape == (0, 2, 3)


def test_the_composed_vector_ranks_as_the_head_does_where_attention_is_flat() -> None:
    model = trained_somehow()
    with torch.no_grad():
        model.sharpness.zero_()
        model.field_bias.zero_()
        model.field_mean.zero_()
    head = model.head(IDENTITY, 1.0, 0.0)
    parts, fields = unit(2, 24, seed=2), unit(50, 2, 24, seed=3)
    vectors = composed(Learned(head), parts, ["image", "text"], [1.0, 0.5])
    assert vectors is not None
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    only_image = np.tile([True, False], (50, 1))
    scores, _ = head.score(parts, ["image", "text"], [1.0, 0.5], fields, only_image)
    assert (np.argsort(-scores) == np.argsort(-(fields[:, 0] @ vectors[0]))).all()
    assert composed(Learned(head), parts, ["image", "text"], [1.0, -0.5]) is None
    assert composed(Attention(), parts, ["image", "text"], [1.0, 0.5]) is None


def test_a_head_comes_back_from_its_file_and_is_refused_for_another_encoder(tmp_path: Path) -> None:
    head = trained_somehow().head(IDENTITY, 1.0, 0.0)
    settings = Settings(data_dir=tmp_path)
    path = head_path(tmp_path / "heads", IDENTITY)
    head.save(path)
    back = find_head(settings, IDENTITY)
    assert back is not None and set(back.arrays) == set(SHAPES) and back.parameters == head.parameters
    assert all((back.arrays[name] == head.arrays[name]).all() for name in SHAPES)
    assert find_head(settings, OTHER) is None
    with pytest.raises(EncoderMismatch, match="vitrine fusion train"):
        Head.load(path, OTHER)


def test_without_a_head_for_the_encoder_the_closed_form_answers(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, temperature=0.7, part_temperature=3.0)
    assert make_fusion("learned", settings, OTHER) == Attention(0.7, 3.0)
    assert make_fusion("learned", settings) == Attention(0.7, 3.0)
    trained_somehow().head(OTHER, 1.0, 0.0).save(head_path(tmp_path / "heads", OTHER))
    assert isinstance(make_fusion("learned", settings, OTHER), Learned)


class ToyEncoder:
    """Categories and colours as directions of their own; words and pictures see them with a gap between."""

    dim = 24
    names = ("dress", "hat", "mug", "lamp", "shirt", "red", "blue", "green", "white", "black")

    def __init__(self) -> None:
        self.directions = dict(zip(self.names, unit(len(self.names), self.dim, seed=9), strict=True))
        self.gap = unit(2, self.dim, seed=10)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        rows = [self._sum(text.replace(",", "").split()) + 0.8 * self.gap[0] for text in texts]
        return self._unit(np.stack(rows))

    def look(self, facts: list[Facts], seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).normal(size=(len(facts), self.dim)) * 0.1
        rows = np.stack([self._sum(list(one.values())) for one in facts]) + 0.8 * self.gap[1] + noise
        return self._unit(rows)

    def _sum(self, words: list[str]) -> np.ndarray:
        return np.sum([self.directions[word] for word in words if word in self.directions], axis=0)

    def _unit(self, rows: np.ndarray) -> np.ndarray:
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def toy_pool(encoder: Any, seed: int) -> Pool:
    rng = np.random.default_rng(seed)
    facts: list[Facts] = [
        {"category": ToyEncoder.names[rng.integers(5)], "colour": ToyEncoder.names[5 + rng.integers(5)]}
        for _ in range(300)
    ]
    ids = [f"{seed}-{n}" for n in range(len(facts))]
    titles = [f"{one['colour']} {one['category']}" if n % 3 == 0 else "" for n, one in enumerate(facts)]
    return Pool.of(ids, encoder.look(facts, seed), titles, dict(zip(ids, facts, strict=True)), encoder)


def test_training_learns_that_words_overrule_what_they_speak_of() -> None:
    encoder: Any = ToyEncoder()
    pool = toy_pool(encoder, 1)
    queries = make_queries(pool.facts, label="category", most=200)
    head = fit([Lesson.of(pool, queries, encoder)], IDENTITY, PLAN, Console(quiet=True))
    unseen = toy_pool(encoder, 2)
    asked = [
        query for query in make_queries(unseen.facts, label="category", most=60, seed=1)
        if query.kind in (OTHER_ATTRIBUTE, OTHER_LABEL)
    ]  # fmt: skip
    encoded: list[Encoded] = encode(asked, unseen, encoder)
    precision = {
        name: np.mean(values_of(asked, encoded, unseen, by(fusion), unseen.calibration())["precision@10"])
        for name, fusion in (("learned", Learned(head)), ("closed", Attention(0.5, 8.0)))
    }
    assert precision["learned"] > precision["closed"] + 0.1
