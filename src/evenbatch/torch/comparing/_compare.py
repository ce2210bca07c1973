"""`compare`: checks what it is given, trains what is needed, and has it judged."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import torch

from evenbatch.engine import Curve
from evenbatch.experiments.carry_out import Outcome, Watch, carry_out
from evenbatch.experiments.meeting import together
from evenbatch.experiments.protocol import MIN_SEEDS, Curves, Round, Untimed
from evenbatch.experiments.selection import START, rate_at
from evenbatch.experiments.wording import count
from evenbatch.store import Store
from evenbatch.torch.comparing.batches import feed_of
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.judging import LEAST, Judge
from evenbatch.torch.comparing.measures import Measure, default_loss, guessing, scale_of
from evenbatch.torch.comparing.models import OPTIMIZERS, Make
from evenbatch.torch.comparing.pairing import Pairing
from evenbatch.torch.comparing.ranks import Ranks, joined
from evenbatch.torch.comparing.result import Comparison, collected
from evenbatch.torch.comparing.training import Training, Workshop, check, step_seconds

ADAM = tuple(rate_at(k / 2) for k in range(-7, -2))  # 0.000316 to 0.0316 in half decades
EVALUATIONS = 100
MOST_STEPS = 10_000_000


def compare(
    make_model: Make,
    data: Any,
    arms: Sequence[str],
    *,
    metric: Any,
    budget: int | timedelta,
    optimizer: str | Callable[[Any, float], Any] = "adam",
    rates: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    loss: Measure | None = None,
    batch_size: int = 32,
    seeds: int = MIN_SEEDS,
    tuning_seeds: int = 3,
    better: str | None = None,
    chance: float | None = None,
    goal: float | None = None,
    matters: float = LEAST,
    evaluate_every: int | None = None,
    device: str | None = None,
    sync: bool = False,
    name: str = "model",
    version: str = "",
    data_name: str = "data",
    store: Store | None = None,
    progress: bool = True,
) -> Comparison:
    """Train a model with each of several normalizations, and say which reaches a goal sooner.

    Arms start from the same weights and see the same batches in the same order, seed by seed. Each
    arm's learning rate is chosen on selection seeds; measured is on others, best against best and
    at equal rates, in steps and in seconds, with 95 % intervals over seeds. Each arm but the first
    gets a verdict against the first, by the rule of `judging.judge`. See docs/compare.md.

    Args:
        make_model: ``make_model(arm)`` gives a new model with that arm's normalization.
        data: (training, test), each a Dataset or a tuple of tensors (inputs …, target); or a
            function of a seed that gives two loaders.
        arms: names, the plainest first: ``["none", "batch"]``.
        metric: "accuracy", "loss", or a function (model, batch) -> number, averaged over the test
            rows.
        budget: steps of each training; or a `timedelta`, about how long the trainings of all arms
            may take together, which is turned into steps beforehand, the same for all.
        optimizer: "sgd", "momentum" (0.9), "adam", "adamw", or a function (parameters, learning
            rate) -> optimizer. The rate is constant.
        rates: learning rates to try, for all arms or by arm. By default half decades, continued
            until each arm's best lies inside.
        loss: a function (model, batch) -> tensor. By default cross entropy for targets that are
            whole numbers, mean squared error for others.
        batch_size: rows of a step over all processes; without effect on loaders of your own.
        seeds, tuning_seeds: measurement seeds, at least 5, and selection seeds.
        better: "higher" (default) or "lower", for a metric of your own.
        chance: the metric of guessing. By default what the test targets tell, or the untrained
            models' metric.
        goal: the metric to reach. By default nine tenths of the way from chance to the best of
            the weaker arm.
        matters: a ratio below which a gain is not worth having.
        evaluate_every: steps between evaluations; a hundredth of the budget by default.
        device: "cpu", "cuda", "cuda:1"; CUDA where there is any by default.
        sync: batch norm statistics over all processes (torchrun, CUDA).
        name, data_name: for the report and the store.
        version: which state of the model's code this is; for the store.
        store: keeps and answers trainings; needs `name` and `version`.
        progress: say on standard error how far it has come.

    Returns: verdicts, curves, and `report`.

    Raises:
        CompareError: something given cannot be used, or a model fails; the message names the arm.

    >>> from torch import nn
    >>> def make_model(arm):
    ...     norm = nn.BatchNorm1d(8) if arm == "batch" else nn.Identity()
    ...     return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 2))
    >>> x = torch.randn(256, 4, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 0] > 0).long()
    >>> result = compare(make_model, ((x[:192], y[:192]), (x[192:], y[192:])), ["none", "batch"],
    ...                  metric="accuracy", budget=20, rates=[0.01], tuning_seeds=1, progress=False)
    >>> result.verdict.answer in ("holds", "holds in part", "does not hold", "cannot tell")
    True
    """
    began = time.monotonic()
    names = _arms(arms)
    if not callable(make_model):
        raise CompareError(
            f"make_model is a {type(make_model).__name__}; give a function make_model(arm) that "
            "makes a new model each time, so that every training starts afresh"
        )
    _check_numbers(budget, seeds, tuning_seeds, batch_size, matters, evaluate_every)
    _check_store(store, name, version)
    scale = scale_of(metric, better, chance)
    tried = _rates(rates, names, optimizer)
    with joined(device) as ranks:
        if store is not None and ranks.world > 1:
            raise CompareError("store cannot be used with several processes; leave it out")
        feed = feed_of(data, batch_size, ranks.rank, ranks.world)
        used = loss or default_loss
        if scale.given is None:
            scale = replace(scale, data=guessing(scale.name, used, feed.testing(0)))
        shop = Workshop(make_model, names, feed, used, scale, optimizer, ranks, sync)
        lowest = min(rate for own in tried.values() for rate in own)
        shares = check(shop, lowest)
        trainings = _Count(len(names), max(map(len, tried.values())), seeds, tuning_seeds)
        steps = _steps(budget, shop, lowest, trainings)
        template = Training(
            name, version, names[0], data_name, _said(optimizer), lowest, batch_size, steps, 0,
            evaluate_every or max(1, steps // EVALUATIONS), scale.name,
            _setting(ranks, sync, make_model, loss, metric, optimizer)
            if store is not None else (),
        )  # fmt: skip

        def training(arm: str, rate: float, seed: int) -> Training:
            return replace(template, arm=arm, learning_rate=rate, seed=seed)

        signed = None if goal is None else scale.sign * goal
        words = (
            f"{name} on {data_name} ({feed.words()}), {_said(optimizer)}, batches of {batch_size}, "
            f"{steps} steps, {_place(ranks)}"
        )
        judges = {}
        for other in names[1:]:
            pairing = Pairing(
                names[0], other, training, scale, tried, rates is None, seeds, tuning_seeds, signed
            )
            judges[other] = Judge(pairing, data_name, words, steps, shares[other], matters)
        contest = _Contest(judges, data_name, feed)
        with _watched(progress and ranks.first, name, data_name, trainings.all) as watch:
            runner: Any = shop
            outcome = carry_out(contest, watch=watch, store=store, runner=runner)
            seconds = _timed(shop, lowest, outcome, contest, watch)
        return collected(
            judges, outcome, seconds, name=name, data=data_name, arms=names,
            seconds=time.monotonic() - began, _writes=ranks.first,
        )  # fmt: skip


class _Contest(Untimed):
    """All pairs of arms as one experiment (`evenbatch.experiments.protocol.Experiment`)."""

    def __init__(self, judges: Mapping[str, Judge], data: str, feed: Any) -> None:
        self.judges, self.data, self.feed = judges, data, feed
        self._fingerprint = ""

    @property
    def datasets(self) -> Any:
        """The data by name; their fingerprint is made when the store asks for it."""
        return _Lazily(self.data, self.feed)

    @property
    def statement(self) -> Any:
        return next(iter(self.judges.values())).statement

    def trials(self, curves: Curves) -> Round:
        return together(*(judge.pairing.trials(curves) for judge in self.judges.values()))

    def verdict(self, curves: Curves, _timed: Sequence[Curve]) -> Any:
        judge = next(iter(self.judges.values()))
        return judge.verdict(judge.pairing.found(curves, {}))


class _Lazily(dict[str, Any]):
    def __init__(self, name: str, feed: Any) -> None:
        super().__init__({name: None})
        self.feed = feed

    def __getitem__(self, name: str) -> Any:
        if super().__getitem__(name) is None:
            self[name] = SimpleNamespace(fingerprint=self.feed.fingerprint())
        return super().__getitem__(name)


def _timed(
    shop: Workshop, rate: float, outcome: Outcome, contest: _Contest, watch: Watch
) -> dict[str, list[float]]:
    """Seconds per step of each arm; {} if there is nothing to compare, or Ctrl-C ended it."""
    found = [judge.pairing.found(outcome.curves, {}) for judge in contest.judges.values()]
    if outcome.interrupted or not any(f is not None and f.meetings for f in found):
        return {}
    watch(Round("timing", ()), 0)
    try:
        return step_seconds(shop, 0, rate)
    except KeyboardInterrupt:
        outcome.interrupted = True
        return {}


# What is given.


def _arms(arms: Any) -> tuple[str, ...]:
    if isinstance(arms, str) or not isinstance(arms, Sequence):
        raise CompareError(f'arms is {arms!r}; give a list of names, like ["none", "batch"]')
    for arm in arms:
        if not isinstance(arm, str) or not arm.strip():
            raise CompareError(
                f"an arm is {arm!r}; arms are names, and make_model(name) makes each one's model"
            )
    if len(arms) < 2 or len(set(arms)) < len(arms):
        raise CompareError(f"arms are {list(arms)}; at least two are needed, each another name")
    return tuple(arms)


def _check_numbers(
    budget: Any, seeds: Any, tuning: Any, batch_size: Any, matters: Any, every: Any
) -> None:
    if not isinstance(budget, timedelta):
        _whole("budget", budget, 10, MOST_STEPS, " steps, or a timedelta")
    elif budget.total_seconds() <= 0:
        raise CompareError(f"budget is {budget}; it must be longer than nothing")
    _whole("seeds", seeds, MIN_SEEDS, 10_000, ", since on fewer seeds no verdict is given")
    _whole("tuning_seeds", tuning, 1, 10_000)
    _whole("batch_size", batch_size, 1, 1 << 20)
    if every is not None:
        _whole("evaluate_every", every, 1, MOST_STEPS)
    if not isinstance(matters, (int, float)) or not 1 <= matters <= 1000:
        raise CompareError(f"matters is {matters!r}; it is a ratio, from 1 on")


def _whole(name: str, value: Any, low: int, high: int, why: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise CompareError(f"{name} is {value!r}; it must be a whole number from {low}{why}")


def _check_store(store: Any, name: str, version: str) -> None:
    if store is None:
        return
    if not isinstance(store, Store):
        raise CompareError(f"store is a {type(store).__name__}; give an evenbatch.store.Store")
    if name == "model" or not version:
        raise CompareError(
            "a store knows a training by its settings, and your model's code is none of them: give "
            'name= and version= ("resnet", "3"), and another version whenever the code changes'
        )


def _rates(rates: Any, arms: Sequence[str], optimizer: Any) -> dict[str, tuple[float, ...]]:
    if isinstance(optimizer, str) and optimizer not in OPTIMIZERS:
        raise CompareError(
            f"optimizer is {optimizer!r}; it must be one of {', '.join(OPTIMIZERS)}, or a function "
            "(parameters, learning rate) -> optimizer"
        )
    if rates is None:
        return dict.fromkeys(arms, ADAM if optimizer in ("adam", "adamw") else START)
    if isinstance(rates, Mapping):
        wrong = set(rates) ^ set(arms)
        if wrong:
            raise CompareError(f"rates by arm must name each arm; {sorted(wrong)} does not match")
    found = {}
    for arm in arms:
        own = rates[arm] if isinstance(rates, Mapping) else rates
        try:
            found[arm] = tuple(sorted({float(rate) for rate in own}))
        except (TypeError, ValueError):
            raise CompareError(f"rates of {arm!r} are {own!r}; give a list of numbers") from None
        if not found[arm] or not all(0 < rate < 1e6 for rate in found[arm]):
            raise CompareError(f"rates of {arm!r} are {own!r}; each must be a number above 0")
    return found


def _said(optimizer: Any) -> str:
    return optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", "optimizer")


def _place(ranks: Ranks) -> str:
    where = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else "CPU"
    return f"{where}, {count(ranks.world, 'process').replace('ss' + 's', 'sses')}"


def _setting(ranks: Ranks, sync: bool, *functions: Any) -> tuple[tuple[str, str], ...]:
    """What else a curve depends on, for its key."""
    from hashlib import sha256

    source = ""
    for function in functions:
        try:
            source += inspect.getsource(function) if callable(function) else ""
        except (OSError, TypeError):  # typed into an interpreter, or made in C
            source += getattr(function, "__qualname__", "")
    return (
        ("device", f"{ranks.device.type}, {torch.get_num_threads()} threads"),
        ("sync", str(sync)),
        ("torch", str(torch.__version__)),
        ("source", sha256(source.encode()).hexdigest()[:16]),
    )


# The budget, and how far it has come.


@dataclass(frozen=True)
class _Count:
    """How many trainings there will be, about."""

    arms: int
    rates: int
    seeds: int
    tuning: int

    @property
    def all(self) -> int:
        measured = (1 + 2 * (self.arms - 1) + 1) * self.seeds
        return self.arms * self.rates * self.tuning + measured


def _steps(budget: int | timedelta, shop: Workshop, rate: float, trainings: _Count) -> int:
    """Steps of each training; a time is shared among all of them, evaluations taken off."""
    if not isinstance(budget, timedelta):
        return budget
    each = step_seconds(shop, 0, rate, rounds=3, turn=0.01)
    step = sum(sum(own) / len(own) for own in each.values()) / len(each)
    start = time.perf_counter()
    model, _ = shop.model(shop.arms[0], 0)
    shop.evaluate(model, 0, shop.arms[0])
    testing = EVALUATIONS * (time.perf_counter() - start)
    left = budget.total_seconds() / trainings.all - testing
    steps = int(shop.ranks.shared(left / step))
    if steps < EVALUATIONS:
        wanted = trainings.all * (testing + EVALUATIONS * step)
        raise CompareError(
            f"budget is {budget}, too short for about {trainings.all} trainings of at least "
            f"{EVALUATIONS} steps, which need {timedelta(seconds=round(wanted) + 1)}; give more, "
            "or fewer rates"
        )
    return steps


@contextmanager
def _watched(shown: bool, name: str, data: str, guess: int) -> Iterator[Watch]:
    from evenbatch.report.progress import Watcher
    from evenbatch.report.terminal import plain_console

    console = plain_console(stderr=True) if shown else None
    with Watcher(console, {name: guess}, [name]) as watcher:
        inner = watcher.of(name, data)

        def watch(wanted: Round, done: int) -> None:
            # Only the number: what the watcher knows of costs is about the engine's networks.
            inner(Round(wanted.title, (), len(wanted.trials) + wanted.later), done)

        yield watch
