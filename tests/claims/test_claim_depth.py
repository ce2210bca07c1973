"""The depth claim on networks of which it is known how deep they train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from evenbatch.engine import Curve, Trial
from support.curves import Model, curve
from support.studies import by_id, concluded, study_of

Limits = Mapping[tuple[str, int], int]
KINDS = ("plain-torch", "plain-he", "residual-torch", "residual-he")


def claim(seeds: int = 5, rates: tuple[float, ...] = (0.1, 1.0)) -> Any:
    return study_of("depth", seeds=seeds, rates=rates)


def training_up_to(limits: Limits, best: float = 0.1) -> Model:
    """Networks that train up to a depth, by normalizer and layers in a residual block."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        reaches = net.depth <= limits[net.norm, net.residual] and trial.learning_rate == best
        return curve(trial, 0.95 if reaches else 0.55, noise=0.01)

    return model


def limits(none: int, batch: int, none_residual: int = 0, batch_residual: int = 0) -> Limits:
    return {
        ("none", 0): none,
        ("batch", 0): batch,
        ("none", 2): none_residual or none,
        ("batch", 2): batch_residual or batch,
    }


@pytest.mark.parametrize(
    ("known", "answer", "reason"),
    [
        (limits(10, 50), "holds", "batch norm alone"),
        (limits(20, 100), "holds", "batch norm alone"),
        (limits(10, 20, 10, 100), "holds in part", "only if there are residual connections"),
        (limits(10, 20), "holds in part", "none of 50 layers"),
        (limits(10, 20, 50, 50), "holds in part", "not by batch norm alone"),
        (limits(20, 20), "does not hold", "no network deeper"),
        (limits(100, 100), "does not hold", "no network deeper"),
        (limits(100, 20), "does not hold", "no network deeper"),
    ],
)
def test_the_rule_says_how_deep_networks_train(known: Limits, answer: str, reason: str) -> None:
    verdict = concluded(claim(), training_up_to(known))
    assert verdict.answer == answer, verdict.sentence
    assert reason in verdict.reason


def test_one_initialization_is_only_a_part() -> None:
    def model(trial: Trial) -> Curve:
        torch = trial.network.init == "torch"
        return training_up_to(limits(10, 100 if torch else 20))(trial)

    verdict = concluded(claim(), model)
    assert verdict.answer == "holds in part"
    assert "under one initialization" in verdict.reason


def test_networks_that_diverge_do_not_train() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.network.depth > 2:
            return curve(trial, diverged=True)
        return training_up_to(limits(20, 2))(trial)

    assert concluded(claim(), model).answer == "does not hold"


def test_a_deep_network_that_trains_by_luck_is_no_depth_that_trains() -> None:
    def model(trial: Trial) -> Curve:
        net = trial.network
        if net.norm == "batch" and net.depth == 100:
            return curve(trial, 0.95)
        return training_up_to(limits(10, 10))(trial)

    deeper = by_id(concluded(claim(), model))
    assert {deeper[f"deeper/{kind}"].value for kind in KINDS} == {1.0}


def test_seeds_that_disagree_settle_nothing() -> None:
    def model(trial: Trial) -> Curve:
        return training_up_to(limits(20, 100 if trial.seed % 2 else 2))(trial)

    verdict = concluded(claim(), model)
    assert (verdict.answer, "not settled" in verdict.reason) == ("cannot tell", True)


def test_the_depths_are_those_that_trained() -> None:
    verdict = concluded(claim(), training_up_to(limits(10, 20, 20, 100)))
    assert "10 without and 20 with batch norm" in verdict.sentence
    assert "20 without and 100 with batch norm" in verdict.sentence
    found = by_id(verdict)
    assert [found[f"deeper/{kind}"].value for kind in KINDS] == pytest.approx([2, 2, 5, 5])
    assert found["batch/plain-he"].value < 1 < found["batch/residual-he"].value
    figures = {figure.id: figure for figure in verdict.figures}
    assert [len(s.x) for s in figures["depths"].series] == [5] * 2 * len(KINDS)
    assert [s.y for s in figures["deepest"].series] == [(10, 10, 20, 20), (20, 20, 100, 100)]


def test_the_usual_rates_are_measured_beside_the_wide_ones() -> None:
    verdict = concluded(claim(rates=(0.01, 0.1, 1.0)), training_up_to(limits(10, 20), best=1.0))
    row = next(r for r in verdict.tables[1].rows if r[:2] == ("plain, PyTorch init", "batch norm"))
    assert row[2:] == ("20", "none", "20")
