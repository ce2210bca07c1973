"""What ``evenbatch compare`` does, once its options are read."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evenbatch.data import Dataset
from evenbatch.protocol.recipes import Prepared
from evenbatch.report import record
from evenbatch.torch.comparing._compare import compare
from evenbatch.torch.comparing.batches import feed_of
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.models import Make
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.named import TargetError, called, named, needed
from evenbatch.torch.rewrite import swap

SECONDS = {"s": 1, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Options:
    """The options of the command, as written; `data` is a data set or the name of a function."""

    data: Dataset | str
    arms: Sequence[str] = ()
    budget: str = "1000"
    metric: str = ""
    optimizer: str = "adam"
    rates: Sequence[float] = ()
    batch_size: int = 32
    seeds: int = 5
    goal: float | None = None
    device: str | None = None
    threads: int | None = None
    out: Path | None = None
    json: Path | None = None
    quiet: bool = False


def run(name: str, options: Options) -> bool:
    """Compare the arms of the model behind the name, print and write; False if interrupted.

    Raises:
        CompareError: what cannot work, with what to change.
    """
    if not name:
        raise CompareError("name the model: evenbatch compare package.module:make_model")
    budget = budget_of(options.budget)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the user's code may print
            data, data_name = _data(options)
            inputs, target = _example(data, options.batch_size)
            make_model, arms = _arms(name, options.arms, inputs)
            metric = "loss" if target.is_floating_point() else "accuracy"
            result = compare(
                make_model, data, arms,
                metric=options.metric or metric, budget=budget, optimizer=options.optimizer,
                rates=options.rates or None, batch_size=options.batch_size, seeds=options.seeds,
                goal=options.goal, device=options.device, name=name.rpartition(":")[2],
                data_name=data_name, progress=not options.quiet,
            )  # fmt: skip
    except TargetError as error:
        raise CompareError(str(error)) from None
    if str(options.json) == "-":
        sys.stdout.write(record.dumps(result.record()))
    else:
        sentences = [verdict.sentence for verdict in result.verdicts.values()]
        print("\n".join(sentences) if options.quiet else result)
        if options.json is not None:
            record.write(options.json, result.record())
    if options.out is not None:
        print(f"Report: {result.report(options.out)}", file=sys.stderr)
    return result.complete


def budget_of(text: str) -> int | timedelta:
    """Steps of each run, or a time for all of them.

    >>> budget_of("2000"), budget_of("10min")
    (2000, datetime.timedelta(seconds=600))
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|)\s*", text)
    if found is None or (not found[2] and "." in found[1]):
        raise CompareError(
            f"--budget is {text!r}; give the steps of each run, --budget 2000, or the time of all "
            "of them together, --budget 10min (s, min or h)"
        )
    if not found[2]:
        return int(found[1])
    return timedelta(seconds=float(found[1]) * SECONDS[found[2]])


def _data(options: Options) -> tuple[Any, str]:
    """The data for `compare`, and what it is called."""
    given = options.data
    if isinstance(given, str):
        function = named(given)
        of_a_seed = callable(function) and bool(needed(function))
        return function if of_a_seed else called(function, given), given.rpartition(":")[2]
    prepared = Prepared(given)
    if not given.time_steps:
        prepared = prepared.of_one_scale()
    even = prepared.learnable().data
    return (_tensors(even, "train"), _tensors(even, "test")), given.name


def _tensors(data: Dataset, part: str) -> tuple[torch.Tensor, ...]:
    """Inputs, of sequences their lengths as well, and the target."""
    x, y = (torch.tensor(getattr(data, f"{name}_{part}")) for name in "xy")
    if not data.time_steps:
        return x, y
    lengths = torch.tensor(getattr(data, f"lengths_{part}"))
    return x.reshape(len(x), data.time_steps, -1), lengths, y


def _arms(name: str, arms: Sequence[str], inputs: Any) -> tuple[Make, Sequence[str]]:
    """How each arm's model is made, and the arms' names."""
    factory = named(name)
    by_name = _takes_arm(factory)
    if by_name is not None:
        return by_name, arms or ("none", "batch")
    model = _model(factory, name)
    if not isinstance(model, nn.Module):
        raise CompareError(
            f"{name} gives a {type(model).__name__}; it makes a torch.nn.Module, either "
            "make_model(arm) for each arm, or one model whose norm layers are replaced"
        )
    kinds = sorted({kind for kind in map(kind_of, model.modules()) if kind})
    if len(kinds) != 1:
        has = " and ".join(kinds) if kinds else "none of torch.nn's norm layers"
        raise CompareError(
            f"the model of {name} has {has}; to say what each arm is, write make_model(arm), a "
            "function of the arm's name, and name that"
        )
    own = kinds[0]
    if not arms:
        other = "layer" if own != "layer" else "rms"
        raise CompareError(f"say what to put in place of {own} norm: --arms {own},{other}")
    if "none" in arms:
        raise CompareError(
            f"{name} makes one model, and without norm layers it would need other layers; write "
            "make_model(arm), a function of the arm's name, that makes it for 'none' too"
        )
    return _Swapped(factory, name, own, inputs), arms


def _model(factory: Any, name: str) -> Any:
    """The model in what a factory makes, which may be any of what `audit` takes."""
    made = called(factory, name)
    if isinstance(made, Mapping):
        return made.get("model")
    return made[0] if isinstance(made, tuple) and made else made


def _takes_arm(factory: Any) -> Make | None:
    """The factory as a function of the arm's name, if it takes one."""
    if not callable(factory) or isinstance(factory, nn.Module):
        return None
    if len(needed(factory)) == 1:
        return factory
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return None
    keyword = next((word for word in ("arm", "norm") if word in parameters), None)
    return None if keyword is None else lambda arm: factory(**{keyword: arm})


def _example(data: Any, batch_size: int) -> tuple[Any, torch.Tensor]:
    """The first batch: what the model is called with, and the target."""
    batch = next(iter(feed_of(data, batch_size, 0, 1).training(0)), None)
    if not isinstance(batch, (tuple, list)) or len(batch) < 2 or not torch.is_tensor(batch[-1]):
        raise CompareError(
            f"a batch of the data is a {type(batch).__name__}; the command wants (inputs …, "
            "target). For others call evenbatch.torch.compare with a loss and a metric of your own"
        )
    return tuple(batch[:-1]), batch[-1]


@dataclass(frozen=True)
class _Swapped:
    """The user's model with its norm layers replaced by the arm's."""

    factory: Any
    name: str
    own: str
    batch: Any

    def __call__(self, arm: str) -> nn.Module:
        model = _model(self.factory, self.name)
        if arm == self.own:
            return model
        done = swap(model, self.own, arm, batch=self.batch)
        if done.refused:
            first = done.refused[0]
            raise CompareError(f"{first.path or 'the model'} stays {self.own} norm: {first.reason}")
        return done.model
