"""What an experiment of the lesson is judged by in a class: the claim's own rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from evenbatch.lesson import chapters
from evenbatch.lesson.recorded import EXPERIMENTS, FOLDER
from evenbatch.protocol.verdict import Effect


@dataclass(frozen=True)
class Judge:
    """What an experiment is judged by.

    Attributes:
        rule: the claim's.
        units: of its effects, by their ids.
        needed: the ids that the rule asks for.
        settings: those that its chapter begins with.
    """

    rule: Any
    units: Mapping[str, str]
    needed: frozenset[str]
    settings: str

    def answer(self, effects: Mapping[str, Effect]) -> str:
        """The rule's answer; "" if what it asks for is not there."""
        try:
            return str(self.rule.apply(effects).answer)
        except (KeyError, ValueError):
            return ""


@cache
def judge_of(experiment: str) -> Judge:
    """That of an experiment as its chapter asks for it at first."""
    chapter, settings = EXPERIMENTS[experiment]
    asked = chapters.normal(chapter, json.dumps(settings).encode())
    study = chapters.study(chapter, asked)
    recorded = json.loads((FOLDER / f"{experiment}.json").read_text("utf-8"))
    units = {e["id"]: e["unit"] for e in recorded["result"]["verdict"]["effects"]}
    rule = study.experiment.rule
    return Judge(rule, units, _needed(rule, units), named(json.loads(asked)))


def _needed(rule: Any, units: Mapping[str, str]) -> frozenset[str]:
    if hasattr(rule, "parts"):
        return frozenset(part.effect for part in rule.parts)
    there = {id: Effect("", 0, 0, 0, unit, id=id) for id, unit in units.items()}
    asked = [i for clause in rule.clauses for i in clause.when.intervals()]
    return frozenset(effect.id for interval in asked for effect in interval.among(there))


def named(settings: Mapping[str, Any]) -> str:
    """Settings but for their seeds, as the text by which they are told apart.

    >>> named({"seed": 3, "seeds": 5, "init": "he", "data": "digits"})
    '{"data":"digits","init":"he"}'
    """
    rest = {k: v for k, v in settings.items() if k not in ("seed", "seeds")}
    return json.dumps(rest, separators=(",", ":"), sort_keys=True)
