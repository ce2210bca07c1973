"""Carries experiments out under the user's eyes: progress, verdicts, pictures, report, record."""

from __future__ import annotations

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from errno import EACCES, EISDIR, ENOTDIR
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from evenbatch.experiments import CLAIMS, Experiment, Outcome, Round, Verdict, carry_out
from evenbatch.experiments.carry_out import Watch
from evenbatch.experiments.speed import Speed
from evenbatch.experiments.wording import count
from evenbatch.report import answered, pages, record, terminal
from evenbatch.report.progress import Watcher
from evenbatch.report.results import read
from evenbatch.report.words import day
from evenbatch.runners import Runner
from evenbatch.store import Store

LATE = "not measured yet: the run was interrupted before it"


@dataclass(frozen=True)
class Part:
    """A claim's experiment on one data set.

    Attributes:
        claim: its name.
        experiment: None if it cannot be measured here.
        skipped: why not, in a sentence.
        on: name of the data set asked for; a claim may go by another that it makes from this.
    """

    claim: str
    experiment: Experiment | None
    skipped: str = ""
    on: str = ""

    @property
    def data(self) -> str:
        if self.on or self.experiment is None:
            return self.on
        return next(iter(self.experiment.datasets))

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
        if part.experiment is None or self.outcome is None or self.verdict is None:
            return record.skipped(part.claim, part.phrase, part.data, part.skipped)
        return record.part(
            part.claim,
            part.experiment,
            self.outcome,
            self.verdict,
            part.phrase,
            self.seconds,
            part.data,
        )


@dataclass(frozen=True)
class Outputs:
    """Where results go.

    Attributes:
        json: file for the record; - for standard output; None for none.
        pictures: folder for pictures of races; None for none.
        quiet: only the last sentence.
        report: folder for the report; None for none.
        brief: one line for a verdict, and all of them in a table at the end.
        request: what is asked, as `answered.request` names it; "" if a report that lies there
            already is no answer to it.
    """

    json: Path | None
    pictures: Path | None
    quiet: bool
    report: Path | None = None
    brief: bool = False
    request: str = ""

    @property
    def json_to_stdout(self) -> bool:
        return self.json is not None and str(self.json) == "-"

    def check(self) -> None:
        """Find out before the training, not after it, that something cannot be written."""
        if self.json is not None and not self.json_to_stdout:
            if self.json.is_dir():
                raise IsADirectoryError(EISDIR, "--json names a folder, not a file", str(self.json))
            _check_folder(self.json.parent)
        for folder in (self.pictures, self.report):
            if folder is not None:
                _check_folder(folder)


def _check_folder(folder: Path) -> None:
    """Raise an `OSError` unless the folder can be written, or made."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(ENOTDIR, "not a folder", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, "this folder cannot be written", str(there))


def run(
    parts: list[Part],
    threads: int | None,
    outputs: Outputs,
    store: Store | None = None,
    runner: Runner | None = None,
) -> bool:
    """Train, show each part as it ends, write what was asked for. False if Ctrl-C ended it."""
    outputs.check()
    console = terminal.plain_console(stderr=outputs.json_to_stdout)
    face = None if outputs.quiet else terminal.plain_console(stderr=True)
    if _answered(parts, outputs, store, console):
        return True
    results: list[Result] = []

    def do(part: Part, watch: Watch) -> Outcome:
        assert part.experiment is not None
        return carry_out(part.experiment, threads=threads, watch=watch, store=store, runner=runner)

    with Watcher(face, _firsts(parts), [part.claim for part in parts]) as watcher:
        for place, part in enumerate(parts):
            results.append(_carry_out(part, str(place), watcher, do))
            if not results[-1].complete:
                break
            with watcher.paused():
                _show(results[-1], outputs, console)
    complete = results[-1].complete
    if not complete:
        _show(results[-1], outputs, console)
        results += [
            Result(replace(p, experiment=None, skipped=LATE, on=p.data))
            for p in parts[len(results) :]
        ]
    _close(results, outputs, console, store)
    return complete


def _answered(
    parts: Sequence[Part], outputs: Outputs, store: Store | None, console: Console
) -> bool:
    """Whether the report that lies there is the answer; then it is told again."""
    if outputs.report is None or store is None or not outputs.request:
        return False
    content = answered.answer(outputs.report, outputs.request, parts, store)
    if content is None:
        return False
    report = read(content)
    results = [
        Result(part, None, entry.verdict, entry.seconds)
        for part, entry in zip(parts, report.entries, strict=True)
    ]
    if not outputs.quiet:
        console.print(f"Nothing has changed since {day(report.created)}; this was found then.")
        terminal.show_summary(console, results)
    _say_where(outputs, content, outputs.report / "report.html", console)
    _say_last(results, report.sentence, outputs, console)
    return True


def _firsts(parts: Sequence[Part]) -> Mapping[str, Round | int]:
    """The first round of each part, from which follows how much there is to do."""
    return {
        str(place): part.experiment.trials({}) if part.experiment is not None else 0
        for place, part in enumerate(parts)
    }


def _carry_out(
    part: Part, name: str, watcher: Watcher, do: Callable[[Part, Watch], Outcome]
) -> Result:
    if part.experiment is None:
        return Result(part)
    start = time.perf_counter()
    outcome = do(part, watcher.of(name, part.data))
    watcher.finish(name)
    verdict = outcome.verdict(part.experiment)
    return Result(part, outcome, verdict, time.perf_counter() - start)


def _show(result: Result, outputs: Outputs, console: Console) -> None:
    """A part's verdict; of a race, tables and picture too."""
    experiment, outcome, verdict = result.part.experiment, result.outcome, result.verdict
    if not outputs.quiet and (outputs.brief or verdict is None):
        terminal.show_line(console, result.part.claim, result.part.data, verdict, result.seconds)
    elif not outputs.quiet and not isinstance(experiment, Speed) and verdict is not None:
        terminal.show_verdict(console, verdict)
    if outputs.brief or not isinstance(experiment, Speed) or outcome is None or verdict is None:
        return
    found = experiment.race.finding(outcome.curves, outcome.timed)
    if not outputs.quiet:
        terminal.show_race(console, experiment.race, found, verdict)
    if outputs.pictures is not None and found is not None and found.comparisons:
        from evenbatch.report import picture

        stem = picture_name(experiment)
        figure = picture.draw(experiment.race, found, verdict)
        paths = picture.save(figure, outputs.pictures, stem)
        if not outputs.quiet:
            names = " and ".join(str(path) for path in paths)
            console.print(f"Picture: {escape(names)}", soft_wrap=True)


def picture_name(experiment: Speed) -> str:
    """File name without ending: "race-digits", "race-digits-layer"."""
    race = experiment.race
    data = re.sub(r"[^\w.-]+", "-", race.data.name)
    return f"race-{data}" + ("" if race.norm == "batch" else f"-{race.norm}")


def _close(results: list[Result], outputs: Outputs, console: Console, store: Store | None) -> None:
    """The table of all verdicts, report and record, the last sentence; how to go on."""
    sentence, complete = _sentence(results), all(result.complete for result in results)
    command = shlex.join(["evenbatch", *sys.argv[1:]])
    if outputs.brief and not outputs.quiet:
        terminal.show_summary(console, results)
    if outputs.json is not None or outputs.report is not None:
        content = record.record(
            [r.record() for r in results], command, sentence, complete, outputs.request
        )
        page = None if outputs.report is None else pages.write(outputs.report, content)
        _say_where(outputs, content, page, console)
    if not complete:
        finished = count(sum(len(r.outcome.curves) for r in results if r.outcome), "training")
        go_on = "They are kept; to go on," if store is not None else "To measure it all,"
        console.print(
            f"\nInterrupted after {finished}; the above is what they show. {go_on} run again: "
            f"{escape(command)}",
        )
    _say_last(results, sentence, outputs, console)


def _say_last(results: Sequence[Result], sentence: str, outputs: Outputs, console: Console) -> None:
    """The last sentence: what was found or, of many claims, how often."""
    if not sentence or (outputs.brief and not outputs.quiet and len(results) > 1):
        sentence = terminal.tally_words(results)
    console.print(f"\n[bold]{escape(sentence)}[/bold]")


def _sentence(results: Sequence[Result]) -> str:
    """The answers to all claims in words."""
    sentences = []
    for claim in dict.fromkeys(result.part.claim for result in results):
        own = [result for result in results if result.part.claim == claim]
        verdicts = {r.part.data: r.verdict for r in own if r.verdict is not None}
        if verdicts:
            sentences.append(CLAIMS[claim].conclude(verdicts))
    return " ".join(sentences)


def _say_where(
    outputs: Outputs, content: dict[str, Any], page: Path | None, console: Console
) -> None:
    """Write the record where it was asked for, and say where all lies."""
    said = [] if page is None else [("Report", page)]
    if outputs.json_to_stdout:
        sys.stdout.write(record.dumps(content))
    elif outputs.json is not None:
        record.write(outputs.json, content)
        said.append(("Record", outputs.json))
    if not outputs.quiet:
        for name, path in said:
            console.print(f"{name}: {escape(str(path))}", soft_wrap=True)
