"""Kinds of tables that people publish: each is read, or its message has the line that reads it."""

from __future__ import annotations

import gzip
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from evenbatch.data import DataError, Dataset, load_table

Write = Callable[..., Path]
Mended = Callable[..., Dataset]

ROWS = [f"{i},{i * i % 7},{'yes' if i % 3 else 'no'}" for i in range(1, 61)]
TABLE = "\n".join(["a,b,y", *ROWS]) + "\n"


def test_signs_for_missing_values_in_the_first_rows_are_no_units(
    write: Write, mended: Mended
) -> None:
    rows = [f"{'ABC'[i % 3]},{i},{i * i % 11},{i / 8}" for i in range(60)]
    for k in (0, 1, -1):
        rows[k] = "A,**,**,**"
    data = mended(
        write("\n".join(["state,a,b,y", *rows])),
        "3 of 60 cells hold no number: '**' (row 2); read as missing below",
        missing=["**"],
        drop_missing="rows",
    )
    assert data.n_train + data.n_test == 57


ARFF = """% 1. Title: tea "of 2024
%
@RELATION tea
@attribute 'steep time' REAL
@attribute kind {'green', 'it\\'s, black'}   % two
@ATTRIBUTE y {0, 1}

@DATA
"""


def test_an_arff_file_is_read_with_its_names(write: Write) -> None:
    rows = [f"{i / 4},{'green' if i % 3 else SAYS_IT_IS},{i % 2}" for i in range(40)]
    text = "\n".join([*rows[:9], "% a 'comment", *rows[9:]])
    data = load_table(write(ARFF + text, "t.arff"), "y")
    assert (data.n_train + data.n_test, data.task) == (40, "classification")
    assert data.features == ("steep time", "kind=green", "kind=it's, black")
    assert load_table(write(ARFF + text.replace("'", '"'), "t.arff"), "y").n_train == 32
    with pytest.raises(DataError, match=r"holds no number: 'two' \(row 50\)"):
        load_table(write(ARFF + text + "\ntwo,green,0", "t.arff"), "y")


SAYS_IT_IS = r"'it\'s, black'"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("REAL", "relational", "column 'steep time' of this ARFF file holds a table in each cell"),
        ("@DATA\n", "@DATA\n{0 0.5, 1 green}\n", "the rows of this ARFF file are sparse"),
    ],
)
def test_an_arff_file_that_is_no_table_says_so(write: Write, old: str, new: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_table(write(ARFF.replace(old, new) + "1,green,0\n" * 9, "t.arff"), "y")


def test_quotation_marks_may_be_letters(write: Write) -> None:
    rows = [f'{i}\t"tea\t{i % 2}' if i % 5 else f"{i}\tpot\t{i % 2}" for i in range(40)]
    data = load_table(write("\n".join(["a\tkind\ty", *rows])), "y")
    assert data.features == ("a", 'kind="tea', "kind=pot")
    assert "Quotation marks are read as letters." in data.notes
    # Where they hold a separator, or commas separate, they are marks, and one is missing.
    rows = [f'{i}\t"tea\tgreen"\t{i % 2}' for i in range(40)]
    for text in ("\n".join(["a\tkind\ty", *rows, '1\t"tea\t0']), TABLE + '1,"2,no\n'):
        with pytest.raises(DataError, match="quotation mark that is opened and never closed"):
            load_table(write(text), "y")


def test_a_target_that_is_proposed_can_be_predicted(write: Write, mended: Mended) -> None:
    """The last column that is no name, holds more than one value, and is not mostly empty."""
    rows = [f"{3 * i},{i % 2},name {i} {'of' * (i % 9)},same,," for i in range(60)]
    data = mended(
        write("\n".join(["a,y,name,unit,,", *rows])),
        "(the target below is 'y': put the one you mean)",
        target=(),
        drop=["name"],
    )
    assert data.task == "classification"
    # Places of three rows each, and a note in one row of three: neither is to be foretold.
    rows = [f"{3 * i},{i % 2},Town {i // 3},{i if i % 3 == 0 else ''}" for i in range(90)]
    with pytest.raises(DataError, match=r"\(the target below is 'y': put the one you mean\)"):
        load_table(write("\n".join(["a,y,home,extra", *rows])), ())


def test_a_letter_among_the_numbers_of_a_target_is_a_class(write: Write, mended: Mended) -> None:
    rows = [f"{i},{i * 7 % 11},{'U' if i % 25 == 7 else i % 3}" for i in range(100)]
    data = mended(write("\n".join(["a,b,y", *rows])), "4 of 100 cells", categories=["y"])
    assert data.classes == ("0", "1", "2", "U")


def packed(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_an_archive_of_one_table_is_read(tmp_path: Path) -> None:
    others = {"in/": "", "__MACOSX/x": "resource", "in/.DS_Store": "folder"}
    one = packed(tmp_path / "t.zip", **{"in/t.csv": TABLE}, **others)
    assert load_table(one, "y").fingerprint == load_table(_plain(tmp_path), "y").fingerprint
    two = packed(tmp_path / "two.zip", **{"a.csv": TABLE, "b.csv": TABLE})
    with pytest.raises(DataError, match=r"this is a ZIP archive of 'a\.csv', 'b\.csv'\."):
        load_table(two, "y")


@pytest.mark.parametrize("how", ["password", "method", "checksum", "xz"])
def test_an_archive_that_cannot_be_unpacked_says_so(tmp_path: Path, how: str) -> None:
    path = packed(tmp_path / "t.zip", **{"t.csv": TABLE})
    content = bytearray(path.read_bytes())
    listed = content.index(b"PK\1\2")
    for at in {"password": (6, listed + 8), "method": (8, listed + 10), "checksum": (200,)}.get(
        how, ()
    ):
        content[at] ^= 99
    if how == "xz":  # damaged in the middle, so that its letters come out wrong first
        content = bytearray(lzma.compress((TABLE * 500).encode()))
        content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^t\.zip: this archive cannot be unpacked \(.*Pack it"):
        load_table(path, "y")


def _plain(folder: Path) -> Path:
    path = folder / "t.csv"
    path.write_text(TABLE)
    return path


def shown(path: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the line that the message of this file shows."""
    with pytest.raises(DataError, match=said) as error:
        load_table(path, "y")
    code = str(error.value).split('python -c "')[1].removesuffix('"')
    monkeypatch.chdir(path.parent)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_pandas_reads_is_turned_into_a_table_by_the_line_shown(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    lines = "".join(f'{{"a": {i}, "b": "it\'s", "y": {i % 2}}}\n' for i in range(40))
    shown(write(lines, "it's.jsonl"), "this is a file of JSON lines", monkeypatch)
    assert load_table(tmp_path / "it's.csv", "y").n_train == 32
    Path("j.csv").write_text('[{"a": 1}]')
    with pytest.raises(DataError, match=r"to_csv\('j-table\.csv'"):  # not over it
        load_table("j.csv", "y")


def test_a_json_file_is_turned_into_a_table_if_it_holds_one(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    rows = [{"type": "place", "properties": {"a": i, "y": i % 2}} for i in range(40)]
    whole = {"type": "map", "names": [{"a": 1}], "features": rows}
    shown(write(json.dumps(whole), "map.json"), "this is a JSON file", monkeypatch)
    assert load_table(tmp_path / "map.csv", "properties.y").n_features == 2
    columns = gzip.compress(json.dumps({"a": [*range(40)], "y": [0, 1] * 20}).encode())
    shown(write(columns, "c.json.gz"), "this is a JSON file", monkeypatch)
    assert load_table(tmp_path / "c.csv", "y").n_train == 32
    for none in ({"a": 1, "y": [0, 1]}, {"a": {"b": 1}, "y": 2}, {}):
        with pytest.raises(DataError, match="this is a JSON file") as error:
            load_table(write(json.dumps(none, indent=1).replace("{}", '{"'), "n.json"), "y")
        assert "python -c" not in str(error.value)


def test_sparse_rows_are_turned_into_a_table_by_the_line_shown(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    rows = "".join(f"{i % 2 * 2 - 1} 1:{i / 4} {3 + i % 3}:1 # tea\n" for i in range(40))
    shown(write("# teas\n" + rows, "tea.txt"), "a file of sparse rows", monkeypatch)
    data = load_table(tmp_path / "tea.npz", "y")
    assert (data.n_train, data.n_features, data.classes) == (32, 5, ("-1", "1"))


def test_time_series_are_turned_into_a_table_by_the_line_shown(
    write: Write, tmp_path: Path, mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "#Teas, two of them\n\n@problemName Tea\n@timeStamps false\n@data\n"
    rows = "".join(f"{i / 4},{i % 7}.5:{i % 5}.25,?:{'green' if i % 2 else 'black'}\n"
                   for i in range(40))  # fmt: skip
    shown(write(head + rows, "tea.ts"), "a file of time series", monkeypatch)
    data = mended(tmp_path / "tea.csv", target=(), header=False, drop=["column 4"])
    assert (data.n_features, data.classes) == (3, ("black", "green"))


def test_an_excel_workbook_is_known_wherever_its_parts_stand(tmp_path: Path) -> None:
    files = {f"xl/drawings/{i}.xml": "x" * 3000 for i in range(3)} | {"xl/workbook.xml": "<x/>"}
    path = packed(tmp_path / "t.xlsx", **files)
    with pytest.raises(DataError, match=r"this is an Excel workbook[^$]*read_excel\("):
        load_table(path, "y")


def test_an_opendocument_file_is_known_wherever_its_parts_stand(tmp_path: Path) -> None:
    path = packed(tmp_path / "t.ods", **{"content.xml": "<x/>", "mimetype": "application"})
    with pytest.raises(DataError, match=r"this is an OpenDocument file[^$]*read_excel\("):
        load_table(path, "y")
