"""What `compare` is given: checked, with what is left out filled in."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import torch

from evenbatch.protocol.cells import rate_at
from evenbatch.protocol.tuning import START
from evenbatch.protocol.verdict import MIN_SEEDS
from evenbatch.store import Store
from evenbatch.torch.comparing.batches import Feed
from evenbatch.torch.comparing.errors import CompareError
from evenbatch.torch.comparing.models import OPTIMIZERS
from evenbatch.torch.comparing.ranks import Ranks
from evenbatch.torch.comparing.training import Training, Workshop, step_seconds

ADAM = tuple(rate_at(k / 2) for k in range(-7, -2))  # 0.000316 to 0.0316 in half decades
EVALUATIONS = 100
MOST_STEPS = 10_000_000


def arms_of(arms: Any) -> tuple[str, ...]:
    """Names of the arms, at least two."""
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


def check_given(
    make_model: Any, budget: Any, seeds: Any, tuning: Any, batch_size: Any, matters: Any, every: Any
) -> None:
    """The factory is a function, and the numbers lie where they can."""
    if not callable(make_model):
        raise CompareError(
            f"make_model is a {type(make_model).__name__}; give a function make_model(arm) that "
            "makes a new model each time, so that every training starts afresh"
        )
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


def check_store(store: Any, name: str, version: str) -> None:
    """A store is one, and knows which model's code it keeps runs of."""
    if store is None:
        return
    if not isinstance(store, Store):
        raise CompareError(f"store is a {type(store).__name__}; give an evenbatch.store.Store")
    if name == "model" or not version:
        raise CompareError(
            "a store knows a training by its settings, and your model's code is none of them: give "
            'name= and version= ("resnet", "3"), and another version whenever the code changes'
        )


def rates_of(rates: Any, arms: Sequence[str], optimizer: Any) -> dict[str, tuple[float, ...]]:
    """The learning rates to try, by arm, from low to high."""
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


def said(optimizer: Any) -> str:
    """The name of an optimizer."""
    return optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", "optimizer")


def in_words(training: Training, feed: Feed, ranks: Ranks) -> str:
    """Model, data, training and device in a line."""
    where = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else "CPU"
    return (
        f"{training.model} on {training.data} ({feed.words()}), {training.optimizer}, batches of "
        f"{training.batch_size}, {training.steps} steps, {where}, "
        f"{ranks.world} process{'es' if ranks.world > 1 else ''}"
    )


def setting_of(ranks: Ranks, sync: bool, *functions: Any) -> tuple[tuple[str, str], ...]:
    """What else a curve depends on, for its key."""
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


# The budget.


@dataclass(frozen=True)
class Count:
    """How many runs there will be, about."""

    arms: int
    rates: int
    seeds: int
    tuning: int

    @property
    def all(self) -> int:
        """All of them, if no rates are added."""
        measured = (1 + 2 * (self.arms - 1) + 1) * self.seeds
        return self.arms * self.rates * self.tuning + measured


def steps_of(budget: int | timedelta, shop: Workshop, rate: float, trainings: Count) -> int:
    """Steps of each training; a time is shared among all of them, evaluations taken off."""
    if not isinstance(budget, timedelta):
        return budget
    each = step_seconds(shop, 0, rate, rounds=3, turn=0.01)
    step = sum(sum(own) / len(own) for own in each.values()) / len(each)
    start = time.perf_counter()
    with shop.ranks.agreed():
        model, _ = shop.model(shop.arms[0], 0)
    shop.evaluate(model, 0, shop.arms[0])
    testing = EVALUATIONS * (time.perf_counter() - start)
    left = budget.total_seconds() / trainings.all - testing
    steps = int(shop.ranks.shared(left / step))
    if steps < EVALUATIONS:
        wanted = trainings.all * (testing + EVALUATIONS * step)
        raise CompareError(
            f"budget is {budget}, too short for about {trainings.all} runs of at least "
            f"{EVALUATIONS} steps, which need {timedelta(seconds=round(wanted) + 1)}; give more, "
            "or fewer rates"
        )
    return steps
