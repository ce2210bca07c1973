"""Arms compared by one measure: each at its own best learning rate, and all at the same rates.

Best against best alone would hide what a badly chosen rate costs; equal rates alone would favour
the arm whose rate it is. So all arms meet at their own best rates, and again at the best rates of
some of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evenbatch import protocol as p
from evenbatch.claims import common as c
from evenbatch.claims.claim import Effort


@dataclass(frozen=True)
class Comparison:
    """A block whose axis is the arms.

    Args:
        arms: the axis.
        effort: how many measurement and tuning seeds.
        base: settings that all have.
        rates: learning rates tried for each arm.
        hosts: arms at whose best learning rates all are compared.
        measure: what is compared; an arm's best rate is where it is highest.
        id: of the block.
    """

    arms: p.Axis
    effort: Effort
    base: p.Changes
    rates: tuple[float, ...]
    hosts: tuple[str, ...] = ()
    measure: p.Measure = c.AVERAGE
    id: str = "arms"

    @property
    def block(self) -> p.Block:
        """Its description."""
        at = (p.Best(), *map(p.HostRate, self.hosts))
        plan = {"at": at, "rates": self.rates, "score": self.measure}
        return c.searched(self.id, self.effort, self.base, (self.arms,), **plan)

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
        ahead = read.of(self.id, at, arm=arm) - read.of(self.id, at, arm=over)
        label = f"{self.arms[arm].name} over {self.arms[over].name}, {{at}}"
        about = self.arms[over].name
        return c.in_points(f"gain/{self.id}/{at}{end}/{arm}/{over}", label, ahead, about)

    def gains(self, arm: str, over: str) -> Iterable[p.Mean]:
        """The same at all learning rates."""
        return (self.gain(arm, over, at) for at in self.kinds)

    def ways(self, title: str, at: str = p.BEST) -> p.Ways:
        """Each arm's curve."""
        return p.Ways(
            id=f"ways/{self.id}/{at}", title=title, block=self.id, at=at,
            alt="A line for each arm: its test {metric} over the steps; the higher and the "
            "further left it rises, the better.",
            y="test {metric}", rows=c.ways(self.arms), marks=(p.CHANCE,),
        )  # fmt: skip

    def strips(self, title: str, measured: str) -> p.Rates:
        """What each learning rate gave each arm on the tuning seeds."""
        return p.Rates(
            id=f"rates/{self.id}", title=title, block=self.id,
            alt="A strip for each arm; the stronger the shade of a learning rate, the better the "
            "network it leads to.",
            y=measured, y_id=self.measure.name, rows=c.ways(self.arms),
        )  # fmt: skip

    def table(self, title: str, measured: str) -> p.TableSpec:
        """A row for each arm: at its best rate, how it ended there, and at the equal rates."""
        there = (
            p.Column(f"{measured}, {{at}}", of=self.measure.of(at=at)) for at in self.kinds[1:]
        )
        columns = (
            p.Column("best learning rate", "rate"),
            p.Column(f"{measured}, there", of=self.measure.of()),
            p.Column("{metric} at the end"),
        )
        return p.TableSpec(title, (*columns, *there), self.id)
