"""The depth claim's rule on networks of which it is known how deep they train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from claims import Model, concluded, invented, noise, trained
from race_models import tea

from evenbatch.claims.depth import Depth, on
from evenbatch.claims.depth_shown import ARMS, SETTINGS, called
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.setup import QUICK

Limits = Mapping[tuple[str, int], int]


def claim(seeds: int = 5) -> Depth:
    """The claim with fewer learning rates."""
    quick = on(tea(), replace(QUICK, seeds=seeds))
    return replace(quick, rates=(0.01, 0.1, 1.0))


def training_up_to(limits: Limits, best: float = 0.1) -> Model:
    """Networks that train up to a depth, by normalizer and layers in a residual block."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        reaches = net.depth <= limits[net.norm, net.residual] and trial.learning_rate == best
        return invented(trial, (0.95 if reaches else 0.55) + noise(trial))

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
    assert "only under one initialization" in verdict.reason


def test_networks_that_diverge_do_not_train() -> None:
    def model(trial: Trial) -> Curve:
        if trial.network.norm == "batch" and trial.network.depth > 2:
            return invented(trial, 0.5, diverged=True)
        return training_up_to(limits(20, 2))(trial)

    assert concluded(claim(), model).answer == "does not hold"


def test_networks_that_learn_nothing_and_few_seeds_tell_nothing() -> None:
    nothing = concluded(claim(), training_up_to(limits(1, 1), best=9.0))
    assert (nothing.answer, nothing.reason) == ("cannot tell", "no network learned anything")
    few = concluded(claim(seeds=4), training_up_to(limits(10, 100)))
    assert few.answer == "cannot tell"
    assert few.reason == "4 seeds measured and at least 5 are needed"


def test_seeds_that_disagree_settle_nothing() -> None:
    def model(trial: Trial) -> Curve:
        return training_up_to(limits(20, 100 if trial.seed % 2 else 2))(trial)

    verdict = concluded(claim(), model)
    assert (verdict.answer, verdict.reason) == (
        "cannot tell",
        "whether 50 layers train is not settled",
    )


def test_the_depths_are_those_that_trained() -> None:
    verdict = concluded(claim(), training_up_to(limits(10, 20, 20, 100)))
    assert "were 10 without and 20 with batch norm" in verdict.sentence
    assert "residual connections 20 without and 100 with batch norm" in verdict.sentence
    deeper = [e for e in verdict.effects if e.unit == "times deeper"]
    assert [e.value for e in deeper] == pytest.approx([2, 2, 5, 5])
    ladder, stops = verdict.figures
    assert [len(s.x) for s in ladder.series] == [5] * len(ARMS) * len(SETTINGS)
    assert stops.x.names == tuple(called(setting) for setting in SETTINGS)


def test_the_usual_grid_is_measured_beside_the_wide_one() -> None:
    experiment = claim()
    curves = trained(experiment, training_up_to(limits(10, 20), best=1.0))
    verdict = experiment.verdict(curves, ())
    _, stops = verdict.tables
    row = next(r for r in stops.rows if str(r[0]).startswith("batch norm, plain"))
    assert row[1:] == ("20", "none", "20")
    for table in verdict.tables:
        assert {key for keys in table.keys for key in keys} <= set(curves)


def test_a_part_of_the_curves_gives_no_verdict() -> None:
    experiment = claim()
    curves = trained(experiment, training_up_to(limits(10, 20)))
    for share in (0.0, 0.3, 0.9):
        some = dict(list(curves.items())[: int(share * len(curves))])
        assert experiment.verdict(some, ()).answer == "cannot tell"
