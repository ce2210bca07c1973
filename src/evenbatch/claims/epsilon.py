"""Claim "epsilon": without the small epsilon, a feature that does not vary breaks the training."""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, asked, points, rows
from evenbatch.claims.comparison import AVERAGE
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import diverged, effect, mean, of_cells, rate

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
KINDS = (p.Best(name="each at its best rate"), p.Equal("eps", name="all at one rate"))


def cost(data: Dataset, where: str, size: str, at: str = p.BEST) -> p.Mean:
    """What another epsilon than the usual one costs."""
    return p.Mean(
        id=f"cost/{where}/{size}/{at}",
        label=f"cost of epsilon {size} {PLACES[where]}, {{at}}",
        unit=points(data),
        of=AVERAGE.of(at=at, place=where, eps=USUAL) - AVERAGE.of(at=at, place=where, eps=size),
        times=100,
    )


def make(data: Dataset, effort: Effort) -> Made:
    """Batch norm with every size of epsilon, wherever it stands.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    even = p.Prepared(data).learnable().of_one_scale()
    flat, rounded = even.with_constant(1.0), even.with_constant(0.1)
    small = even.rescaled(0.01, "divided by 100").with_constant(1.0)
    levels = [p.Level(id, name, p.changes(placement=id)) for id, name in JUDGED.items()]
    for (id, name), on in zip(MORE.items(), (rounded, small), strict=True):
        levels.append(p.Level(id, name, p.changes(on.data.name, placement="input")))
    place, metric = p.Axis("place", "batch norm", tuple(levels)), p.metric_name(data)
    base = p.changes(norm="batch", depth=2, width=32, steps=STEPS, evaluate_every=STEPS // 20)
    return asked(
        (flat, rounded, small),
        claim="epsilon",
        phrase=PHRASE,
        states="Without the small epsilon under the root, batch norm divides by zero where a "
        "feature does not vary, and training breaks.",
        question="With a constant column among the features and float32 numbers: at which sizes of "
        "epsilon does training break, and at which does epsilon blur the data, with batch norm on "
        "the input, before the activation and after it?",
        measure=f"Test {metric} averaged over the run; a run that diverges (a loss that is not a "
        f"number) counts as chance. Cost of an epsilon: {points(data)} less than with {USUAL}, "
        "paired by seed, mean with 95 % interval.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1 (“for numerical stability”).",
        change="Whether a feature that the normalizer sees is constant within a batch: rows of a "
        "table, pixels at the border, units that are dead after a relu. How large the values are: "
        "epsilon is added to a variance, and blurs once it is no longer small beside it.",
        blocks=(
            p.Block(
                id="eps",
                base=base,
                axes=(place, p.numbered("eps", "epsilon", SIZES, lambda size: {"eps": size})),
                at=KINDS,
                rates=p.rates_between(-1.5, 0, 0.5 if effort.quick else 0.25),
                score=AVERAGE,
                seeds=effort.seeds,
                tuning=effort.tuning,
            ),
        ),
        effects=(
            *(cost(data, where, NONE, at.id) for at in KINDS for where in JUDGED),
            *(cost(data, where, "1") for where in JUDGED),
        ),
        rule=p.PerPart(
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
        ),
        figures=(
            p.Over(
                id="eps",
                kind=p.STRIPS,
                axis="eps",
                show="mean",
                title="Where epsilon breaks and where it blurs",
                alt="A strip for each place of batch norm; the stronger the shade of a size of "
                f"epsilon, the higher the test {metric} over the run. Faint on the left is broken, "
                "faint on the right blurred.",
                y=f"test {metric}, average of the run",
                y_id="average",
                rows=rows(place, lambda at: AVERAGE.of(place=at, eps="$")),
            ),
        ),
    )


def happened(reading: p.Reading) -> str:
    """What epsilon 0 does at each place."""
    said = []
    for where, name in JUDGED.items():
        runs = reading.runs((where, NONE))
        gone = f"{sum(run.diverged for run in runs)} of {p.count(len(runs), 'run')}"
        cost = p.gain(reading.effects[f"cost/{where}/{NONE}/best"])
        said.append(f"{name}, {gone} diverged, at a cost of {cost}")
    return f"with epsilon 0, {'; '.join(said)}"


def notes(reading: p.Reading) -> Iterable[str]:
    """Where it blurs; why a constant of 0.1 is a case of its own."""
    larger = [f"{size:g}" for size in SIZES if size > float(USUAL)]
    for where, name in PLACES.items():
        blurs = [s for s in larger if reading.effect(cost(reading.data, where, s)).low >= p.POINT]
        found = f"{blurs[0]} or more costs" if blurs else f"no size up to {larger[-1]} costs"
        yield f"{name.capitalize()}: {found} at least 1 point."
    yield (
        "0.1 is no binary fraction: the mean of a column of 0.1 misses it by a rounding error, so "
        "the variance may come out as a tiny number instead of 0, and the column as +1 or −1."
    )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """Every place and size."""
    columns = {
        "average": mean(AVERAGE),
        f"points lost against {USUAL}": effect(lambda cell: cost(reading.data, *cell)),
        "diverged": diverged(),
        "best rate": rate(),
        "average, one rate": mean(AVERAGE, "equal"),
    }
    yield of_cells(reading, f"Test {reading.experiment.metric}, average of the run", columns)


CLAIM = Claim("epsilon", PHRASE, make, p.Telling(happened, notes, tables))
