"""Put norm layers into a model that has none."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from evenbatch.torch.rewrite._code import read_by_code
from evenbatch.torch.rewrite._flow import Flow, flow_of
from evenbatch.torch.rewrite._given import inputs_of
from evenbatch.torch.rewrite._make import KINDS, Made, over_channels, over_features
from evenbatch.torch.rewrite._proof import Back, Step, Witness, settled
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._tree import (
    check_model,
    hooked,
    kept_aside,
    like,
    plain,
    replace,
    tied,
)
from evenbatch.torch.rewrite.swap import check_groups, runs

_LINEAR = (nn.Linear,)
_CONV = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip

ACTIVATIONS = {
    "relu", "relu6", "hardtanh", "clamp_min", "leaky_relu", "leakyrelu", "prelu", "_prelu_kernel",
    "rrelu", "rrelu_with_noise", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish",
    "sigmoid", "hardsigmoid", "log_sigmoid", "logsigmoid", "log_sigmoid_forward", "tanh",
    "softplus", "softsign", "threshold", "glu",
}  # fmt: skip
"""Operations taken for activations, as PyTorch's operators, functions and modules are called."""


def place(
    model: nn.Module, norm: str = "batch", *, batch: Any = None, groups: int | None = None
) -> Rewrite:
    """Put a norm layer between each linear layer or convolution and the activation after it.

    Each such layer becomes ``Sequential(layer, norm)`` in its place. The model is changed in place
    and needs training; make the optimizer afterwards. The last layer of a network, after which no
    activation comes (or whose activation is the output), is left alone. Before batch and instance
    norm the layer's bias is removed: the norm's mean takes it away again.

    Args:
        model: any module.
        norm: "batch", "instance", "group", "layer" or "rms".
        batch: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keywords. Without it `torch.fx` must be able to follow the model, and norms whose fit
            depends on a shape are refused.
        groups: for "group"; see `swap`.

    Returns: what was placed, and where none was and why; its `undo` takes them out again.

    Raises:
        RewriteError: norm is unknown, the model cannot be followed or fails on the batch, or the
            rewritten one would, in which case everything was put back.

    Ioffe, Szegedy: Batch Normalization, 2015, section 3.2 (before the nonlinearity, no bias),
    https://arxiv.org/abs/1502.03167

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
    >>> print(place(model, "batch", batch=torch.randn(8, 4)))
    place: 1 changed, 1 left as it was
      0: Linear(4, 32) -> Linear(4, 32), BatchNorm1d(32)  (8 values per channel, bias removed)
      2: left as it is, no activation reads its output: it is an output of the model
      the model runs on the batch; outputs (8, 3)
    """
    check_model(model, "place")
    if norm not in KINDS:
        raise RewriteError(f"place: norm must be one of {', '.join(KINDS)}, got {norm!r}")
    if groups is not None and norm != "group":
        raise RewriteError(f'place: groups is for norm="group", not for norm={norm!r}')
    check_groups(groups, "place")
    flow = flow_of(model, batch, "place")
    steps, refused = [], []
    for path, layer in list(model.named_modules()):
        if not isinstance(layer, (*_LINEAR, *_CONV)):
            continue
        made = _problem(model, flow, path, layer) or _made(flow, path, layer, norm, groups)
        if isinstance(made, str):
            refused.append(Refusal(path, made))
        else:
            bare = norm in ("batch", "instance") and layer.bias is not None
            steps.append(Step(path, partial(_apply, model, path, layer, *made, bare)))
    witness = None
    if batch is not None:
        witness = Witness(model, inputs_of(batch, model, "place"), training=True, same=False)
    _, changes, undone, back = settled("place", model, steps, witness)
    text = runs(model, witness) if changes and witness is not None else ""
    return Rewrite("place", model, tuple(changes), (*refused, *undone), text, back)


def _apply(
    model: nn.Module, path: str, layer: Any, new: nn.Module, evidence: str, bare: bool, back: Back
) -> Change:
    before = summary(layer)
    if bare:
        back.append(partial(setattr, layer, "bias", layer.bias))
        layer.bias = None
        evidence += ", bias removed"
    both = nn.Sequential(layer, new)
    both.train(layer.training)
    back.append(replace(model, layer, both))
    return Change(path, before, f"{before}, {summary(new)}", evidence)


def _problem(model: nn.Module, flow: Flow, path: str, layer: Any) -> str | None:
    """Why no norm belongs after the layer, whichever it is."""
    calls = flow.of(path)
    if not path:
        return "it is the whole model"
    if not plain(layer, *_LINEAR, *_CONV):
        return f"{type(layer).__name__} has a forward of its own"
    if not calls:
        return "it is not called as a module in the forward pass"
    for call in calls:
        readers = flow.readers.get(call.result, [])
        for reader in readers:
            if reader.operation.lower() not in ACTIVATIONS:
                return f"no activation reads its output: {reader} does"
            if set(reader.results) & flow.returned:
                return f"its activation, {reader}, gives an output of the model"
        if call.result in flow.returned:
            return "no activation reads its output: it is an output of the model"
        if len(readers) != 1:
            return f"its output is read {len(readers)} times: {', '.join(map(str, readers))}"
        if call.result in flow.kept:
            return "its output is kept by somebody after the forward pass"
    problem = hooked(layer) or tied(model, layer) or kept_aside(model, layer)
    return problem or read_by_code(model, layer)


def _made(flow: Flow, path: str, layer: Any, norm: str, groups: int | None) -> Made | str:
    """The norm for the layer's output with its evidence, or why there is none."""
    calls = flow.of(path)
    if norm == "batch" and len(calls) > 1:
        return f"it is called {len(calls)} times, and one batch norm would mix their statistics"
    shapes = [call.result_shape for call in calls if call.result_shape is not None]
    eps, kept = 1e-5, like(layer)
    if isinstance(layer, _LINEAR):
        if norm in ("layer", "rms"):
            return over_features(norm, (layer.out_features,), eps, True, True, kept)
        if not shapes:
            return f"the shape of its output decides whether {norm} norm fits; give a batch"
        if any(len(shape) != 2 for shape in shapes):
            return (
                f"its output {shapes[0]} has the features on the last axis, and {norm} norm works "
                "on axis 1"
            )
        return over_channels(norm, shapes, eps, True, groups, kept)
    ndim = 2 + len(layer.kernel_size)
    if not shapes:
        if norm != "batch" and norm != "layer":
            return f"the shape of its output decides whether {norm} norm fits; give a batch"
        # A convolution's dimensions are known; its sizes only enter the evidence.
        made = over_channels(norm, [(2, layer.out_channels, *[2] * (ndim - 2))], eps, True, 1, kept)
        return made if isinstance(made, str) else (made[0], "shape not checked")
    if any(len(shape) != ndim for shape in shapes):
        return f"its output {shapes[0]} has no batch axis"
    return over_channels(norm, shapes, eps, True, groups, kept)
