"""A run from the catalogue to the store: what is stored, skipped, updated, rejected and pruned."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.report import Counts
from services.calibration import Calibration
from services.catalogue.images import decode_image
from services.encoder.dual import DualEncoder
from services.encoder.registry import load_encoder
from services.errors import CatalogueError, EncoderMismatch, InvalidInput, StoreLocked, StoreUnavailable
from services.keywords import VERSION
from services.points import HASH, INDEXED_AT, SOURCE, make_points, refresh_keywords
from services.settings import Settings
from services.store.base import Point
from services.store.edge import EdgeStore
from tests.conftest import write_tiny_openclip
from tests.unit.catalogue.pictures import noise
from tests.unit.indexer.conftest import Shop


def rejects(shop: Shop) -> list[dict[str, Any]]:
    path = shop.settings.data_dir / "products.csv.rejects.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Watched:
    """The encoder, counting what it is asked to do."""

    def __init__(self, encoder: DualEncoder) -> None:
        self._encoder = encoder
        self.prepared = 0
        self.pictures: list[int] = []
        self.texts: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def prepare(self, image: Image.Image) -> Any:
        self.prepared += 1
        return self._encoder.prepare(image)

    def encode_prepared(self, pixels: Any) -> Any:
        self.pictures.append(len(pixels))
        return self._encoder.encode_prepared(pixels)

    def encode_texts(self, texts: Any) -> Any:
        self.texts.append(len(texts))
        return self._encoder.encode_texts(texts)


@pytest.fixture
def watched(shop: Shop) -> Watched:
    shop.encoder = watched = Watched(shop.encoder)  # type: ignore[assignment]
    return watched


# What is stored


def test_every_product_is_stored_with_its_own_vectors_and_record(shop: Shop) -> None:
    report = shop.index()
    assert report.counts == Counts(read=12, added=12)
    assert report.rejects is None and report.collection == shop.settings.collection
    stored = shop.stored()
    assert stored.keys() == shop.rows.keys()
    for name, row in shop.rows.items():
        point = stored[name]
        assert point.payload["title"] == row[1] and point.payload["price"] == 5.0
        assert len(point.payload[HASH]) == 64 and point.payload[INDEXED_AT] > 0
        np.testing.assert_allclose(point.vectors["title"], shop.encoder.encode_texts([row[1]])[0], atol=1e-5)
        if row[2]:
            path = shop.folder / row[2]
            image = decode_image(path.read_bytes(), max_pixels=10**6)
            np.testing.assert_allclose(
                point.vectors["image"], shop.encoder.encode_images([image])[0], atol=1e-5
            )
            assert point.payload[SOURCE] == str(path) and point.payload["image"] == row[2]
        else:
            assert "image" not in point.vectors and SOURCE not in point.payload


def test_products_without_title_have_no_title_vector(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    shop.add("bare", title="")
    shop.index()
    assert set(shop.stored()["bare"].vectors) == {"image"}


@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("workers", [0, 1, 8])
def test_result_does_not_depend_on_batches_and_threads(
    make_shop: Callable[..., Shop], batch_size: int, workers: int
) -> None:
    shop = make_shop(7, batch_size=batch_size, workers=workers)
    assert shop.index().counts == Counts(read=7, added=7)
    for name, point in shop.stored().items():
        np.testing.assert_allclose(
            point.vectors["title"], shop.encoder.encode_texts([shop.rows[name][1]])[0], atol=1e-5
        )


def test_several_batches_may_be_encoded_at_once(
    make_shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    set_to: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    shop = make_shop(40)
    assert shop.index().counts == Counts(read=40, added=40)
    assert shop.stored().keys() == shop.rows.keys()
    assert set_to[-1] == 3  # as it was before


def test_batches_are_full_but_for_the_last(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(22)
    shop.encoder = watched = Watched(shop.encoder)  # type: ignore[assignment]
    shop.index()
    assert [n for n in watched.texts if n] == [4, 4, 4, 4, 4, 2]
    assert sum(watched.pictures) == 17


def test_calibration_is_measured_and_kept(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(40)
    shop.index()
    meta = shop.store.meta()
    assert meta is not None and meta.calibration is not None
    calibration = Calibration.from_dict(meta.calibration)
    assert calibration.sample == 40 and calibration.pairs["text", "image"].count > 0
    assert meta.encoder == shop.encoder.identity.as_dict()


def test_data_uris_and_folders_are_indexed_too(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    shop.picture("blue shirt", 10)
    uri = (
        "data:image/jpeg;base64,"
        + base64.b64encode((shop.folder / "images/blue shirt.jpg").read_bytes()).decode()
    )
    shop.rows["inline"] = ["inline", "", uri, ""]
    shop.index()
    shop.path.unlink()
    shop.path = shop.folder / "images"
    assert shop.index_as_is().counts == Counts(read=1, added=1)
    stored = shop.stored()
    assert stored["blue shirt.jpg"].payload["title"] == "blue shirt"
    np.testing.assert_allclose(
        stored["blue shirt.jpg"].vectors["image"], stored["inline"].vectors["image"], atol=1e-6
    )


def test_mapping_names_the_columns(shop: Shop) -> None:
    shop.write()
    text = shop.path.read_text().replace("id,title,image,price", "number,headline,image,price")
    shop.path.write_text(text)
    with pytest.raises(CatalogueError, match="no id column"):
        shop.index_as_is()
    report = shop.index_as_is(mapping={"id": "number", "title": "headline"})
    assert report.counts.added == 12 and shop.stored()["p3"].payload["title"] == "title of p3"


def test_progress_counts_up_to_the_end(shop: Shop) -> None:
    told: list[tuple[Counts, int | None]] = []
    shop.index(progress=lambda counts, total: told.append((counts, total)))
    assert told[-1] == (Counts(read=12, added=12), 12) and told[-1][0].done == 12
    assert [counts.done for counts, _ in told] == sorted(counts.done for counts, _ in told)


def test_report_is_json_with_the_seconds_of_each_stage(shop: Shop) -> None:
    shop.add("bad", price="free")
    report = json.loads(json.dumps(shop.index(prune=True).as_dict()))
    assert (report["read"], report["added"], report["rejected"], report["pruned"]) == (13, 12, 1, 0)
    assert set(report["stages"]) == {"read", "load", "decode", "encode", "store", "prune", "optimise"}
    assert report["reasons"] == {"Bad price": 1} and report["rejects"].endswith("products.csv.rejects.jsonl")
    assert report["seconds"] > 0 and report["products_per_second"] > 0


# What is stored already


def test_second_run_skips_everything_before_decoding(shop: Shop, watched: Watched) -> None:
    shop.index()
    before = shop.stored()
    watched.prepared, watched.pictures, watched.texts = 0, [], []
    assert shop.index().counts == Counts(read=12, unchanged=12)
    assert watched.prepared == 0 and not watched.pictures
    assert sum(watched.texts) in (0, 64)  # the phrases that calibrate a catalogue of few titles
    after = shop.stored()
    assert {name: point.payload for name, point in after.items()} == {
        name: point.payload for name, point in before.items()
    }


def test_changed_picture_title_and_price_update_their_product_alone(shop: Shop, watched: Watched) -> None:
    shop.index()
    before = shop.stored()
    watched.prepared = 0
    shop.picture("p0", 250)
    shop.rows["p1"][1] = "another title"
    shop.rows["p2"][3] = "7.50"
    assert shop.index().counts == Counts(read=12, updated=3, unchanged=9)
    assert watched.prepared == 3
    after = shop.stored()
    assert not np.allclose(after["p0"].vectors["image"], before["p0"].vectors["image"])
    np.testing.assert_allclose(after["p0"].vectors["title"], before["p0"].vectors["title"], atol=1e-6)
    assert not np.allclose(after["p1"].vectors["title"], before["p1"].vectors["title"])
    assert after["p2"].payload["price"] == 7.5
    changed = {name for name in after if after[name].payload[HASH] != before[name].payload[HASH]}
    assert changed == {"p0", "p1", "p2"}


def test_picture_or_title_taken_away_takes_its_vector_away(shop: Shop) -> None:
    shop.index()
    shop.rows["p0"][2] = ""
    shop.rows["p1"][1] = ""
    assert shop.index().counts.updated == 2
    stored = shop.stored()
    assert set(stored["p0"].vectors) == {"title"} and SOURCE not in stored["p0"].payload
    assert set(stored["p1"].vectors) == {"image"}


def test_same_bytes_written_anew_are_no_change(shop: Shop) -> None:
    shop.index()
    path = shop.folder / "images/p0.jpg"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert shop.index().counts.unchanged == 12


def test_catalogue_that_moved_is_stored_with_its_new_place(shop: Shop) -> None:
    shop.index()
    moved = shop.folder.parent / "moved"
    shutil.copytree(shop.folder / "images", moved / "images")
    shutil.copy(shop.path, moved / "products.csv")
    shop.path = moved / "products.csv"
    assert shop.index_as_is().counts == Counts(read=12, updated=9, unchanged=3)
    assert shop.stored()["p0"].payload[SOURCE] == str(moved / "images/p0.jpg")


def test_another_encoder_of_other_weights_is_refused_before_any_work(shop: Shop, tmp_path: Path) -> None:
    shop.index()
    before = {name: point.payload for name, point in shop.stored().items()}
    folder = write_tiny_openclip(tmp_path / "other", seed=1)
    shop.encoder = load_encoder(Settings(encoder=f"local-dir:{folder}", device="cpu"))
    shop.rows["p1"][1] = "another title"
    with pytest.raises(EncoderMismatch) as caught:
        shop.index()
    assert caught.value.mend
    assert {name: point.payload for name, point in shop.stored().items()} == before


# What cannot be used


def test_duplicate_ids_leave_the_first_and_name_its_row(shop: Shop) -> None:
    shop.write()
    with shop.path.open("a") as file:
        file.write("p3,another,,1\np3,third,,1\n")
    report = shop.index_as_is()
    assert report.counts == Counts(read=14, added=12, rejected=2)
    assert shop.stored()["p3"].payload["title"] == "title of p3"
    assert [(entry["row"], entry["id"], entry["title"]) for entry in rejects(shop)] == [
        (14, "p3", "Duplicate id"),
        (15, "p3", "Duplicate id"),
    ]
    assert all("row 5" in entry["reason"] and entry["mend"] for entry in rejects(shop))


def test_row_that_cannot_be_used_does_not_take_its_id(shop: Shop) -> None:
    shop.rows["p3"][3] = "free"
    shop.write()
    with shop.path.open("a") as file:
        file.write("p3,good,,1\n")
    assert shop.index_as_is().counts == Counts(read=13, added=12, rejected=1)
    assert shop.stored()["p3"].payload["title"] == "good"


def test_bad_picture_rejects_the_product_and_keeps_what_is_stored(shop: Shop) -> None:
    shop.index()
    before = shop.stored()
    (shop.folder / "images/p0.jpg").write_bytes(noise((50, 50))[:600])
    (shop.folder / "images/p1.jpg").unlink()
    shop.rows["p1"][1] = "title that is not stored either"
    (shop.folder / "images/p2.jpg").write_bytes(b"<svg></svg>")
    report = shop.index(prune=True)
    assert report.counts == Counts(read=12, unchanged=9, rejected=3)
    assert [(entry["row"], entry["id"], entry["title"], entry["field"]) for entry in rejects(shop)] == [
        (2, "p0", "Damaged picture", "image"),
        (3, "p1", "Picture not found", "image"),
        (4, "p2", "Not a known picture format", "image"),
    ]
    after = shop.stored()
    for name in ("p0", "p1", "p2"):
        assert after[name].payload == before[name].payload
        np.testing.assert_array_equal(after[name].vectors["image"], before[name].vectors["image"])


def test_rejects_of_the_last_run_are_replaced_and_removed_when_there_are_none(shop: Shop) -> None:
    shop.rows["p0"][3] = "free"
    assert shop.index().rejects is not None and [entry["id"] for entry in rejects(shop)] == ["p0"]
    shop.rows["p0"][3], shop.rows["p5"][3] = "1", "free"
    shop.index()
    assert [entry["id"] for entry in rejects(shop)] == ["p5"]
    shop.rows["p5"][3] = "1"
    assert shop.index().rejects is None and not list(shop.settings.data_dir.glob("*.jsonl"))


def test_product_that_the_store_refuses_does_not_hold_up_its_batch(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vector that is not finite, as overflow in reduced precision gives."""

    def overflowing(*arguments: Any) -> list[Point]:
        points = make_points(*arguments)
        for point in points:
            if point.id == "p5":
                point.vectors["title"][0] = np.nan
        return points

    monkeypatch.setattr("indexer.stages.make_points", overflowing)
    assert shop.index().counts == Counts(read=12, added=11, rejected=1)
    (entry,) = rejects(shop)
    assert (entry["row"], entry["id"]) == (7, "p5") and "finite" in entry["reason"] and entry["mend"]


# What is gone


def test_only_pruning_removes_what_the_catalogue_no_longer_has(shop: Shop) -> None:
    shop.index()
    del shop.rows["p1"], shop.rows["p6"]
    assert shop.index().counts.pruned == 0 and len(shop.stored()) == 12
    report = shop.index(prune=True)
    assert report.counts == Counts(read=10, unchanged=10, pruned=2) and report.not_pruned is None
    assert shop.stored().keys() == shop.rows.keys()


def test_pruning_spares_rows_that_merely_failed(shop: Shop) -> None:
    shop.index()
    shop.rows["p0"][3] = "free"  # bad row
    (shop.folder / "images/p1.jpg").write_bytes(b"")  # bad picture
    shop.rows["p2"].append("one column too many")
    del shop.rows["p3"]
    report = shop.index(prune=True)
    assert report.counts == Counts(read=11, unchanged=8, rejected=3, pruned=1)
    assert shop.stored().keys() == shop.rows.keys()


def test_nothing_is_pruned_when_an_id_could_not_be_known(shop: Shop) -> None:
    shop.index()
    del shop.rows["p3"]
    shop.write()
    with shop.path.open("ab") as file:
        file.write(b"p\xe94,broken,,1\n")
    report = shop.index_as_is(prune=True)
    assert report.counts.pruned == 0 and len(shop.stored()) == 12
    assert report.not_pruned is not None and "row 13" in report.not_pruned


def test_rows_that_surely_have_no_id_do_not_stand_in_the_way(shop: Shop) -> None:
    shop.index()
    del shop.rows["p3"]
    shop.rows[""] = ["", "no id", "", "1"]
    report = shop.index(prune=True)
    assert report.counts.pruned == 1 and report.not_pruned is None


def test_nothing_is_pruned_when_reading_failed_midway(shop: Shop) -> None:
    shop.index()
    content = "id,title\n" + "".join(f"q{n},{'title ' * 80}\n" for n in range(40))
    shop.path = shop.folder / "broken.csv"
    shop.path.write_bytes(content.encode("utf-16") + b"\x00\xd8A\x00")
    with pytest.raises(CatalogueError, match="midway"):
        shop.index_as_is(prune=True)
    stored = shop.stored()
    # What came before is stored whole, and what was there before is there still.
    assert stored.keys() >= shop.rows.keys() and "q0" in stored


def test_nothing_is_pruned_for_a_catalogue_without_rows(shop: Shop) -> None:
    shop.index()
    shop.rows.clear()
    report = shop.index(prune=True)
    assert report.not_pruned is not None and "no rows" in report.not_pruned and len(shop.stored()) == 12


def test_nothing_is_pruned_when_the_catalogue_was_written_while_it_was_read(shop: Shop) -> None:
    shop.index()
    del shop.rows["p3"]
    shop.write()

    def rewrite(counts: Counts, total: int | None) -> None:
        shop.path.write_text(shop.path.read_text() + " \n")

    report = shop.index_as_is(prune=True, progress=rewrite)
    assert report.not_pruned is not None and "written anew" in report.not_pruned
    assert len(shop.stored()) == 12


def test_folder_is_pruned_by_its_files(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(4)
    shop.path = shop.folder / "images"
    shop.index_as_is()
    (shop.path / "p1.jpg").unlink()
    assert shop.index_as_is(prune=True).counts == Counts(read=2, unchanged=2, pruned=1)
    assert shop.stored().keys() == {"p0.jpg", "p2.jpg"}


# When things go wrong


def test_two_indexers_at_once_are_told_so(shop: Shop) -> None:
    shop.index()
    second = EdgeStore(shop.settings)
    shop.store, first = second, shop.store
    try:
        with pytest.raises(StoreLocked) as caught:
            shop.index()
    finally:
        shop.store = first
    assert caught.value.message and caught.value.mend


class Shaky:
    """A store that is away for a while: calls of one kind fail, some of them after they were done."""

    def __init__(self, store: Any, name: str, failures: Iterator[str]) -> None:
        self._store, self._name, self._failures = store, name, failures

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._name:
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            failure = next(self._failures, "")
            if failure == "before":
                raise StoreUnavailable("The store is away.", mend="Wait.")
            result = method(*arguments, **options)
            if failure == "after":
                raise StoreUnavailable("The answer was lost.", mend="Wait.")
            return result

        return call


@pytest.mark.parametrize("name", ["fetch", "upsert", "scroll", "delete", "optimize", "meta", "save_meta"])
def test_store_that_comes_back_costs_nothing(shop: Shop, name: str) -> None:
    shop.add("gone")
    shop.index()
    del shop.rows["gone"]
    shop.rows["p0"][1] = "another title"
    real = shop.store
    shop.store = Shaky(real, name, iter(["before", "after", "before"]))
    counts = shop.index(prune=True).counts
    shop.store = real
    assert (counts.read, counts.updated, counts.unchanged, counts.rejected) == (12, 1, 11, 0)
    assert (
        shop.stored().keys() == shop.rows.keys() and shop.stored()["p0"].payload["title"] == "another title"
    )


@pytest.mark.parametrize("name", ["fetch", "upsert", "optimize"])
def test_store_that_stays_away_ends_the_run_with_a_clear_error(shop: Shop, name: str) -> None:
    real = shop.store
    shop.store = Shaky(real, name, iter(lambda: "before", ""))
    with pytest.raises(StoreUnavailable, match=r"has not come back within 0\.3 s") as caught:
        shop.index(patience=0.3)
    assert "index again" in caught.value.mend
    shop.store = real
    counts = shop.index().counts
    assert counts.added + counts.unchanged == 12 and len(shop.stored()) == 12


def test_failing_encoder_ends_the_run_and_keeps_what_was_stored(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(40)
    encoder = shop.encoder

    class Failing(Watched):
        def encode_prepared(self, pixels: Any) -> Any:
            super().encode_prepared(pixels)
            if len(self.pictures) == 4:
                raise RuntimeError("out of memory")
            return self._encoder.encode_prepared(pixels)

    shop.encoder = Failing(encoder)  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="out of memory"):
        shop.index()
    kept = len(shop.stored())
    assert kept == 12
    shop.encoder = encoder
    assert shop.index().counts == Counts(read=40, added=40 - kept, unchanged=kept)


def test_interrupt_stores_the_batch_in_flight_and_the_next_run_goes_on(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(60)
    shop.rows["p0"][3] = "free"
    encoding = threading.Event()

    class Slow(Watched):
        def encode_texts(self, texts: Any) -> Any:
            encoding.set()
            threading.Event().wait(0.05)
            return super().encode_texts(texts)

    def interrupt(counts: Counts, total: int | None) -> None:
        if encoding.is_set() and counts.added:
            encoding.clear()
            raise KeyboardInterrupt

    encoder = shop.encoder
    shop.encoder = Slow(encoder)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        shop.index(progress=interrupt)
    kept = len(shop.stored())
    assert 0 < kept < 59
    assert [entry["id"] for entry in rejects(shop)] == ["p0"]
    shop.encoder = encoder
    assert shop.index().counts == Counts(read=60, added=59 - kept, unchanged=kept, rejected=1)


def test_state_that_cannot_be_written_is_a_clear_error(shop: Shop) -> None:
    """The store of the shop lies elsewhere, as one on a server would; only the rejects are written here."""
    blocked = shop.folder / "file"
    blocked.touch()
    shop.settings = shop.settings.model_copy(update={"data_dir": blocked / "data"})
    with pytest.raises(InvalidInput, match="cannot be written") as caught:
        shop.index()
    assert "VITRINE_DATA_DIR" in caught.value.mend


def test_products_from_before_keywords_get_them_at_the_next_run_without_being_encoded(shop: Shop) -> None:
    shop.index()
    expected = {name: point.keywords for name, point in shop.stored().items()}
    assert None not in expected.values()
    meta = shop.store.meta()
    assert meta is not None and meta.keywords == VERSION
    shop.store.upsert([dataclasses.replace(point, keywords=None) for point in shop.stored().values()])
    shop.store.save_meta(dataclasses.replace(meta, keywords=0))

    shop.encoder = watched = Watched(shop.encoder)  # type: ignore[assignment]
    before = {name: point.payload for name, point in shop.stored().items()}
    assert shop.index().counts == Counts(read=12, unchanged=12)
    assert (watched.prepared, watched.pictures, watched.texts) == (0, [], [])
    after = shop.stored()
    assert {name: point.keywords for name, point in after.items()} == expected
    assert {name: point.payload for name, point in after.items()} == before
    assert shop.store.meta().keywords == VERSION
    assert refresh_keywords(shop.store) == 0


def test_a_collection_of_that_setting_keeps_patches_of_every_picture(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(12, late_interaction=True)
    shop.index()
    points = {one.id: one for one in shop.store.fetch(list(shop.rows), vectors=True, patches=True)}
    assert len(points) == 12
    for name, point in points.items():
        assert (point.patches is not None) == ("image" in point.vectors), name
    shop.picture("p1", 200)
    shop.index()
    changed = shop.store.fetch(["p1", "p2"], patches=True)
    assert changed[0].patches is not None and points["p1"].patches is not None
    assert np.abs(changed[0].patches - points["p1"].patches).max() > 0.01
    np.testing.assert_array_equal(changed[1].patches, points["p2"].patches)
