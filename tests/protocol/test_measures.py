"""What is read off a curve."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evenbatch.engine import Curve, Network, Trial
from evenbatch.protocol.measures import CAP, KEPT, MEASURES, About
from evenbatch.protocol.paths import PATHS
from support.curves import curve as built
from support.curves import probed, surveyed

NET = Network(inputs=3, hidden=(4, 4, 4), outputs=2)
LOW = 0.5


def curve(metric: list[float], every: int = 10, steps: int = 100, ended: str = "finished") -> Curve:
    values = np.array(metric)
    step, blank = every * np.arange(len(values)), np.full(len(values), np.nan)
    trial = Trial(NET, steps=steps)
    return Curve(trial, step, blank, blank, blank, values, blank, blank, ended, int(step[-1]))


def read(name: str, found: Curve, **about: float) -> float:
    return MEASURES[name](found, About(**{"floor": LOW, **about}))


def steps_to(found: Curve, goal: float) -> float:
    return read("steps-to", found, goal=goal)


# Steps to a goal.


def test_the_goal_must_be_held() -> None:
    touched = curve([0.5, 0.9, 0.5, 0.5, 0.6, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert steps_to(touched, 0.9) == 50


def test_a_dip_that_leaves_the_average_up_is_allowed() -> None:
    dip = curve([0.5, 0.99, 0.99, 0.6, *[0.99] * 7], every=2, steps=100)
    assert steps_to(dip, 0.8) == pytest.approx(2 * 0.3 / 0.49)


def test_a_goal_that_is_lost_again_is_not_reached() -> None:
    lost = curve([0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.55, 0.55, 0.55, 0.55, 0.55])
    assert steps_to(lost, 0.8) == math.inf
    late = curve([0.5, 0.9, 0.9, 0.9, 0.55, 0.55, 0.55, 0.9, 0.9, 0.9, 0.9])
    assert steps_to(late, 0.8) > 60
    # A little less than the goal is still near it.
    assert steps_to(curve([0.5, *[0.9] * 5, *[0.785] * 5]), 0.8) < 10


def test_a_touch_at_the_very_end_cannot_be_held() -> None:
    assert steps_to(curve([0.5] * 10 + [0.9]), 0.8) == math.inf
    assert steps_to(curve([0.5] * 9 + [0.9, 0.9]), 0.8) == math.inf
    assert steps_to(curve([0.5] * 8 + [0.9] * 3), 0.8) == pytest.approx(70 + 10 * 0.3 / 0.4)


def test_the_step_lies_on_the_line_between_two_evaluations() -> None:
    assert steps_to(curve([0.5, 0.9] + [0.9] * 9), 0.6) == pytest.approx(2.5)
    assert steps_to(curve([0.9] * 11), 0.6) == 0


@pytest.mark.parametrize("metric", [[math.nan] * 11, [0.5], [0.5, math.nan, 0.9, math.nan]])
def test_what_never_gets_there_never_gets_there(metric: list[float]) -> None:
    assert steps_to(curve(metric), 0.95) == math.inf


def test_who_diverges_has_not_reached_it() -> None:
    assert steps_to(curve([0.5] + [0.9] * 10, ended="diverged"), 0.8) == math.inf


@pytest.mark.parametrize("at", [20, 37.5, 60])
def test_steps_of_an_invented_curve_are_what_was_put_in(at: float) -> None:
    found = built(Trial(NET, steps=100, evaluate_every=5), 0.9, at, start=LOW)
    goal = LOW + 0.9 * 0.4
    assert steps_to(found, goal) == pytest.approx(0.9 * at, abs=0.3)


# The end, and the whole.


def test_the_level_is_the_mean_at_the_end_and_no_less_than_chance() -> None:
    assert read("level", curve([0.1] * 18 + [0.8, 0.9])) == pytest.approx(0.85)
    assert read("level", curve([0.9] * 20, ended="diverged")) == LOW
    assert read("level", curve([0.9] * 19 + [math.nan])) == LOW
    assert read("level", curve([0.2] * 20)) == LOW


def test_the_last_evaluation_may_be_worse_than_chance() -> None:
    assert read("last", curve([0.9, 0.2])) == 0.2
    assert read("last", curve([0.9, 0.2], ended="diverged")) == LOW
    assert math.isnan(read("finished", curve([0.9], ended="diverged")))


def test_the_average_weighs_evaluations_by_their_steps() -> None:
    uneven = replace(curve([0.5, 0.9, 0.9]), step=np.array([0, 10, 100]))
    assert read("average", uneven) == pytest.approx((0.7 * 10 + 0.9 * 90) / 100)
    assert read("average", curve([0.5, 0.1, 0.9], ended="diverged")) == LOW
    assert read("average", curve([0.5, math.nan, 0.5])) == LOW


def test_the_value_is_read_where_the_training_loss_is_crossed() -> None:
    even = curve([0.0] * 101, every=1)
    way = np.linspace(0, 1, 101)
    found = replace(even, train_eval_loss=1 - way, metric=way**2, train_metric=way)
    assert read("at-loss", found, loss=0.25) == pytest.approx(0.75**2, abs=1e-3)
    assert read("gap-at-loss", found, loss=0.25) == pytest.approx(0.75 - 0.75**2, abs=1e-3)
    assert math.isnan(read("at-loss", found, loss=-1))
    assert math.isnan(read("at-loss", replace(found, ended="diverged"), loss=0.25))


# Probes.


def with_probes(steps: int = 20, diverged: bool = False, **parts: Any) -> Curve:
    trial = Trial(NET, steps=steps, probe_every=1)
    return probed(built(trial, diverged=diverged), **parts)


def test_drift_is_counted_in_standard_deviations() -> None:
    rising = np.arange(20)[:, None] * np.ones(4)
    assert read("drift", with_probes(input_mean=rising, input_std=2 + 0 * rising)) == 0.5
    doubling = 2.0 ** (rising % 2)
    still = with_probes(input_mean=0 * rising, input_std=doubling)
    assert read("drift", still) == pytest.approx(np.log(2))
    assert math.isnan(read("drift", with_probes(input_mean=rising, input_std=0 * rising)))


def test_the_furthest_is_in_deviations_at_the_start() -> None:
    rising = np.arange(20)[:, None] * np.ones(4)
    found = with_probes(input_mean=rising, input_std=4 + rising)
    assert read("furthest", found) == pytest.approx(19 / 4)
    assert math.isnan(read("furthest", with_probes(diverged=True)))


def test_a_gradient_range_is_in_decades_of_the_layers_between() -> None:
    norms = 10.0 ** np.array([9, 1, 3, 9])[None] * np.ones((20, 1))
    assert read("gradient-range", with_probes(gradient_norm=norms)) == pytest.approx(2)
    assert read("first-gradient", with_probes(gradient_norm=norms)) == pytest.approx(1)
    gone = norms * np.array([1, 0, 1, 1])
    assert read("gradient-range", with_probes(gradient_norm=gone)) == CAP
    assert read("gradient-range", with_probes(gradient_norm=norms, diverged=True)) == CAP


def test_growth_is_a_factor_a_layer_towards_the_input() -> None:
    norms = 1.3 ** (-np.arange(4) / 2)[None] * np.ones((20, 1))
    assert read("gradient-growth", with_probes(gradient_norm=norms)) == pytest.approx(1.3)
    assert math.isnan(read("gradient-growth", with_probes(gradient_norm=0 * norms)))


def test_movement_of_gamma_and_beta_is_that_of_the_hidden_layers() -> None:
    part = np.linspace(0, 1, 20)[:, None] * np.array([1, 1, 1, np.nan])
    found = with_probes(gamma_shift=0.1 * part, beta_shift=0.2 * part)
    assert read("gamma-moved", found) == pytest.approx(0.1)
    assert read("beta-moved", found) == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["gradient-range", "drift", "gamma-moved", "gradient-growth"])
def test_a_curve_without_probes_is_no_measure_but_an_error(name: str) -> None:
    if name == "gradient-growth":
        assert math.isnan(read(name, curve([0.5])))
        return
    with pytest.raises(ValueError, match="has no probes"):
        read(name, curve([0.5]))


# Along the gradient.


def test_changes_are_those_of_the_landscape() -> None:
    trial = Trial(NET, steps=100, landscape_every=10)
    found = surveyed(built(trial), loss=0.3, gradient=2.0, norm=4.0)
    names = ("loss-change", "gradient-change", "relative-change")
    assert [read(name, found) for name in names] == pytest.approx([0.3, 2.0, 0.5])
    assert found.landscape is not None
    found.landscape.loss[:, 3:] = np.inf
    found.landscape.gradient_change[:, 3:] = np.nan
    assert {read(name, found) for name in names} == {KEPT[1]}


# Paths.


@pytest.mark.parametrize("name", PATHS)
def test_a_path_gives_as_many_values_as_places_also_of_a_run_that_ended_early(name: str) -> None:
    ones = np.ones((60, 1))
    for diverged in (False, True):
        trial = Trial(NET, steps=60, probe_every=1, landscape_every=5, evaluate_every=5)
        found = probed(
            built(trial, diverged=diverged), gradient_norm=ones, input_mean=ones, input_std=ones,
            gamma_shift=ones, beta_shift=ones,
        )  # fmt: skip
        place = 1 if name == "affine" else 2  # beta, or the second layer
        path = PATHS[name](surveyed(found, 1.0, 1.0), About(LOW, 0.9, 0.3), place)
        assert len({len(np.asarray(part)) for part in path}) == 1
        assert len(path) in (2, 4)


def test_every_measure_is_used_by_a_claim_or_a_table() -> None:
    """A measure nobody asked about is refused."""
    from pathlib import Path

    import evenbatch

    root = Path(evenbatch.__file__).parent
    files = [*(root / "claims").glob("*.py"), *(root / "protocol").glob("*.py")]
    files += (root / "lesson").glob("*.py")
    texts = [path.read_text("utf-8") for path in files if path.name != "measures.py"]
    for name in MEASURES:
        stem = name.removesuffix("-moved")
        assert any(f'"{name}"' in text or f'"{stem}"' in text for text in texts), name
