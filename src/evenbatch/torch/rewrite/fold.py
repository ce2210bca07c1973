"""Fold batch normalization into the layer before it, for inference."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.measuring import Norm, Norms
from evenbatch.torch.models.running import difference
from evenbatch.torch.rewrite._affine import EXACT, Affine, affine, by_settings
from evenbatch.torch.rewrite._code import other_branch, read_by_code
from evenbatch.torch.rewrite._flow import Flow, flow_of, within
from evenbatch.torch.rewrite._proof import TOLERANCE, Back, Step, Witness, settled
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._seen import foreign, refusals, seen
from evenbatch.torch.rewrite._tree import (
    check_model,
    hooked,
    kept_aside,
    plain,
    replace,
    tied,
)
from evenbatch.torch.rewrite.freeze import Frozen

_LINEAR = (nn.Linear,)
_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_OF_DIMENSION = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


def fold(model: nn.Module, batch: Any = None) -> Rewrite:
    """Fold each batch norm into the linear layer or convolution whose output it reads.

    With running statistics, ``gamma * (W x + b - mean) / sqrt(var + eps) + beta`` is
    ``(s W) x + (s (b - mean) + beta)`` with ``s = gamma / sqrt(var + eps)``, so the layer takes
    over and the norm becomes `torch.nn.Identity`. The model is changed in place.

    So is a norm of another class (an activation within, frozen statistics) that in evaluation is
    shown, by its output in float64, to be just that; what it holds besides stays in its place.

    A pair is folded only if the norm is the one reader of the layer's output, both are called once,
    and the weights are nobody else's; groups and transposed convolutions are handled. Each pair is
    checked in float64 (largest difference relative to the largest output below `EXACT`), and the
    whole model on the batch, where one is given, its first half and its first example: a pair that
    moves an output by more than rounding is put back.

    Args:
        model: in evaluation mode.
        batch: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keywords. With it, one forward pass is recorded and the model's output compared before
            and after; without, `torch.fx` must be able to follow the model.

    Returns: what was folded, and what was not and why; its `undo` unfolds.

    Raises:
        RewriteError: the model is in training mode, cannot be followed, or fails on the batch; or
            the outputs differ with each of the pairs, and all were put back.

    Jacob and others: Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, 2018, section 3.2, https://arxiv.org/abs/1712.05877

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    >>> done = fold(model, torch.randn(2, 3, 8, 8))
    >>> [change.path for change in done], model[1]
    (['1'], Identity())
    """
    check_model(model, "fold")
    _check_mode(model)
    flow = flow_of(model, batch, "fold")
    found = seen(model, batch, "fold")
    pairs, refused = _pairs(model, flow, _others(found))
    steps = []
    for pair in pairs:
        folded = _folded(pair)
        error = _local_error(pair, folded)
        if not error <= EXACT:
            refused.append(Refusal(pair.path, f"folding changes its output by {error:.1e}"))
            continue
        dtype = pair.layer.weight.dtype
        if not all(bool(t.to(dtype).isfinite().all()) for t in folded):
            reason = f"the folded weights of {pair.layer_path} are too large for {dtype}"
            refused.append(Refusal(pair.path, reason))
            continue
        steps.append(Step(pair.path, partial(_apply, model, pair, folded, error)))
    listed = {step.path for step in steps} | {refusal.path for refusal in refused}
    others, aside = refusals(found, listed, _not_torchs)
    witness = Witness(model, flow.inputs) if flow.inputs is not None else None
    _, changes, undone, back = settled("fold", model, steps, witness)
    evidence = witness.evidence if witness is not None and changes else ""
    return Rewrite(
        "fold", model, tuple(changes), (*refused, *undone, *others), evidence, back, aside
    )


def _not_torchs(norm: Norm) -> str:
    """Why a norm is not folded that is not one of torch.nn's batch norms."""
    return foreign(norm) if norm.kind in ("batch", "frozen batch") else ""


@dataclass(frozen=True)
class _Pair:
    path: str  # of the norm
    norm: Any
    layer_path: str
    layer: Any
    does: Affine


def _check_mode(model: nn.Module) -> None:
    norms = [m for m in model.modules() if isinstance(m, batchnorm._BatchNorm)]
    frozen = bool(norms) and all(isinstance(norm, Frozen) for norm in norms)
    for path, module in model.named_modules():
        if module.training and (module in norms or (not path and not frozen)):
            raise RewriteError(
                f"fold: {path or 'the model'} is in training mode, in which batch norm uses the "
                "batch's statistics; call model.eval() first"
            )


def _others(found: Norms) -> dict[str, Norm]:
    """Norms of other classes, or with a forward of their own, that use what they keep."""
    return {
        norm.path: norm for norm in found.norms
        if norm.kind in ("batch", "frozen batch") and not norm.call and not norm.does.mixes
        and not (isinstance(norm.module, batchnorm._BatchNorm) and _plain_forward(norm.module))
    }  # fmt: skip


def _pairs(
    model: nn.Module, flow: Flow, others: dict[str, Norm]
) -> tuple[list[_Pair], list[Refusal]]:
    pairs, refused = [], []
    for path, norm in model.named_modules():
        if not isinstance(norm, batchnorm._BatchNorm) and path not in others:
            continue
        problem = _other_problem(norm) if path in others else _norm_problem(norm)
        found = problem or _layer_before(model, flow, path, norm)
        does = affine(others[path]) if path in others and not isinstance(found, str) else None
        if isinstance(found, str) or isinstance(does, str):
            refused.append(Refusal(path, found if isinstance(found, str) else str(does)))
        else:
            pairs.append(_Pair(path, norm, *found, does or by_settings(norm)))
    return pairs, refused


def _layer_before(
    model: nn.Module, flow: Flow, path: str, norm: Any
) -> tuple[str, nn.Module] | str:
    """The layer to fold into, with its path, or why there is none."""
    problem = kept_aside(model, norm) or read_by_code(model, norm)
    calls = flow.of(path)
    if problem is not None:
        return problem
    if len(calls) != 1:
        return f"it is called {len(calls)} times in a forward pass"
    (call,) = calls
    if call.extra:
        return "it is called with a mask"
    layer_path = flow.makers.get(call.source, "")
    layer = model.get_submodule(layer_path)
    wanted = (*_LINEAR, *_CONV, *_TRANSPOSED)
    if layer is model or not isinstance(layer, wanted):
        what = f"{layer_path} ({type(layer).__name__})" if layer is not model else "a function"
        given = what if call.source in flow.makers else "the model's input or a function"
        return f"its input comes from {given}, not from a linear layer or convolution"
    problem = _layer_problem(model, flow, layer_path, layer, path)
    if problem is not None:
        return problem
    if flow.of(layer_path)[0].result != call.source:
        return f"its input is not the output of {layer_path} alone"
    problem = _axis_problem(call.shape, layer_path, layer, norm) or read_by_code(model, layer)
    return problem or other_branch(model, flow, path, layer_path) or (layer_path, layer)


def _axis_problem(
    shape: tuple[int, ...] | None, layer_path: str, layer: Any, norm: Any
) -> str | None:
    """Why the norm's channels may not be the layer's, or None."""
    linear = isinstance(layer, _LINEAR)
    needed = 2 if linear else 2 + len(layer.kernel_size)
    if shape is None:
        if linear or not isinstance(norm, _OF_DIMENSION[needed]):
            return f"the shape of the output of {layer_path} is not known; give a batch"
        return None
    if len(shape) == needed:
        return None
    where = "last axis" if linear else f"axis {len(shape) - needed + 1}"
    return f"its input {shape} has the features of {layer_path} on the {where}, not on axis 1"


def _norm_problem(norm: Any) -> str | None:
    if not _plain_forward(norm):
        return f"{type(norm).__name__} has a forward of its own"
    if norm.running_mean is None or norm.running_var is None:
        return "it keeps no running statistics, so its output depends on the batch"
    for name, t in (*norm.named_parameters(), *norm.named_buffers()):
        if t.device.type == "meta":
            return f"its {name} is on the meta device and holds no numbers"
        if not bool(torch.isfinite(t.detach()).all()):
            return f"its {name} is not finite"
    if bool((norm.running_var.double() + norm.eps <= 0).any()):
        return "running_var + eps is not above 0"
    return hooked(norm)


def _other_problem(norm: Any) -> str | None:
    return "it is in training mode" if norm.training else hooked(norm)


def _plain_forward(norm: Any) -> bool:
    """Whether it runs torch.nn's own code; SyncBatchNorm in evaluation, and this package's layers,
    compute what that does."""
    if type(norm).forward is batchnorm._BatchNorm.forward:
        return True
    return isinstance(norm, nn.SyncBatchNorm) or type(norm).__module__.startswith("evenbatch.torch")


def _layer_problem(
    model: nn.Module, flow: Flow, layer_path: str, layer: Any, norm_path: str
) -> str | None:
    if not plain(layer, *_LINEAR, *_CONV, *_TRANSPOSED):
        return f"{layer_path} ({type(layer).__name__}) has a forward of its own"
    calls = flow.of(layer_path)
    if len(calls) != 1:
        return f"{layer_path} before it is called {len(calls)} times in a forward pass"
    value = calls[0].result
    others = [r for r in flow.readers.get(value, []) if not within(r.module, norm_path)]
    if others:
        names = ", ".join(sorted({str(r) for r in others}))
        return f"the output of {layer_path} before it is read elsewhere too: {names}"
    if value in flow.returned:
        return f"the output of {layer_path} before it is an output of the model too"
    if value in flow.kept:
        return f"the output of {layer_path} before it is kept by somebody after the forward pass"
    for name, _ in layer.named_parameters(recurse=False):
        outside = flow.used.get(f"{layer_path}.{name}", set()) - {layer_path}
        if outside:
            return (
                f"{layer_path}.{name} is used outside of it, in {sorted(outside)[0] or 'forward'}"
            )
    problem = hooked(layer) or tied(model, layer)
    if layer.weight.dtype not in TOLERANCE:
        problem = problem or f"its weights are {layer.weight.dtype}"
    return None if problem is None else f"{layer_path} before it cannot take it: {problem}"


# ---- the arithmetic ------------------------------------------------------------------------------


def _folded(pair: _Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """The layer's new weight and bias, float64."""
    scale, shift = pair.does.scale, pair.does.shift
    weight = pair.layer.weight.detach().double()
    if isinstance(pair.layer, _TRANSPOSED):
        # (in, out / groups, *kernel): each group's inputs meet that group's outputs only.
        groups = pair.layer.groups
        parts = weight.view(groups, weight.shape[0] // groups, *weight.shape[1:])
        factors = scale.view(groups, 1, -1, *(1,) * (weight.dim() - 2))
        weight = (parts * factors).reshape(weight.shape)
    else:
        weight = weight * scale.view(-1, *(1,) * (weight.dim() - 1))
    bias = shift
    if pair.layer.bias is not None:
        bias = bias + pair.layer.bias.detach().double() * scale
    return weight, bias


def _local_error(pair: _Pair, folded: tuple[torch.Tensor, torch.Tensor]) -> float:
    """Largest difference of the pair's output in float64, relative to its largest output."""
    layer = copy.deepcopy(pair.layer).double().eval()
    x = _probe(layer)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        z = layer(x)
        expected = _evaluated(pair, z)
        layer.weight = nn.Parameter(folded[0])
        layer.bias = nn.Parameter(folded[1])
        return difference([expected], [layer(x)])


def _evaluated(pair: _Pair, z: torch.Tensor) -> torch.Tensor:
    """The norm's own output, without the activation that it may hold."""
    if not _plain_forward(pair.norm):  # `affine` has compared it already
        return pair.does.of(z)
    norm = nn.BatchNorm1d(pair.norm.num_features, pair.norm.eps, affine=True).double()
    norm = norm.to(z.device).eval()
    norm.load_state_dict({n: t.detach() for n, t in pair.norm.state_dict().items()}, strict=False)
    return norm(z.flatten(2) if z.dim() > 2 else z).view(z.shape)


def _probe(layer: Any) -> torch.Tensor:
    """An input for the layer, large enough for its kernel."""
    device = layer.weight.device
    generator = torch.Generator().manual_seed(0)
    if isinstance(layer, _LINEAR):
        shape: tuple[int, ...] = (4, layer.in_features)
    else:
        spans = zip(layer.kernel_size, layer.dilation, strict=True)
        shape = (2, layer.in_channels, *((k - 1) * d + 3 for k, d in spans))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device)


# ---- changing the model --------------------------------------------------------------------------


def _apply(
    model: nn.Module,
    pair: _Pair,
    folded: tuple[torch.Tensor, torch.Tensor],
    error: float,
    back: Back,
) -> Change:
    layer, norm = pair.layer, pair.norm
    old = (layer.weight, layer.bias)
    kind = {"dtype": layer.weight.dtype}
    grad = layer.weight.requires_grad
    layer.weight = nn.Parameter(folded[0].to(**kind), requires_grad=grad)
    layer.bias = nn.Parameter(folded[1].to(**kind), requires_grad=grad)
    new = pair.does.rest
    new.train(norm.training)
    back.append(partial(_restore, layer, *old))
    back.append(replace(model, norm, new))
    return Change(
        pair.path,
        summary(norm),
        f"{type(new).__name__}(), folded into {pair.layer_path} ({summary(layer)})",
        f"{error:.1e} apart in float64",
    )


def _restore(layer: Any, weight: Any, bias: Any) -> None:
    layer.weight, layer.bias = weight, bias
