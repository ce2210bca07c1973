"""What an experiment says of itself before any result, from its description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Trial, conv
from evenbatch.protocol.block import Among, Best, Block, Changes, Equal, HostRate, RateOf, arm_axis
from evenbatch.protocol.cells import Cells, make_trial
from evenbatch.protocol.experiment import Experiment, RacePlan
from evenbatch.protocol.goals import SHARE
from evenbatch.protocol.verdict import Statement
from evenbatch.protocol.wording import count, listed

INIT_NAMES = {
    "torch": "PyTorch's initialization",
    "he": "He initialization",
    "xavier": "Xavier initialization",
    "gaussian": "normal initial weights",
}


def statement(experiment: Experiment) -> Statement:
    """The statement: everything is fixed when it is printed."""
    race = experiment.race
    arms = race.arms if race else arm_axis(experiment.blocks[0])
    grid = "; ".join(dict.fromkeys(_grid(block) for block in experiment.blocks))
    fairness = _fair_race(race) if race else _fairness(experiment)
    return Statement(
        claim=experiment.states,
        question=experiment.question,
        arms=tuple((level.id, level.name) for level in arms.levels),
        grid=_tried(race) if race else grid,
        fairness=" ".join(filter(None, (fairness, experiment.fairness))),
        measure=experiment.measure,
        rule=experiment.rule.text(),
        source=experiment.source,
    )


def _grid(block: Block) -> str:
    parts = [
        f"{axis.name}: {_listing([level.name for level in axis.levels])}"
        for axis in block.axes
        if len(axis.levels) > 1
    ]
    if len(block.rates) > 1:
        rates = block.rates
        parts.append(f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each")
    return "; ".join(parts)


def _listing(names: Sequence[str]) -> str:
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _fairness(experiment: Experiment) -> str:
    said = [
        "Same initial weights, minibatches and order in all arms, seed by seed, and the same "
        "number of steps."
    ]
    kinds = {type(at): at for block in experiment.blocks for at in block.at}
    rated = []
    if Best in kinds:
        seeds = max(block.tuning for block in experiment.blocks)
        rated.append(f"each at its own best learning rate, chosen on {count(seeds, 'other seed')}")
    equal = kinds.get(Equal)
    if isinstance(equal, Equal):
        how = "in sum" if equal.by == "sum" else "for the weakest of them"
        rated.append(f"all arms at the one rate that is best {how}")
    hosts = [at for block in experiment.blocks for at in block.at if isinstance(at, HostRate)]
    if hosts:
        arms = arm_axis(experiment.blocks[0])
        named = listed([arms[host.level].name for host in hosts])
        rated.append(f"all at the best rate of {named}")
    among = kinds.get(Among)
    if isinstance(among, Among):
        rated.append(f"each at the best of {', '.join(f'{rate:g}' for rate in among.rates)}")
    if RateOf in kinds:
        rated.append("the rate of each trained network is used for all that is done with it")
    if rated:
        said.append(f"Compared {listed(rated)}.")
    for goal in experiment.goals:
        to = "each arm's own best" if goal.own else "the best that the weaker arm reaches"
        said.append(f"The goal is {100 * goal.share:.0f} % of the way from chance to {to}.")
    return " ".join(said)


def _tried(plan: RacePlan) -> str:
    rates = ", ".join(f"{rate:g}" for rate in plan.rates)
    more = (
        ", continued in half decades until its best lies inside, then quarter decades around it"
        if plan.growing
        else ""
    )
    return f"learning rates {rates} for each arm{more}"


def _fair_race(plan: RacePlan) -> str:
    goal = (
        "The goal was asked for."
        if plan.goal is not None
        else f"One goal for both, {100 * SHARE:.0f} % of the way from chance to the best that the "
        "weaker arm reaches."
    )
    return (
        f"Same initial weights, minibatches and order in both arms, seed by seed. {goal} Goal and "
        f"learning rates are chosen on {count(plan.tuning, 'tuning seed')}, the ratio is measured "
        "on others. Best against best, and both arms at each other's best learning rate."
    )


def race_setting(experiment: Experiment, data: Dataset, seeds: int) -> str:
    """Data, networks, training and seeds of a race in one line."""
    plan = experiment.race
    assert plan is not None
    trials = [
        make_trial(
            Changes(trial={"steps": plan.steps}).over(arm.changes.over(plan.base)), data, plan.first
        )
        for arm in plan.arms.levels
    ]
    return _line(data, trials, seeds)


def setting(experiment: Experiment, cells: Cells, seeds: int) -> str:
    """Data, network, training and seeds in one line, from the trials themselves; where they differ,
    the range."""
    data = cells.datasets[experiment.data]
    rate = cells.block.rates[0] if cells.block.rates else None
    trials = [cells.trials(cell, rate, search=False)[0] for cell in cells.settings]
    return _line(data, trials, seeds)


def _line(data: Dataset, trials: Sequence[Trial], seeds: int) -> str:
    seen = count(seeds, "seed") if seeds else ""  # a race may end before any is measured
    said = ", ".join(filter(None, (_layers(trials), *_words(trials), seen)))
    return f"{data.name} ({data.n_train} training and {data.n_test} test rows), {said}"


def _layers(trials: Sequence[Trial]) -> str:
    networks = [trial.network for trial in trials]
    convolutions = _each(conv.listed(network.conv) for network in networks if network.conv)
    depth = _range(len(network.hidden) for network in networks)
    width = _range(w for network in networks for w in network.hidden)
    activations = listed(_each(network.activation for network in networks))
    parts = [f"convolutions ({said})" for said in convolutions]
    if depth != "0":
        parts.append(f"{depth} hidden layer{'' if depth == '1' else 's'} of {width}")
    places = _each(network.placement for network in networks if network.norm != "none")
    placed = f", norm placed {places[0]}" if len(places) == 1 and places != ["before"] else ""
    return f"{listed(parts)} {activations} units{placed}"


def _words(trials: Sequence[Trial]) -> list[str]:
    inits = _each(trial.network.init for trial in trials)
    steps = _range(trial.steps for trial in trials)
    return [
        listed([INIT_NAMES[name] for name in inits]),
        listed(_each(trial.optimizer for trial in trials)),
        f"batches of {_range(trial.batch_size for trial in trials)}",
        f"{steps} step{'' if steps == '1' else 's'}",
    ]


def _each(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _range(values: Iterable[int]) -> str:
    found = sorted(set(values)) or [0]
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
