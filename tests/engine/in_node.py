"""The page's half of the engine, in TypeScript, run in Node; and what Python has for the same."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import in_wasm
import numpy as np

from evenbatch.data import load
from evenbatch.data.dataset import Dataset
from evenbatch.engine import Network, Trial, initial_weights, initialize
from evenbatch.engine.feed import make_feed
from evenbatch.engine.layout import GROUPS, Plan
from evenbatch.engine.network import (
    ACTIVATIONS,
    AFFINE,
    NORMALIZERS,
    PLACEMENTS,
    SettingError,
)
from evenbatch.engine.parameters import get_weights
from evenbatch.engine.state import Scratch, TrialState
from evenbatch.engine.tape import Tape, compile_tape
from evenbatch.engine.trial import OPTIMIZERS, SCHEDULES, STATISTICS
from evenbatch.lesson.layers import LayerShown, histogram, layer_inputs
from harness import classification, regression, sequences

HERE = Path(__file__).resolve().parent
WEB = HERE.parents[1] / "web"
GOALS = ((0.3, 0.3), (0.6, 0.55), (0.9, 0.8), (-5.0, -5.0))
LEAST = {"inputs": 3, "hidden": [4, 5], "outputs": 2}
Given = tuple[Network, int, bool]


@cache
def web(name: str) -> ModuleType:
    """A script of web/, which is no package."""
    sys.path.insert(0, str(WEB))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(WEB))


def bundled(folder: Path, script: str = "in_node.mjs") -> list[str]:
    """The command that runs a script of this folder, with all of the page's that it needs."""
    npm, environment = web("build").npm_command()
    esbuild = WEB / "node_modules" / ".bin" / "esbuild"
    if not esbuild.exists():
        web("build").run("check")
    out = folder / script
    command = [str(esbuild), str(HERE / script), "--bundle", "--platform=node"]
    command += ["--format=esm", f"--outfile={out}", "--log-level=warning"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = subprocess.run(
        [*npm, "exec", "--offline", "-c", "node -p process.execPath"],
        cwd=WEB, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [found.stdout.strip(), str(out)]


def done_in_node(folder: Path, modules: Path, job: dict[str, Any]) -> dict[str, Any]:
    """What Node gives for a job; data sets by the name that trials have for them."""
    whole: dict[str, Any] = {name: [] for name in ("feeds", "tapes", "starts", "runs", "layers")}
    for place, (name, data) in enumerate(job["data"].items()):
        if isinstance(data, Dataset):
            file = folder / f"{place}.bin"
            file.write_bytes(web("data").laid_out(data))
            job["data"][name] = str(file)
    whole |= {"goals": GOALS, "modules": str(modules), "least": {"network": LEAST}} | job
    (folder / "job.json").write_text(json.dumps(whole))
    command = [*bundled(folder), str(folder / "job")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "job.out.json").read_text())
    return found


def hashed(values: Any) -> str:
    """As in_node.mjs has it: whatever is not of a trial's own type is float64."""
    array = np.ascontiguousarray(values)
    if array.dtype.kind == "f":
        array = array.copy()
        array[np.isnan(array)] = np.nan
    return hashlib.sha256(array.tobytes()).hexdigest()


def hashed_reals(values: Any) -> str:
    return hashed(np.asarray(values, np.float64))


# ---- random networks and trials ------------------------------------------------------------------


def random_network(draw: random.Random, **fixed: Any) -> Network:
    """Any network that there can be, small as a rule."""
    while True:
        widths = draw.choice(((1, 20), (8, 8), (30, 70), (300, 300)))
        hidden = [draw.randint(*widths) for _ in range(draw.choice((1, 2, 3, 5, 9)))]
        if draw.random() < 0.5:
            hidden = hidden[:1] * len(hidden)
        settings: dict[str, Any] = {
            "inputs": draw.choice((1, 3, 16, 17, 64)), "hidden": tuple(hidden),
            "outputs": draw.choice((1, 2, 10, 17)), "activation": draw.choice(ACTIVATIONS),
            "norm": draw.choice(NORMALIZERS), "placement": draw.choice(PLACEMENTS),
            "affine": draw.choice(AFFINE), "residual": draw.choice((0, 0, 1, 2, 3)),
            "init": draw.choice(("torch", "he", "xavier", "gaussian")),
            "dropout": draw.choice((0.0, 0.0, draw.random() / 2)),
            "drift": draw.choice((0.0, 0.0, draw.random())), "groups": draw.choice((1, 1, 2, 4)),
            "sigma": draw.random(), "eps": 10 ** -draw.uniform(1, 12), "momentum": draw.random(),
            "time_steps": draw.choice((0, 0, 0, 1, 2, 7)),
        }  # fmt: skip
        try:
            return Network(**(settings | fixed))
        except SettingError:
            continue


def random_tapes(count: int) -> list[Given]:
    draw = random.Random(11)
    rows = (1, 2, 7, 32, 100, 600)
    return [(random_network(draw), draw.choice(rows), draw.random() < 0.5) for _ in range(count)]


def random_data() -> list[Dataset]:
    classes, targets = classification(6, 4), regression(3, 2, n_train=150, n_test=70)
    return [classes, targets, sequences(classes, 5, 3), sequences(targets, 4, 2)]


def random_trials(count: int) -> list[tuple[Trial, Dataset]]:
    draw, sets = random.Random(12), random_data()
    found: list[tuple[Trial, Dataset]] = []
    while len(found) < count:
        data = draw.choice(sets)
        network = random_network(
            draw, inputs=data.n_features, outputs=data.n_outputs, time_steps=data.time_steps
        )
        statistics = draw.choice(STATISTICS)
        try:
            trial = Trial(
                network, data.name, optimizer=draw.choice(OPTIMIZERS),
                learning_rate=10 ** draw.uniform(-7, 2), batch_size=draw.randint(1, 97),
                steps=draw.randint(1, 200), seed=draw.choice((0, 7, draw.randrange(2**53))),
                schedule=draw.choice(SCHEDULES), warmup=draw.choice((0, 5)),
                momentum=draw.random(), weight_decay=draw.choice((0.0, 1e-3)),
                evaluate_every=draw.choice((0, 1, 20, 500)), evaluate_train=draw.random() < 0.5,
                statistics=statistics, probe_every=draw.choice((0, 0, 1, 30)),
                evaluation_batch=draw.choice((0, 9, 400)) if statistics == "batch" else 0,
                landscape_every=draw.choice((0, 0, 13)),
            )  # fmt: skip
        except SettingError:
            continue
        found.append((trial, data))
    return found


# ---- what Python has -----------------------------------------------------------------------------


def tape_numbers(tape: Tape) -> list[float]:
    slots = [x for s in tape.linears for x in (s.weight, s.bias, s.inputs, s.outputs)]
    slots += [x for s in tape.norms for x in (s.gamma, s.beta, s.running, s.columns, s.steps)]
    numbers = [tape.n_parameters, tape.n_learned, tape.decay_end, tape.n_running]
    numbers += [tape.n_workspace, tape.input_at, tape.output_at, *tape.d_at]
    parts = (tape.ops, tape.slopes, tape.probes, tape.probe_slopes)
    ones = [x for pair in tape.ones for x in pair]
    plain = [x for part in parts for x in part.ravel().tolist()]
    return [*plain, *slots, *numbers, tape.stash_at, tape.transpose_at, *ones]


def tapes_in_python(given: list[Given]) -> dict[str, str]:
    return {
        f"tape {i}": hashed_reals(tape_numbers(compile_tape(*one))) for i, one in enumerate(given)
    }


def starts_in_python(given: list[tuple[Trial, Dataset]]) -> Iterator[tuple[str, str]]:
    """(name, hash) of all arrays before the first step."""
    for i, (trial, data) in enumerate(given):
        state = TrialState(trial, data, make_feed(data, np.dtype(trial.dtype)))
        state.program.plan[[Plan.CLOCK, Plan.CLOCK_ID]] = 0
        groups = (state.program, state.feed.data, state.learner, Scratch().room(state), state.log)
        for group, arrays in zip(GROUPS, groups, strict=True):
            for name, array in arrays._asdict().items():
                yield f"start {i}: {group.__name__.lower()}.{name}", hashed(array)


def feeds_in_python(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    here = ("x", "labels", "target", "xTest", "labelsTest", "targetTest")
    for i, name in enumerate(names):
        feed = make_feed(load(name), np.dtype("float32"))
        for there, array in zip(here, feed.data, strict=True):
            yield f"feed {i}: {there}", hashed(array)


def plain_trials() -> list[tuple[Trial, Dataset]]:
    """Stacks whose layers can be shown: each activation and normalizer, each placement."""
    data = classification(6, 4)
    found = []
    for i, (activation, norm) in enumerate(itertools.product(ACTIVATIONS, NORMALIZERS)):
        network = Network(
            6, (12, 8), 4, activation=activation, norm=norm, placement=PLACEMENTS[i % 3], groups=2,
            affine=AFFINE[i % 4],
        )  # fmt: skip
        found.append((Trial(network, data.name, learning_rate=0.5, steps=60, seed=i), data))
    return found


def layers_in_python(trial: Trial, data: Dataset, theta: list[float]) -> list[LayerShown]:
    tape, sample = compile_tape(trial.network, 1), data.x_train[:50]
    running = initialize.initial_running(tape, np.float32)
    now = get_weights(tape, np.array(theta, np.float32), running)
    _, before = layer_inputs(trial.network, initial_weights(trial.network, trial.seed), sample)
    _, found = layer_inputs(trial.network, now, sample)
    return list(map(histogram, found, before))


def runs_in_python(native: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, hash) of what came of `in_wasm.trials`, from what they learned and logged natively."""
    for what, trial, data in in_wasm.trials():
        state = TrialState(trial, data, make_feed(data, np.dtype(trial.dtype)))
        for group in in_wasm.WRITTEN:
            for name, array in getattr(state, group)._asdict().items():
                array[...] = native[f"{what}: {name}"]
                yield f"{what}: {group}.{name}", hashed(array)
        curve = state.curve()
        parts = (("curve", curve), ("rounded", curve.rounded()))
        parts += (("probes", curve.probes), ("landscape", curve.landscape))
        for part, of in parts:
            for name, values in vars(of).items() if of is not None else ():
                if isinstance(values, np.ndarray):
                    as_they_are = part == "probes" and name != "step"
                    how = hashed if as_they_are else hashed_reals
                    yield f"{what}: {part}: {name}", how(values)
        yield f"{what}: ended", [curve.ended, curve.ended_at]
        yield f"{what}: goals", hashed_reals([curve.steps_to(*goal) for goal in GOALS])
        later = state.curve(since=len(curve.step) // 2)
        yield f"{what}: since: step", hashed_reals(later.step)
        yield f"{what}: since: metric", hashed_reals(later.metric)
