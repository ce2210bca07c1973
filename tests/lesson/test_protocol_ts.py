"""The page carries out the lesson's experiments as Python does, on the same curves.

For every experiment: the description, the trials of each round and their places, and the verdict;
on invented curves of several kinds, some of them without their last seeds.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from evenbatch.data import Dataset, load
from evenbatch.engine import Curve, Trial, train
from evenbatch.engine.curve import PROBE_FIELDS, Probes
from evenbatch.lesson import chapters, wire
from evenbatch.lesson.recorded import EXPERIMENTS
from evenbatch.lesson.trials import described
from evenbatch.protocol import goals
from evenbatch.protocol.intervals import mean_interval, median_interval
from evenbatch.protocol.study import ClaimStudy, standard_notes, verdict_on
from evenbatch.protocol.wording import digits, signed

pytestmark = pytest.mark.xdist_group("protocol_ts")  # all cases are carried out once, 15 s
WEB = Path(__file__).resolve().parents[2] / "web"
LEARNED = ("train_metric", "train_eval_loss")
Settings = dict[str, Any]

ARMS = [
    {"norm": "layer", "placement": "after", "depth": 2, "width": 16, "optimizer": "adamw",
     "weight_decay": 0.01, "learning_rate": 0.003},
    {"norm": "none", "init": "he", "residual": 1, "dropout": 0.25, "eps": 0.001},
    {"norm": "batch", "momentum": 0.3, "batch_size": 7, "activation": "gelu"},
]  # fmt: skip
SUGAR = {"amounts": {"sugar_cups": 2.5, "butter_g": 0.3}, "rate": 0.03}
MORE: list[tuple[str, Settings, str]] = [
    ("race", {"data": "cookies", "norm": "rms", "depth": 1, "init": "he", "seed": 20}, "usual"),
    ("race", {"norm": "group", "optimizer": "adam", "depth": 12, "seeds": 7}, "rough"),
    ("race", {"norm": "layer", "init": "xavier", "optimizer": "momentum", "seeds": 2}, "usual"),
    ("rates", {}, "gone"),
    ("rates", {"data": "cookies", "seeds": 10, "seed": 3}, "usual"),
    ("tower", {"data": "cookies", "seeds": 3}, "rough"),
    ("place", {"data": "cookies"}, "usual"),
    ("place.door", {"data": "digits", "seeds": 6}, "usual"),
    ("break.eps", {"data": "cookies", "seeds": 1}, "usual"),
    *((name, {"data": "cookies"}, "usual") for name in ("break.noise", "layer", "break.eval")),
    ("factory", SUGAR, "usual"),
    ("bench", {}, "usual"),
    ("bench", {"arms": ARMS, "steps": 130, "data": "cookies", "seeds": 8}, "rough"),
    ("bench", {"arms": ARMS[:1], "seeds": 2, "seed": 5, "steps": 10}, "usual"),
    ("bench", {"arms": ARMS * 2}, "usual"),
    *((name, {}, "chance") for name in ("factory", "race", "rates", "tower.gradients")),
    *((name, {"seeds": 5}, "real") for name in ("factory", "rates", "layer.stories", "bench")),
]
CASES = [(name, {}, kind) for name in EXPERIMENTS for kind in ("usual", "rough")] + MORE
NAMED = [f"{i} {name} {kind}" for i, (name, _, kind) in enumerate(CASES)]


def asked(name: str, settings: Settings) -> tuple[str, Settings]:
    chapter, first = EXPERIMENTS.get(name, (name, {}))
    return chapter, first | settings


# ---- invented curves -----------------------------------------------------------------------------


def invented(trial: Trial, data: Dataset, kind: str) -> Curve:
    """A curve of its own for each trial: "usual" ones learn, better in the middle of the learning
    rates, and are level with others again and again; "rough" ones do anything; the others nothing.
    """
    rng = np.random.default_rng(int(trial.key[:12], 16))
    step = np.array(trial.evaluation_steps())
    floor, rows = goals.chance(data), data.n_test
    if kind == "usual":
        about = repr((trial.network, trial.batch_size, trial.data, trial.statistics))
        arm = np.random.default_rng([*about.encode()])
        away = abs(math.log10(trial.learning_rate or 1) - arm.uniform(-1.5, -0.5))
        top = 0.97 - 0.2 * away - arm.choice([0.0, 0.02, 0.2]) + 0.004 * rng.normal()
        at = trial.steps * (0.05 + 0.1 * arm.integers(5) + 0.05 * rng.integers(2))
        gone = away > 2.5 and rng.random() < 0.3
    else:
        top, at = rng.uniform(floor - 0.1, 1), trial.steps * rng.uniform(0.01, 1.2)
        gone = kind == "gone" or (kind == "rough" and rng.random() < 0.15)
        top = floor if kind == "chance" or rng.random() < 0.1 else top
    metric = floor + (top - floor) * np.minimum(step / at, 1) + 0.01 * rng.normal(size=len(step))
    metric = np.round(np.clip(metric, 0, 1) * rows) / rows
    loss = goals.guess_loss(data) * (0.02 + np.exp(-4 * step / (at * rng.uniform(0.5, 3))))
    ended = rng.integers(1, len(step) + 1) if gone else len(step)
    if gone and rng.random() < 0.5:
        metric[ended - 1] = np.nan
    parts = [part[:ended] for part in (step, metric, loss, metric + 0.05 * rng.random(len(step)))]
    step, metric, loss, learned = parts
    none = np.zeros(ended)
    how = ("diverged", int(step[-1]) + 1) if gone else ("finished", trial.steps)
    probes = probed(trial, rng, kind, how[1]) if trial.probe_every else None
    return Curve(
        trial, step, none, none, none, metric, loss, learned, *how, probes=probes
    ).rounded()  # fmt: skip


def probed(trial: Trial, rng: np.random.Generator, kind: str, ended: int) -> Probes:
    step = np.array([at for at in trial.probe_steps() if at < ended])
    shape = (len(step), trial.network.depth + 1)
    wide = 1.0 if kind == "usual" else 6.0
    made = {name: np.exp(wide * rng.normal(size=shape)).astype(np.float32) for name in PROBE_FIELDS}
    if kind == "rough":
        made["gradient_norm"][rng.random(shape) < 0.02] = rng.choice([0.0, np.inf, np.nan])
        made["input_std"][rng.random(shape) < 0.02] = 0.0
    return Probes(step, **made)


def written(curve: Curve) -> Settings:
    learned = LEARNED if curve.trial.evaluate_train else ()
    names = ("step", "metric", *learned)
    parts: Settings = {name: getattr(curve, name).tolist() for name in names}
    if curve.probes is not None:
        read = {name: getattr(curve.probes, name).ravel().tolist() for name in PROBE_FIELDS}
        layers = curve.trial.network.depth + 1
        parts["probes"] = {"step": curve.probes.step.tolist(), "layers": layers, **read}
    return parts | {"ended": curve.ended, "ended_at": curve.ended_at}


# ---- carried out by Python -----------------------------------------------------------------------


class Carried:
    """An experiment carried out: what a page is given, and what it must answer."""

    def __init__(self, name: str, settings: Settings, kind: str) -> None:
        self.chapter, self.settings = asked(name, settings)
        asking = chapters.normal(self.chapter, json.dumps(self.settings).encode())
        self.study = study = chapters.study(self.chapter, asking)
        self.curves: dict[str, Curve] = {}
        self.rounds: list[Settings] = []
        while True:
            wanted = study.trials(self.curves)
            shown = described(study, self.curves, wanted.trials)
            keys = [trial.key for trial in wanted.trials]
            self.rounds.append(
                {"phase": wanted.phase, "later": wanted.later, "keys": keys, "shown": shown}
            )
            if not keys:
                break
            self.train(wanted.trials, kind)
        rng = np.random.default_rng(len(self.curves))
        seeds = sorted({c.trial.seed for c in self.curves.values() if c.trial.seed < 1_000_000})
        last = {seed for seed in seeds if seed > seeds[-1] - rng.integers(1, 3)}
        self.dropped = [key for key, c in self.curves.items() if c.trial.seed in last]
        each = 1e-4 * np.exp(rng.normal(size=200))
        self.timing = study.timing(self.curves)
        self.each = [float(value) if value < 4e-4 else None for value in each[: len(self.timing)]]

    def train(self, trials: Any, kind: str) -> None:
        sets = self.study.datasets
        if kind == "real":
            self.curves |= {c.trial.key: c.rounded() for c in train(trials, sets)}
        else:
            self.curves |= {t.key: invented(t, sets[t.data], kind) for t in trials}

    def given(self) -> Settings:
        given = [
            {"key": key, "trial": curve.trial.as_dict(), "curve": written(curve)}
            for key, curve in self.curves.items()
        ]
        timed = [
            {"key": trial.key, "each": each}
            for trial, each in zip(self.timing, self.each, strict=True)
        ]
        asked = {"chapter": self.chapter, "settings": self.settings}
        return asked | {"given": given, "dropped": self.dropped, "timed": timed}

    def expected(self) -> Settings:
        timed = [self.timed(t, e) for t, e in zip(self.timing, self.each, strict=True)]
        some = {key: c for key, c in self.curves.items() if key not in self.dropped}
        made = {
            "rounds": self.rounds,
            "timing": [trial.as_dict() for trial in self.timing],
            "verdict": self.verdict(self.curves, timed),
            "part": self.verdict(some, []),
            "experiment": msgspec.to_builtins(self.study.experiment),
            "statement": self.study.statement,
        }
        return json.loads(wire.text(made))

    def timed(self, trial: Trial, each: float | None) -> Curve:
        no, one = np.zeros(1), np.array([trial.steps])
        how = "diverged" if each is None else "finished"
        seconds = np.array([(each or 1) * trial.steps])
        return Curve(trial, one, seconds, no, no, no, no, no, how, trial.steps)

    def verdict(self, curves: dict[str, Curve], timed: list[Curve]) -> Any:
        """Without tables, which a page does not show, and without a claim's own prose."""
        study = self.study
        found = replace(study.verdict(curves, timed), tables=())
        name = study.experiment.data
        if not isinstance(study, ClaimStudy) or found.sentence == f"{name}: {found.reason}.":
            return found
        reading = study.reading(curves)
        decided = study.experiment.rule.apply(reading.to_judge)
        sentence = f"{name}: {verdict_on(study.experiment.phrase, decided)}."
        return replace(found, sentence=sentence, notes=(*standard_notes(reading),))


# ---- and by the page -----------------------------------------------------------------------------


BUNDLE = """
import { buildSync } from "esbuild";
const outfile = process.argv[1];
buildSync({ entryPoints: ["tests/protocol-node.ts"], bundle: true, format: "esm", outfile });
"""
CALL = """
import { readFileSync, writeFileSync } from "node:fs";
const [page, name, from, to] = process.argv.slice(1);
const made = await import(page);
writeFileSync(to, await made[name](readFileSync(from, "utf8")));
"""


class InNode:
    """The page's half of this test, in Node."""

    def __init__(self, folder: Path) -> None:
        sys.path.insert(0, str(WEB))
        try:
            import build
        finally:
            sys.path.remove(str(WEB))
        if not (WEB / "node_modules" / "esbuild").is_dir():
            build.install()
        _, self.environment = build.npm_command()
        node = shutil.which("node", path=self.environment["PATH"])
        assert node is not None
        self.node, self.folder, self.page = node, folder, (folder / "page.mjs").as_posix()
        self.run(BUNDLE, self.page)

    def run(self, script: str, *arguments: str) -> None:
        command = [self.node, "--input-type=module", "--eval", script, *arguments]
        subprocess.run(command, cwd=WEB, env=self.environment, check=True)

    def __call__(self, name: str, given: Any) -> Any:
        """What a function of the page says to this; NaN and infinity pass as JSON has them not."""
        text = json.dumps(given).replace("NaN", "null").replace("Infinity", "1e999")
        asked, answer = (self.folder / f"{name}.{part}" for part in ("asked", "answer"))
        asked.write_text(text, "utf-8")
        self.run(CALL, Path(self.page).as_uri(), name, str(asked), str(answer))
        return json.loads(answer.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> InNode:
    return InNode(tmp_path_factory.mktemp("protocol"))


@pytest.fixture(scope="module")
def carried() -> list[Carried]:
    return [Carried(*case) for case in CASES]


@pytest.fixture(scope="module")
def answers(carried: list[Carried], page: InNode) -> list[Settings]:
    found: list[Settings] = page("answered", [one.given() for one in carried])
    return found


def differences(wanted: Any, found: Any, at: str = "") -> list[str]:
    """Where two values differ; numbers may by what the last bits of a logarithm do."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        names = [*wanted, *(name for name in found if name not in wanted)]
        return [
            line
            for name in names
            for line in differences(wanted.get(name), found.get(name), f"{at}.{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for i, both in pairs for line in differences(*both, f"{at}[{i}]")]
    if isinstance(wanted, float | int) and isinstance(found, float | int):
        close = math.isclose(wanted, found, rel_tol=1e-12, abs_tol=1e-13)
        return [] if close else [f"{at}: {wanted!r}, and in the page {found!r}"]
    return [] if wanted == found else [f"{at}: {wanted!r}, and in the page {found!r}"]


@pytest.mark.parametrize("place", range(len(CASES)), ids=NAMED)
def test_a_page_finds_what_python_finds(
    place: int, carried: list[Carried], answers: list[Settings]
) -> None:
    wanted, found = carried[place].expected(), answers[place]
    assert "error" not in found, found["error"]
    assert "unknown" not in found, found["unknown"]
    read = found.pop("described")
    found |= {"experiment": read["experiment"], "statement": read["statement"]}
    if wanted["experiment"].get("race") is None:
        found["experiment"].pop("race", None)
    wrong = differences(wanted, found)
    assert not wrong, "\n".join(wrong[:20])


def test_a_page_writes_numbers_as_python_does(page: InNode) -> None:
    rng = np.random.default_rng(0)
    halves = [k / 2**n for n in (1, 2, 3, 4, 5, 9) for k in range(-99, 100)]
    sizes = (rng.normal(size=500) * 10.0 ** rng.integers(-12, 15, 500)).tolist()
    short = [float(f"{value:.{n}g}") for n in (1, 2, 3) for value in sizes]
    more = [0.0, -0.0, 1e16, 1e21, 2.5e22, 123456.5, 1234565.0, 0.5e-6, 99.5, 0.995, 9.95, 1e300]
    numbers = [*halves, *sizes, *short, *more, *(value + 0.5 for value in range(90, 110))]
    counts, places = (1, 2, 3, 6), (0, 1, 2, 3)
    wanted = [
        [*(f"{x:.{n}g}" for n in counts), *(f"{x:.{n}f}" for n in places), digits(x), signed(x)]
        for x in numbers
    ]
    found = page("numbersWritten", numbers)
    wrong = [pair for pair in zip(numbers, wanted, found, strict=True) if pair[1] != pair[2]]
    assert not wrong, wrong[:5]


def test_a_page_has_the_sums_and_intervals_of_python_to_the_bit(page: InNode) -> None:
    rng = np.random.default_rng(1)
    lists = [rng.normal(size=n) * 10.0 ** rng.integers(-3, 4) for n in range(2, 21) for _ in "abc"]
    lists += [np.full(5, 0.1), np.array([0.3, 0.3, 0.1, 0.1, 0.2, 0.7])]
    wanted = [
        [x.sum(), np.median(x), np.quantile(x, 0.3), *mean_interval(x), *median_interval(x)]
        for x in lists
    ]
    assert page("statistics", [x.tolist() for x in lists]) == wanted


# ---- its data ------------------------------------------------------------------------------------


def bits(array: Any) -> int:
    """All bits of an array in one number."""
    kind = np.float32 if array.dtype.kind == "f" else np.int32
    words = np.ascontiguousarray(array, kind).ravel().view(np.uint32)
    by = 2 * np.arange(len(words), dtype=np.uint32) + np.uint32(1)
    return int((words * by).sum(dtype=np.uint32))


def test_a_page_makes_the_data_sets_that_python_makes(page: InNode) -> None:
    tables = ("x_train", "y_train", "x_test", "y_test")
    facts = ("name", "task", "features", "time_steps", "n_train", "n_test")
    given = {}
    for name in ("digits", "cookies", "mnist1d", "stories"):
        data = load(name)
        given[name] = {fact: getattr(data, fact) for fact in facts}
        given[name] |= {table: getattr(data, table).ravel().tolist() for table in tables}
    usual = [asked(name, {}) for name in EXPERIMENTS]
    more = [
        (chapter, settings | {"data": name})
        for chapter, settings in usual
        if chapter == "claim" and settings.get("data") != "stories"
        for name in ("digits", "cookies", "mnist1d")
    ]
    cases = [*usual, ("factory", SUGAR), *more]
    wanted = []
    for chapter, settings in cases:
        checked = chapters.normal(chapter, json.dumps(settings).encode())
        found = chapters.study(chapter, checked).datasets
        sizes = ((name, name, d.n_train, d.n_test, d.n_features) for name, d in found.items())
        every = ([bits(getattr(d, table)) for table in tables] for d in found.values())
        wanted.append([[*own, *sums] for own, sums in zip(sizes, every, strict=True)])
    answered = page("prepared", {"given": given, "asked": cases})
    for case, python, node in zip(cases, wanted, answered, strict=True):
        assert sorted(python) == sorted(node), case
