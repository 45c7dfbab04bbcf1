"""Catalogues by kind: which reader a path gets, Parquet, and folders of pictures."""

from __future__ import annotations

import decimal
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.catalogue.product import Product
from services.catalogue.readers import open_catalogue, title_from_name
from services.catalogue.rows import BadEncoding, BadPrice, BadValue, NoId
from services.errors import CatalogueError


@pytest.mark.parametrize(
    "name", ["a.csv", "a.TSV", "a.txt", "a.jsonl", "a.ndjson", "a.json", "a.parquet", "a.pq"]
)
def test_suffix_says_the_kind(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix in (".parquet", ".pq"):
        pq.write_table(pa.table({"id": ["1"], "title": ["one"]}), path)
    else:
        path.write_text(
            '{"id": "1", "title": "one"}\n' if "js" in name or "nd" in name else "id\ttitle\n1\tone\n"
        )
    catalogue = open_catalogue(path)
    assert [row.product for row in catalogue] == [Product(id="1", title="one")]
    assert (catalogue.columns, catalogue.length_hint, catalogue.base) == (["id", "title"], 1, tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.csv", "no catalogue"),
        ("shop.xlsx", "known kind"),
        ("shop", "known kind"),
        ("bad.parquet", "Parquet"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, name: str, said: str) -> None:
    if not name.startswith("none"):
        (tmp_path / name).write_bytes(b"PAR1 but not really")
    with pytest.raises(CatalogueError, match=said) as caught:
        open_catalogue(tmp_path / name)
    assert caught.value.mend


def test_parquet_keeps_types_and_row_numbers_over_batches(tmp_path: Path) -> None:
    path = tmp_path / "shop.parquet"
    count = 1000
    pq.write_table(
        pa.table(
            {
                "id": pa.array(range(count), pa.int64()),
                "title": [f"title {number}" for number in range(count)],
                "price": pa.array(
                    [decimal.Decimal(number) / 4 for number in range(count)], pa.decimal128(9, 2)
                ),
                "tags": [["a", "b"]] * count,
                "kids": [number % 2 == 0 for number in range(count)],
                "stock": pa.array([None if number % 3 else number for number in range(count)], pa.int32()),
                "size": pa.DictionaryArray.from_arrays([0, 1] * (count // 2), ["S", "M"]),
                "added": pa.array([0] * count, pa.date32()),
            }
        ),
        path,
        row_group_size=300,
    )
    catalogue = open_catalogue(path)
    rows = list(catalogue)
    assert catalogue.length_hint == count and [row.number for row in rows] == list(range(1, count + 1))
    assert rows[999].product == Product(
        id="999",
        title="title 999",
        price=249.75,
        tags=["a", "b"],
        attributes={"kids": False, "stock": 999, "size": "M", "added": "1970-01-01"},
    )
    assert rows[1].product is not None and "stock" not in rows[1].product.attributes


def test_bad_parquet_rows_cost_themselves_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.parquet"
    broken = pa.Array.from_buffers(
        pa.string(), 5, pa.array([b"one", b"\xe9", b"three", b"four", b"five"], pa.binary()).buffers()
    )
    pq.write_table(
        pa.table({"id": ["1", "2", None, "4", "5"], "title": broken, "price": [1.0, 1.0, 1.0, -1.0, 5.0]}),
        path,
    )
    rows = list(open_catalogue(path))
    assert [type(row.error) for row in rows] == [type(None), BadEncoding, NoId, BadPrice, type(None)]
    assert [row.raw_id for row in rows] == ["1", "2", "", "4", "5"]
    assert rows[1].error is not None and rows[1].error.field == "title"


def test_parquet_id_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "shop.parquet"
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xe9"], pa.binary()).buffers())
    pq.write_table(pa.table({"id": broken, "title": ["t"]}), path)
    (row,) = open_catalogue(path)
    assert isinstance(row.error, BadEncoding) and row.error.field == "id" and row.raw_id is None


def test_damage_within_a_parquet_file_is_a_catalogue_error(tmp_path: Path) -> None:
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.table({"id": [str(number) for number in range(50_000)]}), path, row_group_size=10_000)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = os.urandom(3000)
    path.write_bytes(data)
    with pytest.raises(CatalogueError, match="midway"):
        list(open_catalogue(path))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name in (
        "shoes/red_running-shoes (2).jpg",
        "shoes/IMG_1234.JPEG",
        "dress/0546d34a-a369-4723-8d3a-74c0f51af26c.webp",
        "blue%20hat.png",
        "drawing.svg",
        "notes.doc",
        ".hidden.jpg",
        ".thumbnails/a.jpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_folder_gives_one_product_a_picture(pictures: Path) -> None:
    catalogue = open_catalogue(pictures)
    products = [row.product for row in catalogue]
    assert products == [
        Product(id="blue%20hat.png", title="blue hat", image="blue%20hat.png"),
        Product(id="drawing.svg", title="drawing", image="drawing.svg"),
        Product(
            id="dress/0546d34a-a369-4723-8d3a-74c0f51af26c.webp",
            image="dress/0546d34a-a369-4723-8d3a-74c0f51af26c.webp",
            category="dress",
        ),
        Product(id="shoes/IMG_1234.JPEG", image="shoes/IMG_1234.JPEG", category="shoes"),
        Product(
            id="shoes/red_running-shoes (2).jpg",
            title="red running shoes",
            image="shoes/red_running-shoes (2).jpg",
            category="shoes",
        ),
    ]
    assert catalogue.length_hint == 5 and catalogue.base == pictures
    assert [row.number for row in catalogue] == [1, 2, 3, 4, 5]


def test_names_that_cannot_be_ids_are_rejected(pictures: Path) -> None:
    (pictures / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    deep = pictures / ("d" * 200) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes(b"x")
    errors = {type(row.error): row.raw_id for row in open_catalogue(pictures) if row.error}
    assert errors == {BadEncoding: "", BadValue: f"{'d' * 200}/{'e' * 100}/a.jpg"}


def test_catalogue_file_within_a_folder_is_taken(pictures: Path) -> None:
    (pictures / "products.csv").write_text("id,title,image\n1,hat,blue%20hat.png\n")
    catalogue = open_catalogue(pictures)
    assert catalogue.path == pictures / "products.csv" and catalogue.base == pictures
    assert [row.raw_id for row in catalogue] == ["1"]
    # Two of them: which is meant cannot be known, the pictures can.
    (pictures / "catalogue.jsonl").write_text("{}")
    assert open_catalogue(pictures).length_hint == 5


def test_folder_that_changes_while_it_is_read_does_not_stop_it(pictures: Path) -> None:
    rows: Iterator[object] = iter(open_catalogue(pictures))
    next(rows)
    (pictures / "shoes/IMG_1234.JPEG").unlink()
    assert len(list(rows)) in (3, 4)


def test_folder_without_pictures_or_with_a_mapping_is_refused(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogueError, match="no pictures"):
        open_catalogue(tmp_path / "empty")
    with pytest.raises(CatalogueError, match="no columns"):
        open_catalogue(pictures, mapping={"title": "name"})


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("red-dress_01", "red dress"),
        ("Red.Dress", "Red Dress"),
        ("levis 501 jeans", "levis 501 jeans"),
        ("DSC00012", "DSC00012"),
        ("IMG 1234", ""),
        ("000123", ""),
        ("photo", ""),
        ("photo of a dress", "photo of a dress"),
        ("d41d8cd98f00b204e9800998ecf8427e", ""),
        ("0546D34A-A369-4723-8D3A-74C0F51AF26C", ""),
        ("(1)", ""),
        ("café%20crème", "café crème"),
        ("", ""),
    ],
)
def test_titles_come_only_from_names_that_people_gave(stem: str, title: str) -> None:
    assert title_from_name(stem) == title
