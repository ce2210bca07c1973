"""Claim "placement": the normalizer belongs right before the activation.

evenbatch prove placement
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evenbatch.data.dataset import Dataset
from evenbatch.experiments.derived import learnable, standardized
from evenbatch.experiments.meeting import BEST, Arm, Meeting, Met, together
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
from evenbatch.experiments.rules import POINT, gained, too_few
from evenbatch.experiments.setup import DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import rates_between
from evenbatch.experiments.wording import gain, listed, share

CLAIM = "best right before the activation"
BEFORE = "before"
STEPS = 500  # the same at every effort: the average over the training depends on it
RIVALS = ("none", "input", "after")
NAMES = {
    "none": "no normalization",
    "input": "on the input only",
    "after": "after the activation",
    "before": "before the activation",
}


def judge(gains: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from how many points "before" is ahead of each rival to an answer and its reason.

    >>> clear, none = Effect("", 3, 2, 4, ""), Effect("", 0, -0.5, 0.5, "")
    >>> judge({"none": clear, "input": clear, "after": clear}, seeds=5)[0]
    'holds'
    >>> judge({"none": clear, "input": clear, "after": none}, seeds=5)
    ('holds in part', 'it helps, but after the activation did about as well, or better')
    >>> judge({"none": none, "input": clear, "after": clear}, seeds=5)[0]
    'does not hold'
    """
    if few := too_few(seeds):
        return few
    answers = {rival: gained(effect) for rival, effect in gains.items()}
    ahead = [NAMES[rival] for rival, effect in gains.items() if effect.high <= -POINT]
    if ahead:
        return FAILS, f"{listed(ahead)} did better"
    if answers["none"] == FAILS:
        return FAILS, f"there it gained less than {POINT:g} point over no normalization"
    if answers["none"] == CANNOT_TELL:
        return CANNOT_TELL, "whether it gained anything over no normalization is not settled"
    if set(answers.values()) == {HOLDS}:
        return HOLDS, f"at least {POINT:g} point better than every other place"
    same = [NAMES[rival] for rival in gains if answers[rival] == FAILS]
    if same:
        return IN_PART, f"it helps, but {listed(same)} did about as well, or better"
    return IN_PART, f"it helps, but it is not surely {POINT:g} point better than every other place"


@dataclass(frozen=True, eq=False)
class Placement(Untimed):
    """Batch norm before the activation, after it, on the input only, and nowhere.

    Args:
        meeting: the four arms.
        even: the same on standardized input, where the input has nothing to mend.
    """

    meeting: Meeting
    even: Meeting

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.meeting.datasets | self.even.datasets

    @property
    def statement(self) -> Statement:
        setup, rates = self.meeting.setup, self.meeting.rates
        return Statement(
            claim="The normalizer is usually put after the linear step and before the activation.",
            question=f"Where does batch norm serve a network on {setup.data.name} best: before the "
            "activation, after it, on the input only, or nowhere?",
            arms=tuple(
                (name, NAMES[name] if name == "none" else f"batch norm {NAMES[name]}")
                for name in self.meeting.arms
            ),
            grid=f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each arm; "
            "for comparison the same on standardized input, without the arm on the input",
            fairness="Same initial weights, minibatches and order in all arms, seed by seed. Each "
            "at its own best learning rate, chosen on other seeds, and all at the best rates of "
            "“before” and of no normalization.",
            measure=f"Test {setup.metric} averaged over the training (a quick start and a good "
            "end both raise it). Difference between “before” and each other arm in points (0.01), "
            "paired by seed, mean with 95 % interval.",
            rule=f"Best against best. Does not hold: another arm is surely {POINT:g} point better, "
            f"or the gain over no normalization is surely below {POINT:g} point. Cannot tell: that "
            f"gain is not settled, or fewer than {MIN_SEEDS} seeds. Holds: surely {POINT:g} point "
            "better than each other arm. In part: else.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2 (before); Mishkin & Matas "
            "2015, arXiv:1511.06422, section 4.2.1 (after did as well or better).",
        )

    def trials(self, curves: Curves) -> Round:
        return together(self.meeting.trials(curves), self.even.trials(curves))

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        met, even = self.meeting.met(curves), self.even.met(curves)
        data = met.data
        setting = self.meeting.setup.words(met.seeds)
        if nothing := met.nothing():
            return Verdict(CANNOT_TELL, nothing, f"{data.name}: {nothing}.", (), setting)
        gains = {
            label: {rival: met.gain(BEFORE, rival, label) for rival in RIVALS}
            for label in met.grids
        }
        answer, reason = judge(gains[BEST], met.seeds)
        means = {arm: float(met.values(arm).mean()) for arm in met.arms}
        ranked = sorted(means, key=lambda arm: -means[arm])
        told = ", ".join(f"{share(data, means[arm])} {_with(arm)}" for arm in ranked)
        metric = self.meeting.setup.metric
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{data.name}: averaged over the training, test {metric} was {told}; "
            f"“{CLAIM}” {answer}: {reason}.",
            effects=(
                *sorted(gains[BEST].values(), key=lambda effect: effect.value),
                *(by_rival["after"] for label, by_rival in gains.items() if label != BEST),
            ),
            measured_on=setting,
            notes=(*_equal(gains), *_even(even), *met.notes()),
            figures=(
                met.lines(f"Four places for the normalizer: {data.name}"),
                met.strips(f"Where each learns: {data.name}", f"{metric}, average of the training"),
            ),
            tables=tuple(
                one.table(f"Test {metric} on {one.data.name}", "average")
                for one in (met, even)
                if one.seeds
            ),
            change="Standardizing the input takes from the norm on the input all that it does; the "
            "second table shows what is left of the order then.",
        )


def _equal(gains: Mapping[str, Mapping[str, Effect]]) -> list[str]:
    """Before against after, at the equal rates."""
    return [
        f"{label.capitalize()}, before against after the activation: {gain(by_rival['after'])}."
        for label, by_rival in gains.items()
        if label != BEST
    ]


def _even(even: Met) -> list[str]:
    """What the same rule says once the input is standardized."""
    if even.nothing():
        return []
    gains = {rival: even.gain(BEFORE, rival) for rival in RIVALS if rival in even.arms}
    answer, reason = judge(gains, even.seeds)
    behind = f"before against after: {gain(gains['after'])}"
    return [f"With standardized input “{CLAIM}” {answer}: {reason} ({behind})."]


def _with(arm: str) -> str:
    return "without" if arm == "none" else f"with the norm {NAMES[arm]}"


def on(data: Dataset, effort: Effort = DEFAULT) -> Placement:
    """The experiment on a data set, as `evenbatch prove` runs it."""
    data = learnable(data)
    rates = rates_between(-4, 1, 0.5 if effort.quick else 0.25)

    def meeting(on: Dataset, places: tuple[str, ...]) -> Meeting:
        setup = Setup(on, settings={"steps": STEPS, "evaluate_every": STEPS // 20})
        arms = {"none": Arm(NAMES["none"], setup, {"norm": "none"})}
        for place in places:
            arms[place] = Arm(NAMES[place], setup, {"norm": "batch", "placement": place})
        return Meeting(arms, rates, effort.seeds, effort.tuning, (BEFORE, "none"))

    even = meeting(standardized(data), ("after", BEFORE))
    return Placement(meeting(data, ("input", "after", BEFORE)), even)
