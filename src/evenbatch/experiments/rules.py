"""Pieces that the claims' rules share: from effects with their intervals to answers."""

from __future__ import annotations

from collections.abc import Sequence

from evenbatch.experiments.protocol import CANNOT_TELL, FAILS, HOLDS, IN_PART, MIN_SEEDS, Effect
from evenbatch.experiments.wording import count

POINT = 1.0
"""A difference of metrics that matters: one percentage point of accuracy, or 0.01 of R²."""


def too_few(seeds: int) -> tuple[str, str] | None:
    """The answer to fewer seeds than are needed; None if there are enough.

    >>> too_few(3)
    ('cannot tell', '3 seeds measured and at least 5 are needed')
    """
    if seeds >= MIN_SEEDS:
        return None
    return CANNOT_TELL, f"{count(seeds, 'seed')} measured and at least {MIN_SEEDS} are needed"


def gained(effect: Effect, least: float = POINT) -> str:
    """Whether a gain is there, and as large as `least`.

    * the interval lies at or above `least`: holds
    * it lies below `least`: does not hold, for a gain that is sure but too small to matter too
    * it lies above 0: holds in part
    * else: cannot tell

    >>> [gained(Effect("", 0, low, high, "")) for low, high in ((1, 3), (0.5, 3), (0.1, 0.5))]
    ['holds', 'holds in part', 'does not hold']
    >>> gained(Effect("", 0, -2, 2, ""))
    'cannot tell'
    """
    if effect.low >= least:
        return HOLDS
    if effect.high < least:
        return FAILS
    return IN_PART if effect.low > 0 else CANNOT_TELL


def joined(answers: Sequence[str]) -> str:
    """One answer from those to the parts of a claim.

    All the same: that one. Some hold, at least in part: holds in part. None does, and one does not
    hold: does not hold. Else it cannot be told.

    >>> joined([HOLDS, HOLDS]), joined([HOLDS, FAILS]), joined([FAILS, CANNOT_TELL])
    ('holds', 'holds in part', 'does not hold')
    """
    kinds = set(answers)
    if len(kinds) == 1:
        return answers[0]
    if kinds & {HOLDS, IN_PART}:
        return IN_PART
    return FAILS if FAILS in kinds else CANNOT_TELL
