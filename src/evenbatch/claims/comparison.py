"""Arms compared by one measure: each at its own best learning rate, and all at the same rates.

Best against best alone would hide what a badly chosen rate costs; equal rates alone would favour
the arm whose rate it is. So all arms meet at their own best rates, and again at the best rates of
some of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evenbatch import protocol as p
from evenbatch.claims.claim import points, ways
from evenbatch.data.dataset import Dataset
from evenbatch.protocol.tables import mean, of_cells, rate

LEVEL, AVERAGE = p.Measure("level"), p.Measure("average")


@dataclass(frozen=True)
class Comparison:
    """A block whose axis is the arms.

    Args:
        data: the data set, for units.
        arms: the axis.
        base: settings that all have.
        rates: learning rates tried for each arm.
        seeds, tuning: measurement and tuning seeds.
        hosts: arms at whose best learning rates all are compared.
        measure: what is compared; an arm's best rate is where it is highest.
        id: of the block.
    """

    data: Dataset
    arms: p.Axis
    base: p.Changes
    rates: Sequence[float]
    seeds: int
    tuning: int
    hosts: tuple[str, ...] = ()
    measure: p.Measure = AVERAGE
    id: str = "arms"

    @property
    def block(self) -> p.Block:
        """Its description."""
        return p.Block(
            id=self.id,
            base=self.base,
            axes=(self.arms,),
            at=(p.Best(), *map(p.HostRate, self.hosts)),
            rates=tuple(self.rates),
            score=self.measure,
            seeds=self.seeds,
            tuning=self.tuning,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Ids of the learning rates at which it is measured."""
        return tuple(at.id for at in self.block.at)

    def gain(
        self, arm: str, over: str, at: str = p.BEST, measure: p.Measure | None = None
    ) -> p.Mean:
        """How much better an arm is than another, paired by seed."""
        read = measure or self.measure
        end = f"-{read.name}" if measure else ""
        return p.Mean(
            id=f"gain/{self.id}/{at}{end}/{arm}/{over}",
            label=f"{self.arms[arm].name} over {self.arms[over].name}, {{at}}",
            unit=points(self.data),
            about=self.arms[over].name,
            of=read.of(self.id, at, arm=arm) - read.of(self.id, at, arm=over),
            times=100,
        )

    def gains(self, arm: str, over: str) -> Iterable[p.Mean]:
        """The same at all learning rates."""
        return (self.gain(arm, over, at) for at in self.kinds)

    def ways(self, title: str, at: str = p.BEST) -> p.Ways:
        """Each arm's curve."""
        metric = p.metric_name(self.data)
        return p.Ways(
            id=f"ways/{self.id}/{at}",
            title=title,
            alt=f"A line for each arm: its test {metric} over the steps; the higher and the "
            "further left it rises, the better.",
            rows=ways(self.arms),
            y=f"test {metric}",
            marks=(p.CHANCE,),
            block=self.id,
            at=at,
        )

    def strips(self, title: str, measured: str) -> p.Rates:
        """What each learning rate gave each arm on the tuning seeds."""
        return p.Rates(
            id=f"rates/{self.id}",
            title=title,
            alt="A strip for each arm; the stronger the shade of a learning rate, the better the "
            "network it leads to.",
            rows=ways(self.arms),
            y=measured,
            y_id=self.measure.name,
            block=self.id,
        )


def arms_table(reading: p.Reading, block: str, title: str, measured: str) -> p.Table:
    """A row for each arm: at its best rate, how it ended there, and at the equal rates."""
    score = reading.block(block).score or LEVEL
    columns = {
        "best learning rate": rate(),
        f"{measured}, there": mean(score),
        f"{reading.experiment.metric} at the end": mean(LEVEL),
    }
    for at, words in reading.kinds(block).items():
        if at != p.BEST:
            columns[f"{measured}, {words.removeprefix('all ')}"] = mean(score, at)
    return of_cells(reading, title, columns, block=block)
