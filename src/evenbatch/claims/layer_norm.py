"""Claim "layer-norm": layer norm is the one to take when batch sizes vary.

Batch norm's statistics come from the batch, so what it does depends on the batch's size: in
training, and in testing too if it is left in training mode. Layer and group norm look at one
example at a time.
"""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import TWO_POINTS, Claim, Effort, Made, arms, asked, points, rows
from evenbatch.claims.comparison import LEVEL
from evenbatch.data import mnist1d
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import mean, of_cells, rate

PHRASE = "layer norm suits changing batch sizes better"
ARMS = arms("batch", "layer", "group")
TRAINED_AT = 64  # largest batch size of the networks that are tested in batches
WORDS = {
    "trained": "training with small batches",
    "tested": "testing in small batches, by their own statistics",
}


def fall(block: str, sizes: tuple[int, ...], arm: str) -> p.Minus:
    """What an arm loses from the largest batch to the smallest."""
    largest, smallest = (LEVEL.of(block, arm=arm, size=str(size)) for size in (sizes[-1], sizes[0]))
    return largest - smallest


def figure(block: str, title: str, metric: str) -> p.Over:
    """The metric over batch sizes."""
    return p.Over(
        id=block,
        kind=p.LINES,
        axis="size",
        show="band",
        title=title,
        alt="The test metric over the batch size, a line for each normalizer: median and middle "
        "half of the seeds. One that falls towards the left needs large batches.",
        y=f"test {metric}",
        rows=rows(ARMS, lambda arm: LEVEL.of(block, arm=arm, size="$")),
        block=block,
    )


def make(data: Dataset, effort: Effort) -> Made:
    """What changing batch sizes cost each normalizer."""
    fits = min(data.n_train, data.n_test)
    sizes = (2, 8, 64) if effort.quick else (2, 4, 8, 16, 32, 64, 128)
    trained = tuple(size for size in sizes if size <= fits) or (2,)
    tested = (1, *(s for s in ((4, 32) if effort.quick else (2, 4, 8, 32, 128)) if s <= fits))
    at = max(size for size in trained if size <= TRAINED_AT)
    base = p.changes(depth=3, width=64, steps=300 if effort.quick else 800)
    metric, of = p.metric_name(data), {"trained": trained, "tested": tested}
    return asked(
        (p.Prepared(data),),
        claim="layer-norm",
        phrase=PHRASE,
        states="When batch sizes vary, layer norm is the better choice.",
        question="How much more of the test metric does batch norm lose than layer norm when the "
        "batches are small, in training, and in testing by the batch's own statistics?",
        measure=f"Fall of the test {metric} from the largest batch to the smallest, batch norm's "
        f"minus layer norm's in {points(data)}, paired by seed, mean with 95 % interval: once for "
        f"the batches trained with, once for those in which networks trained with batches of {at} "
        "are tested.",
        source="Ba, Kiros & Hinton 2016, arXiv:1607.06450; Wu & He 2018, arXiv:1803.08494 (group "
        "norm, small batches).",
        change="Batch norm tested by its running statistics, as eval mode does, does not depend on "
        "the test batch at all. Momentum below 0.1 helps small training batches.",
        blocks=(
            p.Block(
                id="trained",
                base=base,
                axes=(p.numbered("size", "batch size", trained, lambda n: {"batch_size": n}), ARMS),
                at=(p.Best(),),
                rates=p.rates_between(-2.5, 0.5, 0.5),
                score=LEVEL,
                seeds=effort.seeds,
                tuning=effort.tuning,
            ),
            p.Block(
                id="tested",
                base=p.changes(batch_size=at, statistics="batch").over(base),
                axes=(
                    p.numbered("size", "test batch", tested, lambda n: {"evaluation_batch": n}),
                    ARMS,
                ),
                at=(p.RateOf("trained", {"size": str(at)}),),
                seeds=effort.seeds,
            ),
        ),
        effects=tuple(
            p.Mean(
                id=block,
                label=f"more lost than layer norm, {words}",
                unit=points(data),
                of=fall(block, of[block], "batch") - fall(block, of[block], "layer"),
                times=100,
            )
            for block, words in WORDS.items()
        ),
        rule=p.Rule(
            clauses=(
                p.holds(
                    p.Both((p.above("trained", TWO_POINTS), p.above("tested", TWO_POINTS))),
                    "in training and in testing",
                ),
                p.in_part(p.above("trained", TWO_POINTS), "in training, not clearly in testing"),
                p.in_part(
                    p.above("tested", TWO_POINTS),
                    "in testing by the batch's own statistics, not clearly in training",
                ),
                p.fails(
                    p.Both((p.below("trained", TWO_POINTS), p.below("tested", TWO_POINTS))),
                    "changing sizes cost both about the same",
                ),
            ),
            names={
                "trained": "the points lost more in training",
                "tested": "the points lost more in testing",
            },
            otherwise="the intervals include both no difference and one of 2 points",
        ),
        figures=(
            figure("trained", "Trained with small batches", metric),
            figure("tested", "Tested in batches, by their own statistics", metric),
        ),
    )


def happened(reading: p.Reading) -> str:
    """Both arms with the smallest and the largest batches."""

    def both(block: str, place: int) -> str:
        size = reading.block(block).axis("size").levels[place].id
        shown = (
            p.amount(reading.data, reading.mean(LEVEL.of(block, arm=arm, size=size)))
            for arm in ("batch", "layer")
        )
        return "{} with batch norm and {} with layer norm".format(*shown)

    small, large = (reading.block("trained").axis("size").levels[place].id for place in (0, -1))
    one = reading.block("tested").axis("size").levels[0].id
    return (
        f"trained with batches of {small}, {both('trained', 0)} (with batches of {large}, "
        f"{both('trained', -1)}); tested in batches of {one} by their own statistics, "
        f"{both('tested', 0)}"
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every size."""
    metric = reading.experiment.metric
    columns = {metric: mean(LEVEL), "best rate": rate()}
    yield of_cells(reading, f"Test {metric} by the batch size trained with", columns, across="arm")
    yield of_cells(
        reading,
        f"Test {metric} by the batch size tested with",
        {metric: mean(LEVEL)},
        block="tested",
        across="arm",
    )


CLAIM = Claim(
    "layer-norm",
    PHRASE,
    make,
    p.Telling(happened, tables=tables),
    data=("digits", "mnist1d"),
    absent=mnist1d.ABSENT,
)
