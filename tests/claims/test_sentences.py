"""Every sentence of every claim, over what might come out, is read for nonsense."""

from __future__ import annotations

import re

import pytest

from evenbatch.claims import CLAIMS
from evenbatch.protocol.phrases import compared, gain, times
from evenbatch.protocol.study import sentence
from evenbatch.protocol.verdict import ANSWERS, CANNOT_TELL, Effect, Verdict
from evenbatch.report.words import told
from support.printed import drawn_effects
from support.prose import faults
from support.studies import concluded, own_data, study_of
from support.worlds import World, start_of

WORLDS = range(4)


def check(*texts: str) -> None:
    """Nothing is wrong with these."""
    wrong = {text: found for text in texts if (found := faults(text))}
    assert not wrong, wrong


def texts_of(verdict: Verdict) -> list[str]:
    """All that a verdict says."""
    shown = [
        text for f in verdict.figures for text in (f.title, f.alt, *(s.name for s in f.series))
    ]
    tables = [text for t in verdict.tables for text in (t.title, *t.columns, *sum(t.rows, ()))]
    labels = [f"{e.label}, {e.unit}" for e in verdict.effects]
    said = [verdict.sentence, verdict.reason, verdict.measured_on, verdict.change, *verdict.notes]
    return [text for text in (*said, *shown, *tables, *labels) if isinstance(text, str)]


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_claim_says_of_any_curves_is_no_nonsense(claim: str) -> None:
    data = own_data(claim)
    study = study_of(claim, data, rates=() if claim == "speed" else (0.01, 0.1, 1.0))
    for number in WORLDS:
        verdict = concluded(study, World(number, start_of(data)))
        check(*texts_of(verdict))
        for text in (verdict.sentence, *verdict.notes):
            assert text.endswith("."), text
        for effect in verdict.effects:
            check(" ".join(told(effect)).replace("not known", ""))


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_reason_makes_a_sentence(claim: str) -> None:
    study = study_of(claim)
    experiment = study.experiment
    decisions = {experiment.rule.apply(effects) for effects in drawn_effects(experiment, 1500)}
    assert {decided.answer for decided in decisions} == set(ANSWERS)
    for decided in decisions:
        text = sentence("tea", "both arms did as they did", experiment.phrase, decided)
        check(text)
        assert f"“{experiment.phrase}”" in text
        assert decided.reason in text
        assert ("undecided" in text) == (decided.answer == CANNOT_TELL), text
        if decided.answer != CANNOT_TELL:
            assert f"” {decided.answer}" in text


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_claim_states_beforehand_is_no_nonsense(claim: str) -> None:
    study = study_of(claim)
    stated = study.statement
    check(stated.claim, stated.question, stated.grid, stated.fairness, stated.measure, stated.rule)
    check(study.experiment.change, CLAIMS[claim].phrase, *(name for _, name in stated.arms))
    for text in (stated.claim, stated.measure, stated.rule, stated.source, study.experiment.change):
        assert re.search(r"[.”)]$", text), text
    assert "?" in stated.question


@pytest.mark.parametrize("value", [0.02, 0.3, 0.97, 1.0, 1.2, 30.0])
@pytest.mark.parametrize("width", [1.01, 2.0, 50.0])
@pytest.mark.parametrize("bound", ["", "at least", "at most"])
@pytest.mark.parametrize("unit", ["times fewer steps", "times less time"])
def test_a_ratio_says_which_way_it_goes(value: float, width: float, bound: str, unit: str) -> None:
    text = times(Effect("", value, value / width, value * width, unit, bound))
    check(f"{text}.")
    more = unit.replace("fewer", "more").replace("less", "more")
    assert (unit in text, more in text) == ((True, False) if value >= 1 else (False, True))
    assert ("at most" in text) == (bound == ("at most" if value >= 1 else "at least"))


@pytest.mark.parametrize(("low", "high"), [(-3, -1), (-1, 3), (1, 3), (0, 2), (-2, 0)])
def test_a_difference_says_which_way_it_goes(low: float, high: float) -> None:
    effect = Effect("", (low + high) / 2, low, high, "percentage points")
    text = compared(effect, "ahead of", "behind", "level with", "the rest")
    check(f"{text}.", f"{gain(effect)}.")
    word = "ahead of" if low > 0 else "behind" if high < 0 else "level with"
    assert f"{word} the rest" in text
    assert ("−" in text) == (low < 0 and high >= 0)
