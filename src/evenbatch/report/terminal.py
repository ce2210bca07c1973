"""Verdicts on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Statement, Verdict
from evenbatch.protocol.wording import count
from evenbatch.report.results import SKIPPED
from evenbatch.report.words import cell, duration, tally, told

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


def show_tables(console: Console, verdict: Verdict, most: int = 2) -> None:
    """What was measured on, and the first tables of a verdict."""
    console.print(f"\n[dim]{escape(verdict.measured_on)}[/dim]")
    for shown in verdict.tables[:most]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=escape(shown.title))
        table.title_justify = "left"
        for place, name in enumerate(shown.columns):
            table.add_column(escape(name), justify="right" if place else "left")
        for row in shown.rows:
            table.add_row(*(escape(cell(value)) for value in row))
        console.print(table)


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


def show_claims(
    console: Console, claims: Mapping[str, Any], by_convolution: Mapping[str, Sequence[str]]
) -> None:
    """All claims by name, with the data they are measured on, by convolution too."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("claim", "in a few words", "measured on", "by convolution on"):
        table.add_column(name)
    for name, claim in claims.items():
        data = ", ".join(claim.data) or "data of its own"
        table.add_row(name, escape(claim.phrase), data, ", ".join(by_convolution.get(name, ())))
    console.print(table)
    console.print("evenbatch claims NAME explains one; evenbatch prove NAME measures it.")


def show_statement(console: Console, name: str, statement: Statement) -> None:
    """What is stated before any result."""
    console.print(f"\n[bold]{escape(name)}[/bold]  {escape(statement.claim)}")
    parts = {
        "question": statement.question,
        "arms": "; ".join(words for _, words in statement.arms),
        "tried": statement.grid,
        "fairness": statement.fairness,
        "measure": statement.measure,
        "rule": statement.rule,
        "source": statement.source,
    }
    table = Table.grid(padding=(0, 2))
    for head, text in parts.items():
        if text:
            table.add_row(f"[dim]{head}[/dim]", escape(text))
    console.print(table)
