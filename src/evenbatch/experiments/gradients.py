"""Claim "gradients": with normalization gradients neither explode nor vanish.

evenbatch prove gradients
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import Curve
from evenbatch.experiments import gradients_shown as shown
from evenbatch.experiments import selection
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.setup import DEFAULT, INIT_NAMES, INIT_SHORT, Effort, Setup, initial
from evenbatch.experiments.tuned import Floats, Grid, Tuned, rates_between
from evenbatch.experiments.wording import count, fold

CLAIM = "no exploding or vanishing gradients"
ARMS = ("none", "batch")
INITS = tuple(INIT_NAMES)
CELLS = tuple(product(INITS, ARMS))
CALM = 1.0  # decades within which gradients count as neither exploding nor vanishing
CAP = 10.0  # decades at which a change is cut, and which a diverged run counts as
WIDTH = 32


def judge(calmer: Sequence[Effect], left: Sequence[Effect], seeds: int) -> tuple[str, str]:
    """The rule.

    Args:
        calmer: for each initialization, at the start and while training: decades by which gradients
            change less with batch norm than without.
        left: the same places: decades by which they still change with batch norm.
        seeds: seeds measured.

    >>> calm, wild = Effect("", 0.4, 0.3, 0.5, ""), Effect("", 1.3, 1.2, 1.4, "")
    >>> gain, none = Effect("", 4.0, 3.8, 4.2, ""), Effect("", -0.1, -0.2, 0.0, "")
    >>> judge([gain, none], [calm, calm], 5)[0], judge([gain, none], [calm, wild], 5)[0]
    ('holds', 'holds in part')
    >>> judge([none, none], [calm, wild], 5)[0]
    'does not hold'
    """
    if seeds < MIN_SEEDS:
        return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"
    gains = sum(effect.low > 0 for effect in calmer)
    wild = [effect.label for effect in left if effect.low > CALM]
    if gains and all(effect.high <= CALM for effect in left):
        return HOLDS, "they stay within a factor of ten everywhere, and without it they do not"
    where = " and ".join(dict.fromkeys(label.split(",")[0] for label in wild))
    if gains and wild:
        less = f"they change less in {gains} of {len(calmer)} cases"
        return IN_PART, f"{less}, but still more than tenfold {where}"
    if gains:
        return IN_PART, "they change less, but whether by less than tenfold is not settled"
    if all(effect.high < CALM for effect in calmer):
        return FAILS, "they are nowhere surely calmer with batch norm than without"
    return CANNOT_TELL, "the intervals hold both no gain and a factor of ten"


def change_with_depth(deep: Curve, shallow: Curve) -> float:
    """Decades from the gradient of a shallow network to that of a deep one, at the first step, of
    the first linear layer between two hidden layers; cut at `CAP`."""
    with np.errstate(all="ignore"):
        first, last = (np.log10(shown.between(c)[0, 0]) for c in (shallow, deep))
        return float(np.nan_to_num(np.clip(last - first, -CAP, CAP), nan=CAP))


def change_over_layers(curve: Curve) -> float:
    """Decades between the layers with the largest and the smallest gradient, median over the probed
    steps but the first; cut at `CAP`, which a diverged run counts as."""
    ratios = shown.ratios(curve)[1:]
    if curve.diverged or not len(ratios):
        return CAP
    with np.errstate(all="ignore"):
        return float(np.median(np.clip(np.nan_to_num(np.log10(ratios), nan=CAP), 0, CAP)))


@dataclass(frozen=True, eq=False)
class Found:
    """What was measured, decades by (initialization, arm): (seeds,) each.

    Attributes:
        start: change of the gradient from the shallowest to the deepest network; below 0 it fell.
        best, equal: change over the layers while training, each arm at its own best learning rate,
            and both at the one that is best for the two together.
        measured, together: the trainings of `best` and of `equal`.
    """

    start: Mapping[Any, Floats]
    best: Mapping[Any, Floats]
    equal: Mapping[Any, Floats]
    measured: Grid
    together: Grid


@dataclass(frozen=True, eq=False)
class Gradients(Untimed):
    """Gradient norms of each layer, before training over depth and while training.

    Args:
        setup: data, network and training; its depth is the deepest.
        depths: depths of the networks looked at before training; the last is the setup's.
        seeds, tuning: measurement and selection seeds.
        rates: learning rates tried.
    """

    setup: Setup
    depths: tuple[int, ...]
    seeds: int
    tuning: int
    rates: tuple[float, ...]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return {self.setup.data.name: self.setup.data}

    @cached_property
    def start(self) -> Grid:
        """One step without learning, for every depth."""
        cells = {
            (init, arm, depth): self.setup.cell(
                norm=arm,
                depth=depth,
                steps=1,
                learning_rate=0.0,
                probe_every=1,
                **initial(init, WIDTH),
            )
            for (init, arm), depth in product(CELLS, self.depths)
        }
        return Grid(cells, self.seeds)

    @cached_property
    def tuned(self) -> Tuned:
        """Training the deepest network."""
        every = self.setup.trial(0).steps // 20
        floor = selection.chance(self.setup.data)
        cells = {
            (init, arm): self.setup.rated(
                norm=arm, probe_every=every, evaluate_every=every, **initial(init, WIDTH)
            )
            for init, arm in CELLS
        }
        return Tuned(
            cells, self.rates, self.seeds, self.tuning, lambda c: selection.level(c, floor)
        )

    def equal(self, curves: Curves) -> Grid:
        """Both arms of an initialization at one learning rate."""
        pairs = [[(init, arm) for arm in ARMS] for init in INITS]
        return self.tuned.at(self.tuned.together(curves, *pairs))

    @property
    def statement(self) -> Statement:
        low, high, deep = self.rates[0], self.rates[-1], self.depths[-1]
        return Statement(
            claim="With normalization gradients neither explode nor vanish.",
            question="How much does the gradient change from layer to layer and from a shallow "
            f"network to one of {deep} layers, before training and while training?",
            arms=(("none", "without normalization"), ("batch", "with batch norm")),
            grid=f"depths {', '.join(map(str, self.depths))}; {', '.join(INIT_NAMES.values())}; "
            f"training at {deep} layers with {len(self.rates)} learning rates from {low:g} to "
            f"{high:g}",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed. "
            "Training is compared with each arm at its own best learning rate, chosen on other "
            "seeds, and with both at the one rate that is best for the two together.",
            measure="Euclidean norm of the loss gradient by a layer's weights, for the layers "
            "between two hidden layers, which all have the same shape. Before training: decades "
            f"between the first of them at depth {self.depths[0]} and at depth {deep}. While "
            f"training {deep} layers: decades between the largest and the smallest, median over "
            f"steps. Changes are cut at {CAP:g} decades, and a diverged run counts as that. "
            "Difference of the arms paired by seed, mean with 95 % interval.",
            rule="Holds: with batch norm the intervals lie within one decade for every "
            "initialization, before and while training, and below those without it somewhere. In "
            "part: surely less than without it for some of them. Does not hold: for none of them, "
            "and a decade is ruled out everywhere. Cannot tell: else, or fewer than "
            f"{MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; against it Yang et al. "
            "2019, arXiv:1902.08129: gradients of batch-normalized networks explode with depth at "
            "initialization.",
        )

    def trials(self, curves: Curves) -> Round:
        begin = self.start.wanted(curves)
        search = self.tuned.trials(curves)
        if begin:
            later = len(search.trials) + 2 * search.later
            return Round("gradients before training", tuple(begin), later)
        if not self.tuned.ready(curves):
            return search
        wanted = {t.key: t for t in (*search.trials, *self.equal(curves).wanted(curves))}
        return Round("gradients while training", tuple(wanted.values()))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        data, deep = self.setup.data, self.depths[-1]
        found, seeds = self._found(curves)
        setting = self.setup.words(seeds, "three initializations")
        if found is None:
            reason = "nothing is measured yet"
            return Verdict(CANNOT_TELL, reason, f"{data.name}: {reason}.", (), setting)
        calmer, equal = self._effects(found, "decades less change")
        left, _ = self._effects(found, "decades of change are left", ("batch",))
        answer, reason = judge(calmer, left, seeds)
        without, with_norm = ("torch", "none"), ("torch", "batch")
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: over {deep} layers and before training, the gradient "
            f"{_moved(found.start[without])} without normalization and "
            f"{_moved(found.start[with_norm])} with batch norm ({INIT_NAMES['torch']}). While "
            "training, its layers' gradients differed "
            f"{fold(found.best[without].mean())} without and {fold(found.best[with_norm].mean())} "
            f"with it. “{CLAIM}” {answer}: {reason}.",
            effects=(*calmer, *equal, max(left, key=lambda effect: effect.high)),
            measured_on=setting,
            notes=tuple(self._notes(curves, found, calmer)),
            figures=shown.figures(self, curves, found),
            tables=shown.tables(self, curves, found),
            change="Another initialization: the gradients of a network without normalization grow "
            "or fall by its scale at every layer. Residual connections change both arms.",
        )

    def _found(self, curves: Curves) -> tuple[Found | None, int]:
        """What is measured of every seed that is complete, and of how many."""
        if not self.tuned.ready(curves):
            return None, 0
        measured, together = self.tuned.measured(curves), self.equal(curves)
        seeds = min(grid.complete(curves) for grid in (self.start, measured, together))
        if not seeds:
            return None, 0

        def over_layers(grid: Grid) -> dict[Any, Floats]:
            return {c: grid.read(c, curves, change_over_layers)[:seeds] for c in CELLS}

        start = {}
        for cell in CELLS:
            shallow, deep = (
                self.start.curves((*cell, d), curves)[:seeds]
                for d in (self.depths[0], self.depths[-1])
            )
            pairs = zip(shallow, deep, strict=True)
            start[cell] = np.array([change_with_depth(b, a) for a, b in pairs if a and b])
        return Found(start, over_layers(measured), over_layers(together), measured, together), seeds

    def _effects(
        self, found: Found, unit: str, arms: tuple[str, ...] = ARMS
    ) -> tuple[list[Effect], list[Effect]]:
        """For each initialization an arm's decades, or how many less the second of two arms has:
        those the rule looks at, before and while training, and those at equal learning rates."""

        def effect(phase: str, values: Mapping[Any, Floats], init: str) -> Effect:
            decades = [np.abs(values[init, arm]) for arm in arms]
            value = decades[0] - decades[1] if len(arms) == 2 else decades[0]
            return mean_effect(f"{phase}, {INIT_SHORT[init]}", value, unit)

        phases = ("before training", found.start), ("while training", found.best)
        judged = [effect(*phase, init) for init in INITS for phase in phases]
        name = "while training at equal learning rates"
        return judged, [effect(name, found.equal, init) for init in INITS]

    def _notes(self, curves: Curves, found: Found, calmer: Sequence[Effect]) -> list[str]:
        growth = 10 ** (
            np.mean([found.start[init, "batch"] for init in INITS])
            / (self.depths[-1] - self.depths[0])
        )
        notes = [
            f"Before training, batch norm lets the gradient grow {growth:.2f}-fold with each "
            "layer, whatever the initialization; theory says 1.21 for large batches (Yang et al. "
            "2019)."
        ]
        worse = [effect.label for effect in calmer if effect.high < 0]
        if worse:
            notes.append(f"Calmer without batch norm: {'; '.join(worse)}.")
        for cell in CELLS:
            runs = found.measured.curves(cell, curves)
            lost = sum(c is not None and c.diverged for c in runs)
            if lost:
                notes.append(
                    f"With {shown.name(cell)}, {lost} of {self.seeds} runs diverged even at the "
                    f"best learning rate; each counts as {CAP:g} decades."
                )
        floor = selection.chance(self.setup.data) + selection.noise(self.setup.data)
        best = {cell: float(np.max(s)) for cell, s in self.tuned.scores(curves).items()}
        idle = [shown.name(cell) for cell in CELLS if best[cell] < floor]
        if idle:
            notes.append(f"Learned nothing at any learning rate: {'; '.join(idle)}.")
        edges = self.tuned.edge_notes(curves, shown.name, floor)
        return notes + edges


def _moved(decades: Floats) -> str:
    middle = float(decades.mean())
    return f"{'grew' if middle > 0 else 'fell'} {fold(middle)}"


def on(data: Dataset, effort: Effort = DEFAULT) -> Gradients:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    depths = (2, 5, 10, 20)
    rates = rates_between(-5, 0, 1.0 if effort.quick else 0.5)
    setup = Setup(data, depths[-1], WIDTH, {"steps": 200 if effort.quick else 500})
    return Gradients(setup, depths, effort.seeds, effort.tuning, rates)
