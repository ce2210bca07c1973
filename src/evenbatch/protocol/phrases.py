"""Effects and answers in words, the same in the terminal, in pictures and in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from evenbatch.protocol.verdict import CANNOT_TELL, FAILS, HOLDS, IN_PART, Bound, Effect, Verdict
from evenbatch.protocol.wording import digits, signed

_OPPOSITE = {
    "fewer": "more",
    "less": "more",
    "smaller": "larger",
    "deeper": "shallower",
    "wider": "narrower",
}
_TURNED: dict[Bound, Bound] = {"at least": "at most", "at most": "at least", "": ""}


def turned(effect: Effect) -> Effect:
    """The effect; a ratio below 1 the other way round, so that no one has to divide.

    >>> turned(Effect("", 0.5, 0.4, 0.8, "times less time")).unit
    'times more time'
    """
    words = effect.unit.split()
    if words[:1] != ["times"] or words[1:2] == [] or words[1] not in _OPPOSITE or effect.value >= 1:
        return effect
    ends = ((1 / end if end else math.inf) for end in (effect.high, effect.low))
    low, high = ends
    unit = " ".join(("times", _OPPOSITE[words[1]], *words[2:]))
    bound = _TURNED[effect.bound]
    return replace(effect, value=1 / effect.value, low=low, high=high, unit=unit, bound=bound)


def times(effect: Effect, brief: bool = False) -> str:
    """An effect in words; a ratio below 1 is turned round, so that no one has to divide.

    >>> times(Effect("", 4.0, 3.5, 4.6, "times fewer steps"))
    '4.0 times fewer steps (95 % interval 3.5 to 4.6)'
    >>> times(Effect("", 0.5, 0.4, 0.8, "times less time"))
    '2.0 times more time (95 % interval 1.2 to 2.5)'
    """
    effect = turned(effect)
    low, high = digits(effect.low), digits(effect.high)
    interval = "" if brief else "95 % interval "
    text = f"{digits(effect.value)} {effect.unit} ({interval}"
    if effect.bound == "at least":
        return f"at least {text}from {low})"
    if effect.bound == "at most":
        return f"at most {text}up to {high})"
    return f"{text}{low} to {high})"


def ratio(effect: Effect) -> str:
    """A ratio for a table.

    >>> ratio(Effect("", 4.0, 3.5, 4.6, "")), ratio(Effect("", 37.3, 33.7, 412, "", "at least"))
    ('4.0× [3.5–4.6]', '≥ 37.3× [33.7–∞]')
    """
    if math.isnan(effect.value):
        return "–"
    low, high, value = digits(effect.low), digits(effect.high), digits(effect.value)
    if effect.bound == "at least":
        return f"≥ {value}× [{low}–∞]"
    if effect.bound == "at most":
        return f"≤ {value}× [0–{high}]"
    return f"{value}× [{low}–{high}]"


def gain(effect: Effect) -> str:
    """A difference in words.

    >>> gain(Effect("", -2.13, -3.02, 0.11, "points of accuracy"))
    '−2.1 points of accuracy (95 % interval −3.0 to 0.11)'
    >>> gain(Effect("", -2.13, -math.inf, math.inf, "points of accuracy"))  # of one seed
    '−2.1 points of accuracy (95 % interval not known)'
    """
    if math.isnan(effect.value):
        return "not known"
    value, low, high = (signed(v) for v in (effect.value, effect.low, effect.high))
    between = "not known" if effect.high - effect.low == math.inf else f"{low} to {high}"
    return f"{value} {effect.unit} (95 % interval {between})"


def compared(effect: Effect, more: str, less: str, same: str, than: str = "") -> str:
    """A difference in words that say which way it goes, if its interval does.

    >>> compared(Effect("", -2, -3, -1, "points"), "ahead of", "behind", "level with", "dropout")
    '2.0 points (95 % interval 1.0 to 3.0) behind dropout'
    >>> compared(Effect("", 0.5, -1, 2, "points"), "ahead of", "behind", "level with", "dropout")
    'level with dropout (0.5 points, 95 % interval −1.0 to 2.0)'
    >>> compared(Effect("", math.nan, -math.inf, math.inf, "points"), "above", "below", "level")
    'not comparable'
    """
    if math.isnan(effect.value):
        return "not comparable"
    than = f" {than}" if than else ""
    if effect.low > 0:
        return f"{gain(effect)} {more}{than}"
    if effect.high < 0:
        turned = replace(effect, value=-effect.value, low=-effect.high, high=-effect.low)
        return f"{gain(turned)} {less}{than}"
    return f"{same}{than} ({gain(effect).replace(' (', ', ', 1)}"


def ahead(effect: Effect, than: str = "") -> str:
    """A gain in words: ahead or behind, of whom if that is to be said.

    >>> ahead(Effect("", 2, 1, 3, "points")), ahead(Effect("", 2, 1, 3, "points"), "dropout")[-16:]
    ('2.0 points (95 % interval 1.0 to 3.0) ahead', 'ahead of dropout')
    """
    if not than:
        return compared(effect, "ahead", "behind", "level")
    return compared(effect, "ahead of", "behind", "level with", than)


_VERBS = {
    HOLDS: "held",
    IN_PART: "held in part",
    FAILS: "did not hold",
    CANNOT_TELL: "was undecided",
}


def by_name(name: str, _verdict: Verdict) -> str:
    """A data set by its name alone."""
    return name


def listed_answers(
    verdicts: Mapping[str, Verdict], named: Callable[[str, Verdict], str] = by_name
) -> str:
    """What came out on which data set.

    >>> verdicts = {"digits": Verdict(HOLDS, "", "", (), ""), "tea": Verdict(FAILS, "", "", (), "")}
    >>> listed_answers(verdicts)
    'held here on digits; did not hold on tea'
    """
    said: list[str] = []
    for answer, verb in _VERBS.items():
        names = [named(name, v) for name, v in verdicts.items() if v.answer == answer]
        if names:
            here = " here" if not said else ""
            listed = " and on ".join([", on ".join(names[:-1])] * (len(names) > 1) + names[-1:])
            said.append(f"{verb}{here} on {listed}")
    return "; ".join(said)
