"""Recorded runs, for machines that are too slow to train in front of a class.

    python -m evenbatch.lesson.recorded    train every chapter's experiment as it stands at first,
                                           and keep its verdict in recorded/

The page offers them when a run takes long, and labels them wherever they appear.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from evenbatch.engine import Trial
from evenbatch.engine.machine import machine
from evenbatch.lesson import chapters
from evenbatch.lesson.training import watch_again
from evenbatch.lesson.wire import finite
from evenbatch.protocol.verdict import Study

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


def record(name: str) -> dict[str, Any]:
    """Train one of `EXPERIMENTS`; what the page needs to show it."""
    from evenbatch.protocol.carry_out import carry_out

    chapter, settings = EXPERIMENTS[name]
    asked = chapters.normal(chapter, json.dumps(settings).encode())
    study = chapters.study(chapter, asked)
    outcome = carry_out(study)
    trials = [curve.trial for curve in outcome.curves.values()]
    verdict = asdict(outcome.verdict(study)) | {"statement": asdict(study.statement)}
    here = machine()
    return {
        "when": date.today().isoformat(),
        "machine": f"{here.get('processor') or 'a computer'}, {here.get('cores', '?')} cores",
        "settings": json.loads(asked),
        "verdict": finite(verdict),
        "trials": [chapters.describe(trial) for trial in trials][:KEPT],
        "count": len(trials),
        "layers": finite(layers_of(chapter, study, trials)),
    }


def layers_of(chapter: str, study: Study, trials: Sequence[Trial]) -> list[Any]:
    """The pictures of the inside of the networks, for a chapter that shows them."""
    look = chapters.watched(chapter, study)
    if look is None:
        return []
    shown: list[Any] = []
    watch_again(look, trials, study.datasets, shown.append)
    return shown


def main() -> None:
    """Record all, or those named on the command line."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or EXPERIMENTS:
        text = json.dumps(record(name), ensure_ascii=False, allow_nan=False)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(f"{name}: {len(text)} bytes\n")


if __name__ == "__main__":
    main()
