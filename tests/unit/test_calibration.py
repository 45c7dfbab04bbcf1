import json
import math

import numpy as np
import pytest

from searcher.lexical import KeywordScores
from searcher.statistics import Statistics
from searcher.vectors import VectorTable
from services.calibration import (
    KEYWORDS_STD,
    MIN_STD,
    Calibration,
    PairStats,
    keyword_stats,
    sample_calibration,
)
from services.catalogue.product import Product
from services.keywords import product_keywords, query_keywords
from services.measures import MEASURES, similarity
from services.settings import Settings
from services.store.base import CollectionMeta, Point
from services.store.factory import open_store


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def two_cones(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images and titles of the same products in two cones, as CLIP lays them."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(count, 32))
    images = unit(shared + rng.normal(size=(count, 32)) + np.eye(32)[0] * 8)
    titles = unit(shared + rng.normal(size=(count, 32)) + np.eye(32)[1] * 8)
    return images, titles


def test_statistics_are_those_of_unrelated_pairs_only():
    images, titles = two_cones(40)
    calibration = Calibration.fit(images, titles)
    expected = [float(titles[i] @ images[j]) for i in range(40) for j in range(40) if i != j]
    stats = calibration.pairs["text", "image"]
    assert stats.count == len(expected)
    assert stats.mean == pytest.approx(np.mean(expected), abs=1e-6)
    assert stats.std == pytest.approx(np.std(expected), abs=1e-6)
    # The diagonal of image/image (cosine 1) would be plain to see.
    within = calibration.pairs["image", "image"]
    others = (images @ images.T)[~np.eye(40, dtype=bool)]
    assert within.mean == pytest.approx(others.mean(), abs=1e-6)


def test_products_are_matched_by_id_and_not_by_row():
    images, titles = two_cones(40)
    order = np.random.default_rng(1).permutation(40)[:30]
    by_id = Calibration.fit(
        images, titles[order], image_ids=[f"p{i}" for i in range(40)], title_ids=[f"p{i}" for i in order]
    )
    expected = [float(titles[i] @ images[j]) for i in order for j in range(40) if i != j]
    assert by_id.pairs["image", "title"].count == len(expected) == 30 * 39
    assert by_id.pairs["image", "title"].mean == pytest.approx(np.mean(expected), abs=1e-6)
    assert by_id.sample == 40


def test_calibrated_chance_is_zero_mean_and_unit_spread_in_every_pair():
    images, titles = two_cones(300)
    calibration = Calibration.fit(images, titles)
    other_images, other_titles = two_cones(300, seed=9)
    for modality, queries in (("text", other_titles), ("image", other_images)):
        for field, stored in (("image", images), ("title", titles)):
            scaled = calibration.apply(queries @ stored.T, modality, field)
            assert abs(scaled.mean()) < 0.2
            assert scaled.std() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("count", [0, 1, 15])
def test_too_few_vectors_leave_similarities_as_they_are(count):
    images, titles = two_cones(max(count, 1))
    calibration = Calibration.fit(images[:count], titles[:count])
    for modality in ("text", "image"):
        for field in ("image", "title"):
            assert calibration.apply(0.25, modality, field) == 0.25


def test_a_pair_that_cannot_be_measured_takes_the_spread_of_its_field():
    images, _ = two_cones(50)
    calibration = Calibration.fit(images, np.empty((0, 32), dtype=np.float32))
    assert calibration.pairs["image", "image"].count > 0
    assert calibration.pairs["text", "image"] == PairStats(0.0, calibration.pairs["image", "image"].std, 0)
    assert calibration.pairs["text", "title"] == PairStats()


def test_phrases_stand_in_for_titles_that_are_missing():
    images, titles = two_cones(50)
    none = np.empty((0, 32), dtype=np.float32)
    calibration = Calibration.fit(images, none, query_texts=titles)
    assert calibration.pairs["text", "image"].count == 50 * 50
    assert calibration.pairs["text", "image"].mean == pytest.approx(
        float((titles @ images.T).mean()), abs=1e-6
    )


def test_a_catalogue_of_copies_does_not_divide_by_nothing():
    images = np.repeat(two_cones(1)[0], 20, axis=0)
    calibration = Calibration.fit(images, images)
    assert calibration.pairs["image", "title"].std == MIN_STD
    assert math.isfinite(calibration.apply(0.5, "image", "title"))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("length", [1e-4, 1.0, 1e4])
def test_statistics_are_in_the_measure_at_any_length_of_vectors(measure, length):
    lengths = np.random.default_rng(2).uniform(0.5, 2, (40, 1))
    images, titles = (length * lengths * rows for rows in two_cones(40))
    stats = Calibration.fit(images, titles, measure=measure).pairs["text", "image"]
    values = similarity(titles, images, measure)[~np.eye(40, dtype=bool)]
    assert stats.mean == pytest.approx(values.mean(), rel=1e-6)
    assert stats.std == pytest.approx(values.std(), rel=1e-6)
    copies = np.repeat(images[:1], 20, axis=0)
    assert Calibration.fit(copies, copies, measure=measure).pairs["image", "title"].std > 0


def test_apply_keeps_shape_and_missing_values():
    calibration = Calibration.fit(*two_cones(40))
    sims = np.array([[0.1, np.nan], [0.3, 0.2]], dtype=np.float32)
    scaled = calibration.apply(sims, "text", "image")
    assert scaled.shape == (2, 2)
    assert np.isnan(scaled).tolist() == [[False, True], [False, False]]
    means, stds = calibration.statistics(["image", "text"])
    assert means.shape == stds.shape == (2, 3)
    assert (means[0, 2], stds[0, 2]) == (0, 1)  # a picture has no words
    assert scaled[1, 0] == pytest.approx((0.3 - means[1, 0]) / stds[1, 0])


def test_survives_json():
    calibration = Calibration.fit(*two_cones(40))
    assert Calibration.from_dict(json.loads(json.dumps(calibration.as_dict()))) == calibration


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"pairs": {}},
        {"pairs": {"text/image": {"mean": 0.2, "std": 0.0}}},
        {"pairs": {"text/image": {"mean": float("nan"), "std": 1.0}}},
        {"pairs": {"sound/image": {"mean": 0.2, "std": 0.1}}},
    ],
)
def test_unusable_statistics_are_the_identity(data):
    assert Calibration.from_dict(data) == Calibration.identity()


def test_ids_must_match_the_vectors():
    with pytest.raises(ValueError, match="2 ids for 40 vectors"):
        Calibration.fit(*two_cones(40), image_ids=["a", "b"])


class Pages:
    """The part of a store that sampling reads."""

    def __init__(self, points):
        self.points = points
        self.read = 0

    def meta(self):
        return None

    def scroll(self, *, limit=256, cursor=None, filter=None, keys=None, vectors=False):
        assert vectors and keys == ("title",)
        start = int(cursor or 0)
        page = self.points[start : start + limit]
        self.read += len(page)
        end = start + len(page)
        return page, (str(end) if end < len(self.points) else None)


def test_sampling_reads_no_more_than_asked_and_copes_with_missing_vectors():
    images, titles = two_cones(600)
    points = [
        Point(id=f"p{i}", vectors={"image": images[i]} | ({"title": titles[i]} if i % 2 else {}))
        for i in range(600)
    ]
    store = Pages(points)
    calibration = sample_calibration(store, sample=500)
    assert store.read == 500
    assert calibration.sample == 500
    assert calibration.pairs["image", "image"].count == 500 * 499
    assert calibration.pairs["text", "title"].count == 250 * 249
    assert calibration.pairs["text", "image"].count == 250 * 499


def test_sampling_an_empty_store_changes_nothing():
    assert sample_calibration(Pages([])) == Calibration.identity()


def titled(count):
    """Products of a shop that sells few kinds of things, so that unrelated titles often share a word."""
    colours, things = ("red", "blue", "green", "black", "white"), ("dress", "shirt", "boots", "hat")
    return [
        Product(id=f"sku-{i:03}", title=f"{colours[i % 5]} {things[i * 7 % 4]} {'soft ' * (i % 3)}")
        for i in range(count)
    ]


def test_keyword_statistics_are_those_of_the_stores_own_scores(tmp_path):
    products = titled(60)
    store = open_store(Settings(data_dir=tmp_path))
    store.open(CollectionMeta(dim=4, encoder={"name": "toy"}))
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    store.upsert([Point(p.id, {"title": vector}, p.payload(), product_keywords(p)) for p in products])
    ids = [product.id for product in products]
    asked = [query_keywords(product.title) for product in products]
    stored = VectorTable(store, 4, size=0).read(ids).keywords
    found = KeywordScores(asked, Statistics(store)).scores(stored)
    others = np.nan_to_num(found)[~np.eye(60, dtype=bool)]
    stats = sample_calibration(store).pairs["text", "keywords"]
    store.close()
    assert stats.count == 60 * 59
    assert stats.mean == pytest.approx(others.mean(), rel=1e-4)
    assert stats.std == pytest.approx(max(others.std(), KEYWORDS_STD), rel=1e-4)


def test_a_catalogue_whose_titles_share_no_word_gives_keywords_no_boundless_weight():
    products = [Product(id=f"p{i}", title="".join(chr(97 + int(d)) for d in f"{i:06}")) for i in range(40)]
    stats = keyword_stats({p.id: p.title for p in products}, {p.id: product_keywords(p) for p in products})
    assert (stats.mean, stats.std) == (0.0, KEYWORDS_STD)


def test_few_titles_say_nothing_about_keywords():
    products = titled(15)
    stats = keyword_stats({p.id: p.title for p in products}, {p.id: product_keywords(p) for p in products})
    assert stats == PairStats(std=KEYWORDS_STD)


def test_statistics_of_a_collection_from_before_keywords_are_made_up_for():
    data = Calibration.fit(*two_cones(40)).as_dict()
    del data["pairs"]["text/keywords"]
    assert Calibration.from_dict(data).pairs["text", "keywords"] == PairStats(std=KEYWORDS_STD)
