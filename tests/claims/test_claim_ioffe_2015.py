"""The rule about figure 1a on curves whose truth is known, and MNIST that is or is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.claims import CLAIMS, EFFORTS
from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.verdict import NotHere
from support.curves import Model, curve, tea
from support.studies import QUICK, concluded, study_of


def here(effort: str = "quick") -> Any:
    return study_of("ioffe-2015", rates=(1.0,), effort=EFFORTS[effort])


def figure(batch: float, slow: float = 0.45) -> Model:
    """No normalization ends at 0.9 within `slow` of the steps; batch norm at `batch`, fast."""

    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch":
            return curve(trial, batch, 0.1 * trial.steps, noise=0.0003)
        return curve(trial, 0.9, slow * trial.steps, noise=0.0003)

    return model


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (figure(0.95), "holds"),
        (figure(0.9, slow=0.7), "holds in part"),
        (figure(0.9, slow=0.1), "does not hold"),
        (figure(0.8, slow=0.1), "does not hold"),
    ],
    ids=["higher", "only sooner", "the same", "lower"],
)
def test_the_rule_says_whether_the_figure_comes_out(model: Model, answer: str) -> None:
    verdict = concluded(here(), model)
    assert verdict.answer == answer, verdict.sentence


def test_an_arm_that_diverges_is_behind() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch":
            return curve(trial, diverged=True)
        return figure(0.9)(trial)

    assert concluded(here(), model).answer == "does not hold"


def test_the_network_and_its_training_are_the_papers() -> None:
    trial = next(iter(here("full").trials({}).trials))
    assert trial.network.hidden == (100, 100, 100)
    assert (trial.network.activation, trial.network.init) == ("sigmoid", "gaussian")
    assert (trial.batch_size, trial.steps) == (60, 50_000)
    assert set(np.unique(here().datasets[trial.data].x_train)) == {0.0, 1.0}


@pytest.mark.parametrize(("effort", "steps"), [("quick", 1000), ("default", 2000)])
def test_fewer_steps_than_the_papers_are_said(effort: str, steps: int) -> None:
    verdict = concluded(here(effort), figure(0.95))
    assert f"after {steps} steps of the paper's 50000" in verdict.sentence


def test_other_data_are_skipped() -> None:
    with pytest.raises(NotHere, match=r"not about tea\."):
        CLAIMS["ioffe-2015"].on(tea(), QUICK)


# On the command line.


def prove(folder: Path, *args: str) -> tuple[int, str, dict[str, Any]]:
    out = ["--out", str(folder / "out"), "--store", "off", "--json", str(folder / "r.json")]
    asked = ["prove", "ioffe-2015", "--effort", "quick", *args, *out]
    result = CliRunner().invoke(cli.app, asked)
    record = folder / "r.json"
    content = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    return result.exit_code, " ".join(result.output.split()), content


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No MNIST on this machine."""
    monkeypatch.setenv("EVENBATCH_MNIST_DIR", str(tmp_path / "nowhere"))


@pytest.mark.usefixtures("nowhere")
def test_without_the_files_the_claim_is_skipped_with_a_sentence(tmp_path: Path) -> None:
    code, text, content = prove(tmp_path)
    assert code == 0
    assert "– skipped" in text
    (entry,) = content["experiments"]
    assert "MNIST, whose four files are not here" in entry["skipped"]
    assert "--data-dir" in entry["skipped"]


@pytest.mark.usefixtures("nowhere")
def test_a_folder_that_was_named_must_have_the_files(tmp_path: Path) -> None:
    code, text, _ = prove(tmp_path, "--data-dir", str(tmp_path))
    assert code == 2
    assert "lacks train-images-idx3-ubyte" in text


def test_data_of_ones_own_are_skipped_by_this_claim(tmp_path: Path) -> None:
    code, _, content = prove(tmp_path, "--data", "cookies")
    assert code == 0
    assert content["experiments"][0]["skipped"].endswith("not about cookies.")


@pytest.mark.usefixtures("nowhere")
def test_it_runs_on_the_four_files_of_a_folder(tmp_path: Path) -> None:
    write_idx(tmp_path, load("digits"))
    code, _, content = prove(
        tmp_path, "--data", "mnist:check=False", "--data-dir", str(tmp_path), "--seeds", "1"
    )
    assert code == 0
    (entry,) = content["experiments"]
    assert entry["verdict"]["answer"] == "cannot tell"
    assert "black and white" in entry["verdict"]["measured_on"]
    assert entry["trials"]


def write_idx(folder: Path, data: Dataset) -> None:
    """A data set of pictures 8 pixels wide, in the files and the format of MNIST."""
    for part, x, y in (("train", data.x_train, data.y_train), ("t10k", data.x_test, data.y_test)):
        pixels = (255 * x.reshape(-1, 8, 8)).astype(np.uint8)
        for name, array in (
            (f"{part}-images-idx3-ubyte", pixels),
            (f"{part}-labels-idx1-ubyte", y.astype(np.uint8)),
        ):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            head = bytes([0, 0, 8, array.ndim])
            (folder / name).write_bytes(head + sizes + array.tobytes())
