"""A block's trials, and its best learning rates."""

from __future__ import annotations

from typing import Any

import pytest

from evenbatch.engine import Trial
from evenbatch.protocol import (
    Among,
    Axis,
    Best,
    Block,
    Equal,
    HostRate,
    Level,
    RateOf,
    changes,
    numbered,
)
from evenbatch.protocol.cells import TUNING_SEED, Cells, rate_at, rates_between
from evenbatch.protocol.verdict import ExperimentError
from support.curves import curve, tea

RATES = (0.01, 0.1, 1.0)
ARM = Axis(
    "arm", "arm", (Level("none", "none"), Level("batch", "batch norm", changes(norm="batch")))
)
SIZE = numbered("size", "batch size", (8, 16), lambda size: {"batch_size": size})


def cells(data: Any = None, axes: Any = (SIZE, ARM), **described: Any) -> Cells:
    data = data or tea()
    base = changes(depth=1, width=4, steps=20)
    block = Block(id="b", base=base, axes=axes, seeds=3, tuning=2, rates=RATES, **described)
    return Cells(block, {data.name: data}, data.name, lambda found: float(found.metric[-1]))


def scored(made: Cells, scores: dict[tuple[str, ...], tuple[float, ...]]) -> dict[str, Any]:
    """Curves of the search that end at these scores, rate by rate."""
    return {
        trial.key: curve(trial, score)
        for cell, own in scores.items()
        for rate, score in zip(RATES, own, strict=True)
        for trial in made.trials(cell, rate, search=True)
    }


def test_cells_are_the_product_of_the_axes_the_last_one_fastest() -> None:
    assert list(cells().settings) == [
        ("8", "none"), ("8", "batch"), ("16", "none"), ("16", "batch"),
    ]  # fmt: skip


def test_trials_have_the_settings_of_their_cell_and_seeds_of_their_own() -> None:
    made = cells(first=4)
    (one, *_) = trials = made.trials(("8", "batch"), 0.1)
    assert (one.batch_size, one.network.norm, one.learning_rate, one.steps) == (8, "batch", 0.1, 20)
    assert [trial.seed for trial in trials] == [4, 5, 6]
    tuning = made.trials(("8", "batch"), 0.1, search=True)
    assert [trial.seed for trial in tuning] == [4 + TUNING_SEED, 5 + TUNING_SEED]
    assert made.keys(("8", "batch"), 0.1) == tuple(trial.key for trial in trials)


def test_a_trial_is_made_once() -> None:
    made = cells()
    assert made.trials(("8", "none"), 0.1) is made.trials(("8", "none"), 0.1)


def test_measuring_settings_are_not_those_of_the_search() -> None:
    made = cells(measuring=changes(probe_every=1))
    assert {t.probe_every for t in made.trials(("8", "none"), 0.1)} == {1}
    assert {t.probe_every for t in made.trials(("8", "none"), 0.1, search=True)} == {0}


def test_trials_are_wanted_seed_by_seed() -> None:
    made = cells()
    wanted: list[Trial] = list(made.wanted([(cell, 0.1) for cell in made.settings], search=False))
    assert [trial.seed for trial in wanted] == [0] * 4 + [1] * 4 + [2] * 4


def test_a_cell_may_name_other_data() -> None:
    on = Axis("on", "on", (Level("here", "here"), Level("there", "there", changes("mate"))))
    block = Block(id="b", base=changes(depth=1, width=4), axes=(on,), seeds=1)
    made = Cells(block, {"tea": tea(), "mate": tea(name="mate")}, "tea")
    assert [made.trials((level,), 0.1)[0].data for level in ("here", "there")] == ["tea", "mate"]


def test_a_table_smaller_than_a_batch_is_an_error_that_says_so() -> None:
    made = cells(tea(10))
    made.trials(("8", "none"), 0.1)
    with pytest.raises(ExperimentError, match=r"tea has 10 training rows.*batches of 16"):
        made.trials(("16", "none"), 0.1)


# The choice.

SCORES = {
    ("8", "none"): (0.6, 0.9, 0.6),
    ("8", "batch"): (0.7, 0.8, 0.95),
    ("16", "none"): (0.9, 0.6, 0.6),
    ("16", "batch"): (0.9, 0.9, 0.9),
}


def chosen(at: Any, least: float = 0.55) -> list[float | None]:
    made = cells()
    rates = made.rates(at, scored(made, SCORES), least, lambda _at, levels: float(levels["size"]))
    return [rates[cell] for cell in made.settings]


def test_each_cell_has_its_own_best_rate_among_equals_the_lowest() -> None:
    assert chosen(Best()) == [0.1, 1.0, 0.01, 0.01]


def test_equal_rates_are_best_in_sum_or_for_the_weakest() -> None:
    assert chosen(Equal()) == [0.1, 0.1, 0.01, 0.01]
    assert chosen(Equal(by="min")) == [0.1, 0.1, 0.01, 0.01]
    assert chosen(Equal(levels=("batch",))) == [1.0, 1.0, 0.01, 0.01]
    assert chosen(Equal(axis="size")) == [0.01, 1.0, 0.01, 1.0]


def test_a_hosts_rate_is_everyones() -> None:
    assert chosen(HostRate("batch")) == [1.0] * 4
    assert chosen(HostRate("16", "size")) == [0.01] * 4


def test_among_some_rates_each_takes_its_best_of_those() -> None:
    usual = Among((0.01, 0.1), "usual", "usual rates")
    assert chosen(usual) == [0.1, 0.1, 0.01, 0.01]
    # One that learned nothing at any rate keeps its best: on a part it would learn nothing, too.
    assert chosen(usual, least=0.93) == [0.1, 0.1, 0.01, 0.01]
    assert chosen(usual, least=0.96)[1] == 1.0


def test_rates_of_another_block_are_asked_for_by_cell() -> None:
    assert chosen(RateOf("other")) == [8.0, 8.0, 16.0, 16.0]


def test_edges_are_told_of_cells_that_learned_something() -> None:
    made = cells()
    curves = scored(made, SCORES)
    assert made.at_edge(curves, 0.55) == [("8", "batch"), ("16", "none"), ("16", "batch")]
    assert made.at_edge(curves, 0.92) == [("8", "batch")]


def test_a_search_that_is_not_over_is_not_ready() -> None:
    made = cells()
    curves = scored(made, SCORES)
    assert made.ready(curves)
    curves.popitem()
    assert not made.ready(curves)


def test_rates_are_written_as_people_do() -> None:
    assert rates_between(-2, 1, 0.5) == (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0)
    assert [rate_at(k / 4) for k in (-1, 1, 3)] == [0.562, 1.78, 5.62]


def test_names_say_what_differs() -> None:
    names = cells().names
    assert names[("8", "batch")] == "batch size 8, batch norm"
    assert cells(axes=(ARM,)).names[("none",)] == "none"


def test_settings_that_nothing_has_are_refused() -> None:
    with pytest.raises(TypeError, match="neither Network nor Trial has widht"):
        changes(widht=3)
