"""Losses agree with open_clip's own, and a run learns, repeats itself, and goes on after an interrupt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss

from services.encoder.train import ablate, loop
from services.encoder.train.data import Pictures
from services.encoder.train.losses import MatchInfoNCE, MatchSigLip, alike, classified, named
from services.encoder.train.measure import Measured, class_map, text_to_image, zero_shot_accuracy
from services.encoder.train.model import build, config, encode_text, load_weights, save_weights
from services.encoder.train.recipe import Pace, Recipe, further
from services.encoder.train.render import make_product, view
from services.encoder.train.shapes import SHAPES
from services.encoder.train.titles import CATEGORIES, CATEGORY_NAMES, product_attributes
from services.encoder.train.tokenizer import CONTEXT_LENGTH


def unit(*shape: int) -> torch.Tensor:
    torch.manual_seed(shape[0])
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def test_with_one_positive_each_the_losses_are_open_clips() -> None:
    image, text, scale, bias = unit(8, 16), unit(9, 16)[:8], torch.tensor(10.0), torch.tensor(-5.0)
    match, none = torch.eye(8, dtype=torch.bool), torch.zeros(8, 8, dtype=torch.bool)
    ours = MatchInfoNCE().matched(image, text, scale, match, none)
    assert ours.item() == pytest.approx(ClipLoss()(image, text, scale).item(), rel=1e-5)
    ours = MatchSigLip().matched(image, text, scale, bias, match, none)
    assert ours.item() == pytest.approx(SigLipLoss()(image, text, scale, bias).item(), rel=1e-5)


@pytest.mark.parametrize("kind", ["infonce", "siglip"])
@pytest.mark.parametrize(
    ("pair", "pull"), [("other", 1), ("match", -1), ("unsure", 0)], ids=["other", "match", "unsure"]
)
def test_other_pairs_repel_positives_attract_and_doubtful_pairs_take_no_part(
    kind: str, pair: str, pull: int
) -> None:
    logits = torch.tensor([[3.0, 0.5], [2.0, 4.0]], requires_grad=True)  # [texts, images]
    match, unsure = torch.eye(2, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)
    if pair != "other":
        {"match": match, "unsure": unsure}[pair][1, 0] = True
    # Text features of unit basis vectors make the image features the logits themselves.
    image, text, one = logits.T, torch.eye(2), torch.tensor(1.0)
    if kind == "infonce":
        loss = MatchInfoNCE().matched(image, text, one, match, unsure)
    else:
        loss = MatchSigLip().matched(image, text, one, torch.tensor(0.0), match, unsure)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.sign(gradient[1, 0]).item() == pull


def test_views_of_one_product_attract_each_other() -> None:
    near = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]]), dim=-1)
    scale = torch.tensor(10.0)
    right = alike(near, torch.tensor([0, 0, 1, 1]), scale)
    wrong = alike(near, torch.tensor([0, 1, 0, 1]), scale)
    assert right < wrong
    assert alike(near, torch.tensor([0, 1, 2, 3]), scale).item() == 0


def test_pictures_are_drawn_to_their_name_and_unknown_ones_left_alone() -> None:
    names, scale = torch.eye(3), torch.tensor(5.0)
    image = torch.nn.functional.normalize(torch.tensor([[1.0, 1, 0], [0, 1, 1]]), dim=-1).requires_grad_()
    loss = named(image, names, scale, torch.tensor([0, -2]))
    (gradient,) = torch.autograd.grad(loss, image)
    assert gradient[0, 0] < 0 < gradient[0, 1]
    assert not gradient[1].any()
    assert named(image, names, scale, torch.tensor([-2, -2])).item() == 0


def test_classifiers_teach_what_is_known_and_leave_the_rest_alone() -> None:
    embedding = torch.randn(3, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    heads = [torch.nn.Linear(8, 4), torch.nn.Linear(8, 2)]
    codes = torch.tensor([[1, 0], [3, -2], [-2, -2]])
    loss = classified(embedding, heads, codes, (1.0, 0.5))
    (gradient,) = torch.autograd.grad(loss, embedding, retain_graph=True)
    assert gradient[0].any() and gradient[1].any() and not gradient[2].any()
    expected = torch.nn.functional.cross_entropy(
        heads[0](embedding[:2]), torch.tensor([1, 3]), label_smoothing=0.05
    ) + 0.5 * torch.nn.functional.cross_entropy(
        heads[1](embedding[:1]), torch.tensor([0]), label_smoothing=0.05
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert classified(embedding, heads, torch.full((3, 2), -2), (1.0, 0.5)).item() == 0


def tiny_data() -> Pictures:
    names = tuple(SHAPES)[:4]
    products = [make_product(n, names[n % 4]) for n in range(16)]
    pixels = np.stack([np.asarray(view(product, number, 48)) for product in products for number in (0, 1)])
    codes = np.repeat(np.array([product.attributes.row() for product in products]), 2, axis=0)
    return Pictures(pixels, codes, np.repeat(np.arange(16), 2), [str(n) for n in range(32)])


def tokenize(texts: list[str]) -> torch.Tensor:
    rows = [[1, *(3 + byte % 60 for byte in text.encode()[: CONTEXT_LENGTH - 2]), 2] for text in texts]
    return torch.tensor([row + [0] * (CONTEXT_LENGTH - len(row)) for row in rows])


RECIPE = Recipe(
    image_size=32,
    sizes=((1.0, 32),),
    steps=6,
    minutes=0,
    batch=16,
    near=4,
    warmup=2,
    photo_share=0.0,
    ema=0.5,
)


def run(checkpoint: Path, recipe: Recipe = RECIPE, **changes: Any) -> tuple[torch.nn.Module, list[Any]]:
    torch.manual_seed(0)
    settings = config(
        tower="mobilenetv4_conv_small_050", image_size=32, vocabulary=64, width=64, layers=1, dim=32
    )
    model = build(settings)
    arguments: dict[str, Any] = {"measure": lambda model: {}, "every": 3} | changes
    return loop.train(model, tiny_data(), None, recipe, tokenize, checkpoint=checkpoint, **arguments)


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    one, two = (run(tmp_path / name)[0].state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_interrupted_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    def interrupt(model: torch.nn.Module) -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", measure=interrupt)
    state = torch.load(tmp_path / "run", weights_only=True)
    assert state["step"] == 3
    steps: list[int] = []
    _, log = run(tmp_path / "run", measure=lambda model: {"seen": float(len(steps))})
    assert [line["step"] for line in log] == [6]
    with pytest.raises(SystemExit, match="another recipe"):
        run(tmp_path / "run", replace(RECIPE, steps=7))


def test_a_run_ends_with_its_minutes_and_keeps_count_of_them(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=10_000, minutes=0.01)
    _, log = run(tmp_path / "run", recipe, every=10_000)
    assert 0 < log[-1]["step"] < 10_000
    assert torch.load(tmp_path / "run", weights_only=True)["seconds"] >= 0.6


def test_pictures_grow_and_the_rate_falls_with_steps_or_minutes_whichever_is_further_on() -> None:
    recipe = Recipe(steps=100, minutes=10, warmup=10, sizes=((0.5, 64), (0.8, 80), (1.0, 96)))
    assert [Pace(recipe, step).size for step in (0, 49, 50, 80, 100)] == [64, 64, 80, 96, 96]
    assert Pace(recipe, 20, seconds=360).size == 80
    rates = [Pace(recipe, step).rate for step in (0, 9, 50, 99, 100)]
    assert rates[0] < rates[2] < rates[1] and rates[3] < recipe.learning_rate / 100 and rates[4] == 0
    assert Pace(recipe, 20, seconds=600).done == 1


def test_going_on_from_trained_weights_starts_at_the_size_used_with_words_and_a_gentler_rate() -> None:
    recipe = further(Recipe(image_size=96))
    assert Pace(recipe).size == 96
    assert recipe.words_from < Recipe.words_from and recipe.learning_rate < Recipe.learning_rate


@pytest.mark.parametrize("variant", ablate.VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_of_the_ablation_trains_and_is_measured(variant: ablate.Variant) -> None:
    recipe = replace(ablate.common(0.01, 32), batch=16, **variant.changes)
    data = tiny_data()
    found = ablate.run(recipe, data, None, data, tokenize, vocabulary=64)
    assert found["steps"] >= 1
    assert 0 <= found["rendered.zero_shot_accuracy"] <= 1


def test_words_take_part_from_their_share_of_the_run_on(tmp_path: Path) -> None:
    def text_weights(steps: int, words_from: float) -> torch.Tensor:
        recipe = replace(RECIPE, steps=steps, words_from=words_from, weight_decay=0.0)
        model: Any = run(tmp_path / f"{steps}-{words_from}", recipe)[0]
        weights: torch.Tensor = model.text.text_projection
        return weights

    torch.manual_seed(0)
    assert torch.equal(text_weights(3, 1.0), text_weights(1, 1.0))
    assert not torch.equal(text_weights(3, 0.0), text_weights(3, 1.0))


def test_the_averaged_model_is_sound_in_both_towers(tmp_path: Path) -> None:
    model: Any = run(tmp_path / "run")[0]
    with torch.inference_mode():
        texts = model.encode_text(tokenize(["red dress", "blue mug"]))
        images = model.encode_image(torch.zeros(2, 3, 32, 32))
    assert torch.isfinite(texts).all() and torch.isfinite(images).all()
    assert not torch.allclose(texts[0], texts[1])


def test_texts_cut_to_their_length_have_the_same_embedding() -> None:
    settings = config(tower="test_resnet", image_size=32, vocabulary=64, width=64, layers=2, dim=32)
    model: Any = build(settings).eval()
    tokens = tokenize(["red mug", "a striped shirt", "hat"])
    with torch.inference_mode():
        torch.testing.assert_close(encode_text(model, tokens), model.encode_text(tokens, normalize=True))
    assert model.text.attn_mask.shape == (CONTEXT_LENGTH, CONTEXT_LENGTH)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=40, warmup=5, ema=0.9, words_from=0.0)
    _, log = run(tmp_path / "run", recipe, every=10)
    assert log[-1]["loss"] < log[0]["loss"]


def test_saved_weights_load_back_in_half_precision(tmp_path: Path) -> None:
    settings = config(
        tower="mobilenetv4_conv_small_050", image_size=32, vocabulary=64, width=64, layers=1, dim=32
    )
    one, two = build(settings), build(settings)
    save_weights(one, tmp_path)
    load_weights(two, tmp_path)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name].float(), value.float(), rtol=1e-3, atol=1e-4)


def test_figures_are_right_where_the_answer_is_known() -> None:
    codes = np.array(
        [product_attributes(name, 10, "plain", "matte").row() for name in ("dress", "dress", "mug")]
    )
    images = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    dress = CATEGORIES[CATEGORY_NAMES[codes[0, 0]]].en[0]

    def texts(words: list[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if dress in text else [0.0, 1.0] for text in words], dtype=np.float32)

    measured = Measured(images, texts, codes)
    assert zero_shot_accuracy(measured) == 1
    assert class_map(measured) == pytest.approx(2 / 3)  # the mug has nothing to find
    found = text_to_image(measured, k=2)
    assert found["recall"] == 1 and found["hit"] == 1 and found["class_precision"] == 0.75
    wrong = Measured(images[::-1], texts, codes)
    assert zero_shot_accuracy(wrong) == pytest.approx(1 / 3)
