"""A collection goes into a file and out of it, from any store into any other, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput, StoreUnavailable
from services.store.base import CollectionMeta, Point, SparseVector
from services.store.snapshot import pages_of, read_snapshot, write_snapshot
from services.store.transfer import fill
from tests.contract.conftest import DIM, META, Place

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

CALIBRATED = replace(META, calibration={"pairs": {"text|image": [0.1, 0.2, 300]}}, keywords=1)
KINDS = [CALIBRATED, replace(CALIBRATED, distance="euclid", patches=True, schema_version=3)]


def points(count: int = 2300) -> list[Point]:
    """More than two pages; of each four one without picture, one without title, one with keywords."""
    rng = np.random.default_rng(3)
    made = []
    for number in range(count):
        vectors = {name: _unit(rng) for name in ("image", "title")[number % 4 == 1 : 2 - (number % 4 == 2)]}
        payload = {
            "title": f"ключ {number} 连衣裙",
            "price": number / 7,
            "tags": ["a", "b"],
            "_hash": str(number),
        }
        keywords = SparseVector((number, number + 7), (0.5, 1.25)) if number % 4 == 3 else None
        patches = np.stack([_unit(rng), _unit(rng)]) if number % 5 == 0 else None
        made.append(Point(f"sku/{number}", vectors, payload, keywords, patches))
    return made


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def same(one: Point, other: Point) -> bool:
    vectors = one.vectors.keys() == other.vectors.keys() and all(
        np.allclose(one.vectors[name], other.vectors[name], atol=1e-6) for name in one.vectors
    )
    vectors = vectors and (one.patches is None) == (other.patches is None)
    if one.patches is not None and other.patches is not None:
        vectors = vectors and np.allclose(one.patches, other.patches, atol=1e-3)
    return vectors and (one.id, one.payload, one.keywords) == (other.id, other.payload, other.keywords)


def everything(pages: Iterator[list[Point]]) -> dict[str, Point]:
    return {point.id: point for page in pages for point in page}


@pytest.mark.parametrize("kind", KINDS, ids=["plain", "euclid with patches"])
def test_what_was_destroyed_is_restored_with_all_it_held(
    place: Place, tmp_path: Path, kind: CollectionMeta
) -> None:
    store = place.connect()
    meta = store.open(kind)
    store.upsert(points())
    before = everything(pages_of(store, meta))
    assert any(point.patches is not None for point in before.values()) == meta.patches
    told: list[int] = []
    path = tmp_path / "deep" / "shop.parquet"
    written = write_snapshot(
        pages_of(store, meta), meta, tmp_path / "deep" / "shop.parquet", progress=told.append
    )
    assert written.products == len(before) == told[-1] == 2300
    store.drop()
    store.close()

    snapshot = read_snapshot(path)
    assert snapshot.meta == meta and snapshot.products == 2300
    name = f"{place.settings.collection}@restored"
    alias, fresh = place.alias(), place.connect(name)
    fill(fresh, snapshot.pages(), snapshot.meta, alias, name)
    assert alias.read().live == name
    after = everything(pages_of(fresh, meta))
    assert after.keys() == before.keys()
    assert all(same(before[one], after[one]) for one in before)
    assert fresh.meta() == meta
    query = before["sku/0"].vectors["image"]
    assert fresh.search("image", query, 1)[0].id == "sku/0"
    assert {hit.id for hit in fresh.search_keywords(SparseVector((10,), (1.0,)), 5)} == {"sku/3"}
    fresh.close()
    alias.close()


def test_what_cannot_be_finished_is_removed_and_the_old_one_stays(place: Place) -> None:
    store = place.connect()
    store.open(META)
    store.upsert(points(5))
    store.close()

    def broken() -> Iterator[list[Point]]:
        yield points(3)
        raise InvalidInput("The file is damaged.")

    name = f"{place.settings.collection}@broken"
    alias, fresh = place.alias(), place.connect(name)
    with pytest.raises(InvalidInput, match="damaged"):
        fill(fresh, broken(), META, alias, name)
    twice = place.connect(f"{name}2")
    with pytest.raises(StoreUnavailable, match="3 products arrived of 6"):
        fill(twice, iter([points(3), points(3)]), META, alias, f"{name}2")
    assert alias.read().live == place.settings.collection
    assert alias.collections() == [place.settings.collection]
    for opened in (fresh, twice):
        opened.close()
    alias.close()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    path = tmp_path / "shop.parquet"
    write_snapshot(iter([points(1000), points(50)]), KINDS[1], path)
    return path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_found_and_never_restored(snapshot: Path, data: st.DataObject) -> None:
    good = snapshot.read_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    if data.draw(st.booleans()):
        bad = good[:at]
    else:
        bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    damaged = snapshot.with_name("damaged.parquet")
    damaged.write_bytes(bad)
    try:
        opened = read_snapshot(damaged)
        restored = [point for page in opened.pages() for point in page]
    except (InvalidInput, StoreUnavailable):
        return
    # The flipped bit was one that says nothing, such as the name of the writing library.
    assert opened.meta == KINDS[1]
    expected = [*points(1000), *points(50)]
    assert len(restored) == len(expected) and all(map(same, restored, expected))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.unlink(), "There is no file"),
        (lambda path: path.write_text("id,title\n"), "no snapshot, or it is damaged"),
        (lambda path: path.write_bytes(b""), "no snapshot, or it is damaged"),
        (lambda path: pq.write_table(pa.table({"id": ["a"]}), path), "but no snapshot"),
    ],
)
def test_other_files_are_refused(snapshot: Path, make: Any, said: str) -> None:
    make(snapshot)
    with pytest.raises(InvalidInput, match=said) as caught:
        read_snapshot(snapshot)
    assert caught.value.field == "file" and caught.value.mend


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_snapshot(iter([points(3)]), META, tmp_path / "file" / "shop.parquet")

    def fails() -> Iterator[list[Point]]:
        yield points(3)
        raise StoreUnavailable("gone")

    (tmp_path / "shop.parquet").write_text("the old one")
    with pytest.raises(StoreUnavailable):
        write_snapshot(fails(), META, tmp_path / "shop.parquet")
    assert (tmp_path / "shop.parquet").read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "shop.parquet"]
