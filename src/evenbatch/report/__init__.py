"""Findings and verdicts for people and programs: terminal, picture, JSON."""
