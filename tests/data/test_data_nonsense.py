"""CSV and its relatives: what cannot be read at all, and nonsense of every kind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenbatch.data import DataError, TableError, load_table

Write = Callable[..., Path]

ROWS = "".join(f"{i},{i * i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(1, 21))
TABLE = "a,b,y\n" + ROWS  # 20 rows; row 2 of the file is 1,1,yes


def refused(path: Path, *messages: str, target: Any = "y", **options: Any) -> None:
    """It cannot be read, and nothing is proposed that would."""
    with pytest.raises(DataError) as error:
        load_table(path, target, **options)
    for message in messages:
        assert message in str(error.value)
    assert not isinstance(error.value, TableError) or error.value.reading is None
    assert "This reads it" not in str(error.value)


def test_files_that_are_not_there(write: Write, tmp_path: Path) -> None:
    write(TABLE, "wine.csv")
    refused(tmp_path / "wine.cvs", "there is no file", "Did you mean 'wine.csv'?")
    refused(tmp_path / "none" / "wine.csv", f"There is no folder {tmp_path / 'none'}")
    refused(tmp_path, "is a folder, not a file")


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        (b"", ["the file is empty (0 bytes)"]),
        (b" \n\n \n", ["the file is empty. It needs a header row"]),
        (b"\xef\xbb\xbf", ["the file is empty"]),
        (b"a,b,y\n", ["there are no rows below the header"]),
        (b"a,b,y\n1,2,yes\n", ["1 row of data cannot be split", "At least 2"]),
        (bytes(range(256)) * 9, ["a binary file (a zero byte at position 0)"]),
        (b"\x89PNG\r\n\x1a\n\0\0", ["this is a PNG picture", "save or export it"]),
        (b"%PDF-1.7\n", ["this is a PDF document"]),
        (b"\x1f\x8b\x08\0", ["cannot be unpacked", "Pack it again"]),
        (b"BZh9no", ["cannot be unpacked"]),
        (b"\xfd7zXZ\0no", ["cannot be unpacked"]),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 9, ["this is an old Excel workbook"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", ["this is an Excel workbook"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.oasis.opendocument", ["OpenDocu"]),
        (b"PK\x03\x04" + b"\0" * 26 + b"thing.txt", ["this is a ZIP archive"]),
        (b"PAR1" + b"\0" * 9, ["this is a Parquet file", "Rename it to end in .parquet"]),
        (b"SQLite format 3\0", ["this is a SQLite database"]),
        (b"\x89HDF\r\n", ["this is an HDF5 file"]),
        (b'[{"a": 1, "y": 2}]', ["this is a JSON file", "pandas.read_json("]),
        (b'{"a": 1, "y": 2}\n{"a": 3, "y": 4}\n', ["this is a file of JSON lines", "lines=True"]),
        (b"[\n  [1, 2],\n  [3, 4]\n]", ["this is a JSON file"]),
        (b"<!DOCTYPE html><table>", ["this is a web page"]),
        (b"\xff\xfe" + b"\x00\xd8" * 3, ["line 1 holds a byte 0x00 that is not utf-16 text"]),
    ],
)
def test_files_that_are_no_tables(write: Write, content: bytes, messages: list[str]) -> None:
    refused(write(content), "t.csv: ", *messages)


def test_an_encoding_that_does_not_fit(write: Write) -> None:
    latin = TABLE.replace("no", "né").encode("latin-1")
    refused(write(latin), "there is no encoding 'klingon'", encoding="klingon")
    refused(write(latin), "line 4 holds a byte 0xE9 that is not ascii", encoding="ascii")


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("a b\n1\n3\n", ["only one column was found, 'a b'", "--delimiter"]),
        ('a,y\n1,"open\n2,b\n', ["row 2 cannot be split", "opened and never closed"]),
        ('a,y\n1,no\n2,"x"y\n3,c\n', ["row 3 cannot be split"]),
        ("a,y\n" + "x" * 200_000 + ",1\n", ["row 2 cannot be split", "field limit"]),
        (
            "a,b,y\n" + "".join(f"{i % 5},5{i % 3},2.5,no\n" for i in range(20)),
            ["the header has 3 cells, but every row has 4", "decimal comma"],
        ),
        (TABLE + "9\n" * 8, ["row 26 has 1 and 3 more rows differ"]),
    ],
)
def test_rows_that_are_no_table(write: Write, content: str, messages: list[str]) -> None:
    refused(write(content), *messages)


def test_a_target_that_is_not_there(write: Write) -> None:
    """All columns are named, so that one can be chosen."""
    names = [f"column_{i:02d}" for i in range(40)]
    rows = [",".join(str(i * j % 7) for j in range(40)) for i in range(9)]
    path = write("\n".join([",".join(names), *rows]))
    refused(path, "there is no target column 'quality'.", *map(repr, names), target="quality")


def test_targets_that_cannot_be_learned(write: Write) -> None:
    def refused_target(values: list[Any], *messages: str, **options: Any) -> None:
        text = "a,y\n" + "".join(f"{i},{v}\n" for i, v in enumerate(values))
        refused(write(text), *messages, **options)

    refused_target(["yes"] * 9, "the target 'y' is 'yes' in all 9 rows", "two are needed")
    refused_target([1] * 9, "the target 'y' is '1' in all 9 rows")
    refused_target([4.5] * 9, "the target 'y' is 4.5 in all 9 rows", "nothing to learn")
    refused_target([f"n{i}" for i in range(9)], "9 classes in 9 rows", "choose another target")
    labels = [2**60, 2**60 + 1] * 5
    refused_target(labels, "whole numbers beyond 2^53", task="classification")
    refused_target(["", "NA"] * 4, "values are missing in 'y' (8)", "no rows and columns would be")


def test_nothing_to_learn_from(write: Write) -> None:
    name = "a,y\n" + "".join(f"name {i},{i % 2}\n" for i in range(60))
    refused(write(name), "a name or an identifier", "nothing is left to learn from")
    stamp = "t,y\n" + "".join(f"{1_700_000_000 + i},{i % 2}\n" for i in range(30))
    refused(write(stamp), "column 't' holds numbers near 1.7e+09", "subtract a constant", "nothing")
    refused(write(TABLE), "nothing is left to learn from", drop=["a", "b"])


def test_options_that_cannot_be(write: Write) -> None:
    path = write(TABLE)
    for options, message in (
        ({"dorp": "a"}, "a table has no option 'dorp'. Did you mean 'drop'? Its options are"),
        ({"drop": "A"}, "drop names a column 'A', which is not there. Did you mean 'a'?"),
        ({"categories": "zz"}, "categories names a column 'zz', which is not there."),
        ({"drop": "y"}, "'y' cannot be the target and be dropped"),
        ({"drop_missing": "cells"}, "drop_missing is 'cells', not one of ('rows', 'columns')"),
        ({"task": "classify"}, "task is 'classify', not one of"),
        ({"decimal": ";"}, "decimal is ';', not one of"),
        ({"decimal": ",", "thousands": ","}, "decimal and thousands are both ','"),
        ({"delimiter": ",,"}, "delimiter is ',,'; it must be one character"),
        ({"delimiter": '"'}, "it must be one character"),
        ({"thousands": "0"}, "it must be one character"),
        ({"skip_rows": "2-1"}, "skip_rows holds '2-1'; give numbers of rows, counted from 1"),
        ({"skip_rows": [0]}, "skip_rows holds 0"),
        ({"skip_rows": "1-999999999"}, "skip_rows holds '1-999999999'"),
        ({"header": "no"}, "header is 'no'; it must be True or False"),
        ({"rows": 1}, "rows is 1; it must be a whole number of at least 2"),
        ({"encoding": 3}, "encoding is 3; it must be a text"),
        ({"test_share": 1.5}, "test_share is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ):
        refused(path, message, **options)


@given(content=st.binary(max_size=400))
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_bytes_are_a_data_set_or_a_data_error(tmp_path: Path, content: bytes) -> None:
    """No other exception, whatever the file."""
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        load_table(path, "no such column")


@given(content=st.text("ab01.,;\t\n\"'# -eé%$", max_size=200), head=st.booleans())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_read_or_refused_and_what_is_proposed_reads_it(
    tmp_path: Path, content: str, head: bool
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" * head + content, newline="")
    reading = None
    try:
        assert load_table(path, "b").n_train >= 1
    except TableError as error:
        reading = error.reading
    except DataError:
        pass
    if reading is not None:
        assert load_table(path, reading.target, **reading.options.given()).n_train >= 1


@given(
    cells=st.lists(st.sampled_from(["1", "2.5", "1,5", "1,234", "x", "-", "", "3%", "$4"])),
    delimiter=st.sampled_from(";\t|"),
)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_cells_are_read_as_they_are_or_refused(
    tmp_path: Path, cells: list[str], delimiter: str
) -> None:
    """A column that is read as numbers holds exactly the numbers that stand there."""
    path = tmp_path / "t.csv"
    lines = [delimiter.join(["a", "b", "y"])]
    lines += [delimiter.join([str(i), c, str(i % 2)]) for i, c in enumerate(cells)]
    path.write_text("\n".join(lines))
    with contextlib.suppress(DataError):
        data = load_table(path, "y")
        if "b" in data.features:
            signs = {"3%", "$4"}.intersection(cells)
            assert set(cells) == signs or not set(cells) - {"1", "2.5"}
            assert len(signs) <= 1
