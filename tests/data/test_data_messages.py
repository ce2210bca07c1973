"""A table that is refused: every fault is named, and the options proposed read the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data import Dataset, TableError, load_table

Write = Callable[..., Path]
Mended = Callable[..., Dataset]

ROWS = "".join(f"{i},{i * i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(1, 21))
TABLE = "a,b,y\n" + ROWS  # 20 rows; row 2 of the file is 1,1,yes


def column(cells: list[str], name: str = "a") -> str:
    """A column with these cells, quoted, and a target of 0 and 1 that lacks nothing."""
    return f"{name},y\n" + "".join(f'"{c}",{i % 2}\n' for i, c in enumerate(cells))


def values(data: Dataset, feature: str) -> list[float]:
    place = data.features.index(feature)
    return sorted(np.concatenate([data.x_train, data.x_test])[:, place].tolist())


GOOD = [str(i) for i in range(60)]  # rows 2 to 61


# The file


def test_an_encoding_is_found(write: Write, mended: Mended) -> None:
    latin = TABLE.replace("no", "né").encode("latin-1")  # first in row 4
    data = mended(write(latin), "line 4 holds a byte 0xE9 that is not utf-8", encoding="cp1252")
    assert data.classes == ("né", "yes")
    odd = TABLE.replace("no", "n\x81").encode("latin-1")  # cp1252 has no 0x81
    mended(write(odd), encoding="latin-1")
    for encoding in ("utf-16-le", "utf-16-be"):
        path = write(TABLE.encode(encoding))
        data = mended(path, "UTF-16 text without a byte-order mark", encoding=encoding)
        assert data.n_train == 16


def test_what_stands_above_the_header(write: Write, mended: Mended) -> None:
    comments = "# exported by station 4\n# units: C, hPa, none\n" + TABLE
    data = mended(
        write(comments),
        "rows 1 and 2 stand above the table, which begins in row 3, and are comments: "
        "'# exported by station 4', ",
        comment="#",
    )
    assert data.features == ("a", "b")
    title = "Tea of 2024\nsource:,a shop\n\n" + TABLE
    said = "rows 1 and 2 stand above the table, which begins in row 4: 'Tea of 2024'"
    mended(write(title), said, skip_rows=[1, 2])
    mended(write("% one\n" + TABLE), "row 1 stands above", "is a comment", comment="%")


def test_a_hash_in_the_header_is_no_comment(write: Write) -> None:
    assert load_table(write(TABLE.replace("a,b", "#a,b")), "y").features == ("#a", "b")


def test_comments_and_short_rows_among_the_data(write: Write, mended: Mended) -> None:
    noted = TABLE + "# sensor replaced\n" + ROWS
    mended(write(noted), "row 22 has 1; it is a comment ('# sensor replaced')", comment="#")
    said = "the header has 3 cells, but row 22 has 2; left out below"
    assert mended(write(TABLE + "5,6\n"), said, skip_rows=[22]).n_train == 16
    said = "but row 22 has 4, row 24 has 1; left out below"
    mended(write(TABLE + "5,6,no,8\n\n9\n"), said, skip_rows=[22, 24])
    notes = TABLE + "Source: a shop\n"
    mended(write(notes), skip_rows=[22])


def test_rows_of_units_and_types(write: Write, mended: Mended) -> None:
    text = "t,p,v\n" + "{}" + "".join(f"{i}.5,{1000 + i},{i * 2.5}\n" for i in range(30))
    said = "row 2 looks like units or types, and no data ('degC', 'hPa', '-'); left out below"
    data = mended(write(text.format("degC,hPa,-\n")), said, target="v", skip_rows=[2])
    assert data.n_train + data.n_test == 30
    orange = text.format("c\tc\tc\n\t\tclass\n".replace("\t", ","))
    mended(write(orange), "rows 2 and 3 look like units", target="v", skip_rows=[2, 3])
    words = "kind,size,y\nd,d,d\n,,class\n" + "".join(
        f"{'pq'[i % 2]},{'sml'[i % 3]},{'uv'[i % 4 > 1]}\n" for i in range(30)
    )
    mended(write(words), "rows 2 and 3 look like units", skip_rows=[2, 3])


def test_a_footer_and_a_header_that_comes_again(write: Write, mended: Mended) -> None:
    text = "t,p,v\n" + "".join(f"{i}.5,{1000 + i},{i * 2.5}\n" for i in range(30))
    said = "row 32 looks like a footer, and no data ('mean', 'see below')"
    mended(write(text + "mean,see below,\n"), said, target="v", skip_rows=[32])
    again = "row 32 looks like the header again, and no data"
    again = "row 32 looks like the header again ('t', 'p', 'v')"
    mended(write(text + text), again, target="v", skip_rows=[32])


def test_the_first_row_is_no_row_of_units_if_only_one_cell_is_odd(
    write: Write, mended: Mended
) -> None:
    text = "t,p,v\n-,1000,3.5\n" + "".join(f"{i}.5,{1000 + i},{i * 2.5}\n" for i in range(30))
    mended(write(text), "1 of 31 cells holds no number: '-' (row 2)", target="v",
           missing=["-"], drop_missing="rows")  # fmt: skip


def test_a_file_without_a_header(write: Write, mended: Mended) -> None:
    numbers = "".join(f"{i}.5,{i % 7}.25,{i % 2}\n" for i in range(30))
    said = ("row 1 holds data ('0.5', '0.25', '0'), not the names of columns",
            "(the target below is 'column 3': put the one you mean)")  # fmt: skip
    data = mended(write(numbers), *said, target="label", header=False)
    assert data.features == ("column 1", "column 2")
    assert data.n_train + data.n_test == 30
    data = mended(write(numbers), target="0.25", header=False)  # named by its first cell
    assert data.features == ("column 1", "column 3")
    words = "".join(f"{'pq'[i % 2]},{'sml'[i % 3]},{'uv'[i % 4 > 1]}\n" for i in range(30))
    mended(write(words), "row 1 holds data ('p', 's', 'u')", target="class", header=False)
    mixed = "".join(f"{i * 3 % 17},{'pq'[i % 2]},{i % 5}.5,{'uv'[i % 3 > 1]}\n" for i in range(30))
    mended(write(mixed), "row 1 holds data", target="class", header=False)


def test_a_header_may_hold_numbers(write: Write) -> None:
    """Pixels from 0, as pandas writes them; years."""
    pixels = ",".join(map(str, range(8))) + ",y\n"
    rows = "".join(",".join(str(i * j % 9) for j in range(8)) + f",{i % 2}\n" for i in range(20))
    assert load_table(write(pixels + rows), "y").features == tuple(map(str, range(8)))
    assert load_table(write(pixels[:-2] + "8\n" + rows), "8").n_features == 8
    years = "land,1952,1957,1962\n" + "".join(
        f"{'pqr'[i % 3]},{i * 3 % 7}.5,{i * 5 % 11},{i}.25\n" for i in range(20)
    )
    assert "1952" in load_table(write(years), "1962").features


def test_a_target_that_is_not_named_or_misspelt(write: Write, mended: Mended) -> None:
    said = "The columns are 'a', 'b', 'y' (the target below is 'y': put the one you mean)"
    mended(write(TABLE), "the column to predict is not named (--target). " + said, target=())
    mended(write(TABLE), "there is no target column 'Y'. Did you mean 'y'?", target="Y")


# Cells


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("abc", "'abc' (row 62); read as missing below"),
        ("none", "'none'"),
        ("1.2.3", "'1.2.3'"),
        ("#DIV/0!", "'#DIV/0!'"),
        ("12%", "'12%' (row 62), which carries a unit; read as missing below"),
        ("$12.50", "which carries a unit"),
        ("12 km", "which carries a unit"),
        ("136A", "'136A' (row 62); read as missing below"),
    ],
)
def test_one_cell_that_is_no_number(write: Write, mended: Mended, cell: str, message: str) -> None:
    said = "column 'a': 1 of 61 cells holds no number: "
    data = mended(write(column([*GOOD, cell])), said, message, missing=[cell], drop_missing="rows")
    assert data.n_train + data.n_test == 60


@pytest.mark.parametrize("cell", ["", "NA", " nan ", "#N/A", "?", "<NA>", "null"])
def test_one_cell_that_is_missing(write: Write, mended: Mended, cell: str) -> None:
    said = "values are missing in 'a' (1), the first of them in row 62; such rows are left out"
    data = mended(write(column([*GOOD, cell])), said, drop_missing="rows")
    assert values(data, "a") == list(range(60))


@pytest.mark.parametrize(
    ("cell", "what", "missing"),
    [
        ("inf", "inf is infinite (row 62)", ["inf"]),
        ("-Infinity", "-inf is infinite", ["-inf"]),
        ("1e999", "inf is infinite", ["inf"]),
        ("1e39", "1e+39 is beyond 3.4e38, the largest float32", ["1e+39"]),
        ("9" * 60, "1e+60 is beyond 3.4e38", ["1e+60"]),
    ],
)
def test_one_cell_beyond_float32(
    write: Write, mended: Mended, cell: str, what: str, missing: list[str]
) -> None:
    path = write(column([*GOOD, cell]))
    data = mended(path, "column 'a': " + what, missing=missing, drop_missing="rows")
    assert data.n_train + data.n_test == 60


@pytest.mark.parametrize(
    ("cells", "number", "what", "options"),
    [
        (["29,010", "1,704.6"], [29010, 1704.6], "a comma between thousands", {"thousands": ","}),
        (["1,234,567"], [1234567], "a comma between thousands (row 2: '1,234,567')",
         {"thousands": ","}),
        (["1,234"], [1234], "should that mean 1.234, put the comma for decimal, not for thousands",
         {"thousands": ","}),
        (["3,5", "-0,25"], [3.5, -0.25], "a decimal comma (row 2: '3,5')", {"decimal": ","}),
        (["1.234,5", "12,25"], [1234.5, 12.25], "a decimal comma and a point between thousands",
         {"decimal": ",", "thousands": "."}),
        (["1 234", "12"], [1234, 12], "a space between thousands", {"thousands": " "}),
        (["1\u202f234,5"], [1234.5], "a decimal comma and a space between thousands",
         {"decimal": ",", "thousands": " "}),
        (["1'234"], [1234], "an apostrophe between thousands", {"thousands": "'"}),
        (["1_000"], [1000], "an underscore between thousands", {"thousands": "_"}),
    ],
)  # fmt: skip
def test_numbers_written_otherwise(
    write: Write, mended: Mended, cells: list[str], number: list[float], what: str, options: Any
) -> None:
    other = [str(i) for i in range(6)]
    data = mended(write(column(cells * 3 + other)), "column 'a': ", what, **options)
    assert values(data, "a") == sorted(np.float32([*number * 3, *range(6)]).tolist())


def test_a_semicolon_means_decimal_commas(write: Write, mended: Mended) -> None:
    text = "a;y\n" + "".join(f"{i},125;{i % 2}\n" for i in range(9))
    assert values(mended(write(text), decimal=","), "a") == [i + 0.125 for i in range(9)]


def test_points_elsewhere_settle_what_a_comma_means(write: Write, mended: Mended) -> None:
    text = "a,b,y\n" + "".join(f'"1,{i}34",{i}.5,{i % 2}\n' for i in range(9))
    mended(write(text), thousands=",")


def test_a_unit_that_all_cells_carry_is_taken_away_and_said(write: Write, mended: Mended) -> None:
    for cells, unit, number in (
        (["5%", "6.5 %"], "%", 5),
        (["$1", "$ 2.50"], "$", 1),
        (["3 km", "12km"], "km", 3),
        (["1197 CC", "998 CC"], "CC", 998),
    ):
        data = load_table(write(column(cells * 6)), "y")
        assert values(data, "a")[0] == number
        assert f"Read as numbers without their unit: 'a' ({unit})." in data.notes
    price = write(column(["$170,457", "$93,906"] * 6))
    said = "12 numbers are written with a comma between thousands (row 2: '170,457' with '$')"
    assert values(mended(price, said, thousands=","), "a")[-1] == 170457


def test_units_that_differ_are_no_numbers(write: Write) -> None:
    data = load_table(write(column(["5 km", "6 mi"] * 6)), "y")
    assert data.features == ("a=5 km", "a=6 mi")


def test_a_column_that_is_half_numbers(write: Write, mended: Mended) -> None:
    """Half or more: numbers with mistakes; fewer: categories. Missing cells do not count."""
    half = "a,y\n" + "".join(f"{c},{i % 2}\n" for i, c in enumerate(["1", "x"] * 4))
    said = "4 of 8 cells hold no number: 'x' (row 3); read as categories below"
    assert mended(write(half), said, categories=["a"]).features == ("a=1", "a=x")
    fewer = half + "x,0\n"
    assert load_table(write(fewer), "y").features == ("a=1", "a=x")


def test_categories_keep_their_spelling(write: Write) -> None:
    text = "a,y\n" + "".join(f"{c},{i % 2}\n" for i, c in enumerate(["01", "x", "z"] * 4))
    assert load_table(write(text), "y").features == ("a=01", "a=x", "a=z")


def test_mixed_columns(write: Write, mended: Mended) -> None:
    tickets = [f"A/{i}" if i % 3 == 0 else str(1000 + i) for i in range(90)]
    text = "t,b,y\n" + "".join(f"{t},{i % 7},{i % 2}\n" for i, t in enumerate(tickets))
    mended(write(text), "30 of 90 cells hold no number", "and 25 more (row 2); left out below",
           drop=["t"])  # fmt: skip
    doors = "d,y\n" + "".join(f"{d},{i % 2}\n" for i, d in enumerate(["2", "3", "4", "5more"] * 9))
    mended(write(doors), "9 of 36 cells hold no number: '5more'", categories=["d"])


def test_a_word_for_missing_is_none_where_it_is_a_category(write: Write, mended: Mended) -> None:
    """'other' in a column of numbers is a mistake; read as missing it would empty a category."""
    text = "a,kind,y\n" + "".join(
        f"{'other' if i == 9 else i},{('other', 'tea')[i % 2]},{i % 2}\n" for i in range(60)
    )
    mended(write(text), "'other' (row 11); left out below", drop=["a"])


def test_all_faults_are_found_at_once(write: Write, mended: Mended) -> None:
    """Though each hides the next: comments, a row of units, separators, words, gaps, names."""
    rows = [
        f'{i},"1,{i:03d}",{"-" if i == 40 else i % 9}.,Ann {i},{"uv"[i % 2]}' for i in range(60)
    ]
    rows[40] = rows[40].replace("-.", "-")
    rows[50] = '50,"1,050",,Ann 50,u'
    text = "# tea\ni,price,grade,who,y\nno,EUR,pt,name,class\n" + "\n".join(rows)
    data = mended(
        write(text, "tea.csv"),
        "tea.csv cannot be used as it is:\n  row 1 stands above the table, which begins in row 2",
        "\n  row 3 looks like units or types, and no data",
        "\n  column 'price': 60 numbers are written with a comma between thousands",
        "\n  column 'grade': 1 of 59 cells holds no number: '-' (row 44); read as missing below",
        "\n  column 'who' holds 60 different texts in 60 rows ('Ann 0', ",
        "\n  values are missing in 'grade' (2), the first of them in row 44",
        "\nThis reads it (58 rows, 3 inputs):\n  load_table(",
        comment="#", skip_rows=[3], thousands=",", missing=["-"], drop=["who"],
        drop_missing="rows",
    )  # fmt: skip
    assert values(data, "price")[:2] == [1000, 1001]


def test_options_that_were_given_stay(write: Write, mended: Mended) -> None:
    text = "id,zip,a,y\n" + "".join(f"k{i},{i % 3},{i or ''},{i % 2}\n" for i in range(60))
    given = {"drop": ["id"], "categories": ["zip"]}
    mended(write(text), "values are missing in 'a' (1)", given=given, drop_missing="rows")


def test_rows_are_counted_as_a_spreadsheet_does(write: Write) -> None:
    """A line break inside a cell begins no row; a blank line or a comment is one."""
    text = "a,b,y\n" + "".join(f'{i},"two\nlines {i % 2}",{i % 2}\n' for i in range(60))
    with pytest.raises(TableError, match=r"'x' \(row 63\)"):
        load_table(write(text + "\nx,two,1\n"), "y")
    with pytest.raises(TableError, match=r"'x' \(row 64\)"):
        load_table(write("# b\n" + text + "\nx,two,1\n"), "y", comment="#")


# Gaps


def gaps(**missing: int) -> str:
    """Sixty rows of a, b and y; of each named column the last `missing` cells are empty."""
    names = ["a", "b", "c", "y"]
    rows = [[str(i % 11), f"{i * 7 % 13}.5", "pqr"[i % 3], "uv"[i % 2]] for i in range(60)]
    for name, many in missing.items():
        for row in rows[60 - many :]:
            row[names.index(name)] = ""
    return "\n".join(",".join(row) for row in [names, *rows])


def test_few_gaps_cost_rows_and_many_cost_their_column(write: Write, mended: Mended) -> None:
    said = "values are missing in 'a' (3), 'c' (1), the first of them in row 59; such rows"
    assert mended(write(gaps(a=3, c=1)), said, drop_missing="rows").n_features == 5
    said = "values are missing in 'b' (50), the first of them in row 12; left out below"
    assert mended(write(gaps(b=50)), said, drop=["b"]).n_train == 48
    said = "values are missing in 'b' (50), 'a' (2), the first of them in row 12; columns with many"
    data = mended(write(gaps(b=50, a=2)), said, drop=["b"], drop_missing="rows")
    assert data.n_train + data.n_test == 58


def test_gaps_in_the_target_cost_rows(write: Write, mended: Mended) -> None:
    data = mended(write(gaps(y=50)), "values are missing in 'y' (50)", drop_missing="rows")
    assert data.n_train + data.n_test == 10


def test_an_empty_column(write: Write, mended: Mended) -> None:
    mended(write(gaps(c=60)), "'c' (60), the first of them in row 2; left out below", drop=["c"])


def test_what_is_left_out_is_said(write: Write) -> None:
    path = write(gaps(a=3, c=1, y=1))
    rows = load_table(path, "y", drop_missing="rows")
    assert (
        "3 of 60 rows are left out: a value is missing in 'a' (3), 'y' (1), 'c' (1)." in rows.notes
    )
    assert rows.source == "Your table t.csv, 57 of 60 rows, target 'y'."
    columns = load_table(path, "y", drop_missing="columns")
    assert columns.features == ("b",)
    assert "Left out, since a value is missing: 'a' (3), 'c' (1)." in columns.notes
    assert "1 of 60 rows are left out: a value is missing in 'y' (1)." in columns.notes


def test_categories_of_rows_that_are_left_out_are_gone(write: Write) -> None:
    text = "a,kind,y\n" + "".join(
        f"{'' if i == 9 else i},{'rare' if i == 9 else 'pq'[i % 2]},{i % 2}\n" for i in range(20)
    )
    data = load_table(write(text), "y", drop_missing="rows")
    assert data.features == ("a", "kind=p", "kind=q")


# Columns


def test_columns_of_many_texts(write: Write, mended: Mended) -> None:
    def text(cells: list[str]) -> str:
        return "a,b,y\n" + "".join(f"{i % 7},{c},{i % 2}\n" for i, c in enumerate(cells))

    said = "column 'b' holds 60 different texts in 60 rows ('name 0', 'name 1', 'name 10' and 57"
    mended(write(text([f"name {i}" for i in range(60)])), said, "an identifier", drop=["b"])
    dates = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(60)]
    mended(write(text(dates)), "60 different texts", "dates or times (days", drop=["b"])
    months = [f"{1 + i % 28} {('Mar', 'Sep', 'June')[i // 28]} 2024" for i in range(60)]
    mended(write(text(months)), "dates or times", drop=["b"])
    months = [f"{1960 + i} Aug" if i % 2 else f"{1960 + i}-Dec" for i in range(60)]
    mended(write(text(months)), "dates or times", drop=["b"])
    streets = [f"{i} Market Street" for i in range(60)]
    mended(write(text(streets)), "a name or an identifier", drop=["b"])
    towns = [f"town {i % 60}" for i in range(900)]
    said = "more than 50 are taken for categories only where that is said; read as categories"
    assert mended(write(text(towns)), said, categories=["b"]).n_features == 61
    free = [f"word {i % 300}" for i in range(900)]
    mended(write(text(free)), "a name, an identifier or free text, and no category", drop=["b"])


def test_numbers_that_float32_cannot_tell_apart(write: Write, mended: Mended) -> None:
    """Seconds since 1970: neighbours in time become the same number."""

    def text(times: list[Any]) -> str:
        return "t,b,y\n" + "".join(f"{t},{i % 7},{i % 2}\n" for i, t in enumerate(times))

    said = "column 't' holds numbers near 1.7e+09 that differ by 8.66; float32, in which networks"
    mended(write(text([1_700_000_000 + i for i in range(30)])), said, drop=["t"])
    mended(write(text([f"{i}e-60" for i in range(9)])), "near 4e-60", drop=["t"])
    days = write(text([1_700_000_000 + 86_400 * i for i in range(30)]))
    assert load_table(days, "y").n_train == 24  # days apart: fine
    huge = write(text([10**30 + i * 10**28 for i in range(30)]))
    assert load_table(huge, "y").x_train.max() > 1e30


def test_a_task_that_does_not_fit(write: Write, mended: Mended) -> None:
    words = write("a,y\n" + "".join(f"{i % 7},{'uv'[i % 2]}\n" for i in range(20)))
    said = "the target 'y' holds texts (row 2: 'u'), but a regression needs numbers"
    with pytest.raises(TableError, match=r"This reads it.*\n.*task='classification'") as error:
        load_table(words, "y", task="regression")
    assert said in str(error.value)
    numbers = write("a,y\n" + "".join(f"{i % 7},{i * 1.5}\n" for i in range(20)))
    with pytest.raises(TableError, match="20 classes in 20 rows") as error:
        load_table(numbers, "y", task="classification")
    assert error.value.reading is not None
    assert error.value.reading.options.task == "regression"


def test_messages_name_everything_that_is_to_be_pasted(write: Write, mended: Mended) -> None:
    names = [f"n{i}" for i in range(40)]
    rows = ["".join(f"text {i} {j}," for j in range(40)) + f"{i % 7},{i % 2}" for i in range(60)]
    path = write("\n".join([",".join([*names, "a", "y"]), *rows]))
    assert mended(path, "\n  column 'n39' holds", drop=names).features == ("a",)


def test_names_of_every_kind_come_back(write: Write, mended: Mended) -> None:
    names = ["--drop", "a, b", 'say "hi"', "größe 📏", "it's", "two\nlines"]
    head = ",".join('"' + name.replace('"', '""') + '"' for name in [*names, "b", "y"])
    rows = [",".join([f"t{i}"] * 6 + [str(i % 7), str(i % 2)]) for i in range(60)]
    mended(write("\n".join([head, *rows])), drop=names)


def test_a_row_of_types_may_list_values(write: Write, mended: Mended) -> None:
    """As Orange writes them: of a discrete column the values, some of which are numbers."""
    text = "t,p,sick,kind,y\nc,c,0 1,d,p q\n,,,,class\n" + "".join(
        f"{i}.5,{1000 + i},{i % 2},{'rs'[i % 2]},{'pq'[i % 3 > 1]}\n" for i in range(30)
    )
    mended(write(text), "rows 2 and 3 look like units or types", skip_rows=[2, 3])


def test_names_that_are_numbers_are_said(write: Write) -> None:
    text = "150,4,tea\n" + "".join(f"{i}.5,{i % 7}.5,{i % 2}\n" for i in range(60))
    said = "Columns whose names are numbers: '150', '4'. If row 1 holds data: --no-header."
    assert said in load_table(write(text), "tea").notes


def test_separators_that_would_break_other_columns_are_not_proposed(
    write: Write, mended: Mended
) -> None:
    text = "a;b;y\n" + "".join(f"{'3,5' if i == 7 else i};{i}.25;{i % 2}\n" for i in range(60))
    said = "column 'a': 1 of 60 cells holds no number: '3,5' (row 9); read as missing below"
    mended(write(text), said, missing=["3,5"], drop_missing="rows")


def test_a_point_between_thousands_where_other_columns_have_decimal_commas(
    write: Write, mended: Mended
) -> None:
    """1.234 reads as a number as it stands, and would be wrong."""
    text = "a;b;y\n" + "".join(f"{1 + i % 9}.{111 + i};{i},25;{i % 2}\n" for i in range(60))
    data = mended(write(text), decimal=",", thousands=".")
    assert min(values(data, "a")) >= 1111
