"""Claim "train-eval": a trained network must be switched to evaluation before it is used."""

from __future__ import annotations

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Claim, Effort, Made, asked
from evenbatch.data.dataset import Dataset

PHRASE = "must be switched to evaluation"
RUNNING, TRAINED = "running", 32
BATCHES = (1, 2, 4, 8, 16, 32, 128)
MOMENTA, USUAL = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0), 0.1  # the second is PyTorch's
EARLY, STEPS, LAST = 30, 300, p.Measure("last")
OWN, COST = LAST.of("tested"), LAST.of("tested", how=RUNNING) - LAST.of("tested")
WORDS = {
    "phrase": PHRASE,
    "states": "Once trained, a network with batch norm must use its running statistics, not those "
    "of the batch it is asked about.",
    "question": "How much worse are predictions when the switch to evaluation is forgotten: asked "
    f"one row at a time, and in batches of {TRAINED} as in training?",
    "measure": f"Test {{metric}} after {STEPS} steps. Cost of forgetting: running statistics minus "
    "the batch's own, in {points}, paired by seed, mean with 95 % interval.",
    "fairness": "The same trained network in every arm, to the bit: only how it is tested differs, "
    "so equal settings and best settings are one.",
    "source": "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1; Wu & Johnson 2021, "
    "arXiv:2105.07576, sections 3 and 4.",
    "change": "Large test batches of unrelated rows have nearly the statistics of all rows. Rows "
    "that come in an order (shifts, classes, patients) do not, however many.",
}


def judged(data: Dataset) -> dict[str, str]:
    """Test batches that are judged: of the size in training, and one row alone."""
    sizes = (min(TRAINED, data.n_test), 1)
    return {str(size): f"batches of {size if size > 1 else 'one'}" for size in sizes}


def ways_to_test(data: Dataset, shuffled: str) -> p.Axis:
    """Running statistics, exact ones, and each test batch's own."""

    def own(id: str, size: int, words: str, on: str = "") -> p.Level:
        change = p.changes(on, statistics="batch", evaluation_batch=size)
        return p.Level(id, f"own statistics, {words}", change, None if on else float(size))

    as_trained, rows = min(TRAINED, data.n_test), data.n_test
    exact = p.changes(statistics="population")
    levels = (
        p.Level(RUNNING, "running statistics"),
        p.Level("exact", "exact statistics of the training set", exact),
        *(own(str(n), n, f"batches of {n if n > 1 else 'one'}") for n in BATCHES if n < rows),
        own(str(rows), rows, f"all {rows} test rows as one batch"),
        own("shuffled", as_trained, "batches as in training, rows shuffled first", shuffled),
    )
    return p.Axis("how", "tested with", levels)


MOMENTUM = p.numbered("momentum", "momentum", MOMENTA, lambda m: {"momentum": m})
AFTER = p.numbered("steps", "steps", (EARLY, STEPS), lambda steps: {"steps": steps})
RIGHT = p.MarkSpec("running statistics", of=LAST.of("tested", how=RUNNING), id=RUNNING)
FIGURES = (
    p.Over(id="batches", kind=p.LINES, axis="how", show="mean", block="tested", log="x",
           title="Forgetting the switch to evaluation", x="rows in a test batch", x_id="tested",
           alt="Test {metric} over the size of the test batches whose own statistics are used, "
           "with the interval of the mean; running statistics as a line across.",
           y="test {metric}", rows=(p.Row("own", "the test batch's own statistics", OWN),),
           marks=(RIGHT, p.CHANCE)),
    p.Over(id="momenta", kind=p.LINES, axis="momentum", show="mean", block="momenta",
           title="How fast running statistics follow",
           alt="Test {metric} with running statistics over their momentum, early in training and "
           "at its end, with the interval of the mean.",
           y="test {metric}", rows=c.rows(LAST.of("momenta"), AFTER)),
)  # fmt: skip
TESTED, METRIC = p.Column("test {metric}", of=LAST.of()), p.Column("{metric}", of=LAST.of())
LOST = p.Column("points lost (95 % interval)", "points", COST)
TABLES = (
    p.TableSpec("The same networks, tested in different ways: test {metric}", (TESTED, LOST),
                "tested"),
    p.TableSpec("Running statistics by their momentum: test {metric} after so many steps",
                (METRIC,), "momenta", "steps"),
)  # fmt: skip


def make(data: Dataset, effort: Effort) -> Made:
    """One trained network, tested with running statistics and with those of its test batches."""
    even = c.of_one_scale(data)
    shuffled = even.shuffled_tests()
    base = p.changes(norm="batch", depth=2, width=32, batch_size=TRAINED, steps=STEPS)
    how = ways_to_test(data, shuffled.data.name)
    rule = p.PerPart(
        parts=tuple(p.OnePart(f"cost/{id}", name) for id, name in judged(data).items()),
        gain="the cost of forgetting the switch, in points,",
        because={
            p.HOLDS: "forgetting it cost at least 1 point in {where}",
            p.IN_PART: "it cost something, but not clearly 1 point, in {where}",
            p.CANNOT_TELL: "it is not settled in {where}",
            p.FAILS: "not in {where}",
        },
        alone={p.FAILS: "forgetting it did not cost 1 point in {where}"},
    )
    same = {"at": (p.RateOf("trained", {"arm": "batch"}),), "tuning": 0}
    search = {"rates": effort.rates(-1.5, 0.5), "score": LAST}
    costs = dict.fromkeys((*judged(data), "shuffled", str(data.n_test), "exact"))
    return asked(
        even, shuffled, claim="train-eval", **WORDS,
        blocks=(
            c.searched("trained", effort, base, (c.arms("batch"),), **search),
            c.searched("tested", effort, base, (how,), **same),
            c.searched("momenta", effort, base, (MOMENTUM, AFTER), **same),
        ),
        effects=(c.in_points(f"cost/{way.id}", f"cost of {way.name}", COST.where(how=way.id))
                 for way in map(how.__getitem__, costs)),
        rule=rule, figures=FIGURES, tables=TABLES,
    )  # fmt: skip


def happened(reading: p.Reading) -> str:
    """With running statistics, and with those of the test batch."""
    right, how = reading.shown(OWN.where(how=RUNNING)), judged(reading.data)
    own = " and ".join(f"{reading.shown(OWN.where(how=id))} in {how[id]}" for id in reversed(how))
    return (
        f"test {reading.experiment.metric} was {right} with running statistics and, with those of "
        f"the test batch itself, {own}"
    )


def notes(reading: p.Reading) -> p.Notes:
    """What the order of the rows does; and how far running statistics have come."""
    data, effects = reading.data, reading.effects
    id, words = next(iter(judged(data).items()))
    order = reading.points(LAST.of("tested", how="shuffled") - LAST.of("tested", how=id))
    better = p.compared(order, "better", "worse", "as good as before")
    yield f"Shuffling the test rows first made {words} {better}."
    yield (
        f"The whole test set as one batch cost {p.gain(effects[f'cost/{data.n_test}'])}; exact "
        f"statistics of the training set cost {p.gain(effects['cost/exact'])}."
    )
    for steps in (EARLY, STEPS):
        of = {m: LAST.of("momenta", momentum=f"{m:g}", steps=str(steps)) for m in MOMENTA}
        best, slow = max(of, key=lambda m: reading.mean(of[m])), MOMENTA[0]
        yield (
            f"Running statistics after {steps} steps: {reading.shown(of[best])} with momentum "
            f"{best:g}, the best tried, {reading.shown(of[USUAL])} with the usual {USUAL:g}, and "
            f"{reading.shown(of[slow])} with {slow:g}, which has come "
            f"{100 * (1 - (1 - slow) ** steps):.0f} % of the way from its start."
        )


CLAIM = Claim("train-eval", PHRASE, make, p.Telling(happened, notes))
