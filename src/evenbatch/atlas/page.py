"""The atlas as one HTML page: nothing is loaded, pictures first."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from evenbatch.atlas import conditions, pictures
from evenbatch.atlas import findings as f
from evenbatch.atlas.design import AXES, GROWTHS, NORMS, SEEDS, STEPS, TUNING, Setting
from evenbatch.atlas.measure import TESTS, Row
from evenbatch.atlas.model import FOLKLORE, Check, Model
from evenbatch.protocol.exhibits import Figure
from evenbatch.protocol.wording import digits
from evenbatch.report.html import document
from evenbatch.report.html_parts import boxed, picture, prose

TITLE = "When normalization helps: the atlas"
SURPRISES = 4
PAIRS = (("depth", "batch_size"), ("init", "optimizer"), ("activation", "data"))


def write(path: Path, rows: Sequence[Row], checks: Sequence[Check], model: Model) -> None:
    """Write the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(rows, checks, model), encoding="utf-8")


def render(rows: Sequence[Row], checks: Sequence[Check], model: Model) -> str:
    """The page.

    Args:
        rows: of the atlas.
        checks: how its model did on settings measured later.
        model: learned from the rows.
    """
    many = len({row["setting"] for row in rows})
    runs = sum(row["runs"] for row in rows if row["norm"] == NORMS[0])
    decide = pictures.decide({norm: model.importances(norm) for norm in NORMS})
    sections = [
        _section("How much", _figures([pictures.ratios(rows)])),
        _section("In short", _items(conditions.sentences(rows)) + _outcomes(rows)),
        _section("Where", _figures([pictures.factor(rows, name) for name in AXES])),
        _section("Which factors decide", _figures([decide]) + DECIDE),
        _section(
            "Two factors at a time",
            _figures([pictures.pair(rows, "batch", *names) for names in PAIRS]),
        ),
        _section("What a model of it is worth", _checked(checks)),
        _section("Surprises", _surprises(rows, model)),
        _section("How it was measured", HOW),
    ]
    header = (
        f'<header><h1>{TITLE}</h1><p class="tally">{many:,} settings, {runs:,} runs: each '
        "normalizer against none, both at their own best learning rate.</p></header>"
    )
    return document(TITLE, header, sections)


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{title}</h2>\n{inner}</section>"


def _items(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{prose(text)}</li>' for text in texts)}</ul>"


def _figures(figures: Sequence[Figure]) -> str:
    drawn = "".join(f"<div>{picture(one, one.id)}</div>" for one in figures)
    return f'<div class="asked">{drawn}</div>'


def _table(title: str, ident: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = ["<tr>" + "".join(f"<td>{prose(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return boxed(title, ident, head, body)


def _outcomes(rows: Sequence[Row]) -> str:
    """Helps, does nothing, hurts: shares with intervals, and what else was measured."""
    found = {norm: f.columns(rows, norm) for norm in NORMS}
    shares = {norm: f.outcomes(own) for norm, own in found.items()}
    lines = [
        [name, *(f"{shares[norm][name]} ({shares[norm][name].between})" for norm in NORMS)]
        for name in f.OUTCOMES
    ]
    for name, values in (
        ("median ratio of steps", lambda c: f.raced(c)["ratio"]),
        ("median ratio of time", lambda c: f.raced(c)["time_ratio"]),
        ("learning rates that work, more decades", _wider),
        ("final accuracy, more percentage points", lambda c: f.raced(c)["end"]),
    ):
        lines.append([name, *(_middle(values(found[norm])) for norm in NORMS)])
    names = [pictures.NAMES[norm] for norm in NORMS]
    return _table("All settings; medians with 95 % intervals", "outcomes", ["", *names], lines)


def _wider(found: f.Columns) -> np.ndarray:
    there = f.raced(found)
    return np.asarray(there["width_norm"] - there["width_none"])


def _middle(values: np.ndarray) -> str:
    middle, low, high = (digits(v).replace("-", "−") for v in f.median(values))
    return f"{middle} ({low} to {high})"


def _checked(checks: Sequence[Check]) -> str:
    """The model on settings measured afterwards."""
    about = (
        "<p>Ask it about a network of your own with <code>evenbatch atlas --like my.toml</code>. "
        "Its interval is meant to hold 8 of 10 settings.</p>"
    )
    if not checks:
        return about + "<p>It was not checked on settings measured afterwards.</p>"
    lines = [
        [
            pictures.NAMES[one.norm], f"{one.rows}",
            f"{100 * one.covered / one.rows:.0f} %", f"{one.error:.2f}", f"{one.folklore:.2f}",
            f"{one.median:.2f}",
        ]
        for one in checks
    ]  # fmt: skip
    low, high = FOLKLORE
    heads = (
        "", "fresh settings", "held by the 80 % interval", "the model is off by a factor of",
        f"“always {low:g} to {high:g} times” by", "“the same as the median” by",
    )  # fmt: skip
    return about + _table("On settings measured after the model was made", "check", heads, lines)


def _surprises(rows: Sequence[Row], model: Model) -> str:
    """The settings furthest from what the model expects, with what carries them out again."""
    parts = []
    for norm in NORMS:
        own = [r for r in rows if r["norm"] == norm and np.isfinite(r["ratio"])]
        guesses = model.expected([(Setting.of(r), norm) for r in own])
        ranked = sorted(
            (
                (min(r["low"] / g.high, r["ratio"]), r, g, "more")
                if r["ratio"] > g.value
                else (min(g.low / max(r["high"], 1e-9), 1 / r["ratio"]), r, g, "less")
                for r, g in zip(own, guesses, strict=True)
            ),
            key=lambda each: -each[0],
        )
        for off, row, guess, way in ranked[:SURPRISES]:
            if off > 1:
                parts.append(_surprise(row, guess.value, way))
    return (
        "<p>The settings whose 95 % interval lies furthest outside what the model expects of "
        "them.</p>" + "\n".join(parts)
    )


def _surprise(row: Row, expected: float, way: str) -> str:
    bound = f"{row['bound']} " if row["bound"] else ""
    said = (
        f"{pictures.NAMES[row['norm']]}: {bound}{digits(row['ratio'])} times fewer steps "
        f"(expected {digits(expected)}: {way} than that). {Setting.of(row).words}"
    )
    return (
        f"<details><summary>{escape(said)}</summary><p>As <code>surprise.toml</code>, for "
        f"<code>evenbatch sweep surprise.toml</code>:</p><pre>{escape(f.toml_of(row))}</pre>"
        "</details>"
    )


DECIDE = (
    "<p>Each factor’s values are shuffled among the settings that the model did not learn from, "
    "and its error is taken again (permutation importance).</p>"
)
HOW = (
    "<p>The settings are a scrambled Sobol sequence, stated beforehand: "
    + "; ".join(f"{pictures.FACTORS[name]}: {', '.join(map(str, AXES[name]))}" for name in AXES)
    + ". Setting number i is always the same one.</p>"
    f"<p>In each, every normalizer is raced against none: the same initial weights, the same "
    f"minibatches in the same order, {STEPS} steps, at most {TESTS} test rows. Learning rates are "
    f"found on {TUNING} seeds, four decades in half decades, continued up to {GROWTHS} times "
    "where an arm’s best is the lowest or highest; then both arms run at their own best on "
    f"{SEEDS} other seeds. The goal is 90 % of the way from chance to the best of the weaker arm, "
    "and must be held. A run that diverges ends there, in whichever arm it is: what it would have "
    "done is known. No other run is ended early. A run that never gets to the goal counts as its "
    "budget in the ratio, and as 1 to 10 budgets in its interval.</p>"
    "<p>A step is timed in short runs of all arms in turn, while other runs use the other cores; "
    "the median of 9 turns multiplies the ratio of steps. The data are used as they come: the "
    "columns of cookies are of very unlike scales.</p>"
    "<p>What the atlas has not measured: convolutions, budgets longer than "
    f"{STEPS} steps, regression, wider networks.</p>"
)
