"""Claim "batch-size": batch norm works better with larger batches: steadier statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims import batch_spread
from evenbatch.claims.claim import Claim, Effort, Made, arms, asked, points, searched
from evenbatch.claims.comparison import LEVEL
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import mean, of_cells, of_values, rate
from evenbatch.protocol.verdict import ExperimentError

PHRASE = "works better with larger batches"
ARMS = arms("none", "batch")
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
STEPS = 200
SEEN = 32 * STEPS  # examples a run sees at equal examples
BUDGETS = {"updates": "equal updates", "examples": "equal examples"}
STARTS = LEVEL.of("updates", arm="batch", size="$")
MEANS, SPREADS = p.Computed("means", STARTS), p.Computed("spreads", STARTS)
RULE = p.PerPart(
    parts=tuple(p.OnePart(f"growth/{id}/best", f"at {name}") for id, name in BUDGETS.items()),
    gain="the growth of the lead, in points,",
    because={
        p.HOLDS: "{where}, its lead over no normalization grew with the batch",
        p.IN_PART: "{where}, it grew, but not clearly by a point",
        p.FAILS: "not {where}",
        p.CANNOT_TELL: "whether it grew {where} is not settled",
    },
    alone={p.FAILS: "its lead over no normalization did not grow {where}"},
    where="best against best",
)
WORDS = {
    "phrase": PHRASE,
    "states": "Batch norm works better with larger batches.",
    "fairness": "Larger batches see more examples at equal updates and make fewer updates at equal "
    "examples, so both are measured, and no normalization shows what the budget alone does.",
    "source": "Ioffe 2017, arXiv:1702.03275, section 3; Wu & He 2018, arXiv:1803.08494, figure 1; "
    "Shallue et al. 2019, arXiv:1811.03600 (equal updates and examples).",
    "change": "The budget: the two tables show how much. Where the lead changes sides moves with "
    "it, and with how fast no normalization learns on these data.",
}


def lead(budget: str, size: str, at: str = p.BEST) -> p.Minus:
    """How far batch norm is ahead."""
    batch, none = (LEVEL.of(budget, at, arm=arm, size=size) for arm in ("batch", "none"))
    return batch - none


def effects(data: Dataset, sizes: tuple[int, ...]) -> Iterable[p.Mean]:
    """How much the lead grows with the batch, and what batch norm itself gains."""
    first, last, unit = str(sizes[0]), str(sizes[-1]), points(data)
    for at, words in ((p.BEST, "best against best"), ("equal", "one rate for both")):
        for budget, name in BUDGETS.items():
            yield p.Mean(
                id=f"growth/{budget}/{at}",
                label=f"lead grown, {name}, {words}",
                unit=unit,
                of=lead(budget, last, at) - lead(budget, first, at),
                times=100,
            )
    for budget, name in BUDGETS.items():
        risen = (LEVEL.of(budget, arm="batch", size=size) for size in (last, first))
        label = f"batch norm itself, {name}"
        rise = next(risen) - next(risen)
        yield p.Mean(id=f"rise/{budget}", label=label, unit=unit, of=rise, times=100)
    label = "scatter of batch means over batch size"
    of = p.Computed("exponent", STARTS)
    yield p.Mean(id="exponent", label=label, unit="as power of N", of=of)


def block(budget: str, sizes: tuple[int, ...], effort: Effort) -> p.Block:
    """All sizes at one budget, each arm at its best rate and both at the same."""
    steps = {n: STEPS if budget == "updates" else SEEN // n for n in sizes}
    levels = (p.Level(str(n), str(n), p.changes(batch_size=n, steps=steps[n]), n) for n in sizes)
    axes = (p.Axis("size", "batch size", tuple(levels), log=True), ARMS)
    rates = p.rates_between(-3, 0.5, 0.5 if effort.quick else 0.25)
    plan = {"at": (p.Best(), p.Equal(name="one rate for both")), "rates": rates, "score": LEVEL}
    return searched(budget, effort, p.changes(depth=2, width=32), axes, **plan)


def figures(metric: str, rows: int, sizes: tuple[int, ...]) -> Iterable[p.Over]:
    """Each size at both budgets; and how much batch statistics vary."""
    for budget in BUDGETS:
        over = [p.Row(a.id, a.name, LEVEL.of(budget, arm=a.id, size="$")) for a in ARMS.levels]
        title = f"Each batch size with {STEPS if budget == 'updates' else SEEN} {budget}"
        yield p.Over(
            id=f"sizes/{budget}", kind=p.DOTS, axis="size", show="mean", title=title,
            alt=f"Test {metric} at the end over the batch size, each arm at its best learning "
            "rate, with the interval of the mean.",
            y=f"test {metric}", rows=tuple(over), marks=(p.CHANCE,), block=budget,
        )  # fmt: skip
    yield p.Over(
        id="spread", kind=p.LINES, axis="size", show="range", block="updates",
        title="How much batch statistics vary", x="batch size N", log="xy", percent=False,
        alt="Spread of the batch means and of the batch standard deviations of the first layer's "
        "sums over the batch size, in units of the spread over all rows, beside 1/√N.",
        y="spread between batches, in standard deviations",
        y_id="scatter",
        rows=(
            p.Row("law", "1/√N, drawn without repeats", given=tuple(law(rows, n) for n in sizes)),
            p.Row("means", "batch means", MEANS),
            p.Row("spreads", "batch standard deviations", SPREADS),
        ),
    )  # fmt: skip


def law(rows: int, size: int) -> float:
    """1/√N for batches drawn without repeats."""
    return batch_spread.drawn_without_repeats(rows, size) / math.sqrt(size)


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm and none over batch sizes, at equal updates and at equal examples.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    if data.n_train < 16:
        raise ExperimentError(
            f"{data.name} has {data.n_train} training rows; batch sizes are compared from 2 to 8 "
            "or more, which takes at least 16: give a table with more rows"
        )
    even = p.Prepared(data).learnable().of_one_scale()
    sizes, metric = tuple(s for s in SIZES if 2 * s <= data.n_train), p.metric_name(data)
    return asked(
        (even,),
        claim="batch-size",
        **WORDS,
        question="Does batch norm gain more over no normalization with batches of "
        f"{sizes[-1]} than with batches of {sizes[0]}? And do batch statistics get steadier as "
        "1/√N?",
        measure=f"Lead: test {metric} at the end with batch norm minus without, in {points(data)}, "
        f"with {STEPS} updates and with {SEEN} examples. Growth: lead at {sizes[-1]} minus lead at "
        f"{sizes[0]}, paired by seed, mean with 95 % interval. Scatter: standard deviation of the "
        "batch means of the first layer's sums, at the start, over 100 batches.",
        blocks=tuple(block(budget, sizes, effort) for budget in BUDGETS),
        effects=tuple(effects(data, sizes)),
        rule=RULE,
        figures=tuple(figures(metric, data.n_train, sizes)),
    )


def happened(reading: p.Reading) -> str:
    """Both ends of the batch sizes, and how the scatter of batch means falls."""
    sizes, said = [level.id for level in reading.block().axis("size").levels], []
    for budget, name in BUDGETS.items():
        ahead = [
            p.compared(_lead(reading, budget, size), "ahead", "behind", "level")
            for size in (sizes[0], sizes[-1])
        ]
        said.append(
            f"at {name}, batch norm was {ahead[0]} with batches of {sizes[0]} and {ahead[1]} with "
            f"batches of {sizes[-1]}"
        )
    power = p.signed(reading.effects["exponent"].value)
    return f"{'; '.join(said)}; the scatter of batch means fell as N to the power of {power}"


def _lead(reading: p.Reading, budget: str, size: str) -> p.Effect:
    unit, of = points(reading.data), lead(budget, size)
    return reading.effect(p.Mean(id="lead", label="lead", unit=unit, of=of, times=100))


def notes(reading: p.Reading) -> Iterable[str]:
    """From which size on batch norm is ahead; what a batch of two leaves."""
    sizes = [level.id for level in reading.block().axis("size").levels]
    for budget, name in BUDGETS.items():
        leads = [_lead(reading, budget, size).low > 0 for size in sizes]
        since = next((s for i, s in enumerate(sizes) if all(leads[i:])), None)
        means = [reading.mean(LEVEL.of(budget, arm="batch", size=size)) for size in sizes]
        ahead = (
            f"clearly ahead with batches of {since} or more" if since else "nowhere clearly ahead"
        )
        yield f"At {name}, batch norm was {ahead}; it did best with batches of " + (
            f"{sizes[means.index(max(means))]}."
        )
    if sizes[0] == "2":
        yield (
            "In a batch of 2 the two values of a unit always become −1 and +1, or nearly so: which "
            "of them is larger is all that is left."
        )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every size, at both budgets; and the batch statistics."""
    metric = reading.experiment.metric
    for budget, name in BUDGETS.items():
        columns = {
            metric: mean(LEVEL),
            "best rate": rate(),
            f"{metric}, one rate for both": mean(LEVEL, "equal"),
        }
        title = f"Test {metric} at the end, {name}"
        yield of_cells(reading, title, columns, block=budget, across="arm")
    rows: dict[tuple[str, ...], list[p.Expr]] = {}
    for level in reading.block().axis("size").levels:
        n = int(level.id)
        known = f"{1 / math.sqrt(n):.3f}", f"{law(reading.data.n_train, n):.3f}"
        rows[level.id, *known] = [p.with_level(of, "$", level.id) for of in (MEANS, SPREADS)]
    title = "Batch statistics of the first layer at the start, in standard deviations over all rows"
    heads = ("batch size N", "1/√N", "1/√N, drawn without repeats")
    found = ("spread of batch means", "spread of batch standard deviations")
    yield of_values(reading, title, heads, rows, found, lambda values: f"{values.mean():.3f}")


COMPUTED = {
    "exponent": batch_spread.exponents,
    "means": batch_spread.means,
    "spreads": batch_spread.spreads,
}
CLAIM = Claim("batch-size", PHRASE, make, p.Telling(happened, notes, tables, COMPUTED))
