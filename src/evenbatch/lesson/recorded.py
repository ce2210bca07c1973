"""Recorded runs, for machines that are too slow to train in front of a class.

    python -m evenbatch.lesson.recorded    train every chapter's experiment as it stands at first,
                                           and keep its verdict in recorded/

The page offers them when a run takes long, and labels them wherever they appear.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from evenbatch.engine import Trial
from evenbatch.engine.machine import machine
from evenbatch.lesson import chapters, wire
from evenbatch.lesson.events import Result
from evenbatch.lesson.layers import Layers
from evenbatch.lesson.training import watch_again
from evenbatch.lesson.trials import Study, TrialShown, described

FOLDER = Path(__file__).parent / "recorded"
KEPT = 60  # trials whose key and settings are kept with a recording

EXPERIMENTS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "factory": ("factory", {}),
    "race": ("race", {}),
    "rates": ("rates", {}),
    "tower": ("claim", {"claim": "depth"}),
    "tower.gradients": ("claim", {"claim": "gradients"}),
    "place": ("claim", {"claim": "placement"}),
    "place.door": ("claim", {"claim": "feature-scaling", "data": "cookies"}),
    "layer": ("claim", {"claim": "layer-norm"}),
    "layer.stories": ("claim", {"claim": "sequences", "data": "stories"}),
    "break.eps": ("claim", {"claim": "epsilon"}),
    "break.knobs": ("claim", {"claim": "gamma-beta"}),
    "break.eval": ("claim", {"claim": "train-eval"}),
    "break.noise": ("claim", {"claim": "regularization"}),
}
"""The page's experiments by the name it keeps their results under: chapter and settings."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is over, with all that the page needs to show it.

    Attributes:
        when, machine: of the training.
        settings: of its chapter.
        result: what it found.
        trials: the first `KEPT` of its trials, those that were measured before those that searched.
        count: how many there are.
        layers: pictures of the networks' insides, for a chapter that shows them.
    """

    when: str
    machine: str
    settings: dict[str, Any]
    result: Result
    trials: tuple[TrialShown, ...]
    count: int
    layers: tuple[Layers, ...]


def record(name: str) -> Recorded:
    """Train one of `EXPERIMENTS`."""
    from evenbatch.protocol.carry_out import carry_out

    chapter, settings = EXPERIMENTS[name]
    asked = chapters.normal(chapter, json.dumps(settings).encode())
    study = chapters.study(chapter, asked)
    outcome = carry_out(study)
    trials = [curve.trial for curve in outcome.curves.values()]
    shown = described(study, outcome.curves, trials)
    here = machine()
    return Recorded(
        when=date.today().isoformat(),
        machine=f"{here.get('processor') or 'a computer'}, {here.get('cores', '?')} cores",
        settings=json.loads(asked),
        result=Result(
            claim=study.experiment.claim,
            statement=study.statement,
            verdict=outcome.verdict(study),
        ),
        trials=tuple(sorted(shown, key=lambda trial: trial.phase != "measuring")[:KEPT]),
        count=len(trials),
        layers=layers_of(chapter, study, trials),
    )


def layers_of(chapter: str, study: Study, trials: Sequence[Trial]) -> tuple[Layers, ...]:
    """The pictures of the inside of the networks, for a chapter that shows them."""
    look = chapters.watched(chapter, study)
    if look is None:
        return ()
    shown: list[Layers] = []
    watch_again(look, trials, study.datasets, shown.append)
    return tuple(shown)


def main() -> None:
    """Record all, or those named on the command line."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or EXPERIMENTS:
        text = wire.text(record(name))
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {len(text)} bytes\n")


if __name__ == "__main__":
    main()
