"""Between a run and its store: commits that cost little, and no store that ends a run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from evenbatch.data import Dataset
from evenbatch.engine import Curve, Trial
from evenbatch.store import Store, StoreError

PATIENCE = 20
"""Finished curves wait this many times as long as the last commit took: committing then takes at
most a twentieth of the time, and on a fast disk nothing waits for more than some milliseconds."""
AT_MOST = 1.0
"""Seconds a finished curve waits at most before the next one that finishes takes it along."""


class Shelf:
    """Looks up and keeps the curves of one run; without a store it hands everything through.

    Args:
        store: where curves are kept; None for nowhere.
        datasets: data sets by the names trials use.

    Attributes:
        unsaved: what could not be stored, with the machine it was trained on; all there is without
            a store.

    The first error of the store is said on standard error, once for each store; from then on
    nothing is looked up or kept, and at the end `try_again` tries to store what is missing.
    """

    def __init__(self, store: Store | None, datasets: Mapping[str, Dataset]) -> None:
        self.store = store
        self.datasets = datasets
        self.waiting: list[tuple[Curve, Mapping[str, Any]]] = []
        self.unsaved: list[tuple[Curve, Mapping[str, Any]]] = []
        self._last = self._cost = 0.0

    @property
    def _working(self) -> Store | None:
        return self.store if self.store is not None and not self.store.failed else None

    def get(self, trials: Sequence[Trial]) -> dict[str, Curve]:
        """The stored curves by the key of their trial. A damaged store is an error here: what it
        says cannot be believed, and going on would hide it."""
        return self.store.get(trials, self.datasets) if self.store is not None else {}

    def get_timed(self, trials: Sequence[Trial]) -> list[Curve] | None:
        """The stored timing pass, if there is one."""
        return self.store.get_timed(trials, self.datasets) if self.store is not None else None

    def put(self, curve: Curve, machine: Mapping[str, Any]) -> list[Curve]:
        """Take a finished curve; returns those that are safe now, which may be none or several."""
        self.waiting.append((curve, machine))
        if self.store is None or time.monotonic() - self._last >= min(
            PATIENCE * self._cost, AT_MOST
        ):
            return self.flush()
        return []

    def flush(self) -> list[Curve]:
        """Commit what waits, and return it."""
        waiting = self.waiting
        if waiting:
            began = time.monotonic()
            self._commit(waiting)
            self._last = time.monotonic()
            self._cost = self._last - began
        self.waiting = []  # only now: Ctrl-C may come before, and they are committed after it
        return [curve for curve, _ in waiting]

    def _commit(self, curves: list[tuple[Curve, Mapping[str, Any]]]) -> None:
        store = self._working
        if store is not None:
            try:
                _put(store, curves, self.datasets)
                return
            except StoreError as error:
                _say(f"{error}\nGoing on without storing; nothing that is finished is lost.")
        self.unsaved += curves

    def put_timed(self, curves: list[Curve]) -> None:
        """Keep a timing pass."""
        if (store := self._working) is not None:
            try:
                store.put_timed(curves, self.datasets)
            except StoreError as error:
                _say(f"{error}\nGoing on without storing.")

    def try_again(self) -> None:
        """Store what could not be stored before; if it still cannot be, it was said already."""
        if self.unsaved and self.store is not None:
            try:
                _put(self.store, self.unsaved, self.datasets)
                self.unsaved = []
                _say(f"store {self.store.path}: it can be written again, and nothing is missing.")
            except StoreError:
                pass


def _put(
    store: Store,
    curves: list[tuple[Curve, Mapping[str, Any]]],
    datasets: Mapping[str, Dataset],
) -> None:
    start = 0
    while start < len(curves):  # curves that came from one machine go together
        machine = curves[start][1]
        end = start
        while end < len(curves) and curves[end][1] == machine:
            end += 1
        store.put([curve for curve, _ in curves[start:end]], datasets, machine)
        start = end


def _say(text: str) -> None:
    sys.stderr.write(f"evenbatch: {text}\n")
    sys.stderr.flush()
