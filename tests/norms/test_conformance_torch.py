"""PyTorch's own samples for its normalization functions and modules, run on our normalizers.

`OpInfo` samples cover ``torch.nn.functional`` and the ``native_*`` operators below it, `ModuleInfo`
samples ``torch.nn``. Each is run in float32 and float64, contiguous and not, and compared with
PyTorch: output, all gradients, running statistics, by PyTorch's default tolerances for the dtype.
For float32 the expected values are PyTorch's float64 answer to the same float32 numbers, because
its float32 sums are further from that than the tolerance. Half types are out of scope.

Some samples have an eps or a momentum our constructors refuse (below 0); they are set afterwards,
so the computation is compared all the same. The 1-D empty inputs of batch_norm have no channel axis
and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from evenbatch.norms import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from support.torch_threads import one_thread

__all__ = ["one_thread"]
# PyTorch's samples take seconds to import: in one process of several, not in each.
pytestmark = pytest.mark.xdist_group("pytorch's samples")

# Samples known when this was written, per dtype; a newer torch may have more, never fewer.
OPERATORS = {
    "nn.functional.batch_norm": 24,  # two variants, the second without cuDNN
    "nn.functional.layer_norm": 6,
    "nn.functional.rms_norm": 6,
    "nn.functional.group_norm": 21,
    "nn.functional.instance_norm": 9,
    "native_batch_norm": 10,
    "_native_batch_norm_legit": 10,
    "_batch_norm_with_update": 9,
    "native_layer_norm": 20,
    "native_group_norm": 21,
}
MODULES = {
    "nn.BatchNorm1d": 16,
    "nn.BatchNorm2d": 14,
    "nn.BatchNorm3d": 14,
    "nn.LayerNorm": 14,
    "nn.RMSNorm": 12,
    "nn.GroupNorm": 20,
    "nn.InstanceNorm1d": 12,
    "nn.InstanceNorm2d": 12,
    "nn.InstanceNorm3d": 12,
}
DTYPES = [torch.float32, torch.float64]

Tensor = torch.Tensor


class Sample(NamedTuple):
    """One call, in the words of `torch.nn.functional`."""

    operator: str
    x: Tensor
    weight: Tensor | None
    bias: Tensor | None
    mean: Tensor | None
    var: Tensor | None
    training: bool
    options: dict[str, Any]  # eps, momentum, groups, shape


def _array(tensor: Tensor) -> Any:
    """The tensor's numbers, in its own memory layout."""
    return tensor.detach().numpy()


def _in_words(operator: str, x: Tensor, a: tuple[Any, ...], k: dict[str, Any]) -> Sample:
    """What the positional and keyword arguments of each operator mean."""
    base = operator.removeprefix("nn.functional.")

    def take(*names: str) -> dict[str, Any]:
        return {**dict(zip(names, a, strict=False)), **k}

    if base == "batch_norm":
        w = take("mean", "var", "weight", "bias", "training", "momentum", "eps")
    elif base == "_native_batch_norm_legit" and len(a) == 5:
        w = take("weight", "bias", "training", "momentum", "eps")
    elif base in ("native_batch_norm", "_native_batch_norm_legit"):
        w = take("weight", "bias", "mean", "var", "training", "momentum", "eps")
    elif base == "_batch_norm_with_update":
        w = take("weight", "bias", "mean", "var", "momentum", "eps") | {"training": True}
    elif base == "instance_norm":
        w = take("mean", "var", "weight", "bias", "use_input_stats", "momentum", "eps")
        w |= {"mean": w.get("mean", k.get("running_mean"))}
        w |= {"var": w.get("var", k.get("running_var")), "training": w.get("use_input_stats", True)}
    elif base == "group_norm":
        w = take("groups", "weight", "bias", "eps")
    elif base == "native_group_norm":
        w = take("weight", "bias", "n", "c", "hxw", "groups", "eps")
    elif base == "rms_norm":
        w = take("shape", "weight", "eps")
    else:
        w = take("shape", "weight", "bias", "eps")
    options = {name: w[name] for name in ("eps", "momentum", "groups", "shape") if name in w}
    words = (w.get(name) for name in ("weight", "bias", "mean", "var"))
    return Sample(base, x, *words, bool(w.get("training", False)), options)


def _normalizer(sample: Sample) -> Any:
    """Our normalizer for this call."""
    x, options = sample.x, sample.options
    dtype = str(x.dtype).removeprefix("torch.")
    if "batch_norm" in sample.operator:
        norm: Any = BatchNorm(x.shape[1], track_running_stats=False, dtype=dtype)
    elif "instance" in sample.operator:
        norm = InstanceNorm(x.shape[1], dtype=dtype)
    elif "group" in sample.operator:
        norm = GroupNorm(options["groups"], x.shape[1], dtype=dtype)
    elif "rms" in sample.operator:
        norm = RMSNorm(tuple(options["shape"]), dtype=dtype)
    else:
        norm = LayerNorm(tuple(options["shape"]), dtype=dtype)
    norm.gamma = None if sample.weight is None else _array(sample.weight)
    norm.beta = None if sample.bias is None else _array(sample.bias)
    if options.get("eps") is not None:
        norm.eps = float(options["eps"])
    if "momentum" in options:
        norm.momentum = options["momentum"]
    if sample.mean is not None:
        norm.running_mean, norm.running_var = (_array(t).copy() for t in (sample.mean, sample.var))
    return norm.train(sample.training)


def _assert_same(ours: Any, theirs: Tensor | None, what: str) -> None:
    """By PyTorch's own default tolerances for the dtype."""
    assert (ours is None) == (theirs is None), what
    if theirs is not None:
        mine = torch.from_numpy(np.ascontiguousarray(ours))
        torch.testing.assert_close(
            mine,
            theirs.detach().contiguous().to(mine.dtype),
            equal_nan=True,
            msg=lambda text: f"{what}: {text}",
        )


def _compare(norm: Any, x: Tensor, y: Tensor, leaves: dict[str, Tensor | None]) -> None:
    """Output and gradients of one call on x; y and `leaves` (x, gamma, beta) are theirs."""
    ours = norm(_array(x))
    assert str(x.dtype) == f"torch.{ours.dtype}"
    _assert_same(ours, y, "y")
    dy = np.random.default_rng(1).standard_normal(ours.shape).astype(ours.dtype)
    y.backward(torch.from_numpy(dy).to(y.dtype))
    dx = norm.backward(dy)
    theirs = {name: None if leaf is None else leaf.grad for name, leaf in leaves.items()}
    _assert_same(dx, theirs["x"], "dx")
    _assert_same(norm.gamma_grad, theirs["gamma"], "dgamma")
    _assert_same(norm.beta_grad, theirs["beta"], "dbeta")


def _check_operator(info: Any, name: str, case: Any) -> None:
    def leaf(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.detach().double().clone().requires_grad_(value.requires_grad)

    norm = _normalizer(_in_words(name, case.input, case.args, case.kwargs))
    x, arguments = leaf(case.input), tuple(leaf(a) for a in case.args)
    keywords = {key: leaf(value) for key, value in case.kwargs.items()}
    theirs = info.op(x.contiguous(), *arguments, **keywords)
    y = theirs[0] if isinstance(theirs, tuple) else theirs
    sample = _in_words(name, x, arguments, keywords)
    for tensor in (x, sample.weight, sample.bias):
        assert tensor is None or tensor.requires_grad
    _compare(norm, case.input, y, {"x": x, "gamma": sample.weight, "beta": sample.bias})
    if sample.mean is not None:  # PyTorch has updated them in place
        _assert_same(norm.running_mean, sample.mean, "running_mean")
        _assert_same(norm.running_var, sample.var, "running_var")


def _operator_cases(name: str, dtype: Any) -> Iterator[tuple[Any, Any]]:
    from torch.testing._internal.common_methods_invocations import op_db

    torch.manual_seed(0)
    for info in op_db:
        if info.name == name:
            for case in info.sample_inputs("cpu", dtype, requires_grad=True):
                yield info, case


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "noncontiguous"])
def test_operator_samples(
    name: str, dtype: Any, layout: str, tally: Callable[[str, int, int], None]
) -> None:
    failures, ran, refused = [], 0, 0
    for info, case in _operator_cases(name, dtype):
        if case.input.ndim < 2 and "batch_norm" in name:
            with pytest.raises(ValueError, match=r"x must have shape \(N, C, \*spatial\)"):
                BatchNorm(1)(_array(case.input.float()))
            refused += 1
            continue
        ran += 1
        try:
            _check_operator(info, name, case.noncontiguous() if layout[0] == "n" else case)
        except AssertionError as error:
            failures.append(f"{case.input.shape} {case.args} {case.kwargs}: {error}")
    tally(f"OpInfo {name}", ran, ran - len(failures))
    assert refused == (4 if name == "nn.functional.batch_norm" else 0)
    assert ran + refused >= OPERATORS[name]
    assert not failures, "\n".join(failures)


def _build_module(module: Any, dtype: Any) -> Any:
    """Our normalizer with this module's settings and parameters."""
    kind, word = type(module).__name__, str(dtype).removeprefix("torch.")
    if kind.startswith(("BatchNorm", "InstanceNorm")):
        cls = BatchNorm if kind.startswith("BatchNorm") else InstanceNorm
        norm: Any = cls(
            module.num_features, module.eps, module.momentum, module.affine,
            module.track_running_stats, dtype=word,
        )  # fmt: skip
    elif kind == "GroupNorm":
        norm = GroupNorm(
            module.num_groups, module.num_channels, module.eps, module.affine, dtype=word
        )
    else:
        cls = LayerNorm if kind == "LayerNorm" else RMSNorm
        norm = cls(module.normalized_shape, module.eps, module.elementwise_affine, dtype=word)
    bias = getattr(module, "bias", None)
    norm.gamma = None if module.weight is None else _array(module.weight).astype(word)
    norm.beta = None if bias is None else _array(bias).astype(word)
    return norm


def _check_module(info: Any, case: Any, dtype: Any, training: bool, layout: str) -> None:
    made = case.constructor_input
    module = info.module_cls(*made.args, **made.kwargs, dtype=torch.float64)
    with torch.no_grad():  # ones and zeros would hide a mistake
        for parameter in module.parameters():
            parameter.copy_(torch.empty(parameter.shape, dtype=dtype).uniform_(-1, 2))
    norm = _build_module(module, dtype)
    (x,) = case.forward_input.args
    unbatched = "Instance" in info.name and x.ndim == int(info.name[-2]) + 1
    x = x.detach()[None] if unbatched else x.detach()
    if layout == "noncontiguous":
        x = torch.stack([x, x], dim=-1)[..., 0]
    # Two batches first, so that evaluation has running statistics of its own.
    for scale in (0.5, 3.0):
        earlier = scale * x + 1
        module.train()(earlier.double())
        norm.train()(_array(earlier))
    module.train(training)
    norm.train(training)
    leaf = x.double().clone().requires_grad_()
    y = module(leaf[0])[None] if unbatched else module(leaf)
    leaves = {"x": leaf, "gamma": module.weight, "beta": getattr(module, "bias", None)}
    _compare(norm, x, y, leaves)
    if getattr(module, "running_mean", None) is not None:
        _assert_same(norm.running_mean, module.running_mean, "running_mean")
        _assert_same(norm.running_var, module.running_var, "running_var")


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "noncontiguous"])
def test_module_samples(
    name: str, dtype: Any, layout: str, tally: Callable[[str, int, int], None]
) -> None:
    from torch.testing._internal.common_modules import module_db

    torch.manual_seed(0)
    (info,) = [info for info in module_db if info.name == name]
    failures, ran = [], 0
    for training in (True, False):
        for case in info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training
        ):
            ran += 1
            try:
                _check_module(info, case, dtype, training, layout)
            except AssertionError as error:
                failures.append(f"{case.constructor_input} training={training}: {error}")
    tally(f"ModuleInfo {name}", ran, ran - len(failures))
    assert ran >= MODULES[name]
    assert not failures, "\n".join(failures)


def test_no_normalization_of_pytorch_is_left_out() -> None:
    """A newer torch with one more batch, layer, RMS, group or instance norm shows up here."""
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db

    words = ("batch_norm", "layer_norm", "rms_norm", "group_norm", "instance_norm")
    assert {info.name for info in op_db if any(w in info.name for w in words)} == set(OPERATORS)
    titles = tuple("".join(part.title() for part in w.split("_")) for w in words)
    titles = (*titles, "RMSNorm")
    assert {i.name for i in module_db if any(t in i.name for t in titles)} == set(MODULES)


def test_pytorch_refuses_what_we_refuse() -> None:
    """The error samples PyTorch keeps for these functions are errors here too."""
    for build, x in (
        (lambda: GroupNorm(1, 1), torch.zeros(1)),
        (lambda: GroupNorm(2, 7), torch.zeros(2, 7, 4)),
        (lambda: LayerNorm(()), torch.zeros(1, 2, 3)),
        (lambda: LayerNorm((2, 2)), torch.zeros(2, 2, 3)),
        (lambda: RMSNorm(()), torch.zeros(1, 2, 3)),
        (lambda: RMSNorm((2, 2)), torch.zeros(2, 2, 3)),
    ):
        with pytest.raises(ValueError, match="Norm: "):
            build()(x.numpy())
