"""What pages in any markup say in the same words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from evenbatch.engine import conv
from evenbatch.protocol.phrases import turned
from evenbatch.protocol.verdict import ANSWERS, CANNOT_TELL, FAILS, HOLDS, IN_PART, Effect
from evenbatch.protocol.wording import count, digits
from evenbatch.report.results import SKIPPED, Entry, Report

TITLE = "What normalization does, measured"
SIGNS = {HOLDS: "✓", IN_PART: "◐", FAILS: "✗", CANNOT_TELL: "?", SKIPPED: "–"}
"""A sign for each answer; the word always stands beside it."""

_COUNTED = {
    HOLDS: ("holds", "hold"),
    IN_PART: ("holds in part", "hold in part"),
    FAILS: ("does not hold", "do not hold"),
    CANNOT_TELL: ("is undecided", "are undecided"),
    SKIPPED: ("was not measured", "were not measured"),
}


def tally(answers: Sequence[str]) -> list[tuple[str, int, str]]:
    """Each answer that occurs: the answer, how often, and its verb for that many.

    >>> tally(["holds", "does not hold", "holds"])
    [('holds', 2, 'hold'), ('does not hold', 1, 'does not hold')]
    """
    found = []
    for answer in (*ANSWERS, SKIPPED):
        number = answers.count(answer)
        if number:
            found.append((answer, number, _COUNTED[answer][number > 1]))
    return found


def interval(effect: Effect) -> str:
    """The 95 % interval of an effect, with what is known of it.

    >>> interval(Effect("", 4.0, 3.5, 4.6, ""))
    '3.5 to 4.6'
    >>> interval(Effect("", 37.0, 33.0, 400.0, "", "at least"))
    'from 33.0'
    >>> interval(Effect("", 8.0, 0.0, math.inf, "times fewer steps"))
    'not known'
    """
    low, high = effect.low, effect.high
    if math.isinf(high) and (math.isinf(low) or (low == 0 and effect.unit.startswith("times"))):
        return "not known"
    if effect.bound == "at least" or (math.isinf(high) and math.isfinite(low)):
        return f"from {_signed(low)}"
    if effect.bound == "at most" or (math.isinf(low) and math.isfinite(high)):
        return f"up to {_signed(high)}"
    return f"{_signed(low)} to {_signed(high)}"


def told(effect: Effect) -> tuple[str, str]:
    """An effect's value with its unit, and its interval.

    >>> told(Effect("", 0.84, 0.61, 1.1, "decades wider"))
    ('0.84 decades wider', '0.61 to 1.1')
    """
    if math.isnan(effect.value):
        return "not known", "not known"
    effect = turned(effect)
    return f"{effect.bound} {_signed(effect.value)} {effect.unit}".strip(), interval(effect)


def _signed(value: float) -> str:
    return digits(value).replace("-", "−")


def cell(value: str | float) -> str:
    """A cell of a table; a number in three digits.

    >>> cell("✓"), cell(0.123456), cell(1234.0), cell(3), cell(float("nan"))
    ('✓', '0.123', '1,230', '3', '–')
    """
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−") if abs(value) < 1000 else f"{_three(value)}"
    return _three(value)


def _three(value: float) -> str:
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        text = f"{value:.2e}"
        mantissa, _, power = text.partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}".replace("-", "−")
    shown = float(f"{value:.3g}")
    decimals = max(0, 2 - math.floor(math.log10(size)))
    return f"{shown:,.{decimals}f}".replace("-", "−")


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(0.4), duration(42.3), duration(200), duration(7500)
    ('0.4 s', '42 s', '3 min 20 s', '2 h 5 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def day(created: str) -> str:
    """When, for people.

    >>> day("2025-11-22T18:21:05+00:00")
    '22 November 2025, 18:21 UTC'
    """
    moment = datetime.fromisoformat(created)
    return f"{moment.day} {moment:%B %Y}, {moment:%H:%M} UTC"


def machine_words(report: Report) -> str:
    """The machine in a line."""
    machine = report.machine
    parts = [str(machine.get("processor", ""))]
    if machine.get("cores"):
        parts.append(count(int(machine["cores"]), "core"))
    if machine.get("memory_gib"):
        parts.append(f"{machine['memory_gib']:g} GiB")
    if machine.get("system"):
        parts.append(str(machine["system"]))
    return ", ".join(part for part in parts if part)


def version_words(report: Report) -> str:
    """The versions in a line."""
    return ", ".join(f"{name} {version}" for name, version in report.versions.items())


def shared_words(entries: Sequence[Entry], read: Callable[[Entry], str]) -> list[tuple[str, str]]:
    """A text of each entry: once where all say the same, else with the data set it is about."""
    texts: dict[str, list[str]] = {}
    for entry in entries:
        text = read(entry)
        if text:
            texts.setdefault(text, []).append(entry.data)
    if len(texts) == 1:
        return [("", text) for text in texts]
    return [(", ".join(names), text) for text, names in texts.items()]


_LINKS = re.compile(r"arXiv:(\d{4}\.\d{4,5}(?:v\d+)?)|doi:(10\.\d+/[^\s,;)]*[^\s,;).])")


def links(text: str) -> Iterator[tuple[str, str]]:
    """A text in pieces: each with the address it leads to, or "".

    >>> list(links("Yang 2019, arXiv:1902.08129."))
    [('Yang 2019, ', ''), ('arXiv:1902.08129', 'https://arxiv.org/abs/1902.08129'), ('.', '')]
    """
    end = 0
    for found in _LINKS.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], ""
        home = "https://arxiv.org/abs/" if found[1] else "https://doi.org/"
        yield found[0], home + (found[1] or found[2])
        end = found.end()
    if end < len(text):
        yield text[end:], ""


def setting(value: Any) -> str:
    """A setting's value; equal widths of many layers are counted.

    >>> setting([64, 64, 64]), setting(True), setting(0.1), setting([8, 4])
    ('64 × 3', 'yes', '0.1', '8, 4')
    >>> setting([{"channels": 16, "stride": 2}])
    '16 of kernel 3, stride 2'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], dict):  # convolutions alone are described so
            return conv.listed(conv.layers(value))
        if len(value) > 1 and len(set(value)) == 1:
            return f"{value[0]} × {len(value)}"
        return ", ".join(setting(item) for item in value)
    return "none" if value is None else str(value)


def flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without levels; a network's lose the word "network" where that leaves no doubt.

    >>> flat({"network": {"norm": "batch", "momentum": 0.1}, "momentum": 0.9})
    {'norm': 'batch', 'network momentum': 0.1, 'momentum': 0.9}
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            for inner, item in value.items():
                doubtful = inner in settings or inner == "momentum"
                found[f"{name} {inner}" if doubtful else inner] = item
        else:
            found[name] = value
    return found
