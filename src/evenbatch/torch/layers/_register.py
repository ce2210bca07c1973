"""How a normalizer becomes a pair of PyTorch operators.

``evenbatch::batch_norm`` and its kind are custom operators, so `torch.compile` and `torch.export`
keep them as one node, and autograd finds the gradient here:

* the forward operator returns y and the statistics it used;
* its gradient is a second operator, ``..._backward``, from dy, x and those statistics;
* the gradient of that one is taken through the same formula in plain PyTorch operations, so the
  second derivative (and the third) exists, slowly. What is not there: forward-mode derivatives and
  `torch.func` transforms of the operators themselves; the layers use PyTorch's own there.

Going through PyTorch's dispatcher costs a tenth of a millisecond, forward and backward, so where
nothing listens there (no compiler, no tracing, no second derivative) `Operator` calls the same two
functions by an `autograd.Function` of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import new_class
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from evenbatch.torch.layers._arrays import like

Run = Callable[..., tuple[Tensor, Tensor, Tensor]]

_PARAMETERS = "Tensor x, Tensor? weight, Tensor? bias"


def register(
    name: str,
    rest: str,
    forward: Run,
    backward: Run,
    formula: Run,
    statistics: Callable[..., Any],
    layout: Callable[[Tensor], torch.memory_format | None] = lambda x: None,
) -> Any:
    """Define ``evenbatch::name`` and ``evenbatch::name_backward``; returns the first.

    Args:
        name: of the operator.
        rest: the schema of the arguments after x, weight and bias.
        forward: ``(x, weight, bias, *rest) -> (y, mean, var)``.
        backward: ``(dy, x, weight, bias, mean, var, *rest) -> (dx, dweight, dbias)``.
        formula: as `forward`, in differentiable operations.
        statistics: ``(x, *rest)`` to the shape of mean and var.
        layout: the memory format y and dx have for this x; None for contiguous ones.
    """
    gradient = custom_op(
        f"evenbatch::{name}_backward",
        backward,
        mutates_args=(),
        schema=f"(Tensor dy, {_PARAMETERS}, Tensor mean, Tensor var, {rest})"
        " -> (Tensor, Tensor, Tensor)",
    )
    operator = custom_op(
        f"evenbatch::{name}",
        forward,
        mutates_args=(),
        schema=f"({_PARAMETERS}, {rest}) -> (Tensor, Tensor, Tensor)",
    )

    @operator.register_fake
    def _(x: Tensor, weight: Any, bias: Any, *more: Any) -> Any:
        shape = statistics(x, *more)
        both = (x.new_empty(shape, dtype=torch.float64) for _ in range(2))
        return like(x, layout(x)), *both

    @gradient.register_fake
    def _(dy: Tensor, x: Tensor, weight: Any, bias: Any, *more: Any) -> Any:
        both = (x.new_empty(0) if t is None else t.new_empty(t.shape) for t in (weight, bias))
        return like(x, layout(x)), *both

    operator.register_autograd(partial(_pull, gradient), setup_context=_keep_first)
    _register_second(gradient, formula)
    return Operator(operator, forward, _eager(name, forward, backward, gradient))


class Operator:
    """A forward operator to call: ``operator(x, weight, bias, *rest) -> (y, mean, var)``.

    Attributes:
        op: the operator as PyTorch's dispatcher knows it.
    """

    def __init__(self, op: Any, forward: Run, eager: Any) -> None:
        self.op, self._forward, self._eager = op, forward, eager

    def __call__(self, *arguments: Any) -> Any:
        if torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack():
            return self.op(*arguments)
        if torch.is_grad_enabled() and any(
            isinstance(t, Tensor) and t.requires_grad for t in arguments[:3]
        ):
            return self._eager.apply(*arguments)
        return self._forward(*arguments)


def _eager(name: str, forward: Run, backward: Run, gradient: Any) -> Any:
    """The same pair outside the dispatcher."""

    def run(ctx: Any, *arguments: Any) -> Any:
        output = forward(*arguments)
        _keep_first(ctx, arguments, output)
        return output

    def pull(ctx: Any, *cotangents: Any) -> Any:
        listened = torch.is_grad_enabled() or torch._C._len_torch_dispatch_stack()
        return _pull(gradient if listened else backward, ctx, *cotangents)

    members = {"forward": staticmethod(run), "backward": staticmethod(pull)}
    base = (torch.autograd.Function,)
    return new_class(f"evenbatch_{name}", base, exec_body=lambda body: body.update(members))


def _keep(ctx: Any, tensors: Sequence[Tensor | None], more: Sequence[Any]) -> None:
    """Save tensors and the arguments `more`, some of which are tensors too."""
    among = [t for t in more if isinstance(t, Tensor)]
    ctx.save_for_backward(*tensors, *among)
    ctx.more = [None if isinstance(t, Tensor) else (t,) for t in more]
    ctx.set_materialize_grads(False)


def _kept(ctx: Any) -> tuple[list[Any], list[Any]]:
    """What `_keep` was given."""
    count = sum(place is None for place in ctx.more)
    tensors = list(ctx.saved_tensors)
    among = iter(tensors[len(tensors) - count :])
    more = [next(among) if place is None else place[0] for place in ctx.more]
    return tensors[: len(tensors) - count], more


def _keep_first(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
    _keep(ctx, (*inputs[:3], *output[1:]), inputs[3:])
    ctx.mark_non_differentiable(*output[1:])


def _pull(run: Any, ctx: Any, dy: Tensor | None, _mean: Any, _var: Any) -> tuple[Any, ...]:
    """The gradient of the forward operator, by `run`."""
    (x, weight, bias, mean, var), more = _kept(ctx)
    if dy is None:
        return (None,) * (3 + len(more))
    dx, dweight, dbias = run(dy, x, weight, bias, mean, var, *more)
    found = (dx, None if weight is None else dweight, None if bias is None else dbias)
    return (*found, *(None for _ in more))


def _register_second(gradient: Any, formula: Run) -> None:
    """The gradient of the gradient operator, through the formula."""

    def keep(ctx: Any, inputs: tuple[Any, ...], output: Sequence[Tensor]) -> None:
        dy, x, weight, bias, _mean, _var, *more = inputs
        _keep(ctx, (dy, x, weight, bias), more)

    def pull(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
        inputs, more = _kept(ctx)
        further = torch.is_grad_enabled()  # a third derivative may follow
        with torch.enable_grad():
            leaves = [_leaf(t) for t in inputs]
            dy, *rest = leaves
            y = formula(*rest, *more)[0]
            there = [t for t in rest if t is not None]
            first = iter(torch.autograd.grad(y, there, dy, create_graph=True))
            results = [None if t is None else next(first) for t in rest]
            pairs = [
                (result, cotangent)
                for result, cotangent in zip(results, cotangents, strict=True)
                if result is not None and cotangent is not None
            ]
            there = [t for t in leaves if t is not None]
            second: Any = iter([None] * len(there))
            if pairs:
                outputs, grads = zip(*pairs, strict=True)
                options = {"create_graph": further, "allow_unused": True}
                second = iter(torch.autograd.grad(outputs, there, grads, **options))
        dy_, *found = [None if t is None else next(second) for t in leaves]
        return (dy_, *found, None, None, *(None for _ in more))

    gradient.register_autograd(pull, setup_context=keep)


def _leaf(t: Tensor | None) -> Tensor | None:
    """t as something to differentiate by, still tied to where t came from."""
    if t is None:
        return None
    return t.view_as(t) if t.requires_grad else t.detach().requires_grad_()
