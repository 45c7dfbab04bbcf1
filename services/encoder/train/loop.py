"""The training loop: batches made in a thread, contrastive steps, averaged weights, checkpoints."""

from __future__ import annotations

import json
import math
import queue
import random
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from services.encoder.train.data import Pictures, augment, batches
from services.encoder.train.losses import objective
from services.encoder.train.titles import category_names, colour_names, matches

Tokenize = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome of a training run beside data and code; kept in the checkpoint."""

    tower: str = "mobilenetv4_conv_small"
    image_size: int = 112
    loss: str = "infonce"
    steps: int = 3900
    small_size: int = 80
    small_from: int = 2400
    small_until: int = 3650
    batch: int = 128
    photo_share: float = 0.5
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 200
    pair_weight: float = 0.3
    name_weight: float = 1.0
    names_from: int = 1800
    ema: float = 0.998
    seed: int = 0


@dataclass
class Batch:
    """Augmented pictures [n, 3, s, s], token ids of titles [n, context], products [n], their category and
    colour codes [n, 2], token ids of category and colour names, and who matches whom [n, n]."""

    images: Tensor
    tokens: Tensor
    product: Tensor
    codes: Tensor
    names: tuple[Tensor, Tensor]
    match: Tensor
    unsure: Tensor


def make_batches(
    drawn: Pictures, photos: Pictures | None, recipe: Recipe, tokenize: Tokenize, first: int
) -> Generator[Batch]:
    """Batches prepared ahead in a thread; the same for the same seed and the same `first` step."""
    ahead: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=4)
    stop = threading.Event()

    def produce() -> None:
        try:
            generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + first)
            seed = recipe.seed * 1_000_003 + first
            words = random.Random(seed)
            stream = batches(drawn, photos, recipe.batch, recipe.photo_share, seed)
            for step, (pixels, codes, product, titles, said) in enumerate(stream, start=first):
                match, unsure = matches(said, codes)
                made = Batch(
                    augment(pixels, size_at(step, recipe), generator),
                    tokenize(titles),
                    torch.from_numpy(product),
                    torch.from_numpy(codes[:, :2]),
                    (tokenize(category_names(words)), tokenize(colour_names(words))),
                    torch.from_numpy(match),
                    torch.from_numpy(unsure),
                )
                while not stop.is_set():
                    try:
                        ahead.put(made, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if stop.is_set():
                    return
        except BaseException as error:  # handed to the loop, which raises it
            ahead.put(error)

    threading.Thread(target=produce, daemon=True).start()
    try:
        while True:
            item = ahead.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()


def size_at(step: int, recipe: Recipe) -> int:
    """Side of the training pictures, pixels.

    Cropped products look larger in training than they do in use; smaller pictures for most of the run
    even that out at half the cost (FixRes, Touvron et al. 2019, arXiv 1906.06423).
    """
    return recipe.small_size if recipe.small_from <= step < recipe.small_until else recipe.image_size


def rate(step: int, recipe: Recipe) -> float:
    """Learning rate: linear warm-up, then a cosine down to zero."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    flat = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


def train(
    model: torch.nn.Module,
    drawn: Pictures,
    photos: Pictures | None,
    recipe: Recipe,
    tokenize: Tokenize,
    *,
    checkpoint: Path,
    measure: Callable[[torch.nn.Module], dict[str, float]],
    every: int = 500,
) -> tuple[torch.nn.Module, list[dict[str, Any]]]:
    """Train, or resume from `checkpoint`; returns the averaged model and the log of measurements.

    Ctrl-C writes the checkpoint before it ends the run.
    """
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)  # type: ignore[no-untyped-call]
    optimizer = _optimizer(model, recipe)
    log: list[dict[str, Any]] = []
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise SystemExit(f"{checkpoint} is of another recipe; remove it, or train with that one.")
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, log = int(state["step"]), json.loads(state["log"])

    def save(step: int) -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = checkpoint.with_suffix(".part")
        content = {
            "recipe": asdict(recipe),
            "step": step,
            "log": json.dumps(log),
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(content, part)
        part.rename(checkpoint)

    step = first
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, refresh_per_second=1) as progress:
        task = progress.add_task("", total=recipe.steps, completed=first, shown="")
        try:
            torch.manual_seed(recipe.seed + first)
            begun, losses = time.monotonic(), []
            stream = make_batches(drawn, photos, recipe, tokenize, first)
            for batch in stream if first < recipe.steps else ():
                losses.append(_step(model, optimizer, batch, recipe, step, device))
                _average(average, model)
                step += 1
                if step % 20 == 0:
                    speed = (step - first) * recipe.batch / (time.monotonic() - begun)
                    progress.update(
                        task, completed=step, shown=f"loss {np.mean(losses[-100:]):.3f}, {speed:.0f} images/s"
                    )
                if step % every == 0 or step == recipe.steps:
                    average.eval()
                    figures = {
                        "step": step,
                        "loss": round(float(np.mean(losses[-every:])), 4),
                        **measure(average.module),
                    }
                    log.append(figures)
                    progress.console.print(figures)
                    save(step)
                if step >= recipe.steps:
                    stream.close()
                    break
        except KeyboardInterrupt:
            save(step)
            progress.console.print(f"Stopped at step {step}; run again to go on from there.")
            raise
    average.eval()
    return average.module, log


def _average(average: AveragedModel, model: torch.nn.Module) -> None:
    """Update averaged weights and batch statistics, but not attention masks: averaging -inf gives NaN."""
    average.update_parameters(model)
    for averaged, own in zip(average.module.buffers(), model.buffers(), strict=True):
        if not torch.isfinite(own).all():
            averaged.copy_(own)


def _step(
    model: Any,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    recipe: Recipe,
    step: int,
    device: torch.device,
) -> float:
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate(step, recipe)
    images = batch.images.to(device, memory_format=torch.channels_last, non_blocking=True)
    image = model.encode_image(images, normalize=True)
    text = model.encode_text(torch.cat([batch.tokens, *batch.names]).to(device), normalize=True)
    text, *names = text.split([len(batch.tokens), *map(len, batch.names)])
    loss = objective(
        model,
        image,
        text,
        names=names,
        codes=batch.codes.to(device),
        product=batch.product.to(device),
        match=batch.match.to(device),
        unsure=batch.unsure.to(device),
        kind=recipe.loss,
        pair_weight=recipe.pair_weight,
        name_weight=recipe.name_weight if step >= recipe.names_from else 0.0,
    )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(50))
    return float(loss.detach())
