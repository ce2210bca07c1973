"""Carries experiments out under the user's eyes: progress, tables, pictures and the record."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from errno import EACCES, EISDIR, ENOTDIR
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from evenbatch.experiments import CLAIMS, Experiment, Outcome, Verdict, carry_out
from evenbatch.experiments.speed import Speed
from evenbatch.experiments.wording import count
from evenbatch.report import record, terminal
from evenbatch.report.progress import Watcher
from evenbatch.store import Store


@dataclass(frozen=True)
class Part:
    """A claim's experiment on one data set."""

    claim: str
    experiment: Experiment

    @property
    def data(self) -> str:
        return next(iter(self.experiment.datasets))


@dataclass(frozen=True)
class Result:
    """A part, what was trained for it, and what follows."""

    part: Part
    outcome: Outcome
    verdict: Verdict


@dataclass(frozen=True)
class Outputs:
    """Where results go.

    Attributes:
        json: file for the record; - for standard output; None for none.
        pictures: folder for pictures; None for none.
        quiet: only the last sentence.
    """

    json: Path | None
    pictures: Path | None
    quiet: bool

    @property
    def json_to_stdout(self) -> bool:
        return self.json is not None and str(self.json) == "-"

    def check(self) -> None:
        """Find out before the training, not after it, that something cannot be written."""
        if self.json is not None and not self.json_to_stdout:
            if self.json.is_dir():
                raise IsADirectoryError(EISDIR, "--json names a folder, not a file", str(self.json))
            _check_folder(self.json.parent)
        if self.pictures is not None:
            _check_folder(self.pictures)


def _check_folder(folder: Path) -> None:
    """Raise an `OSError` unless the folder can be written, or made."""
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(ENOTDIR, "not a folder", str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(EACCES, "this folder cannot be written", str(there))


def run(
    parts: list[Part], threads: int | None, outputs: Outputs, store: Store | None = None
) -> bool:
    """Train, show each part as it ends, write what was asked for. False if Ctrl-C ended it."""
    outputs.check()
    console = terminal.plain_console(stderr=outputs.json_to_stdout)
    results: list[Result] = []
    guesses = {}
    for place, part in enumerate(parts):
        first = part.experiment.trials({})
        guesses[str(place)] = len(first.trials) + first.later
    face = None if outputs.quiet else terminal.plain_console(stderr=True)
    with Watcher(face, guesses) as watcher:
        for place, part in enumerate(parts):
            watch = watcher.of(str(place), part.data)
            outcome = carry_out(part.experiment, threads=threads, watch=watch, store=store)
            watcher.finish(str(place))
            results.append(Result(part, outcome, outcome.verdict(part.experiment)))
            if outcome.interrupted:
                break
            with watcher.paused():
                _show(results[-1], outputs, console)
    complete = not results[-1].outcome.interrupted
    if not complete:
        _show(results[-1], outputs, console)
    _close(results, outputs, console, complete)
    return complete


def _show(result: Result, outputs: Outputs, console: Console) -> None:
    """Tables and picture of one part."""
    experiment, outcome = result.part.experiment, result.outcome
    if not isinstance(experiment, Speed):
        if not outputs.quiet:
            terminal.show_verdict(console, result.verdict)
        return
    found = experiment.race.finding(outcome.curves, outcome.timed)
    if not outputs.quiet:
        terminal.show_race(console, experiment.race, found, result.verdict)
    if outputs.pictures is not None and found is not None and found.comparisons:
        from evenbatch.report import picture

        stem = picture_name(experiment)
        figure = picture.draw(experiment.race, found, result.verdict)
        paths = picture.save(figure, outputs.pictures, stem)
        if not outputs.quiet:
            names = " and ".join(str(path) for path in paths)
            console.print(f"Picture: {escape(names)}", soft_wrap=True)


def picture_name(experiment: Speed) -> str:
    """File name without ending: "race-digits", "race-digits-layer"."""
    race = experiment.race
    data = re.sub(r"[^\w.-]+", "-", race.data.name)
    return f"race-{data}" + ("" if race.norm == "batch" else f"-{race.norm}")


def _close(results: list[Result], outputs: Outputs, console: Console, complete: bool) -> None:
    """The last sentence, the record, and after Ctrl-C how to go on."""
    sentences = []
    for claim in dict.fromkeys(result.part.claim for result in results):
        verdicts = {r.part.data: r.verdict for r in results if r.part.claim == claim}
        sentences.append(CLAIMS[claim].conclude(verdicts))
    sentence = " ".join(sentences)
    command = shlex.join(["evenbatch", *sys.argv[1:]])
    if outputs.json is not None:
        parts: list[dict[str, Any]] = [
            record.part(r.part.claim, r.part.experiment, r.outcome, r.verdict) for r in results
        ]
        content = record.record(parts, command, sentence, complete)
        if outputs.json_to_stdout:
            sys.stdout.write(record.dumps(content))
        else:
            record.write(outputs.json, content)
            if not outputs.quiet:
                console.print(f"Record: {escape(str(outputs.json))}", soft_wrap=True)
    if not complete:
        finished = count(sum(len(r.outcome.curves) for r in results), "training")
        console.print(
            f"\nInterrupted after {finished}; the above is what they show. To measure it all, run "
            f"again: {escape(command)}",
        )
    console.print(f"\n[bold]{escape(sentence)}[/bold]")
