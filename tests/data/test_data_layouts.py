"""How the tables lie that people publish: what stands above, beside and below them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data import DataError, Dataset, TableError, load_table, table
from evenbatch.data.table.text import read_text

Write = Callable[..., Path]
Mended = Callable[..., Dataset]


def test_prose_above_the_table(write: Write, mended: Mended) -> None:
    """A page of it, in which rows may be as wide as the table."""
    prose = ["TEA/ITL archive", "", "Name: tea (tea.dat)", "   of 2024, by hand", "two words",
             *(" ".join(["word"] * (3 + i % 6)) for i in range(60)), "Data:   y     x"]  # fmt: skip
    rows = [f"  {i * i % 17}.5E0    {i}.25E0" for i in range(40)]
    data = mended(
        write("\n".join([*prose, *rows]), "tea.dat"),
        "rows 1 to 66 stand above the table, which begins in row 67",
        target=(),
        skip_rows=[1, *range(3, 67)],
        header=False,
    )
    assert data.n_train + data.n_test == 40


def test_commas_above_a_table_without_any(write: Write, mended: Mended) -> None:
    prose = ["/* tea, sugar (y1), milk (y2),", "source: the office, of tea, 1974", "*/"]
    rows = [f" {i}.5        {i * 3 % 7}.1" for i in range(40)]
    mended(write("\n".join([*prose, " a       y", *rows])), skip_rows=[1, 2, 3])


def test_cells_that_hold_a_blank(write: Write, mended: Mended) -> None:
    kinds = ("12-15 cups", "< 12 cups", "16+ cups")
    rows = [f"{i:8}   {kinds[i % 3]:>10}      {i / 7:6.2f}   {'yes' if i % 4 else 'no'}"
            for i in range(60)]  # fmt: skip
    path = write("\n".join(["      id        kind       steep   y", *rows]))
    data = load_table(path, "y")
    assert data.features == ("id", *(f"kind={kind}" for kind in sorted(kinds)), "steep")
    # One blank is enough where all cells are numbers, however wide.
    rows = [f"{i:3} {i * 37 % 1000 - 500:4} {i % 2:4}" for i in range(60)]
    assert load_table(write("\n".join(["  a    b    y", *rows])), "y").n_features == 2


def test_colons_between_cells(write: Write, mended: Mended) -> None:
    rows = [f"{i}::{i * i % 11}::{i % 3}" for i in range(60)]
    how = {"target": (), "header": False, "drop": ["column 2", "column 4"]}
    data = mended(write("\n".join(rows)), "row 1 holds data", **how)
    assert data.features == ("column 1", "column 3")


def test_notes_below_the_table(write: Write, mended: Mended) -> None:
    rows = [f"{i},{i * i % 11},{i % 3}" for i in range(30)]
    notes = ["=====", "Footnotes", *(f'"{i} - as of May"' for i in range(5))]
    path = write("\n".join(["a,b,y", *rows, *notes]))
    mended(path, "the last rows, with words, are a footer; left out below",
           skip_rows=list(range(32, 39)))  # fmt: skip


def test_a_class_in_the_first_column_is_proposed_where_no_column_has_a_name(
    write: Write, mended: Mended
) -> None:
    """As archives of time series are written; elsewhere the last column is proposed."""
    waves = [[f"{np.sin(i * j):.7e}" for j in range(1, 9)] for i in range(40)]
    series = ["  ".join([f"{1 + i % 2}.0e+00", *wave]) for i, wave in enumerate(waves)]
    said = "(the target below is 'column 1': put the one you mean)"
    data = mended(write("\n".join(series)), said, target=(), header=False)
    assert data.classes == ("1", "2")
    places = [f"{100 * i},{i / 7},{i / 3}" for i in range(9)]
    said = "(the target below is 'column 3': put the one you mean)"
    mended(write("\n".join(places)), said, target=(), header=False)
    both = [f"{i % 2},{i / 7},{i % 3}" for i in range(40)]
    said = "(the target below is 'column 3': put the one you mean)"
    mended(write("\n".join(both)), said, target=(), header=False)


def test_a_series_as_pandas_writes_it(write: Write, mended: Mended) -> None:
    rows = [f"{1821 + i},{i * 37 % 11}.5" for i in range(40)]
    data = mended(write("\n".join([",0", *rows])), "The columns are 'column 1', '0'", target=())
    assert data.n_train + data.n_test == 40
    named = write("\n".join([",kind,y", *(f"{i},{'ab'[i % 2]},{i % 2}" for i in range(40))]))
    assert load_table(named, "y").features == ("kind=a", "kind=b")


def test_a_column_that_is_dropped_is_not_proposed(write: Write, mended: Mended) -> None:
    path = write("\n".join(["a,b,y", *(f"{i},{i % 2},{i % 3}" for i in range(40))]))
    said = "The columns are 'a', 'b' (the target below is 'b'"
    mended(path, said, target=(), given={"drop": ["y"]})
    with pytest.raises(DataError, match="every column is dropped"):
        load_table(path, (), drop=["a", "b", "y"])


def test_all_columns_may_be_categories(write: Write) -> None:
    path = write("\n".join(["a,b,y", *(f"{i % 5},{i % 2},{i % 3}" for i in range(40))]))
    assert load_table(path, "y", categories=["a", "b", "y"]).n_features == 7


def test_a_constant_may_be_rounded(write: Write) -> None:
    """Not: "holds numbers near 3.7 that differ by 9e-16, which float32 cannot hold"."""
    noise = [("0.1", "0.30000000000000004")[i % 2 == 0 and i > 5] for i in range(40)]
    rows = [f"{i},{3.7 + (i % 2) * 4e-16!r},{noise[i]},{i % 3}" for i in range(40)]
    assert load_table(write("\n".join(["a,b,c,y", *rows])), "y").n_features == 3


def test_one_column_is_no_table(write: Write) -> None:
    path = write("\n".join(["tea", *(f"{i}.5" for i in range(40))]))
    with pytest.raises(DataError, match=r"there is one column only, 'tea', '0\.5', '1\.5' and"):
        load_table(path, "tea")


def test_a_time_of_day_is_no_two_cells(write: Write) -> None:
    path = write("\n".join(["time", *(f"{i % 24}:30" for i in range(40))]))
    with pytest.raises(DataError, match="only one column was found, 'time'"):
        load_table(path, "time")


def test_names_behind_a_mark_of_comments(write: Write, mended: Mended) -> None:
    """As NumPy and gnuplot write them, under other comments or not."""
    rows = [f"  {i}.5   {i * i % 11}.25   {i % 3}" for i in range(40)]
    assert load_table(write("\n".join(["#  a  b  y", *rows])), "y").features == ("a", "b")
    lines = ["# peaks of tea", "#------------", "#  a         b   y", *rows]
    said = "rows 1 and 2 stand above the table, which begins in row 3: '#,peaks,of,tea'"
    assert mended(write("\n".join(lines)), said, target=(), skip_rows=[1, 2]).n_features == 2
    assert mended(write("\n".join(["# a long mere remark", *rows])), "and is a comment", target="y",
                  comment="#", header=False).n_features == 2  # fmt: skip


def test_titles_that_fill_a_cell_of_their_row(write: Write, mended: Mended) -> None:
    """As a spreadsheet writes them."""
    rows = [f"{'pqr'[i % 3]},{i},{i * i % 11}.5,{i % 2}" for i in range(40)]
    lines = [",,,", "Teas of the year,,,", "2024,,,", "kind,a,b,y", *rows]
    said = "rows 2 and 3 stand above the table, which begins in row 4: 'Teas of the year,,,'"
    assert mended(write("\n".join(lines)), said, target=(), skip_rows=[2, 3]).n_features == 5
    # A header with few names is one all the same.
    few = load_table(write("\n".join([",,,y", *rows])), "y")
    assert few.features[:3] == ("column 1=p", "column 1=q", "column 1=r")
    mended(write("\n".join([",,,y", *rows])), "(the target below is 'y'", target=())


def test_a_number_with_two_places_is_no_month(write: Write, mended: Mended) -> None:
    names = [f"{2300 + i}.00" if i % 5 < 2 else f"L{i}" for i in range(90)]
    rows = [f"{name},{i},{i % 2}" for i, name in enumerate(names)]
    mended(write("\n".join(["a,b,y", *rows])), "a name or an identifier", drop=["a"])


def test_a_file_is_read_again_only_if_its_cells_are_read_otherwise(
    write: Write, mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []

    def counted(*given: Any) -> Any:
        times.append(given)
        return read_text(*given)

    monkeypatch.setitem(table._READERS, "text", counted)
    rows = [f"name {i},{i if i % 9 else ''},{i * i % 11},{i % 3}" for i in range(60)]
    path = write("\n".join(["n,a,b,y", *rows]))
    with pytest.raises(TableError, match="not named"):
        load_table(path, ())
    assert len(times) == 1
    times.clear()
    mended(path, target=(), given={"missing": ["-"]}, drop=["n"], drop_missing="rows")
    assert len(times) == 2  # for the message, and for the data set
