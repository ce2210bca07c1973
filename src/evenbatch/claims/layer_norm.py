"""Claim "layer-norm": layer norm is the one to take when batch sizes vary.

Batch norm's statistics come from the batch, so what it does depends on the batch's size: in
training, and in testing too if it is left in training mode. Layer and group norm look at one
example at a time.
"""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data import mnist1d
from evenbatch.data.dataset import Dataset

PHRASE = "layer norm suits changing batch sizes better"
ARMS = c.arms("batch", "layer", "group")
TRAINED_AT = 64  # largest batch size of the networks that are tested in batches
BLOCKS = {
    "trained": "training with small batches",
    "tested": "testing in small batches, by their own statistics",
}
WORDS = {
    "phrase": PHRASE,
    "states": "When batch sizes vary, layer norm is the better choice.",
    "question": "How much more of the test metric does batch norm lose than layer norm when the "
    "batches are small, in training, and in testing by the batch's own statistics?",
    "source": "Ba, Kiros & Hinton 2016, arXiv:1607.06450; Wu & He 2018, arXiv:1803.08494 (group "
    "norm, small batches).",
    "change": "Batch norm tested by its running statistics, as eval mode does, does not depend on "
    "the test batch at all. Momentum below 0.1 helps small training batches.",
}
TRAINED, TESTED = (p.above(block, c.TWO_POINTS) for block in BLOCKS)
RULE = p.Rule(
    clauses=(
        p.holds(TRAINED & TESTED, "in training and in testing"),
        p.in_part(TRAINED, "in training, not clearly in testing"),
        p.in_part(TESTED, "in testing by the batch's own statistics, not clearly in training"),
        p.fails(
            p.below("trained", c.TWO_POINTS) & p.below("tested", c.TWO_POINTS),
            "changing sizes cost both about the same",
        ),
    ),
    names={
        "trained": "the points lost more in training",
        "tested": "the points lost more in testing",
    },
    otherwise="the intervals include both no difference and one of 2 points",
)


def fall(block: str, size: p.Axis, arm: str) -> p.Minus:
    """What an arm loses from the largest batch to the smallest."""
    smallest, largest = size.levels[0].id, size.levels[-1].id
    return c.LEVEL.of(block, arm=arm, size=largest) - c.LEVEL.of(block, arm=arm, size=smallest)


def figure(block: str, title: str) -> p.Over:
    """The metric over batch sizes."""
    return p.Over(
        id=block, kind=p.LINES, axis="size", show="band", title=title, block=block,
        alt="The test metric over the batch size, a line for each normalizer: median and middle "
        "half of the seeds. One that falls towards the left needs large batches.",
        y="test {metric}", rows=c.rows(c.LEVEL.of(block), ARMS),
    )  # fmt: skip


FIGURES = (
    figure("trained", "Trained with small batches"),
    figure("tested", "Tested in batches, by their own statistics"),
)
METRIC, RATE = p.Column("{metric}"), p.Column("best rate", "rate")
TABLES = (
    p.TableSpec("Test {metric} by the batch size trained with", (METRIC, RATE), across="arm"),
    p.TableSpec("Test {metric} by the batch size tested with", (METRIC,), "tested", "arm"),
)


def make(data: Dataset, effort: Effort) -> Made:
    """What changing batch sizes cost each normalizer."""
    fits = min(data.n_train, data.n_test)
    sizes = (2, 8, 64) if effort.quick else (2, 4, 8, 16, 32, 64, 128)
    trained = tuple(size for size in sizes if size <= fits) or (2,)
    tested = (1, *(s for s in ((4, 32) if effort.quick else (2, 4, 8, 32, 128)) if s <= fits))
    at = max(size for size in trained if size <= TRAINED_AT)
    size = {
        "trained": p.numbered("size", "batch size", trained, lambda n: {"batch_size": n}),
        "tested": p.numbered("size", "test batch", tested, lambda n: {"evaluation_batch": n}),
    }
    base = p.changes(depth=3, width=64, steps=300 if effort.quick else 800)
    own = p.changes(batch_size=at, statistics="batch").over(base)
    search = {"rates": p.rates_between(-2.5, 0.5, 0.5), "score": c.LEVEL}
    same = {"at": (p.RateOf("trained", {"size": str(at)}),), "tuning": 0}
    effects = (
        c.in_points(id, f"more lost than layer norm, {words}",
                    fall(id, size[id], "batch") - fall(id, size[id], "layer"))
        for id, words in BLOCKS.items()
    )  # fmt: skip
    return asked(
        p.Prepared(data).learnable(), claim="layer-norm", **WORDS,
        measure="Fall of the test {metric} from the largest batch to the smallest, batch norm's "
        "minus layer norm's in {points}, paired by seed, mean with 95 % interval: once for "
        f"the batches trained with, once for those in which networks trained with batches of {at} "
        "are tested.",
        blocks=(
            c.searched("trained", effort, base, (size["trained"], ARMS), **search),
            c.searched("tested", effort, own, (size["tested"], ARMS), **same),
        ),
        effects=effects, rule=RULE, figures=FIGURES, tables=TABLES,
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """Both arms with the smallest and the largest batches."""

    def both(block: str, size: str) -> str:
        of = (c.LEVEL.of(block, arm=arm, size=size) for arm in ("batch", "layer"))
        return "{} with batch norm and {} with layer norm".format(
            *(reading.shown(value, words="amount") for value in of)
        )

    small, *_, large = (level.id for level in reading.block("trained").axis("size").levels)
    one = reading.block("tested").axis("size").levels[0].id
    return (
        f"trained with batches of {small}, {both('trained', small)} (with batches of {large}, "
        f"{both('trained', large)}); tested in batches of {one} by their own statistics, "
        f"{both('tested', one)}"
    )


CLAIM = Claim(
    "layer-norm", PHRASE, make, p.Telling(happened), ("digits", "mnist1d"), mnist1d.ABSENT
)
