"""Put another kind of norm layer where one stands."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm, instancenorm

from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.rewrite._code import read_by_code
from evenbatch.torch.rewrite._flow import Flow, recorded
from evenbatch.torch.rewrite._given import inputs_of
from evenbatch.torch.rewrite._make import KINDS, Made, over_channels, over_features
from evenbatch.torch.rewrite._proof import Back, Step, Witness, outputs, settled
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._seen import foreign, refusals, seen
from evenbatch.torch.rewrite._tree import check_model, hooked, kept_aside, like, replace, tied

_CHANNELS = (batchnorm._BatchNorm, instancenorm._InstanceNorm, nn.GroupNorm)


def swap(model: nn.Module, old: str, new: str, *, batch: Any, groups: int | None = None) -> Rewrite:
    """Replace every norm layer of one kind by another, gamma, beta and eps kept.

    The model is changed in place and is another function afterwards: it needs training. Shapes are
    taken from one forward pass, and a layer is replaced only if the new one has at least 2 values
    to take its statistics over. Where "layer" replaces a norm over channels with positions, it
    becomes ``GroupNorm(1, C)``, which is layer norm over channels and positions.

    Args:
        model: any module.
        old, new: "batch", "instance", "group", "layer" or "rms".
        batch: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keywords; as many samples as one device will see.
        groups: for "group"; by default the largest number up to 32 that leaves each group 2
            channels and 16 values.

    Returns: what was replaced, and what was not and why; its `undo` puts the old layers back.

    Raises:
        RewriteError: a kind is unknown, the model fails on the batch, or the rewritten one would,
            in which case everything was put back.

    Wu, He: Group Normalization, 2018, section 3, https://arxiv.org/abs/1803.08494

    >>> model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
    >>> done = swap(model, "batch", "group", batch=torch.zeros(2, 3, 8, 8))
    >>> model[1]
    GroupNorm(32, 64, ...)
    """
    check_model(model, "swap")
    for name, kind in (("old", old), ("new", new)):
        if kind not in KINDS:
            raise RewriteError(f"swap: {name} must be one of {', '.join(KINDS)}, got {kind!r}")
    if old == new:
        raise RewriteError(f"swap: old and new are both {old!r}; nothing to do")
    if groups is not None and new != "group":
        raise RewriteError(f'swap: groups is for new="group", not for new={new!r}')
    check_groups(groups, "swap")
    if batch is None:
        raise RewriteError("swap: needs a batch: the shapes of the inputs decide what fits")
    flow = recorded(model, batch, "swap")
    steps, refused = [], []
    for path, module in list(model.named_modules()):
        if kind_of(module) != old:
            continue
        made = _judged(model, flow, path, module) or _made(module, flow, path, new, groups)
        if isinstance(made, str):
            refused.append(Refusal(path, made))
            continue
        root = made[0] if module is model else None
        steps.append(Step(path, partial(_apply, model, path, module, *made), root))

    def other(norm: Norm) -> str:
        return foreign(norm) if norm.kind in (old, f"frozen {old}") else ""

    listed = {step.path for step in steps} | {refusal.path for refusal in refused}
    others, aside = refusals(seen(model, batch, "swap"), listed, other)
    witness = Witness(model, inputs_of(batch, model, "swap"), training=True, same=False)
    root, changes, undone, back = settled("swap", model, steps, witness)
    text = runs(root, witness) if changes else ""
    return Rewrite("swap", root, tuple(changes), (*refused, *undone, *others), text, back, aside)


def _apply(
    model: nn.Module, path: str, module: nn.Module, layer: nn.Module, evidence: str, back: Back
) -> Change:
    evidence += _carry_over(module, layer)
    layer.train(module.training)
    back.append(replace(model, module, layer))
    return Change(path, summary(module), summary(layer), evidence)


def check_groups(groups: Any, what: str) -> None:
    """Raise unless it is a number of groups, or None."""
    if groups is not None and (not isinstance(groups, int) or groups < 1):
        raise RewriteError(f"{what}: groups must be a whole number from 1 on, got {groups!r}")


def _judged(model: nn.Module, flow: Flow, path: str, module: Any) -> str | None:
    """Why the layer must stay, whatever should replace it."""
    calls = flow.of(path)
    place = type(module).__module__
    if not place.startswith(("torch.nn.", "evenbatch.torch.layers")):
        return f"{type(module).__name__} is a class of its own, not torch.nn's"
    if getattr(module, "activation", None) is not None:
        return f"it has activation={module.activation!r} fused in; see accelerate"
    if not calls:
        return "it is not called in the forward pass, so the shape of its input is not known"
    if any(call.extra for call in calls):
        return "it is called with a mask"
    if any(call.shape is None for call in calls):
        return "it is called without a tensor"
    parent = model.get_submodule(path.rpartition(".")[0]) if "." in path else model
    fused = (nn.TransformerEncoderLayer, nn.TransformerEncoder)
    if isinstance(parent, fused) and parent is not module:
        return (
            f"{type(parent).__name__} reads its layer norms' weights itself in its fast path, and "
            "would go on computing layer norm"
        )
    problem = hooked(module) or tied(model, module) or kept_aside(model, module)
    return problem or read_by_code(model, module)


def _made(module: Any, flow: Flow, path: str, new: str, groups: int | None) -> Made | str:
    """The new layer with its evidence, or why there is none."""
    shapes = [call.shape for call in flow.of(path) if call.shape is not None]
    affine = module.weight is not None
    kept = like(module)
    eps = _eps(module)
    if new == "batch" and len(shapes) > 1:
        return f"it is called {len(shapes)} times, and one batch norm would mix their statistics"
    if isinstance(module, _CHANNELS):
        unbatched = isinstance(module, instancenorm._InstanceNorm) and any(
            len(shape) == module._get_no_batch_dim() for shape in shapes
        )
        if unbatched:
            return f"its input {shapes[0]} has no batch axis"
        return over_channels(new, shapes, eps, affine, groups, kept)
    sizes = tuple(module.normalized_shape)
    bias = getattr(module, "bias", None) is not None
    if new in ("layer", "rms"):
        return over_features(new, sizes, eps, affine, bias or not affine, kept)
    if len(sizes) == 1 and all(len(shape) == 2 for shape in shapes):
        return over_channels(new, shapes, eps, affine, groups, kept)
    return (
        f"it normalizes the last axes {sizes} of an input of shape {shapes[0]}, and {new} norm "
        "works on axis 1"
    )


def _eps(module: Any) -> float:
    """eps as it is used: RMS norm's None is the epsilon of the type it is computed in, which for
    half precision is float32."""
    if module.eps is not None:
        return float(module.eps)
    dtype = like(module).get("dtype", torch.float32)
    return float(torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps)


def _carry_over(old: Any, new: Any) -> str:
    """Hand gamma and beta on, the same parameters, so that an optimizer still has them."""
    said = []
    for name in ("weight", "bias"):
        before, after = getattr(old, name, None), getattr(new, name, None)
        if before is not None and after is not None:
            setattr(new, name, before)
        elif before is not None:
            said.append(f"{name} dropped")
    if getattr(old, "running_mean", None) is not None:
        said.append("running statistics dropped")
    return "".join(f", {word}" for word in said)


def runs(model: nn.Module, witness: Witness) -> str:
    """The evidence that the model runs on the batch, in training mode too."""
    inputs = witness.before[0][0]
    shapes = [tuple(t.shape) for t in outputs(model, inputs)]
    return f"the model runs on the batch; outputs {', '.join(map(str, shapes))}"
