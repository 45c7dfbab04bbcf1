"""Heat maps of hits."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searcher.engine import Engine
from searcher.explain import MOST_HITS, MOST_WORDS
from searcher.query import Part, Query
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.encoder.dual import DualEncoder
from services.encoder.grid import fine_patches
from services.settings import Settings
from services.store.factory import open_store


def halves(left: str, right: str) -> Image.Image:
    image = Image.new("RGB", (96, 96), left)
    image.paste(Image.new("RGB", (48, 96), right), (48, 0))
    return image


def picture_of(number: int) -> Image.Image:
    return halves("red" if number % 2 else "blue", ("white", "green", "black")[number % 3])


@pytest.fixture()
def engine(tiny_encoder: DualEncoder, tmp_path: Path) -> Iterator[Engine]:
    """25 products with pictures and one without."""
    settings = Settings(data_dir=tmp_path / "data", _env_file=None)
    engine = Engine(settings, tiny_encoder, open_store(settings))
    items = [NewProduct(Product(id="none", title="red thing"))]
    for number in range(25):
        out = io.BytesIO()
        picture_of(number).save(out, "PNG")
        path = tmp_path / f"{number}.png"
        path.write_bytes(out.getvalue())
        items.append(NewProduct(Product(id=f"p{number}", title=f"thing {number}"), out.getvalue(), str(path)))
    engine.upsert(items)
    yield engine
    engine.close()


def explained(engine: Engine, *parts: Part, limit: int = 26) -> dict[str, list]:
    answer = engine.search(Query(parts, limit=limit, explain=True))
    assert answer.explained
    return {hit.product.id: list(hit.maps) for hit in answer.hits}


def test_without_being_asked_nothing_is_explained(engine: Engine) -> None:
    answer = engine.search(Query((Part(text="red dress"),)))
    assert not answer.explained
    assert all(hit.maps == () for hit in answer.hits)


def test_each_word_and_the_whole_text_have_a_map_over_the_product(
    engine: Engine, tiny_encoder: DualEncoder
) -> None:
    found = explained(engine, Part(text="  red   summer dress "), limit=3)
    for name, maps in found.items():
        if name == "none":
            continue
        assert [map.words for map in maps] == ["red summer dress", "red", "summer", "dress"]
        assert {(map.part, map.of) for map in maps} == {(0, "product")}
        cosines = (
            fine_patches(tiny_encoder, picture_of(int(name[1:]))) @ tiny_encoder.encode_texts(["red"])[0]
        )
        assert maps[1].low == pytest.approx(cosines.min(), abs=1e-3)
        assert maps[1].high == pytest.approx(cosines.max(), abs=1e-3)
        assert maps[1].grid == pytest.approx(
            (cosines - cosines.min()) / (cosines.max() - cosines.min()), abs=0.02
        )


def test_a_single_word_is_not_said_twice(engine: Engine) -> None:
    found = explained(engine, Part(text="dress"), limit=2)
    assert [map.words for maps in found.values() for map in maps if map.words != "dress"] == []


def test_a_photo_has_maps_over_the_product_and_over_itself(engine: Engine) -> None:
    found = explained(engine, Part(text="red"), Part(image=halves("red", "white")), limit=3)
    for name, maps in found.items():
        if name != "none":
            assert [(map.part, map.words, map.of) for map in maps] == [
                (0, "red", "product"),
                (1, "", "product"),
                (1, "", "query"),
            ]


def test_a_product_to_search_by_is_looked_at_as_a_photo_is(engine: Engine) -> None:
    found = explained(engine, Part(product="p3"), limit=2)
    assert all([map.of for map in maps] == ["product", "query"] for maps in found.values() if maps)


def test_grids_are_numbers_from_nought_to_one(engine: Engine) -> None:
    for maps in explained(engine, Part(text="blue or green")).values():
        for map in maps:
            assert map.grid.dtype == np.float32
            assert map.grid.min() >= 0 and map.grid.max() <= 1
            assert all(1 <= side <= 12 for side in map.grid.shape)


def test_hits_beyond_the_first_twenty_and_words_beyond_the_dozen_are_left_out(engine: Engine) -> None:
    found = explained(engine, Part(text=" ".join(f"word{n}" for n in range(20))), limit=26)
    lengths = [len(maps) for maps in found.values()]
    assert max(lengths) == 1 + MOST_WORDS
    assert lengths[MOST_HITS:] == [0] * (26 - MOST_HITS)
    assert sum(length > 0 for length in lengths) >= MOST_HITS - 1


def test_a_picture_that_is_gone_or_was_never_there_gives_no_maps(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "4.png").unlink()
    for name in ("p4", "none"):
        answer = engine.search(Query((Part(text="thing"),), limit=26, explain=True))
        # Placed first, so that it is among those that are explained.
        hit = next(hit for hit in answer.hits if hit.product.id == name)
        [again] = engine._explainer.explain([], [], [replace(hit, maps=())])
        assert again.maps == ()


def test_explaining_changes_neither_order_nor_scores(engine: Engine) -> None:
    query = Query((Part(text="red"), Part(image=halves("blue", "black"))), limit=26)
    plain, told = engine.search(query), engine.search(replace(query, explain=True))
    assert [(hit.product.id, hit.score) for hit in plain.hits] == [
        (hit.product.id, hit.score) for hit in told.hits
    ]
