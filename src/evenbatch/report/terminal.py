"""A race and its verdict on a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from evenbatch.experiments.protocol import CANNOT_TELL, FAILS, HOLDS, IN_PART, Verdict
from evenbatch.experiments.race import BEST, Comparison, Finding, Race
from evenbatch.experiments.wording import amount, ratio, span

SIGNS = {
    HOLDS: ("✓", "bold green"),
    IN_PART: ("~", "bold yellow"),
    FAILS: ("✗", "bold red"),
    CANNOT_TELL: ("?", "bold blue"),
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


def arms_table(race: Race, found: Finding, best: Comparison) -> Table:
    """One line for each arm at its own best learning rate."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("each arm\nat its best", no_wrap=True)
    for name in ("learning\nrate", "steps\nto goal", "one\nstep", "time\nto goal", "reached\ngoal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{race.metric}\nat end", justify="right", no_wrap=True)
    names = ("without", race.norm_name)
    for place, (arm, name) in enumerate(zip(race.arms, names, strict=True)):
        steps = (best.steps.without, best.steps.with_norm)[place]
        seconds = (found.step_seconds or {}).get(arm)
        each = float(np.median(seconds)) if seconds else None
        table.add_row(
            name,
            f"{best.rates[place]:g}",
            median_steps(steps),
            span(each) if each else "–",
            span(each * float(np.median(steps))) if each and np.isfinite(np.median(steps)) else "–",
            f"{np.isfinite(steps).sum()} of {len(steps)}",
            final_metric(race, [pair[place].metric[-1] for pair in best.curves]),
        )
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


def median_steps(steps: NDArray[np.float64]) -> str:
    """Median and range of steps to the goal; "never" where more than half did not get there.

    >>> median_steps(np.array([20.0, 24, 30])), median_steps(np.array([20.0, np.inf, np.inf]))
    ('24 (20–30)', 'never (20–∞)')
    """
    low, middle, high = (float(v) for v in (steps.min(), np.median(steps), steps.max()))
    text = [f"{v:.0f}" if np.isfinite(v) else "∞" for v in (low, high)]
    if not np.isfinite(middle):
        return "never" if not np.isfinite(low) else f"never ({text[0]}–{text[1]})"
    return f"{middle:.0f} ({text[0]}–{text[1]})"


def final_metric(race: Race, values: list[float]) -> str:
    """The median metric at the end of the budget."""
    finite = [v if np.isfinite(v) else -np.inf for v in values]
    middle = float(np.median(finite))
    return amount(race.data, middle) if np.isfinite(middle) else "diverged"
