"""Pieces that all of the page is made of: ids, badges, linked text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from evenbatch.protocol.exhibits import Figure
from evenbatch.report import figures
from evenbatch.report.appendix import Appendix
from evenbatch.report.results import Entry
from evenbatch.report.words import SIGNS, links

_STYLES = {"holds": "yes", "holds in part": "part", "does not hold": "no", "cannot tell": "ask"}


@dataclass
class Names:
    """Ids for parts of the page: readable, and no two the same."""

    taken: set[str] = field(default_factory=set)

    def __call__(self, *words: str) -> str:
        text = "--".join(re.sub(r"[^a-z0-9]+", "-", w.lower()).strip("-") or "x" for w in words)
        name, number = text, 2
        while name in self.taken:
            name, number = f"{text}-{number}", number + 1
        self.taken.add(name)
        return name


@dataclass(frozen=True)
class Place:
    """An entry with its ids and its trials."""

    entry: Entry
    ident: str
    trials: str
    appendix: Appendix


def style(answer: str) -> str:
    """The end of the class of an answer's badge."""
    return _STYLES.get(answer, "skip")


def badge(answer: str) -> str:
    """An answer with its sign."""
    return f'<span class="badge b-{style(answer)}"><i>{SIGNS[answer]}</i>{answer}</span>'


def prose(text: str) -> str:
    """Escaped text in which no number is parted from its percent sign.

    >>> prose("<90 %")
    '&lt;90\\xa0%'
    """
    return escape(text).replace(" %", "\u00a0%")


def paragraphs(texts: Sequence[tuple[str, str]]) -> str:
    """Texts of `words.shared_words`, each a paragraph."""
    found = []
    for names, text in texts:
        about = f"<b>{escape(names)}:</b> " if names else ""
        found.append(f"<p>{about}{linked(text)}</p>")
    return "".join(found)


def linked(text: str) -> str:
    """Escaped text with links to what it cites."""
    return "".join(
        f'<a href="{escape(target)}">{escape(piece)}</a>' if target else prose(piece)
        for piece, target in links(text)
    )


def boxed(title: str, ident: str, heads: str, rows: Sequence[str], style: str = "") -> str:
    """A table that scrolls in its own box, under its title."""
    own = f' class="{style}"' if style else ""
    return (
        f'<p class="caption" id="{ident}">{escape(title)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{ident}">'
        f'<table{own} aria-labelledby="{ident}"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def picture(figure: Figure, ident: str, data: str = "") -> str:
    """A figure for a wide and a narrow place, under its title without the name of the data."""
    wide = figures.draw(figure, figures.WIDE, f"{ident}w", "chart wide")
    narrow = figures.draw(figure, figures.NARROW, f"{ident}n", "chart narrow")
    title = escape(figure.title.removesuffix(f": {data}"))  # the name stands above
    return f"<figure><figcaption>{title}</figcaption>{wide}\n{narrow}</figure>"
