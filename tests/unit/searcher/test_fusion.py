import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from searcher.fusion import Embeddings, Evidence, fusion_names, make_fusion
from searcher.fusion.attention import Attention
from searcher.fusion.baselines import Mean, ReciprocalRank, RelativeScore, Weighted
from services.calibration import Calibration, PairStats
from services.errors import InvalidInput
from services.settings import Settings
from services.store.base import FIELDS

FUSIONS = {
    "attention": Attention(0.5),
    "mean": Mean(),
    "weighted": Weighted(),
    "relative": RelativeScore(),
    "rrf": ReciprocalRank(),
}
IDENTITY = Calibration.identity()
SKEWED = Calibration(
    {
        ("text", "image"): PairStats(0.2, 0.04, 99),
        ("text", "title"): PairStats(0.5, 0.1, 99),
        ("image", "image"): PairStats(0.6, 0.08, 99),
        ("image", "title"): PairStats(0.18, 0.05, 99),
        ("text", "keywords"): PairStats(0.4, 0.9, 99),
    }
)
#: Attention at infinite temperature.
EVEN = Weighted((1.0, 1.0, 1.0))


@dataclass
class Case:
    sims: np.ndarray
    mask: np.ndarray
    modalities: list[str]
    weights: list[float]
    calibration: Calibration

    def run(self, fusion, **changes):
        values = {**vars(self), **changes}
        names = ("sims", "mask", "modalities", "weights", "calibration")
        return fusion.score(Evidence(*(values[name] for name in names)))

    @property
    def calibrated(self):
        mean, std = self.calibration.statistics(self.modalities, FIELDS[: self.sims.shape[2]])
        return (self.sims.astype(np.float64) - mean) / std


@st.composite
def cases(draw, negatives=True, max_parts=4, keywords=True):
    parts = draw(st.integers(1, max_parts))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    candidates = draw(st.integers(1, 12))
    modalities = [str(m) for m in rng.choice(["text", "image"], size=parts)]
    sims = rng.uniform(-1, 1, size=(candidates, parts, 2)).astype(np.float32)
    # Each product has its image, its title, or both.
    kinds = rng.integers(0, 3, size=candidates)
    fields = np.stack([kinds != 0, kinds != 1], axis=1)
    mask = np.repeat(fields[:, None, :], parts, axis=1)
    if keywords and draw(st.booleans()):
        # Keywords: BM25 knows no bounds, and only words share some with a product, and with some only.
        sims = np.concatenate(
            [sims, rng.uniform(0, 9, size=(candidates, parts, 1))], axis=2, dtype=np.float32
        )
        shared = (rng.random((candidates, parts, 1)) < 0.5) & (np.array(modalities) == "text")[None, :, None]
        mask = np.concatenate([mask, shared], axis=2)
    sims[~mask] = np.nan
    weights = [
        float(w) * (-1 if negatives and i and rng.random() < 0.4 else 1)
        for i, w in enumerate(rng.uniform(0.05, 5, size=parts))
    ]
    return Case(sims, mask, modalities, weights, draw(st.sampled_from([IDENTITY, SKEWED])))


def test_relative_scores_are_stretched_between_the_least_and_the_greatest_of_each_list():
    sims = np.array([[[0.2, 0.9]], [[0.3, np.nan]], [[0.6, 0.5]]], dtype=np.float32)
    fused = RelativeScore().score(Evidence(sims, ~np.isnan(sims), ["text"], [2.0], IDENTITY))
    np.testing.assert_allclose(fused.scores, [0 + 1, 0.25, 1 + 0], atol=1e-6)


def test_every_fusion_is_known_by_name_and_takes_the_settings():
    assert fusion_names() == [*FUSIONS, "learned"]
    for name, fusion in FUSIONS.items():
        assert isinstance(make_fusion(name, Settings()), type(fusion))
    assert make_fusion("attention", Settings(temperature=2.5, part_temperature=4)) == Attention(2.5, 4)


def test_an_unknown_fusion_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="attention, mean, weighted, relative, rrf") as caught:
        make_fusion("magic", Settings())
    assert caught.value.field == "fusion"


@pytest.mark.parametrize("temperature", [0, -1, math.nan])
def test_a_temperature_must_be_positive(temperature):
    with pytest.raises(InvalidInput, match="above 0"):
        Attention(temperature)


@pytest.mark.parametrize("name", FUSIONS)
@given(case=cases())
def test_weights_of_positive_parts_sum_to_one_and_negative_ones_take_off(name, case):
    fused = case.run(FUSIONS[name])
    positive = np.array(case.weights) > 0
    assert fused.weights.shape == case.sims.shape
    assert np.isfinite(fused.scores).all() and np.isfinite(fused.weights).all()
    np.testing.assert_allclose(fused.weights[:, positive].sum(axis=(1, 2)), 1, atol=1e-9)
    assert (fused.weights[:, positive] >= 0).all()
    assert (fused.weights[:, ~positive] <= 0).all()
    assert (fused.weights[~case.mask] == 0).all()


@pytest.mark.parametrize("name", FUSIONS)
@given(case=cases(), data=st.data())
def test_the_order_of_parts_does_not_matter(name, case, data):
    order = data.draw(st.permutations(range(len(case.weights))))
    here = case.run(FUSIONS[name])
    there = case.run(
        FUSIONS[name],
        sims=case.sims[:, order],
        mask=case.mask[:, order],
        modalities=[case.modalities[i] for i in order],
        weights=[case.weights[i] for i in order],
    )
    np.testing.assert_allclose(there.scores, here.scores, atol=1e-9)
    np.testing.assert_allclose(there.weights, here.weights[:, order], atol=1e-9)


@pytest.mark.parametrize("name", FUSIONS)
@given(case=cases(negatives=False), factor=st.floats(0.01, 100))
def test_only_the_proportions_of_positive_weights_count(name, case, factor):
    here = case.run(FUSIONS[name])
    there = case.run(FUSIONS[name], weights=[w * factor for w in case.weights])
    np.testing.assert_allclose(there.weights, here.weights, atol=1e-9)
    # Scores of rrf grow with the weights; what it ranks by does not change.
    scale = factor if name == "rrf" else 1
    np.testing.assert_allclose(there.scores, here.scores * scale, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in FUSIONS if name not in ("relative", "rrf")])
@given(case=cases(), data=st.data())
def test_candidates_are_scored_each_by_itself(name, case, data):
    rows = data.draw(st.lists(st.integers(0, len(case.sims) - 1), min_size=1, unique=True))
    whole = case.run(FUSIONS[name])
    some = case.run(FUSIONS[name], sims=case.sims[rows], mask=case.mask[rows])
    np.testing.assert_allclose(some.scores, whole.scores[rows], atol=1e-12)


@pytest.mark.parametrize("name", FUSIONS)
@given(case=cases())
def test_what_stands_in_a_missing_field_is_never_read(name, case):
    other = case.sims.copy()
    other[~case.mask] = 0.99
    np.testing.assert_array_equal(case.run(FUSIONS[name], sims=other).scores, case.run(FUSIONS[name]).scores)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_product_without_any_field_comes_last(name):
    sims = np.array([[[-0.9, -0.9]], [[np.nan, np.nan]]], dtype=np.float32)
    fused = FUSIONS[name].score(Evidence(sims, ~np.isnan(sims), ["text"], [1.0], IDENTITY))
    assert fused.scores[1] == -np.inf
    assert np.isfinite(fused.scores[0])
    assert (fused.weights[1] == 0).all()


@given(case=cases())
def test_attention_at_infinite_temperature_is_the_weighted_mean(case):
    here, mean = case.run(Attention(math.inf)), case.run(EVEN)
    np.testing.assert_allclose(here.scores, mean.scores, atol=1e-9)
    np.testing.assert_allclose(here.weights, mean.weights, atol=1e-9)
    np.testing.assert_allclose(case.run(Attention(1e9)).scores, mean.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("temperature", [1e-9, 5e-324])
@given(case=cases(negatives=False))
def test_attention_at_zero_temperature_is_the_best_single_match(temperature, case):
    fused = case.run(Attention(temperature))
    best = np.nanmax(case.calibrated.reshape(len(case.sims), -1), axis=1)
    np.testing.assert_allclose(fused.scores, best, rtol=1e-6)


@given(case=cases(negatives=False), temperature=st.floats(0.05, 50))
def test_attention_lies_between_the_mean_and_the_best_match(case, temperature):
    score = case.run(Attention(temperature)).scores
    best = case.run(Attention(1e-9)).scores
    mean = case.run(Attention(math.inf)).scores
    assert (score <= best + 1e-6).all()
    assert (score >= mean - 1e-6).all()


TWO_STEPS = Attention(0.5, 8.0)


@given(case=cases(keywords=False), temperature=st.floats(0.05, 50))
def test_attention_in_two_steps_with_one_temperature_is_attention_in_one(case, temperature):
    # A hair apart, so that the two steps are really taken.
    two, one = case.run(Attention(temperature, temperature * (1 + 1e-12))), case.run(Attention(temperature))
    np.testing.assert_allclose(two.scores, one.scores, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(two.weights, one.weights, rtol=1e-7, atol=1e-7)


@given(case=cases(negatives=False))
def test_at_infinite_part_temperature_parts_count_by_the_users_weights(case):
    fused = case.run(Attention(0.5, math.inf))
    shares = fused.weights.sum(axis=2)
    weights = np.array(case.weights) / sum(case.weights)
    np.testing.assert_allclose(shares, np.broadcast_to(weights, shares.shape), atol=1e-9)
    # And fields by attention, as if each part were asked alone.
    alone = case.run(
        Attention(0.5),
        sims=case.sims[:, :1],
        mask=case.mask[:, :1],
        modalities=case.modalities[:1],
        weights=case.weights[:1],
    )
    np.testing.assert_allclose(fused.weights[:, 0] / weights[0], alone.weights[:, 0], atol=1e-9)


@given(case=cases(keywords=False))
def test_two_steps_at_infinite_temperatures_are_the_weighted_mean(case):
    mean = case.run(EVEN)
    for fusion in (Attention(math.inf, 1e300), Attention(1e300, math.inf), Attention(1e12, 1e13)):
        np.testing.assert_allclose(case.run(fusion).scores, mean.scores, rtol=1e-6, atol=1e-6)


@given(case=cases(negatives=False))
def test_weights_in_two_steps_sum_to_one_and_follow_the_parts(case):
    fused = case.run(TWO_STEPS)
    np.testing.assert_allclose(fused.weights.sum(axis=(1, 2)), 1.0, atol=1e-9)
    order = np.random.default_rng(0).permutation(len(case.weights))
    moved = case.run(
        TWO_STEPS,
        sims=case.sims[:, order],
        mask=case.mask[:, order],
        modalities=[case.modalities[at] for at in order],
        weights=[case.weights[at] for at in order],
    )
    np.testing.assert_allclose(moved.scores, fused.scores, atol=1e-9)
    np.testing.assert_allclose(moved.weights, fused.weights[:, order], atol=1e-9)
    scaled = case.run(TWO_STEPS, weights=[3 * weight for weight in case.weights])
    np.testing.assert_allclose(scaled.scores, fused.scores, atol=1e-9)


@pytest.mark.parametrize("part_temperature", [0, -2, math.nan])
def test_a_part_temperature_must_be_positive(part_temperature):
    with pytest.raises(InvalidInput, match="VITRINE_PART_TEMPERATURE"):
        Attention(0.5, part_temperature)


def test_like_this_but_in_blue_asks_for_both_where_one_softmax_is_content_with_one():
    # A red dress (the photo itself, nearly), a blue dress, and a blue mug.
    case = Case(
        np.array(
            [[[0.98, np.nan], [0.0, np.nan]], [[0.6, np.nan], [0.35, np.nan]], [[0.1, np.nan], [0.4, np.nan]]]
        ),
        np.array([[[True, False]] * 2] * 3),
        ["image", "text"],
        [1.0, 1.0],
        Calibration(
            {
                ("image", "image"): PairStats(0.3, 0.2, 99),
                ("image", "title"): PairStats(0.0, 1.0, 99),
                ("text", "image"): PairStats(0.05, 0.1, 99),
                ("text", "title"): PairStats(0.0, 1.0, 99),
            }
        ),
    )
    assert case.run(Attention(0.5, 20.0)).scores.argmax() == 1
    assert case.run(Attention(0.5)).scores.argmax() != 1


def test_attention_is_the_formula():
    case = Case(
        np.array([[[0.3, 0.1], [-0.2, 0.5]]], dtype=np.float32),
        np.ones((1, 2, 2), dtype=bool),
        ["text", "image"],
        [2.0, 0.5],
        SKEWED,
    )
    s = case.calibrated[0]
    a = np.exp(s / 3 + np.log([[2.0], [0.5]]))
    a /= a.sum()
    fused = case.run(Attention(3.0))
    np.testing.assert_allclose(fused.weights[0], a, atol=1e-9)
    assert fused.scores[0] == pytest.approx((a * s).sum())


@pytest.mark.parametrize("fusion", [Attention(0.5), Weighted()])
@given(case=cases())
def test_the_score_is_the_sum_of_weight_times_similarity(fusion, case):
    fused = case.run(fusion)
    expected = np.where(case.mask, fused.weights * case.calibrated, 0).sum(axis=(1, 2))
    np.testing.assert_allclose(fused.scores, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fusion", [Attention(0.5), Weighted()])
@given(case=cases())
def test_negative_parts_only_take_off_and_only_from_what_resembles_them(fusion, case):
    positive = np.array(case.weights) > 0
    assume(not positive.all())
    alone = case.run(
        fusion,
        sims=case.sims[:, positive],
        mask=case.mask[:, positive],
        modalities=[m for m, p in zip(case.modalities, positive, strict=True) if p],
        weights=[w for w in case.weights if w > 0],
    )
    fused = case.run(fusion)
    assert (fused.scores <= alone.scores + 1e-9).all()
    unlike = (np.where(case.mask, case.calibrated, -1)[:, ~positive] <= 0).all(axis=(1, 2))
    np.testing.assert_allclose(fused.scores[unlike], alone.scores[unlike], atol=1e-9)


def test_a_negative_part_turns_down_the_product_it_resembles():
    # Two equal matches; the second also resembles what was not wanted.
    sims = np.array([[[0.9, 0.8], [0.1, 0.0]], [[0.9, 0.8], [0.9, 0.9]]], dtype=np.float32)
    for fusion in FUSIONS.values():
        fused = fusion.score(Evidence(sims, ~np.isnan(sims), ["text", "text"], [1.0, -0.5], IDENTITY))
        assert fused.scores[0] > fused.scores[1]


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 4))
def test_mean_is_the_cosine_of_the_mean_vector(seed, parts):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(parts, 16))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    images = rng.normal(size=(20, 16))
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    weights = [float(w) for w in rng.uniform(0.1, 3, parts)]
    if parts > 2:
        weights[1] *= -0.3
    sims = np.full((20, parts, 2), np.nan, dtype=np.float32)
    sims[:, :, 0] = images @ queries.T
    fused = Mean().score(
        Evidence(
            sims, ~np.isnan(sims), ["text"] * parts, weights, SKEWED, Embeddings(queries, images[:, None])
        )
    )
    mean = np.array(weights) @ queries
    np.testing.assert_allclose(fused.scores, images @ mean / np.linalg.norm(mean), atol=1e-5)


@given(case=cases())
def test_mean_of_embeddings_knows_no_keywords(case):
    here, dense = case.run(Mean()), case.run(Mean(), sims=case.sims[:, :, :2], mask=case.mask[:, :, :2])
    np.testing.assert_allclose(here.scores, dense.scores, atol=1e-12)
    assert (here.weights[:, :, 2:] == 0).all()


@pytest.mark.parametrize("name", [name for name in FUSIONS if name != "mean"])
def test_shared_keywords_lift_a_product_and_their_absence_takes_nothing_off(name):
    # Two products alike in picture and title; the words are in the title of one.
    sims = np.array([[[0.25, 0.6, np.nan]], [[0.25, 0.6, 4.0]]], dtype=np.float32)
    fused = FUSIONS[name].score(Evidence(sims, ~np.isnan(sims), ["text"], [1.0], SKEWED))
    alone = FUSIONS[name].score(Evidence(sims[:, :, :2], ~np.isnan(sims[:, :, :2]), ["text"], [1.0], SKEWED))
    assert fused.scores[1] > fused.scores[0] == pytest.approx(alone.scores[0])
    assert fused.weights[1, 0, 2] > 0


def test_mean_of_parts_that_cancel_out_prefers_nothing():
    sims = np.array([[[0.5, 0.1], [-0.5, -0.1]], [[0.2, 0.3], [-0.2, -0.3]]], dtype=np.float32)
    opposite = Embeddings(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros((2, 2, 2)))
    fused = Mean().score(Evidence(sims, ~np.isnan(sims), ["text", "text"], [1, 1], IDENTITY, opposite))
    assert fused.scores.tolist() == [0, 0]


def test_reciprocal_ranks_by_hand():
    sims = np.array([[[0.9, 0.1]], [[0.5, np.nan]], [[0.9, 0.7]]], dtype=np.float32)
    fused = ReciprocalRank().score(Evidence(sims, ~np.isnan(sims), ["text"], [2.0], IDENTITY))
    np.testing.assert_allclose(fused.scores, [2 / 61 + 2 / 62, 2 / 63, 2 / 61 + 2 / 61])
    np.testing.assert_allclose(fused.weights[1], [[1, 0]])
