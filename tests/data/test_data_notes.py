"""What is usable but worth a second look: a sentence for each kind, and none without a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data import load_table

Write = Callable[..., Path]

N = 300  # so that 60 test rows are enough to say nothing


def table(**columns: Any) -> str:
    """A file of N rows: a column of noise, and these."""
    noise = np.random.default_rng(0).normal(size=N).round(9)
    columns = {"noise": noise, "y": [i % 2 for i in range(N)]} | columns
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)])


def notes(path: Path, target: Any = "y", **options: Any) -> tuple[str, ...]:
    return load_table(path, target, **options).notes


def test_nothing_to_say(write: Write) -> None:
    wild = np.random.default_rng(1).integers(0, 50, N)
    assert notes(write(table(population=wild, grade=[i % 5 for i in range(N)]))) == ()


EVEN = [i % 2 for i in range(N)]
SECOND_LOOKS: list[tuple[dict[str, Any], str]] = [
    (
        {"customer_id": range(1000, 1000 + 3 * N, 3)},
        "Whole numbers that look like identifiers, used as numbers: 'customer_id' (1000, 1003, …). "
        "--drop leaves them out.",
    ),
    (
        {"row": range(N)},
        "Whole numbers that rise by 1 from row to row, used as numbers: 'row' (0, 1, …). Where "
        "they only count the rows, --drop leaves them out.",
    ),
    ({"userId": np.random.default_rng(2).permutation(N) + 10**6}, "identifiers"),
    (
        {"zip": [f"0{1000 + 7 * i}" for i in range(N)]},
        "Numbers that begin with a zero, so probably names: 'zip' ('01000'). --categories reads "
        "them as such, --drop leaves them out.",
    ),
    (
        {"a": [-999 if i % 30 == 0 else i % 17 for i in range(N)]},
        "a code for a missing value: 'a' (-999 in 10 rows). --missing reads it so.",
    ),
    ({"a": [-999 if i % 30 == 0 else i * 17 for i in range(N)]}, "'a' (-999 in 10 rows)"),
    ({"a": [9999 if i == 30 else i % 17 for i in range(N)]}, "'a' (9999 in 1 rows)"),
    (
        {"kind": [("tea", "Tea", "mate")[i % 3] for i in range(N)]},
        "Texts that differ in case or spaces only: 'kind' ('tea', 'Tea'). They count as different.",
    ),
    (
        {"y": ["yes" if i % 2 else "Yes" if i % 4 else "no" for i in range(N)]},
        "'y' ('yes', 'Yes')",
    ),
    (
        {"day": [f"2024-01-{1 + i % 28:02d}" for i in range(N)]},
        "Dates, used as they stand: 'day' (2024-01-01)",
    ),
    ({"day": [20140101 + 10000 * (i % 9) + i % 28 for i in range(N)]}, "as they stand: 'day'"),
    ({"same": [4] * N}, "The same value in every row: 'same'."),
    (
        {"y": ["fraud" if i % 12 == 0 else "ok" for i in range(N)]},
        "91.7 % of the rows are 'ok': always answering so is right as often. A race is judged on "
        "as many test rows of each class.",
    ),
    (
        {"y": ["abcd"[i % 3] if i % 50 else "rare" for i in range(N)]},
        "Classes with fewer than 5 test rows (how many): 'rare' (1).",
    ),
    (
        {"y": ["ab"[i % 2] if i else "once" for i in range(N)]},
        "Classes with a single row are never tested: 'once'.",
    ),
    ({"copy": [3 * y for y in EVEN]}, "'copy' alone gives the target away in every row looked at."),
    (
        {"alive": [("yes", "no")[y] for y in EVEN]},
        "'alive=no', 'alive=yes' alone give the target away",
    ),
]


@pytest.mark.parametrize(("columns", "said"), SECOND_LOOKS)
def test_a_second_look_is_worth_it(write: Write, columns: Any, said: str) -> None:
    found = notes(write(table(**columns)))
    assert any(said in note for note in found), found
    others = [n for n in found if said not in n and not n.startswith("Read as categories")]
    assert others == []


@pytest.mark.parametrize(
    "texts",
    [
        ["15-19", "20-24", "25-29", "30-44", "45-54", "60+"],
        ["750-67-8428", "226-31-3081", "631-41-3108"],
        ["1. Never Married", "2. Married", "4. Divorced"],
    ],
)
def test_ranges_and_numbers_with_dashes_are_no_dates(write: Write, texts: list[str]) -> None:
    cells = [texts[i % len(texts)] for i in range(N)]
    assert notes(write(table(a=cells))) == (f"Read as categories (how many): 'a' ({len(texts)}).",)


def test_a_name_with_a_number_before_it_is_no_unit(write: Write) -> None:
    data = load_table(write(table(sex=["1. Male"] * N)), "y")
    assert data.features == ("noise", "sex=1. Male")
    assert data.notes[1:] == ("The same value in every row: 'sex=1. Male'.",)


def test_what_only_test_rows_have_is_said_so(write: Write) -> None:
    data = load_table(write(table(a=range(0, 3 * N, 3))), "y")
    tested = int(data.x_test[0, data.features.index("a")])
    kind = ["rare" if 3 * i == tested else "common" for i in range(N)]
    only, *more = notes(write(table(kind=kind)))[1:]
    assert only == "Nothing to learn from, as only test rows differ: 'kind=common', 'kind=rare'."
    assert more == []


def test_what_gives_a_number_away(write: Write) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 200, N), rng.integers(0, 300, N)
    path = write(table(casual=a, registered=b, y=a + b))
    assert notes(path) == (
        "The target 'y' is a weighted sum of 'casual', 'registered', which give it away.",
    )
    wage = rng.random(N) + 1
    path = write(table(wage=wage, logwage=np.log(wage), y=wage))
    assert notes(path) == ("'wage', 'logwage' alone give the target away in every row looked at.",)
    assert notes(write(table(near=wage + rng.normal(size=N) / 50, y=wage))) == ()


def test_few_test_rows_and_copies(write: Write) -> None:
    text = table().splitlines()
    assert notes(write("\n".join(text[:101]))) == (
        "Only 20 test rows: each is 5.0 points of accuracy.",
    )
    twice = notes(write("\n".join([*text[:151], *text[1:151]])))
    assert len(twice) == 1
    assert twice[0].endswith("of 60 test rows are copies of rows that are learned from.")


def test_texts_that_almost_every_row_has_for_itself(write: Write) -> None:
    text = "a,b,y\n" + "".join(f"{i % 7},name {i % 30},{i % 2}\n" for i in range(40))
    assert "Texts of which almost every row has its own: 'b' (30 in 40 rows)." in "".join(
        notes(write(text))
    )


def test_columns_that_are_left_out_are_not_looked_at(write: Write) -> None:
    path = write(table(customer_id=range(1000, 1000 + 3 * N, 3)))
    assert notes(path, drop="customer_id") == ()


def test_long_lists_are_cut(write: Write) -> None:
    same = {f"same{i}": [i] * N for i in range(30)}
    (note,) = notes(write(table(**same)))
    assert note.endswith("'same9' and 20 more.")


def test_columns_without_a_name(write: Write) -> None:
    """One that counts the rows, as pandas and R write it; one that holds nothing."""
    rows = table().splitlines()
    counted = [",".join(["", rows[0]]), *(f"{i},{row}" for i, row in enumerate(rows[1:]))]
    assert notes(write("\n".join(counted))) == (
        "Left out, since it has no name and counts the rows: 'column 1'.",
    )
    assert load_table(write("\n".join(counted)), "y").features == ("noise",)
    trailing = "\n".join(f"{row}," for row in rows)
    assert notes(write(trailing)) == (
        "Left out, since it has no name and holds nothing: 'column 3'.",
    )
    only_below = "\n".join([rows[0], *(f"{row}," for row in rows[1:])])
    assert notes(write(only_below)) == ()
    assert load_table(write(only_below), "y").features == ("noise",)


def test_names_of_rows_as_r_writes_them(write: Write) -> None:
    rows = table().splitlines()
    named = "\n".join([rows[0], *(f"{i},{row}" for i, row in enumerate(rows[1:], start=1))])
    data = load_table(write(named), "y")
    assert data.features == ("noise",)
    assert data.notes[0].startswith("The rows have one cell more than the header (row 1)")


def test_one_name_twice(write: Write, mended: Callable[..., Any]) -> None:
    text = table(a=[i % 5 for i in range(N)]).replace("noise", "a", 1)
    data = load_table(write(text), "y")
    assert data.features == ("a (1)", "a (2)")
    assert data.notes[0] == "2 columns are called 'a'; here they are 'a (1)' to 'a (2)'."
    with pytest.raises(ValueError, match=r"no target column 'a'. Did you mean 'a \(1\)'"):
        load_table(write(text), "a")


def test_a_long_table_is_sampled_and_said(write: Write) -> None:
    path = write(table(at=range(0, 3 * N, 3)))
    data = load_table(path, "y", rows=100)
    assert data.n_train + data.n_test == 100
    assert data.notes[0] == (
        "100 of 300 rows are used, drawn at random by the seed; --rows takes another number."
    )
    assert data.source == "Your table t.csv, 100 of 300 rows, target 'y'."
    at = np.concatenate([data.x_train, data.x_test])[:, data.features.index("at")]
    assert len(set(at.tolist())) == 100
    assert 300 < at.mean() < 600  # from all over the file
    other = load_table(path, "y", rows=100, seed=1)
    assert other.fingerprint != data.fingerprint
    assert load_table(path, "y", rows=100).fingerprint == data.fingerprint


def test_backslashes_before_quotation_marks(write: Write) -> None:
    text = table(who=['Al "the" tea' if i % 2 else "Bo" for i in range(N)])
    text = text.replace('Al "the" tea', '"Al \\"the\\" tea"')
    assert 'who=Al "the" tea' in load_table(write(text), "y").features
