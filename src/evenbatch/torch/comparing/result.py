"""What a comparison gives back."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from evenbatch.engine import Curve
from evenbatch.protocol.carry_out import Outcome
from evenbatch.protocol.phrases import ratio
from evenbatch.protocol.verdict import Statement, Verdict
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.judging import Judge


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arms of a model, compared: a verdict for each arm against the first.

    Attributes:
        name, data: of the model and of the data.
        arms: their names.
        verdicts: by arm, all but the first; see `evenbatch.protocol.verdict.Verdict`.
        statements: by arm, what was stated before any result.
        best: by arm, its best learning rate against the first arm; that of the first is the one it
            had against the second arm.
        curves: every run, by arm, learning rate and seed, which its `trial` names; a curve's
            `metric` is negative where lower is better.
        step_seconds: by arm, seconds per step, as timed in turns; {} if it came not that far.
        complete: False if Ctrl-C ended it early.
        seconds: how long it took.

    ``print(result)`` shows the verdicts and the numbers they rest on.
    """

    name: str
    data: str
    arms: tuple[str, ...]
    verdicts: Mapping[str, Verdict]
    statements: Mapping[str, Statement]
    best: Mapping[str, float]
    curves: tuple[Curve, ...]
    step_seconds: Mapping[str, tuple[float, ...]]
    complete: bool
    seconds: float
    _phrases: Mapping[str, str] = field(default_factory=dict, repr=False)
    _writes: bool = field(default=True, repr=False)

    @property
    def verdict(self) -> Verdict:
        """The verdict, where there are two arms.

        Raises:
            CompareError: there are more; ask `verdicts` for one of them.
        """
        if len(self.verdicts) > 1:
            raise CompareError(
                f"there are {len(self.verdicts)} verdicts, one for each arm against "
                f"{self.arms[0]!r}: verdicts[{self.arms[1]!r}]"
            )
        return next(iter(self.verdicts.values()))

    def record(self) -> dict[str, Any]:
        """All of it as plain values: what `report` writes to report.json."""
        from evenbatch.report import record

        curves = {curve.trial.key: curve for curve in self.curves}
        parts = []
        for place, (arm, verdict) in enumerate(self.verdicts.items()):
            named = {self.arms[0], arm}
            own: Any = {k: c for k, c in curves.items() if _arm(c) in named}
            asked: Any = SimpleNamespace(statement=self.statements[arm], datasets={self.data: None})
            outcome = Outcome(own, [], not self.complete)
            seconds = self.seconds if place == 0 else 0.0  # they were measured together
            phrase = self._phrases.get(arm, arm)
            part = record.part(
                f"compare-{arm}", asked, outcome, verdict, phrase, seconds, self.data
            )
            part["seconds_per_step"] = {a: list(s) for a, s in self.step_seconds.items()}
            parts.append(part)
        sentence = " ".join(verdict.sentence for verdict in self.verdicts.values())
        script = Path(sys.argv[0]).name  # "" or "-c" where there is no script
        own = [script] if script == "evenbatch" else [Path(sys.executable).name, sys.argv[0]]
        command = shlex.join([*own, *sys.argv[1:]]) if sys.argv[0] else ""
        return record.record(parts, command, sentence, self.complete)

    def report(self, folder: str | os.PathLike[str]) -> Path:
        """Write report.html, report.md and report.json into a folder; returns the page's path.

        They are what ``evenbatch prove`` writes. Under torchrun only the first process writes.
        """
        from evenbatch.report import pages

        path = Path(folder).expanduser()
        if path.exists() and not path.is_dir():
            raise CompareError(f"{path} is a file; name a folder for the report")
        return pages.write(path, self.record()) if self._writes else path / "report.html"

    def __str__(self) -> str:
        lines = [f"{self.name} on {self.data}"]
        for arm, verdict in self.verdicts.items():
            lines += ["", f"{self._phrases.get(arm, arm)}: {verdict.answer}"]
            lines.append(f"  {verdict.sentence}")
            for effect in verdict.effects:
                if effect.unit.startswith("times"):
                    lines.append(f"  {effect.label}: {ratio(effect)} {effect.unit[6:]}")
            lines += [f"  {note}" for note in verdict.notes]
        if not self.complete:
            lines += ["", "Interrupted: this is what the finished runs show."]
        return "\n".join(lines)


def _order(curve: Any) -> Any:
    return curve.trial.arm, curve.trial.learning_rate, curve.trial.seed


def _arm(curve: Any) -> str:
    arm: str = curve.trial.arm
    return arm


def collected(judges: Mapping[str, Judge], outcome: Any, timed: Any, **about: Any) -> Comparison:
    """The result, from the curves there are.

    Args:
        judges: by arm.
        outcome: of `carry_out`.
        timed: per arm, seconds per step.
        about: further fields of `Comparison`.
    """
    found = {arm: judge.finding(outcome.curves, timed) for arm, judge in judges.items()}
    best: dict[str, float] = {}
    for shown in found.values():
        for arm, rate in (shown.search.best if shown is not None else {}).items():
            best.setdefault(arm, rate)
    return Comparison(
        verdicts={arm: judge.verdict(found[arm]) for arm, judge in judges.items()},
        statements={arm: judge.statement for arm, judge in judges.items()},
        best=best,
        curves=tuple(sorted(outcome.curves.values(), key=_order)),
        step_seconds={arm: tuple(s) for arm, s in timed.items()},
        complete=not outcome.interrupted,
        _phrases={arm: judge.phrase for arm, judge in judges.items()},
        **about,
    )
