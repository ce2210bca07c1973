"""Curves, verdicts and all that was proven, as HTML for a notebook.

A figure is an image with its own colours and paper, so that the style of the notebook and that of
the report leave each other alone.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import singledispatch
from html import escape
from typing import Any

from evenbatch.engine import Curve
from evenbatch.protocol.exhibits import LINES, Axis, Figure, Series, Table, numbers
from evenbatch.protocol.verdict import Verdict
from evenbatch.protocol.wording import count
from evenbatch.report import figures
from evenbatch.report.words import SIGNS, cell, told


@singledispatch
def html(shown: object) -> str:
    """HTML for what is to be shown; others add their own kinds with ``html.register``."""
    return f"<pre>{escape(repr(shown))}</pre>"


@html.register
def _curve(curve: Curve) -> str:
    trial, net = curve.trial, curve.trial.network
    # A curve does not say what its data are; of the two measures only R² can be below 0, and is,
    # before anything is learned.
    regression = net.outputs == 1 or bool((curve.metric < 0).any())
    name = "R²" if regression else "accuracy"
    line = Series(f"test {name}", numbers(curve.step), numbers(curve.metric), id=net.norm)
    figure = Figure(
        LINES,
        f"{trial.data}, norm {net.norm}, {trial.optimizer} at {trial.learning_rate:g}, "
        f"seed {trial.seed}: {curve.ended} at step {curve.ended_at}",
        f"{curve!r}: test {name} over the steps.",
        Axis("steps"),
        Axis(f"test {name}", percent=not regression),
        (line,),
    )
    return picture(figure)


@html.register
def _verdict(verdict: Verdict) -> str:
    effects = [(effect.label, *told(effect)) for effect in verdict.effects]
    shown = [*map(picture, verdict.figures), *map(exhibit, verdict.tables)]
    more = [*shown[1:], *(f"<p><small>{escape(note)}</small></p>" for note in verdict.notes)]
    counted = ", ".join(
        count(number, word)
        for number, word in (
            (len(verdict.figures[1:]), "more figure"),
            (len(verdict.tables), "table"),
            (len(verdict.notes), "note"),
        )
        if number
    )
    parts = [
        f"<p>{answered(verdict)} {escape(verdict.sentence)}</p>",
        table(("compared", "effect", "95 % interval"), effects),
        *shown[:1],
        folded(counted, "".join(more)) if more else "",
        f"<p><small>{escape(verdict.measured_on)}</small></p>",
    ]
    return "".join(parts)


def folded(title: str, inner: str) -> str:
    """What is seen when its title is clicked."""
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"


def answered(verdict: Verdict) -> str:
    """The answer with its sign."""
    return f"<b>{SIGNS[verdict.answer]} {verdict.answer}</b>"


def proven(verdicts: Mapping[tuple[str, str], Verdict]) -> str:
    """All verdicts in a table, and each with its figures, folded."""
    rows = []
    for (claim, data), verdict in verdicts.items():
        value, between = told(verdict.effects[0]) if verdict.effects else ("", "")
        rows.append((claim, data, f"{SIGNS[verdict.answer]} {verdict.answer}", value, between))
    each = [folded(f"{claim}, {data}", html(found)) for (claim, data), found in verdicts.items()]
    return table(("claim", "data", "answer", "effect", "95 % interval"), rows) + "".join(each)


def picture(figure: Figure) -> str:
    """A figure as an image under its title."""
    drawn = b64encode(figures.alone(figure).encode()).decode()
    image = f'<img alt="{escape(figure.alt)}" src="data:image/svg+xml;base64,{drawn}">'
    return f"<p><b>{escape(figure.title)}</b></p>{image}"


def exhibit(shown: Table) -> str:
    """A table of a verdict under its title."""
    rows = [[cell(value) for value in row] for row in shown.rows]
    return f"<p><b>{escape(shown.title)}</b></p>{table(shown.columns, rows)}"


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A plain table, which scrolls where it is too wide."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row)}</tr>" for row in rows
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div style="overflow-x: auto"><table>{inner}</table></div>'
