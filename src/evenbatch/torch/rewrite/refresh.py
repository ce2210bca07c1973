"""Give batch norm the statistics of a whole data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.models.keeping import left_as_it_was
from evenbatch.torch.models.running import set_mode
from evenbatch.torch.models.words import counted, short
from evenbatch.torch.rewrite._given import inputs_of, mismatch
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._tree import check_model
from evenbatch.torch.rewrite.freeze import Frozen


class _Local(nn.SyncBatchNorm):
    """What a synchronized batch norm is while statistics are gathered: ranks may have different
    numbers of batches, and would wait for each other."""

    def forward(self, input: Any) -> Any:
        return batchnorm._BatchNorm.forward(self, input)


@dataclass
class _Moments:
    """Count, mean and summed squared deviations of everything one layer was given."""

    count: int = 0
    mean: Any = 0.0
    spread: Any = 0.0
    finite: bool = True

    def join(self, count: int, mean: Any, spread: Any) -> None:
        """Take in another part (Chan, Golub, LeVeque 1983, equation 2.1)."""
        if count == 0:
            return
        total = self.count + count
        apart = mean - self.mean
        self.spread = self.spread + spread + apart * apart * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def see(self, x: torch.Tensor, mask: torch.Tensor | None) -> None:
        """Take in one input (N, C, *spatial)."""
        values = x.detach().movedim(1, -1)
        values = values[mask] if mask is not None else values.flatten(0, -2)
        values = values.to(torch.float64 if x.device.type != "mps" else torch.float32)
        self.finite = self.finite and bool(torch.isfinite(values).all())
        if len(values):
            mean = values.mean(0)
            self.join(len(values), mean, ((values - mean) ** 2).sum(0))


def refresh(
    model: nn.Module, loader: Iterable[Any], *, passes: int = 1, limit: int | None = None
) -> Rewrite:
    """Set every batch norm's running statistics to the exact ones of the loader's data.

    Running statistics lag behind the weights, and weights that were averaged (SWA, EMA) or loaded
    from elsewhere have none of their own. Here the mean and the unbiased variance are those of all
    values a layer is given, over all batches, whatever their sizes: not an average of batch
    variances. A layer called several times counts all its calls; under `torch.distributed` all
    ranks' values are joined, once at the end, so ranks may have different numbers of batches.

    In the first pass each layer normalizes by the batch, as in training, and everything else is in
    evaluation mode (dropout would change the variance). Later passes use the statistics found
    before, as evaluation does; with as many passes as there are layers in a row, each layer's
    statistics are exactly those of its inputs in evaluation.

    Args:
        model: any module; only the running statistics change. Of a model in
            DistributedDataParallel, the model inside is used.
        loader: of batches as the model takes them; a target at the end of a tuple is left out. For
            several passes it must start anew each time.
        passes: how often to go through the loader.
        limit: stop each pass after so many batches.

    Returns: the layers that were given new statistics, how far their mean moved in standard
        deviations, and by how much their variance changed; its `undo` puts the old ones back.

    Raises:
        RewriteError: the loader is empty or cannot start anew, or the model fails on a batch; the
            statistics are then as they were.

    Wu, Johnson: Rethinking "Batch" in BatchNorm, 2021, section 3, https://arxiv.org/abs/2105.07576

    >>> model = nn.Sequential(nn.BatchNorm1d(1))
    >>> data = [torch.tensor([[0.0], [2.0]]), torch.tensor([[10.0]])]
    >>> done = refresh(model, data)
    >>> model[0].running_mean.item(), model[0].running_var.item()
    (4.0, 28.0)
    """
    if isinstance(model, nn.parallel.DistributedDataParallel):
        model = model.module
    check_model(model, "refresh")
    if passes < 1:
        raise RewriteError(f"refresh: passes must be at least 1, got {passes}")
    if limit is not None and limit < 1:
        raise RewriteError(f"refresh: limit must be at least 1, or None for all, got {limit}")
    if isinstance(loader, torch.Tensor) or not isinstance(loader, Iterable):
        raise RewriteError(
            f"refresh: the loader is a {type(loader).__name__}; give something that gives batches, "
            "such as a DataLoader, or a list with one batch in it"
        )
    if passes > 1 and iter(loader) is loader:
        raise RewriteError(
            "refresh: the loader is an iterator, which cannot start anew for another pass; give a "
            "list or a DataLoader"
        )
    layers = {path: m for path, m in model.named_modules() if isinstance(m, batchnorm._BatchNorm)}
    refused = [Refusal(path, why) for path, m in layers.items() if (why := _problem(m))]
    for refusal in refused:
        del layers[refusal.path]
    if not layers:
        return Rewrite("refresh", model, (), tuple(refused))
    old = {path: (m.running_mean.clone(), m.running_var.clone()) for path, m in layers.items()}
    found: dict[str, _Moments] = {}
    seen = 0
    try:
        for number in range(passes):
            found, seen = _all_ranks(model, layers, loader, limit, by_batch=number == 0)
            for path, m in layers.items():
                if _usable(found[path]) is None:
                    _set(m, *_statistics(found[path]))
    except BaseException:
        for path, m in layers.items():
            _set(m, *old[path])
        raise
    changes = []
    for path, m in layers.items():
        why = _usable(found[path])
        if why is not None:
            refused.append(Refusal(path, why))
            continue
        changes.append(Change(path, summary(m), summary(m), _moved(found[path], *old[path])))
    back: list[Any] = [partial(_set, layers[change.path], *old[change.path]) for change in changes]
    text = f"statistics of {counted(seen, 'batch', 'batches')}, {counted(passes, 'pass', 'passes')}"
    return Rewrite("refresh", model, tuple(changes), tuple(refused), text, back)


def _problem(module: Any) -> str | None:
    if isinstance(module, Frozen):
        return "it is frozen"
    if module.running_mean is None or module.running_var is None:
        return "it keeps no running statistics"
    if module.running_mean.device.type == "meta":
        return "its running statistics are on the meta device and cannot hold any"
    return None


def _usable(moments: _Moments) -> str | None:
    """Why these moments cannot be a layer's statistics, or None."""
    if moments.count < 2:
        return f"it was given {moments.count} values per channel; a variance needs 2"
    if not moments.finite:
        return "some of its inputs were not finite"
    return None


def _statistics(moments: _Moments) -> tuple[torch.Tensor, torch.Tensor]:
    return moments.mean, moments.spread / (moments.count - 1)


def _set(module: Any, mean: torch.Tensor, var: torch.Tensor) -> None:
    with torch.no_grad():
        module.running_mean.copy_(mean)
        module.running_var.copy_(var)


def _moved(moments: _Moments, mean: torch.Tensor, var: torch.Tensor) -> str:
    """How far the new statistics are from these old ones."""
    new_mean, new_var = _statistics(moments)
    spread = new_var.clamp(min=1e-30).sqrt()
    shift = float(((new_mean - mean.to(new_mean.dtype)).abs() / spread).max())
    ratio = new_var.clamp(min=1e-30) / var.to(new_var.dtype).clamp(min=1e-30)
    return (
        f"mean moved by up to {shift:.2g} standard deviations, variance times "
        f"{float(ratio.min()):.2g} to {float(ratio.max()):.2g}"
    )


# ---- gathering -----------------------------------------------------------------------------------


def _all_ranks(
    model: nn.Module,
    layers: dict[str, Any],
    loader: Iterable[Any],
    limit: int | None,
    by_batch: bool,
) -> tuple[dict[str, _Moments], int]:
    """One pass: the moments of each layer's inputs on all ranks, and the number of batches.

    A rank that fails says so to the others, which would wait for it forever.
    """
    found: dict[str, _Moments] = {}
    problem, seen = "", 0
    try:
        found, seen = _gathered(model, layers, loader, limit, by_batch)
    except RewriteError as error:
        problem = str(error)
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    ranks = torch.distributed.get_world_size() if there else 1
    if ranks > 1:
        answers: list[Any] = [None] * ranks
        torch.distributed.all_gather_object(answers, ({} if problem else found, seen, problem))
    else:
        answers = [(found, seen, problem)]
    for rank, (_, _, said) in enumerate(answers):
        if said:
            raise RewriteError(said if ranks == 1 else f"{said} (on rank {rank})")
    joined = {path: _Moments() for path in layers}
    for moments, _, _ in answers:  # in the order of ranks, so all get the same to the bit
        for path, part in moments.items():
            joined[path].join(part.count, part.mean, part.spread)
            joined[path].finite &= part.finite
    return joined, sum(count for _, count, _ in answers)


def _gathered(
    model: nn.Module,
    layers: dict[str, Any],
    loader: Iterable[Any],
    limit: int | None,
    by_batch: bool,
) -> tuple[dict[str, _Moments], int]:
    """One pass on this rank."""
    found = {path: _Moments() for path in layers}
    device = next((t.device for t in (*model.parameters(), *model.buffers())), None)
    seen = 0
    with ExitStack() as stack:
        stack.enter_context(left_as_it_was(model))
        stack.enter_context(torch.no_grad())
        set_mode(model, False)
        for path, module in layers.items():
            stack.enter_context(_watched(module, found[path], by_batch))
        for batch in loader:
            if limit is not None and seen >= limit:
                break
            inputs = inputs_of(_on(device, batch), model, f"refresh: batch {seen}", some=False)
            try:
                model(*inputs.args, **inputs.kwargs)
            except Exception as error:
                raise RewriteError(
                    f"refresh: the model failed on batch {seen} ({inputs.described()}): "
                    f"{short(error)}{mismatch(model, inputs)}"
                ) from error
            seen += 1
    if seen == 0:
        raise RewriteError("refresh: the loader gave no batch; an iterator used up before?")
    for moments in found.values():
        if moments.count:
            moments.mean, moments.spread = moments.mean.cpu(), moments.spread.cpu()
    return found, seen


def _on(device: torch.device | None, batch: Any) -> Any:
    """The batch's tensors on the model's device."""
    if isinstance(batch, torch.Tensor):
        if batch.device.type == "meta":
            raise RewriteError("refresh: a batch is on the meta device, which holds no numbers")
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: _on(device, value) for name, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return [_on(device, value) for value in batch]
    return batch


@contextmanager
def _watched(module: Any, moments: _Moments, by_batch: bool) -> Iterator[None]:
    """The layer with its inputs observed, normalizing by the batch if so asked."""

    def look(layer: Any, args: Any, kwargs: Any) -> None:
        given = {**dict(zip(("input", "mask"), args, strict=False)), **kwargs}
        before = moments.count
        moments.see(given["input"], given.get("mask"))
        if by_batch:
            # One value has no variance: such a batch is normalized by all the values so far.
            layer.training = moments.count - before > 1 or moments.count < 2
            if not layer.training:
                _set(layer, *_statistics(moments))

    hook = module.register_forward_pre_hook(look, with_kwargs=True, prepend=True)
    cls, tracked = type(module), module.track_running_stats
    if by_batch:
        # In training mode, without a place to write to.
        module.training, module.track_running_stats = True, False
        if isinstance(module, nn.SyncBatchNorm):
            module.__class__ = _Local
    try:
        yield
    finally:
        hook.remove()
        module.__class__, module.track_running_stats = cls, tracked
