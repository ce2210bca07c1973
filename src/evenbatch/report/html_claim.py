"""A claim in the page: what was stated beforehand, then each data set's verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from evenbatch.protocol.exhibits import Table
from evenbatch.protocol.verdict import Verdict
from evenbatch.protocol.wording import count
from evenbatch.report.figures.bars import bars
from evenbatch.report.html_parts import Place, badge, boxed, paragraphs, picture, prose
from evenbatch.report.results import Entry
from evenbatch.report.words import cell, duration, shared_words, told


def claim(ident: str, places: Sequence[Place]) -> str:
    """The section of a claim, `places` its data sets."""
    entries = [place.entry for place in places]
    stated = [entry for entry in entries if entry.statement is not None]
    parts = [f'<section class="claim" id="{ident}"><h2>{escape(entries[0].phrase)}</h2>']
    if stated:
        parts.append(_statement(stated))
    articles = "\n".join(_article(place) for place in places)
    alone = " alone" if len(places) == 1 else ""
    parts.append(f'<div class="parts{alone}">{articles}</div>')
    ends = []
    for title, texts in (
        ("What would change the answer", shared_words(entries, _change)),
        ("Source", shared_words(stated, _source)),
    ):
        if texts:
            ends.append(f"<div><h4>{title}</h4>{paragraphs(texts)}</div>")
    if ends:
        parts.append(f'<div class="asked">{"".join(ends)}</div>')
    parts.append('<p class="up"><a href="#summary">↑ summary</a></p></section>')
    return "\n".join(parts)


def _change(entry: Entry) -> str:
    return entry.verdict.change if entry.verdict else ""


def _source(entry: Entry) -> str:
    return entry.statement.source if entry.statement else ""


def _statement(entries: Sequence[Entry]) -> str:
    """What was stated beforehand; what takes long to read is folded."""

    def told_by(name: str) -> str:
        def read(entry: Entry) -> str:
            text = getattr(entry.statement, name)
            if isinstance(text, str):
                return text
            return "; ".join(f"{arm}: {words}" for arm, words in text)

        return paragraphs(shared_words(entries, read))

    folded = "".join(
        f"<dt>{title}</dt><dd>{told_by(name)}</dd>"
        for name, title in (
            ("arms", "arms"),
            ("grid", "grid"),
            ("fairness", "fairness"),
            ("measure", "measure"),
        )
    )
    return (
        f"<blockquote>{told_by('claim')}</blockquote>\n"
        f'<div class="asked"><div><h4>Question</h4>{told_by("question")}</div>'
        f"<div><h4>Rule, fixed beforehand</h4>{told_by('rule')}</div></div>\n"
        f'<details class="how"><summary>How it was measured</summary><dl>{folded}</dl></details>'
    )


def _article(place: Place) -> str:
    entry, verdict = place.entry, place.entry.verdict
    parts = [
        f'<article id="{place.ident}"><header><h3>{escape(entry.data)} {badge(entry.answer)}</h3>'
    ]
    if verdict is None:
        parts.append(f"<p>{escape(entry.skipped)}</p></header></article>")
        return "\n".join(parts)
    parts.append(f"{_headline(verdict)}<p>{prose(_sentence(entry, verdict))}</p></header>")
    drawn = "".join(
        picture(figure, f"{place.ident}_f{k}", entry.data)
        for k, figure in enumerate(verdict.figures)
    )
    tables = _effects(verdict, place.ident) + "".join(
        _table(table, place, f"{place.ident}_t{k}") for k, table in enumerate(verdict.tables)
    )
    notes = "".join(f"<li>{prose(note)}</li>" for note in verdict.notes)
    notes = f"<ul>{notes}</ul>" if notes else ""
    parts.append(f"<div>{drawn}</div>")
    parts.append(f"<div>{tables}</div>")
    trained = len(entry.trials or {})
    parts.append(
        f'<footer>{notes}<p class="faint">{escape(verdict.measured_on)}. '
        f'<a href="#{place.trials}">{count(trained, "trial")}</a>, {duration(entry.seconds)}.</p>'
        "</footer></article>"
    )
    return "\n".join(parts)


def _sentence(entry: Entry, verdict: Verdict) -> str:
    """The verdict's sentence without the name of the data set, which stands above it."""
    text = verdict.sentence.removeprefix(f"{entry.data}: ")
    return text[:1].upper() + text[1:]


def _headline(verdict: Verdict) -> str:
    """The effect that is meant when one number is wanted."""
    if not verdict.effects:
        return ""
    first = verdict.effects[0]
    value, between = told(first)
    label = f", {escape(first.label)}" if first.label else ""
    return (
        f'<p class="effect"><b>{escape(value)}</b> <span>95 % interval {between}{label}</span></p>'
    )


def _effects(verdict: Verdict, ident: str) -> str:
    """All effects with their intervals, drawn beside the numbers."""
    if len(verdict.effects) < 2:
        return ""
    rows = []
    for effect, bar in zip(verdict.effects, bars(verdict.effects), strict=True):
        value, between = told(effect)
        rows.append(
            f"<tr><td>{escape(effect.label)}</td><td>{escape(value)}</td>"
            f'<td class="bar">{bar}</td><td class="n">{between}</td></tr>'
        )
    heads = (
        '<th scope="col">compared</th><th scope="col">effect</th>'
        '<th scope="col" class="n" colspan="2">95 % interval</th>'
    )
    return boxed("Effects", f"{ident}_e", heads, rows, "effects")


def _table(table: Table, place: Place, ident: str) -> str:
    numeric = [all(_is_number(row[k]) for row in table.rows) for k in range(len(table.columns))]
    heads = [
        f'<th scope="col"{_n(number)}>{escape(name)}</th>'
        for name, number in zip(table.columns, numeric, strict=True)
    ]
    if table.keys:
        heads.append('<th scope="col">trials</th>')
    rows = []
    for k, row in enumerate(table.rows):
        cells = [
            f"<td{_n(number)}>{prose(cell(value))}</td>"
            for value, number in zip(row, numeric, strict=True)
        ]
        if table.keys:
            cells.append(f'<td class="k">{_trial_links(table.keys[k], place)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return boxed(table.title, ident, "".join(heads), rows)


def _n(number: bool) -> str:
    return ' class="n"' if number else ""


def _is_number(value: str | float) -> bool:
    return not isinstance(value, str) or bool(
        re.match(r"[−+≥≤<>-]?\s?\d|[–?∞]$|never|none|diverged|$", value)
    )


def _trial_links(keys: Sequence[str], place: Place) -> str:
    found = []
    for first, last in place.appendix.of(keys):
        label = f"{first}" if first == last else f"{first}–{last}"
        found.append(f'<a href="#{place.trials}_{first}">{label}</a>')
    return ", ".join(found) or "–"
