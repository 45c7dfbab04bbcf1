"""A training run from the catalogue's pictures to the model folder."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from services.catalogue.product import Product
from services.encoder.device import pick_device, pick_precision
from services.encoder.fit.batches import Rows
from services.encoder.fit.judge import MOST, Judge
from services.encoder.fit.loop import learn
from services.encoder.fit.pictures import Pictures, gather, held_back
from services.encoder.fit.plan import IGNORE_LABELS, NEED_LABELS, VOCABULARIES, Plan
from services.encoder.fit.task import Lesson, Start
from services.encoder.fit.words import VocabularyStart, fit_vocabulary
from services.errors import InvalidInput, VitrineError
from services.settings import Settings

#: Fewer pictures teach nothing.
LEAST_PICTURES = 16
#: The checkpoint, and the plan it is of, in the folder beside the one to write.
STATE, _PLAN = "state.pt", "plan.json"


@dataclass(frozen=True)
class Trained:
    """What came of a run. `seconds` is the time spent training; `score` 0..1 is that of the best weights on
    the validation products, by `scored_by`; `parameters` are those of the model in the folder."""

    folder: Path
    seconds: float
    steps: int
    score: float
    scored_by: str
    parameters: int


def train(
    products: Iterable[tuple[Product, Image.Image]],
    plan: Plan,
    out: Path,
    *,
    settings: Settings,
    console: Console | None = None,
    restart: bool = False,
) -> Trained:
    """Fit a method on products and their pictures, and write a folder that `local-dir:FOLDER` loads.

    Pictures are decoded once, into `OUT.checkpoint` beside the folder, where checkpoints are kept as well;
    the same call goes on from them. That folder is removed at the end; `restart` forgets it first.
    Raises `InvalidInput`, naming the field, for what cannot be trained or written, and `EncoderUnavailable`
    if a model or library that the plan names cannot be had.
    """
    console = console or Console(quiet=True)
    out = out.expanduser().absolute()
    _check_out(out)
    folder = out.with_name(f"{out.name}.checkpoint")
    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    _check_same(folder, plan)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            trained = _trained(products, plan, out, folder, settings, console)
    except VitrineError:
        # What is refused before there is a checkpoint leaves nothing behind.
        if not (folder / STATE).exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return trained


def _trained(
    products: Iterable[tuple[Product, Image.Image]],
    plan: Plan,
    out: Path,
    folder: Path,
    settings: Settings,
    console: Console,
) -> Trained:
    start = VocabularyStart(plan) if plan.method in VOCABULARIES else start_of(plan, settings)
    _begin(folder, plan)
    pictures = gather(products, folder, start.side, plan.label, console)
    lesson = _lesson(plan, pictures, folder, settings, console)
    if not isinstance(start, VocabularyStart):
        return _stepwise(start, lesson, out)
    began = time.monotonic()
    score, parameters = fit_vocabulary(start, lesson, out, settings)
    return Trained(out, time.monotonic() - began, 0, score, lesson.judge.scored_by, parameters)


def start_of(plan: Plan, settings: Settings) -> Start:
    """The method of a plan, made ready."""
    if plan.method == "measure":
        from services.encoder.fit.measure import MeasureStart

        return MeasureStart(plan, settings)
    if plan.method == "clip":
        from services.encoder.fit.clip import ClipStart

        return ClipStart(plan)
    from services.encoder.fit.network import NetworkStart

    return NetworkStart(plan, settings)


def _stepwise(start: Start, lesson: Lesson, out: Path) -> Trained:
    plan, task = lesson.plan, start.begin(lesson)
    run = json.dumps([plan.as_dict(), lesson.pictures.digest], sort_keys=True)
    state = learn(task, plan, lesson.folder / STATE, run, lesson.console)
    training = {
        "plan": plan.as_dict(),
        "pictures": len(lesson.rows),
        "validated_on": len(lesson.held),
        "classes": lesson.class_count or None,
        "steps": state.step,
        "best_step": state.best_step,
        "seconds": round(state.seconds, 1),
        "score": round(state.best_score, 4),
        "scored_by": task.scored_by,
    }
    task.write(out, training)
    parameters = sum(value.numel() for value in task.model.parameters())
    return Trained(out, state.seconds, state.step, state.best_score, task.scored_by, parameters)


def _lesson(plan: Plan, pictures: Pictures, folder: Path, settings: Settings, console: Console) -> Lesson:
    """Split the products, and find the classes in them. Raises `InvalidInput` for too few of anything."""
    labelled = np.array([label is not None for label in pictures.labels], dtype=bool)
    if plan.label is not None and not labelled.any() and plan.method != "clip":
        if plan.method in NEED_LABELS:
            raise InvalidInput(
                f"No product with a usable picture has a {plan.label}, from which {plan.method!r} learns.",
                mend="Name the field that holds them (--label FIELD), or use simclr, siamese or triplet.",
                field="label",
            )
        console.print(f"No product has a {plan.label}: learning without labels.")
    judged_by_label = bool(labelled.any()) and plan.method != "clip"
    by_label = judged_by_label and plan.method not in (*IGNORE_LABELS, *VOCABULARIES)
    held = held_back(pictures.ids, plan.validation)
    usable = labelled if by_label else np.ones(len(pictures), dtype=bool)
    if plan.method == "clip":
        usable = np.array([bool(title.strip()) for title in pictures.titles], dtype=bool)
        if not usable.any():
            raise InvalidInput(
                "No product with a usable picture has a title, and clip learns from titles.",
                mend="Give them titles (--map title=COLUMN names the column), or use another method.",
                field="title",
            )
    rows = np.flatnonzero(~held & usable)
    classes = _classes(plan, pictures, rows) if by_label else None
    if len(rows) < LEAST_PICTURES:
        raise InvalidInput(
            f"There are {len(rows)} pictures to train on, too few to learn from.",
            mend=f"Give at least {LEAST_PICTURES}, beside those for validation.",
            field="catalogue",
        )
    kept = np.flatnonzero(held & (labelled if judged_by_label else usable))
    # Evenly, since catalogues are often sorted by category.
    kept = kept[:: max(1, -(-len(kept) // MOST))]
    labels = [str(pictures.labels[row]) for row in kept] if judged_by_label else None
    device = pick_device(settings.device)
    return Lesson(
        plan,
        pictures,
        rows,
        classes,
        kept,
        Judge(pictures.pixels[kept], labels, plan.seed),
        device,
        pick_precision(settings.precision, device),
        folder,
        console,
    )


def _classes(plan: Plan, pictures: Pictures, rows: Rows) -> torch.Tensor:
    """The class of each row, int64 [rows]: its label's place among the sorted labels."""
    labels = [str(pictures.labels[row]) for row in rows]
    names, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if (counts > 1).sum() < 2:
        raise InvalidInput(
            f"Only {int((counts > 1).sum())} of the {len(names)} values of {plan.label} occur more than "
            "once, and it takes two to tell apart.",
            mend="Name another field (--label FIELD), or train without labels (--no-label).",
            field="label",
        )
    return torch.from_numpy(places.astype(np.int64))


def _check_out(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInput(
            f"{str(out)!r} is there already.",
            mend="Give a folder that does not exist yet, or remove it.",
            field="out",
        )


def _check_same(folder: Path, plan: Plan) -> None:
    """Refuse a checkpoint of other options before any work is done."""
    file = folder / _PLAN
    if (
        (folder / STATE).is_file()
        and file.is_file()
        and json.loads(file.read_text(encoding="utf-8")) != plan.as_dict()
    ):
        raise InvalidInput(
            f"{str(folder)!r} holds the checkpoint of a run with other options.",
            mend="Run that command again to go on from it, or start anew with --restart.",
            field="restart",
        )


def _begin(folder: Path, plan: Plan) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _PLAN).write_text(json.dumps(plan.as_dict()), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{str(folder)!r} cannot be written: {error.strerror or error}.",
            mend="Give a place for --out that can be.",
            field="out",
        ) from error
