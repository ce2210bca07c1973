"""`watch`: an audit of what happens to the norm layers while a training loop runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.gathering import ask, gather_state
from evenbatch.torch.auditing.report import Report
from evenbatch.torch.auditing.watched import Run, Seen
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.inputs import tensors_in


@contextmanager
def watch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    context: Context | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Iterator[Report]:
    """Watch a model while it trains and is evaluated; the report is there at the end.

    Put it around a few hundred steps with at least one evaluation. It listens at the norm layers
    and changes nothing; after each of their calls it asks whether their statistics are still
    finite, which on an accelerator costs a synchronization.

    Args:
        model, optimizer, context, select, ignore: as for `audit`.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    >>> with watch(model, select=["EB5"]) as report:
    ...     with torch.no_grad():  # evaluating, but model.eval() was forgotten
    ...         _ = model(torch.randn(8, 4))
    >>> [finding.code for finding in report]
    ['EB501']
    """
    subject, report = gather_state(model, optimizer, context, select, ignore)
    watcher = _Watcher(model, tuple(norm for norm in subject.norms if not norm.call))
    try:
        yield report
    finally:
        watcher.stop()
        report.looked_at.append(watcher.run.described())
        ask(subject.with_run(watcher.run), report, select, ignore)


@dataclass
class _Watcher:
    """The hooks, and what they saw."""

    model: nn.Module
    norms: tuple[Norm, ...]
    run: Run = field(default_factory=Run)
    hooks: list[Any] = field(default_factory=list)
    grad_at_root: bool = True
    forwards: int = 0  # training passes since the last backward
    evaluated: bool = False  # the last pass was in evaluation mode, and made gradients
    inside: bool = False

    def __post_init__(self) -> None:
        self.hooks.append(self.model.register_forward_pre_hook(self.enter))
        self.hooks.append(self.model.register_forward_hook(self.leave, always_call=True))
        for norm in self.norms:
            self.run.seen[norm.path] = Seen(frozen_at=_copied(norm) if norm.frozen else {})
            before = partial(self.before_norm, norm)
            self.hooks.append(norm.module.register_forward_pre_hook(before, with_kwargs=True))
            self.hooks.append(norm.module.register_forward_hook(partial(self.after_norm, norm)))
        first = next((p for p in self.model.parameters() if p.requires_grad), None)
        if first is not None:
            self.hooks.append(first.register_post_accumulate_grad_hook(self.backward_done))

    def stop(self) -> None:
        for hook in self.hooks:
            hook.remove()
        for norm in self.norms:
            seen, end = self.run.seen[norm.path], norm.statistics
            start = seen.frozen_at
            seen.overwritten = _overwritten(norm, start)
            if "mean" in end and {"mean", "variance"} <= set(start) and not seen.overwritten:
                var = start["variance"] + (norm.eps or 0.0)
                moved = (end["mean"].double().cpu() - start["mean"]) / var.sqrt()
                seen.drift = float(moved.abs().max())

    def enter(self, module: Any, args: Any) -> None:
        self.grad_at_root, self.inside = torch.is_grad_enabled(), True
        if module.training:
            self.run.training_passes += 1
            if self.grad_at_root:
                self.run.take_input(next(iter(tensors_in(args)), torch.zeros(0)))
            if self.grad_at_root:
                self.forwards += 1
                self.run.most_forwards = max(self.run.most_forwards, self.forwards)
        else:
            self.run.evaluating_passes += 1
        self.evaluated = self.grad_at_root and not module.training
        for seen in self.run.seen.values():
            seen.calls_now = 0

    def leave(self, module: Any, args: Any, output: Any) -> None:
        self.inside = False

    def backward_done(self, parameter: Any) -> None:
        self.forwards = 0
        self.run.trained_in_evaluation += self.evaluated
        self.evaluated = False

    def before_norm(self, norm: Norm, module: Any, args: Any, named: dict[str, Any]) -> None:
        x = args[0] if args else next(iter(named.values()), None)
        if not isinstance(x, torch.Tensor):
            return
        seen = self.run.seen[norm.path]
        if not module.training:
            seen.take_evaluation(norm, x)
            return
        if not norm.moves_when_training:
            return
        seen.moves += 1
        if _in_backward():
            seen.moves_in_backward += 1
            return
        if self.inside:
            seen.calls_now += 1
            seen.most_calls = max(seen.most_calls, seen.calls_now)
        # A part of the model may be called by itself. Inside the whole model it is its caller's
        # gradients that count: checkpointing runs parts without.
        grad = self.grad_at_root if self.inside else torch.is_grad_enabled()
        # update_bn estimates statistics on purpose, without gradients, with momentum None.
        if not grad and getattr(module, "momentum", 0.0) is not None:
            seen.moves_without_grad += 1
            seen.in_a_row += 1
            seen.most_in_a_row = max(seen.most_in_a_row, seen.in_a_row)
        else:
            seen.in_a_row = 0

    def after_norm(self, norm: Norm, module: Any, args: Any, output: Any) -> None:
        seen = self.run.seen[norm.path]
        if seen.broke_at is None and module.training:
            statistics = norm.statistics.values()
            if not all(bool(torch.isfinite(s).all()) for s in statistics):
                seen.broke_at = self.run.training_passes
                inputs = [x for x in args if isinstance(x, torch.Tensor)]
                seen.broke_on_finite_input = all(bool(torch.isfinite(x).all()) for x in inputs)


def _in_backward() -> bool:
    """Whether autograd is running: a forward pass then is a recomputation."""
    current = getattr(torch._C, "_current_graph_task_id", None)
    return current is not None and current() != -1


def _copied(norm: Norm) -> dict[str, torch.Tensor]:
    tensors = {**norm.statistics, **norm.parameters}
    return {name: value.detach().double().cpu().clone() for name, value in tensors.items()}


def _overwritten(norm: Norm, start: dict[str, torch.Tensor]) -> bool:
    """Whether gamma or beta changed all the same: the layer is no frozen one but follows another,
    as in a momentum encoder or an averaged model, and its statistics are meant to move."""
    return any(
        name in start and not torch.equal(parameter.detach().double().cpu(), start[name])
        for name, parameter in norm.parameters.items()
    )
