"""Many settings measured at once: the runs of several settings make one call of the runner.

A setting's runs come in rounds: rates are tuned, continued where the best lies at the edge, then
measured. So that no core waits for the end of a setting's round, a window of settings is open at a
time, and the next runs of all of them go to the runner together. Whole settings alone are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice

from evenbatch.atlas.design import STEPS, Setting
from evenbatch.atlas.measure import Measurement, Row
from evenbatch.engine import Curve, Trial
from evenbatch.runners import Local, Runner

WINDOW = 16
"""Settings open at a time: some 1,000 runs in a call. What an interrupt loses is theirs."""


@dataclass
class Standing:
    """How far a run has come.

    Attributes:
        settings: whole settings measured now.
        runs: runs carried out now, without the short ones that are timed.
        lost: runs of settings that were not whole when it was interrupted.
        interrupted: Ctrl-C ended it early.
    """

    settings: int = 0
    runs: int = 0
    lost: int = 0
    interrupted: bool = False
    _open: list[Measurement] = field(default_factory=list, repr=False)


def measure(
    asked: Iterable[tuple[int, Setting]],
    keep: Callable[[list[Row]], None],
    *,
    watch: Callable[[Standing], None] = lambda _standing: None,
    runner: Runner | None = None,
    threads: int | None = None,
    window: int = WINDOW,
) -> Standing:
    """Measure settings, in order.

    Args:
        asked: settings with their numbers.
        keep: given the rows of settings as they become whole.
        watch: told how it stands after each run.
        runner: where runs are carried out; on this machine if left out.
        threads: cores to use on this machine; all by default.
        window: settings open at a time.

    Ctrl-C is no error: what is whole was kept.
    """
    waiting, standing = iter(asked), Standing()
    runner = runner or Local()
    try:
        while True:
            standing._open += [
                Measurement(number, setting)
                for number, setting in islice(waiting, window - len(standing._open))
            ]
            if not standing._open:
                return standing
            _round(standing, keep, watch, runner, threads)
    except KeyboardInterrupt:
        standing.interrupted = True
        standing.lost = sum(len(one.curves) for one in standing._open)
        return standing


def _round(
    standing: Standing,
    keep: Callable[[list[Row]], None],
    watch: Callable[[Standing], None],
    runner: Runner,
    threads: int | None,
) -> None:
    """The next runs of all open settings; those that want none are kept and closed."""
    wanted: list[tuple[Measurement, Trial]] = []
    rows: list[Row] = []
    whole = []
    for one in standing._open:
        trials = one.wanted()
        wanted += [(one, trial) for trial in trials]
        if not trials:
            rows += one.rows()
            whole.append(one)
    if rows:
        keep(rows)
    standing.settings += len(whole)
    standing._open = [one for one in standing._open if one not in whole]
    if not wanted:
        return
    wanted.sort(key=lambda each: -_cost(each[0].setting))  # no core waits for a long last one
    owners: dict[tuple[str, str], list[Measurement]] = {}
    for one, trial in wanted:
        owners.setdefault((trial.data, trial.key), []).append(one)
    runs = {(trial.data, trial.key): trial for _, trial in wanted}

    def arrived(curve: Curve, _machine: object) -> None:
        if curve.ended == "stopped":
            return
        for one in owners[curve.trial.data, curve.trial.key]:
            one.curves[curve.trial.key] = curve
        standing.runs += curve.trial.steps == STEPS
        watch(standing)

    data = {one.data.name: one.data for one, _ in wanted}
    runner.run(list(runs.values()), data, arrived, threads)


def _cost(setting: Setting) -> int:
    """About how long its runs take, relative to others'."""
    return setting.depth * (setting.width**2 + 500) * (setting.batch_size + 20)
