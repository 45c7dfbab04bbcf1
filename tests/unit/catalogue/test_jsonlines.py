"""JSON Lines: keys may differ from line to line, and a bad line costs itself alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.product import Product
from services.catalogue.readers import open_catalogue
from services.catalogue.rows import BadEncoding, BadSyntax, BadValue, NoId, Row
from services.errors import CatalogueError


def read(path: Path, content: str | bytes, **options: Any) -> list[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_catalogue(path, **options))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.jsonl"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    titles=st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=5),
    ascii=st.booleans(),
)
def test_round_trip_of_any_title(path: Path, titles: list[str], ascii: bool) -> None:
    lines = [
        json.dumps({"id": index, "title": title}, ensure_ascii=ascii) for index, title in enumerate(titles)
    ]
    rows = read(path, "\n\n".join(lines))
    assert [row.product for row in rows] == [
        Product(id=str(index), title=title) for index, title in enumerate(titles)
    ]
    assert [row.number for row in rows] == [1 + 2 * index for index in range(len(titles))]


def test_records_may_have_different_keys(path: Path) -> None:
    rows = read(
        path,
        '{"sku": 1, "name": "one", "kids": true}\n'
        '{"sku": 2, "title": "two", "name": "II", "price": 5}\n'
        '{"image": "3.jpg", "sku": "3", "attributes": {"colour": "red"}}\n',
    )
    assert [row.product for row in rows] == [
        Product(id="1", title="one", attributes={"kids": True}),
        Product(id="2", title="two", price=5.0, attributes={"name": "II"}),
        Product(id="3", image="3.jpg", attributes={"colour": "red"}),
    ]


def test_id_is_taken_from_one_key_throughout(path: Path) -> None:
    rows = read(path, '{"id": "1", "sku": "A", "title": "one"}\n{"sku": "B", "title": "two"}\n')
    assert rows[0].product == Product(id="1", title="one", attributes={"sku": "A"})
    assert isinstance(rows[1].error, NoId) and rows[1].raw_id == ""


def test_mapping_may_name_a_key_that_some_records_lack(path: Path) -> None:
    mapping = {"id": "number", "title": "headline"}
    rows = read(path, '{"number": 1, "headline": "one"}\n{"number": 2, "title": "two"}\n', mapping=mapping)
    assert [row.product for row in rows] == [Product(id="1", title="one"), Product(id="2", title="two")]


@pytest.mark.parametrize(
    ("line", "kind", "raw_id"),
    [
        (b'{"id": "a1", "title": "cut', BadSyntax, "a1"),
        (b'{"id": 12, "title": "cut', BadSyntax, "12"),
        (b'{"id": "a1', BadSyntax, None),
        (b'{"id": 12', BadSyntax, None),
        (b'{"title": "x", "id": "a1", "cut', BadSyntax, None),
        (b'{"variant": {"id": "other"}, "id": "a1"', BadSyntax, None),
        (b'{"id": "a1", "title": "caf\xe9"}', BadEncoding, "a1"),
        (b'{"id": "a\xe91", "title": "t"}', BadEncoding, None),
        (b'{"id": ["a1"], "title": "t"}', BadValue, None),
        (b'{"id": "a1", "title": {"en": "t"}}', BadValue, "a1"),
        (b'{"id": "\\ud800", "title": "t"}', BadEncoding, None),
        (b'{"title": "t"}', NoId, ""),
        (b'["a1", "t"]', BadSyntax, ""),
        (b"null", BadSyntax, ""),
        (b"id,title", BadSyntax, None),
        (b'{"id": "a1", "title": ' + b"[" * 100_000, BadSyntax, "a1"),
        (b'{"id": "a1", "title": 1' + b"0" * 5000 + b"}", BadSyntax, "a1"),
    ],
)
def test_bad_line_costs_itself_alone(
    path: Path, line: bytes, kind: type[CatalogueError], raw_id: str | None
) -> None:
    good = b'{"id": "g", "title": "good"}'
    rows = read(path, good + b"\n" + line + b"\r\n" + good + b"\n")
    assert [row.number for row in rows] == [1, 2, 3]
    assert (type(rows[1].error), rows[1].raw_id) == (kind, raw_id)
    assert rows[1].error is not None and rows[1].error.mend
    assert rows[0].product == rows[2].product == Product(id="g", title="good")


def test_deeply_nested_value_is_no_reason_to_stop(path: Path) -> None:
    deep = "[" * 900 + "]" * 900
    (row,) = read(path, '{"id": "1", "title": "t", "tree": ' + deep + "}")
    assert row.raw_id == "1"


@pytest.mark.parametrize(
    ("content", "said", "mend"),
    [
        ("", "is empty", "one object a line"),
        ("\n\n", "is empty", "one object a line"),
        ('[{"id": 1, "title": "t"}]', "one JSON array", "jq"),
        ("[\n", "one JSON array", "jq"),
        ('{\n"id": 1,\n"title": "t"\n}', "no JSON object", "one object a line"),
        ('{"title": "t"}\n', "no id column", "--map id="),
    ],
)
def test_file_of_another_kind_is_refused_whole(path: Path, content: str, said: str, mend: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        read(path, content)
    assert said in caught.value.message and mend in caught.value.mend
