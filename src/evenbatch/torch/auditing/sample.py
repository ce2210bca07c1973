"""What one batch shows: at each norm layer the values its statistics are taken over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.findings import Note
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.behaviour import OWN, SHARED, blocks
from evenbatch.torch.measuring.listening import Listening
from evenbatch.torch.measuring.probing import numeric
from evenbatch.torch.models.inputs import Inputs, tensors_in
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import difference, forward, set_mode
from evenbatch.torch.models.words import line_of, short

CONSTANT = 1e-12  # parts of the squared mean; rounding in float32 leaves 1e-14


@dataclass(frozen=True)
class Call:
    """One call of one norm layer: its input's shape and statistics.

    `values` is the number of values behind each mean and variance (0 if that is not one number),
    `variances` those variances. `mean` and `var` are (C,), over everything but the channels.
    Variances are biased; all on the CPU.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    values: int
    variances: torch.Tensor
    mean: torch.Tensor | None = None
    var: torch.Tensor | None = None
    finite: bool = True
    size: float = 0.0  # root mean square of the input
    far: float = 0.0  # largest distance of a mean from 0, in its standard deviations
    constant: int = 0  # sets of values that are one and the same, and not 0


@dataclass
class Pass:
    """One forward pass of the whole model: calls of its norms by their keys."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    entered: set[str] = field(default_factory=set)  # paths of the modules that were called
    examples: int = 0
    error: str = ""
    at: str = ""  # the module whose forward failed, and the line of code
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
        """In the batch."""
        return self.inputs.examples


def look(norm: Norm, x: torch.Tensor) -> Call:
    """What the layer is given in one call."""
    x, does = x.detach(), norm.does
    shape, nothing = tuple(x.shape), torch.zeros(0)
    found = does.statistics(x)
    mean, var = (None, None) if found is None else found
    size = float(x.detach().abs().double().square().mean().sqrt()) if x.numel() else 0.0
    far = _far(*(found or blocks((SHARED,) * x.dim(), 1, x))) if x.numel() and does.centred else 0.0
    variances = nothing if var is None else var.flatten()
    constant = 0
    if mean is not None and var is not None and does.values(shape) > 1:
        constant = int((var < CONSTANT * mean.abs().square()).sum())
    if does.channel is None or does.channel >= x.dim() or not x.numel() or x.is_complex():
        mean = var = None
    elif mean is None or mean.dim() != 1 or len(mean) != shape[does.channel]:
        over = tuple(OWN if axis == does.channel else SHARED for axis in range(x.dim()))
        mean, var = blocks(over, 1, x)
    known = [t for t in (variances, mean) if t is not None and t.numel()]
    finite = bool(known) and all(bool(torch.isfinite(t).all()) for t in known)
    finite = finite or bool(torch.isfinite(x).all())
    return Call(
        shape, x.dtype, does.values(shape), variances, mean, var, finite, size, far, constant
    )


def _far(mean: torch.Tensor, var: torch.Tensor) -> float:
    ratios = mean.abs()[var > 0] / var[var > 0].sqrt()
    return float(ratios.max()) if ratios.numel() and bool(ratios.isfinite().all()) else 0.0


def run(model: nn.Module, norms: tuple[Norm, ...], inputs: Inputs) -> Pass:
    """One forward pass of a lent model in the modes that are set, every norm layer looked at."""
    done = Pass(examples=inputs.examples)
    by_key = {norm.key: norm for norm in norms}

    def at_norm(key: str, args: Any, kwargs: Any) -> None:
        done.entered.add(key)
        if key in by_key:
            x = next((t for t in tensors_in((args, kwargs)) if numeric(t)), None)
            if x is not None:
                done.calls.setdefault(key, []).append(look(by_key[key], x))

    listening = Listening(
        model,
        enter=lambda path, module, args, kwargs: at_norm(path, args, kwargs),
        called=lambda key, function, args, kwargs, output: at_norm(key, args, kwargs),
    )
    try:
        with listening:
            done.output = forward(model, inputs)
    except (Exception, SystemExit) as error:
        done.error = short(error)
        inside = listening.inside[-1] if listening.inside else ""
        done.at = (repr(inside) if inside else "the model's own forward") + line_of(error)
    return done


def take(lender: Lender, norms: tuple[Norm, ...], inputs: Inputs) -> tuple[Sample, list[Note]]:
    """Run the batch through copies of the model in both modes."""
    with lender.lend() as model:
        set_mode(model, False)
        evaluating = run(model, norms, inputs)
    with lender.lend() as model:
        norms_train(model, norms)
        training = run(model, norms, inputs)
    return Sample(inputs, evaluating, training), _failures(inputs, evaluating, training)


def norms_train(model: nn.Module, norms: tuple[Norm, ...]) -> None:
    """The norm layers in training mode, all else in evaluation mode: dropout stays off, and what
    differs from a pass in evaluation mode is the statistics' doing alone."""
    set_mode(model, False)
    for norm in norms:
        if not norm.call:
            set_mode(model.get_submodule(norm.path), True)


def coupling(
    lender: Lender, norms: tuple[Norm, ...], inputs: Inputs, training: bool
) -> float | None:
    """How much half a batch's output changes with the other half's company, in parts of its
    largest value; None if that cannot be measured."""
    half = inputs.examples // 2
    if half < 2:
        return None
    outputs = []
    for part in (inputs, inputs.first(half)):
        with lender.lend() as model:
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
