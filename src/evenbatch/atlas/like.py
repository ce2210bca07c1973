"""A network and its training described in TOML, found in the atlas: what to expect of it there.

The file is that of a sweep (`evenbatch.sweeps.sweep_file`). Learning rates, steps and seeds do not
matter here, as every arm of the atlas runs at its own best rate.
"""

from __future__ import annotations

import math
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from evenbatch.atlas.design import AXES, DEAREST, NORMS, STEPS, Setting
from evenbatch.atlas.findings import Columns, columns
from evenbatch.atlas.measure import Row
from evenbatch.atlas.model import Model
from evenbatch.data import DATASETS
from evenbatch.data.table.options import make
from evenbatch.engine import Network, Trial
from evenbatch.protocol.verdict import ExperimentError
from evenbatch.protocol.wording import digits, listed
from evenbatch.sweeps.grid import Grid
from evenbatch.table_options import DEFAULTS

MOST = 12
"""Settings answered for one file."""
NEAREST = 3
_STANDS_FOR = {"leaky_relu": "relu", "adamw": "adam"}
_BESIDES = {
    "network": {"affine", "sigma", "dropout", "drift", "groups", "eps", "momentum"},
    "trial": {"schedule", "warmup", "momentum", "weight_decay", "statistics", "dtype"},
}
"""Fields that change a training and that the atlas leaves at their defaults."""


@dataclass(frozen=True)
class Asked:
    """A setting that is asked about.

    Attributes:
        setting: the nearest the atlas could have measured.
        notes: where it differs from what was asked.
        command: what measures it for real, without the normalizer.
    """

    setting: Setting
    notes: tuple[str, ...]
    command: tuple[str, ...]


def answer(rows: Sequence[Row], grid: Grid, given: Mapping[str, Sequence[str]]) -> list[str]:
    """What to expect of the settings of a file, in lines.

    Args:
        rows: of the atlas.
        grid, given: see `asked`.
    """
    found, norms = asked(grid, given)
    model, every, lines = Model(rows), columns(rows), list[str]()
    for one in found:
        guesses = model.expected([(one.setting, norm) for norm in norms])
        lines += [one.setting.words, *(f"  note: {note}" for note in one.notes)]
        for norm, guess in zip(norms, guesses, strict=True):
            lines.append(
                f"  {norm}: {digits(guess.value)} times fewer steps expected "
                f"(80 % interval {digits(guess.low)} to {digits(guess.high)})"
            )
        lines.append("  nearest measured:")
        for number in nearest(every, one.setting):
            own = [r for r in rows if r["setting"] == number and r["norm"] in norms]
            said = ", ".join(f"{row['norm']} {_measured(row)}" for row in own)
            lines.append(f"    {Setting.of(own[0]).words}: {said}")
    for command in dict.fromkeys(one.command for one in found):
        lines += ["measured for real by:"]
        lines += [f"  {shlex.join([*command, '--norm', norm])}" for norm in norms]
    return lines


def _measured(row: Row) -> str:
    """The ratio of a row with its interval."""
    if not math.isfinite(row["ratio"]):
        return "no ratio, as neither learned"
    bound = f"{row['bound']} " if row["bound"] else ""
    return f"{bound}{digits(row['ratio'])} ({digits(row['low'])} to {digits(row['high'])})"


def given(grid: Grid, path: Path, target: str | None) -> dict[str, list[str]]:
    """How the data of a sweep's file are named on the command line, by the names trials use."""
    content: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    data, wanted = content["data"], target or content.get("target", [])
    kept = make(**{name: content[name] for name in DEFAULTS if name in content})
    found = {}
    for name, own in zip([data] if isinstance(data, str) else data, grid.datasets, strict=True):
        found[own] = ["--data", name]
        if name.partition(":")[0] not in DATASETS:
            found[own][1] = str(path.parent / name)
            for column in [wanted] if isinstance(wanted, str) else wanted:
                found[own] += ["--target", column]
            found[own] += kept.arguments()
    return found


def asked(grid: Grid, given: Mapping[str, Sequence[str]]) -> tuple[list[Asked], tuple[str, ...]]:
    """The settings of a file, and the normalizers it is about.

    Args:
        grid: the file, read (`read_sweep`).
        given: data as the command line has them: ``{"digits": ["--data", "digits"]}``.

    Raises:
        ExperimentError: the atlas has nothing like it.
    """
    found: dict[Asked, None] = {}
    norms: dict[str, None] = {}
    for place in range(grid.settings):
        trial = grid[place]
        norms[trial.network.norm] = None
        for one in _asked(trial, given.get(trial.data, ("--data", trial.data))):
            found[one] = None
        if len(found) > MOST:
            raise ExperimentError(
                f"the file describes more than {MOST} settings, apart from normalizer, learning "
                "rate, steps and seeds: ask about fewer at a time"
            )
    norms.pop("none", None)
    if other := [norm for norm in norms if norm not in NORMS]:
        race = shlex.join([*next(iter(found)).command, "--norm", other[0]])
        raise ExperimentError(
            f"norm is {listed(other)}, and the atlas has measured {listed(NORMS)}. Ask about "
            f"these, or measure it: {race}"
        )
    return list(found), tuple(norms or NORMS)


def _asked(trial: Trial, data: Sequence[str]) -> list[Asked]:
    """A trial's setting: for data that the atlas has not measured, one for each it has."""
    net = trial.network
    if net.time_steps:
        raise ExperimentError(
            f"{trial.data} are sequences, and the atlas has measured fully connected networks. "
            "How norms do on sequences: evenbatch prove sequences"
        )
    if net.conv:
        race = [*data, "--conv", ",".join(str(layer.channels) for layer in net.conv)]
        raise ExperimentError(
            "the network has convolutions, and the atlas has measured fully connected ones. "
            f"Measure it: {shlex.join(['evenbatch', 'race', *race])}"
        )
    notes: list[str] = []
    width = round(math.exp(np.log(net.hidden).mean()))
    if len(set(net.hidden)) > 1:
        notes.append(f"hidden layers of unequal width count as {width} wide")
    wanted = {
        "depth": net.depth, "width": width, "activation": net.activation, "init": net.init,
        "optimizer": trial.optimizer, "batch_size": trial.batch_size,
        "residual": net.residual if net.skips() else 0, "placement": net.placement,
    }  # fmt: skip
    near = {field: _nearest(field, value, notes) for field, value in wanted.items()}
    if Setting(AXES["data"][0], **near).products > DEAREST:
        notes.append("so large a network with such batches was left out of the atlas")
    notes += _left_out(trial)
    command = _race(trial, data, width)
    if trial.data in AXES["data"]:
        return [Asked(Setting(trial.data, **near), tuple(notes), command)]
    notes.append(f"{trial.data} is not in the atlas: this is what {{}} would give")
    return [
        Asked(Setting(data, **near), tuple(note.format(data) for note in notes), command)
        for data in AXES["data"]
    ]


def _nearest(field: str, value: Any, notes: list[str]) -> Any:
    """The nearest value the atlas has, with a note if it lies outside."""
    values = AXES[field]
    if isinstance(values[0], str):
        there = value if value in values else _STANDS_FOR.get(value)
        if there is None:
            raise ExperimentError(
                f"{field} is {value!r}, and the atlas has measured {listed(values)}. Change it, or "
                "measure it: evenbatch race --help"
            )
    elif field == "residual":
        there = values[-1] if value else 0
    else:
        there = min(max(value, values[0]), values[-1])
    if there != value:
        notes.append(f"{field.replace('_', ' ')} {value} is answered as {there}")
    return there


def _left_out(trial: Trial) -> list[str]:
    """Notes on settings that the atlas does not know."""
    notes = []
    for part, names in _BESIDES.items():
        kind, of = (Network, trial.network) if part == "network" else (Trial, trial)
        usual = {f.name: f.default for f in fields(kind)}
        for name in sorted(names):
            own: Any = getattr(of, name)
            if own != usual[name] and not (name == "sigma" and trial.network.init != "gaussian"):
                notes.append(f"{name} = {own} is left out of the answer")
    return notes


def _race(trial: Trial, data: Sequence[str], width: int) -> tuple[str, ...]:
    """The command that measures a trial's setting, without its normalizer."""
    net, words = trial.network, ["evenbatch", "race", *data]
    options = {
        "depth": net.depth, "width": width, "activation": net.activation, "init": net.init,
        "placement": net.placement, "residual": net.residual, "optimizer": trial.optimizer,
        "batch-size": trial.batch_size, "steps": STEPS,
    }  # fmt: skip
    for option, value in options.items():
        words += [f"--{option}", str(value)] if value else []
    return tuple(words)


def nearest(found: Columns, setting: Setting, most: int = NEAREST) -> list[int]:
    """Numbers of the measured settings most like one: a factor counts from 0 (the same) to 1."""
    far = np.zeros(len(found["setting"]))
    for name, values in AXES.items():
        own = getattr(setting, name)
        if isinstance(values[0], str):
            far += found[name] != own
        else:
            reach = np.log2(1 + values[-1]) - np.log2(1 + values[0])
            far += np.abs(np.log2(1.0 + found[name]) - np.log2(1.0 + own)) / reach
    ranked = found["setting"][np.argsort(far, kind="stable")]
    return [int(number) for number in dict.fromkeys(ranked.tolist())][:most]
