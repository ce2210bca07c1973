"""Reads sentences for nonsense: numbers that are none, the wrong way round, words left over."""

from __future__ import annotations

import math
import re

WRONG = {
    "a number that is none": r"(?<![\w”)])\?|\bnan\b|\binf\b|\bNone\b",
    "an interval of nothing": r"∞ to ∞|\(95 % interval ∞|interval to",
    "a gap or a double": r"  | ,| \.(?!\d)|,,|\.\.|;;|: :|\(\)|“”",
    "a place left empty": r"[{}$*]|\b[a-z]+/[a-z]+/",
    "a claim that cannot tell": r"cannot tell:|” cannot tell",
    "more than statistics say": r"\bsurely\b|\bfor sure\b|\bproves?\b|\bproven\b",
    "a run called a training": r"\btrainings\b|\b(?:a|one|each|every) training\b(?! \w)",
    "a wrong number of things": r"\b1 (?:seeds|runs|cases|rows|steps|points)\b(?!\.)",
}
"""Patterns that stand in no good sentence."""
NUMBER = r"(−?[\d.,]+|−?∞)"
WITH_INTERVAL = re.compile(
    rf"{NUMBER} ([^()\d]*?)(?: \(|, )(?:95 % interval )?{NUMBER} to {NUMBER}\)"
)


def number(text: str) -> float:
    """The number that is shown.

    >>> number("−1.5"), number("∞"), number("1,200")
    (-1.5, inf, 1200.0)
    """
    plain = text.replace("−", "-").replace("∞", "inf").replace(",", "")
    return float(plain)


def faults(text: str) -> list[str]:
    """What is wrong with a text.

    >>> faults("4.0 times fewer steps (95 % interval 3.5 to 4.6).")
    []
    >>> faults("? points (95 % interval ∞ to ∞).")[0]
    'a number that is none: ?'
    >>> faults("0.5 times fewer steps (95 % interval 0.4 to 0.8).")
    ['below 1 the wrong way round: 0.5 times fewer steps (95 % interval 0.4 to 0.8)']
    >>> faults("5.0 points (95 % interval 1.0 to 3.0).")
    ['outside its interval: 5.0 points (95 % interval 1.0 to 3.0)']
    """
    found = [
        f"{what}: {wrong[0]}"
        for what, pattern in WRONG.items()
        if (wrong := re.search(pattern, text.removesuffix(".")))
    ]
    for said in WITH_INTERVAL.finditer(text):
        value, low, high = (number(said[place]) for place in (1, 3, 4))
        # Shown in two or three digits, so an end may be rounded past the value.
        slack = 0.06 * max(1.0, abs(value)) if math.isfinite(value) else 0.0
        if not low - slack <= value <= high + slack:
            found.append(f"outside its interval: {said[0]}")
        if said[2].startswith("times") and value < 1:
            found.append(f"below 1 the wrong way round: {said[0]}")
    for left, right in ("()", "“”", "[]"):
        if text.count(left) != text.count(right):
            found.append(f"{left} without {right}")
    return found
