"""The command line: what it prints, what it writes, and one message for what cannot work."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evenbatch import __version__, cli
from evenbatch.app.parts import parts_of
from evenbatch.app.tables import Tables
from evenbatch.claims import race_study
from evenbatch.claims.claim import QUICK
from evenbatch.table_options import DEFAULTS

SMALL = ["race", "--width", "8", "--depth", "1", "--steps", "60", "--lr-grid", "0.1,1"]


def evenbatch(*args: str, cwd: Path | None = None) -> Any:
    """Run the command in this process."""
    before = Path.cwd()
    try:
        if cwd is not None:
            os.chdir(cwd)
        return CliRunner().invoke(cli.app, [str(a) for a in args])
    finally:
        os.chdir(before)


def plain(text: str) -> str:
    """Without line breaks, so that a sentence can be looked for."""
    return " ".join(text.split())


# What it does.


def test_a_race_of_convolutions(tmp_path: Path) -> None:
    quick = ("--steps", "40", "--lr-grid", "0.1,1", "--seeds", "5", "--store", "off")
    file = tmp_path / "r.json"
    result = evenbatch(
        "race", "--conv", "4,4", "--pool", "max", *quick, "--json", file, "--out", tmp_path
    )
    assert result.exit_code == 0, result.output
    assert "convolutions (2 × 4 of kernel 3, max pool 2) relu units" in plain(result.stdout)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "conv 2 × 4 of kernel 3, max pool 2" in page
    [found] = json.loads(file.read_text())["experiments"]
    assert [one["channels"] for one in found["shared"]["network"]["conv"]] == [4, 4]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--conv", "16,x"), "--conv: 'x' is no number of channels; write it like --conv 16,32"),
        (("--conv", "²"), "--conv: '²' is no number of channels"),
        (("--pool", "max"), "about convolutions, and there are none: name them, as in --conv"),
        (("--conv", "16", "--data", "cookies"), "the columns of 'cookies' are not positions"),
        (("--conv", "8", "--kernel", "9", "--stride", "9", "--data", "stories"), "not positions"),
        (("--conv", "8,8,8,8,8", "--pool", "max"), "conv[3]: window is 2, but only 1 × 1"),
    ],
)
def test_convolutions_that_cannot_be(options: tuple[str, ...], wanted: str) -> None:
    result = evenbatch("race", *options, "--store", "off")
    assert result.exit_code != 0
    assert wanted in plain(result.output)
    assert "Traceback" not in result.output


def test_version() -> None:
    result = evenbatch("--version")
    assert (result.exit_code, result.stdout) == (0, f"evenbatch {__version__}\n")


def test_no_arguments_show_the_help() -> None:
    text = plain(evenbatch().output)
    for command in ("race", "prove", "info"):
        assert f" {command} " in text


def test_help_tells_every_option_of_a_race() -> None:
    text = evenbatch("race", "--help").output
    for name in signature(cli.race.race).parameters:
        assert f"--{name.replace('_', '-')}" in text
    assert "(default: all)" in plain(re.sub("[│╭╰─╮╯]", "", text))


def test_defaults_of_the_command_are_those_of_the_race() -> None:
    own = signature(race_study).parameters
    for name, parameter in signature(cli.race.race).parameters.items():
        if name in own and name not in ("data", "rates"):
            assert parameter.default == own[name].default, name


def test_a_race_prints_draws_and_records(tmp_path: Path) -> None:
    result = evenbatch(*SMALL, "--json", "out/record.json", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    text = plain(result.stdout)
    assert "digits (1438 training and 359 test rows), 1 hidden layer of 8 relu units" in text
    assert "best against best" in text
    assert re.search(r"“3–5 times faster” (held|did not hold|was undecided)", text)
    content = json.loads((tmp_path / "out" / "record.json").read_text(encoding="utf-8"))
    assert content["complete"] is True
    assert content["experiments"][0]["shared"]["network"]["hidden"] == [8]
    assert content["sentence"] in text
    assert "finding learning rates, 0 of about" in result.stderr


def test_json_to_standard_output_is_json_alone(tmp_path: Path) -> None:
    result = evenbatch(*SMALL, "--json", "-", cwd=tmp_path)
    assert json.loads(result.stdout)["experiments"][0]["claim"] == "speed"
    assert "best against best" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_one_sentence(tmp_path: Path) -> None:
    result = evenbatch(*SMALL, "--quiet", cwd=tmp_path)
    assert plain(result.stdout).startswith("“3–5 times faster” ")
    assert plain(result.stdout).count(".)") + plain(result.stdout).count(". ") <= 1
    assert "finding" not in result.stderr


def test_a_table_of_ones_own_races(tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(400))
    (tmp_path / "tea.csv").write_text("grams,milk,good\n" + rows)
    result = evenbatch(
        *SMALL,
        "--data",
        "tea.csv",
        "--target",
        "good",
        "--norm",
        "layer",
        "--out",
        "tea",
        cwd=tmp_path,
    )
    assert result.exit_code == 0, result.output
    assert "table:tea (320 training and 80 test rows)" in result.stdout
    assert "layer norm" in (tmp_path / "tea" / "report.md").read_text(encoding="utf-8")


def test_prove_runs_each_claim_on_each_data_set_and_sums_up(tmp_path: Path) -> None:
    rows = "".join(f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}\n" for i in range(400))
    for name in ("tea.csv", "mate.csv"):
        (tmp_path / name).write_text("grams,milk,good\n" + rows)
    args = ["prove", "speed", "--quick", "--seeds", "1", "--data", "tea.csv", "--data", "mate.csv"]
    result = evenbatch(*args, "--target", "good", "--no-report", "--json", "r.json", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [e["on"] for e in content["experiments"]] == ["table:tea", "table:mate"]
    last = "“3–5 times faster” was undecided here on table:tea"
    assert content["sentence"].startswith(last)
    assert plain(result.stdout).endswith("1 claim, 2 verdicts: 2 are undecided.")
    assert not (tmp_path / "evenbatch-out").exists()


def test_a_claim_with_data_of_its_own_is_measured_on_them_and_skipped_on_others() -> None:
    own = list(parts_of("yang-2019", (), None, None, QUICK, Tables()))
    assert [(part.data, part.skipped) for part in own] == [("random", "")]
    (other,) = parts_of("yang-2019", ("digits",), None, None, QUICK, Tables())
    assert other.study is None
    assert other.skipped == "It is about random data of its own, not about digits."


def test_prove_writes_a_report(tmp_path: Path) -> None:
    (tmp_path / "tea.csv").write_text(
        "a<b,good\n" + "".join(f"{i % 7},{i % 2}\n" for i in range(99))
    )
    args = ["prove", "learning-rate", "--quick", "--seeds", "1", "--data", "tea.csv"]
    result = evenbatch(*args, "--target", "good", "--out", "to/here", cwd=tmp_path)
    assert result.exit_code == 0, result.output
    folder = tmp_path / "to" / "here"
    made = {p.name for p in folder.iterdir()}
    assert made - {"figures"} == {"report.html", "report.json", "report.md"}
    text = plain(result.stdout)
    assert text.count("? cannot tell") == 2, "as it was reached, and in the table"
    assert "Report: to/here/report.html" in text
    assert "cannot tell" in (folder / "report.md").read_text(encoding="utf-8")
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["complete"] is True


def test_info_tells_versions_and_folders() -> None:
    text = evenbatch("info").stdout
    for word in ("processor", "cores", "numba", "kernel cache", "data folder", "store", "digits"):
        assert word in text


# What cannot work.

WRONG = {
    "norm": (["--norm", "bach"], "'bach' is not one of 'batch',"),
    "norm none": (["--norm", "none"], "'none' is not one of 'batch',"),
    "data": (["--data", "digit"], "there is no data set 'digit'. Did you mean 'digits'?"),
    "no file": (["--data", "no.csv", "--target", "x"], "there is no file no.csv"),
    "no file, no target": (["--data", "no.csv"], "there is no file no.csv"),
    "folder": (["--data", ".", "--target", "x"], ". is a folder, not a file"),
    "target missing": (["--data", "a.csv"], "the column to predict is not named (--target)"),
    "target wrong": (["--data", "a.csv", "--target", "goood"], "'good'"),
    "target of digits": (["--target", "x"], "--target is about a table of your own, and digits"),
    "binary": (["--data", "b.csv", "--target", "x"], "b.csv"),
    "grid word": (["--lr-grid", "0.1,abc"], "--rates: 'abc' is not a number; write it like"),
    "grid negative": (["--lr-grid", "0.1,-1"], "the learning rate -1 must be above 0"),
    "grid inf": (["--lr-grid", "inf"], "learning_rate is inf; it must be a number from 0"),
    "seeds": (["--seeds", "0"], "seeds is 0; it must be from 1 to 10000"),
    "steps": (["--steps", "0"], "steps is 0; it must be from 1"),
    "depth": (["--depth", "201"], "depth is 201; it must be from 1 to 200"),
    "goal": (["--goal", "93"], "the goal is 93, but accuracy cannot exceed 1"),
    "goal reached by guessing": (["--goal", "0.05"], "the goal, 5.0 %, is not above chance"),
    "goal out of reach": (
        [*SMALL[1:], "--seeds", "1", "--goal", "1"],
        "no run of either arm reached the goal 100.0 % in 60 steps at any learning rate",
    ),
    "batch": (["--batch-size", "5000"], "batch_size is 5000 but data set 'digits' has only 1438"),
    "threads": (["--threads", "0"], "--threads"),
    "unknown option": (["--learning-rate", "1"], "--learning-rate"),
    "json in a file": (["--json", "a.csv/x.json"], "a.csv"),
    "json a folder": (["--json", "."], "--json names a folder, not a file"),
    "out in a file": (["--out", "a.csv"], "not a folder"),
}


@pytest.mark.parametrize(("args", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_work_ends_with_one_message(
    args: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("grams,good\n" + "1,0\n2,1\n" * 50)
    (tmp_path / "b.csv").write_bytes(bytes(range(256)) * 40)
    before = sorted(tmp_path.iterdir())
    result = evenbatch("race", *args, cwd=tmp_path)
    assert result.exit_code == 2, result.output
    assert message in plain(re.sub("[│╭╰─╮╯]", "", result.stderr))
    assert "Traceback" not in result.output
    assert sorted(tmp_path.iterdir()) == before, "an error must leave nothing behind"


def test_a_claim_that_does_not_exist() -> None:
    result = evenbatch("prove", "sped")
    assert result.exit_code == 2
    assert "there is no claim 'sped'. Did you mean 'speed'?" in result.stderr


def test_too_few_rows_to_prove_anything(tmp_path: Path) -> None:
    (tmp_path / "tea.csv").write_text("cups,good\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    result = evenbatch("prove", "--data", "tea.csv", "--target", "good", cwd=tmp_path)
    assert result.exit_code == 2
    said = "table:tea has 16 training rows, and this claim is measured with batches of 32: give a"
    assert said in plain(result.stderr)


def test_claims_on_batch_sizes_take_a_table_of_few_rows(tmp_path: Path) -> None:
    (tmp_path / "tea.csv").write_text("cups,good\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    for claim in ("layer-norm", "batch-size"):
        (part,) = parts_of(claim, (str(tmp_path / "tea.csv"),), "good", None, QUICK, Tables())
        assert part.study is not None
        assert part.study.trials({}).trials


def test_the_list_of_claims_says_on_what_each_is_measured(tmp_path: Path) -> None:
    said = plain(evenbatch("claims", cwd=tmp_path).stdout)
    assert "speed 3–5 times faster digits, cookies digits, mnist1d depth" in said
    assert re.search(r"depth even 50\+ layers digits, cookies (train )?gradients", said)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    result = evenbatch(*SMALL, "--json", str(tmp_path / "r.json"), cwd=tmp_path)
    assert result.exit_code == 2
    assert plain(result.stderr) == f"evenbatch: this folder cannot be written: {tmp_path}"


def test_a_store_answers_the_second_time(tmp_path: Path) -> None:
    for name in ("first.json", "again.json"):
        result = evenbatch(*SMALL, "--store", "s", "--json", name, cwd=tmp_path)
        assert result.exit_code == 0, result.output
    first, again = (
        json.loads((tmp_path / name).read_text(encoding="utf-8"))["experiments"]
        for name in ("first.json", "again.json")
    )
    for one in (*first, *again):
        assert one.pop("seconds") > 0
    assert first == again, "the seconds a step takes too"
    assert (tmp_path / "s").is_file()


def test_a_store_that_was_named_must_work(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no store at all\n" * 100)
    result = evenbatch(*SMALL, "--store", "notes.txt", cwd=tmp_path)
    assert result.exit_code == 2
    said = "store notes.txt: this file is no store (SQLITE_NOTADB). It was left as it is. Choose"
    assert said in plain(result.stderr)
    assert (tmp_path / "notes.txt").read_text() == "no store at all\n" * 100


def test_without_a_store_of_ones_own_it_is_said_and_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVENBATCH_STORE", str(tmp_path / "file" / "s"))
    result = evenbatch(*SMALL, cwd=tmp_path)
    assert result.exit_code == 0, result.output
    text = plain(result.stderr)
    assert "its folder cannot be made (File exists). Choose another file with --store" in text
    assert text.count("Continuing without the store.") == 1


# In a process of its own.


def process(*args: str, cwd: Path, **kw: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "evenbatch", *args]
    return subprocess.Popen(
        command, cwd=cwd, text=True, encoding="utf-8", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONUTF8": "1"}, **kw,
    )  # fmt: skip


def test_the_module_is_the_command(tmp_path: Path) -> None:
    with process("--version", cwd=tmp_path) as run:
        out, err = run.communicate(timeout=120)
    assert (run.returncode, out, err) == (0, f"evenbatch {__version__}\n", "")


def test_help_needs_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from evenbatch import cli; "
        "CliRunner().invoke(cli.app, ['race', '--help']); "
        "print(sorted({'numba', 'numpy', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


def test_ctrl_c_prints_what_is_known_and_how_to_go_on(tmp_path: Path) -> None:
    args = ["race", "--width", "8", "--depth", "1", "--steps", "60", "--lr-grid", "0.1,1"]
    args += ["--seeds", "3000", "--json", "r.json"]  # far more than will be measured
    with process(*args, cwd=tmp_path) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "measuring on fresh seeds" in line:
                break
        time.sleep(1.0)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    text = plain(out)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert re.search(r"Interrupted after \d+ runs; the above is what they show", text)
    assert "run again: evenbatch race --width 8" in text
    assert "of 3000 seeds were measured" in text
    assert "the steps were not timed" in text
    content = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert content["complete"] is False
    assert content["experiments"][0]["verdict"]["effects"][0]["seeds"] > 0


def test_ctrl_c_writes_a_partial_report_and_the_store_goes_on(tmp_path: Path) -> None:
    args = ["prove", "learning-rate", "speed", "--data", "digits", "--quick", "--store", "s.db"]
    with process(*args, "--seeds", "400", cwd=tmp_path) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if re.search(r" [1-9]\d* of about", line):
                break
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    text = plain(out)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert "They are kept; to go on, run again: evenbatch prove learning-rate speed" in text
    assert "– skipped" in text
    # How many seeds were ready in time decides whether what is there suffices for a verdict.
    assert re.search(
        r" 2 claims, 2 verdicts: 1 (is undecided|holds), 1 was not measured\.$", text
    ), text
    folder = tmp_path / "evenbatch-out"
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["complete"] is False
    assert [e["complete"] for e in content["experiments"]] == [False, True]
    trained = len(content["experiments"][0]["trials"])
    assert trained > 0
    assert "<b>Partial.</b>" in (folder / "report.html").read_text(encoding="utf-8")
    assert "**Partial.**" in (folder / "report.md").read_text(encoding="utf-8")


def test_the_documentation_tells_every_option_of_a_race() -> None:
    text = (Path(__file__).parent.parent / "docs" / "race.md").read_text(encoding="utf-8")
    for name in signature(cli.race.race).parameters:
        if name not in DEFAULTS:  # how a table is read: docs/data.md
            assert f"`--{name.replace('_', '-')}`" in text, name
