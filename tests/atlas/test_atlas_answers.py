"""What an atlas says: shares, conditions, a model, a setting like yours, a page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.atlas import conditions, like, page, pictures, table
from evenbatch.atlas import findings as f
from evenbatch.atlas.__main__ import quoted
from evenbatch.atlas.design import AXES, NORMS, Setting, settings
from evenbatch.atlas.measure import Row
from evenbatch.atlas.model import Check, Model, check
from evenbatch.protocol.verdict import ExperimentError
from evenbatch.report import conditions as of_the_report
from evenbatch.report import figures
from evenbatch.sweeps.sweep_file import read_sweep
from support import atlases

pytestmark = pytest.mark.xdist_group("atlas answers")  # one process fits for all

TOML = """
data = "digits"
[network]
hidden = [64, 64, 64]
norm = ["none", "batch"]
[trial]
learning_rate = [0.01, 0.1]
steps = 500
"""
TEA = "grams,milk,good\n" + "1,0,no\n2,1,yes\n" * 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return atlases.rows(0, 700)


@pytest.fixture(scope="module")
def model(rows: list[Row]) -> Model:
    return Model(rows)


@pytest.fixture(scope="module")
def folder(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("atlas")
    table.write(found / "a.parquet", rows)
    table.write(found / "fresh.parquet", atlases.rows(100_000, 60, seed=1))
    (found / "my.toml").write_text(TOML)
    (found / "tea.csv").write_text(TEA)
    return found


def evenbatch(folder: Path, *args: str) -> Any:
    before = Path.cwd()
    try:
        os.chdir(folder)
        return CliRunner().invoke(cli.app, ["atlas", *args])
    finally:
        os.chdir(before)


# ---- shares and conditions -----------------------------------------------------------------------


def test_every_setting_is_one_outcome(rows: list[Row]) -> None:
    for norm in NORMS:
        found = f.columns(rows, norm)
        shares = f.outcomes(found)
        assert sum(one.part for one in shares.values()) == len(found["setting"])
        nothing = sum(np.isnan(r["ratio"]) for r in rows if r["norm"] == norm)
        assert shares["neither learns"].part == nothing


def test_an_interval_of_a_share_is_wilsons() -> None:
    found = f.share(np.arange(50) < 5)  # by hand: (p + z²/2n ± z √(pq/n + z²/4n²)) / (1 + z²/n)
    assert (found.low, found.high) == pytest.approx((0.04348, 0.21360), abs=1e-4)
    assert str(f.share(np.zeros(0, bool))) == "none measured"


def test_a_condition_says_what_counting_says(rows: list[Row]) -> None:
    said = conditions.sentences(rows)
    assert len(said) == 5
    own = [r for r in rows if r["norm"] == "batch" and np.isfinite(r["ratio"])]
    share = np.mean([r["ratio"] >= 3 for r in own])
    assert f"steps in {100 * share:.0f} % (" in said[0]
    some = [r["ratio"] >= 3 for r in own if r["data"] == "mnist1d"]
    assert f"on MNIST-1D in {100 * np.mean(some):.0f} % (" in said[0]
    other = conditions.sentences([{**r, "ratio": 2.0} for r in own])
    assert "fewer steps in 0 %" in other[0]


def test_by_factor_gives_medians_of_the_right_rows(rows: list[Row]) -> None:
    for value, (middle, low, high), many in f.by_factor(f.columns(rows, "layer"), "optimizer"):
        own = [r["ratio"] for r in rows if r["norm"] == "layer" and r["optimizer"] == value]
        own = [r for r in own if np.isfinite(r)]
        assert (many, middle) == (len(own), pytest.approx(np.median(own)))
        assert low < middle < high


def test_the_toml_of_a_row_is_a_sweep_of_it(rows: list[Row], tmp_path: Path) -> None:
    for row in rows[:60:7]:
        (tmp_path / "s.toml").write_text(f.toml_of({**row, "rate_norm": 0.31599998}))
        grid = read_sweep(tmp_path / "s.toml")
        (asked,), norms = like.asked(grid, {})
        assert (asked.setting, norms, asked.notes) == (Setting.of(row), (row["norm"],), ())
        assert {t.learning_rate for t in grid} == {0.1, 0.316}


# ---- the model -----------------------------------------------------------------------------------


def test_its_interval_holds_eight_of_ten_fresh_settings_and_it_beats_the_median(
    rows: list[Row], model: Model
) -> None:
    found = check(model, rows, atlases.rows(100_000, 600, seed=1))
    for one in found:
        assert 0.72 <= one.covered / one.rows <= 0.88, one.sentence
    batch = found[0]
    assert batch.error < 1.35 < batch.median  # 1.22 is the noise alone
    assert batch.folklore > batch.error


def test_an_interval_that_is_not_widened_is_seen(rows: list[Row]) -> None:
    """The check above fails for a model that trusts its own quantiles."""
    own = Model([row for row in rows if row["setting"] < 200])
    own._wider = dict.fromkeys(NORMS, 0.0)
    found = check(own, rows, atlases.rows(100_000, 600, seed=1))
    assert any(one.covered / one.rows < 0.72 for one in found)


def test_shuffling_what_matters_matters(model: Model) -> None:
    found = model.importances("batch")
    assert set(found) == set(AXES)
    ranked = sorted(found, key=lambda name: -found[name][0])
    assert {"optimizer", "batch_size"} <= set(ranked[:4])  # what the invented rule is made of
    assert found["activation"][0] == pytest.approx(1, abs=0.05)


def test_too_few_settings_make_no_model() -> None:
    with pytest.raises(ExperimentError, match="too few to foretell others: measure more"):
        Model(atlases.rows(0, 20))


def test_the_nearest_setting_is_itself(rows: list[Row]) -> None:
    every = f.columns(rows)
    for number, setting in settings(40, 5):
        assert like.nearest(every, setting, 1) == [number]


# ---- what ships ----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped() -> tuple[list[Row], list[Row]]:
    return table.shipped(), table.shipped(table.FRESH)


@pytest.mark.parametrize("name", ["README.md", "docs/atlas.md"])
def test_pages_quote_the_atlas_that_ships(name: str, shipped: tuple[list[Row], list[Row]]) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert quoted(text, *shipped) == text, "python -m evenbatch.atlas makes them anew"
    assert conditions.sentences(shipped[0])[0] in text


def test_the_report_begins_with_the_same_sentences(
    shipped: tuple[list[Row], list[Row]],
) -> None:
    rows, fresh = shipped
    assert of_the_report.read() == conditions.written(rows)
    assert not {r["setting"] for r in rows} & {r["setting"] for r in fresh}
    picture = (ROOT / "docs" / "img" / "atlas.svg").read_text("utf-8")
    assert picture == figures.alone(pictures.ratios(rows))


def test_what_ships_is_small_and_says_when_asked(tmp_path: Path) -> None:
    files = list((ROOT / "src/evenbatch/atlas").glob("*.parquet"))
    assert len(files) == 2
    assert sum(p.stat().st_size for p in files) < 5_000_000
    result = evenbatch(tmp_path)
    assert result.exit_code == 0, result.output
    assert result.stdout.count(" of the settings: ") == 5


# ---- the command ---------------------------------------------------------------------------------


def test_like_answers_with_interval_neighbours_and_command(folder: Path) -> None:
    result = evenbatch(folder, "--like", "my.toml", "--file", "a.parquet")
    assert result.exit_code == 0, result.output
    assert re.search(
        r"^digits, 3 × 64, relu, torch, sgd, batch 32, before the activation\n"
        r"  batch: \d\.\d times fewer steps expected \(80 % interval [\d.]+ to [\d.]+\)\n"
        r"  nearest measured:\n(    .*: batch .*\n){3}measured for real by:\n"
        r"  evenbatch race --data digits --depth 3 --width 64 .* --norm batch$",
        result.stdout.strip(),
    )


def test_like_says_where_it_is_not_quite_yours(folder: Path) -> None:
    text = 'data = "tea.csv"\ntarget = "good"\n[network]\nhidden = [100, 200, 100]\nresidual = 2\n'
    text += 'dropout = 0.1\nactivation = "leaky_relu"\n[trial]\nbatch_size = 64\n'
    (folder / "tea.toml").write_text(text)
    result = evenbatch(folder, "--like", "tea.toml", "--file", "a.parquet")
    assert result.exit_code == 0, result.output
    for note in (
        "hidden layers of unequal width count as 126 wide", "width 126 is answered as 64",
        "activation leaky_relu is answered as relu", "dropout = 0.1 is left out of the answer",
        "table:tea is not in the atlas: this is what cookies would give",
        "so large a network with such batches was left out of the atlas",
        "evenbatch race --data tea.csv --target good --depth 3 --width 126",
        "--residual 2",
    ):  # fmt: skip
        assert note in result.stdout, note


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('norm = "group"', "norm is group, and the atlas has measured batch, layer and rms"),
        ('norm = ["none", "batch", "group"]', "norm is group, and the atlas has measured batch,"),
        ("conv = [16, 32]\nhidden = [[], [8]]", "evenbatch race --data digits --conv 16,32"),
        ('init = "gaussian"', "init is 'gaussian', and the atlas has measured torch, he and"),
        ('norm = "bach"', "did you mean 'batch'"),
        ("hidden = [[8], [16], [32], [64], [8, 8]]\nresidual = [0, 2]\n"
         'activation = ["relu", "tanh"]\ninit = ["he", "torch"]', "more than 12 settings"),
    ],
)  # fmt: skip
def test_what_the_atlas_does_not_know(folder: Path, toml: str, message: str) -> None:
    hidden = "" if "hidden" in toml else "hidden = [8]\n"
    (folder / "odd.toml").write_text(f'data = "digits"\n[network]\n{hidden}{toml}\n')
    result = evenbatch(folder, "--like", "odd.toml", "--file", "a.parquet")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--settings", "0"], "0 settings from number 0 on cannot be measured: ask for at least 1"),
        (["--settings", "5", "--first", "-3"], "from number -3 on cannot be measured"),
        (["--settings", "5", "--file", "none/a.parquet"], "No such file or directory: none/a.par"),
        (["--settings", "5", "--file", "my.toml"], "my.toml is no Parquet file, or a damaged one"),
        (["--file", "none.parquet"], "No such file or directory"),
        (["--file", "torn.parquet"], "torn.parquet is no Parquet file, or a damaged one: ZSTD"),
        (["--file", "half.parquet"], "half.parquet is no Parquet file, or a damaged one"),
        (["--file", "other.parquet"], "other.parquet is a table, but no atlas"),
        (["--file", "old.parquet"], "old.parquet was measured by another version: steps is 200"),
        (["--file", "moved.parquet"], "is another one there, so its sequence"),
        (["--file", "a.parquet", "--check", "a.parquet"], "settings stand in both files"),
        (["--file", "a.parquet", "--check", "a.parquet", "--out", "page"], "stand in both files"),
        (["--file", "empty.parquet"], "no whole setting yet. Measure some with the same --file"),
        (["--address", "auto", "--settings", "1"], "--address auto is about a Ray cluster"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_is_touched(
    folder: Path, args: list[str], message: str, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas

    whole = (folder / "a.parquet").read_bytes()
    (folder / "half.parquet").write_bytes(whole[:2000])
    (folder / "torn.parquet").write_bytes(whole[:10_000] + bytes(500) + whole[10_500:])
    table.write(folder / "empty.parquet", [])
    pandas.DataFrame({"x": [1]}).to_parquet(folder / "other.parquet")
    table.write(folder / "moved.parquet", [{**row, "data": "digits"} for row in rows[:30]])
    with monkeypatch.context() as other:
        other.setitem(table.MEANS, "steps", 200)
        table.write(folder / "old.parquet", rows[:3])
    before = {path: path.read_bytes() for path in folder.iterdir()}
    result = evenbatch(folder, *args)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_check_of_the_command(folder: Path) -> None:
    result = evenbatch(folder, "--file", "a.parquet", "--check", "fresh.parquet")
    assert result.exit_code == 0, result.output
    assert re.findall(r"^(\w+): of \d+ settings the 80 % interval held \d+ \(\d+ %\)",
                      result.stdout, re.MULTILINE) == list(NORMS)  # fmt: skip


def test_the_page_has_its_pictures_and_nothing_is_unknown(
    rows: list[Row], model: Model, tmp_path: Path
) -> None:
    checks = [Check("batch", 50, 41, 1.5, 2.0, 1.8)]
    page.write(tmp_path / "new" / "atlas.html", rows, checks, model)
    text = (tmp_path / "new" / "atlas.html").read_text("utf-8")
    assert text.count("<svg") == 2 * (2 + len(AXES) + len(page.PAIRS))
    assert "82\u00a0%" in text
    assert "evenbatch sweep surprise.toml" in text
    shown = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b|\?", shown)
