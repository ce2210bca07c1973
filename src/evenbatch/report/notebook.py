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
from evenbatch.report import figures
from evenbatch.report.words import SIGNS, cell, told


@singledispatch
def html(shown: object) -> str:
    """HTML for what is to be shown; others add their own kinds with ``html.register``."""
    return f"<pre>{escape(repr(shown))}</pre>"


@html.register
def _curve(curve: Curve) -> str:
    trial = curve.trial
    regression = len(curve.metric) > 0 and trial.network.outputs == 1
    name = "R²" if regression else "accuracy"
    line = Series(f"test {name}", numbers(curve.step), numbers(curve.metric), id=trial.network.norm)
    figure = Figure(
        LINES,
        f"Test {name} on {trial.data}",
        f"{curve!r}: test {name} over the steps.",
        Axis("steps"),
        Axis(f"test {name}", percent=not regression),
        (line,),
    )
    return f"{picture(figure)}<p><code>{escape(repr(curve))}</code></p>"


@html.register
def _verdict(verdict: Verdict) -> str:
    effects = [(effect.label, *told(effect)) for effect in verdict.effects]
    parts = [
        f"<p>{answered(verdict)} {escape(verdict.sentence)}</p>",
        table(("compared", "effect", "95 % interval"), effects),
        *(picture(figure) for figure in verdict.figures),
        *(exhibit(shown) for shown in verdict.tables),
        "".join(f"<p><small>{escape(note)}</small></p>" for note in verdict.notes),
        f"<p><small>{escape(verdict.measured_on)}</small></p>",
    ]
    return "".join(parts)


def answered(verdict: Verdict) -> str:
    """The answer with its sign."""
    return f"<b>{SIGNS[verdict.answer]} {verdict.answer}</b>"


def proven(verdicts: Mapping[tuple[str, str], Verdict]) -> str:
    """All verdicts in a table, and each with its figures, folded."""
    rows = []
    for (claim, data), verdict in verdicts.items():
        value, between = told(verdict.effects[0]) if verdict.effects else ("", "")
        rows.append((claim, data, f"{SIGNS[verdict.answer]} {verdict.answer}", value, between))
    folded = "".join(
        f"<details><summary>{escape(claim)}, {escape(data)}</summary>{html(verdict)}</details>"
        for (claim, data), verdict in verdicts.items()
    )
    return table(("claim", "data", "answer", "effect", "95 % interval"), rows) + folded


def picture(figure: Figure) -> str:
    """A figure as an image."""
    drawn = b64encode(figures.alone(figure).encode()).decode()
    return f'<img alt="{escape(figure.alt)}" src="data:image/svg+xml;base64,{drawn}">'


def exhibit(shown: Table) -> str:
    """A table of a verdict under its title."""
    rows = [[cell(value) for value in row] for row in shown.rows]
    return f"<p><b>{escape(shown.title)}</b></p>{table(shown.columns, rows)}"


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A plain table."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
