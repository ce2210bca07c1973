"""The race: two bakers, one with and one without normalization, to the same goal.

Three parts, each only looking at the curves of those before:

1. Selection. A grid of learning rates for each arm, on seeds of its own. It fixes the goal and each
   arm's best learning rate. The grid grows until the best lies inside it.
2. Measurement. Fresh seeds. Both arms at both best learning rates, so that best meets best and both
   also meet at equal settings.
3. Timing. A step of each arm, arms taking turns, alone on the machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve, Network, SettingError, Trial
from evenbatch.experiments import selection
from evenbatch.experiments.protocol import Curves, Effect, ExperimentError, Round
from evenbatch.experiments.ratios import Pairs
from evenbatch.experiments.wording import count, metric_name

WITHOUT = "none"
NORM_NAMES = {
    "batch": "batch norm",
    "layer": "layer norm",
    "rms": "RMS norm",
    "group": "group norm",
}
BEST = "best against best"
STEPS, TIME = "times fewer steps", "times less time"
TUNING_SEED = 1_000_000  # selection seeds start this far above the measurement seeds
MOST_SEEDS = 10_000
RESOLUTION = 8  # evaluations until the faster arm reaches the goal
TIMED_PAIRS = 51


@lru_cache(maxsize=100_000)
def _key(trial: Trial) -> str:
    """The trial's key; asked for again in every round."""
    return trial.key


@dataclass(frozen=True, eq=False)
class Comparison:
    """Both arms on the measurement seeds, each at one learning rate.

    Attributes:
        label: `BEST`, or "both at learning rate 0.1".
        rates: learning rate of the arm without and of the normalized arm.
        curves: (without, normalized) of each seed that both finished.
        steps: their steps to the goal.
        effects: the ratio of the steps, and that of the seconds if a step was timed.
    """

    label: str
    rates: tuple[float, float]
    curves: tuple[tuple[Curve, Curve], ...]
    steps: Pairs
    effects: tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Finding:
    """All that a race found, for tables, pictures and records.

    Attributes:
        goal: the metric to reach; None if no arm learned anything.
        grids: per arm, what each learning rate gave on the selection seeds.
        rates: per arm, its best learning rate.
        at_edge: arms whose best learning rate is the lowest or highest tried.
        comparisons: best against best first, then at equal settings.
        step_seconds: per arm, seconds per step of each timed training; empty if none was timed.
    """

    goal: selection.Goal | None
    grids: Mapping[str, Sequence[selection.Row]]
    rates: Mapping[str, float]
    at_edge: tuple[str, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    step_seconds: Mapping[str, Sequence[float]] | None = None


@dataclass(frozen=True, eq=False)
class Race:
    """The settings of a race, and the trainings that follow from them.

    Args:
        data: the data set.
        norm: normalizer of the second arm: "batch", "layer", "rms" or "group".
        placement, init, activation: of the network (see `Network`).
        depth, width: hidden layers and the width of each.
        optimizer: "sgd", "momentum", "adam" or "adamw", at a constant learning rate.
        batch_size: examples in a minibatch.
        steps: budget of a training, in minibatches.
        seeds: measurement seeds.
        tuning_seeds: selection seeds.
        seed: the first measurement seed.
        grid: learning rates to try; if left out, half decades from 0.001 to 1, continued until each
            arm's best lies inside, then quarter decades around it.
        goal: the metric to reach; if left out, chosen by `selection.choose_goal`.

    Raises:
        SettingError: a setting cannot be trained; the message names it.
        ExperimentError: the goal cannot be raced to.
    """

    data: Dataset
    norm: str = "batch"
    placement: str = "before"
    init: str = "torch"
    depth: int = 3
    width: int = 64
    activation: str = "relu"
    optimizer: str = "sgd"
    batch_size: int = 32
    steps: int = 1000
    seeds: int = 10
    tuning_seeds: int = 5
    seed: int = 0
    grid: tuple[float, ...] = ()
    goal: float | None = None

    def __post_init__(self) -> None:
        from evenbatch.engine.state import check_fit

        if self.norm == WITHOUT:
            raise SettingError(
                "norm is 'none', which is what the other arm has; use batch, layer, rms or group"
            )
        limits = (("seeds", MOST_SEEDS), ("tuning_seeds", MOST_SEEDS), ("depth", 200))
        for name, most in limits:
            if not 1 <= getattr(self, name) <= most:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be from 1 to {most}")
        object.__setattr__(self, "grid", tuple(sorted(set(self.grid))))
        for rate in self.grid or selection.START:
            if not rate > 0:
                raise SettingError(f"the learning rate {rate:g} in the grid must be above 0")
            for arm in self.arms:
                check_fit(self.trial(arm, rate, self.seed, 0), self.data)
        if self.goal is not None:
            selection.check_goal(self.data, self.goal)

    @property
    def arms(self) -> tuple[str, str]:
        return WITHOUT, self.norm

    @property
    def norm_name(self) -> str:
        return NORM_NAMES[self.norm]

    @property
    def metric(self) -> str:
        return metric_name(self.data)

    def setting(self, seeds: int) -> str:
        """Data, network and seeds in one line."""
        return f"{self.data_words}, {self.network_words}, {count(seeds, 'seed')}"

    @property
    def data_words(self) -> str:
        return f"{self.data.name} ({self.data.n_train} training and {self.data.n_test} test rows)"

    @property
    def network_words(self) -> str:
        placement = "" if self.placement == "before" else f", norm placed {self.placement}"
        layers = f"{count(self.depth, 'hidden layer')} of {self.width} {self.activation} units"
        return (
            f"{layers}{placement}, {self.init} initialization, {self.optimizer}, "
            f"batches of {self.batch_size}, {self.steps} steps"
        )

    def trial(self, arm: str, rate: float, seed: int, every: int, steps: int = 0) -> Trial:
        """A training of one arm. Both arms start from the same weights and see the same batches."""
        network = Network(
            inputs=self.data.n_features,
            hidden=(self.width,) * self.depth,
            outputs=self.data.n_outputs,
            activation=self.activation,
            norm=arm,
            placement=self.placement,
            init=self.init,
            time_steps=self.data.time_steps,
        )
        return Trial(
            network,
            data=self.data.name,
            optimizer=self.optimizer,
            learning_rate=rate,
            batch_size=self.batch_size,
            steps=steps or self.steps,
            seed=seed,
            evaluate_every=every,
        )

    def _every(self, wanted: float) -> int:
        """Steps between evaluations: as wanted, unless testing would outweigh training."""
        affordable = self.data.n_test / (24 * self.batch_size)
        return max(1, int(wanted), math.ceil(affordable))

    # Part 1: selection.

    def _tuning(self, arm: str, rate: float) -> list[Trial]:
        seeds = range(self.seed + TUNING_SEED, self.seed + TUNING_SEED + self.tuning_seeds)
        every = self._every(self.steps / 200)
        return [self.trial(arm, rate, seed, every) for seed in seeds]

    def tuning_keys(self, arm: str, rate: float) -> list[str]:
        """Keys of an arm's selection trials at a learning rate."""
        return [_key(trial) for trial in self._tuning(arm, rate)]

    def _selection(self, curves: Curves) -> Finding | list[Trial]:
        """Goal and best learning rates; or, while curves are missing, the trials still wanted."""
        grids: dict[str, list[float]] = {
            arm: list(self.grid or selection.START) for arm in self.arms
        }
        growing, floor = not self.grid, selection.chance(self.data)
        while True:
            wanted = [t for pair in self._in_turns(grids) for t in pair if _key(t) not in curves]
            if wanted:
                return wanted
            arms = {
                arm: {rate: [curves[_key(t)] for t in self._tuning(arm, rate)] for rate in grid}
                for arm, grid in grids.items()
            }
            goal = selection.choose_goal(self.data, arms, self.goal)
            if goal is None:
                return Finding(None, {}, {})
            tables = {arm: selection.rows(arms[arm], goal, floor) for arm in self.arms}
            added: dict[str, list[float]] = {}
            if growing:
                added = {arm: self._grown(arms[arm], tables[arm]) for arm in self.arms}
                if not any(added.values()):
                    growing = False
                    added = {arm: selection.refined(tables[arm]) for arm in self.arms}
            if not any(added.values()):
                break
            grids = {arm: grid + added[arm] for arm, grid in grids.items()}
        if self.goal is not None and not any(row.reached for t in tables.values() for row in t):
            raise ExperimentError(self._unreachable(arms))
        rates = {arm: selection.best(tables[arm]).learning_rate for arm in self.arms}
        edge = tuple(arm for arm in self.arms if selection.at_edge(tables[arm]))
        return Finding(goal, tables, rates, edge)

    def _in_turns(self, grids: Mapping[str, Sequence[float]]) -> Iterator[list[Trial]]:
        for arm, grid in grids.items():
            for rate in grid:
                yield self._tuning(arm, rate)

    def _grown(self, arm: selection.Arm, table: Sequence[selection.Row]) -> list[float]:
        floor = selection.chance(self.data)
        learned = selection.best_level(arm, floor) - floor >= selection.noise(self.data)
        return selection.grown(table, learned)

    def _unreachable(self, arms: Mapping[str, selection.Arm]) -> str:
        floor = selection.chance(self.data)
        levels = ", ".join(
            f"{'without' if arm == WITHOUT else 'with ' + self.norm_name} {level:.3g}"
            for arm, level in ((arm, selection.best_level(arms[arm], floor)) for arm in self.arms)
        )
        return (
            f"no training of either arm reached the goal {self.goal:g} in {self.steps} steps at "
            f"any learning rate; the best ended at {levels}. Lower the goal or raise the steps"
        )

    # Part 2: measurement.

    def _meetings(self, found: Finding) -> dict[str, tuple[float, float]]:
        """Learning rates (without, normalized) by the label of their comparison."""
        rates = tuple(found.rates[arm] for arm in self.arms)
        meetings = {BEST: (rates[0], rates[1])}
        for rate in rates if rates[0] != rates[1] else ():
            meetings[f"both at learning rate {rate:g}"] = (rate, rate)
        return meetings

    def _measured(self, found: Finding, arm: str, rate: float, seed: int) -> Trial:
        fastest = min(selection.best(table).steps for table in found.grids.values())
        return self.trial(arm, rate, seed, self._every(fastest / RESOLUTION))

    def trials(self, curves: Curves) -> Round:
        """The trainings still wanted, given the curves there are."""
        found = self._selection(curves)
        to_measure = 4 * self.seeds
        if isinstance(found, list):
            return Round("finding learning rates", tuple(found), to_measure)
        if found.goal is None:
            return Round("done", ())
        wanted = {}
        for seed in range(
            self.seed, self.seed + self.seeds
        ):  # pair by pair: a part is worth having
            for rates in self._meetings(found).values():
                for arm, rate in zip(self.arms, rates, strict=True):
                    trial = self._measured(found, arm, rate, seed)
                    if _key(trial) not in curves:
                        wanted[_key(trial)] = trial
        return Round("measuring on fresh seeds", tuple(wanted.values()))

    # Part 3: timing.

    def timing(self, curves: Curves) -> Sequence[Trial]:
        """Both arms in turns, each pair the other way round; the first pair only warms up.

        A step takes as long at any learning rate. The lowest one tried is used: at a higher one a
        training might diverge, and then there is nothing to time.
        """
        found = self._selection(curves)
        if isinstance(found, list) or found.goal is None:
            return ()
        lowest = min(row.learning_rate for table in found.grids.values() for row in table)
        pair = [self.trial(arm, lowest, self.seed, 0, self._timed_steps()) for arm in self.arms]
        return tuple(t for i in range(TIMED_PAIRS) for t in (pair if i % 2 else reversed(pair)))

    def _timed_steps(self) -> int:
        """Steps of a timed training: some milliseconds, so that turns are short and many."""
        network = self.trial(WITHOUT, 0.1, 0, 0).network
        sizes = (network.inputs, *network.hidden, network.outputs)
        weights = sum(a * b for a, b in pairwise(sizes))
        operations = 6 * weights * self.batch_size  # a step: three products of two operations each
        return min(self.steps, max(20, min(200, int(5e8 / operations))))

    def _step_seconds(self, timed: Sequence[Curve]) -> dict[str, list[float]]:
        """Seconds per step, per arm, pair by pair; {} unless at least one pair was timed."""
        seconds: dict[str, list[float]] = {arm: [] for arm in self.arms}
        for i in range(2, len(timed) - 1, 2):
            pair = timed[i : i + 2]
            if all(curve.ended == "finished" for curve in pair):
                for curve in pair:
                    each = float(curve.seconds[-1]) / curve.ended_at
                    seconds[curve.trial.network.norm].append(each)
        return seconds if seconds[WITHOUT] else {}

    # What it comes to.

    def finding(self, curves: Curves, timed: Sequence[Curve]) -> Finding | None:
        """What the curves show so far; None before the goal and the learning rates are chosen."""
        found = self._selection(curves)
        if isinstance(found, list):
            return None
        if found.goal is None:
            return found
        seconds = self._step_seconds(timed)
        comparisons = []
        for label, rates in self._meetings(found).items():
            comparison = self._compare(found, label, rates, curves, seconds)
            if comparison is not None:
                comparisons.append(comparison)
        return Finding(
            found.goal, found.grids, found.rates, found.at_edge, tuple(comparisons), seconds
        )

    def _compare(
        self,
        found: Finding,
        label: str,
        rates: tuple[float, float],
        curves: Curves,
        seconds: Mapping[str, Sequence[float]],
    ) -> Comparison | None:
        assert found.goal is not None
        pairs = []
        for seed in range(self.seed, self.seed + self.seeds):
            keys = [
                _key(self._measured(found, arm, rate, seed))
                for arm, rate in zip(self.arms, rates, strict=True)
            ]
            if all(key in curves for key in keys):
                pairs.append((curves[keys[0]], curves[keys[1]]))
        if not pairs:
            return None
        reached = np.array([[selection.steps_to(c, found.goal.value) for c in p] for p in pairs])
        without, with_norm = np.maximum(reached.T, 1)
        steps = Pairs(without, with_norm, self.steps)
        effects = [steps.ratio(STEPS, label)]
        if seconds:
            price = np.array(seconds[WITHOUT]) / np.array(seconds[self.norm])
            effects.append(steps.ratio(TIME, label, price))
        return Comparison(label, rates, tuple(pairs), steps, tuple(effects))
