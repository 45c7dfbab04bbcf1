"""The baseline learns, goes on after an interrupt as if there had been none, and is measured by labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from services.encoder.train import baseline
from services.encoder.train.baseline import Plan, figures, schedule, train
from services.encoder.train.data import Pictures

PLAN = Plan(size=32, epochs=3, batch=8, learning_rate=0.02, warmup_epochs=1)


def flat_pictures() -> tuple[Pictures, np.ndarray]:
    """Red ones and blue ones, of many shades."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    pixels = rng.integers(0, 60, (24, 40, 40, 3)).astype(np.uint8)
    pixels[np.arange(24), :, :, labels * 2] += 150
    codes = np.zeros((24, 6), dtype=np.int64)
    return Pictures(pixels, codes, np.arange(24), [str(n) for n in range(24)]), labels


def test_it_learns_and_an_interrupted_run_ends_as_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, labels = flat_pictures()
    wanted = torch.from_numpy(labels)
    whole = train(pictures, wanted, 2, PLAN, tmp_path / "whole.pt")
    found = figures(whole, pictures, labels, PLAN.size)
    assert found["accuracy"] == 1 and found["image_image_class_map"] > 0.9

    state = torch.load(tmp_path / "whole.pt", weights_only=True)
    assert state["epoch"] == 3
    one = Plan(**{**state["plan"], "epochs": 1})
    with pytest.raises(SystemExit, match="another plan"):
        train(pictures, wanted, 2, one, tmp_path / "whole.pt")

    def interrupt(epoch: float, plan: Plan) -> float:
        if epoch >= 2:
            raise KeyboardInterrupt
        return schedule(epoch, plan)

    monkeypatch.setattr(baseline, "schedule", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(pictures, wanted, 2, PLAN, tmp_path / "cut.pt")
    monkeypatch.undo()
    again = train(pictures, wanted, 2, PLAN, tmp_path / "cut.pt")
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [schedule(epoch / 10, PLAN) for epoch in range(31)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(1, abs=0.01) and 9 <= peak <= 11
    assert rates[:peak] == sorted(rates[:peak]) and rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-6) and rates[0] > 0
