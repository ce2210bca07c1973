"""One training of one arm: its description, and from it a curve."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from evenbatch.engine import Curve
from evenbatch.engine.machine import machine
from evenbatch.engine.trial import ENGINE_VERSION
from evenbatch.torch.comparing.batches import Feed, moved, rows_in
from evenbatch.torch.comparing.errors import CompareError, short
from evenbatch.torch.comparing.measures import (
    Measure,
    Scale,
    accuracy,
    as_number,
    default_loss,
    once,
)
from evenbatch.torch.comparing.models import Make, optimizer_of, paired, synced
from evenbatch.torch.comparing.ranks import Ranks


@dataclass(frozen=True)
class Training:
    """What names a training: stands where the engine's own trials have a `Trial`.

    Attributes:
        model, version: the name the user gave to the model, and which state of its code.
        arm: the arm.
        data: name of the data.
        optimizer, learning_rate, batch_size, steps, seed, evaluate_every: of the training.
        metric: its name.
        setting: what else the curve depends on: device, processes, PyTorch, source of the
            functions given.
    """

    model: str
    version: str
    arm: str
    data: str
    optimizer: str
    learning_rate: float
    batch_size: int
    steps: int
    seed: int
    evaluate_every: int
    metric: str
    setting: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, laid out as a `Trial` is."""
        network = {"model": self.model, "version": self.version, "norm": self.arm}
        own = {
            name: getattr(self, name)
            for name in ("data", "optimizer", "learning_rate", "batch_size", "steps", "seed",
                         "evaluate_every", "metric")
        }  # fmt: skip
        return {"network": network, **own, **dict(self.setting)}

    @cached_property
    def key(self) -> str:
        """Hash of all of it, made as a trial's key is."""
        text = json.dumps([ENGINE_VERSION, self.as_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def evaluation_steps(self) -> set[int]:
        """Steps after which the model is evaluated."""
        return {0, *range(self.evaluate_every, self.steps, self.evaluate_every), self.steps}


@dataclass(frozen=True)
class Workshop:
    """All that is needed to train one arm.

    Attributes:
        make_model: the user's factory.
        arms: names of all arms; the first gives the initial weights.
        feed: the batches.
        loss, scale: what is minimized, and what is measured.
        optimizer: a name, or the user's function.
        ranks: this process and its device.
        sync: statistics of batch norm over all processes.
    """

    make_model: Make
    arms: Sequence[str]
    feed: Feed
    loss: Measure
    scale: Scale
    optimizer: Any
    ranks: Ranks
    sync: bool = False

    def model(self, arm: str, seed: int) -> tuple[nn.Module, float]:
        """An arm's model on the device, and the share of weights it has in common with the first
        arm's."""
        model, shared = paired(self.make_model, self.arms, arm, seed)
        if self.sync:
            model = synced(model, arm, self.ranks)
        try:
            return model.to(self.ranks.device), shared
        except Exception as error:
            raise CompareError(
                f"the model of {arm!r} cannot be moved to {self.ranks.device}: {short(error)}"
            ) from error

    def ready(self, arm: str, seed: int, rate: float) -> tuple[Any, Any, float]:
        """An arm's model as it is trained, its optimizer, and the share of weights in common."""
        with self.ranks.agreed():
            model, shared = self.model(arm, seed)
            torch.manual_seed(seed)
            optimizer = optimizer_of(self.optimizer, model, rate, arm)
        return self.ranks.wrapped(model.train()), optimizer, shared

    def loss_of(self, model: nn.Module, batch: Any, arm: str) -> Any:
        """The loss on a batch, a tensor with one value.

        Raises:
            CompareError: the model or the loss fails.
        """
        with _about(arm, "on a training batch"):
            loss = self.loss(model, batch)
            if not torch.is_tensor(loss) or loss.numel() != 1:
                as_number(loss, "loss(model, batch)")
                raise CompareError("the loss is a plain number, through which nothing can learn")
            if not loss.requires_grad:
                raise CompareError(
                    "the loss does not depend on any parameter that can be trained; is it computed "
                    "under no_grad, or everything frozen?"
                )
            return loss.reshape(())

    def evaluate(self, model: nn.Module, seed: int, arm: str) -> tuple[float, float]:
        """Test loss and metric (times its sign), in evaluation mode; the same in all processes."""
        found = (math.nan, math.nan)
        with self.ranks.agreed():
            if self.ranks.first:
                found = self._tested_in_evaluation_mode(model, seed, arm)
        shared: tuple[float, float] = self.ranks.shared(found)
        return shared

    def _tested_in_evaluation_mode(
        self, model: nn.Module, seed: int, arm: str
    ) -> tuple[float, float]:
        inner = getattr(model, "module", model) if self.ranks.world > 1 else model
        was = inner.training
        inner.eval()
        with torch.no_grad(), own_random_numbers(self.ranks.device), _about(arm, "in testing"):
            found = self._tested(inner, seed)
        inner.train(was)
        return found

    def _tested(self, model: nn.Module, seed: int) -> tuple[float, float]:
        losses = metrics = rows = 0.0
        one = self.loss is default_loss and self.scale.measure is accuracy
        for batch in self.feed.testing(seed):
            batch = moved(batch, self.ranks.device)
            size = rows_in(batch)
            tested = once(model, batch) if one else model
            loss = as_number(self.loss(tested, batch), "loss(model, batch)")
            losses += size * loss
            if self.scale.name == "loss":
                metrics += size * loss
            else:
                value = self.scale.measure(tested, batch)
                metrics += size * as_number(value, f"metric {self.scale.name}(model, batch)")
            rows += size
        if not rows:
            raise CompareError("the test loader gave no batch")
        return losses / rows, self.scale.sign * metrics / rows

    def train(self, training: Training) -> Curve:
        """Train it to the end, or until its loss is not finite."""
        arm, seed, ranks = training.arm, training.seed, self.ranks
        with own_random_numbers(ranks.device):
            wrapped, optimizer, _ = self.ready(arm, seed, training.learning_rate)
            notes = _Notes()
            notes.add(0, 0.0, *self.evaluate(wrapped, seed, arm))
            wanted, seconds, ended = training.evaluation_steps(), 0.0, "finished"
            batches = self.feed.training(seed)
            for step in range(1, training.steps + 1):
                start = time.perf_counter()
                value = self.step(wrapped, optimizer, batches, arm)
                if step in wanted:
                    ranks.finish_step()
                seconds += time.perf_counter() - start
                notes.losses.append(value)
                if not math.isfinite(value):
                    ended = "diverged"
                    notes.add(step, seconds, math.inf, math.nan)
                    break
                if step in wanted:
                    notes.add(step, seconds, *self.evaluate(wrapped, seed, arm))
        return notes.curve(training, ended, step)

    def step(self, model: nn.Module, optimizer: Any, batches: Iterator[Any], arm: str) -> float:
        """One step; the loss before it, over all processes. None is taken if that is not finite."""
        optimizer.zero_grad(set_to_none=True)
        with self.ranks.agreed(), _about(arm, "in reading a training batch"):
            batch = moved(next(batches), self.ranks.device)
        self.ranks.same_buffers(model)
        loss, failed = None, None
        try:
            loss = self.loss_of(model, batch, arm)
        except Exception as error:
            failed = error
        value = self.ranks.mean(math.nan if loss is None else float(loss.detach()), failed)
        if loss is not None and math.isfinite(value):
            with _about(arm, "in the backward pass"):
                loss.backward()
            optimizer.step()
        return value

    def run(
        self,
        trials: Sequence[Training],
        _datasets: Any,
        on_curve: Callable[[Curve, Mapping[str, Any]], None],
        _threads: int | None,
    ) -> None:
        """Train one after the other: the member `run` of a runner (`evenbatch.runners.Runner`)."""
        here = machine()
        for training in trials:
            on_curve(self.train(training), here)

    def close(self) -> None:
        """Nothing was started."""


class _Notes:
    """A curve while it grows."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []
        self.losses: list[float] = []

    def add(self, step: int, seconds: float, test_loss: float, metric: float) -> None:
        mean = float(np.mean(self.losses)) if self.losses else math.nan
        self.losses.clear()
        self.rows.append((step, seconds, mean, test_loss, metric))

    def curve(self, training: Any, ended: str, at: int) -> Curve:
        step, seconds, train_loss, test_loss, metric = np.array(self.rows).T
        no, whole = np.full(len(step), np.nan), step.astype(np.int64)
        return Curve(training, whole, seconds, train_loss, test_loss, metric, no, no, ended, at)


@contextmanager
def own_random_numbers(device: Any) -> Iterator[None]:
    """PyTorch's random numbers are afterwards as they were before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


@contextmanager
def _about(arm: str, when: str) -> Iterator[None]:
    """Errors of the user's code name the arm and where it happened."""
    try:
        yield
    except CompareError as error:
        raise CompareError(f"arm {arm!r}, {when}: {error}") from error
    except (KeyboardInterrupt, MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        raise CompareError(f"arm {arm!r} fails {when}: {short(error)}") from error


def check(workshop: Workshop, rate: float) -> dict[str, float]:
    """Build each arm and take it through one step and one test, so that what is wrong shows first.

    Returns: for each arm, the share of its weights that start as the first arm's do.

    Raises:
        CompareError: an arm fails; the message names it and the place.
    """
    shares = {}
    for arm in workshop.arms:
        with own_random_numbers(workshop.ranks.device):
            wrapped, optimizer, shares[arm] = workshop.ready(arm, 0, rate)
            workshop.step(wrapped, optimizer, workshop.feed.training(0), arm)
            workshop.evaluate(wrapped, 0, arm)
    return shares


ROUNDS, TURN = 15, 0.02


def step_seconds(
    workshop: Workshop, seed: int, rate: float, rounds: int = ROUNDS, turn: float = TURN
) -> dict[str, list[float]]:
    """Seconds per step of each arm, round by round, arms taking turns in a changing order.

    Args:
        workshop: the arms.
        seed: of models and batches.
        rate: a learning rate low enough that nothing diverges; a step costs the same at any.
        rounds: how often each arm's turn comes; one more before these only warms up.
        turn: seconds a turn takes at least; of one step, if that takes longer.
    """
    ranks, seconds = workshop.ranks, {arm: list[float]() for arm in workshop.arms}
    with own_random_numbers(ranks.device):
        going = {}
        for arm in workshop.arms:
            wrapped, optimizer, _ = workshop.ready(arm, seed, rate)
            going[arm] = wrapped, optimizer, workshop.feed.training(seed)

        def take(arm: str, steps: int) -> float:
            model, optimizer, batches = going[arm]
            ranks.finish_step()
            start = time.perf_counter()
            for _ in range(steps):
                workshop.step(model, optimizer, batches, arm)
            ranks.finish_step()
            return (time.perf_counter() - start) / steps

        for arm in workshop.arms:
            take(arm, 2)
        slowest = max(ranks.shared(take(arm, 2)) for arm in workshop.arms)
        steps = max(1, math.ceil(turn / max(slowest, 1e-9)))
        order = list(workshop.arms)
        for _ in range(rounds):
            for arm in order:
                seconds[arm].append(ranks.shared(take(arm, steps)))
            order = [*order[1:], order[0]] if len(order) > 2 else order[::-1]
    return seconds
