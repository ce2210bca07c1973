"""Reports of claims nobody measured: every kind of figure, table, verdict and odd name."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

import numpy as np

from evenbatch.protocol.exhibits import (
    DOTS,
    LINES,
    STRIPS,
    Axis,
    Figure,
    Mark,
    Series,
    Table,
    band,
    numbers,
)
from evenbatch.protocol.verdict import ANSWERS, Effect, Statement, Verdict
from evenbatch.report import record
from evenbatch.report.results import Report, factored, read

NAMES = ("no normalization", "batch norm", "layer norm")
IDS = dict(zip(NAMES, ("none", "batch", "layer"), strict=True))
NASTY = "<script>alert(1)</script>"


def lines(names: tuple[str, ...] = NAMES[:2], points: int = 40) -> Figure:
    x = np.linspace(0, 1000, points)
    rng = np.random.default_rng(0)
    series = []
    for k, name in enumerate(names):
        middle = 0.1 + 0.85 * (1 - np.exp(-x / (400 / (1 + 3 * k))))
        series.append(
            band(name, x, middle + 0.02 * rng.normal(size=(9, points)), IDS.get(name, ""))
        )
    return Figure(
        LINES, "Accuracy over steps", "Both rise; batch norm sooner.", Axis("training steps"),
        Axis("accuracy", percent=True), tuple(series), (Mark("goal", 0.88), Mark("80", 80, "x")),
    )  # fmt: skip


def strips(names: tuple[str, ...] = NAMES[:2], rates: int = 13) -> Figure:
    x = 10.0 ** np.linspace(-4, 2, rates)
    series = []
    for k, name in enumerate(names):
        y = 0.1 + 0.86 * np.exp(-((np.log10(x) + 1 - 0.4 * k) ** 2) / (1 + k))
        y[-1] = np.nan
        series.append(Series(name, numbers(x), numbers(y), id=IDS.get(name, "")))
    return Figure(
        STRIPS, "Which learning rates work", "Batch norm works over more of them.",
        Axis("learning rate", log=True), Axis("accuracy", percent=True), tuple(series),
        (Mark("goal", 0.85),),
    )  # fmt: skip


def dots(names: tuple[str, ...] = NAMES, words: tuple[str, ...] = ()) -> Figure:
    x = np.arange(float(len(words))) if words else np.array([2.0, 4, 8, 16, 32, 64, 128, 256])
    series = []
    for k, name in enumerate(names):
        y = 0.5 + 0.1 * k + 0.3 * np.tanh(np.arange(len(x)) - 1.5)
        half = 0.05 + 0.02 * np.arange(len(x))
        around = numbers(y - half), numbers(y + half)
        series.append(Series(name, numbers(x), numbers(y), *around, id=IDS.get(name, "")))
    return Figure(
        DOTS, "Accuracy by batch size", "It rises with the batch size.",
        Axis("batch size", log=not words, names=words), Axis("accuracy"), tuple(series),
        (Mark("chance", 0.1),),
    )  # fmt: skip


def trials(count: int, word: str = "") -> dict[str, dict[str, Any]]:
    """So many trials, ten seeds of each setting, as the record describes them."""
    found = {}
    for k in range(count):
        network = {"inputs": 64, "hidden": [64, 64, 64], "norm": ("none", "batch")[k // 10 % 2]}
        network |= {"outputs": 10, "activation": "relu", "momentum": 0.1}
        settings = {"network": network, "data": "digits", "learning_rate": 10.0 ** (k // 20 / 10)}
        settings |= {"seed": k % 10, "batch_size": 32, "steps": 1000, "momentum": 0.9}
        ended = "diverged" if k % 17 == 0 else "finished"
        key = hashlib.sha256(f"{word}{k}".encode()).hexdigest()[:24]
        found[key] = {**settings, "ended": ended, "ended_at": 12 if ended == "diverged" else 1000}
    return found


def statement(word: str) -> Statement:
    return Statement(
        claim=f"With normalization {word} is better.",
        question=f"How much better is {word}, with and without batch norm?",
        arms=(("none", "without normalization"), ("batch", "with batch norm")),
        grid="learning rates from 0.0001 to 100, 0.25 decades apart, for each arm",
        fairness="Same initial weights, minibatches and order in both arms, seed by seed.",
        measure="The difference, paired by seed, mean with 95 % interval.",
        rule="Holds: the interval lies at or above 3. Does not hold: below. Cannot tell: else.",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.3; doi:10.1002/sim.3095.",
    )


def verdict(answer: str, keys: list[str], figures: tuple[Figure, ...]) -> Verdict:
    rows = tuple(
        (f"{10.0 ** (k / 2 - 3):.3g}", 0.1234 * k, f"{k} of 10") for k in range(len(keys) // 20)
    )
    row_keys = tuple(tuple(keys[20 * k : 20 * k + 20]) for k in range(len(rows)))
    return Verdict(
        answer=answer,
        reason="so the rule says",
        sentence=f"digits: something happened, and the claim {answer}: so the rule says.",
        effects=(
            Effect("best against best", 4.2, 3.6, 4.9, "times fewer steps"),
            Effect("at equal settings", 1.1, 0.8, 1.5, "times less time", "at least"),
        ),
        measured_on="digits (1438 training rows), 3 layers of 64, 10 seeds",
        notes=("One of the runs ended early.",),
        figures=figures,
        tables=(Table("Each learning rate", ("learning rate", "gain", "reached"), rows, row_keys),),
        change="A longer budget.",
    )


def part(claim: str, data: str, answer: str, figures: tuple[Figure, ...], count: int = 60) -> Any:
    """One claim on one data set, as `record.part` gives it."""
    made = trials(count, claim + data)
    shared, own = factored(made)
    return record.finite(
        {
            "claim": claim,
            "phrase": f"{claim} matters",
            "on": data,
            "complete": True,
            "seconds": 12.3,
            "verdict": asdict(verdict(answer, list(made), figures)),
            "statement": asdict(statement(claim)),
            "shared": shared,
            "trials": own,
        }
    )


def content(parts: list[Any], complete: bool = True) -> dict[str, Any]:
    return record.record(parts, "evenbatch prove", "It held.", complete)


def report(parts: list[Any], complete: bool = True) -> Report:
    """The report of these parts, read back from its JSON."""
    import json

    return read(json.loads(record.dumps(content(parts, complete))))


def many(claims: int = 16, trials_each: int = 60) -> Report:
    """Many claims, each on two data sets, with every answer and every kind of figure."""
    parts = []
    for k in range(claims):
        for j, data in enumerate(("digits", "cookies")):
            answer = ANSWERS[(k + j) % len(ANSWERS)]
            figure = (lines(), strips(), dots(), dots(words=("before", "after", "input")))[k % 4]
            parts.append(part(f"claim-{k}", data, answer, (figure,), trials_each))
    return report(parts)
