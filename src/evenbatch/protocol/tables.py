"""Tables as data: a row for each level of some axes, and what stands in it; `tabled` makes a
`Table` of each."""

from __future__ import annotations

import msgspec

from evenbatch.protocol.values import Expr, Measure

LEVEL = Measure("level")


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands in a table below a heading.

    Attributes:
        head: the heading; {at} stands for the learning rates in words.
        show: a statistic over seeds ("mean", "median", "lower", "geometric"); "points" for the mean
            times 100 with its interval, a dash where a cell is compared with itself; "reached" or
            "diverged" for how many runs got to the goal or broke off; "rate" for the learning rate;
            "given" for numbers known beforehand.
        of: the value, or one whose runs are meant. The axes that its cell leaves out are those of
            the row; at learning rates that are left out there is no column.
        words: how a number is written (`shown.in_words`).
        given: a number for each row; None for a dash.
    """

    head: str
    show: str = "mean"
    of: Expr = LEVEL.of()
    words: str = "share"
    given: tuple[float | None, ...] = ()


class TableSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table of an experiment's cells.

    Attributes:
        title: what the numbers are.
        columns: what stands in it.
        block: whose cells; the first if left out.
        across: id of the axis whose levels stand side by side.
        rows: ids of the axes whose levels make the rows; all others if left out.
    """

    title: str
    columns: tuple[Column, ...]
    block: str = ""
    across: str = ""
    rows: tuple[str, ...] = ()
