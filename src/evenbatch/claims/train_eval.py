"""Claim "train-eval": a trained network must be switched to evaluation before it is used."""

from __future__ import annotations

from collections.abc import Iterable

from evenbatch import protocol as p
from evenbatch.claims.claim import Claim, Effort, Made, arms, asked, points, searched
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import effect, mean, of_cells

PHRASE = "must be switched to evaluation"
RUNNING = "running"
TRAINED = 32
BATCHES = (1, 2, 4, 8, 16, 32, 128)
MOMENTA = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
USUAL = 0.1  # PyTorch's momentum
EARLY, STEPS = 30, 300
LAST = p.Measure("last")
WORDS = {
    "phrase": PHRASE,
    "states": "Once trained, a network with batch norm must use its running statistics, not those "
    "of the batch it is asked about.",
    "question": "How much worse are predictions when the switch to evaluation is forgotten: asked "
    f"one row at a time, and in batches of {TRAINED} as in training?",
    "fairness": "The same trained network in every arm, to the bit: only how it is tested differs, "
    "so equal settings and best settings are one.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1; Wu & Johnson 2021, "
    "arXiv:2105.07576, sections 3 and 4.",
    "change": "Large test batches of unrelated rows have nearly the statistics of all rows. Rows "
    "that come in an order (shifts, classes, patients) do not, however many.",
}


def batches_of(size: int) -> str:
    """
    >>> batches_of(1), batches_of(32)
    ('batches of one', 'batches of 32')
    """
    return "batches of one" if size == 1 else f"batches of {size}"


def sizes_of(data: Dataset) -> tuple[int, ...]:
    """Test batches: the usual ones that fit, and the whole test set as one."""
    return (*(size for size in BATCHES if size < data.n_test), data.n_test)


def cost(data: Dataset, how: str, words: str) -> p.Mean:
    """What another way of testing costs."""
    of = LAST.of("tested", how=RUNNING) - LAST.of("tested", how=how)
    label = f"cost of {words}"
    return p.Mean(id=f"cost/{how}", label=label, unit=points(data), of=of, times=100)


def ways_to_test(data: Dataset, shuffled: str) -> p.Axis:
    """Running statistics, exact ones, and each test batch's own."""
    order = "own statistics, batches as in training, rows shuffled first"
    whole = f"own statistics, all {data.n_test} test rows as one batch"

    def own(id: str, size: int, words: str, on: str = "") -> p.Level:
        change = p.changes(on, statistics="batch", evaluation_batch=size)
        return p.Level(id, words, change, None if on else float(size))

    *sizes, all_rows = sizes_of(data)
    exact = p.changes(statistics="population")
    return p.Axis(
        "how",
        "tested with",
        (
            p.Level(RUNNING, "running statistics"),
            p.Level("exact", "exact statistics of the training set", exact),
            *(own(str(size), size, f"own statistics, {batches_of(size)}") for size in sizes),
            own(str(all_rows), all_rows, whole),
            own("shuffled", min(TRAINED, data.n_test), order, shuffled),
        ),
    )


def rule(judged: dict[str, str]) -> p.PerPart:
    """From what forgetting the switch costs, for these batches (`id`: words)."""
    return p.PerPart(
        parts=tuple(p.OnePart(f"cost/{id}", name) for id, name in judged.items()),
        gain="the cost of forgetting the switch, in points,",
        because={
            p.HOLDS: "forgetting it cost at least 1 point in {where}",
            p.IN_PART: "it cost something, but not clearly 1 point, in {where}",
            p.CANNOT_TELL: "it is not settled in {where}",
            p.FAILS: "not in {where}",
        },
        alone={p.FAILS: "forgetting it did not cost 1 point in {where}"},
    )


def figures(data: Dataset, steps: p.Axis) -> tuple[p.Over, p.Over]:
    """The metric over the size of the test batch, and over the momentum."""
    metric, of = p.metric_name(data), LAST.of("tested", how="$")
    running = p.MarkSpec("running statistics", of=LAST.of("tested", how=RUNNING), id=RUNNING)
    return (
        p.Over(
            id="batches", kind=p.LINES, axis="how", show="mean", block="tested",
            title="Forgetting the switch to evaluation", x="rows in a test batch", log="x",
            x_id="tested",
            alt=f"Test {metric} over the size of the test batches whose own statistics are used, "
            "with the interval of the mean; running statistics as a line across.",
            y=f"test {metric}", rows=(p.Row("own", "the test batch's own statistics", of),),
            levels=tuple(map(str, sizes_of(data))), marks=(running, p.CHANCE),
        ),
        p.Over(
            id="momenta", kind=p.LINES, axis="momentum", show="mean", block="momenta",
            title="How fast running statistics follow", y=f"test {metric}",
            alt=f"Test {metric} with running statistics over their momentum, early in training "
            "and at its end, with the interval of the mean.",
            rows=tuple(
                p.Row(f"steps={s.id}", s.name, LAST.of("momenta", steps=s.id, momentum="$"))
                for s in steps.levels
            ),
        ),
    )  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """One trained network, tested with running statistics and with those of its test batches.

    Columns of different scale are standardized first: what scaling does is another claim's matter.
    """
    even = p.Prepared(data).learnable().of_one_scale()
    shuffled, metric, sizes = even.shuffled_tests(), p.metric_name(data), sizes_of(even.data)
    base = p.changes(norm="batch", depth=2, width=32, batch_size=TRAINED, steps=STEPS)
    how = ways_to_test(even.data, shuffled.data.name)
    judged = {str(size): batches_of(size) for size in (min(TRAINED, sizes[-1]), 1)}
    momentum = p.numbered("momentum", "momentum", MOMENTA, lambda m: {"momentum": m})
    steps = p.numbered("steps", "steps", (EARLY, STEPS), lambda s: {"steps": s})
    same = {"at": (p.RateOf("trained", {"arm": "batch"}),), "tuning": 0}
    rates = p.rates_between(-1.5, 0.5, 0.5 if effort.quick else 0.25)
    costs = dict.fromkeys((*judged, "shuffled", str(sizes[-1]), "exact"))
    return asked(
        (even, shuffled),
        claim="train-eval",
        **WORDS,
        measure=f"Test {metric} after {STEPS} steps. Cost of forgetting: running statistics minus "
        f"the batch's own, in {points(data)}, paired by seed, mean with 95 % interval.",
        blocks=(
            searched("trained", effort, base, (arms("batch"),), rates=rates, score=LAST),
            searched("tested", effort, base, (how,), **same),
            searched("momenta", effort, base, (momentum, steps), **same),
        ),
        effects=tuple(cost(data, id, how[id].name) for id in costs),
        rule=rule(judged),
        figures=figures(even.data, steps),
    )


def happened(reading: p.Reading) -> str:
    """With running statistics, and with those of the test batch."""
    data = reading.data
    right = p.share(data, reading.mean(LAST.of("tested", how=RUNNING)))
    own = " and ".join(
        f"{p.share(data, reading.mean(LAST.of('tested', how=part.effect.split('/')[1])))} in "
        f"{part.where}"
        for part in reversed(_rule(reading).parts)
    )
    return (
        f"test {reading.experiment.metric} was {right} with running statistics and, with those of "
        f"the test batch itself, {own}"
    )


def _rule(reading: p.Reading) -> p.PerPart:
    found = reading.experiment.rule
    assert isinstance(found, p.PerPart)
    return found


def notes(reading: p.Reading) -> Iterable[str]:
    """What the order of the rows does; and how far running statistics have come."""
    data, effects = reading.data, reading.effects
    part = _rule(reading).parts[0]
    moved = LAST.of("tested", how="shuffled") - LAST.of("tested", how=part.effect.split("/")[1])
    order = reading.effect(p.Mean(id="", label="", unit=points(data), of=moved, times=100))
    yield (
        f"Shuffling the test rows first made {part.where} "
        f"{p.compared(order, 'better', 'worse', 'as good as before')}."
    )
    whole = p.gain(effects[f"cost/{sizes_of(data)[-1]}"])
    yield (
        f"The whole test set as one batch cost {whole}; exact statistics of the training set cost "
        f"{p.gain(effects['cost/exact'])}."
    )
    for steps in (EARLY, STEPS):
        means = {
            m: reading.mean(LAST.of("momenta", momentum=f"{m:g}", steps=str(steps)))
            for m in MOMENTA
        }
        best, slow = max(means, key=lambda m: means[m]), MOMENTA[0]
        said = {m: p.share(data, mean) for m, mean in means.items()}
        yield (
            f"Running statistics after {steps} steps: {said[best]} with momentum {best:g}, the "
            f"best tried, {said[USUAL]} with the usual {USUAL:g}, and {said[slow]} with {slow:g}, "
            f"which has come {100 * (1 - (1 - slow) ** steps):.0f} % of the way from its start."
        )


def tables(reading: p.Reading) -> Iterable[p.Table]:
    """All ways to test; and all momenta."""
    metric, data = reading.experiment.metric, reading.data
    lost = effect(lambda cell: None if cell[0] == RUNNING else cost(data, cell[0], ""))
    columns = {f"test {metric}": mean(LAST), "points lost (95 % interval)": lost}
    title = f"The same networks, tested in different ways: test {metric}"
    yield of_cells(reading, title, columns, block="tested")
    title = f"Running statistics by their momentum: test {metric} after so many steps"
    yield of_cells(reading, title, {metric: mean(LAST)}, block="momenta", across="steps")


CLAIM = Claim("train-eval", PHRASE, make, p.Telling(happened, notes, tables))
