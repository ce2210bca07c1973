"""The files of a report: Markdown, JSON, and pages made again from the JSON alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from invented import NASTY, content, dots, lines, many, part, report, strips

from evenbatch.report import html, markdown, pages, record
from evenbatch.report.__main__ import main
from evenbatch.report.results import overlaid, read


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown text as rows of cells."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        row = line.startswith("|")
        if row and not inside:
            found.append([])
        if row:
            found[-1].append(re.split(r"(?<!\\)\|", line)[1:-1])
        inside = row
    return found


def test_tables_in_markdown_have_equal_columns() -> None:
    found = tables(markdown.render(many()))
    assert len(found) == 33
    assert len(found[0]) == 2 + 32
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert set(table[1]) == {" --- "}


def test_markdown_tells_all_that_the_page_tells() -> None:
    text = markdown.render(many(2))
    for words in (
        "# What normalization does, measured",
        "> With normalization claim-0 is better.",
        "**Rule, fixed beforehand.** Holds:",
        "[arXiv:1502.03167](https://arxiv.org/abs/1502.03167)",
        "4.2 times fewer steps (95 % interval 3.6 to 4.9), best against best",
        "Both rise; batch norm sooner.",
        "**What would change the answer.** A longer budget.",
    ):
        assert words in text, words


def test_odd_names_do_not_break_markdown() -> None:
    one = part("a", "a|b\n*c*", "holds", ())
    one["verdict"]["tables"][0]["columns"][0] = NASTY
    text = markdown.render(report([one]))
    assert "<script>" not in text
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    parts = [part("a", "digits", "holds", (lines(), strips(), dots()))]
    page = pages.write(tmp_path / "new", content(parts))
    text = (tmp_path / "new" / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    again = read(json.loads(text))
    (entry,) = again.entries
    assert entry.verdict is not None
    assert entry.verdict.effects[0].value == 4.2
    assert [f.kind for f in entry.verdict.figures] == ["lines", "strips", "dots"]
    assert str(entry.verdict.figures[1].series[0].y[-1]) == "nan"
    assert page.read_text(encoding="utf-8") == html.render(again)


def test_a_missing_end_of_an_interval_is_infinite() -> None:
    one = part("a", "digits", "holds", ())
    one["verdict"]["effects"][0] |= {"value": None, "low": None, "high": None}
    one["verdict"]["effects"][1] |= {"high": None, "bound": ""}
    (entry,) = report([one]).entries
    assert entry.verdict is not None
    unknown, open_ = entry.verdict.effects
    assert str((unknown.value, unknown.low, unknown.high)) == "(nan, -inf, inf)"
    assert open_.high == float("inf")
    text = markdown.render(report([one]))
    assert "- not known (95 % interval not known), best against best" in text
    assert "(95 % interval from 0.80)" in text or "(95 % interval from 0.8)" in text


def test_a_trial_takes_a_line_and_has_all_its_settings() -> None:
    one = part("a", "digits", "holds", (), 600)
    text = record.dumps(content([one]))
    lines_ = [line for line in text.splitlines() if re.match(r' *"[0-9a-f]{24}": ', line)]
    assert len(lines_) == 600
    settings = overlaid(one["shared"], next(iter(one["trials"].values())))
    assert settings["network"]["hidden"] == [64, 64, 64]
    assert settings["batch_size"] == 32
    assert json.loads(text)["experiments"][0] == one


def test_what_json_has_no_word_for_is_refused() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            record.dumps({"a": [value]})


def test_pages_are_made_again_from_the_json_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = pages.write(tmp_path, content([part("a", "digits", "holds", (lines(),))]))
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert main([str(tmp_path / "report.json")]) == 0
    assert page.read_text(encoding="utf-8") == before
    (tmp_path / "other.json").write_text("[1, 2]")
    assert main([str(tmp_path / "other.json")]) == 2
    assert "other.json is no report" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([])


def test_a_record_is_small_and_makes_the_same_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        part("a", "digits", "holds", (lines(),), 600),
        part("a", "cookies", "cannot tell", (dots(),)),
        part("b|c", "mine", "does not hold", ()),
        record.skipped("d", "d is so", "mnist", "Its files are not here."),
    ]
    parts[0]["verdict"] |= {"note": "more than claimed"}
    parts[1]["verdict"] |= {"effects": []}
    pages.write(tmp_path, content(parts))
    table, kept = tmp_path / "page.md", tmp_path / "kept.json"
    table.write_text("before\n<!-- verdicts -->\nX\n<!-- /verdicts -->\nafter\n", encoding="utf-8")
    made = ["--record", str(kept), "--table", str(table)]
    assert main([str(tmp_path / "report.json"), *made]) == 0
    page = table.read_text(encoding="utf-8")
    [rows] = tables(page)
    assert [row[1:] for row in rows[2:]] == [
        [
            " digits: ✓ holds, more than claimed (4.2 times fewer steps) ",
            " cookies: ? cannot tell ",
        ],
        [" mine: ✗ does not hold (4.2 times fewer steps) ", "  "],
        [" mnist: – not measured ", "  "],
    ]
    assert page.startswith(
        "before\n<!-- verdicts -->\n| the claim | on one data set | on another |"
    )
    assert page.endswith("<!-- /verdicts -->\nafter\n")
    assert "X" not in page
    assert kept.stat().st_size < 5000 < (tmp_path / "report.json").stat().st_size
    assert main([str(kept), "--table", str(table)]) == 0
    assert table.read_text(encoding="utf-8") == page
    table.write_text("no marks\n", encoding="utf-8")
    assert main([str(kept), "--table", str(table)]) == 2
    assert "page.md takes no table: there is no line <!-- verdicts -->" in capsys.readouterr().err
