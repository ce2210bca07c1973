"""Claims on data sets, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evenbatch.app.opening import UserError
from evenbatch.app.tables import Tables
from evenbatch.claims import CLAIMS, EFFORTS, Effort
from evenbatch.claims.claim import same
from evenbatch.claims.convolutional import BRIEF, BY_CONVOLUTION, NOT, ON, by_convolution
from evenbatch.data import Dataset, mnist1d
from evenbatch.data.errors import DataError, did_you_mean
from evenbatch.protocol.carry_out import Outcome
from evenbatch.protocol.networks import RaceStudy
from evenbatch.protocol.study import ClaimStudy
from evenbatch.protocol.verdict import NotHere, Verdict
from evenbatch.report import record


@dataclass(frozen=True)
class Part:
    """A claim's experiment on one data set.

    Attributes:
        claim: its name.
        study: None if it cannot be measured here.
        skipped: why not, in a sentence.
        on: name of the data set asked for; a claim may go by another that it makes from this.
    """

    claim: str
    study: ClaimStudy | RaceStudy | None
    skipped: str = ""
    on: str = ""

    @property
    def data(self) -> str:
        own = self.study.experiment.on if self.study is not None else ""
        if own or self.on or self.study is None:
            return own or self.on
        return next(iter(self.study.datasets))

    @property
    def phrase(self) -> str:
        return CLAIMS[self.claim].phrase


@dataclass(frozen=True)
class Result:
    """A part, what was trained for it, what follows, and the seconds it took.

    Of a skipped part there is neither outcome nor verdict.
    """

    part: Part
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        return self.outcome is None or not self.outcome.interrupted

    def record(self) -> dict[str, Any]:
        """It as a part of the record."""
        part = self.part
        if part.study is None or self.outcome is None or self.verdict is None:
            return record.skipped(part.claim, part.phrase, part.data, part.skipped)
        return record.part(
            part.claim,
            part.study,
            self.outcome,
            self.verdict,
            part.phrase,
            self.seconds,
            part.data,
        )


def parts_of(
    claim: str,
    asked: Sequence[str | Dataset],
    target: str | None,
    data_dir: Path | None,
    effort: Effort,
    tables: Tables,
    conv: bool | None = None,
) -> Iterator[Part]:
    """A claim on the data sets asked for, or on its own; skipped where it cannot be measured.

    Fully connected networks are measured unless `conv` is True, convolutional ones unless it is
    False; where it is None, those are measured only on the data of the table `ON`, and of them in
    a quick run only the first, for the claims in `BRIEF`.

    Raises:
        UserError: there is no such claim.
        DataError: data that were asked for are not there, or cannot be read.
    """
    if claim not in CLAIMS:
        raise UserError(
            f"there is no claim {claim!r}.{did_you_mean(claim, CLAIMS)} Claims: "
            f"{', '.join(CLAIMS)}; evenbatch claims explains them."
        )
    found = CLAIMS[claim]
    if conv and claim in NOT:
        yield Part(claim, None, f"It is not measured by convolution: {NOT[claim]}.", "convolution")
        return
    if found.alone is not None and not asked and not conv:
        yield Part(claim, found.on(found.alone(effort), effort))
    columns = [] if conv else [(wanted, same) for wanted in asked or found.data]
    if conv or (conv is None and not asked):
        own = ON.get(claim, ())
        if conv is None and effort.quick:
            own = own[:1] if claim in BRIEF else ()
        columns += [(wanted, by_convolution) for wanted in asked or own]
    for wanted, networks in columns:
        name = wanted.name if isinstance(wanted, Dataset) else wanted
        on = name if networks is same else f"{name}{BY_CONVOLUTION}"
        absent = found.absent if networks is same else mnist1d.ABSENT
        try:
            dataset = wanted if isinstance(wanted, Dataset) else tables.load(name, target, data_dir)
            yield Part(claim, found.on(dataset, effort, networks), on=dataset.name)
        except NotHere as reason:
            yield Part(claim, None, str(reason), on)
        except DataError:
            # Data that were asked for, or pointed to, must be there; a claim's own may be missing.
            if asked or (data_dir is not None and networks is same) or not absent:
                raise
            yield Part(claim, None, absent, on)


def parts_for(
    claims: Sequence[str],
    data: Sequence[str | Dataset],
    target: str | None,
    data_dir: Path | None,
    effort: str,
    seeds: int | None,
    tables: Tables | None = None,
    conv: bool | None = None,
) -> tuple[Effort, list[Part]]:
    """All that was asked for: the effort, and claims on data sets.

    Args:
        claims: names; all claims if empty.
        data: data sets, by name or as they are, or files; each claim's own if empty.
        target: column to predict, of a file.
        data_dir: folder with the files of MNIST.
        effort: "quick", "default" or "full".
        seeds: measurement seeds; those of the effort if None.
        tables: reads files; as they are if None.
        conv: which networks are measured (`parts_of`).
    """
    if effort not in EFFORTS:
        raise UserError(f"there is no effort {effort!r}; it is one of {', '.join(EFFORTS)}")
    how = EFFORTS[effort]
    how = replace(how, seeds=seeds or how.seeds)
    names = claims or tuple(ON if conv else CLAIMS)
    found = [
        parts_of(name, data, target, data_dir, how, tables or Tables(), conv) for name in names
    ]
    return how, [part for parts in found for part in parts]


def sentence_on(results: Sequence[Result]) -> str:
    """The answers to all claims in words."""
    sentences = []
    for claim in dict.fromkeys(result.part.claim for result in results):
        own = [result for result in results if result.part.claim == claim]
        verdicts = {r.part.data: r.verdict for r in own if r.verdict is not None}
        if verdicts:
            sentences.append(CLAIMS[claim].conclude(verdicts))
    return " ".join(sentences)
