"""Claim "epsilon": without the small epsilon, a feature that does not vary breaks the training."""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "breaks without epsilon"
SIZES = (0.0, 1e-12, 1e-8, 1e-5, 1e-3, 1e-2, 0.1, 1.0)
NONE, USUAL = "0", "1e-05"  # the second is PyTorch's
JUDGED = {
    "input": "on the input",
    "before": "before the activation",
    "after": "after the activation",
}
MORE = {"rounded": "on the input, constant 0.1", "small": "on the input, values 100 times smaller"}
PLACES = JUDGED | MORE
STEPS = 300
EPS = p.numbered("eps", "epsilon", SIZES, lambda size: {"eps": size})
KINDS = (p.Best(name="each at its best rate"), p.Equal("eps", name="all at one rate"))
COST = c.AVERAGE.of(eps=USUAL) - c.AVERAGE.of()
WORDS = {
    "phrase": PHRASE,
    "states": "Without the small epsilon under the root, batch norm divides by zero where a "
    "feature does not vary, and training breaks.",
    "question": "With a constant column among the features and float32 numbers: at which sizes of "
    "epsilon does training break, and at which does epsilon blur the data, with batch norm on the "
    "input, before the activation and after it?",
    "measure": "Test {metric} averaged over the run; a run that diverges (a loss that is not a "
    f"number) counts as chance. Cost of an epsilon: {{points}} less than with {USUAL}, paired by "
    "seed, mean with 95 % interval.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1 (“for numerical stability”).",
    "change": "Whether a feature that the normalizer sees is constant within a batch: rows of a "
    "table, pixels at the border, units that are dead after a relu. How large the values are: "
    "epsilon is added to a variance, and blurs once it is no longer small beside it.",
}
RULE = p.PerPart(
    parts=tuple(p.OnePart(f"cost/{id}/{NONE}/best", where) for id, where in JUDGED.items()),
    gain="the cost of epsilon 0, in points,",
    because={
        p.HOLDS: "it broke {where}",
        p.IN_PART: "it cost something, but not clearly 1 point, {where}",
        p.FAILS: "but not {where}",
        p.CANNOT_TELL: "what happens {where} is not settled",
    },
    alone={p.FAILS: "it did not break {where}"},
    where="best against best",
)
TABLE = p.TableSpec(
    "Test {metric}, average of the run",
    (
        p.Column("average", of=c.AVERAGE.of()),
        p.Column(f"points lost against {USUAL}", "points", COST),
        p.Column("diverged", "diverged"),
        p.Column("best rate", "rate"),
        p.Column("average, one rate", of=c.AVERAGE.of(at="equal")),
    ),
)


def effects() -> p.EffectSpecs:
    """What epsilon 0 costs at both kinds of learning rates, and what epsilon 1 does."""
    for size, at in ((NONE, "best"), (NONE, "equal"), ("1", "best")):
        for place, name in JUDGED.items():
            label = f"cost of epsilon {size} {name}, {{at}}"
            of = COST.where(at=at, place=place, eps=size)
            yield c.in_points(f"cost/{place}/{size}/{at}", label, of)


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm with every size of epsilon, wherever it stands."""
    even = c.of_one_scale(data)
    flat, rounded = even.with_constant(1.0), even.with_constant(0.1)
    small = even.rescaled(0.01, "divided by 100").with_constant(1.0)
    levels = [p.Level(id, name, p.changes(placement=id)) for id, name in JUDGED.items()]
    for (id, name), on in zip(MORE.items(), (rounded, small), strict=True):
        levels.append(p.Level(id, name, p.changes(on.data.name, placement="input")))
    place = p.Axis("place", "batch norm", tuple(levels))
    base = p.changes(norm="batch", depth=2, width=32, steps=STEPS, evaluate_every=STEPS // 20)
    plan = {"at": KINDS, "rates": effort.rates(-1.5, 0), "score": c.AVERAGE}
    figure = p.Over(
        id="eps", kind=p.STRIPS, axis="eps", show="mean",
        title="Where epsilon breaks and where it blurs",
        alt="A strip for each place of batch norm; the stronger the shade of a size of epsilon, "
        "the higher the test {metric} over the run. Faint on the left is broken, faint on the "
        "right blurred.",
        y="test {metric}, average of the run", y_id="average", rows=c.rows(c.AVERAGE.of(), place),
    )  # fmt: skip
    return asked(
        flat, rounded, small, claim="epsilon", **WORDS,
        blocks=(c.searched("eps", effort, base, (place, EPS), **plan),),
        effects=effects(), rule=RULE, figures=(figure,), tables=(TABLE,),
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """What epsilon 0 does at each place."""
    said = []
    for place, name in JUDGED.items():
        runs = reading.runs((place, NONE))
        gone = f"{sum(run.diverged for run in runs)} of {p.count(len(runs), 'run')}"
        cost = p.gain(reading.effects[f"cost/{place}/{NONE}/best"])
        said.append(f"{name}, {gone} diverged, at a cost of {cost}")
    return f"with epsilon 0, {'; '.join(said)}"


def notes(reading: p.Reading) -> p.Notes:
    """Where it blurs; why a constant of 0.1 is a case of its own."""
    larger = [level.id for level in EPS.levels if (level.at or 0) > float(USUAL)]
    for place, name in PLACES.items():
        costs = {size: reading.points(COST.where(place=place, eps=size)) for size in larger}
        blurs = [size for size, cost in costs.items() if cost.low >= p.POINT]
        found = f"{blurs[0]} or more costs" if blurs else f"no size up to {larger[-1]} costs"
        yield f"{name.capitalize()}: {found} at least 1 point."
    yield (
        "0.1 is no binary fraction: the mean of a column of 0.1 misses it by a rounding error, so "
        "the variance may come out as a tiny number instead of 0, and the column as +1 or −1."
    )


CLAIM = Claim("epsilon", PHRASE, make, p.Telling(happened, notes))
