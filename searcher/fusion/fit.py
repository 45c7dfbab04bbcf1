"""Training of the attention head (`head.py`) over frozen embeddings: queries made from a catalogue, answered
by its own products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from searcher.evaluate.pool import Encoded, Pool, Rows, encode
from searcher.evaluate.queries import LabelledQuery
from searcher.fusion.head import Head
from services.calibration import MODALITIES
from services.encoder.base import Encoder, EncoderIdentity
from services.store.base import VECTORS


@dataclass(frozen=True)
class Plan:
    """`heads` of `rank` dimensions each, gates of `hidden` units; steps of `batch` queries, each against
    `candidates` products, a share `untitled` of which forget their title for the moment."""

    heads: int = 8
    rank: int = 32
    hidden: int = 64
    steps: int = 4000
    batch: int = 64
    candidates: int = 512
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    untitled: float = 0.2
    noise: float = 0.15
    seed: int = 0


@dataclass(frozen=True)
class Lesson:
    """A pool of products with encoded queries, and the rows of the products that answer each."""

    pool: Pool
    encoded: Sequence[Encoded]
    answers: Sequence[Rows]

    @classmethod
    def of(cls, pool: Pool, queries: Sequence[LabelledQuery], encoder: Encoder) -> Lesson:
        row_of = {one: row for row, one in enumerate(pool.ids)}
        answers = [np.asarray([row_of[one] for one in query.relevant], dtype=np.intp) for query in queries]
        return cls(pool, encode(queries, pool, encoder), answers)


class Heads(nn.Module):
    """The arithmetic of `Head` for batches of queries, with gradients; see there for the formulas."""

    part_mean: Tensor
    field_mean: Tensor

    def __init__(self, plan: Plan, part_mean: Tensor, field_mean: Tensor) -> None:
        super().__init__()
        dim, modalities, fields = part_mean.shape[1], len(MODALITIES), len(VECTORS)
        self.register_buffer("part_mean", part_mean)
        self.register_buffer("field_mean", field_mean)
        # Any rotation cut into heads adds up to the plain cosine: that is where learning sets out from.
        rotation = torch.linalg.qr(torch.randn(max(dim, plan.heads * plan.rank), dim))[0]
        basis = rotation[: plan.heads * plan.rank].reshape(plan.heads, plan.rank, dim)
        self.query = nn.Parameter(basis.expand(modalities, -1, -1, -1).clone())
        self.key = nn.Parameter(basis.expand(fields, -1, -1, -1).clone())
        self.gate_in = nn.Parameter(torch.randn(modalities, plan.hidden, dim) / math.sqrt(dim) * 3)
        self.gate_in_bias = nn.Parameter(torch.zeros(modalities, plan.hidden))
        self.gate_out = nn.Parameter(torch.zeros(modalities, plan.heads, plan.hidden))
        self.gate_out_bias = nn.Parameter(torch.zeros(modalities, plan.heads))
        self.sharpness = nn.Parameter(torch.full((plan.heads,), 2.0))
        self.field_bias = nn.Parameter(torch.zeros(plan.heads, fields))
        self.gain = nn.Parameter(torch.ones(plan.heads))
        self.refusal = nn.Parameter(torch.tensor(0.5))
        self.threshold = nn.Parameter(torch.tensor(0.1))
        self.temperature = nn.Parameter(torch.tensor(math.log(20.0)))

    def forward(
        self, parts: Tensor, kinds: Tensor, weights: Tensor, fields: Tensor, present: Tensor
    ) -> Tensor:
        """Scores [b, c] of queries for products.

        A query has parts [b, p, d] of `kinds` [b, p] and `weights` [b, p] (0: no such part, below 0: not
        wanted); products are `fields` [c, f, d], `present` [c, f].
        """
        x = functional.normalize(parts - self.part_mean[kinds], dim=-1)
        y = functional.normalize(fields - self.field_mean, dim=-1)
        told = torch.einsum("bphrd,bpd->bphr", self.query[kinds], x)
        keys = torch.einsum("fhrd,cfd->cfhr", self.key, y)
        s = torch.einsum("bphr,cfhr->bcpfh", told, keys)
        gates = self._gates(x, kinds)
        scores = self._attend(s, gates, weights.clamp(min=0), present)
        if bool((weights < 0).any()):
            for part in range(parts.shape[1]):
                alone = torch.zeros_like(weights)
                alone[:, part] = (-weights[:, part]).clamp(min=0)
                refused = alone[:, part] > 0
                if refused.any():
                    own = self._attend(s[refused], gates[refused], (alone[refused] > 0).float(), present)
                    beyond = functional.relu(own - self.threshold)
                    taken = torch.zeros_like(scores)
                    taken[refused] = alone[refused, part, None] * self.refusal * beyond
                    scores = scores - taken
        return scores

    def _gates(self, x: Tensor, kinds: Tensor) -> Tensor:
        hidden = torch.einsum("bpkd,bpd->bpk", self.gate_in[kinds], x) + self.gate_in_bias[kinds]
        return torch.einsum("bphk,bpk->bph", self.gate_out[kinds], hidden.relu()) + self.gate_out_bias[kinds]

    def _attend(self, s: Tensor, gates: Tensor, weights: Tensor, present: Tensor) -> Tensor:
        prior = gates + torch.log(weights.clamp(min=1e-30))[..., None]
        logits = self.sharpness * s + prior[:, None, :, None] + self.field_bias.T
        there = (weights > 0)[:, None, :, None, None] & present[None, :, None, :, None]
        logits = logits.masked_fill(~there, -1e9)
        attention = logits.flatten(2, 3).softmax(2) * there.expand_as(logits).flatten(2, 3)
        return ((attention * s.flatten(2, 3)).sum(2) * self.gain).sum(-1)

    def head(self, identity: EncoderIdentity, scale: float, offset: float) -> Head:
        """The arrays as they are now; scores s of this module become (s - offset) / scale."""
        names = (
            "part_mean", "field_mean", "query", "key", "gate_in", "gate_in_bias", "gate_out", "gate_out_bias",
            "sharpness", "field_bias", "gain", "refusal",
        )  # fmt: skip
        arrays = {name: getattr(self, name).detach().cpu().numpy().astype(np.float32) for name in names}
        threshold = (float(self.threshold.detach()) - offset) / scale
        arrays |= {
            "threshold": np.float32(threshold), "scale": np.float32(scale), "offset": np.float32(offset)
        }  # fmt: skip
        return Head(identity, {name: np.asarray(array) for name, array in arrays.items()})


def fit(lessons: Sequence[Lesson], identity: EncoderIdentity, plan: Plan, console: Console) -> Head:
    """The head trained on all lessons in turn; the same for the same seed on the same machine.

    The loss is the cross-entropy of all answers among the products of a step (as SupCon, Khosla et al. 2020,
    arXiv 2004.11362); a product that is neither answer nor sampled plays no part.
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    model = Heads(plan, *_means(lessons))
    flat = [value for value in model.parameters() if value.ndim < 2]
    matrices = [value for value in model.parameters() if value.ndim >= 2]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate)
    start = [value.detach().clone() for value in (model.query, model.key)]
    columns = (
        TextColumn("training the attention head"), BarColumn(), TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=plan.steps, loss="")
        for step in range(plan.steps):
            for group in optimizer.param_groups:
                done = step / plan.steps
                group["lr"] = (
                    plan.learning_rate * min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * done))
                )
            loss = _loss(model, lessons[step % len(lessons)], plan, rng)
            # Decay towards where it set out from, not towards nothing.
            drift = sum(
                (now - then).square().sum() for now, then in zip((model.query, model.key), start, strict=True)
            )
            optimizer.zero_grad()
            (loss + 1e-4 * drift).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            progress.update(task, advance=1, loss=f"loss {loss.item():.3f}" if step % 20 == 0 else None)
    return _scaled(model, lessons, identity, plan, rng)


def _means(lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
    """Mean vectors of each modality's parts, [m, d], and of each field, [f, d]."""
    parts = []
    for modality in MODALITIES:
        vectors = [
            vector
            for lesson in lessons
            for query in lesson.encoded
            for vector, kind in zip(query.vectors, query.modalities, strict=True)
            if kind == modality
        ]
        parts.append(np.mean(vectors, axis=0))
    fields = [
        np.mean(np.concatenate([one.pool.fields[one.pool.present[:, f], f] for one in lessons]), axis=0)
        for f in range(len(VECTORS))
    ]
    return torch.tensor(np.stack(parts)), torch.tensor(np.stack(fields))


def _loss(model: Heads, lesson: Lesson, plan: Plan, rng: np.random.Generator) -> Tensor:
    rows = rng.choice(len(lesson.encoded), min(plan.batch, len(lesson.encoded)), replace=False)
    chosen, positive = _sample(lesson, rows, plan, rng)
    parts, kinds, weights = _padded([lesson.encoded[row] for row in rows])
    if plan.noise:
        spread = plan.noise / math.sqrt(parts.shape[-1])
        parts = parts + torch.randn_like(parts) * spread
    fields = torch.from_numpy(lesson.pool.fields[chosen])
    present = lesson.pool.present[chosen].copy()
    # With a picture left, a title may be missing, so that pictures have to do.
    image, title = VECTORS.index("image"), VECTORS.index("title")
    present[:, title] &= ~(present[:, image] & (rng.random(len(chosen)) < plan.untitled))
    scores = model(parts, kinds, weights, fields, torch.from_numpy(present)) * model.temperature.exp()
    scores = scores.masked_fill(torch.from_numpy(_examples(lesson, rows, chosen)), -1e9)
    target = torch.from_numpy(positive)
    return functional.cross_entropy(scores, target / target.sum(1, keepdim=True))


def _sample(
    lesson: Lesson, rows: Rows, plan: Plan, rng: np.random.Generator
) -> tuple[Rows, npt.NDArray[np.float32]]:
    """Products of a step, an answer to each query among them, and [b, c] who answers what."""
    answers = [lesson.answers[row] for row in rows]
    wanted = [int(rng.choice(found)) for found in answers]
    count = len(lesson.pool.ids)
    others = rng.choice(count, min(plan.candidates, count), replace=False)
    chosen = np.unique(np.concatenate([wanted, others])).astype(np.intp)
    positive = np.zeros((len(rows), len(chosen)), dtype=np.float32)
    for query, found in enumerate(answers):
        positive[query] = np.isin(chosen, found)
    return chosen, positive


def _examples(lesson: Lesson, rows: Rows, chosen: Rows) -> npt.NDArray[np.bool_]:
    return np.stack([np.isin(chosen, lesson.encoded[row].examples) for row in rows])


def _padded(queries: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor]:
    """Parts [b, p, d], their modalities [b, p] and weights [b, p], 0 where a query has fewer parts."""
    most, dim = max(len(query.weights) for query in queries), queries[0].vectors.shape[1]
    parts = np.zeros((len(queries), most, dim), dtype=np.float32)
    kinds = np.zeros((len(queries), most), dtype=np.int64)
    weights = np.zeros((len(queries), most), dtype=np.float32)
    for row, query in enumerate(queries):
        count = len(query.weights)
        parts[row, :count] = query.vectors
        kinds[row, :count] = [MODALITIES.index(name) for name in query.modalities]
        weights[row, :count] = query.weights
    return torch.from_numpy(parts), torch.from_numpy(kinds), torch.from_numpy(weights)


@torch.no_grad()
def _scaled(
    model: Heads, lessons: Sequence[Lesson], identity: EncoderIdentity, plan: Plan, rng: np.random.Generator
) -> Head:
    """The head with scores in standard deviations above those of products taken at random."""
    found = []
    for lesson in lessons:
        wanted = [row for row, query in enumerate(lesson.encoded) if min(query.weights) > 0]
        rows = rng.choice(wanted, min(256, len(wanted)), replace=False)
        some = rng.choice(len(lesson.pool.ids), min(512, len(lesson.pool.ids)), replace=False)
        parts, kinds, weights = _padded([lesson.encoded[row] for row in rows])
        fields, present = lesson.pool.fields[some], lesson.pool.present[some]
        scores = model(parts, kinds, weights, torch.from_numpy(fields), torch.from_numpy(present))
        found.append(scores.flatten())
    scores = torch.cat(found)
    return model.head(identity, float(scores.std()), float(scores.mean()))
