"""The bars are taken through the public encoder, and say honestly whether they are met."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from services.encoder.dual import DualEncoder
from services.encoder.train.bars import Bar, cost_bars, drawn_bars, json_ready, photo_bars
from services.encoder.train.card import write_card
from services.encoder.train.heldout import FIRST_SEED, drawn, look


def test_a_bar_is_met_on_the_right_side_of_its_target() -> None:
    assert Bar("a", 0.7, 0.7).met and not Bar("a", 0.69, 0.7).met
    assert Bar("a", 14, 15, at_most=True).met and not Bar("a", 16, 15, at_most=True).met
    assert Bar("a", 1.0).met is None
    assert Bar("a", 1.0, math.nan).met is False and Bar("a", math.nan, 0.5).met is False
    assert Bar("a", 9.26, 20.0, at_most=True, unit="MB").row() == ("a", "9.3 MB", "at most 20.0 MB")
    assert Bar("a", 0.5, math.nan).row() == ("a", "0.500", "at least -")
    assert json_ready([{"figure": math.nan, "name": "a"}]) == [{"figure": None, "name": "a"}]


@pytest.mark.timeout(300)
def test_all_figures_are_taken_of_any_encoder(
    tiny_encoder: DualEncoder, tiny_openclip_dir: Path, tmp_path: Path
) -> None:
    seen = drawn(78, tmp_path)
    assert len(seen.images) == 78 and seen.codes.shape == (78, 6)
    assert FIRST_SEED >= 2_000_000
    measured = look(tiny_encoder, seen, "looking")
    bars = photo_bars(measured, {"test": {"image_image_class_map": 0.25, "accuracy": 0.5}})
    assert {bar.target for bar in bars if bar.name == "image->image class mAP"} == {0.25}
    bars += drawn_bars(measured)
    shares = [bar.figure for bar in bars if not math.isnan(bar.figure)]
    assert all(0 <= figure <= 1 for figure in shares)
    # Random weights know nothing: 78 classes, one picture each.
    accuracy = next(bar for bar in bars if bar.name == "zero-shot class accuracy")
    assert accuracy.figure < 0.2 and not accuracy.met
    costs = {bar.unit: bar for bar in cost_bars(tiny_encoder, f"local-dir:{tiny_openclip_dir}")}
    size = (tiny_openclip_dir / "open_clip_model.safetensors").stat().st_size
    assert costs["MB"].figure == size / 1e6
    assert costs["ms"].figure > 0

    card = tmp_path / "MODEL_CARD.md"
    (tmp_path / "tried.md").write_text("- a larger tower: no better")
    write_card({"bars": [bar.row() for bar in bars]}, card, tried=tmp_path / "tried.md")
    text = card.read_text()
    assert "## What was tried\n- a larger tower: no better\n" in text
    assert "| image->image class mAP |" in text and "## Robustness" not in text
