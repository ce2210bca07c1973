"""Which verdicts differ from those of an earlier report, on the same curves; run by hand.

    PYTHONPATH=src:tests python tests/claims/agree_with.py STORE REPORT.json [CLAIM …]

STORE keeps the curves of the report (a copy of it: runs it lacks are trained and added). For every
claim and data set the answer is compared, and every effect by its value and interval to 9 digits.
What differs is listed; the exit code is 1 if something differs that `EXPLAINED` does not name.

Differences from commit 4b700fe, where claims were not described as data yet, and why:

sequences      the average over a run is the trapezoid's, as in all other claims (it was the mean of
               the evaluations): effects move by at most 0.5 points, no answer does
speed, covariate-shift
               a goal that is lost again is not reached, and one meaning of steps to a goal holds
               everywhere: steps of a few runs move
speed          has an effect "at the end" for every comparison
learning-rate  goals are chosen by the same rule as everywhere
yang-2019      shows factors relative to theory beside the factors themselves
all            reasons, sentences, labels and units are reworded, so none of them is compared
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evenbatch.claims import CLAIMS, EFFORTS
from evenbatch.data import load
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.verdict import Effect, Verdict
from evenbatch.runners import Local
from evenbatch.store import Store

EXPLAINED = {"sequences", "speed", "covariate-shift", "learning-rate"}
"""Claims of which the list above says why effects differ; an answer that differs never is."""
DIGITS = 1e-9


def ends(found: Mapping[str, Any] | Effect) -> tuple[float, float, float]:
    """Value and interval; what JSON has as null is a number again."""
    if isinstance(found, Effect):
        return found.value, found.low, found.high
    missing = {"value": math.nan, "low": -math.inf, "high": math.inf}
    value, low, high = (missing[name] if found[name] is None else found[name] for name in missing)
    return value, low, high


def same(old: Mapping[str, Any], new: Effect) -> bool:
    """Whether all three agree; the low end of a ratio nobody knows is 0, not minus infinity."""
    pairs = zip(ends(old), ends(new), strict=True)
    return all(
        (math.isnan(a) and math.isnan(b))
        or a == b
        or (a == -math.inf and b == 0)
        or math.isclose(a, b, rel_tol=DIGITS, abs_tol=DIGITS)
        for a, b in pairs
    )


def differences(old: Mapping[str, Any], new: Verdict) -> Iterator[str]:
    """Of the verdict on one data set."""
    if old["answer"] != new.answer:
        yield f"ANSWER was {old['answer']} ({old['reason']}), is {new.answer} ({new.reason})"
    left = list(new.effects)
    for effect in old["effects"]:
        found = next((one for one in left if same(effect, one)), None)
        if found is not None:
            left.remove(found)
            continue
        value, low, high = ends(effect)
        yield f"effect {effect['label']}: was {value:.9g} [{low:.9g}, {high:.9g}] {effect['unit']}"
    for one in left:
        yield f"effect {one.id}: is {one.value:.9g} [{one.low:.9g}, {one.high:.9g}] {one.unit}"


def compared(store: Store, entry: Mapping[str, Any]) -> list[str]:
    """The differences of a claim on a data set."""
    if "skipped" in entry:
        return []
    claim, effort = CLAIMS[entry["claim"]], EFFORTS["default"]
    data = claim.alone(effort) if claim.alone else load(entry["on"])
    study = claim.on(data, effort)
    runner = Counting()
    outcome = carry_out(study, store=store, runner=runner)
    found = list(differences(entry["verdict"], outcome.verdict(study)))
    return [*found, f"trained anew: {runner.trained}"] if runner.trained else found


class Counting(Local):
    """Trains on this machine, and counts."""

    trained = 0

    def run(self, trials: Any, *others: Any) -> None:
        self.trained += len(trials)
        super().run(trials, *others)


def main(arguments: list[str]) -> int:
    """List the differences; 1 if one is not explained."""
    if len(arguments) < 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    path, report, *only = arguments
    entries = json.loads(Path(report).read_text("utf-8"))["experiments"]
    wrong = 0
    with Store(path) as store:
        for entry in entries:
            if only and entry["claim"] not in only:
                continue
            found = compared(store, entry)
            about = f"{entry['claim']}, {entry['on']}"
            changed = [line for line in found if not line.startswith("trained")]
            explained = entry["claim"] in EXPLAINED or not any("was" in line for line in changed)
            bad = any(line.startswith("ANSWER") for line in changed) or not explained
            wrong += bad
            print(f"{'!' if bad else ' '} {about}: {len(changed) or 'no'} differences", flush=True)
            for line in found:
                print(f"      {line}", flush=True)
    print(f"{wrong} of {len(entries)} differ without an explanation")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
