"""What shows itself in a notebook: curves, verdicts, audit reports.

A floor does not know how its results are drawn; the report does, above it. This is the one place
that reaches up, by name and only when a notebook asks.
"""

from __future__ import annotations

from importlib import import_module


class Shown:
    """An object that notebooks show as HTML."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = import_module("evenbatch.report.notebook").html(self)
        return html
