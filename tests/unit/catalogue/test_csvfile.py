"""CSV as shops write it: delimiters, quotes, encodings, and what each broken row costs."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue import csvfile
from services.catalogue.product import Product
from services.catalogue.readers import open_catalogue
from services.catalogue.rows import (
    BadColumns,
    BadEncoding,
    BadPrice,
    BadSyntax,
    BadValue,
    NoId,
    NothingToIndex,
    Row,
)
from services.errors import CatalogueError


def read(path: Path, content: str | bytes, **options: Any) -> list[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_catalogue(path, **options))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.csv"


cells = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
lines = st.lists(cells, min_size=1, max_size=3).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    values=st.lists(st.tuples(lines, lines), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    ending=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    hint=st.booleans(),
)
def test_round_trip_of_any_text_in_any_dialect(
    path: Path,
    values: list[tuple[str, str]],
    delimiter: str,
    quoting: Any,
    ending: str,
    encoding: str,
    hint: bool,
) -> None:
    buffer = io.StringIO(newline="")
    if hint:
        buffer.write(f"sep={delimiter}{ending}")
    writer = csv.writer(buffer, delimiter=delimiter, quoting=quoting, lineterminator=ending)
    writer.writerow(["id", "title", "description", "image"])
    for index, (title, description) in enumerate(values):
        writer.writerow([f"p{index}", title, description, f"{index}.jpg"])
    rows = read(path, buffer.getvalue().encode(encoding))
    assert [row.product for row in rows] == [
        Product(id=f"p{index}", title=title, description=description, image=f"{index}.jpg")
        for index, (title, description) in enumerate(values)
    ]
    # The number of a row is the line of the file it begins on.
    first, step = (3 if hint else 2), [1 + "".join(pair).count("\n") for pair in values]
    assert [row.number for row in rows] == [first + sum(step[:index]) for index in range(len(values))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(content=st.binary(max_size=200))
def test_any_bytes_after_the_header_give_rows_or_a_catalogue_error(path: Path, content: bytes) -> None:
    try:
        rows = read(path, b"id,title\n" + content)
    except CatalogueError:
        return
    for row in rows:
        assert (row.product is None) != (row.error is None)
    assert [row.number for row in rows] == sorted({row.number for row in rows})


BROKEN: list[tuple[bytes, type[CatalogueError], str | None, str | None]] = [
    (b"a1,t", BadColumns, None, "a1"),
    (b"a2", BadColumns, None, "a2"),
    (b"a3,t,x.jpg,9,red,extra", BadColumns, None, "a3"),
    (b"a4,t, with comma,x.jpg,9,red", BadColumns, None, "a4"),
    (b'a5,"never closed,x.jpg,9,red', BadSyntax, None, "a5"),
    (b'"a6,never closed,x.jpg,9,red', BadSyntax, None, None),
    (b"a7,caf\xe9,x.jpg,9,red", BadEncoding, "title", "a7"),
    (b"a\xe98,t,x.jpg,9,red", BadEncoding, "id", None),
    (b"a9,t,x.jpg,9,r\xf4d", BadEncoding, "colour", "a9"),
    (b",t,x.jpg,9,red", NoId, "id", ""),
    (b"   ,t,x.jpg,9,red", NoId, "id", ""),
    (b"a12,,,9,red", NothingToIndex, "title", "a12"),
    (b"a13, , ,9,red", NothingToIndex, "title", "a13"),
    (b"a14,t,x.jpg,free,red", BadPrice, "price", "a14"),
    (b"a15,t,x.jpg,-3,red", BadPrice, "price", "a15"),
    (b"a16,t,x.jpg,1.2.3,red", BadPrice, "price", "a16"),
    (b"a17,t,x.jpg,nan,red", BadPrice, "price", "a17"),
    (b"a18," + b"t" * 2001 + b",x.jpg,9,red", BadValue, "title", "a18"),
    (b"i" * 257 + b",t,x.jpg,9,red", BadValue, "id", "i" * 257),
    (b'a20,"two" quotes, and comma,x.jpg,9,red', BadSyntax, None, "a20"),
    (b"a21,caf\xe9,x.jpg,9", BadEncoding, "title", "a21"),
]


@pytest.mark.parametrize("together", [True, False])
def test_each_broken_row_costs_itself_alone(path: Path, together: bool) -> None:
    batches = [BROKEN] if together else [[broken] for broken in BROKEN]
    for batch in batches:
        content = b"id,title,image,price,colour\n"
        for index, (line, *_) in enumerate(batch):
            content += line + b"\n" + f'g{index},"good, ""one""",g.jpg,12.50,red\n'.encode()
        rows = read(path, content)
        bad, good = rows[::2], rows[1::2]
        found = [(type(row.error), row.error and row.error.field, row.raw_id) for row in bad]
        assert found == [(kind, field, raw_id) for _, kind, field, raw_id in batch]
        assert [row.number for row in rows] == list(range(2, 2 + 2 * len(batch)))
        assert all(row.error and row.error.message and row.error.mend for row in bad)
        assert [row.product for row in good] == [
            Product(
                id=f"g{index}", title='good, "one"', image="g.jpg", price=12.5, attributes={"colour": "red"}
            )
            for index in range(len(batch))
        ]


@pytest.mark.parametrize("line", [b"t,a1,x", b'"t,a1', b"t,with comma,a1", b"caf\xe9,x,a1"])
def test_id_of_a_shifted_row_is_unknown_rather_than_wrong(path: Path, line: bytes) -> None:
    (row,) = read(path, b"title,id\n" + line)
    assert row.error is not None and row.raw_id is None


def test_open_quote_does_not_swallow_the_rows_up_to_the_next_quote(path: Path) -> None:
    rows = read(
        path, 'id,title,image\n1,"open,a.jpg\n2,two,b.jpg\n3,three,c.jpg\n4,"four",d.jpg\n5,inch",e.jpg\n'
    )
    assert [(row.number, row.raw_id, row.error is None) for row in rows] == [
        (2, "1", False),
        (3, "2", True),
        (4, "3", True),
        (5, "4", True),
        (6, "5", True),
    ]
    rows = read(path, 'id,title,image\n1,"open,a.jpg\n2,two,b.jpg\n3,"\n4,four,d.jpg\n')
    assert [(row.number, row.raw_id, row.error is None) for row in rows] == [
        (2, "1", False),
        (3, "2", True),
        (4, "3", False),
        (5, "4", True),
    ]


def test_record_over_several_lines_with_a_cell_missing_is_one_bad_row(path: Path) -> None:
    rows = read(path, 'id,title,image\n1,"over\nthree\nlines"\n2,two,b.jpg\n')
    assert [(row.number, type(row.error), row.raw_id) for row in rows] == [
        (2, BadColumns, "1"),
        (5, type(None), "2"),
    ]


def test_quotes_inside_unquoted_cells_are_text(path: Path) -> None:
    rows = read(path, 'id,title,image\n1,5" nail,a.jpg\n2,"Big" dress,b.jpg\n')
    assert [row.product and row.product.title for row in rows] == ['5" nail', "Big dress"]


def test_unclosed_quote_in_a_long_file_is_found_without_reading_all_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csvfile, "_MAX_SPAN", 2000)
    content = 'id,title\n1,"open\n' + "".join(f"{number},t{number}\n" for number in range(2, 1000))
    rows = read(path, content)
    assert rows[0].number == 2 and len(rows) == 999
    # A cell of one line at the end is whole all the same.
    assert rows[0].product == Product(id="1", title="open")
    assert [row.raw_id for row in rows] == [str(number) for number in range(1, 1000)]


def test_long_data_uri_may_be_followed_by_a_cell_over_several_lines(path: Path) -> None:
    uri = "data:image/png;base64," + "A" * 2_000_000
    (row,) = read(path, f'id,image,title\n1,"{uri}","two\nlines"\n')
    assert row.product == Product(id="1", image=uri, title="two\nlines")


def test_blank_lines_and_trailing_delimiters_are_passed_over(path: Path) -> None:
    rows = read(path, "\n  \nid,title,\n\n1,one,\n,,\n2,two,,,\n   \n")
    assert [(row.number, row.product and row.product.id) for row in rows] == [(5, "1"), (7, "2")]


def test_old_line_endings_count_as_lines(path: Path) -> None:
    rows = read(path, "id,title\r1,one\r2,two")
    assert [(row.number, row.product and row.product.title) for row in rows] == [(2, "one"), (3, "two")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"title,image\nx,y\n", "no id column"),
        (b"id,title,title\n1,a,b\n", "more than one column named title"),
        (b"id,caf\xe9\n1,a\n", "not UTF-8"),
        (b"\xff\xfei\x00d\x00\n", "cannot be read"),
    ],
)
def test_catalogue_without_usable_header_is_refused_whole(path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CatalogueError, match=said) as caught:
        read(path, content)
    assert caught.value.mend


def test_half_a_letter_in_utf16_fails_as_a_catalogue_error(path: Path) -> None:
    path.write_bytes(("id,title\n" + "1,one\n" * 10_000).encode("utf-16")[:-3] + b"\x00\x00\xd8A\x00")
    with pytest.raises(CatalogueError, match="midway"):
        list(open_catalogue(path))


def test_catalogue_can_be_read_again(path: Path) -> None:
    path.write_text("id,title\n1,one\n2,two\n")
    catalogue = open_catalogue(path)
    assert list(catalogue) == list(catalogue) and catalogue.length_hint == 2


def test_memory_does_not_grow_with_the_length_of_the_file(tmp_path: Path) -> None:
    """200,000 rows: kept, they would take 20 MB as text and 200 MB as products."""
    script = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from services.catalogue.readers import open_catalogue

        def read(length):
            path = Path(sys.argv[1])
            with path.open("w") as file:
                file.write("id,title\\n")
                for number in range(length):
                    file.write(f"p{number},title {number} {'long words ' * 8}\\n")
            assert sum(row.product is not None for row in open_catalogue(path)) == length
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        print(read(2_000), read(200_000))
    """)
    output = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "long.csv"], capture_output=True, text=True, check=True
    ).stdout
    short, long = (int(kilobytes) for kilobytes in output.split())
    assert long - short < 10_000
