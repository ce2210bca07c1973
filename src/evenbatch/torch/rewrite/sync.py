"""Batch norm with statistics over all devices, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.measuring import Norm, find
from evenbatch.torch.rewrite._flow import recorded
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._seen import foreign, refusals
from evenbatch.torch.rewrite._tree import check_model, hooked, kept_aside, replace
from evenbatch.torch.rewrite.freeze import Frozen

_DIMENSIONS = {
    "BatchNorm1d": (nn.BatchNorm1d, (2, 3)),
    "BatchNorm2d": (nn.BatchNorm2d, (4,)),
    "BatchNorm3d": (nn.BatchNorm3d, (5,)),
}


class SyncedBatchNorm(nn.SyncBatchNorm):
    """`torch.nn.SyncBatchNorm` that still knows which batch norm it was made from.

    So it refuses inputs of another number of dimensions, as that one did, and `unsync` can make it
    that one again.
    """

    was = "BatchNorm2d"

    def _check_input_dim(self, input: Any) -> None:
        super()._check_input_dim(input)
        allowed = _DIMENSIONS[self.was][1]
        if input.dim() not in allowed:
            raise ValueError(
                f"SyncedBatchNorm made from {self.was}: expected "
                f"{' or '.join(f'{n}D' for n in allowed)} input (got {input.dim()}D input)"
            )


def sync(model: nn.Module, process_group: Any = None) -> Rewrite:
    """Make every batch norm take its statistics over the devices of a process group.

    For `torch.nn.parallel.DistributedDataParallel`, before wrapping the model in it. Parameters and
    buffers stay the same objects. Where there is one process, nothing changes but the class.

    Args:
        model: any module; changed in place.
        process_group: over which to synchronize; None for all processes.

    Returns: what was changed, and what was not and why; its `undo`, or `unsync`, changes it back.

    Raises:
        RewriteError: the model is wrapped in DistributedDataParallel already, or is itself no
            module that can be changed.

    >>> done = sync(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    >>> [change.after for change in done]
    ['SyncedBatchNorm(8)']
    """
    check_model(model, "sync")
    if isinstance(model, nn.parallel.DistributedDataParallel):
        raise RewriteError(
            "sync: the model is wrapped in DistributedDataParallel, which has looked at its layers "
            "already; call sync first and wrap the model afterwards"
        )

    def made(path: str, module: Any) -> nn.Module | str:
        problem = _sync_problem(module)
        if problem is not None:
            return problem
        new = SyncedBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine,
            module.track_running_stats, process_group,
        )  # fmt: skip
        new.was = _was(module)
        return new

    plain = [m for m in model.modules() if not isinstance(m, nn.SyncBatchNorm)]
    return _rewritten("sync", model, plain, made)


def _was(module: nn.Module) -> str:
    return next(name for name, (cls, _) in _DIMENSIONS.items() if isinstance(module, cls))


def _sync_problem(module: Any) -> str | None:
    if isinstance(module, Frozen):
        return "it is frozen; there is nothing to synchronize"
    if getattr(module, "activation", None) is not None:
        return f"it has activation={module.activation!r} fused in; see accelerate"
    place = type(module).__module__
    ours = place.startswith("evenbatch.torch.layers")
    if type(module) not in [cls for cls, _ in _DIMENSIONS.values()] and not ours:
        return f"{type(module).__name__} is a class of its own, not torch.nn's"
    return hooked(module)


def unsync(model: nn.Module, *, batch: Any = None) -> Rewrite:
    """The inverse of `sync`: make every synchronized batch norm an ordinary one again.

    PyTorch has a converter to `torch.nn.SyncBatchNorm` and none back. A layer converted by PyTorch
    does not know whether it was 1d, 2d or 3d; the shape of its input in one forward pass tells.

    Args:
        model: any module; changed in place.
        batch: what the model is called with; needed for layers that `sync` did not make.

    Returns: what was changed, and what was not and why; its `undo` changes it back.

    Raises:
        RewriteError: the model fails on the batch.

    >>> import torch
    >>> model = nn.SyncBatchNorm.convert_sync_batchnorm(
    ...     nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    >>> print(unsync(model, batch=torch.zeros(2, 3, 8, 8)))
    unsync: 1 changed, 0 left as they were
      1: SyncBatchNorm(8) -> BatchNorm2d(8)
    """
    check_model(model, "unsync")
    flow = None if batch is None else recorded(model, batch, "unsync")

    def made(path: str, module: Any) -> nn.Module | str:
        shapes = [] if flow is None else [call.shape for call in flow.of(path)]
        dims = {len(shape) for shape in shapes if shape is not None}
        if isinstance(module, SyncedBatchNorm):
            cls: Any = _DIMENSIONS[module.was][0]
        elif flow is None:
            return "whether it was 1d, 2d or 3d is not known; give a batch"
        else:
            if not dims:
                return "it is not called in the forward pass, so 1d, 2d and 3d cannot be told apart"
            fits = [c for c, allowed in _DIMENSIONS.values() if dims <= set(allowed)]
            if not fits:
                return f"no batch norm takes all its inputs, {shapes}"
            cls = fits[0]
        return hooked(module) or cls(
            module.num_features, module.eps, module.momentum, module.affine,
            module.track_running_stats,
        )  # fmt: skip

    synced = [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    return _rewritten("unsync", model, synced, made)


def _rewritten(
    what: str,
    model: nn.Module,
    modules: list[nn.Module],
    made: Callable[[str, Any], nn.Module | str],
) -> Rewrite:
    """Put what `made` gives in place of each batch norm among the modules."""
    root, changes, refused = model, [], []
    back: list[Callable[[], Any]] = []
    listed = {path for path, m in model.named_modules() if isinstance(m, batchnorm._BatchNorm)}
    others, aside = refusals(find(model), listed, _not_torchs)
    for path, module in list(model.named_modules()):
        if path not in listed or module not in modules:
            continue
        new = kept_aside(model, module) or made(path, module)
        if isinstance(new, str):
            refused.append(Refusal(path, new))
            continue
        new._parameters.update(module._parameters)
        new._buffers.update(module._buffers)
        new.train(module.training)
        back.append(replace(model, module, new))
        root = new if module is model else root
        changes.append(Change(path, summary(module), summary(new)))
    return Rewrite(what, root, tuple(changes), (*refused, *others), "", back, aside)


def _not_torchs(norm: Norm) -> str:
    return foreign(norm) if norm.kind == "batch" else ""
