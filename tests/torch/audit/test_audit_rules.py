"""Every rule: it sees its planted problem, stays silent on near misses, and its fix helps."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from everything import everything
from planted import rows
from planted_cases import CASES
from planted_statistics import momentum_the_other_way, norms_in_a_dictionary
from torch import nn

from evenbatch.torch import Context, Severity, audit, deployed, watch
from evenbatch.torch.auditing.rules import RULES, eb506_two_forwards
from evenbatch.torch.models import keeping

SHOWN = [(code, build) for code, case in CASES.items() for build in case.shows]
SILENT = [
    (code, build)
    for code, case in CASES.items()
    for build in (*case.silent, *([case.mended] if case.mended else []))
]
Build = Callable[[], dict[str, Any]]


def label(value: object) -> str:
    return getattr(value, "__name__", str(value))


def run(arguments: dict[str, Any]) -> Any:
    arguments = dict(arguments)
    model, loop = arguments.pop("model"), arguments.pop("loop", None)
    if "to" in arguments:
        return deployed(model, arguments.pop("batch"), **arguments)
    if loop is None:
        return audit(model, arguments.pop("batch", None), **arguments)
    with watch(model, **arguments) as report:
        loop(model)
    return report


def found(report: Any, code: str) -> list[Any]:
    return [finding for finding in report if finding.code == code]


@pytest.fixture(autouse=True)
def buffers_unprotected(monkeypatch: pytest.MonkeyPatch) -> None:
    """EB506's problem is one of PyTorch before 2.13."""
    monkeypatch.setattr(eb506_two_forwards, "buffers_protected", lambda: False)


def test_every_rule_has_cases() -> None:
    assert set(CASES) == set(RULES)
    for code, case in CASES.items():
        assert case.shows and case.silent and case.at and case.says, code  # noqa: PT018


@pytest.mark.parametrize(("code", "build"), SHOWN, ids=label)
def test_the_problem_is_found(code: str, build: Build) -> None:
    report = run(build())
    [finding] = found(report, code)
    assert finding.paths
    assert finding.evidence
    assert finding.fix
    assert "could not be checked" not in str(report)
    if build is CASES[code].shows[0]:
        assert finding.paths == CASES[code].at
        assert CASES[code].says in finding.says


@pytest.mark.parametrize(("code", "build"), SILENT, ids=label)
def test_a_near_miss_and_the_mended_model_are_not(code: str, build: Build) -> None:
    report = run(build())
    assert not found(report, code)
    assert "could not be checked" not in str(report)


@pytest.mark.parametrize(("code", "build"), SHOWN, ids=label)
def test_a_fix_removes_the_finding_and_keeps_the_output(code: str, build: Build) -> None:
    arguments = build()
    report = run(arguments)
    [finding] = found(report, code)
    if not finding.fixable:
        assert CASES[code].mended or build not in CASES[code].shows[:1], "no fix, and none shown"
        assert not report.fix(select=(code,)).changed
        return
    fixes = report.fix(select=(code,))
    [fixed] = fixes.changed
    assert fixed.difference is None or fixed.difference < 1e-5
    assert (fixed.difference is None) == (report.inputs is None)
    assert not found(report, code)
    assert not found(run(arguments), code), "the same audit still finds it"


def test_what_dropout_does_is_measured() -> None:
    """With p = 0.5 after a ReLU of normal numbers: E[x²] = 1/2, E[x]² = 1/2π. With dropout the
    variance is 2 · 1/2 - 1/2π, without it 1/2 - 1/2π: 2.47 times as large."""
    from torch import nn

    model = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(4))
    x = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    [finding] = audit(model, x, select=["EB102"])
    assert finding.evidence["variance_ratio"] == pytest.approx(2.47, rel=0.03)
    assert "the output's spread is 0.6" in finding.says


@pytest.mark.parametrize(
    ("shape", "fix"),
    [((8, 32), "num_groups=4, which leaves 8 values"), ((8, 32, 2, 2), "num_groups=16, which"),
     ((8, 2), "num_groups=1, which leaves 2 values")],
)  # fmt: skip
def test_groups_that_are_large_enough_are_advised(shape: tuple[int, ...], fix: str) -> None:
    from torch import nn

    from evenbatch.torch.auditing.rules.eb404_constant import _fix
    from evenbatch.torch.measuring import Norm, known

    module = nn.GroupNorm(shape[1], shape[1])
    assert _fix(Norm("g", module, known.from_settings(module, shape)), shape).startswith(fix)


QUIET = [(code, build) for code, build in SHOWN if "loop" not in build()]


@pytest.mark.parametrize("copying", [True, False], ids=["copied", "in place"])
@pytest.mark.parametrize(("code", "build"), QUIET, ids=label)
def test_an_audit_changes_nothing(
    code: str, build: Build, copying: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that can be reached from the model, the batch and the optimizer; not even where the
    model cannot be copied."""

    def refused(*args: Any) -> Any:
        raise TypeError("one of me is enough")

    if not copying:
        monkeypatch.setattr(keeping, "copied", refused)
    arguments = build()
    before = everything(arguments)
    numbers = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    run(arguments)
    assert everything(arguments) == before
    assert torch.equal(numbers[0], torch.get_rng_state())
    assert numbers[1:] == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002


def test_a_momentum_of_its_own_is_advised_in_its_own_terms() -> None:
    (finding,) = audit(**momentum_the_other_way(), select="EB205")
    assert finding.says.startswith("momentum = 0.1: the newest batch has the weight 0.9 here")
    assert finding.fix.startswith("momentum=0.9, ")


def test_norms_in_a_dictionary_are_one_finding() -> None:
    """Not also a function in training mode, which they look like from within the model."""
    report = audit(**norms_in_a_dictionary())
    assert [finding.code for finding in report] == ["EB219"]
    assert report.findings[0].fix.startswith("nn.ModuleDict around it")


def test_a_few_batches_explain_what_comes_after_the_first_layer() -> None:
    """20 batches leave 12 % of the first values: of the first layer's, and so of what all later
    ones are given. Nothing is wrong with the data."""
    torch.manual_seed(0)
    model = nn.Sequential(*(
        layer for i in range(6)
        for layer in (nn.Linear(12 if i else 4, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU())
    ))  # fmt: skip
    x = rows(64)
    with torch.no_grad():
        for _ in range(12):
            model(x)
    (finding,) = audit(model, x, select="EB204")
    assert finding.severity == Severity.INFO, finding.says
    assert len(finding.paths) > 2
    assert "Two things look like this" not in finding.says
    assert finding.fix.startswith("train for longer")


def test_nothing_is_printed_of_a_model_that_cannot_be_exported(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Drawn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(4)

        def forward(self, x: Any) -> Any:
            if float(torch.empty(1).uniform_(0.2, 1.8)) > 1:
                x = x * 2
            return self.norm(x)

    assert "graph: torch.fx" in str(audit(Drawn(), rows()))
    assert capfd.readouterr() == ("", "")


def test_codes_names_and_pages() -> None:
    names = [rule.name for rule in RULES.values()]
    assert list(RULES) == sorted(RULES)
    assert len(set(names)) == len(names)
    for rule in RULES.values():
        for part in ("## What it does", "## Why is this bad?", "## Example", "## Use instead"):
            assert part in rule.doc, f"{rule.code} lacks {part}"
        assert "## Source" in rule.doc
        assert "http" in rule.doc.partition("## Source")[2]
        assert rule.summary.endswith(".")
        assert isinstance(rule.severity, Severity)


def test_what_onnx_makes_of_training_mode() -> None:
    """It writes running statistics all the same; what else trains stays so."""
    onnx = Context(deploy="onnx")
    norm, dropout = nn.BatchNorm2d(3), nn.Dropout()
    [alone] = audit(nn.Sequential(norm), context=onnx, select=["EB602"])
    [mixed] = audit(nn.Sequential(norm, dropout), context=onnx, select=["EB602"])
    assert (alone.severity, mixed.severity) == (Severity.INFO, Severity.ERROR)
    assert "dropout" in mixed.says
