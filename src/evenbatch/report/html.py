"""The report as one HTML file: nothing is loaded, and no script is needed to read it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files

from evenbatch.protocol.wording import count
from evenbatch.report import conditions, figures
from evenbatch.report.appendix import appendix
from evenbatch.report.html_claim import claim as claim_section
from evenbatch.report.html_parts import Names, Place, badge, prose, style
from evenbatch.report.results import Report, Settings
from evenbatch.report.words import (
    TITLE,
    day,
    duration,
    flat,
    machine_words,
    setting,
    tally,
    told,
    version_words,
)

# Without it everything can be read too. It opens what a link leads to in older browsers, and all
# but the lists of trials on paper.
SCRIPT = """
function reveal() {
  var e = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (var p = e; p; p = p.parentElement) if (p.tagName === "DETAILS") p.open = true;
  if (e) e.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();
addEventListener("beforeprint", function () {
  document.querySelectorAll("details.how").forEach(function (d) { d.open = true; });
});
"""


@cache
def stylesheet() -> str:
    """The page's style sheet."""
    own = files("evenbatch.report").joinpath("report.css").read_text(encoding="utf-8")
    return figures.stylesheet() + own


def document(title: str, header: str, sections: Sequence[str], script: str = "") -> str:
    """A page of these sections, in which nothing is loaded."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{stylesheet()}</style>
</head>
<body>
{header}
<main>
{chr(10).join(sections)}
</main>
{script}</body>
</html>
"""


def render(report: Report) -> str:
    """The page.

    Args:
        report: what was measured (`results.read` makes one from a report.json).
    """
    names = Names({"summary", "trials", "conditions"})
    claims = {claim: names(claim) for claim in report.claims}
    found = [
        Place(e, names(e.claim, e.data), names(e.claim, e.data, "trials"), appendix(e))
        for e in report.entries
    ]
    sections = [
        claim_section(ident, [place for place in found if place.entry.claim == claim])
        for claim, ident in claims.items()
    ]
    summary = _summary(report, claims, found)
    sections = [summary, conditions.as_html(), *sections, _trials(found)]
    return document(TITLE, _head(report), sections, f"<script>{SCRIPT}</script>\n")


def _head(report: Report) -> str:
    counts = ", ".join(
        f'<span class="t-{style(answer)}"><b>{number}</b> {verb}</span>'
        for answer, number, verb in tally([entry.answer for entry in report.entries])
    )
    facts = [
        ("measured", f"{day(report.created)}, in {duration(report.seconds)}"),
        ("on", machine_words(report)),
        ("with", version_words(report)),
        ("commit", report.code),
        ("command", f"<code>{escape(report.command)}</code>"),
    ]
    rows = "".join(
        f"<dt>{name}</dt><dd>{text if text.startswith('<code>') else escape(text)}</dd>"
        for name, text in facts
        if text
    )
    partial = ""
    if not report.complete:
        partial = (
            '<p class="partial"><b>Partial.</b> The run was interrupted. What follows is what its '
            "finished runs show. Give the command again to measure the rest.</p>"
        )
    claims = count(len(report.claims), "claim")
    data = count(len({e.data for e in report.entries}), "data set")
    return (
        f"<header><h1>{TITLE}</h1>\n"
        f'<p class="tally">{claims} on {data}, {count(len(report.entries), "verdict")}: '
        f"{counts}.</p>\n{partial}<dl>{rows}</dl></header>"
    )


# The summary.


def _summary(report: Report, claims: dict[str, str], places: Sequence[Place]) -> str:
    rows = []
    for claim, ident in claims.items():
        own = [place for place in places if place.entry.claim == claim]
        for k, place in enumerate(own):
            first = ""
            if k == 0:
                link = f'<a href="#{ident}">{escape(own[0].entry.phrase)}</a>'
                first = f'<th scope="rowgroup" role="rowheader" rowspan="{len(own)}">{link}</th>'
            rows.append(f'<tr role="row">{first}{_summary_cells(place)}</tr>')
        rows.append('</tbody><tbody role="rowgroup">')
    head = "".join(
        f'<th scope="col" role="columnheader">{name}</th>'
        for name in ("claim", "data", "verdict", "effect", "95 % interval", "time")
    )
    body = "\n".join(rows[:-1])
    return (
        '<section id="summary"><h2>Summary</h2>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Summary">'
        f'<table class="summary" role="table"><thead role="rowgroup"><tr role="row">{head}</tr>'
        f'</thead>\n<tbody role="rowgroup">{body}</tbody></table>'
        f"</div></section>"
    )


def _summary_cells(place: Place) -> str:
    entry = place.entry
    between = ""
    if entry.verdict is None:
        value = prose(entry.skipped)
    elif entry.verdict.effects:
        first = entry.verdict.effects[0]
        value, between = told(first)
        value = prose(value) + (f"<span>{prose(first.label)}</span>" if first.label else "")
    else:
        value = prose(entry.verdict.reason)
    partial = "" if entry.complete else ' <span class="faint">partial</span>'
    cells = (
        ("", f'<a href="#{place.ident}">{escape(entry.data)}</a>'),
        ("answer", f"{badge(entry.answer)}{partial}"),
        ("what", value),
        ("n", between),
        ("n", duration(entry.seconds)),
    )
    return "".join(f'<td role="cell"{_class(style)}>{text}</td>' for style, text in cells)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


# The trials.


def _trials(places: Sequence[Place]) -> str:
    parts = [
        '<section class="trials" id="trials"><h2>Trials</h2>',
        "<p>Every number above comes from these runs. A table’s last column names their "
        "groups; a group’s trials differ only in the seed, which stands before each key. The key "
        "is a hash of all settings and names the trial in report.json, in the store and in "
        "exports.</p>",
    ]
    parts += [_trial_list(place) for place in places]
    return "\n".join([*parts, "</section>"])


def _trial_list(place: Place) -> str:
    entry = place.entry
    total = len(entry.trials or {})
    shared = {k: v for k, v in flat(dict(entry.shared or {})).items() if not k.startswith("ended")}
    groups = []
    for group in place.appendix.groups:
        keys = "\n".join(
            f"{seed} {key}" + (f" {ending}" if ending else "") for seed, key, ending in group.trials
        )
        groups.append(
            f'<h5 id="{place.trials}_{group.number}">{group.number}. {_settings(group.settings)}'
            f"</h5><pre>{keys}</pre>"
        )
    title = f"{entry.phrase}, {entry.data}" if entry.phrase else entry.data
    return (
        f'<details id="{place.trials}"><summary>{escape(title)}: {count(total, "trial")}</summary>'
        f'<p class="faint">All: {_settings(shared)}.</p>{"".join(groups)}</details>'
    )


def _settings(settings: Settings) -> str:
    words = [f"{name.replace('_', ' ')} {setting(value)}" for name, value in settings.items()]
    return escape(", ".join(words)) or "as above"
