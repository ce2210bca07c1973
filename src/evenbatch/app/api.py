"""`prove` and `race` for Python: what the commands of these names do, without a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evenbatch._shown import Shown
from evenbatch.app.parts import Part, Result, parts_for, sentence_on
from evenbatch.app.tables import Tables
from evenbatch.claims.speed import race_study
from evenbatch.data import Dataset
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.verdict import Verdict
from evenbatch.report import notebook, pages, record
from evenbatch.runners import Runner
from evenbatch.store import Store


class Proven(Shown, Mapping[tuple[str, str], Verdict]):
    """Verdicts by claim and data set: ``proven["speed", "digits"]``.

    Attributes:
        results: everything, also what was skipped and why.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = tuple(results)
        self._verdicts = {
            (result.part.claim, result.part.data): result.verdict
            for result in results
            if result.verdict is not None
        }

    def __getitem__(self, key: tuple[str, str]) -> Verdict:
        return self._verdicts[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._verdicts)

    def __len__(self) -> int:
        return len(self._verdicts)

    def __repr__(self) -> str:
        return f"<Proven: {self.sentence}>"

    def _repr_html_(self) -> str:
        return notebook.proven(self)

    @property
    def sentence(self) -> str:
        """The answers to all claims in words."""
        return sentence_on(self.results)

    def record(self) -> dict[str, Any]:
        """Every number, setting and trial, as report.json has them."""
        complete = all(result.complete for result in self.results)
        parts = [result.record() for result in self.results]
        return record.record(parts, "evenbatch.prove", self.sentence, complete)

    def report(self, folder: str | Path) -> Path:
        """Write the report as HTML, Markdown and JSON; gives the path of the page."""
        return pages.write(Path(folder), self.record())


def prove(
    *claims: str,
    data: str | Dataset | Sequence[str | Dataset] = (),
    target: str | None = None,
    effort: str = "default",
    seeds: int | None = None,
    store: Store | None = None,
    runner: Runner | None = None,
    threads: int | None = None,
    conv: bool | None = None,
) -> Proven:
    """Measure claims, and say of each whether it held.

    Args:
        claims: names from `CLAIMS`; all if left out.
        data: data sets, by name or as they are, or a file; each claim's own if left out.
        target: column to predict, if the data are a file.
        effort: "quick", "default" or "full".
        seeds: seeds measured; those of the effort if left out.
        store: keeps runs, and answers those it knows.
        runner: where runs are carried out; on this machine if left out.
        threads: cores to use; all if left out.
        conv: measure convolutional networks alone, or (False) fully connected ones alone; if left
            out, both on each claim's own data, and fully connected ones on others.

    Raises:
        UserError, DataError, ExperimentError: it cannot be measured; the message says what to
            change.

    >>> import evenbatch
    >>> proven = evenbatch.prove("yang-2019", effort="quick")
    >>> proven["yang-2019", "random"].answer
    'holds'
    """
    asked = (data,) if isinstance(data, str | Dataset) else tuple(data)
    _, parts = parts_for(claims, asked, target, None, effort, seeds, conv=conv)
    options: dict[str, Any] = {"store": store, "runner": runner, "threads": threads}
    results = []
    for part in parts:
        results.append(_carried_out(part, options))
        if not results[-1].complete:
            break
    return Proven(results)


def race(
    data: str | Dataset = "digits",
    norm: str = "batch",
    *,
    target: str | None = None,
    store: Store | None = None,
    runner: Runner | None = None,
    threads: int | None = None,
    **settings: Any,
) -> Verdict:
    """Race a network with a normalizer against the same one without.

    Args:
        data: a data set, by name or as it is, or a file.
        norm: "batch", "layer", "rms" or "group".
        target: column to predict, if the data are a file.
        store, runner, threads: as `prove` has them.
        settings: those of `evenbatch race` by the same names: depth, width, steps, seeds, seed,
            rates, goal, raw_target, activation, init, optimizer, batch_size, placement.

    >>> import evenbatch
    >>> verdict = evenbatch.race("digits", depth=1, steps=100, seeds=5, rates=(0.1, 1.0))
    >>> verdict.answer in ("holds", "holds in part", "does not hold", "cannot tell")
    True
    """
    dataset = data if isinstance(data, Dataset) else Tables().load(data, target)
    study = race_study(dataset, norm, **settings)
    return carry_out(study, store=store, runner=runner, threads=threads).verdict(study)


def _carried_out(part: Part, options: dict[str, Any]) -> Result:
    if part.study is None:
        return Result(part)
    start = time.perf_counter()
    outcome = carry_out(part.study, **options)
    return Result(part, outcome, outcome.verdict(part.study), time.perf_counter() - start)
