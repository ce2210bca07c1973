"""How fast somebody may send; more is read later, not dropped."""

from __future__ import annotations

import time


class Allowance:
    """A bucket that fills again.

    Args:
        burst: messages that may come at once.
        per_second: for long.
    """

    def __init__(self, burst: float, per_second: float) -> None:
        self.burst, self.per_second = burst, per_second
        self.left, self.at = burst, time.monotonic()

    def wait(self) -> float:
        """Seconds until the next message may be acted on.

        >>> allowance = Allowance(1, 2.0)
        >>> allowance.wait(), round(allowance.wait(), 1)
        (0.0, 0.5)
        """
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.per_second) - 1
        self.at = now
        return max(0.0, -self.left / self.per_second)
