"""Missing values: which rows or columns have to go, and which go with the least loss."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.table.columns import Fault, Table, TableError
from evenbatch.table_options import TableOptions

_SHOWN = 12  # columns named one by one in a sentence; the options name all


class Gaps:
    """Where values are missing, column by column."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.notes: list[str] = []
        self._inputs: dict[str, NDArray[np.bool_]] = {}
        self._targets: dict[str, NDArray[np.bool_]] = {}
        self._columns = 0

    def add(self, name: str, missing: NDArray[np.bool_], is_target: bool) -> None:
        """One more column."""
        self._columns += not is_target
        if missing.any():
            (self._targets if is_target else self._inputs)[name] = missing

    def close(self, options: TableOptions) -> tuple[NDArray[np.int64], Set[str]]:
        """Places of the rows that are used, and the inputs left out; or a `TableError`."""
        nothing = np.zeros(self.table.n_rows, bool)
        without_target = sum(self._targets.values(), nothing)
        inputs = self._inputs if options.drop_missing != "columns" else {}
        gone = sum(inputs.values(), without_target)
        left_out = self._inputs.keys() - inputs.keys()
        wanting = gone.any() and not options.drop_missing
        if wanting or gone.sum() > len(gone) - 2 or len(left_out) == self._columns:
            raise TableError(self.table.file, [self._fault(without_target)])
        if left_out:
            self.notes.append(f"Left out, since a value is missing: {self._counted(left_out)}.")
        if gone.any():
            self.notes.append(
                f"{int(gone.sum()):,} of {len(gone):,} rows are left out: a value is missing in "
                f"{self._counted({*inputs, *self._targets})}."
            )
        return np.flatnonzero(~gone), left_out

    def _counted(self, names: Set[str]) -> str:
        every = {**self._targets, **self._inputs}
        counts = {n: int(every[n].sum()) for n in every if n in names}
        ordered = sorted(counts, key=lambda n: -counts[n])
        more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
        return ", ".join(f"{name!r} ({counts[name]:,})" for name in ordered[:_SHOWN]) + more

    def _fault(self, without_target: NDArray[np.bool_]) -> Fault:
        """What is missing; columns are dropped as long as that saves more cells than it costs."""
        ordered = sorted(self._inputs, key=lambda n: int(self._inputs[n].sum()))
        times = sum((self._inputs[n].astype(np.int32) for n in ordered), without_target * 1)
        best, most = len(ordered), -1
        for k in range(len(ordered), -1, -1):  # the k columns with the fewest gaps are kept
            if k < len(ordered):
                times = times - self._inputs[ordered[k]]
            cells = int((times == 0).sum()) * (self._columns - len(ordered) + k)
            if cells > most:
                best, most = k, cells
        where = self._first({**self._targets, **self._inputs})
        said = f"values are missing in {self._counted({*self._inputs, *self._targets})}{where}"
        if most <= 0:
            return Fault(f"{said}; no rows and columns would be left without them.")
        drop = tuple(sorted(ordered[best:], key=list(self.table.names).index))
        change: dict[str, object] = {"drop": drop} if drop else {}
        if best or without_target.any():
            change["drop_missing"] = "rows"
        return Fault(said, change)

    def _first(self, every: dict[str, NDArray[np.bool_]]) -> str:
        if not every:
            return ""
        name = min(every, key=lambda n: int(np.argmax(every[n])))
        return f", the first of them in {self.table.row(int(np.argmax(every[name])))}"
