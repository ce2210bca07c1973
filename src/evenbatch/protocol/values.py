"""What is computed from curves, as data: measures by name, values of cells, effects.

A value is an array over seeds, NaN where a seed has none. It is written as arithmetic:

>>> level = Measure("level")
>>> lead = level.of(arm="batch") - level.of(arm="none")
>>> lead.b.cell
{'arm': 'none'}
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import msgspec

BEST = "best"


class Measure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number read off a curve.

    Attributes:
        name: of a function in `measures`.
        goal: id of the goal it needs; "" if it needs none.
        share: a share that it needs (of the loss of a guess, for instance).
    """

    name: str
    goal: str = ""
    share: float = 0.0

    def of(self, block: str = "", at: str = BEST, **cell: str) -> Value:
        """Its values in a cell: one level for each axis, by id."""
        return Value(self, cell, block, at)


class _Arithmetic(msgspec.Struct, frozen=True):
    def __sub__(self, other: Expr) -> Minus:
        return Minus(self, other)  # type: ignore[arg-type]

    def __abs__(self) -> Abs:
        return Abs(self)  # type: ignore[arg-type]

    def where(self, block: str = "", at: str = "", **cell: str) -> Self:
        """The same in a block and a cell, as far as its values name no other block and level; and
        at some learning rates.

        >>> level = Measure("level")
        >>> lead = (level.of(arm="batch") - level.of(arm="none")).where(size="8")
        >>> lead.a.cell, lead.b.cell
        ({'size': '8', 'arm': 'batch'}, {'size': '8', 'arm': 'none'})
        """

        def change(value: Value) -> Value:
            own = {**cell, **value.cell}
            return Value(value.measure, own, value.block or block, at or value.at)

        changed: Self = with_values(self, change)
        return changed


class Value(_Arithmetic, frozen=True, tag="value", omit_defaults=True):
    """A measure in a cell.

    Attributes:
        measure: what is read.
        cell: a level of each axis of the block, by their ids.
        block: "" for the experiment's first.
        at: the learning rates, by the id of a block's `at`.
    """

    measure: Measure
    cell: dict[str, str]
    block: str = ""
    at: str = BEST


class Minus(_Arithmetic, frozen=True, tag="minus"):
    """a − b, seed by seed."""

    a: Expr
    b: Expr


class Abs(_Arithmetic, frozen=True, tag="abs"):
    """The absolute value of `of`."""

    of: Expr


class Clip(_Arithmetic, frozen=True, tag="clip"):
    """Cut at −most and most; NaN counts as most."""

    of: Expr
    most: float


class WayToGoal(_Arithmetic, frozen=True, tag="way"):
    """A metric as a share of the way from chance to the goal."""

    of: Expr
    goal: str = "goal"


class Along(_Arithmetic, frozen=True, tag="along", omit_defaults=True):
    """Values along an axis of numbers, seed by seed, in one number.

    Attributes:
        of: the value; its cell leaves the axis out.
        axis: the axis.
        how: "width": how many of its levels reach the goal, times `spacing`; "deepest": the
            largest that reaches it as all before do, 1 if none; "highest": where the value is
            highest.
        goal: id of the goal.
        spacing: between levels.
    """

    of: Value
    axis: str
    how: str
    goal: str = "goal"
    spacing: float = 1.0


class LogSteps(_Arithmetic, frozen=True, tag="log-steps"):
    """Logarithm of steps to a goal; a run that did not reach it counts as its budget."""

    of: Value


class Computed(_Arithmetic, frozen=True, tag="computed"):
    """What no other expression describes.

    Attributes:
        by: name of a function of the claim.
        of: whose runs it needs.
    """

    by: str
    of: Value


Expr = Value | Minus | Abs | Clip | WayToGoal | Along | LogSteps | Computed


class _Named(msgspec.Struct, frozen=True):
    id: str
    label: str
    unit: str


class _Effect(_Named, frozen=True, kw_only=True, omit_defaults=True):
    """What all effects have.

    Attributes:
        id: its name in rules, pages and tests.
        label: under which settings, for readers; {x} stands for what was picked as x, {at} for the
            learning rates.
        unit: "times fewer steps".
        about: what it is about, in a rule's reason; the label if left out.
        learned: it is judged only if all its cells have learned something, and only once where
            another one rests on the same runs.
    """

    about: str = ""
    learned: bool = False


class Mean(_Effect, frozen=True, tag="mean"):
    """The mean over seeds of a value, times a number."""

    of: Expr
    times: float = 1.0


class Ratio(_Effect, frozen=True, tag="ratio"):
    """The geometric mean over seeds of above / below; of above alone if below is left out."""

    above: Expr
    below: Expr | None = None
    by: float = 1.0


class Part(_Effect, frozen=True, tag="part"):
    """mean(part) / mean(whole), both resampled together."""

    part: Expr
    whole: Expr


class Fewer(_Effect, frozen=True, tag="fewer"):
    """How many times fewer steps one cell needs to a goal than another, where some runs may never
    get there (`effects.Pairs`)."""

    slow: Value
    fast: Value


EffectSpec = Mean | Ratio | Part | Fewer


def values_in(found: object) -> list[Value]:
    """Every `Value` in an expression or effect."""
    if isinstance(found, Value):
        return [found]
    names: tuple[str, ...] = getattr(found, "__struct_fields__", ())
    return [value for name in names for value in values_in(getattr(found, name))]


def with_values(found: Any, change: Callable[[Value], Value]) -> Any:
    """An expression or effect with every `Value` in it changed."""
    if isinstance(found, Value):
        return change(found)
    if not isinstance(found, msgspec.Struct):
        return found
    parts = {name: with_values(getattr(found, name), change) for name in found.__struct_fields__}
    return msgspec.structs.replace(found, **parts)


def with_level(found: Any, name: str, level: str) -> Any:
    """An expression or effect in which a level stands where `name` stood.

    >>> with_level(Measure("level").of(arm="$"), "$", "batch").cell
    {'arm': 'batch'}
    """

    def change(value: Value) -> Value:
        cell = {axis: level if own == name else own for axis, own in value.cell.items()}
        return msgspec.structs.replace(value, cell=cell)

    return with_values(found, change)
