"""Trials on this machine's cores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evenbatch.data import Dataset
from evenbatch.engine import Curve, Trial, train
from evenbatch.engine.machine import machine

AT_ONCE = 2000
"""Trials trained by one call: `train` keeps its curves until it returns, and a sweep may have a
million of them."""


class Local:
    """The runner used where nothing else is asked for."""

    def run(
        self,
        trials: Sequence[Trial],
        datasets: Mapping[str, Dataset],
        on_curve: Callable[[Curve, Mapping[str, Any]], None],
        threads: int | None,
    ) -> None:
        """See `evenbatch.runners.Runner`."""
        here = machine()
        for start in range(0, len(trials), AT_ONCE):
            some = trials[start : start + AT_ONCE]
            train(some, datasets, threads=threads, on_curve=lambda _, curve: on_curve(curve, here))

    def close(self) -> None:
        """Nothing was started."""
