"""The report's files: report.html to be read, report.md for where only text goes, report.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evenbatch.report import html, markdown, record
from evenbatch.report.results import read


def write(folder: Path, content: dict[str, Any]) -> Path:
    """Write all of them into a folder, which is made if need be; gives the path of the page.

    Args:
        folder: where to.
        content: what `record.record` gave.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder / "report.json", content)
    return write_pages(folder, content)


def write_pages(folder: Path, content: dict[str, Any]) -> Path:
    """Write the page and the Markdown."""
    report = read(content)
    (folder / "report.md").write_text(markdown.render(report), encoding="utf-8")
    page = folder / "report.html"
    page.write_text(html.render(report), encoding="utf-8")
    return page
