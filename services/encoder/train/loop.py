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
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from services.encoder.train.augment import augment, backgrounds, move
from services.encoder.train.colours import COLOURS
from services.encoder.train.data import Pictures, Samples, batches
from services.encoder.train.losses import classified, objective
from services.encoder.train.model import encode_text, memory_format
from services.encoder.train.recipe import Pace, Recipe
from services.encoder.train.titles import (
    CATEGORY_NAMES,
    MATERIAL_NAMES,
    PATTERN_NAMES,
    category_names,
    colour_names,
    matches,
    material_names,
    pattern_names,
)

Tokenize = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Named:
    """An attribute that pictures are classified by: its column in `Attributes.row`, how many codes it has,
    and one name for each."""

    column: int
    count: int
    names: Callable[[random.Random], list[str]]


NAMED = (
    Named(0, len(CATEGORY_NAMES), category_names),
    Named(1, len(COLOURS), colour_names),
    Named(3, len(PATTERN_NAMES), pattern_names),
    Named(4, len(MATERIAL_NAMES), material_names),
)


@dataclass
class Words:
    """Token ids of titles [t, context], and who matches whom [t, n]; token ids of all names of what is
    `NAMED`, and how many each has."""

    titles: Tensor
    match: Tensor
    unsure: Tensor
    names: Tensor
    counts: list[int]


@dataclass
class Batch:
    """Augmented pictures [n, 3, s, s], codes [n, 4] of what is `NAMED`, products [n], and the words if they
    take part yet."""

    images: Tensor
    codes: Tensor
    product: Tensor
    words: Words | None


def make_batches(
    drawn: Pictures, photos: Pictures | None, recipe: Recipe, tokenize: Tokenize, pace: Pace
) -> Generator[Batch]:
    """Batches prepared ahead in a thread; the same for the same seed and the same first step."""
    ahead: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=4)
    stop = threading.Event()

    def offer(item: Batch | BaseException) -> bool:
        while not stop.is_set():
            try:
                ahead.put(item, timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            seed = recipe.seed * 1_000_003 + pace.step
            generator, chance = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
            words = random.Random(seed)
            scenes = backgrounds(256, drawn.pixels.shape[1], recipe.seed) if photos is not None else None
            for samples in batches(drawn, photos, recipe.batch, recipe.photo_share, seed, near=recipe.near):
                if scenes is not None:
                    samples.pixels = move(samples.pixels, samples.masks, scenes, recipe.moved, chance)
                if not offer(_batch(samples, pace, tokenize, words, generator)):
                    return
        except BaseException as error:  # handed to the loop, which raises it
            offer(error)

    threading.Thread(target=produce, daemon=True).start()
    try:
        while True:
            item = ahead.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()


def _batch(
    samples: Samples, pace: Pace, tokenize: Tokenize, words: random.Random, generator: torch.Generator
) -> Batch:
    recipe, size, drawn = pace.recipe, pace.size, int((samples.product >= 0).sum())
    images = [augment(samples.pixels[:drawn], size, generator, strength=recipe.drawn_strength)]
    if drawn < len(samples.pixels):
        images.append(augment(samples.pixels[drawn:], size, generator, strength=recipe.photo_strength))
    return Batch(
        torch.cat(images),
        torch.from_numpy(samples.codes[:, [kind.column for kind in NAMED]]),
        torch.from_numpy(samples.product),
        _words(samples, tokenize, words) if pace.done >= recipe.words_from else None,
    )


def _words(samples: Samples, tokenize: Tokenize, words: random.Random) -> Words:
    match, unsure = matches(samples.said, samples.codes)
    return Words(
        tokenize(samples.titles),
        torch.from_numpy(match),
        torch.from_numpy(unsure),
        tokenize([name for kind in NAMED for name in kind.names(words)]),
        [kind.count for kind in NAMED],
    )


def _optimizer(modules: list[torch.nn.Module], recipe: Recipe) -> torch.optim.AdamW:
    parameters = [p for module in modules for p in module.parameters()]
    flat = [p for p in parameters if p.ndim < 2]
    matrices = [p for p in parameters if p.ndim >= 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))


def train(
    model: Any,
    drawn: Pictures,
    photos: Pictures | None,
    recipe: Recipe,
    tokenize: Tokenize,
    *,
    checkpoint: Path,
    measure: Callable[[torch.nn.Module], dict[str, float]],
    every: int = 500,
    compiled: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[torch.nn.Module, list[dict[str, Any]]]:
    """Train, or resume from `checkpoint`; returns the averaged model and the log of measurements.

    `compiled` runs the image tower through torch.compile, which takes a C++ compiler; `clock` tells the
    seconds that the recipe's minutes are counted by. Ctrl-C writes the checkpoint before it ends the run.
    """
    device = next(model.parameters()).device
    torch.set_flush_denormal(True)
    model.to(memory_format=memory_format(recipe.tower))
    average = AveragedModel(model)
    heads = classifiers(model).to(device)
    optimizer = _optimizer([model, heads], recipe)
    log: list[dict[str, Any]] = []
    pace = Pace(recipe)
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise SystemExit(f"{checkpoint} is of another recipe; remove it, or train with that one.")
        model.load_state_dict(state["model"])
        heads.load_state_dict(state["heads"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        pace.step, pace.seconds, log = int(state["step"]), float(state["seconds"]), json.loads(state["log"])

    def save() -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = checkpoint.with_suffix(".part")
        content = {
            "recipe": asdict(recipe),
            "step": pace.step,
            "seconds": pace.seconds,
            "log": json.dumps(log),
            "model": model.state_dict(),
            "heads": heads.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        torch.save(content, part)
        part.rename(checkpoint)

    columns = (
        TextColumn("training"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    if compiled:
        model.visual.compile()
    torch.manual_seed(recipe.seed + pace.step)
    losses: list[float] = []
    stream = make_batches(drawn, photos, recipe, tokenize, pace)
    with Progress(*columns, refresh_per_second=1) as progress:
        task = progress.add_task("", total=1000, completed=round(1000 * pace.done), shown="")
        try:
            while pace.done < 1:
                begun = clock()
                losses.append(_step(model, heads, optimizer, next(stream), pace.rate, recipe, device))
                pace.step += 1
                _average(average, model, min(recipe.ema, (1 + pace.step) / (10 + pace.step)))
                took = clock() - begun
                pace.seconds += took
                shown = (
                    f"step {pace.step}, loss {np.mean(losses[-100:]):.3f}, {recipe.batch / took:.0f} images/s"
                )
                progress.update(task, completed=1000 * pace.done, shown=shown)
                if pace.step % every == 0 or pace.done >= 1:
                    average.eval()
                    figures = {
                        "step": pace.step,
                        "minutes": round(pace.seconds / 60, 1),
                        "size": pace.size,
                        "loss": round(float(np.mean(losses[-every:])), 4),
                        **measure(average.module),
                    }
                    log.append(figures)
                    progress.console.print(figures)
                    save()
        except KeyboardInterrupt:
            save()
            progress.console.print(f"Stopped at step {pace.step}; run again to go on from there.")
            raise
        finally:
            stream.close()
            # It is the processor's, and whoever called may count with such small numbers.
            torch.set_flush_denormal(False)
    average.eval()
    return average.module, log


@torch.no_grad()
def _average(average: AveragedModel, model: torch.nn.Module, decay: float) -> None:
    """Move the averaged weights and batch statistics towards the model's; other buffers, such as attention
    masks (averaging -inf gives NaN), are the model's own."""
    pairs = zip(average.module.state_dict().values(), model.state_dict().values(), strict=True)
    for averaged, own in pairs:
        if own.is_floating_point() and bool(torch.isfinite(own).all()):
            averaged.lerp_(own, 1 - decay)
        else:
            averaged.copy_(own)


def classifiers(model: Any) -> torch.nn.ModuleList:
    """A linear classifier over the image embedding, before it is normalised, for all that is `NAMED`.

    They teach the image tower from the first step, while words still have to find their place; nothing of
    them ships.
    """
    width = model.text.text_projection.shape[1]
    return torch.nn.ModuleList(torch.nn.Linear(width, kind.count) for kind in NAMED)


def _step(
    model: Any,
    heads: torch.nn.ModuleList,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    recipe: Recipe,
    device: torch.device,
) -> float:
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    images = batch.images.to(device, memory_format=memory_format(recipe.tower), non_blocking=True)
    codes = batch.codes.to(device)
    embedding = model.encode_image(images)
    loss = classified(embedding, heads, codes, recipe.name_weights)
    if (words := batch.words) is not None:
        loss = loss + objective(
            model,
            functional.normalize(embedding, dim=-1),
            encode_text(model, words.titles.to(device)),
            names=torch.split(encode_text(model, words.names.to(device)), words.counts),
            codes=codes,
            product=batch.product.to(device),
            match=words.match.to(device),
            unsure=words.unsure.to(device),
            kind=recipe.loss,
            pair_weight=recipe.pair_weight,
            kind_weight=recipe.kind_weight,
            name_weights=recipe.name_weights,
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(50))
    return float(loss.detach())
