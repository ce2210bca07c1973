"""A sweep's file: what it describes, and errors that name file, line and field."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from evenbatch.data import load
from evenbatch.engine import Conv, Network, Trial
from evenbatch.protocol.verdict import ExperimentError
from evenbatch.sweeps.grid import Grid, Picked
from evenbatch.sweeps.sweep_file import read_sweep

GOOD = """\
data = ["digits", "cookies"]
seeds = [3, 5]

[network]
hidden = [[8], [8, 8]]
norm = ["none", "batch"]
activation = "tanh"

[trial]
learning_rate = [
    0.01,  # slow
    1,
]
steps = 50
"""


def read(text: str, folder: Path) -> Grid:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    return read_sweep(path)


def test_every_combination_once_and_seeds_slowest(tmp_path: Path) -> None:
    grid = read(GOOD, tmp_path)
    expected = [
        Trial(
            Network(
                inputs=load(data).n_features, hidden=hidden, outputs=load(data).n_outputs,
                norm=norm, activation="tanh",
            ),
            data=data, learning_rate=rate, steps=50, seed=seed,
        )
        for seed, data, hidden, norm, rate in itertools.product(
            (3, 5), ("digits", "cookies"), ((8,), (8, 8)), ("none", "batch"), (0.01, 1.0)
        )
    ]  # fmt: skip
    assert list(grid) == expected
    assert [grid.place(trial) for trial in expected] == list(range(32))
    assert grid.varied == {
        "network.hidden": ((8,), (8, 8)),
        "network.norm": ("none", "batch"),
        "learning_rate": (0.01, 1.0),
    }
    assert list(Picked(grid, [4, 30])) == [expected[4], expected[30]]
    assert Picked(grid, [4, 30, 7])[1:] == [expected[30], expected[7]]
    with pytest.raises(IndexError):
        grid[32]


def test_one_list_of_widths_is_one_network(tmp_path: Path) -> None:
    grid = read('data = "digits"\n[network]\nhidden = [8, 4]\n', tmp_path)
    assert [trial.network.hidden for trial in grid] == [(8, 4)] * 5
    assert [trial.seed for trial in grid] == [0, 1, 2, 3, 4], "five seeds if nothing is said"


def test_convolutions_are_numbers_or_fields(tmp_path: Path) -> None:
    """A list of lists is a grid, of networks without any too; the shape is the data's."""
    text = GOOD.replace(', "cookies"', "").replace("hidden = [[8], [8, 8]]", "%s")
    grid = read(text % 'conv = [[8], [{channels = 4, kernel = 5, pool = "max"}, 8]]', tmp_path)
    assert {trial.network.conv for trial in grid} == {(Conv(8),), (Conv(4, 5, pool="max"), Conv(8))}
    assert {(t.network.shape, t.network.hidden) for t in grid} == {((8, 8, 1), ())}
    assert [grid.place(trial) for trial in grid] == list(range(len(grid)))
    grid = read(text % "conv = [[], [8]]\nhidden = [8]", tmp_path)
    assert {(t.network.conv, t.network.shape) for t in grid} == {((), ()), ((Conv(8),), (8, 8, 1))}
    assert len({trial.key for trial in grid}) == len(grid)


@pytest.mark.parametrize(
    ("conv", "wanted"),
    [
        ("[{chanels = 8}]", "line 5: a setting of conv[0] is 'chanels'; "),
        ("8", "line 5: conv is 8; it must hold a convolution for each layer"),
        ("[]", "depth (number of hidden layers) is 0"),
        ("[{channels = 8, kernel = 11, padding = 0}]",
         "line 5: a combination of the grid cannot be trained: conv[0]: kernel is 11, but only"),
        ("[8]\nshape = [8, 8, 1]", "shape cannot be set in [network]; it follows from the data"),
    ],
)  # fmt: skip
def test_convolutions_that_cannot_be(conv: str, wanted: str, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=re.escape(wanted)):
        read(f'data = "digits"\n\n[network]\n\nconv = {conv}', tmp_path)


def test_convolutions_need_positions(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"line 3: .* columns of 'cookies' are not positions"):
        read('data = "cookies"\n[network]\nconv = [8]\nhidden = [4]\n', tmp_path)


def test_tables_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "tea.csv").write_text("grams,milk,good\n" + "1,0,0\n2,1,1\n" * 20)
    text = 'data = ["tea.csv", "digits"]\ntarget = "good"\nseeds = 1\n'
    monkeypatch.chdir(tmp_path)
    grid = read(text + "[network]\nhidden = [4]\n[trial]\nbatch_size = 16\n", tmp_path / "deep")
    assert [(t.data, t.network.inputs) for t in grid] == [("table:tea", 2), ("digits", 64)]


def test_options_of_a_data_set_stand_in_its_name(tmp_path: Path) -> None:
    grid = read('data = "cookies:n=500"\nseeds = 1\n[network]\nhidden = [4]\n', tmp_path)
    assert grid[0].data == "cookies:n=500"


HEAD = 'data = "digits"\n'
NET = "[network]\nhidden = [8]\n"
WRONG: dict[str, tuple[str, Any, str]] = {
    "syntax": (HEAD + "seeds = = 3\n", 2, "Invalid value. A line reads: field = value; texts"),
    "unquoted": ("data = digits\n", 1, "Invalid value. A line reads"),
    "twice": (HEAD + HEAD, 2, "Cannot overwrite a value"),
    "unknown field": (HEAD + NET + 'nrom = "batch"', 4, "[network] has no field 'nrom'. Did you "
                      "mean 'norm'? Fields: 'hidden', 'activation'"),
    "unknown table": (HEAD + NET + "[trail]\nsteps = 5", 4, "there is no field 'trail'. Did you "
                      "mean 'trial'? Fields: 'data', 'target', 'seeds', 'network', 'trial'"),
    "field at the top": ("steps = 5\n" + HEAD + NET, 1, "It belongs under [trial]."),
    "network field in trial": (HEAD + NET + '[trial]\nnorm = "batch"', 5, "[trial] has no field"),
    "value": (HEAD + NET + '[trial]\n\noptimizer = "adma"', 6, "optimizer is 'adma'; it must be "
              "one of sgd, momentum, adam, adamw; did you mean 'adam'?"),
    "value in a list": (HEAD + NET + '[trial]\nlearning_rate = [\n 0.1,\n -1.0]', 5,
                        "learning_rate is -1.0; it must be a number from 0"),
    "type": (HEAD + NET + '[trial]\nsteps = "many"', 5, "steps is 'many'; it must be a whole"),
    "nested": (HEAD + NET + "[trial]\nsteps = [[1], [2]]", 5, "steps is [1]; it must be a whole"),
    "widths": (HEAD + "[network]\nhidden = 64", 3, "hidden is 64; it must hold a width for each"),
    "mixed widths": (HEAD + "[network]\nhidden = [[8], 4]", 3, "hidden is 4; it must hold"),
    "no widths": (HEAD + "[network]\nnorm = 'batch'", 2, "[network] needs hidden"),
    "no network": (HEAD, None, "[network] needs hidden, the width of each hidden layer: hidden ="),
    "network a value": (HEAD + "network = 3", 2, "network is 3; write a table: [network]"),
    "empty list": (HEAD + NET + "[trial]\nsteps = []", 5, "steps is an empty list"),
    "value twice": (HEAD + NET + "[trial]\nlearning_rate = [1, 0.1, 1.0]", 5, "holds 1.0 twice"),
    "inputs": (HEAD + "[network]\ninputs = 3\nhidden = [4]", 3, "inputs cannot be set in "
               "[network]; it follows from the data: leave it out"),
    "seed": (HEAD + NET + "[trial]\nseed = 3", 5, "write seeds = … at the top of the file"),
    "data in trial": (HEAD + NET + '[trial]\ndata = "x"', 5, "write data = … at the top"),
    "seeds zero": ("seeds = 0\n" + HEAD + NET, 1, "seeds is 0; it must be a number from 1"),
    "seeds text": ('seeds = "5"\n' + HEAD + NET, 1, "seeds is '5'; it must be a number from 1"),
    "seeds negative": ("seeds = [-1]\n" + HEAD + NET, 1, "seeds is [-1]"),
    "seeds twice": ("seeds = [1, 1]\n" + HEAD + NET, 1, "it must hold each seed once"),
    "no data": (NET, None, "data is None; it must name a data set ('cookies', "),
    "data a number": ("data = 3\n" + NET, 1, "data is 3; it must name a data set"),
    "data unknown": ('data = "digit"\n' + NET, 1, "'digit' is neither a data set nor a file in "),
    "data unknown, near": ('data = "digit"\n' + NET, 1, "Did you mean 'digits'?"),
    "data twice": ('data = ["digits", "digits"]\n' + NET, 1, "data holds 'digits' twice"),
    "data option": ('data = "cookies:m=5"\n' + NET, 1, "cookies has no option 'm'"),
    "target without file": (HEAD + 'target = "x"\n' + NET, 2, "target is about files"),
    "target a number": ('data = "tea.csv"\ntarget = 3\n' + NET, 2, "target is 3; it must name"),
    "combination": (HEAD + '[network]\nhidden = [[8], [6]]\nnorm = ["none", "group"]\n', None,
                    "a combination of the grid cannot be trained: groups is 4, which does not "
                    "divide the width 6"),
    "combination of tables": (HEAD + '[network]\nhidden = [8]\nnorm = "batch"\n[trial]\n'
                              "batch_size = [1, 2]", 6, "batch_size is 1 with norm='batch'"),
    "combination with data": (HEAD + NET + "[trial]\nbatch_size = [32, 5000]", 5,
                              "batch_size is 5000 but data set 'digits' has only 1438"),
    "too many": ("seeds = 20000000\n" + HEAD + NET, None, "these are 20,000,000 trials; at most"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), WRONG.values(), ids=WRONG)
def test_errors_name_file_line_and_field(
    text: str, line: int | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "tea.csv").write_text("grams,milk,good\n" + "1,0,0\n2,1,1\n" * 20)
    with pytest.raises(ExperimentError) as caught:
        read(text, tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'my.toml'}{f', line {line}' if line else ''}: "), said
    assert message in said


@pytest.mark.parametrize("target", ["", 'target = "god"\n'])
def test_a_target_that_is_none_of_a_tables_columns_is_the_tables_own_error(
    target: str, tmp_path: Path
) -> None:
    """It proposes what to write for a table, wherever it is read."""
    (tmp_path / "tea.csv").write_text("grams,milk,good\n" + "1,0,0\n2,1,1\n" * 20)
    with pytest.raises(ExperimentError, match=r"tea\.csv: .* 'grams', 'milk', 'good'"):
        read(f'data = "tea.csv"\n{target}{NET}', tmp_path)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExperimentError, match="this is no text in UTF-8"):
        read_sweep(tmp_path / "my.toml")
