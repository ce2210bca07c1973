"""From a row of a table to its trials: trials grouped by their settings, each group numbered.

Trials that differ only in their seed are one group, so that their settings are written once. A
table's row names its groups; a group lists seed and key of each of its trials.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from evenbatch.report.results import Entry
from evenbatch.report.words import flat

_ENDS = ("ended", "ended_at")


@dataclass
class Group:
    """Trials with the same settings but for the seed.

    Attributes:
        number: from 1, in the order in which the tables first name them.
        settings: in which they differ from other groups of the entry.
        trials: (seed, key, how it ended unless it finished).
    """

    number: int
    settings: dict[str, Any]
    trials: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Appendix:
    """All trials of an entry.

    Attributes:
        groups: in order.
        by_key: the group of each trial.
    """

    groups: list[Group]
    by_key: dict[str, Group]

    def of(self, keys: Sequence[str]) -> list[tuple[int, int]]:
        """The groups of these trials, as stretches of numbers (first, last)."""
        numbers = sorted({self.by_key[key].number for key in keys if key in self.by_key})
        found: list[tuple[int, int]] = []
        for number in numbers:
            if found and found[-1][1] == number - 1:
                found[-1] = found[-1][0], number
            else:
                found.append((number, number))
        return found


def appendix(entry: Entry) -> Appendix:
    """The trials of an entry in groups: those that tables name first, and in their order."""
    trials = entry.trials or {}
    tables = entry.verdict.tables if entry.verdict else ()
    named = [key for table in tables for row in table.keys for key in row if key in trials]
    groups: dict[str, Group] = {}
    by_key: dict[str, Group] = {}
    for key in dict.fromkeys([*named, *trials]):
        own = {k: v for k, v in trials[key].items() if k != "seed" and k not in _ENDS}
        name = json.dumps(own, sort_keys=True)
        group = groups.setdefault(name, Group(len(groups) + 1, flat(own)))
        seed = trials[key].get("seed", (entry.shared or {}).get("seed", 0))
        group.trials.append((seed, key, _ending(entry, key)))
        by_key[key] = group
    return Appendix(list(groups.values()), by_key)


def _ending(entry: Entry, key: str) -> str:
    trial = {**(entry.shared or {}), **(entry.trials or {})[key]}
    if trial.get("ended", "finished") == "finished":
        return ""
    return f"{trial['ended']} at step {trial.get('ended_at', '?')}"
