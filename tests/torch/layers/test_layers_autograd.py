"""The operators in PyTorch's machinery: derivatives, compile, export, transforms, copies."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from layer_cases import CASES, is_ours, label, pair
from torch import nn
from torch.autograd.gradcheck import GradcheckError

import evenbatch.torch as ours
from evenbatch.torch.layers import _formula, _operators
from evenbatch.torch.layers._register import register

BATCHED = [case for case in CASES if case[2] != (6, 4, 4)]


def small(case: Any, **more: Any) -> tuple[Any, torch.Tensor]:
    """A float64 layer in training with a small input, parameters away from 1 and 0."""
    name, arguments, shape = case
    mine, _ = pair(name, arguments, torch.float64, **more)
    channels = 1 if "Norm1d" not in name and "Norm2d" not in name and "Norm3d" not in name else 0
    sizes = [min(n, 4) if k > 1 and not channels else n for k, n in enumerate(shape)]
    if name == "GroupNorm":
        sizes = [*shape[:2], *(min(n, 3) for n in shape[2:])]
    return mine, torch.randn(sizes, dtype=torch.float64, requires_grad=True)


def function(mine: Any) -> Any:
    """The layer as a function of its input and parameters, which does not update its buffers."""
    names = [name for name, _ in mine.named_parameters()]

    def call(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        kept = {name: buffer.clone() for name, buffer in mine.named_buffers()}
        return torch.func.functional_call(
            mine, {**dict(zip(names, values, strict=True)), **kept}, x
        )

    return call


@pytest.mark.parametrize("case", BATCHED, ids=label)
def test_first_and_second_derivatives(case: Any) -> None:
    relu = BATCHED.index(case) % 2 == 0
    mine, x = small(case, activation="relu" if relu else None)
    given = (x, *mine.parameters())
    assert is_ours(mine(x))
    for training in (True, False):
        mine.train(training)
        assert torch.autograd.gradcheck(function(mine), given, rtol=1e-4)
        assert torch.autograd.gradgradcheck(function(mine), given, fast_mode=True)


def test_third_derivative() -> None:
    """Against the formula: PyTorch 2.13's own third derivative of layer_norm is another one, and
    does not add up to 0 over a row, as that of anything centred must."""
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    factor = torch.randn(5, 3, dtype=torch.float64)
    norm = ours.LayerNorm(3, dtype=torch.float64)
    answers = []
    for call in (
        norm,
        lambda x: _formula.row_formula(x, None, None, None, 1, True, 1e-5, False)[0],
    ):
        value = (call(x) ** 3 * factor).sum()
        for _ in range(3):
            (grad,) = torch.autograd.grad(value, x, create_graph=True)
            value = (grad**2).sum()
        answers.append(grad.detach())
    torch.testing.assert_close(*answers)
    torch.testing.assert_close(answers[0].sum(1) / answers[0].abs().sum(1), torch.zeros(5).double())


def test_a_wrong_gradient_would_be_seen() -> None:
    """The checks above can fail: the same operator with a gradient wrong by 0.1 %."""

    def wrong(*arguments: Any) -> Any:
        dx, dweight, dbias = _operators._row_backward(*arguments)
        return 1.001 * dx, dweight, dbias

    operator = register(
        "planted_row_norm", "Tensor? mask, int dims, bool centered, float eps, bool relu",
        _operators._row_forward, wrong, _formula.row_formula,
        lambda x, *_: (len(x),),
    )  # fmt: skip
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(
            lambda x: operator(x, None, None, None, 1, True, 1e-5, False)[0], x, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (_operators.batch_norm.op, (None, None, None, 1e-5, True)),
        (_operators.group_norm.op, (None, 2, 1e-5, False)),
        (_operators.row_norm.op, (None, 1, True, 1e-5, False)),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_operators_keep_pytorchs_rules(operator: Any, arguments: Any, layout: Any) -> None:
    """Schema, fake shapes, autograd registration and tracing, as `opcheck` sees them."""
    x = torch.randn(3, 4, 5, 6).to(memory_format=layout).requires_grad_()
    size = 6 if operator is _operators.row_norm.op else 4
    weight, bias = (torch.randn(size, requires_grad=True) for _ in range(2))
    torch.library.opcheck(operator, (x, weight, bias, *arguments))
    torch.library.opcheck(operator, (x, None, None, *arguments))


def test_derivatives_through_the_dispatcher() -> None:
    """What `torch.compile` and tracing see, where the checks above go past it."""
    x, weight, bias = (torch.randn(s, dtype=torch.float64) for s in ((3, 4, 5), (4,), (4,)))
    given = tuple(t.requires_grad_() for t in (x, weight, bias))
    for call in (
        lambda x, w, b: torch.ops.evenbatch.batch_norm(x, w, b, None, None, None, 1e-5, True)[0],
        lambda x, w, b: torch.ops.evenbatch.group_norm(x, w, b, None, 2, 1e-5, False)[0],
    ):
        assert torch.autograd.gradcheck(call, given, rtol=1e-4)
        assert torch.autograd.gradgradcheck(call, given, fast_mode=True)


def test_compiled_in_one_graph() -> None:
    layers = [
        nn.Conv2d(3, 6, 3), ours.BatchNorm2d(6, activation="relu"), ours.GroupNorm(2, 6),
        ours.InstanceNorm2d(6), ours.LayerNorm(6), ours.RMSNorm(6),
    ]  # fmt: skip
    model = nn.Sequential(*layers)
    other = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = torch.randn(4, 3, 8, 8)
    y, z = compiled(x), other(x)
    torch.testing.assert_close(y, z)
    y.square().sum().backward()
    z.square().sum().backward()
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model[1].running_var, other[1].running_var)


def test_exported_programs_do_not_need_this_package() -> None:
    model = nn.Sequential(ours.BatchNorm2d(6, activation="relu"), ours.GroupNorm(2, 6)).eval()
    x = torch.randn(4, 6, 8, 8)
    program = torch.export.export(model, (x,))
    assert not any("evenbatch" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torch_func_goes_through_pytorchs_layers() -> None:
    norm = ours.LayerNorm(5, activation="relu")
    other = nn.LayerNorm(5)
    x = torch.randn(3, 4, 5)
    torch.testing.assert_close(
        torch.func.vmap(torch.func.jacrev(norm))(x),
        torch.func.vmap(torch.func.jacrev(lambda t: torch.relu(other(t))))(x),
    )
    _, tangent = torch.func.jvp(norm, (x,), (torch.ones_like(x),))
    torch.testing.assert_close(tangent, torch.zeros_like(x), atol=1e-5, rtol=0)


def test_copied_pickled_and_checkpointed() -> None:
    norm = ours.BatchNorm2d(3, activation="relu")
    file = io.BytesIO()
    torch.save(norm, file)
    file.seek(0)
    x = torch.randn(4, 3, 5, 5, requires_grad=True)
    for twin in (copy.deepcopy(norm), torch.load(file, weights_only=False)):
        assert twin.activation == "relu"
        torch.testing.assert_close(twin(x), copy.deepcopy(norm)(x))
    from torch.utils.checkpoint import checkpoint

    layer = ours.LayerNorm(5)
    checkpoint(layer, x, use_reentrant=False).sum().backward()


def test_two_forward_passes_before_one_backward() -> None:
    """PyTorch saves the running statistics and refuses this in evaluation; here nothing changes."""
    norm = ours.BatchNorm1d(3)
    first, second = norm(torch.randn(9, 3, requires_grad=True)), norm(torch.randn(9, 3))
    (first.sum() + second.sum()).backward()


def test_a_gradient_for_the_parameters_alone_and_none_at_all() -> None:
    norm = ours.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    norm(x).sum().backward()
    assert norm.bias.grad.tolist() == [100, 100, 100]
    with torch.no_grad():
        assert norm(x).grad_fn is None
    with torch.inference_mode():
        assert norm(x).is_inference()
