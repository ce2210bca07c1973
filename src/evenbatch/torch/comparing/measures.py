"""Loss and metric: of a model on a batch, and what of it is no more than guessing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from evenbatch.engine import Curve
from evenbatch.protocol.wording import digits
from evenbatch.torch.comparing.errors import CompareError

IGNORED = -100  # the target that PyTorch's cross entropy leaves out
Measure = Callable[[Any, Any], Any]
"""From model and batch to a number."""


def split(batch: Any) -> tuple[tuple[Any, ...], Any]:
    """Inputs and target of a batch (inputs …, target)."""
    if isinstance(batch, (tuple, list)) and len(batch) >= 2 and torch.is_tensor(batch[-1]):
        return tuple(batch[:-1]), batch[-1]
    raise CompareError(
        f"a batch is a {type(batch).__name__}, not (inputs …, target); give loss=, a function "
        "(model, batch) -> loss, and a metric of the same kind"
    )


def output_of(model: Any, batch: Any) -> tuple[Any, Any]:
    """What the model makes of the inputs, and the target."""
    inputs, target = split(batch)
    output = model(*inputs)
    if not torch.is_tensor(output):
        raise CompareError(
            f"the model gives a {type(output).__name__}, not a tensor; give loss=, a function "
            "(model, batch) -> loss, and a metric of the same kind"
        )
    return output, target


def class_scores(output: Any, target: Any) -> Any:
    """Scores with the classes on axis 1, as cross entropy wants them.

    Classes stand on axis 1 (PyTorch's convention) or on the last axis (sequence models).
    """
    shape, wanted = tuple(output.shape), tuple(target.shape)
    if len(shape) == len(wanted) + 1:
        if shape[:1] + shape[2:] == wanted:
            return output
        if shape[:-1] == wanted:
            return output.movedim(-1, 1)
    raise CompareError(
        f"the model's output has shape {shape} and the targets, which are classes, {wanted}; "
        f"an output with one more axis than the targets is needed, or loss="
    )


def default_loss(model: Any, batch: Any) -> Any:
    """Cross entropy for whole numbers, mean squared error for others."""
    output, target = output_of(model, batch)
    if not target.is_floating_point():
        return functional.cross_entropy(class_scores(output, target), target)
    if output.shape != target.shape:
        raise CompareError(
            f"the model's output has shape {tuple(output.shape)} and the targets "
            f"{tuple(target.shape)}; the mean squared error needs equal shapes; or give loss="
        )
    return functional.mse_loss(output, target)


def accuracy(model: Any, batch: Any) -> float:
    """The share of targets whose class has the highest score."""
    output, target = output_of(model, batch)
    if target.is_floating_point():
        raise CompareError(
            f'metric is "accuracy", but the targets are {target.dtype}, no classes; use '
            'metric="loss" or a function (model, batch) -> number'
        )
    counted = target != IGNORED
    right = (class_scores(output, target).argmax(1) == target) & counted
    return float(right.sum()) / max(int(counted.sum()), 1)


def once(model: Any, batch: Any) -> Any:
    """The model on this batch alone, run once for what `default_loss` and `accuracy` ask of it: a
    second run was nearly half of an evaluation's time."""
    output = model(*split(batch)[0])
    return lambda *inputs: output


@dataclass(frozen=True)
class Scale:
    """How the metric is read.

    Attributes:
        name: "accuracy", "loss", or the function's name.
        measure: the function, model and batch to number.
        sign: 1 where higher is better, -1 where lower is. Curves hold sign times the metric.
        given: the metric of guessing, if the user said.
        data: the metric of guessing as the test targets tell, and their number; None if they don't.
    """

    name: str
    measure: Measure
    sign: int = 1
    given: float | None = None
    data: tuple[float, int] | None = None

    def floor(self, curves: Iterable[Curve]) -> float:
        """The metric of guessing, times `sign`: as given, as the targets tell, or of the untrained
        models."""
        if self.given is not None:
            return self.sign * self.given
        if self.data is not None:
            return self.sign * self.data[0]
        return float(np.mean(_untrained(curves)))

    def noise(self, curves: Iterable[Curve]) -> float:
        """How far above guessing a metric must be to have learned anything."""
        if self.data is None or self.given is not None:
            start = _untrained(curves)
            return max(3 * float(np.std(start)), 0.01 * abs(float(np.mean(start))), 1e-9)
        value, number = self.data
        if self.name == "accuracy":
            return 3 * math.sqrt(max(value * (1 - value), 1e-9) / max(number, 1))
        return max(0.05 * abs(value), 1e-9)

    @property
    def rows(self) -> int:
        """Test targets that are counted; 0 if that is not known."""
        return self.data[1] if self.data is not None and self.name == "accuracy" else 0

    @property
    def percent(self) -> bool:
        """True for shares."""
        return self.name == "accuracy"

    def said(self, signed: float) -> str:
        """A metric (times `sign`) in words.

        >>> Scale("accuracy", accuracy).said(0.934), Scale("loss", default_loss, -1).said(-0.25)
        ('93.4 %', 'loss 0.25')
        """
        value = self.sign * signed
        if not math.isfinite(value):
            return "not finite"
        return f"{100 * value:.1f} %" if self.percent else f"{self.name} {digits(value)}"

    @property
    def unit(self) -> str:
        """The unit of a difference (times 100 for shares)."""
        return "points of accuracy" if self.percent else f"of {self.name}"


def _untrained(curves: Iterable[Curve]) -> Any:
    starts = np.array([float(curve.metric[0]) for curve in curves if len(curve.metric)])
    starts = starts[np.isfinite(starts)]
    return starts if len(starts) else np.zeros(1)


def guessing(name: str, loss: Measure, batches: Iterable[Any]) -> tuple[float, int] | None:
    """The metric of the best constant answer to the test targets, and how many targets there are.

    Accuracy: the share of the most frequent class. Loss: the entropy of the classes, or the
    variance of the targets. None where the metric or the loss is the user's own.
    """
    if name not in ("accuracy", "loss") or (name == "loss" and loss is not default_loss):
        return None
    try:
        targets = [split(batch)[1].detach().cpu() for batch in batches]
    except CompareError:
        return None
    if targets[0].is_floating_point():
        rows = torch.cat([t.reshape(len(t), -1) for t in targets]).double()
        return (float(rows.var(0, correction=0).mean()), len(rows)) if name == "loss" else None
    flat = torch.cat([t.reshape(-1) for t in targets])
    counts = torch.bincount(flat[flat >= 0]).double()
    shares = counts[counts > 0] / counts.sum()
    value = shares.max() if name == "accuracy" else -(shares * shares.log()).sum()
    return float(value), int(counts.sum())


def scale_of(metric: Any, better: str | None, chance: float | None) -> Scale:
    """From what the user gave as `metric`.

    Raises:
        CompareError: it is no metric, or `better` is no direction.
    """
    if better not in (None, "higher", "lower"):
        raise CompareError(f'better is {better!r}; say "higher" or "lower"')
    if metric == "accuracy":
        return Scale("accuracy", accuracy, 1, chance)
    if metric == "loss":
        return Scale("loss", default_loss, -1, chance)
    if not callable(metric):
        raise CompareError(
            f'metric is {metric!r}; it must be "accuracy", "loss" or a function '
            "(model, batch) -> number"
        )
    return Scale(
        getattr(metric, "__name__", "metric"), metric, -1 if better == "lower" else 1, chance
    )


def as_number(value: Any, what: str) -> float:
    """A number, or one in a tensor.

    Raises:
        CompareError: it is something else.
    """
    if torch.is_tensor(value) and value.numel() == 1:
        return float(value)
    if isinstance(value, (bool, int, float, np.integer, np.floating)):
        return float(value)
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    raise CompareError(
        f"{what} gave a {type(value).__name__}{shape}, not a number; return one number for a batch"
    )
