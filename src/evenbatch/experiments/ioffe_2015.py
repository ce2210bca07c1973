"""Claim "ioffe-2015": figure 1a of the paper in which batch normalization was introduced.

    evenbatch prove ioffe-2015 --data-dir FOLDER      the folder with the four files of MNIST

MNIST in black and white, three hidden layers of 100 sigmoid units, small Gaussian weights, batches
of 60, cross-entropy. The paper trains 50,000 steps (`--full` does too) and shows test accuracy over
steps as curves, without numbers, learning rate or the weights' scale; here both arms have the
learning rate that suits them best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evenbatch.data.dataset import Dataset
from evenbatch.experiments.derived import binary
from evenbatch.experiments.effects import mean_effect
from evenbatch.experiments.meeting import BEST, Arm, Meeting, Met
from evenbatch.experiments.protocol import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    IN_PART,
    MIN_SEEDS,
    Curves,
    Effect,
    NotHere,
    Round,
    Statement,
    Untimed,
    Verdict,
)
from evenbatch.experiments.rules import POINT, gained, joined, too_few
from evenbatch.experiments.setup import ARM_NAMES, DEFAULT, Effort, Setup
from evenbatch.experiments.tuned import rates_between
from evenbatch.experiments.wording import compared, listed, points_unit, share

CLAIM = "Ioffe & Szegedy 2015, figure 1a"
ABSENT = (
    "It is measured on MNIST, whose four files are not here: name their folder with --data-dir or "
    "EVENBATCH_MNIST_DIR."
)
NONE, BATCH = "none", "batch"
PAPER = 50_000
STEPS = {"quick": 1000, "default": 2000, "full": PAPER}
SIGMA = 0.1
ON_THE_WAY, AT_THE_END = "on average over the training", "at the end"
END = 0.1  # points at the end that matter: 10 of 10,000 test images


def judge(gains: Mapping[str, Effect], seeds: int) -> tuple[str, str]:
    """The rule, from how far batch norm is ahead on the way and at the end.

    >>> clear, none = Effect("", 9, 8, 10, ""), Effect("", 0, -0.05, 0.05, "")
    >>> judge({ON_THE_WAY: clear, AT_THE_END: clear}, seeds=5)
    ('holds', 'batch norm was ahead on average over the training and at the end')
    >>> judge({ON_THE_WAY: clear, AT_THE_END: none}, seeds=5)[0]
    'holds in part'
    >>> judge({ON_THE_WAY: none, AT_THE_END: none}, seeds=5)[0]
    'does not hold'
    """
    if few := too_few(seeds):
        return few
    least = {ON_THE_WAY: POINT, AT_THE_END: END}
    answers = {when: gained(effect, least[when]) for when, effect in gains.items()}
    ahead = [when for when in gains if answers[when] in (HOLDS, IN_PART)]
    unsettled = [when for when in gains if answers[when] == CANNOT_TELL]
    not_ahead = [when for when in gains if answers[when] == FAILS]
    said = [f"batch norm was ahead {listed(ahead)}"] if ahead else []
    if not_ahead:
        said.append(("not " if ahead else "batch norm was not ahead ") + listed(not_ahead))
    if unsettled:
        said.append(f"whether it was ahead {listed(unsettled)} is not settled")
    return joined(list(answers.values())), ", ".join(said)


@dataclass(frozen=True, eq=False)
class Ioffe2015(Untimed):
    """Batch norm and none on MNIST, as in the paper's figure 1a.

    Args:
        meeting: the two arms.
    """

    meeting: Meeting

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        return self.meeting.datasets

    @property
    def steps(self) -> int:
        return self.meeting.setup.trial(0).steps

    @property
    def statement(self) -> Statement:
        rates = self.meeting.rates
        return Statement(
            claim="With batch normalization a sigmoid network on MNIST learns faster and reaches a "
            "higher test accuracy.",
            question="Does figure 1a of the paper come out again?",
            arms=tuple((name, arm.name) for name, arm in self.meeting.arms.items()),
            grid=f"{len(rates)} learning rates from {rates[0]:g} to {rates[-1]:g} for each arm; "
            f"{self.steps} steps with batches of 60 (the paper: {PAPER})",
            fairness="Same initial weights, minibatches and order in both arms, seed by seed. Each "
            "at its own best learning rate, chosen on other seeds, and both at each other's; the "
            "paper does not tell its learning rate. Initial weights are Gaussian with standard "
            f"deviation {SIGMA:g}; the paper says “small”.",
            measure="Test accuracy averaged over the training, and at the end (mean of the last "
            "tenth of the evaluations): batch norm minus none in points (0.01), paired by seed, "
            "mean with 95 % interval.",
            rule=f"Best against best. On average: holds at or above {POINT:g} point; at the end: "
            f"at or above {END:g} points; does not hold below, in part above 0, else cannot tell. "
            "Together: the same on both, that; ahead on one, in part; else does not hold if one "
            f"does not. Cannot tell: fewer than {MIN_SEEDS} seeds.",
            source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 4.1 and figure 1a.",
        )

    def trials(self, curves: Curves) -> Round:
        return self.meeting.trials(curves)

    def verdict(self, curves: Curves, _timed: object) -> Verdict:
        met = self.meeting.met(curves)
        name, setting = met.data.name, self.meeting.setup.words(met.seeds)
        if nothing := met.nothing():
            return Verdict(CANNOT_TELL, nothing, f"{name}: {nothing}.", (), setting)
        gains = {label: _gains(met, label) for label in met.grids}
        answer, reason = judge(gains[BEST], met.seeds)
        ends = [share(met.data, float(met.ends(arm).mean())) for arm in (BATCH, NONE)]
        steps = f"{self.steps} steps" + (f" of the paper's {PAPER}" * (self.steps < PAPER))
        lead = compared(gains[BEST][ON_THE_WAY], "ahead", "behind", "level")
        return Verdict(
            answer=answer,
            reason=reason,
            sentence=f"{name}: after {steps}, test accuracy was {ends[0]} with batch norm and "
            f"{ends[1]} without; on average over the training batch norm was {lead}. “{CLAIM}” "
            f"{answer}: {reason}.",
            effects=tuple(effect for both in gains.values() for effect in both.values()),
            measured_on=setting,
            notes=(
                "The paper shows its result as curves without numbers, so their course is compared "
                "and not their values.",
                *met.notes(),
            ),
            figures=tuple(
                met.lines(f"Test accuracy on {name}, {label}", label) for label in met.grids
            ),
            tables=(met.table("Test accuracy of both arms", "average"),),
            change=f"More steps: --full trains the paper's {PAPER}. Another scale of the initial "
            "weights, or another activation.",
        )


def _gains(met: Met, label: str) -> dict[str, Effect]:
    ahead = 100 * (met.ends(BATCH, label) - met.ends(NONE, label))
    words = f"{met.arms[BATCH].name} over {met.arms[NONE].name} at the end, {label}"
    return {
        ON_THE_WAY: met.gain(BATCH, NONE, label),
        AT_THE_END: mean_effect(words, ahead, points_unit(met.data)),
    }


def on(data: Dataset, effort: Effort = DEFAULT) -> Ioffe2015:
    """The experiment, as `evenbatch prove` runs it.

    Raises:
        NotHere: the data set is not MNIST.
    """
    if data.name.partition(":")[0] != "mnist":
        raise NotHere(f"It is about one figure on MNIST, not about {data.name}.")
    steps = STEPS.get(effort.name, STEPS["default"])
    settings = {
        "activation": "sigmoid",
        "init": "gaussian",
        "sigma": SIGMA,
        "batch_size": 60,
        "steps": steps,
        "evaluate_every": steps // 10,
    }
    setup = Setup(binary(data), depth=3, width=100, settings=settings)
    arms = {
        NONE: Arm(ARM_NAMES[NONE], setup, {"norm": "none"}),
        BATCH: Arm(ARM_NAMES[BATCH], setup, {"norm": "batch"}),
    }
    rates = rates_between(-1, 1, 0.5)
    tuning = 1 if effort.quick else 2
    return Ioffe2015(Meeting(arms, rates, effort.seeds, tuning, (NONE, BATCH)))
