import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageOps

from searcher.duplicates import NEAR, Pair, find_duplicates, grouped
from searcher.engine import Engine
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.errors import InvalidInput
from services.points import SOURCE
from services.settings import Settings
from services.store.base import Point
from services.store.factory import open_store
from tests.unit.catalogue.test_pixels import cropped, jpeg, scene
from tests.unit.searcher.test_diversity import png


@pytest.fixture()
def engine(tiny_encoder, tmp_path):
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    engine = Engine(settings, tiny_encoder, open_store(settings))
    yield engine
    engine.close()


def stock(engine, folder, pictures) -> None:
    """Products with these pictures, kept as files."""
    items = [NewProduct(Product(id="words", title="no picture"))]
    for name, picture in pictures.items():
        data = picture if isinstance(picture, bytes) else png(picture)
        path = folder / f"{name}.png"
        path.write_bytes(data)
        items.append(NewProduct(Product(id=name, title=f"thing {name}"), data, str(path)))
    assert not engine.upsert(items).refused


def find(engine, **options):
    return find_duplicates(engine.store, engine.settings, **options)


def test_copies_are_grouped_with_their_evidence(engine, tmp_path):
    image, other = scene(1), scene(2)
    stock(
        engine,
        tmp_path,
        {
            "a": image,
            "a-again": image,
            "a-small": image.resize((120, 150)),
            "a-mirrored": ImageOps.mirror(image),
            "a-cropped": cropped(image, 0.05, 0, 0, 0.03),
            "b": other,
            "b-jpeg": jpeg(other, 60),
            "c": scene(3),
            "d": scene(4),
        },
    )
    # So low that everything is held against everything: the tiny encoder knows nothing of pictures.
    found = find(engine, near=0.001)
    assert [group.products for group in found.groups] == [
        ["a", "a-again", "a-cropped", "a-mirrored", "a-small"],
        ["b", "b-jpeg"],
    ]
    evidence = {(pair.one, pair.other): pair.evidence for group in found.groups for pair in group.pairs}
    assert evidence["a", "a-again"] == "same file"
    assert evidence["a", "a-small"] == "same pixels"
    assert evidence["a", "a-mirrored"] == "mirrored"
    assert evidence["a", "a-cropped"] == "cropped"
    assert evidence["b", "b-jpeg"] == "same pixels"
    assert found.products == 9
    assert found.near == found.different + sum(len(group.pairs) for group in found.groups)
    assert found.unopened == 0


def test_pairs_below_the_threshold_are_not_looked_at(engine, tmp_path):
    image = scene(1)
    stock(engine, tmp_path, {"a": image, "b": image, "c": scene(2)})
    found = find(engine, near=0.9999)
    assert [group.products for group in found.groups] == [["a", "b"]] and found.near == 1


def test_products_that_only_look_alike_are_left_out(engine, tmp_path):
    stock(engine, tmp_path, {"a": scene(1), "b": scene(2)})
    [one] = engine.store.fetch(["a"], vectors=True)
    [other] = engine.store.fetch(["b"])
    # Whatever the encoder made of them: one vector, two pictures.
    engine.store.upsert([Point("b", one.vectors, other.payload)])
    found = find(engine)
    assert (found.groups, found.near, found.different) == ([], 1, 1)


def test_pictures_that_cannot_be_opened_count_by_their_vectors_and_say_so(engine, tmp_path):
    image = scene(1)
    stock(engine, tmp_path, {"gone": image, "here": image, "far": scene(2), "link": image})
    (tmp_path / "gone.png").unlink()
    [link] = engine.store.fetch(["link"], vectors=True)
    engine.store.upsert(
        [Point("link", link.vectors, link.payload | {SOURCE: "http://127.0.0.1:9/nobody.png"})]
    )
    found = find(engine, near=0.001)
    [group] = found.groups
    assert group.products == ["gone", "here", "link"]
    assert {pair.evidence for pair in group.pairs} == {"vectors alone"}
    # Pairs with `far` could not be told either, and their vectors are not near enough to go by.
    assert found.unopened == 5 and found.different == 1


def test_more_copies_than_are_looked_at_hang_together(engine, tmp_path):
    image = png(scene(1))
    stock(engine, tmp_path, {f"p{n:03}": image for n in range(300)} | {"other": scene(2)})
    [group] = find(engine).groups
    assert len(group.products) == 300 and "other" not in group.products


def test_progress_is_told_by_stage(engine, tmp_path):
    stock(engine, tmp_path, {"a": scene(1), "b": scene(1)})
    told = []
    find(engine, progress=lambda *stage: told.append(stage))
    assert told == [("searching", 3, 3), ("comparing", 1, 1)]


def test_a_collection_without_pictures(engine):
    engine.upsert([NewProduct(Product(id="a", title="mug"))])
    found = find(engine)
    assert (found.groups, found.products, found.near) == ([], 0, 0)


@pytest.mark.parametrize("near", [0, -1, 1.1, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(engine, near):
    with pytest.raises(InvalidInput) as caught:
        find(engine, near=near)
    assert caught.value.field == "near" and caught.value.mend
    assert 0 < NEAR <= 1


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)).filter(lambda p: p[0] < p[1]), unique=True))
def test_groups_are_the_connected_components(edges):
    groups = grouped([Pair(f"{a:02}", f"{b:02}", "same file", 1.0) for a, b in edges])
    reach = np.eye(16, dtype=bool)
    for a, b in edges:
        reach[a, b] = reach[b, a] = True
    for _ in range(4):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    expected = {tuple(f"{n:02}" for n in np.flatnonzero(row)) for row in reach if row.sum() > 1}
    assert {tuple(group.products) for group in groups} == expected
    assert sum(len(group.pairs) for group in groups) == len(edges)
    sizes = [len(group.products) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
