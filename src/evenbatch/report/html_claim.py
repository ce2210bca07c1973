"""A claim in the page: what was stated beforehand, then each data set's verdict."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from evenbatch.experiments.exhibits import Figure, Table
from evenbatch.experiments.protocol import Verdict
from evenbatch.experiments.wording import count
from evenbatch.report import figures
from evenbatch.report.html_parts import Place, badge, paragraphs
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
    change = shared_words(entries, lambda e: e.verdict.change if e.verdict else "")
    if change:
        parts.append(f"<h4>What would change the answer</h4>{paragraphs(change)}")
    source = shared_words(stated, lambda e: e.statement.source if e.statement else "")
    if source:
        parts.append(f'<h4>Source</h4><div class="source">{paragraphs(source)}</div>')
    parts.append('<p class="up"><a href="#summary">↑ summary</a></p></section>')
    return "\n".join(parts)


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
    parts.append(f"<p>{escape(_capital(verdict.sentence))}</p>{_effects(verdict)}</header>")
    drawn = "".join(
        _figure(figure, f"{place.ident}-f{k}") for k, figure in enumerate(verdict.figures)
    )
    tables = "".join(_table(table, place) for table in verdict.tables)
    notes = "".join(f"<li>{escape(note)}</li>" for note in verdict.notes)
    notes = f"<ul>{notes}</ul>" if notes else ""
    parts.append(f'<div class="figures">{drawn}</div>')
    parts.append(f'<div class="tables">{tables}</div>')
    trained = len(entry.trials or {})
    parts.append(
        f'<footer>{notes}<p class="faint">{escape(_capital(verdict.measured_on))}. '
        f'<a href="#{place.trials}">{count(trained, "trial")}</a>, {duration(entry.seconds)}.</p>'
        "</footer></article>"
    )
    return "\n".join(parts)


def _capital(text: str) -> str:
    """The text as it is: names of data sets keep their small letters."""
    return text


def _effects(verdict: Verdict) -> str:
    """The first effect large, the others in lines below it."""
    if not verdict.effects:
        return ""
    value, between = told(verdict.effects[0])
    parts = [
        f'<p class="effect"><b>{escape(value)}</b> <span>95 % interval {between}'
        f"{_labelled(verdict.effects[0].label)}</span></p>"
    ]
    if len(verdict.effects) > 1:
        rows = []
        for effect in verdict.effects[1:]:
            value, between = told(effect)
            rows.append(
                f"<li>{escape(value)} <span>({between}){_labelled(effect.label)}</span></li>"
            )
        parts.append(f'<ul class="effects">{"".join(rows)}</ul>')
    return "".join(parts)


def _labelled(label: str) -> str:
    return f", {escape(label)}" if label else ""


def _figure(figure: Figure, ident: str) -> str:
    wide = figures.draw(figure, figures.WIDE, f"{ident}w", "chart wide")
    narrow = figures.draw(figure, figures.NARROW, f"{ident}n", "chart narrow")
    return f"<figure><figcaption>{escape(figure.title)}</figcaption>{wide}\n{narrow}</figure>"


def _table(table: Table, place: Place) -> str:
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
            f"<td{_n(number)}>{escape(cell(value))}</td>"
            for value, number in zip(row, numeric, strict=True)
        ]
        if table.keys:
            cells.append(f'<td class="k">{_trial_links(table.keys[k], place)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    title = escape(table.title)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}"><table>'
        f"<caption>{title}</caption><thead><tr>{''.join(heads)}</tr></thead>\n"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _n(number: bool) -> str:
    return ' class="n"' if number else ""


def _is_number(value: str | float) -> bool:
    return not isinstance(value, str) or bool(re.match(r"[−+≥≤<>-]?\s?\d|[–?∞]$|never|$", value))


def _trial_links(keys: Sequence[str], place: Place) -> str:
    found = []
    for first, last in place.appendix.of(keys):
        label = f"{first}" if first == last else f"{first}–{last}"
        found.append(f'<a href="#{place.trials}-{first}">{label}</a>')
    return ", ".join(found) or "–"
