"""Put this package's layers into a model, and take them out again."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from evenbatch.torch.layers.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from evenbatch.torch.layers.group import GroupNorm
from evenbatch.torch.layers.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from evenbatch.torch.layers.layer import LayerNorm
from evenbatch.torch.layers.rms import RMSNorm
from evenbatch.torch.measuring import Norm
from evenbatch.torch.rewrite._code import other_branch
from evenbatch.torch.rewrite._flow import Flow, recorded
from evenbatch.torch.rewrite._given import inputs_of
from evenbatch.torch.rewrite._proof import Back, Step, Witness, settled
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, summary
from evenbatch.torch.rewrite._seen import refusals, seen
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
            changed by more than rounding with each of the layers, and all were put back.

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
    witness = None
    if batch is not None:
        witness = Witness(model, inputs_of(batch, model, "accelerate"), training=True)
    steps = [
        Step(path, partial(_apply, model, flow, path, module))
        for path, module in model.named_modules() if type(module) in OURS
    ]  # fmt: skip
    listed = {step.path for step in steps}
    listed |= {path for path, module in model.named_modules() if type(module) in THEIRS}
    others, aside = refusals(seen(model, batch, "accelerate"), listed, _not_torchs)
    _, changes, undone, back = settled("accelerate", model, steps, witness)
    evidence = witness.evidence if witness is not None and changes else ""
    return Rewrite("accelerate", model, tuple(changes), (*undone, *others), evidence, back, aside)


def _not_torchs(norm: Norm) -> str:
    return f"{norm.class_name} is not torch.nn's own class"


def _apply(model: nn.Module, flow: Flow | None, path: str, module: Any, back: Back) -> Change:
    was = summary(module)
    back.append(partial(setattr, module, "__class__", type(module)))
    module.__class__ = OURS[type(module)]
    taken = "" if flow is None else _take_in_relu(model, flow, path, module, back)
    return Change(path, was, summary(module), taken)


def _take_in_relu(model: nn.Module, flow: Flow, path: str, norm: Any, back: Back) -> str:
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
    if len(paths_of(model, relu)) != 1 or other_branch(model, flow, path, reader.module):
        return ""
    norm.activation = "relu"
    back.append(partial(setattr, norm, "activation", None))
    back.append(replace(model, relu, nn.Identity()))
    return f"with the relu of {reader.module}"


def _taken_out(model: nn.Module) -> Rewrite:
    """Every layer of this package made PyTorch's."""
    root, changes, refused = model, [], []
    back: Back = []
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
