"""Carrying out: rounds until nothing is wanted, and Ctrl-C keeps what is finished."""

from __future__ import annotations

import pytest

from evenbatch.data import load
from evenbatch.engine import Curve
from evenbatch.experiments import Outcome, Round, carry_out
from evenbatch.experiments.race import Race
from evenbatch.experiments.speed import Speed


@pytest.fixture
def experiment() -> Speed:
    race = Race(load("digits"), width=8, depth=1, steps=60, seeds=5, tuning_seeds=2, grid=(0.3, 1))
    return Speed(race)


def test_rounds_follow_until_nothing_is_wanted(experiment: Speed) -> None:
    seen: list[tuple[str, int, int]] = []
    outcome = carry_out(
        experiment, watch=lambda r, done: seen.append((r.title, done, len(r.trials)))
    )
    assert not experiment.trials(outcome.curves).trials
    assert len(outcome.timed) == 102
    titles = list(dict.fromkeys(title for title, _, _ in seen))
    assert titles == ["finding learning rates", "measuring on fresh seeds", "timing"]
    for title in titles[:2]:
        done = [d for t, d, _ in seen if t == title]
        total = next(n for t, _, n in seen if t == title)
        assert done == list(range(total + 1))


@pytest.mark.parametrize("after", [0, 3, 8, 12])
def test_ctrl_c_keeps_what_is_finished_and_it_can_go_on(experiment: Speed, after: int) -> None:
    finished = 0

    def interrupt(_round: Round, done: int) -> None:
        nonlocal finished
        finished += done > 0
        if finished == after:
            raise KeyboardInterrupt

    outcome = carry_out(experiment, watch=interrupt)
    assert outcome.interrupted
    assert len(outcome.curves) == after
    assert outcome.timed == []
    assert outcome.verdict(experiment).answer == "cannot tell"
    for curve in outcome.curves.values():
        assert curve.ended in ("finished", "diverged")

    outcome.interrupted = False
    trained = []
    carry_out(experiment, outcome=outcome, watch=lambda r, done: trained.append((r.title, done)))
    again = sum(done > 0 for _, done in trained)
    assert again == len(outcome.curves) - after
    whole = carry_out(experiment)
    a, b = (o.verdict(experiment).effects[0] for o in (outcome, whole))
    assert a == b


def test_trials_that_a_stop_cut_short_are_no_results(
    experiment: Speed, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    module = sys.modules["evenbatch.experiments.carry_out"]
    real = module.train  # type: ignore[attr-defined]

    def stopped(trials: object, *args: object, **kw: object) -> list[Curve]:
        keep = kw.pop("on_curve")
        curves = real(trials, *args, **kw)
        for place, curve in enumerate(curves):
            object.__setattr__(curve, "ended", "stopped")
            keep(place, curve)  # type: ignore[operator]
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", stopped)
    outcome = carry_out(experiment)
    assert outcome.interrupted
    assert outcome.curves == {}


def test_an_outcome_can_be_given_and_is_returned(experiment: Speed) -> None:
    outcome = Outcome()
    assert carry_out(experiment, outcome=outcome) is outcome
