"""What two arms must offer to be raced, and how their metric is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from evenbatch.engine import Curve


class Scale(Protocol):
    """How the metric is read.

    name     of the metric: "accuracy"
    percent  it is a share
    sign     1 where higher is better, −1 where lower is: curves hold sign times the metric
    unit     of a difference, times 100 for shares
    rows     on which it is measured; 0 where that is not known
    said     a value (times sign) in words
    """

    @property
    def name(self) -> str: ...
    @property
    def percent(self) -> bool: ...
    @property
    def sign(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def rows(self) -> int: ...
    def said(self, signed: float) -> str: ...
    def floor(self, curves: Sequence[Curve]) -> float: ...
    def noise(self, curves: Sequence[Curve]) -> float: ...


class Field(Protocol):
    """What two arms must offer to be raced.

    arms    their ids, the plainest first
    name    of an arm, as tables and figures call it
    steps   the budget
    scale   how the metric is read
    trial   of an arm, a learning rate and a seed, evaluated about every so many steps (0: as it is)
    """

    @property
    def arms(self) -> tuple[str, str]: ...
    @property
    def steps(self) -> int: ...
    @property
    def scale(self) -> Scale: ...
    def name(self, arm: str) -> str: ...
    def trial(self, arm: str, rate: float, seed: int, every: float) -> Any: ...
