"""Curves and verdicts for people and programs: HTML, Markdown, JSON, terminal, notebooks."""
