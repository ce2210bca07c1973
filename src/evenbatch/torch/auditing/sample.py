"""What one batch shows: at each norm layer the values its statistics are taken over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.findings import Note
from evenbatch.torch.auditing.layers import Norm
from evenbatch.torch.auditing.running import (
    Inputs,
    difference,
    forward,
    left_as_it_was,
    line_of,
    set_mode,
    short,
)


@dataclass(frozen=True)
class Call:
    """One call of one norm layer: its input's shape and statistics.

    `values` is the number of values behind each mean and variance, `variances` those variances.
    `mean` and `var` are (C,), over everything but the channels, for layers that have channels.
    Variances are biased; all on the CPU.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    values: int
    variances: torch.Tensor
    mean: torch.Tensor | None = None
    var: torch.Tensor | None = None
    finite: bool = True
    masked: bool = False  # called with a mask of its own
    seen: torch.Tensor | None = None  # the input itself, where a rule needs it


@dataclass
class Pass:
    """One forward pass of the whole model."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    error: str = ""
    at: str = ""  # the module whose forward failed, and the line of code
    wants_gradients: bool = False  # it failed because it was run without
    output: list[torch.Tensor] = field(default_factory=list)


@dataclass
class Sample:
    """The passes over one batch: in evaluation mode, and with the norm layers in training mode."""

    inputs: Inputs
    evaluating: Pass
    training: Pass

    @property
    def gap(self) -> float | None:
        """How far the outputs of the two modes are apart, in parts of the larger; None unknown."""
        if self.evaluating.error or self.training.error:
            return None
        return difference(self.training.output, self.evaluating.output)

    @property
    def examples(self) -> int:
        return self.inputs.examples


def values_behind(norm: Norm, shape: tuple[int, ...]) -> int:
    """How many values each mean and variance of the layer is taken over, for this input."""
    total = math.prod(shape)
    match norm.kind:
        case "batch" | "frozen batch" if len(shape) > 1:
            return total // max(1, shape[1])
        case "instance":
            channels = getattr(norm.module, "num_features", 0)
            spatial = shape[2:] if len(shape) > 2 and shape[1] == channels else shape[1:]
            return math.prod(spatial)
        case "group" if len(shape) > 1:
            return total // max(1, shape[0]) // int(getattr(norm.module, "num_groups", 1))
        case "layer" | "rms":
            over = getattr(norm.module, "normalized_shape", None) or shape[-1:]
            return math.prod(over)
    return total


def look(norm: Norm, x: torch.Tensor, masked: bool = False, keep: bool = False) -> Call:
    """What the layer is given in one call."""
    x = x.detach()
    shape = tuple(x.shape)
    values = values_behind(norm, shape)
    mean = var = None
    variances = torch.zeros(0)
    if norm.kind in ("batch", "instance", "group") and x.dim() > 1 and x.numel():
        means, spreads = _by_example_and_channel(x)
        mean, var = means.mean(0), _pooled(means, spreads, 0)
        if norm.kind == "batch":
            variances = var
        elif norm.kind == "instance":
            variances = spreads.flatten()
        else:
            parts = (len(means), int(getattr(norm.module, "num_groups", 1)), -1)
            variances = _pooled(means.reshape(parts), spreads.reshape(parts), 2).flatten()
    elif values and x.numel():
        variances = _over_values(norm, x, values)
    known = (variances,) if mean is None else (variances, mean)
    finite = all(bool(torch.isfinite(t).all()) for t in known) or bool(torch.isfinite(x).all())
    kept = _wide(x).cpu() if keep else None
    return Call(shape, x.dtype, values, variances, mean, var, finite, masked, kept)


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _by_example_and_channel(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each example's every channel, (N, C): one pass over the input.

    All the other statistics follow from these; a copy in float64 would take ten times as long.
    """
    rows = _wide(x).reshape(x.shape[0], x.shape[1], -1)
    var, mean = torch.var_mean(rows, 2, correction=0)
    return mean.double().cpu(), var.double().cpu()


def _pooled(means: torch.Tensor, spreads: torch.Tensor, axis: int) -> torch.Tensor:
    """Variance of the union of equally large parts: mean variance and variance of means."""
    return spreads.mean(axis) + means.var(axis, correction=0)


def _over_values(norm: Norm, x: torch.Tensor, values: int) -> torch.Tensor:
    """The variance behind each statistic over the last dimensions; for RMS norm the mean square."""
    rows = _wide(x).reshape(-1, values)
    return (rows.square().mean(1) if norm.kind == "rms" else rows.var(1, correction=0)).cpu()


def run(model: nn.Module, norms: tuple[Norm, ...], inputs: Inputs, keep: bool = False) -> Pass:
    """One forward pass in the modes that are set, every norm layer watched."""
    done = Pass()
    hooks = []
    inside: list[str] = []  # paths of the modules whose forward has begun and not ended

    def enter(path: str, module: Any, args: Any) -> None:
        inside.append(path)

    def leave(module: Any, args: Any, output: Any) -> None:
        inside.pop()

    def at_norm(norm: Norm, module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        x = args[0] if args else next(iter(named.values()), None)
        if isinstance(x, torch.Tensor):
            masked = named.get("mask") is not None or len(args) > 1
            done.calls.setdefault(norm.path, []).append(look(norm, x, masked, keep))

    try:
        for path, module in model.named_modules():
            hooks.append(module.register_forward_pre_hook(partial(enter, path)))
            hooks.append(module.register_forward_hook(leave))
        for norm in norms:
            hooks.append(
                norm.module.register_forward_pre_hook(partial(at_norm, norm), with_kwargs=True)
            )
        done.output = forward(model, inputs)
    except (Exception, SystemExit) as error:
        done.error = short(error)
        done.at = _place(inside[-1] if inside else "") + line_of(error)
        done.wants_gradients = "does not require grad" in str(error) and not inputs.grad
    finally:
        for hook in hooks:
            hook.remove()
    return done


def take(model: nn.Module, norms: tuple[Norm, ...], inputs: Inputs) -> tuple[Sample, list[Note]]:
    """Run the batch through the model in both modes, and leave the model as it was."""
    evaluating = _evaluated(model, norms, inputs)
    if evaluating.wants_gradients:
        inputs = replace(inputs, grad=True)
        evaluating = _evaluated(model, norms, inputs)
    with left_as_it_was(model):
        norms_train(model, norms)
        training = run(model, norms, inputs)
    return Sample(inputs, evaluating, training), _failures(inputs, evaluating, training)


def _evaluated(model: nn.Module, norms: tuple[Norm, ...], inputs: Inputs) -> Pass:
    with left_as_it_was(model):
        set_mode(model, False)
        return run(model, norms, inputs, keep=inputs.mask is not None)


def norms_train(model: nn.Module, norms: tuple[Norm, ...]) -> None:
    """The norm layers in training mode, all else in evaluation mode: dropout stays off, and what
    differs from a pass in evaluation mode is the statistics' doing alone."""
    set_mode(model, False)
    for norm in norms:
        norm.module.training = True


def coupling(
    model: nn.Module, norms: tuple[Norm, ...], inputs: Inputs, training: bool
) -> float | None:
    """How much half a batch's output changes with the other half's company, in parts of its
    largest value; None if that cannot be measured."""
    half = inputs.examples // 2
    if half < 2:
        return None
    outputs = []
    for part in (inputs, inputs.first(half)):
        with left_as_it_was(model):
            if training:
                norms_train(model, norms)
            else:
                set_mode(model, False)
            done = run(model, (), part)
        if done.error:
            return None
        outputs.append(done.output)
    whole, alone = outputs
    if [t.shape[1:] for t in whole if t.dim()] != [t.shape[1:] for t in alone if t.dim()]:
        return None
    pairs = [(w[:half], a) for w, a in zip(whole, alone, strict=True)
             if a.dim() and a.shape[0] == half and w.shape[0] == inputs.examples]  # fmt: skip
    return difference([a for _, a in pairs], [w for w, _ in pairs]) if pairs else None


def _failures(inputs: Inputs, evaluating: Pass, training: Pass) -> list[Note]:
    """One note for each way the forward pass failed."""
    failed = {"evaluation": evaluating, "training": training}
    if evaluating.error == training.error:
        del failed["training"]
    return [
        Note(
            f"the forward pass in {mode} mode failed in {done.at} on the "
            f"batch {inputs.described()}: {done.error}",
            problem=True,
        )
        for mode, done in failed.items()
        if done.error
    ]


def _place(path: str) -> str:
    return repr(path) if path else "the model's own forward"
