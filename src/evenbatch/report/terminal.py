"""A race and its verdict on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evenbatch.experiments.protocol import CANNOT_TELL, FAILS, HOLDS, IN_PART, Verdict
from evenbatch.experiments.race import BEST, Comparison, Finding, Race
from evenbatch.experiments.race_exhibits import arm_cells
from evenbatch.experiments.wording import amount, count, ratio
from evenbatch.report.results import SKIPPED
from evenbatch.report.words import duration, tally, told

SIGNS = {
    HOLDS: ("✓", "bold green"),
    IN_PART: ("◐", "bold yellow"),
    FAILS: ("✗", "bold red"),
    CANNOT_TELL: ("?", "bold blue"),
    SKIPPED: ("–", "dim"),
}


def plain_console(**options: Any) -> Console:
    """A console that shows text as it is: no highlighting, and ":tea:" is not a cup of tea."""
    return Console(highlight=False, emoji=False, **options)


def show_race(console: Console, race: Race, found: Finding | None, verdict: Verdict) -> None:
    """Heading, goal, both tables and the verdict; of an unfinished race what there is."""
    console.print()
    heading = f"{race.data.name}: {race.norm_name} against no normalization"
    console.print(f"[bold]{escape(heading)}[/bold]")
    console.print(f"[dim]{escape(verdict.measured_on)}[/dim]")
    if found is not None and found.goal is not None:
        goal = f"Goal: {race.metric} {amount(race.data, found.goal.value)} ({found.goal.rule})"
        if race.metric == "R²":
            goal = goal.replace("R² R²", "R²", 1)
        console.print(escape(goal))
        if found.comparisons:
            console.print(arms_table(race, found, found.comparisons[0]))
            console.print(ratios_table(race, found))
    show_verdict(console, verdict)


def show_verdict(console: Console, verdict: Verdict) -> None:
    """The answer's sign and the sentence, with notes below."""
    sign, style = SIGNS[verdict.answer]
    text = f"[{style}]{sign} {verdict.answer}[/{style}]  {escape(verdict.sentence)}"
    console.print(text)
    for note in verdict.notes:
        console.print(f"  [dim]{escape(note)}[/dim]")


def show_line(
    console: Console, claim: str, data: str, verdict: Verdict | None, seconds: float
) -> None:
    """A verdict in one line."""
    answer = SKIPPED if verdict is None else verdict.answer
    sign, style = SIGNS[answer]
    about = f"{claim}, {data}" if data else claim
    effect = ""
    if verdict is not None and verdict.effects:
        value, between = told(verdict.effects[0])
        effect = f"  {value} ({between})"
    text = f"[{style}]{sign} {answer:<13}[/{style}]  {escape(about)}{escape(effect)}"
    console.print(f"{text}  [dim]{duration(seconds)}[/dim]", soft_wrap=True)


def show_summary(console: Console, results: Sequence[Any]) -> None:
    """All verdicts (`job.Result`) in a table, claim by claim."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("claim", max_width=22)
    table.add_column("verdict", no_wrap=True)
    table.add_column("effect")
    table.add_column("time", justify="right", no_wrap=True)
    last = ""
    for result in results:
        part, verdict = result.part, result.verdict
        answer = SKIPPED if verdict is None else verdict.answer
        sign, style = SIGNS[answer]
        effect = part.skipped
        if verdict is not None:
            effect = verdict.reason
            if verdict.effects:
                value, between = told(verdict.effects[0])
                effect = f"{value} ({between})"
        if part.claim != last:
            table.add_row(f"[bold]{escape(part.claim)}[/bold]")
        table.add_row(
            f"  {escape(part.data)}",
            f"[{style}]{sign} {answer}[/{style}]",
            escape(effect),
            duration(result.seconds),
        )
        last = part.claim
    console.print(table)


def tally_words(results: Sequence[Any]) -> str:
    """How many verdicts of each kind there are."""
    found = tally([SKIPPED if r.verdict is None else r.verdict.answer for r in results])
    listed = ", ".join(f"{number} {verb}" for _, number, verb in found)
    claims = len({result.part.claim for result in results})
    return f"{count(claims, 'claim')}, {count(len(results), 'verdict')}: {listed}."


def arms_table(race: Race, found: Finding, best: Comparison) -> Table:
    """One line for each arm at its own best learning rate."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("each arm\nat its best", no_wrap=True)
    for name in ("learning\nrate", "steps\nto goal", "one\nstep", "time\nto goal", "reached\ngoal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{race.metric}\nat end", justify="right", no_wrap=True)
    names = ("without", race.norm_name)
    for place, name in enumerate(names):
        table.add_row(name, *arm_cells(race, found, best, place))
    return table


def ratios_table(race: Race, found: Finding) -> Table:
    """How many times less the normalized arm needed, for each comparison."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("without ÷ with\n[95 % interval]", no_wrap=True)
    table.add_column("learning rate\nwithout / with", justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for comparison in found.comparisons:
        cells = [ratio(effect) for effect in comparison.effects]
        table.add_row(
            BEST if comparison.label == BEST else "at equal settings",
            " / ".join(f"{rate:g}" for rate in dict.fromkeys(comparison.rates)),
            escape(cells[0]),
            escape(cells[1]) if len(cells) > 1 else "–",
        )
    return table
