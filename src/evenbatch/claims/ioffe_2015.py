"""Claim "ioffe-2015": figure 1a of the paper in which batch normalization was introduced.

    evenbatch prove ioffe-2015 --data-dir FOLDER      the folder with the four files of MNIST

MNIST in black and white, three hidden layers of 100 sigmoid units, small Gaussian weights, batches
of 60, cross-entropy. The paper trains 50,000 steps (`--effort full` does too) and shows test
accuracy over steps as curves, without numbers, learning rate or the weights' scale; here both arms
have the learning rate that suits them best.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.claims.comparison import Comparison
from evenbatch.data.dataset import Dataset

PHRASE = "Ioffe & Szegedy 2015, figure 1a"
ABSENT = (
    "It is measured on MNIST, whose four files are not here: name their folder with --data-dir or "
    "EVENBATCH_MNIST_DIR."
)
PAPER = 50_000
STEPS = {"quick": 1000, "default": 2000, "full": PAPER}
SIGMA = 0.1
END = 0.1  # points at the end that matter: 10 of 10,000 test images
WAY = "gain/arms/best/batch/none"
ENDS = "gain/arms/best-level/batch/none"

RULE = p.PerPart(
    parts=(
        p.OnePart(WAY, "on average over the run"),
        p.OnePart(ENDS, "at the end", END),
    ),
    gain="the gain over no normalization, in points,",
    because={
        p.HOLDS: "batch norm was ahead {where}",
        p.IN_PART: "it was ahead, but by less than matters, {where}",
        p.FAILS: "not {where}",
        p.CANNOT_TELL: "whether it was ahead {where} is not settled",
    },
    alone={p.FAILS: "batch norm was not ahead {where}"},
    where="best against best",
)


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm and none on MNIST, as in the paper's figure 1a."""
    if data.name.partition(":")[0] != "mnist":
        raise p.NotHere(f"It is about one figure on MNIST, not about {data.name}.")
    steps, drawn = STEPS[effort.name], p.Prepared(data).black_and_white()
    base = p.changes(
        depth=3, width=100, activation="sigmoid", init="gaussian", sigma=SIGMA,
        batch_size=60, steps=steps, evaluate_every=steps // 10,
    )  # fmt: skip
    few, hosts = replace(effort, tuning=1 if effort.quick else 2), ("none", "batch")
    compared = Comparison(c.arms(*hosts), few, base, p.rates_between(-1, 1, 0.5), hosts)
    gains = (
        (compared.gain("batch", "none", at, of) for of in (None, c.LEVEL)) for at in compared.kinds
    )
    return asked(
        drawn,
        claim="ioffe-2015",
        phrase=PHRASE,
        states="With batch normalization a sigmoid network on MNIST learns faster and reaches a "
        "higher test accuracy.",
        question="Does figure 1a of the paper come out again?",
        measure="Test accuracy averaged over the run, and at the end (mean of the last tenth of "
        "the evaluations): batch norm minus none in {points}, paired by seed, mean with 95 % "
        "interval.",
        fairness="The paper does not give its learning rate. Initial weights are Gaussian with "
        f"standard deviation {SIGMA:g}; the paper says “small”. {steps} steps with batches of 60 "
        f"(the paper: {PAPER}).",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 4.1 and figure 1a.",
        change=f"More steps: --effort full trains the paper's {PAPER}. Another scale of the "
        "initial weights, or another activation.",
        blocks=(compared.block,),
        effects=chain.from_iterable(gains),
        rule=RULE,
        figures=(compared.ways("Test accuracy"),),
        tables=(compared.table("Test accuracy of both arms", "average"),),
    )


def happened(reading: p.Reading) -> str:
    """The end, and the way there."""
    steps = reading.block().base.trial["steps"]
    none, batch = map(reading.shown, c.both(c.LEVEL.of()))
    of = f" of the paper's {PAPER}" if steps < PAPER else ""
    lead = p.ahead(reading.effects[WAY])
    return (
        f"after {steps} steps{of}, test accuracy was {batch} with batch norm and {none} without; "
        f"on average over the run batch norm was {lead}"
    )


def notes(_reading: p.Reading) -> p.Notes:
    """What can be compared with a figure without numbers."""
    yield (
        "The paper shows its result as curves without numbers, so their course is compared and not "
        "their values."
    )


CLAIM = Claim(
    "ioffe-2015",
    PHRASE,
    make,
    p.Telling(happened, notes),
    data=("mnist",),
    absent=ABSENT,
)
