"""PyTorch's own samples for its normalization functions and modules, through our layers.

As ``tests/norms/test_conformance_torch.py`` does for the NumPy objects; its reader of the samples
is used here. Every sample that a layer can express is run in float32, float64 and bfloat16,
contiguous and not (`RUNS`); the wrong calls PyTorch keeps are made too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from layer_cases import assert_same
from test_conformance_torch import MODULES, OPERATORS, Sample, _in_words, _operator_cases
from torch import nn

import evenbatch.torch as ours

pytestmark = pytest.mark.xdist_group("pytorch's samples")
RUNS = [
    (torch.float32, "contiguous"),
    (torch.float32, "noncontiguous"),
    (torch.float64, "noncontiguous"),
    (torch.bfloat16, "contiguous"),
]


def _layers(sample: Sample) -> tuple[Any, Any]:
    """Our layer and PyTorch's for this call."""
    x, options = sample.x, sample.options
    common = {"dtype": x.dtype}
    if options.get("eps") is not None:
        common["eps"] = options["eps"]
    kept = {
        "momentum": options.get("momentum", 0.1),
        "track_running_stats": sample.mean is not None,
    }
    channels = x.shape[1] if x.ndim > 1 else 0
    if "batch_norm" in sample.operator or "instance" in sample.operator:
        kind = "BatchNorm" if "batch_norm" in sample.operator else "InstanceNorm"
        name, given = f"{kind}{max(x.ndim - 2, 1)}d", (channels,)
        common |= kept
    elif "group" in sample.operator:
        name, given = "GroupNorm", (options["groups"], channels)
    else:
        name = "RMSNorm" if "rms" in sample.operator else "LayerNorm"
        given = (tuple(options["shape"]),)
    affine = sample.weight is not None or sample.bias is not None
    common["elementwise_affine" if name in ("LayerNorm", "RMSNorm") else "affine"] = affine
    pair = [getattr(place, name)(*given, **common) for place in (ours, nn)]
    for layer in pair:
        for key, value in (("weight", sample.weight), ("bias", sample.bias)):
            if affine and hasattr(layer, key):
                copied = None if value is None else nn.Parameter(value.detach().clone())
                setattr(layer, key, copied)
        if sample.mean is not None:
            layer.running_mean.copy_(sample.mean.detach())
            layer.running_var.copy_(sample.var.detach())
        layer.train(sample.training)
    return pair[0], pair[1]


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(("dtype", "layout"), RUNS)
def test_operator_samples(
    name: str, dtype: Any, layout: str, tally: Callable[[str, int, int], None]
) -> None:
    failures, ran, refused = [], 0, 0
    for _, case in _operator_cases(name, dtype):
        case = case.noncontiguous() if layout[0] == "n" else case
        sample = _in_words(name, case.input, case.args, case.kwargs)
        if case.input.ndim < 2 and "batch_norm" in name:
            refused += 1
            continue
        ran += 1
        try:
            assert_same(*_layers(sample), sample.x)
        except AssertionError as error:
            failures.append(f"{case.input.shape} {case.args} {case.kwargs}: {error}")
    tally(f"layers: OpInfo {name}", ran, ran - len(failures))
    assert ran + refused >= OPERATORS[name]
    assert not failures, "\n".join(failures)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(("dtype", "layout"), RUNS)
def test_module_samples(
    name: str, dtype: Any, layout: str, tally: Callable[[str, int, int], None]
) -> None:
    from torch.testing._internal.common_modules import module_db

    (info,) = [info for info in module_db if info.name == name]
    kind = name.removeprefix("nn.")
    failures, ran = [], 0
    for training in (True, False):
        for case in info.module_inputs_func(
            info, device="cpu", dtype=dtype, requires_grad=True, training=training
        ):
            made, (x,) = case.constructor_input, case.forward_input.args
            x = torch.stack([x, x], dim=-1)[..., 0] if layout[0] == "n" else x
            mine, theirs = (
                getattr(place, kind)(*made.args, **made.kwargs, dtype=dtype) for place in (ours, nn)
            )
            with torch.no_grad():
                for parameter in mine.parameters():
                    parameter.copy_(torch.empty_like(parameter).uniform_(-1, 2))
            mine(0.5 * x.detach() + 1)  # so that evaluation has statistics of its own
            mine.train(training)
            theirs.train(training)
            ran += 1
            try:
                assert_same(mine, theirs, x.detach())
            except AssertionError as error:
                failures.append(f"{made} training={training}: {error}")
    tally(f"layers: ModuleInfo {name}", ran, ran - len(failures))
    assert ran >= MODULES[name]
    assert not failures, "\n".join(failures)


def _call(build: Any, made: Any) -> None:
    layer = build(*made.constructor_input.args, **made.constructor_input.kwargs)
    layer(*made.forward_input.args, **made.forward_input.kwargs)


def test_error_samples() -> None:
    """What PyTorch's samples of wrong calls raise, ours raise, in the same words."""
    from torch.testing._internal.common_modules import module_db

    tried = 0
    for info in module_db:
        kind = info.name.removeprefix("nn.")
        if info.name not in MODULES or info.module_error_inputs_func is None:
            continue
        for case in info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
        ):
            with pytest.raises(case.error_type, match=case.error_regex):
                _call(getattr(ours, kind), case.module_error_input)
            tried += 1
    assert tried > 0
