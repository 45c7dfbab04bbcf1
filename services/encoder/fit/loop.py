"""The training loop: pace, validation, the best weights, and checkpoints that a killed run goes on from.

All randomness of a step comes from the seed and its number, so a run that is stopped, by Ctrl-C or by
`kill -9`, repeats from its last checkpoint what it would have done: on a CPU, and with a number of steps
instead of minutes to stop by, it ends with the same weights to the last bit.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from services.encoder.fit.plan import Plan
from services.encoder.fit.task import Task
from services.errors import InvalidInput

#: Times the validation products are looked at; how often in a row to no avail before training stops, and the
#: share of the run it goes on for in any case: at first many methods get worse before they get better.
LOOKS, PATIENCE, _LEAST = 20, 8, 0.5
#: Share of the run in which the learning rate rises.
_WARM_UP = 0.05
#: Longest gradient of a step.
_CLIP = 5.0
#: Seconds between checkpoints, and how many times longer training has to go on than one takes to write.
_EVERY, _WORTH = 15.0, 20.0

State = dict[str, Tensor]


@dataclass
class Progressed:
    """How far a run has come; what a checkpoint keeps beside the weights."""

    step: int = 0
    seconds: float = 0.0
    #: Looks at the validation products so far, and those since the best one.
    looks: int = 0
    since: int = 0
    best_score: float = -1.0
    best_step: int = 0
    best: State = field(default_factory=dict)

    def done(self, plan: Plan) -> float:
        """0..1."""
        stepped = self.step / plan.steps if plan.steps else 0.0
        timed = self.seconds / plan.time_limit if plan.time_limit else 0.0
        return min(1.0, max(stepped, timed))


def learn(task: Task, plan: Plan, checkpoint: Path, run: str, console: Console) -> Progressed:
    """Train until the plan says so or nothing gets better; the model then has its best weights.

    `run` says which run it is: a checkpoint of another is refused. Raises `InvalidInput` for that (field
    restart) and for training that diverges (field learning_rate).
    """
    state = _resumed(task, checkpoint, run)
    if not state.looks:
        _look(task, state)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=1.0)
        _steps(task, plan, state, checkpoint, run, progress, bar)
    task.model.load_state_dict(state.best)
    task.model.eval()
    return state


def _steps(
    task: Task, plan: Plan, state: Progressed, checkpoint: Path, run: str, progress: Progress, bar: TaskID
) -> None:
    smooth, rate, saved, cost = math.nan, math.nan, time.monotonic(), 0.0
    while (done := state.done(plan)) < (1 if state.since < PATIENCE else _LEAST):
        started = time.monotonic()
        loss = _step(task, plan, state.step, done)
        state.step += 1
        state.seconds += time.monotonic() - started
        smooth = loss if math.isnan(smooth) else 0.95 * smooth + 0.05 * loss
        pace = 1 / max(time.monotonic() - started, 1e-9)
        rate = pace if math.isnan(rate) else 0.95 * rate + 0.05 * pace
        if int(state.done(plan) * LOOKS) > int(done * LOOKS):
            started = time.monotonic()
            _look(task, state)
            state.seconds += time.monotonic() - started
        if time.monotonic() - saved > max(_EVERY, _WORTH * cost):
            saved = time.monotonic()
            save(task, state, checkpoint, run)
            cost = time.monotonic() - saved
        said = f"loss {smooth:.3f}, {rate:.1f} steps/s, {task.scored_by} {state.best_score:.3f}"
        progress.update(bar, completed=state.done(plan), description=said)


def _step(task: Task, plan: Plan, step: int, done: float) -> float:
    """One step; returns its loss."""
    warm = min(1.0, (done + 1e-3) / _WARM_UP)
    share = warm * 0.5 * (1 + math.cos(math.pi * done))
    for group in task.optimiser.param_groups:
        group["lr"] = group["rate"] * share
    # For what draws random numbers inside the model, such as dropout.
    torch.manual_seed(plan.seed * 1_000_003 + step)
    task.model.train()
    task.objective.train()
    loss = task.loss(step)
    task.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    learned = [value for group in task.optimiser.param_groups for value in group["params"]]
    nn.utils.clip_grad_norm_(learned, _CLIP)
    task.optimiser.step()
    value = loss.item()
    if not math.isfinite(value):
        raise InvalidInput(
            f"Training diverged at step {step + 1}: the loss is no number any more.",
            mend="Start anew (--restart) with a lower --learning-rate.",
            field="learning_rate",
        )
    return value


def _look(task: Task, state: Progressed) -> None:
    """Score the model as it is, and keep its weights if they are the best so far."""
    task.model.eval()
    score = task.score()
    state.looks += 1
    state.since += 1
    if score > state.best_score:
        state.best_score, state.best_step, state.since = score, state.step, 0
        state.best = {name: value.detach().cpu().clone() for name, value in task.model.state_dict().items()}


def save(task: Task, state: Progressed, checkpoint: Path, run: str) -> None:
    """Replace the checkpoint in one step."""
    kept: dict[str, Any] = {
        "run": run,
        "model": task.model.state_dict(),
        "objective": task.objective.state_dict(),
        "optimiser": task.optimiser.state_dict(),
        "progress": dict(vars(state)),
    }
    part = checkpoint.with_suffix(".part")
    torch.save(kept, part)
    part.replace(checkpoint)


def _resumed(task: Task, checkpoint: Path, run: str) -> Progressed:
    if not checkpoint.exists():
        return Progressed()
    try:
        kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InvalidInput(
            f"The checkpoint {str(checkpoint)!r} is damaged ({type(error).__name__}).",
            mend="Start anew with --restart.",
            field="restart",
        ) from error
    if kept["run"] != run:
        raise InvalidInput(
            f"The checkpoint {str(checkpoint)!r} is of other options or of another catalogue.",
            mend="Run the same command as before to go on from it, or start anew with --restart.",
            field="restart",
        )
    task.model.load_state_dict(kept["model"])
    task.objective.load_state_dict(kept["objective"])
    task.optimiser.load_state_dict(kept["optimiser"])
    return Progressed(**kept["progress"])
