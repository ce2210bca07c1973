"""Where trials run: this machine's cores (`local.py`), or a Ray cluster (`on_ray.py`).

A runner is any object with `run` and `close`; there is no base class. Which one is used changes
where the work is done and how long it takes, never a curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from evenbatch.data import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.runners.errors import RunnerError
from evenbatch.runners.local import Local

__all__ = ["Local", "OnCurve", "Runner", "RunnerError"]


OnCurve = Callable[[Curve, Mapping[str, Any]], None]
"""Called with a curve and the machine it was trained on (`evenbatch.engine.machine`)."""


class Runner(Protocol):
    """Trains trials somewhere."""

    def run(
        self,
        trials: Sequence[Trial],
        datasets: Mapping[str, Dataset],
        on_curve: OnCurve,
        threads: int | None,
    ) -> None:
        """Train every trial; hand over each curve as it is finished, in the calling thread.

        Args:
            trials: the trials, in the order in which they are wanted.
            datasets: data sets by the names trials use, for those `evenbatch.data.load` does not
                know.
            on_curve: told of each curve, in whatever order they finish.
            threads: cores to use on this machine; all by default.

        An error or Ctrl-C ends it; what was handed over by then is all there is.
        """
        ...

    def close(self) -> None:
        """Let go of what was started for it."""
        ...
