"""Collections of other measures than cosine, through the whole engine, with vectors of different lengths."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from searcher.diversity import likeness
from searcher.duplicates import find_duplicates
from searcher.engine import Engine
from searcher.fusion.fit import Heads, Plan
from searcher.fusion.learned import head_path
from searcher.lexical import KeywordScores
from searcher.query import Part, Query
from searcher.retrieve import PartVector, compare, tiers
from searcher.statistics import Statistics
from searcher.upsert import NewProduct
from searcher.vectors import VectorTable
from services.calibration import Calibration
from services.catalogue.product import Product
from services.encoder.base import EncoderIdentity, Pixels, Vectors
from services.errors import EncoderMismatch
from services.measures import MEASURES, Measure, mean, similarity
from services.points import open_collection
from services.settings import Settings
from services.store.base import VECTORS, CollectionMeta, Filter, Point
from services.store.factory import open_store
from tests.unit.catalogue.test_pixels import jpeg, scene
from tests.unit.searcher.test_diversity import png

DIM = 12


class Quarters:
    """A plain extractor: the colours of a picture's quarters as they are, so brighter pictures have longer
    vectors; of a text a vector for each word, added up, so more words make a longer one."""

    image_size = 16
    dim = DIM
    sees_text = True

    def __init__(self, measure: Measure | None = None) -> None:
        if measure is not None:
            self.measure = measure

    @property
    def identity(self) -> EncoderIdentity:
        return EncoderIdentity("quarters", "1" * 16, "2" * 16, DIM)

    def prepare(self, image: Image.Image) -> Pixels:
        pixels = np.asarray(image.convert("RGB").resize((16, 16)), dtype=np.float32) / 255
        return pixels.transpose(2, 0, 1)

    def encode_prepared(self, pixels: Pixels) -> Vectors:
        return 3 * torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(pixels), 2).flatten(1).numpy()

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        prepared = [self.prepare(image) for image in images]
        return self.encode_prepared(np.stack(prepared)) if prepared else np.empty((0, DIM), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        words = [
            [np.random.default_rng(zlib.crc32(word.encode())) for word in text.split()] for text in texts
        ]
        rows = [sum((one.standard_normal(DIM) for one in row), np.zeros(DIM)) for row in words]
        return np.asarray(rows, dtype=np.float32).reshape(-1, DIM)

    def encode_patches(self, images: Sequence[Image.Image]) -> Vectors:
        raise NotImplementedError


def picture(seed: int) -> Image.Image:
    """Four patches of colour, of a brightness of its own."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (2, 2, 3)) * random.uniform(0.1, 1)
    return Image.fromarray(colours.astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST)


def items(count: int, titles: bool = False) -> list[NewProduct]:
    """Products with a picture each; with titles, every third has none."""
    return [
        NewProduct(
            Product(id=f"p{n:03}", title=f"thing {n % 5}" + " more" * (n % 4) if titles and n % 3 else ""),
            png(picture(n)),
            f"/{n}.png",
        )
        for n in range(count)
    ]


Make = Callable[..., Engine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    engines: list[Engine] = []

    def make(encoder: Quarters, count: int = 60, titles: bool = False, **options: object) -> Engine:
        folder = tmp_path / str(len(engines))
        settings = Settings(data_dir=folder, _env_file=None, **options)  # type: ignore[arg-type]
        engines.append(Engine(settings, encoder, open_store(settings)))  # type: ignore[arg-type]
        if count:
            assert not engines[-1].upsert(items(count, titles)).refused
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def stored(engine: Engine) -> tuple[list[str], np.ndarray]:
    points, _ = engine.store.scroll(limit=1000, vectors=True)
    points.sort(key=lambda point: point.id)
    return [point.id for point in points], np.stack([point.vectors["image"] for point in points])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(1000, 1003))
def test_products_are_ranked_as_numpy_says(make: Make, measure: Measure, seed: int) -> None:
    engine = make(Quarters(measure))
    meta = engine.store.meta()
    assert meta is not None and meta.distance == measure
    query = engine.encoder.encode_images([picture(seed)])[0]
    # By the definitions, from the pictures themselves.
    held = engine.encoder.encode_images([picture(n) for n in range(60)]).astype(np.float64)
    if measure == "euclid":
        values = -np.sqrt(((held - query) ** 2).sum(axis=1))
    else:
        values = held @ query
        if measure == "cosine":
            values = values / np.linalg.norm(held, axis=1) / np.linalg.norm(query)
    order = np.argsort(-values)[:30]
    for fusion in ("attention", "learned", "mean", "weighted"):
        answer = engine.search(Query((Part(image=picture(seed)),), limit=30, fusion=fusion))
        assert [hit.product.id for hit in answer.hits] == [f"p{row:03}" for row in order], fusion
        for hit, row in zip(answer.hits, order, strict=True):
            (weight,) = hit.weights
            assert weight.similarity == pytest.approx(values[row], rel=1e-4, abs=1e-5)
    if measure != "cosine":
        calibration = Calibration.from_dict(meta.calibration, measure)
        first = engine.search(Query((Part(image=picture(seed)),), fusion="attention")).hits[0]
        assert first.score == pytest.approx(calibration.apply(values[order[0]], "image", "image"), rel=1e-3)


def test_the_measures_rank_these_pictures_differently(make: Make) -> None:
    orders = set()
    for measure in MEASURES:
        hits = make(Quarters(measure)).search(Query((Part(image=picture(1000)),), limit=30)).hits
        orders.add(tuple(hit.product.id for hit in hits))
    assert len(orders) == 3


@pytest.mark.parametrize("measure", MEASURES)
def test_statistics_are_of_similarities_in_the_measure(make: Make, measure: Measure) -> None:
    engine = make(Quarters(measure), titles=True)
    ids, images = stored(engine)
    meta = engine.store.meta()
    assert meta is not None
    stats = Calibration.from_dict(meta.calibration, measure).pairs["image", "image"]
    between = similarity(images, images, measure)[~np.eye(len(ids), dtype=bool)]
    assert stats.count == len(between)
    assert stats.mean == pytest.approx(between.mean(), rel=1e-5)
    assert stats.std == pytest.approx(between.std(), rel=1e-4)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_query_of_several_parts_is_scored_by_the_formula(make: Make, measure: Measure) -> None:
    engine = make(Quarters(measure), titles=True, part_temperature=0.5)
    parts = (Part(image=picture(2000)), Part(text="thing 3 more", weight=0.5), Part(image=picture(2001)))
    meta = engine.store.meta()
    assert meta is not None
    calibration = Calibration.from_dict(meta.calibration, measure)
    points, _ = engine.store.scroll(limit=1000, vectors=True)
    texts = engine.encoder.encode_texts(["thing 3 more"])
    images = engine.encoder.encode_images([picture(2000), picture(2001)])
    queries = np.stack([images[0], texts[0], images[1]])
    answer = engine.search(Query(parts, limit=60, fusion="attention"))
    words = {
        hit.product.id: weight.similarity
        for hit in answer.hits
        for weight in hit.weights
        if weight.field == "keywords"
    }
    expected = {}
    for point in points:
        terms = []
        for field, vector in point.vectors.items():
            for part, value in enumerate(similarity(queries, vector, measure)):
                kind = "text" if part == 1 else "image"
                terms.append((0.5 if part == 1 else 1.0, calibration.apply(float(value), kind, field)))
        if point.id in words:
            terms.append((0.5, calibration.apply(words[point.id], "text", "keywords")))
        top = max(s for _, s in terms)
        grown = [(w * np.exp((s - top) / 0.5), s) for w, s in terms]
        expected[point.id] = sum(g * s for g, s in grown) / sum(g for g, _ in grown)
    assert len(answer.hits) == 60
    for hit in answer.hits:
        assert hit.score == pytest.approx(expected[hit.product.id], rel=1e-3, abs=1e-3)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("weights", [(1.0, 2.0), (1.0, -0.4), (1.0, 0.5, -0.3)])
def test_mean_fusion_ranks_by_the_mean_of_the_parts(make: Make, measure: Measure, weights) -> None:
    engine = make(Quarters(measure))
    pictures = [picture(3000 + n) for n in range(len(weights))]
    parts = tuple(Part(image=one, weight=weight) for one, weight in zip(pictures, weights, strict=True))
    answer = engine.search(Query(parts, limit=60, fusion="mean"))
    together = mean(engine.encoder.encode_images(pictures), weights, measure)
    assert together is not None
    ids, images = stored(engine)
    values = similarity(together[None], images, measure)[:, 0]
    assert [hit.product.id for hit in answer.hits] == [ids[row] for row in np.argsort(-values)]
    assert [hit.score for hit in answer.hits] == pytest.approx(np.sort(values)[::-1], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_lies_between_the_parts_is_nominated(tmp_path: Path, measure: Measure) -> None:
    random = np.random.default_rng(1)
    vectors = (random.standard_normal((800, DIM)) * random.uniform(0.3, 4, (800, 1))).astype(np.float32)
    store = open_store(Settings(data_dir=tmp_path, _env_file=None))
    store.open(CollectionMeta(DIM, {"name": "none", "weights": "w", "preprocess": "p"}, distance=measure))
    store.upsert([Point(f"p{row}", {"image": vector}) for row, vector in enumerate(vectors)])
    parts = [
        PartVector(random.standard_normal(DIM).astype(np.float32) * 2, "image", weight)
        for weight in (1.0, 0.7)
    ]
    table = VectorTable(store, DIM, size=1000)
    found = next(tiers(store, table, Statistics(store), parts, None, depth=10, window=100, measure=measure))
    together = mean([part.vector for part in parts], [part.weight for part in parts], measure)
    assert together is not None
    queries = np.stack([*(part.vector for part in parts), together])
    nearest = np.argsort(-similarity(queries, vectors, measure), axis=0)[:10]
    assert set(found.ids) == {f"p{row}" for row in nearest.ravel()}

    held = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if measure == "cosine" else vectors
    keywords = KeywordScores([None, None], Statistics(store))
    exact = compare(table, keywords, parts, [f"p{row}" for row in range(50)], measure=measure)
    column = VECTORS.index("image")
    np.testing.assert_allclose(
        exact.similarities[:, :, column], similarity(queries[:2], vectors[:50], measure), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(exact.vectors[:, column], held[:50], rtol=1e-5, atol=1e-6)
    calibration = replace(Calibration.identity(), measure=measure)
    alike = likeness(exact.ids, table, calibration)
    np.testing.assert_allclose(alike, similarity(held[:50], held[:50], measure), rtol=1e-4, atol=1e-4)
    store.close()


def test_a_head_answers_for_cosines_alone(make: Make, tmp_path: Path) -> None:
    torch.manual_seed(0)
    means = torch.zeros(2, DIM)
    head = Heads(Plan(heads=2, rank=4, hidden=4), means, means).head(Quarters().identity, 1.0, 0.0)
    used = {}
    for measure in MEASURES:
        engine = make(Quarters(measure), fusion="learned")
        head.save(head_path(engine.settings.data_dir / "heads", engine.encoder.identity))
        query = Query((Part(image=picture(1)), Part(text="thing 3")), limit=5)
        used[measure] = engine.search(query).fusion
    assert used == {"cosine": "learned", "euclid": "attention", "dot": "attention"}


@pytest.mark.parametrize("measure", MEASURES)
def test_diversity_trades_likeness_in_the_measure(make: Make, measure: Measure) -> None:
    engine = make(Quarters(measure))
    query = Query((Part(image=picture(1000)),), limit=10)
    plain, varied = (engine.search(replace(query, diversity=one)) for one in (0.0, 0.7))
    ids, images = stored(engine)
    row = {one: place for place, one in enumerate(ids)}

    def closeness(answer) -> float:
        rows = images[[row[hit.product.id] for hit in answer.hits]]
        return float(similarity(rows, rows, measure)[~np.eye(10, dtype=bool)].mean())

    assert plain.hits[0].product.id == varied.hits[0].product.id
    assert closeness(varied) < closeness(plain)


@pytest.mark.parametrize("measure", MEASURES)
def test_copies_are_found_whatever_the_measure(make: Make, tmp_path: Path, measure: Measure) -> None:
    engine = make(Quarters(measure), count=0)
    pictures = {"a": png(scene(1)), "a-small": png(scene(1).resize((120, 150))), "b": png(scene(2))}
    pictures |= {"b-jpeg": png(jpeg(scene(2), 60)), "c": png(scene(3)), "d": png(scene(4))}
    new = []
    for name, data in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(data)
        new.append(NewProduct(Product(id=name, title=f"thing {name}"), data, str(tmp_path / f"{name}.png")))
    assert not engine.upsert([*new, NewProduct(Product(id="words", title="no picture"))]).refused
    told: list[tuple[str, int, int]] = []
    found = find_duplicates(engine.store, engine.settings, progress=lambda *stage: told.append(stage))
    assert [group.products for group in found.groups] == [["a", "a-small"], ["b", "b-jpeg"]]
    assert found.products == 6 and told
    for group in found.groups:
        (pair,) = group.pairs
        one, other = (point.vectors["image"] for point in engine.store.fetch(group.products, vectors=True))
        assert pair.cosine == pytest.approx(float(similarity(one[None], other, "cosine")[0]), abs=1e-5)


def test_the_scan_of_another_measure_finds_the_pairs_that_the_store_finds(make: Make) -> None:
    found = []
    for measure in MEASURES:
        engine = make(Quarters(measure), count=40)
        duplicates = find_duplicates(engine.store, engine.settings, near=0.95)
        found.append((duplicates.products, duplicates.near))
    assert found[0] == found[1] == found[2] and found[0][1] > 0


def test_the_encoder_says_the_measure_and_the_settings_may_overrule_it(make: Make) -> None:
    for encoder, setting, expected in (
        (Quarters(), "auto", "cosine"),
        (Quarters("euclid"), "auto", "euclid"),
        (Quarters("euclid"), "dot", "dot"),
        (Quarters("dot"), "cosine", "cosine"),
    ):
        engine = make(encoder, count=1, measure=setting)
        meta = engine.store.meta()
        assert meta is not None and meta.distance == expected


def test_a_collection_keeps_its_measure(make: Make) -> None:
    first = make(Quarters("euclid"), count=40)
    first.store.close()

    def again(encoder: Quarters, **options: object) -> Engine:
        settings = first.settings.model_copy(update=options)
        return Engine(settings, encoder, open_store(settings))  # type: ignore[arg-type]

    # Not asked for another one by name, whatever the encoder would take for a new collection.
    engine = again(Quarters("dot"))
    assert not engine.upsert(items(41)).refused
    meta = engine.store.meta()
    assert meta is not None and meta.distance == "euclid"
    engine.close()

    engine = again(Quarters("euclid"), measure="dot")
    assert len(engine.search(Query((Part(image=picture(1)),))).hits) > 0
    with pytest.raises(EncoderMismatch, match="by euclid") as caught:
        engine.upsert(items(1))
    assert caught.value.field == "measure" and "VITRINE_MEASURE=euclid" in caught.value.mend
    engine.close()

    engine = again(Quarters("euclid"), measure="euclid")
    assert open_collection(engine.store, engine.encoder, engine.settings).distance == "euclid"
    assert engine.store.count(Filter()) == 41
    engine.close()
