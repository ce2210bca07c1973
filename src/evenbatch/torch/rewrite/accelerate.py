"""Put this package's layers into a model, and take them out again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.layers.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from evenbatch.torch.layers.group import GroupNorm
from evenbatch.torch.layers.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from evenbatch.torch.layers.layer import LayerNorm
from evenbatch.torch.layers.rms import RMSNorm
from evenbatch.torch.rewrite._flow import Flow, recorded
from evenbatch.torch.rewrite._given import inputs_of, outputs, proved
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, summary
from evenbatch.torch.rewrite._tree import check_model, hooked, paths_of, replace

OURS: dict[Any, Any] = {
    nn.BatchNorm1d: BatchNorm1d,
    nn.BatchNorm2d: BatchNorm2d,
    nn.BatchNorm3d: BatchNorm3d,
    nn.InstanceNorm1d: InstanceNorm1d,
    nn.InstanceNorm2d: InstanceNorm2d,
    nn.InstanceNorm3d: InstanceNorm3d,
    nn.GroupNorm: GroupNorm,
    nn.LayerNorm: LayerNorm,
    nn.RMSNorm: RMSNorm,
}
"""PyTorch's layers and ours for them."""

THEIRS = {ours: theirs for theirs, ours in OURS.items()}


def accelerate(model: nn.Module, batch: Any = None, *, undo: bool = False) -> Rewrite:
    """Make the norm layers of a model this package's, which are faster on the CPU.

    Each layer stays the same object with the same parameters, buffers and hooks; its class becomes
    the subclass from here. With a batch, a relu module that is the one reader of a norm's output
    is done by the norm in the same pass, and becomes `torch.nn.Identity`.

    Args:
        model: any module; changed in place.
        batch: what the model is called with: a tensor, a tuple of arguments or a mapping of
            keywords; needed to see which relus can be taken in.
        undo: make this package's layers PyTorch's again; for models that were saved or copied.
            A relu that was taken in comes back as a `torch.nn.ReLU` after the layer. (The result's
            own `undo` puts back exactly what was there.)

    Returns: what was changed, and what was not and why.

    Raises:
        RewriteError: the model cannot be changed or fails on the batch, or its output on the batch
            changed by more than rounding, in which case everything was put back.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout())
    >>> _ = accelerate(model, torch.randn(2, 3, 8, 8))
    >>> model[1:3]
    Sequential(
      (1): BatchNorm2d(8, ..., activation='relu')
      (2): Identity()
    )
    >>> _ = accelerate(model, undo=True)
    >>> model[1]
    Sequential(
      (0): BatchNorm2d(8, ...)
      (1): ReLU()
    )
    """
    check_model(model, "accelerate")
    if undo:
        return _taken_out(model)
    flow = None if batch is None else recorded(model, batch, "accelerate")
    inputs = None if batch is None else inputs_of(batch, model, "accelerate")
    before = [] if inputs is None else outputs(model, inputs)
    back: list[Callable[[], Any]] = []
    changes, refused = [], []
    for path, module in list(model.named_modules()):
        if type(module) in OURS:
            was = summary(module)
            back.append(partial(setattr, module, "__class__", type(module)))
            module.__class__ = OURS[type(module)]
            taken = "" if flow is None else _take_in_relu(model, flow, path, module, back)
            changes.append(Change(path, was, summary(module), taken))
        elif isinstance(module, tuple(OURS)) and type(module) not in THEIRS:
            refused.append(Refusal(path, f"{type(module).__name__} is not torch.nn's own class"))
    done = Rewrite("accelerate", model, tuple(changes), tuple(refused), "", back)
    half = any(p.dtype in (torch.bfloat16, torch.float16) for p in model.parameters())
    return done if inputs is None else proved(done, inputs, before, 0.1 if half else 1e-4)


def _take_in_relu(
    model: nn.Module, flow: Flow, path: str, norm: Any, back: list[Callable[[], Any]]
) -> str:
    """Let the norm do the relu module that alone reads its output, if there is one."""
    readers = [reader for call in flow.of(path) for reader in flow.readers.get(call.result, [])]
    if len(flow.of(path)) != 1 or len(readers) != 1 or not path:
        return ""
    (reader,), (call,) = readers, flow.of(path)
    relu = model.get_submodule(reader.module)
    if type(relu) is not nn.ReLU or len(flow.of(reader.module)) != 1:
        return ""
    if call.result in flow.returned | flow.kept or hooked(relu) or hooked(norm):
        return ""
    if len(paths_of(model, relu)) != 1:
        return ""
    norm.activation = "relu"
    back.append(partial(setattr, norm, "activation", None))
    back.append(replace(model, relu, nn.Identity()))
    return f"with the relu of {reader.module}"


def _taken_out(model: nn.Module) -> Rewrite:
    """Every layer of this package made PyTorch's."""
    root, changes, refused = model, [], []
    back: list[Callable[[], Any]] = []
    for path, module in list(model.named_modules()):
        if type(module) not in THEIRS:
            if isinstance(module, tuple(THEIRS)):
                reason = f"{type(module).__name__} is a class made from this package's"
                refused.append(Refusal(path, reason))
            continue
        ours: Any = module
        was = summary(ours)
        back.append(partial(setattr, ours, "__class__", type(ours)))
        ours.__class__ = THEIRS[type(ours)]
        after = summary(ours)
        activation = ours.__dict__.pop("activation", None)
        if activation == "relu":
            both = nn.Sequential(ours, nn.ReLU()).train(ours.training)
            back.append(partial(setattr, ours, "activation", "relu"))
            back.append(replace(model, ours, both))
            root = both if ours is model else root
            after = f"{summary(ours)}, ReLU()"
        changes.append(Change(path, was, after))
    return Rewrite("accelerate", root, tuple(changes), tuple(refused), "", back)
