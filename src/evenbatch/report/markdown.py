"""The report as Markdown, for wherever only text goes."""

from __future__ import annotations

from collections.abc import Sequence

from evenbatch.protocol.exhibits import Table
from evenbatch.protocol.wording import count
from evenbatch.report import conditions, figures
from evenbatch.report.html_parts import Names
from evenbatch.report.results import Entry, Report
from evenbatch.report.words import (
    SIGNS,
    TITLE,
    cell,
    day,
    duration,
    links,
    machine_words,
    shared_words,
    tally,
    told,
    version_words,
)

_SPECIAL = {letter: f"\\{letter}" for letter in "\\`*_[]|#~$"} | {
    "<": "&lt;",
    ">": "&gt;",
    "&": "&amp;",
    "\n": " ",
    "\r": " ",
}


def plain(text: str) -> str:
    """Text that Markdown leaves as it is.

    >>> plain("a|b <i> *c*")
    'a\\\\|b &lt;i&gt; \\\\*c\\\\*'
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def pictures(report: Report) -> dict[str, str]:
    """All figures as SVG, by the name of the file in which the Markdown looks for them."""
    found = {}
    for entry, stem in _stems(report):
        for k, figure in enumerate(entry.verdict.figures if entry.verdict else (), start=1):
            found[f"{stem}-{k}.svg"] = figures.alone(figure)
    return found


def _stems(report: Report) -> list[tuple[Entry, str]]:
    """Entries, each with what the names of its pictures begin with."""
    names = Names()
    return [(entry, names(entry.claim, entry.data)) for entry in report.entries]


def render(report: Report, folder: str = "") -> str:
    """The report.

    Args:
        report: what was measured (`results.read` makes one from a report.json).
        folder: where its `pictures` lie; their text alternatives stand in the text if left out.
    """
    shown = {id(entry): f"{folder}/{stem}" for entry, stem in _stems(report)} if folder else {}
    counts = ", ".join(
        f"{number} {verb}" for _, number, verb in tally([entry.answer for entry in report.entries])
    )
    parts = [f"# {TITLE}", f"{count(len(report.entries), 'verdict')}: {counts}."]
    if not report.complete:
        parts.append("**Partial.** The run was interrupted; this is what it had finished.")
    facts = [
        ("measured", f"{day(report.created)}, in {duration(report.seconds)}"),
        ("on", machine_words(report)),
        ("with", version_words(report)),
        ("commit", report.code),
        ("command", report.command),
    ]
    parts.append("\n".join(f"- {name}: {plain(text)}" for name, text in facts if text))
    parts += ["## Summary", _summary(report), *conditions.as_markdown()]
    for entries in report.claims.values():
        parts += _claim(entries, [shown.get(id(entry), "") for entry in entries])
    parts.append("Settings and key of every trial are in report.json, which lies beside this file.")
    return "\n\n".join(parts) + "\n"


MARKS = "<!-- {} -->\n", "<!-- /{} -->"
"""What a page puts around a table that `put` renews; between the braces its name."""
_PLACES = ("on one data set", "on another", "on a third", "on a fourth")


def put(page: str, report: Report, name: str = "verdicts") -> str:
    """A page with the verdicts of a report between its `MARKS` of this name: a row for each claim.

    Raises:
        ValueError: the page has no such marks.
    """
    opened, closed = (mark.format(name) for mark in MARKS)
    before, mark, rest = page.partition(opened)
    _, end, after = rest.partition(closed)
    if not end:
        raise ValueError(f"there is no line {opened.strip()} with {closed} after it")
    wide = max((len(entries) for entries in report.claims.values()), default=0)
    rows = [
        [plain(entries[0].phrase), *map(_brief, entries), *[""] * (wide - len(entries))]
        for entries in report.claims.values()
    ]
    head = ("the claim", *(_PLACES + ("",) * wide)[:wide])
    code = f"commit {report.code[:7]}" if report.code else version_words(report)
    about = (
        f"`{report.command}` on {day(report.created)}, in {duration(report.seconds)}; {code}; "
        f"{machine_words(report)}."
    )
    return f"{before}{mark}{_grid(head, rows)}\n\n{about}\n{end}{after}"


def _brief(entry: Entry) -> str:
    if entry.verdict is None:
        return f"{plain(entry.data)}: {SIGNS[entry.answer]} not measured"
    note = f", {entry.verdict.note}" if entry.verdict.note else ""
    effect = f" ({told(entry.verdict.effects[0])[0]})" if entry.verdict.effects else ""
    return f"{plain(entry.data)}: {SIGNS[entry.answer]} {entry.answer}{plain(note + effect)}"


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _summary(report: Report) -> str:
    rows = []
    for entry in report.entries:
        value, between = "", ""
        if entry.verdict is None:
            value = entry.skipped
        elif entry.verdict.effects:
            first = entry.verdict.effects[0]
            value, between = told(first)
            value += f" ({first.label})" if first.label else ""
        else:
            value = entry.verdict.reason
        cells = (plain(entry.phrase), plain(entry.data), _answer(entry), plain(value), between)
        rows.append((*cells, duration(entry.seconds)))
    return _grid(("claim", "data", "verdict", "effect", "95 % interval", "time"), rows)


def _answer(entry: Entry) -> str:
    partial = "" if entry.complete else ", partial"
    return f"{SIGNS[entry.answer]} {entry.answer}{partial}"


def _claim(entries: Sequence[Entry], stems: Sequence[str]) -> list[str]:
    parts = [f"## {plain(_capital(entries[0].phrase))}"]
    stated = [entry for entry in entries if entry.statement is not None]
    for name in ("claim", "question", "arms", "grid", "fairness", "measure", "rule"):
        texts = shared_words(stated, lambda e, name=name: _stated(e, name))  # type: ignore[misc]
        if not texts:
            continue
        if name == "claim":
            parts.append("\n".join(f"> {plain(text)}" for _, text in texts))
            continue
        title = "rule, fixed beforehand" if name == "rule" else name
        parts.append("\n\n".join(_about(f"{_capital(title)}", *text) for text in texts))
    for entry, stem in zip(entries, stems, strict=True):
        parts += _entry(entry, stem)
    for title, texts in (
        ("What would change the answer", shared_words(entries, _change)),
        ("Source", shared_words(stated, lambda e: _stated(e, "source"))),
    ):
        parts += [_about(title, names, text) for names, text in texts]
    return parts


def _about(title: str, names: str, text: str) -> str:
    where = f" ({plain(names)})" if names else ""
    linked = "".join(
        f"[{plain(piece)}]({target})" if target else plain(piece) for piece, target in links(text)
    )
    return f"**{title}{where}.** {linked}"


def _stated(entry: Entry, name: str) -> str:
    value = getattr(entry.statement, name)
    return value if isinstance(value, str) else "; ".join(f"{arm}: {words}" for arm, words in value)


def _change(entry: Entry) -> str:
    return entry.verdict.change if entry.verdict else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _entry(entry: Entry, stem: str) -> list[str]:
    parts = [f"### {plain(entry.data)}: {_answer(entry)}"]
    verdict = entry.verdict
    if verdict is None:
        return [*parts, plain(entry.skipped)]
    parts.append(plain(verdict.sentence))
    effects = []
    for effect in verdict.effects:
        value, between = told(effect)
        label = f", {plain(effect.label)}" if effect.label else ""
        effects.append(f"- {plain(value)} (95 % interval {between}){label}")
    if effects:
        parts.append("\n".join(effects))
    for k, figure in enumerate(verdict.figures, start=1):
        title, alt = plain(figure.title), plain(figure.alt)
        parts.append(f"**{title}**\n\n![{alt}]({stem}-{k}.svg)" if stem else f"**{title}.** {alt}")
    parts += [_table(table) for table in verdict.tables]
    if verdict.notes:
        parts.append("\n".join(f"- {plain(note)}" for note in verdict.notes))
    trained = count(len(entry.trials or {}), "trial")
    parts.append(f"{plain(verdict.measured_on)}; {trained}, {duration(entry.seconds)}.")
    return parts


def _table(table: Table) -> str:
    rows = [[plain(cell(value)) for value in row] for row in table.rows]
    return f"**{plain(table.title)}**\n\n{_grid([plain(c) for c in table.columns], rows)}"
