"""What each measure is, and that they agree where they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import measures
from services.measures import MEASURES, comparable, mean, normalised, similarity

SEEDS = st.integers(0, 2**32 - 1)


def uneven(seed: int, rows: int, dim: int = 12) -> np.ndarray:
    """Vectors of lengths from about 0.1 to 40, float32 [rows, 12]."""
    random = np.random.default_rng(seed)
    lengths = np.exp(random.uniform(-3, 3, (rows, 1)))
    return (random.standard_normal((rows, dim)) * lengths).astype(np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@given(SEEDS)
def test_each_measure_is_its_definition(seed: int) -> None:
    queries, vectors = uneven(seed, 3), uneven(seed + 1, 20)
    for row, vector in enumerate(vectors.astype(np.float64)):
        for column, query in enumerate(queries.astype(np.float64)):
            values = {measure: similarity(queries, vectors, measure)[row, column] for measure in MEASURES}
            product = float(vector @ query)
            assert values["dot"] == pytest.approx(product, rel=1e-9, abs=1e-9)
            lengths = np.linalg.norm(vector) * np.linalg.norm(query)
            assert values["cosine"] == pytest.approx(product / lengths, abs=1e-9)
            assert values["euclid"] == pytest.approx(-np.linalg.norm(vector - query), rel=1e-6)


@given(SEEDS)
def test_unit_vectors_come_in_one_order_by_all_measures(seed: int) -> None:
    query, vectors = unit(uneven(seed, 1)), unit(uneven(seed + 1, 50))
    orders = {tuple(np.argsort(-similarity(query, vectors, measure)[:, 0])) for measure in MEASURES}
    assert len(orders) == 1


def test_vectors_of_different_lengths_come_in_different_orders() -> None:
    query, vectors = uneven(1, 1), uneven(2, 50)
    orders = {tuple(np.argsort(-similarity(query, vectors, measure)[:, 0])) for measure in MEASURES}
    assert len(orders) == len(MEASURES)


@pytest.mark.parametrize("measure", MEASURES)
def test_any_leading_axes_are_kept(measure: measures.Measure) -> None:
    queries, vectors = uneven(1, 3), uneven(2, 10)
    flat = similarity(queries, vectors, measure)
    assert flat.shape == (10, 3) and flat.dtype == np.float64
    np.testing.assert_array_equal(
        similarity(queries, vectors.reshape(5, 2, -1), measure).reshape(10, 3), flat
    )
    assert similarity(queries, np.empty((0, 2, 12), np.float32), measure).shape == (0, 2, 3)


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_comes_of_a_vector_of_no_length_but_numbers(measure: measures.Measure) -> None:
    vectors = uneven(1, 3)
    vectors[1] = 0
    assert np.isfinite(similarity(vectors, vectors, measure)).all()
    assert similarity(vectors, vectors, "cosine")[1, 1] == 0


def test_a_vector_is_at_no_distance_from_itself() -> None:
    vectors = uneven(3, 20)
    distances = -np.diag(similarity(vectors, vectors, "euclid"))
    np.testing.assert_allclose(distances, 0, atol=1e-6 * np.linalg.norm(vectors, axis=1).max())


def test_only_cosines_are_of_unit_vectors() -> None:
    vectors = uneven(4, 5)
    assert comparable(vectors, "euclid") is vectors and comparable(vectors, "dot") is vectors
    np.testing.assert_allclose(np.linalg.norm(comparable(vectors, "cosine"), axis=1), 1, atol=1e-6)
    same = unit(vectors)
    assert comparable(same, "cosine") is same
    np.testing.assert_allclose(
        similarity(same, same, "cosine", unit=True), similarity(vectors, vectors, "cosine"), atol=1e-6
    )


@given(SEEDS, st.lists(st.floats(0.1, 5), min_size=2, max_size=4))
def test_the_mean_is_what_lies_best_between_the_parts(seed: int, weights: list[float]) -> None:
    """No other vector has a greater weighted sum of cosines, or a lesser one of squared distances; and its
    product with anything is the weighted mean of the parts' products."""
    parts, others = uneven(seed, len(weights)), uneven(seed + 1, 100)
    shares = np.asarray(weights) / sum(weights)

    together = mean(parts, weights, "cosine")
    assert together is not None and np.linalg.norm(together) == pytest.approx(1, abs=1e-5)
    best = float(similarity(parts, together, "cosine") @ shares)
    assert (similarity(parts, others, "cosine") @ shares <= best + 1e-5).all()

    centre = mean(parts, weights, "euclid")
    assert centre is not None
    least = float(similarity(parts, centre, "euclid") ** 2 @ shares)
    assert (similarity(parts, others, "euclid") ** 2 @ shares >= least * (1 - 1e-5)).all()

    sum_of = mean(parts, weights, "dot")
    assert sum_of is not None
    np.testing.assert_allclose(
        similarity(sum_of[None], others, "dot")[:, 0],
        similarity(parts, others, "dot") @ shares,
        rtol=1e-4,
        atol=1e-3,
    )


def test_directions_that_cancel_out_have_no_mean() -> None:
    parts = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    assert mean(parts, [1, 1], "cosine") is None
    assert mean(parts, [1, 1], "euclid").tolist() == [0, 0]
    assert mean(parts, [2, -1], "dot").tolist() == [1.5, 0]


def test_zero_stays_zero_when_normalised() -> None:
    assert normalised(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]
