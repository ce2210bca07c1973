"""Carries experiments out under the user's eyes: progress, verdicts, report, record."""

from __future__ import annotations

import os
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

from evenbatch.app import answered
from evenbatch.app.opening import chosen_runner, opened
from evenbatch.app.parts import Part, Result, sentence_on
from evenbatch.protocol.carry_out import Outcome, Watch, carry_out
from evenbatch.protocol.verdict import Round
from evenbatch.protocol.wording import count
from evenbatch.report import pages, record, terminal
from evenbatch.report.progress import Watcher
from evenbatch.report.results import read
from evenbatch.report.words import day
from evenbatch.runners import Runner
from evenbatch.store import Store

LATE = "not measured yet: the run was interrupted before it"


@dataclass(frozen=True)
class Outputs:
    """Where results go.

    Attributes:
        json: file for the record; - for standard output; None for none.
        quiet: only the last sentence.
        report: folder for the report; None for none.
        brief: one line for a verdict, and all of them in a table at the end; else its tables too.
        request: what is asked, as `answered.request` names it; "" if a report that lies there
            already is no answer to it.
    """

    json: Path | None
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
        if self.report is not None:
            _check_folder(self.report)


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
        assert part.study is not None
        return carry_out(part.study, threads=threads, watch=watch, store=store, runner=runner)

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
            Result(replace(p, study=None, skipped=LATE, on=p.data)) for p in parts[len(results) :]
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
        console.print(
            f"Nothing has changed since {day(report.created)}. Showing that day's results."
        )
        terminal.show_summary(console, results)
    _say_where(outputs, content, outputs.report / "report.html", console)
    _say_last(results, report.sentence, outputs, console)
    return True


def _firsts(parts: Sequence[Part]) -> Mapping[str, Round | int]:
    """The first round of each part, from which follows how much there is to do."""
    return {
        str(place): part.study.trials({}) if part.study is not None else 0
        for place, part in enumerate(parts)
    }


def _carry_out(
    part: Part, name: str, watcher: Watcher, do: Callable[[Part, Watch], Outcome]
) -> Result:
    if part.study is None:
        return Result(part)
    start = time.perf_counter()
    outcome = do(part, watcher.of(name, part.data))
    watcher.finish(name)
    verdict = outcome.verdict(part.study)
    return Result(part, outcome, verdict, time.perf_counter() - start)


def _show(result: Result, outputs: Outputs, console: Console) -> None:
    """A part's verdict in a line, or with its tables."""
    part, verdict = result.part, result.verdict
    if outputs.quiet:
        return
    if outputs.brief or verdict is None:
        terminal.show_line(console, part.claim, part.data, verdict, result.seconds)
    else:
        terminal.show_tables(console, verdict)
        terminal.show_verdict(console, verdict)


def _close(results: list[Result], outputs: Outputs, console: Console, store: Store | None) -> None:
    """The table of all verdicts, report and record, the last sentence; how to go on."""
    sentence, complete = sentence_on(results), all(result.complete for result in results)
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
        finished = count(sum(len(r.outcome.curves) for r in results if r.outcome), "run")
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


def carry_out_parts(
    parts: list[Part],
    threads: int | None,
    store: str | None,
    outputs: Outputs,
    on: str = "local",
    address: str | None = None,
) -> bool:
    """`run` with the store and the runner that were asked for."""
    with opened(store) as kept, chosen_runner(on, address) as chosen:
        return run(parts, threads, outputs, kept, chosen)
