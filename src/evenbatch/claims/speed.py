"""Claim "speed": with batch normalization a network trains 3–5 times faster.

How the race is run, and why so, is in `evenbatch.protocol.race` and docs/race.md.
"""

from __future__ import annotations

import math
from typing import Any

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset
from evenbatch.engine import SettingError
from evenbatch.engine.state import check_fit
from evenbatch.protocol.effects import PENALTY
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.tuning import START
from evenbatch.protocol.verdict import ExperimentError, Verdict

PHRASE = "3–5 times faster"
LOW, HIGH, MOST_SEEDS = 3.0, 5.0, 10_000
MOST_TESTS = 1000  # more would make testing outweigh training, and tell little more
STEPS, TIME = "steps/best", "time/best"
RULE = p.Rule(
    clauses=(
        p.holds(p.beyond(STEPS, HIGH) & p.beyond(TIME, HIGH),
                "at least 3 times, in steps and in time", "more than claimed"),
        p.holds(p.above(STEPS, LOW) & p.above(TIME, LOW), "in steps and in time"),
        p.in_part(p.above(STEPS, LOW), "3 times in steps, but not clearly in time"),
        p.in_part(p.beyond(TIME, 1) & p.below(TIME, LOW), "faster, but less than 3 times"),
        p.in_part(p.beyond(TIME, 1), "faster, but whether 3 times is not settled"),
        p.fails(p.below(STEPS, LOW) | p.below(TIME, LOW),
                "it is not clear that any time is saved, and 3 times is ruled out"),
    ),
    names={STEPS: "the ratio of steps", TIME: "the ratio of time"},
    otherwise="the intervals include both no gain and 3 times",
    where="best against best",
    needs={TIME: "the steps were not timed"},
)  # fmt: skip
WORDS = {
    "phrase": PHRASE,
    "states": f"With normalization a network trains {PHRASE}.",
    "measure": "Ratio of the steps and of the seconds to the goal, without divided by with: "
    "geometric mean over seeds, 95 % paired bootstrap interval. Seconds are steps times what a "
    "step costs, timed with both arms taking turns, alone. A run that never gets there counts "
    f"as 1 to {PENALTY} budgets, whichever is worse for that end of the interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 4.2 (14 times fewer steps on "
    "ImageNet, with higher learning rates and other changes).",
    "change": "Another initialization or optimizer does part of what normalization does, and a "
    "deeper network or unscaled input gives it more to do: docs/race.md measures both. A "
    "framework that pays for each operation makes a normalized step dearer.",
}


def race_study(
    data: Dataset,
    norm: str = "batch",
    *,
    depth: int | None = None,
    width: int = 64,
    steps: int = 1000,
    seeds: int = 10,
    tuning: int = 5,
    seed: int = 0,
    rates: tuple[float, ...] = (),
    goal: float | None = None,
    raw_target: bool = False,
    **settings: Any,
) -> RaceStudy:
    """A network without normalization against the same one with it.

    Args:
        data: the data set.
        norm: normalizer of the second arm: "batch", "layer", "rms" or "group".
        depth, width: hidden layers (3; behind convolutions none) and the width of each.
        steps: budget of a run, in minibatches.
        seeds, tuning, seed: measurement and tuning seeds; and the first measurement seed.
        rates: learning rates to try; if left out, half decades from 0.001 to 1, continued until
            each arm's best lies inside, then quarter decades around it.
        goal: the metric to reach; if left out, chosen by a rule that does not know the arms.
        raw_target: leave a regression's target as it is. Else one whose size is far from 1 is
            standardized: R² stays what it is, and usual learning rates fit.
        settings: further fields of `Network` and `Trial`: placement, init, activation, conv,
            optimizer, batch_size.

    Raises:
        SettingError: a setting cannot be trained; the message names it.
        ExperimentError: the goal cannot be raced to.

    >>> from evenbatch.data import load
    >>> race_study(load("digits"), "layer", depth=1).networks.arms
    ('none', 'layer')
    """
    prepared = p.Prepared(data) if raw_target else p.Prepared(data).learnable()
    prepared = prepared.balanced_tests(MOST_TESTS)
    data = prepared.data
    if norm == "none":
        raise SettingError("norm is 'none', as the other arm's; use batch, layer, rms or group")
    least = 0 if settings.get("conv") else 1
    depth = 3 * least if depth is None else depth
    limits = {"seeds": (seeds, 1, MOST_SEEDS), "tuning": (tuning, 1, MOST_SEEDS)}
    for name, (value, low, most) in (limits | {"depth": (depth, least, 200)}).items():
        if not low <= value <= most:
            raise SettingError(f"{name} is {value}; it must be from {low} to {most}")
    for rate in rates:
        if not rate > 0:
            raise SettingError(f"the learning rate {rate:g} must be above 0")
    if settings.get("batch_size", 0) > data.n_train:
        raise SettingError(
            f"batch_size is {settings['batch_size']} but data set {data.name!r} has only "
            f"{data.n_train} training rows"
        )
    if goal is not None and goal > 1:
        raise ExperimentError(
            f"the goal is {goal:g}, but {p.metric_name(data)} cannot exceed 1. A goal of 93 % is "
            "written 0.93"
        )
    plan = p.RacePlan(
        base=p.changes(depth=depth, width=width, **settings), arms=c.arms("none", norm),
        steps=steps, rates=tuple(sorted(set(rates))) or START, growing=not rates,
        seeds=seeds, tuning=tuning, first=seed, goal=goal,
    )  # fmt: skip
    experiment, _ = asked(
        prepared, claim="speed", **WORDS, race=plan, blocks=(), effects=(), rule=RULE,
        question="How many times fewer steps, and how many times less time, does a network need "
        f"with {c.ARM_NAMES.get(norm, norm)} to reach the same {{metric}} as without?",
    )  # fmt: skip
    study = RaceStudy(experiment, data)
    for arm in study.networks.arms:
        for rate in plan.rates:
            check_fit(study.networks.trial(arm, rate, seed, 0), data)
    return study


def make(data: Dataset, effort: Effort) -> Made:
    """The race on a data set, as `evenbatch prove` runs it."""
    study = race_study(data, seeds=effort.seeds, tuning=3 if effort.quick else 5)
    return study.experiment, (p.Prepared(study.data),)


def named(name: str, verdict: Verdict) -> str:
    """A data set with both ratios."""
    said = [p.times(e).split(" (")[0] for e in verdict.effects[:2] if e.id in (STEPS, TIME)]
    known = len(said) == 2 and not math.isnan(verdict.effects[0].value)
    return f"{name} ({', '.join(said)})" if known else name


CLAIM = Claim("speed", PHRASE, make, p.Telling(str), named=named)
