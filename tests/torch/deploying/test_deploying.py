"""Models carried out by other runtimes: what is equal, what differs, where, why, and bad input."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.torch import deployed
from evenbatch.torch.auditing import AuditError
from evenbatch.torch.deploying import RUNTIMES, runtimes

ONNX = "onnxruntime"
pytestmark = pytest.mark.xdist_group("deploying")  # its packages take seconds to import


@pytest.fixture(scope="module", autouse=True)
def parsed_once() -> Iterator[None]:
    """At every export onnxscript parses the source of its 497 functions again: 0.9 of 1.3 s."""
    from onnxscript.values import TracedOnnxFunction

    read = TracedOnnxFunction.function_ir.fget
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TracedOnnxFunction, "function_ir", property(functools.cache(read)))
        yield


class Block(nn.Module):
    """A residual block and a head, with an activation that works in place and two calls of one
    norm; keywords in, a mapping out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.group, self.relu = nn.GroupNorm(2, 4), nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any, *, scale: Any) -> Any:
        y = self.relu(self.norm(self.conv(x * scale)))
        y = self.group(self.group(x + y) + y).mean((2, 3))
        return {"logits": F.layer_norm(self.head(y), (3,)), "count": len(x)}


class Adaptive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("m", torch.zeros(4))
        self.register_buffer("v", torch.ones(4))

    def forward(self, x: Any) -> Any:
        return F.batch_norm(x, self.m, self.v, None, None, True)


def images(mean: float = 0.0, spread: float = 1.0) -> torch.Tensor:
    numbers = torch.Generator().manual_seed(3)
    return mean + spread * torch.randn(4, 4, 8, 8, generator=numbers)


def codes(report: Any) -> list[str]:
    return [finding.code for finding in report]


def test_a_healthy_model_is_equal_at_every_norm() -> None:
    model = Block()
    model({"x": images(), "scale": torch.ones(())}["x"], scale=torch.ones(()))  # moves statistics
    batch = {"x": images(), "scale": torch.tensor(2.0)}
    report = deployed(model.eval(), batch, to=ONNX)
    assert not len(report)
    assert report.complete
    result = report.deployed
    assert result.equal
    assert [row.key for row in result.norms] == ["norm", "group", "group", ":layer_norm"]
    assert 0 < max(row.there for row in result.norms) < 1e-5
    assert f"{ONNX} {onnxruntime.__version__}: output" in " ".join(str(report).split())


@pytest.mark.parametrize("spread", [1.0, 1e-3], ids=["ordinary", "at eps"])
def test_an_eps_that_follows_the_type_is_that_of_the_type_used(spread: float) -> None:
    """In float64 `RMSNorm(eps=None)` would divide by another number."""
    report = deployed(nn.Sequential(nn.RMSNorm(8)).eval(), spread * images(), to="torchscript")
    assert report.deployed.equal
    assert report.deployed.output.there < 1e-6


def test_an_opset_at_which_group_norm_cancels() -> None:
    model = nn.Sequential(nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 1)).eval()
    usual = deployed(model, images(1000.0), to=ONNX)
    assert codes(usual) == []  # EB606 would speak, but this opset was measured to be right
    later = deployed(model, images(1000.0), to=f"{ONNX}:21")
    assert codes(later) == ["EB606", "EB610"]
    result = later.deployed
    assert result.first.key == "0"
    assert result.alone.there == pytest.approx(result.first.there)
    assert "opset 21" in result.runtime


def test_what_is_exported_in_training() -> None:
    """Batch norm with its running statistics all the same, instance norm not."""
    model = nn.Sequential(nn.BatchNorm2d(4), nn.InstanceNorm2d(4, track_running_stats=True))
    model(images(3.0, 2.0))
    report = deployed(model.train(), images(), to=ONNX)
    assert codes(report) == ["EB602", "EB610"]
    assert [row.differs for row in report.deployed.norms] == [False, True]
    assert "EB602 says why" in list(report)[1].says
    assert all(module.training for module in model.modules())
    assert [f.finding.code for f in report.fix().changed] == ["EB602"]
    assert deployed(model, images(), to=ONNX).deployed.equal


def test_a_function_that_normalizes_no_longer() -> None:
    report = deployed(nn.Sequential(nn.Linear(8, 8), Adaptive()).eval(), images(2.0), to=ONNX)
    assert codes(report) == ["EB608", "EB610"]
    assert {f.paths for f in report} == {("1",)}


def test_the_reference_of_onnx_where_no_runtime_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, *args: Any) -> Any:
        return None if name == ONNX else found(name, *args)

    monkeypatch.setattr(runtimes.importlib.util, "find_spec", without)
    model = nn.Sequential(nn.LayerNorm(8)).eval()
    report = deployed(model, images(), to="onnx")
    assert report.deployed.runtime.startswith("onnx 1.")
    assert report.deployed.equal
    with pytest.raises(AuditError, match=r'onnxruntime, which is not installed: pip install "even'):
        deployed(model, images(), to=ONNX)


def test_openvino_folds_onto_the_wrong_axis() -> None:
    import openvino  # noqa: F401

    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm2d(4)).eval()
    model[1].running_mean, model[1].running_var = torch.arange(4.0), torch.arange(1.0, 5.0)
    numbers = torch.randn(2, 4, 4, 8, generator=torch.Generator().manual_seed(3))
    assert codes(deployed(model, numbers, to="openvino")) == ["EB605", "EB610"]
    healthy = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.LayerNorm(6)).eval()
    assert deployed(healthy, images(), to="openvino").deployed.equal


class Mixed(nn.Module):
    """Four kinds of norm behind convolutions and linear layers, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.batch = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.instance, self.group = nn.InstanceNorm2d(4, affine=True), nn.GroupNorm(2, 4)
        self.head, self.layer = nn.Linear(4, 6), nn.LayerNorm(6)

    def forward(self, x: Any) -> Any:
        y = self.group(self.instance(self.batch(self.conv(x)).relu()))
        z = self.layer(self.head(y.mean((2, 3))))
        return z, y


def equal_at_every_norm(to: str) -> None:
    model = Mixed()
    model(images(3.0, 2.0))
    result = deployed(model.eval(), images(3.0, 2.0), to=to).deployed
    assert result.equal
    assert [row.key for row in result.norms] == ["batch", "instance", "group", "layer"]


def test_executorch_is_equal_where_it_is_and_loses_a_large_mean() -> None:
    import executorch  # noqa: F401

    equal_at_every_norm("executorch")
    report = deployed(nn.Sequential(nn.LayerNorm(8)).eval(), images(3000.0), to="executorch")
    assert codes(report) == ["EB606", "EB610"]
    assert "EB606 says why" in list(report)[1].says


def test_ncnn_is_equal_where_it_is_and_folds_onto_the_wrong_axis() -> None:
    import ncnn  # noqa: F401

    equal_at_every_norm("ncnn")
    wrong = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).eval()
    wrong[1].running_mean, wrong[1].running_var = torch.arange(4.0), torch.arange(1.0, 5.0)
    numbers = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(3))
    report = deployed(wrong, numbers, to="ncnn")
    assert codes(report) == ["EB605", "EB610"]
    assert list(report)[1].paths == ("1",)
    narrow = deployed(nn.Sequential(nn.LayerNorm(8)).bfloat16(), images().bfloat16(), to="ncnn")
    assert narrow.deployed is None
    assert "ValueError: pnnx takes no bfloat16" in str(narrow.notes)


def test_a_pnnx_that_does_not_say_where_the_batch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import ncnn  # noqa: F401

    def older(command: Any, cwd: Path, **_: Any) -> None:
        (cwd / "m_ncnn.py").write_text("ncnn.Mat(in0.squeeze(0).numpy())", "utf-8")

    monkeypatch.setattr(runtimes.subprocess, "run", older)
    report = deployed(nn.Sequential(nn.LayerNorm(8)).eval(), images(), to="ncnn")
    assert report.deployed is None
    assert "where the batch is; try a newer one" in str(report.notes)


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("onxx", "'onxx' is no runtime that models are run by here; there are onnx, onnxruntime,"),
        ("coreml", "For others there are rules: Context(deploy=…)"),
        ("ncnn:21", "an ONNX opset may stand after a colon"),
        ("torchscript:21", "an ONNX opset may stand after a colon"),
        ("onnxruntime:new", "an ONNX opset may stand after a colon"),
        (None, "'None' is no runtime"),
    ],
)
def test_runtimes_that_are_none(to: Any, says: str) -> None:
    with pytest.raises(AuditError) as error:
        deployed(nn.LayerNorm(8), images(), to=to)
    assert says in str(error.value)


def test_without_a_batch_nothing_can_be_compared() -> None:
    with pytest.raises(AuditError, match="give a batch"):
        deployed(nn.LayerNorm(8), to="torchscript")


class Branches(nn.Module):
    """Python that depends on the values."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Any) -> Any:
        return self.norm(x) if x.mean() > 0 else x


def test_a_model_that_cannot_be_converted_is_a_note() -> None:
    report = deployed(Branches(), images(1.0), to=ONNX)
    assert not report.complete
    assert report.deployed is None
    [note] = [note for note in report.notes if note.problem]
    assert note.says.startswith(f"what {ONNX} makes of the model: it could not be converted for")
    assert "\n" not in note.says
    assert len(note.says) < 500


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_names_a_tool_that_rules_know(name: str) -> None:
    from evenbatch.torch import Context

    assert Context(deploy=name).goes_to(name)


MODELS = """
import torch
from torch import nn

def healthy():
    model = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)).eval()
    return model, torch.randn(16, 4, 8, 8)

def wrong():
    model = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm2d(4)).eval()
    model[1].running_mean = torch.arange(4.0)
    return model, torch.randn(2, 4, 5, 8)

def misshapen():
    return healthy()[0], torch.randn(16, 3, 8, 8)

def alone():
    return healthy()[0]
"""


@pytest.mark.parametrize(
    ("name", "to", "code", "says"),
    [
        ("healthy", "torchscript", 0, "Nothing found."),
        ("wrong", "torchscript", 1, "EB610 error: differs-when-deployed, at 1 (BatchNorm2d)"),
        ("misshapen", "torchscript", 2, "failed in '0' on the batch (16, 3, 8, 8)"),
        ("alone", "torchscript", 2, "evenbatch: deployed: give a batch"),
        ("healthy", "tensorrt", 2, "evenbatch: deployed: 'tensorrt' is no runtime"),
    ],
)
def test_the_command(
    name: str, to: str, code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "carried", raising=False)
    file = tmp_path / "carried.py"
    file.write_text(MODELS, encoding="utf-8")
    result = CliRunner().invoke(cli.app, ["audit", f"{file}:{name}", "--deployed", to])
    assert result.exit_code == code, result.output
    assert says in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_the_figures_are_in_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "carried", raising=False)
    (tmp_path / "carried.py").write_text(MODELS, encoding="utf-8")
    target = f"{tmp_path / 'carried.py'}:wrong"
    options = ["--deployed", "torchscript", "--json", "-", "--select", "EB610"]
    result = CliRunner().invoke(cli.app, ["audit", target, *options])
    content = json.loads(result.stdout)
    assert [f["code"] for f in content["findings"]] == ["EB610"]
    assert content["findings"][0]["evidence"]["reason"] == "EB605"
    assert content["deployed"]["norms"][0]["differs"] is True
    assert content["deployed"]["alone"]["differs"] is False
