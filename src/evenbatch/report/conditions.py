"""Claims of the lesson as conditions: sentences of the atlas, which every report begins with.

The atlas is Parquet, which not everyone can read: `python -m evenbatch.atlas` writes its sentences
down here.
"""

from __future__ import annotations

import json
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from evenbatch.report.html_parts import prose

TITLE = "Where such claims hold"


@cache
def read() -> dict[str, Any]:
    """The sentences, and what they rest on: ``{"source": "…", "sentences": ["…"]}``, with numbers
    for the lesson."""
    text = files("evenbatch.report").joinpath("conditions.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def as_html() -> str:
    """A section of the page."""
    found = read()
    items = "".join(f"<li>{prose(text)}</li>" for text in found["sentences"])
    return (
        f'<section id="conditions"><h2>{TITLE}</h2>\n<p>{escape(found["source"])}</p>'
        f"<ul>{items}</ul></section>"
    )


def as_markdown() -> list[str]:
    """Paragraphs of the text."""
    found = read()
    return [f"## {TITLE}", found["source"], "\n".join(f"- {text}" for text in found["sentences"])]
