"""The outputs of a model elsewhere beside PyTorch's and float64's, at its end and at every norm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from evenbatch.torch.deploying.runtimes import DeployError, Runtime, Tensors
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.listening import Listening
from evenbatch.torch.measuring.probing import numeric
from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import Inputs, mapped, tensors_in
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import difference, gradients, set_mode
from evenbatch.torch.models.words import brief, counted
from evenbatch.torch.rewrite._proof import TOLERANCE

TIMES = 10.0  # as far from float64 as PyTorch: rounding, in another order of sums

Call = tuple[str, torch.Tensor]  # a norm's key and what it gave


@dataclass(frozen=True)
class Row:
    """One call of a norm, or the model's output, in parts of its largest value.

    Args:
        key: of the norm; "" is the model's output.
        there, here: how far the runtime and PyTorch are from float64.
        differs: whether the first is more than rounding explains.
    """

    key: str
    there: float
    here: float
    differs: bool

    @property
    def path(self) -> str:
        """The module."""
        return self.key.split(":")[0]


@dataclass(frozen=True)
class Deployed:
    """A model carried out elsewhere: all in evaluation mode, as it is to be used.

    Args:
        runtime: its name and version.
        output: the model's output.
        norms: every call of a norm, in the order they run, when these too are asked for.
        alone: how far the first norm that differs is off by itself, given what PyTorch gives it;
            None if there is none, or that could not be tried.
        reference: "float64", or "PyTorch" for a model that cannot calculate in that.
        problem: why the norms could not be compared, or "".
    """

    runtime: str
    output: Row
    norms: tuple[Row, ...] = ()
    alone: Row | None = None
    reference: str = "float64"
    problem: str = ""

    @property
    def first(self) -> Row | None:
        """The first norm that differs."""
        return next((row for row in self.norms if row.differs), None)

    @property
    def equal(self) -> bool:
        """Whether the output, and every norm's, is what it should be up to rounding."""
        return not self.output.differs and self.first is None

    def agrees(self, key: str) -> bool:
        """Whether a norm was compared, and found equal in each of its calls."""
        rows = [row for row in self.norms if row.key == key]
        return bool(rows) and not any(row.differs for row in rows)

    def described(self) -> str:
        """In a sentence."""
        said = f"{self.runtime}: output {_apart(self.output)} from {self.reference}"
        if self.problem:
            return f"{said}; norms not compared ({self.problem})"
        if not self.norms:
            return said
        worst = max(self.norms, key=lambda row: row.there)
        return (
            f"{said}; {counted(len(self.norms), 'norm call')}, at most {_apart(worst)} "
            f"at {worst.path or 'the model itself'!r}"
        )

    def __str__(self) -> str:
        lines = [self.described()]
        width = max((len(row.key) for row in self.norms), default=0)
        for row in self.norms:
            lines.append(f"  {row.key:{width}}  {_apart(row)}{'  differs' if row.differs else ''}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {**asdict(self), "equal": self.equal}


def _apart(row: Row) -> str:
    return f"{brief(row.there)} (PyTorch {brief(row.here)})"


def compared(lender: Lender, norms: Sequence[Norm], inputs: Inputs, runtime: Runtime) -> Deployed:
    """Carry the lent model out by the runtime and compare it with PyTorch in evaluation mode.

    The model is converted in the mode that it is in. Its outputs come from a plain conversion;
    those of the norms from a second one that hands them out as well.

    Raises:
        DeployError: it cannot be converted, or fails there.
    """
    keys = {norm.key for norm in norms}
    here = _eager(lender, inputs, keys)
    right, reference = here, "PyTorch"
    with suppress(Exception):  # a model that calculates in its own type alone
        right, reference = _eager(lender, inputs, keys, torch.float64), "float64"
    allowed = _allowed(lender.model)
    output = _row("", right[0], _there(lender, inputs, runtime, [])[0], here[0], allowed)
    rows: list[Row] = []
    alone, problem = None, ""
    try:
        calls = _there(lender, inputs, runtime, here[1])[1] if here[1] else []
        rows = [
            _row(key, [a], [b], [c], allowed)
            for (key, a), (_, b), (_, c) in zip(right[1], calls, here[1], strict=True)
        ]
    except ValueError as error:
        problem = str(error) if isinstance(error, DeployError) else "others are called there"
    first = next((row for row in rows if row.differs), None)
    if first is not None:
        norm = next(norm for norm in norms if norm.key == first.key)
        with suppress(Exception):
            alone = _alone(lender, norm, inputs, runtime, allowed)
    return Deployed(runtime.described, output, tuple(rows), alone, reference, problem)


def _allowed(model: nn.Module) -> float:
    dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
    return max((TOLERANCE.get(dtype, 0.1) for dtype in dtypes), default=1e-4)


def _row(key: str, right: Any, there: Any, here: Any, allowed: float) -> Row:
    far, usual = difference(right, there), difference(right, here)
    return Row(key, far, usual, not far <= max(allowed, TIMES * usual))


class _Flat(nn.Module):
    """The model as a function of tensors that gives tensors: its own outputs, and its norms'."""

    def __init__(self, model: nn.Module, inputs: Inputs, keys: set[str]) -> None:
        super().__init__()
        self.model, self.keys = model, keys
        self.nest = (inputs.args, dict(inputs.kwargs))
        self.order = {id(t): i for i, t in enumerate(inputs.tensors())}
        self.training = model.training
        self.called: list[str] = []  # in PyTorch; an exporter works on a copy

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The floating outputs first, then each norm's."""
        args, kwargs = mapped(self.nest, lambda t: tensors[self.order[id(t)]])
        called, given = list[str](), list[torch.Tensor]()

        def left(key: str, output: Any) -> None:
            y = next((t for t in tensors_in(output) if numeric(t)), None)
            if key in self.keys and y is not None:
                called.append(key)
                given.append(y * 1.0)  # the next layer may work in place

        listening = Listening(
            self.model,
            leave=lambda path, module, args, kwargs, output: left(path, output),
            called=lambda key, function, args, kwargs, output: left(key, output),
        )
        if not self.keys:
            output = self.model(*args, **kwargs)
        else:
            with listening:
                output = self.model(*args, **kwargs)
        self.called = called
        return (*(t for t in tensors_in(output) if numeric(t)), *given)


def _split(outputs: Tensors, called: Sequence[str]) -> tuple[list[torch.Tensor], list[Call]]:
    real = [torch.view_as_real(t) if t.is_complex() else t for t in outputs]
    wide = [t.detach().double() for t in real]
    own = len(wide) - len(called)
    return wide[:own], list(zip(called, wide[own:], strict=True))


def _eager(
    lender: Lender, inputs: Inputs, keys: set[str], dtype: torch.dtype | None = None
) -> tuple[list[torch.Tensor], list[Call]]:
    """PyTorch's own outputs in evaluation mode, and each norm's."""
    with lender.lend() as model:
        set_mode(model, False)
        if dtype is not None:
            for layer in model.modules():  # an eps that follows the type of the numbers
                if isinstance(layer, nn.RMSNorm) and layer.eps is None:
                    layer.eps = torch.finfo(torch.float32).eps
            model = copied(model).to(dtype)
            inputs = inputs.mapped(lambda t: t.to(dtype) if t.is_floating_point() else t)
        flat = _Flat(model, inputs, keys)
        with gradients(model, inputs.grad):
            outputs = flat(*[t.clone() for t in inputs.tensors()])
            return _split(outputs, flat.called)


def _there(
    lender: Lender, inputs: Inputs, runtime: Runtime, here: list[Call]
) -> tuple[list[torch.Tensor], list[Call]]:
    """The runtime's outputs, and those of the norms that were called in PyTorch."""
    called = [key for key, _ in here]
    with lender.lend() as model:
        flat = _Flat(model, inputs, set(called))
        tensors = [t.detach().clone() for t in inputs.tensors()]
        return _split(runtime.given(flat, tensors), called)


def _alone(
    lender: Lender, norm: Norm, inputs: Inputs, runtime: Runtime, allowed: float
) -> Row | None:
    """One norm layer by itself, given what it is given in PyTorch."""
    if norm.call:
        return None
    given: list[Inputs] = []
    with lender.lend() as model:
        layer = copied(model.get_submodule(norm.path))
        set_mode(model, False)

        def entered(path: str, module: Any, args: Any, kwargs: Any) -> None:
            if path == norm.path and not given:
                given.append(Inputs(*mapped((args, kwargs), lambda t: t.detach().clone())))

        with Listening(model, enter=entered), gradients(model, inputs.grad):
            args, kwargs = copied((inputs.args, dict(inputs.kwargs)))
            model(*args, **kwargs)
    own = Lender(layer)
    here = _eager(own, given[0], set())[0]
    right = _eager(own, given[0], set(), torch.float64)[0]
    return _row(norm.key, right, _there(own, given[0], runtime, [])[0], here, allowed)
