"""The report's files: report.html to be read, report.md with its pictures, report.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evenbatch.report import html, markdown, record
from evenbatch.report.results import read

PICTURES = "figures"


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
    """Write the page, the Markdown and the pictures it shows."""
    report = read(content)
    (folder / "report.md").write_text(markdown.render(report, PICTURES), encoding="utf-8")
    for name, picture in markdown.pictures(report).items():
        (folder / PICTURES).mkdir(exist_ok=True)
        (folder / PICTURES / name).write_text(picture, encoding="utf-8")
    page = folder / "report.html"
    page.write_text(html.render(report), encoding="utf-8")
    return page
