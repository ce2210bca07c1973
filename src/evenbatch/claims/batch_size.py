"""Claim "batch-size": batch norm works better with larger batches: steadier statistics."""

from __future__ import annotations

from itertools import product

from evenbatch import protocol as p
from evenbatch.claims import batch_spread
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "works better with larger batches"
ARMS = c.arms("none", "batch")
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
STEPS, SEEN = 200, 6400  # of a run: steps at equal updates, rows seen at equal examples
BUDGETS = {"updates": "equal updates", "examples": "equal examples"}
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
LEAD = c.LEVEL.of(arm="batch") - c.LEVEL.of(arm="none")
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


def effects(first: str, last: str) -> p.EffectSpecs:
    """How much the lead grows with the batch, and what batch norm itself gains."""
    for at, (budget, name) in product((p.BEST, "equal"), BUDGETS.items()):
        grown = LEAD.where(budget, at, size=last) - LEAD.where(budget, at, size=first)
        yield c.in_points(f"growth/{budget}/{at}", f"lead grown, {name}, {{at}}", grown)
    for budget, name in BUDGETS.items():
        risen, start = (c.LEVEL.of(budget, arm="batch", size=size) for size in (last, first))
        yield c.in_points(f"rise/{budget}", f"batch norm itself, {name}", risen - start)
    yield batch_spread.EXPONENT


def block(budget: str, sizes: tuple[int, ...], effort: Effort) -> p.Block:
    """All sizes at one budget, each arm at its best rate and both at the same."""
    steps = {n: STEPS if budget == "updates" else SEEN // n for n in sizes}
    size = p.numbered("size", "batch size", sizes, lambda n: {"batch_size": n, "steps": steps[n]})
    at = (p.Best(), p.Equal(name="one rate for both"))
    plan = {"at": at, "rates": effort.rates(-3, 0.5), "score": c.LEVEL}
    return c.searched(budget, effort, p.changes(depth=2, width=32), (size, ARMS), **plan)


def figures(law: tuple[float, ...]) -> p.FigureSpecs:
    """Each size at both budgets; and how much batch statistics vary."""
    for budget, amount in (("updates", STEPS), ("examples", SEEN)):
        yield p.Over(
            id=f"sizes/{budget}", kind=p.DOTS, axis="size", show="mean", block=budget,
            title=f"Each batch size with {amount} {budget}",
            alt="Test {metric} at the end over the batch size, each arm at its best learning "
            "rate, with the interval of the mean.",
            y="test {metric}", rows=c.rows(c.LEVEL.of(budget), ARMS), marks=(p.CHANCE,),
        )  # fmt: skip
    yield batch_spread.figure(law)


def tables(sizes: tuple[int, ...], law: tuple[float, ...]) -> p.TableSpecs:
    """Every size, at both budgets; and the batch statistics."""
    for budget, name in BUDGETS.items():
        equal = p.Column("{metric}, one rate for both", of=c.LEVEL.of(at="equal"))
        columns = (p.Column("{metric}"), p.Column("best rate", "rate"), equal)
        yield p.TableSpec(f"Test {{metric}} at the end, {name}", columns, budget, "arm")
    yield batch_spread.table(sizes, law)


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm and none over batch sizes, at equal updates and at equal examples."""
    compared = "batch sizes are compared from 2 to 8 or more, which takes at least 16"
    c.need_rows(data, 16, f"{compared}: give a table with more rows")
    sizes = tuple(size for size in SIZES if 2 * size <= data.n_train)
    law = batch_spread.law(data.n_train, sizes)
    return asked(
        c.of_one_scale(data),
        claim="batch-size",
        **WORDS,
        question=f"Does batch norm gain more over no normalization with batches of {sizes[-1]} "
        f"than with batches of {sizes[0]}? And do batch statistics get steadier as 1/√N?",
        measure="Lead: test {metric} at the end with batch norm minus without, in {points}, "
        f"with {STEPS} updates and with {SEEN} examples. Growth: lead at {sizes[-1]} minus lead at "
        f"{sizes[0]}, paired by seed, mean with 95 % interval. Scatter: standard deviation of the "
        "batch means of the first layer's sums, at the start, over 100 batches.",
        blocks=(block(budget, sizes, effort) for budget in BUDGETS),
        effects=effects(str(sizes[0]), str(sizes[-1])),
        rule=RULE,
        figures=figures(law),
        tables=tables(sizes, law),
    )


def happened(reading: p.Reading) -> str:
    """Both ends of the batch sizes, and how the scatter of batch means falls."""
    first, *_, last = (level.id for level in reading.block().axis("size").levels)
    said = []
    for budget, name in BUDGETS.items():
        small, large = (
            p.ahead(reading.points(LEAD.where(budget, size=size))) for size in (first, last)
        )
        said.append(
            f"at {name}, batch norm was {small} with batches of {first} and {large} with batches "
            f"of {last}"
        )
    power = p.signed(reading.effects["exponent"].value)
    return f"{'; '.join(said)}; the scatter of batch means fell as N to the power of {power}"


def notes(reading: p.Reading) -> p.Notes:
    """From which size on batch norm is ahead; what a batch of two leaves."""
    sizes = [level.id for level in reading.block().axis("size").levels]
    for budget, name in BUDGETS.items():
        leads = [reading.points(LEAD.where(budget, size=size)).low > 0 for size in sizes]
        since = next((size for i, size in enumerate(sizes) if all(leads[i:])), None)
        where = f"clearly ahead with batches of {since} or more"
        means = {size: reading.mean(c.LEVEL.of(budget, arm="batch", size=size)) for size in sizes}
        best = max(means, key=lambda size: means[size])
        yield (
            f"At {name}, batch norm was {where if since else 'nowhere clearly ahead'}; it "
            f"did best with batches of {best}."
        )
    yield (
        "In a batch of 2 the two values of a unit always become −1 and +1, or nearly so: which of "
        "them is larger is all that is left."
    )


CLAIM = Claim("batch-size", PHRASE, make, p.Telling(happened, notes, batch_spread.COMPUTED))
