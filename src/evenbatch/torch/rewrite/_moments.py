"""Gathering the mean and variance of everything that norm layers are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.behaviour import OWN, SHARED, Behaviour
from evenbatch.torch.measuring.known import own_code
from evenbatch.torch.models.inputs import Inputs, tensors_in
from evenbatch.torch.models.keeping import left_as_it_was
from evenbatch.torch.models.running import needs_gradients, set_mode
from evenbatch.torch.models.words import short
from evenbatch.torch.rewrite._given import inputs_of, mismatch
from evenbatch.torch.rewrite._result import RewriteError


class _Local(nn.SyncBatchNorm):
    """What a synchronized batch norm is while statistics are gathered: ranks may have different
    numbers of batches, and would wait for each other."""

    def forward(self, input: Any) -> Any:
        return batchnorm._BatchNorm.forward(self, input)


@dataclass
class Moments:
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

    def see(self, x: torch.Tensor, channel: int, mask: torch.Tensor | None = None) -> None:
        """Take in one input with its channels on this axis."""
        values = x.detach().movedim(channel, -1)
        values = values[mask] if mask is not None else values.flatten(0, -2)
        values = values.to(torch.float64 if x.device.type != "mps" else torch.float32)
        self.finite = self.finite and bool(torch.isfinite(values).all())
        if len(values):
            mean = values.mean(0)
            self.join(len(values), mean, ((values - mean) ** 2).sum(0))


def of_channels(does: Behaviour) -> bool:
    """Whether statistics are over everything but one axis; what has one value tells nothing."""
    words = [
        word for axis, word in enumerate(does.axes)
        if axis != does.channel and does.shape[axis] > 1
    ]  # fmt: skip
    return does.channel is not None and does.axes[does.channel] == OWN and {*words} <= {SHARED}


def channel_of(norm: Norm, shape: tuple[int, ...]) -> int:
    """The axis of an input of this shape along which the layer has statistics of its own.

    Raises:
        ValueError: there is no such axis.
    """
    if len(shape) == len(norm.does.axes) and norm.does.channel is not None:
        return norm.does.channel
    words = norm.does.axes_for(shape) or ()
    if words.count(OWN) != 1:
        raise ValueError(f"{norm.path} has no one axis of channels in an input of shape {shape}")
    return words.index(OWN)


def put(norm: Norm, moments: Moments) -> None:
    """Write the moments into what the layer keeps, each in its convention."""
    held = norm.statistics
    with torch.no_grad():
        for role, values in by_role(norm, moments).items():
            held[role].copy_(values.view(held[role].shape))


def by_role(norm: Norm, moments: Moments) -> dict[str, torch.Tensor]:
    """What a layer is to keep: its mean, and its variance or deviation, biased where it is so."""
    found = {}
    for kept in norm.does.kept:
        count = moments.count if kept.biased else moments.count - 1
        if kept.role == "mean":
            found["mean"] = moments.mean
        elif kept.role in ("variance", "deviation"):
            var = moments.spread / count
            found[kept.role] = var if kept.role == "variance" else var.sqrt()
    return found


def all_ranks(
    model: nn.Module,
    layers: dict[str, Norm],
    loader: Iterable[Any],
    limit: int | None,
    by_batch: bool,
) -> tuple[dict[str, Moments], int]:
    """One pass: the moments of each layer's inputs on all ranks, and the number of batches.

    A rank that fails says so to the others, which would wait for it forever.
    """
    found: dict[str, Moments] = {}
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
    joined = {path: Moments() for path in layers}
    for moments, _, _ in answers:  # in the order of ranks, so all get the same to the bit
        for path, part in moments.items():
            joined[path].join(part.count, part.mean, part.spread)
            joined[path].finite &= part.finite
    return joined, sum(count for _, count, _ in answers)


def _gathered(
    model: nn.Module,
    layers: dict[str, Norm],
    loader: Iterable[Any],
    limit: int | None,
    by_batch: bool,
) -> tuple[dict[str, Moments], int]:
    """One pass on this rank."""
    found = {path: Moments() for path in layers}
    device = next((t.device for t in (*model.parameters(), *model.buffers())), None)
    seen, grad = 0, False
    with ExitStack() as stack:
        stack.enter_context(left_as_it_was(model))
        set_mode(model, False)
        for path, norm in layers.items():
            stack.enter_context(_watched(norm, found[path], by_batch))
        for batch in loader:
            if limit is not None and seen >= limit:
                break
            inputs = inputs_of(on(device, batch), model, f"refresh: batch {seen}", some=False)
            inputs = inputs.mapped(torch.Tensor.detach)  # of which the model may ask gradients
            try:
                try:
                    _run(model, inputs, grad)
                except RuntimeError as error:
                    if seen or grad or not needs_gradients(error):
                        raise
                    grad = True
                    for moments in found.values():
                        vars(moments).update(vars(Moments()))
                    _run(model, inputs, grad)
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


def _run(model: nn.Module, inputs: Inputs, grad: bool) -> None:
    with torch.enable_grad() if grad else torch.no_grad():
        model(*inputs.args, **inputs.kwargs)


def on(device: torch.device | None, batch: Any) -> Any:
    """The batch's tensors on the model's device."""
    if isinstance(batch, torch.Tensor):
        if batch.device.type == "meta":
            raise RewriteError("refresh: a batch is on the meta device, which holds no numbers")
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: on(device, value) for name, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return [on(device, value) for value in batch]
    return batch


@contextmanager
def _watched(norm: Norm, moments: Moments, by_batch: bool) -> Iterator[None]:
    """The layer with its inputs observed, normalizing by the batch if so asked."""
    module = norm.module

    def look(layer: Any, args: Any, kwargs: Any) -> None:
        x, before = tensors_in((args, kwargs))[0], moments.count
        given = {**dict(zip(("input", "mask"), args, strict=False)), **kwargs}
        ours = cls.__module__.startswith("evenbatch.torch")
        mask = given.get("mask") if ours else None
        moments.see(x, channel_of(norm, tuple(x.shape)), mask)
        if by_batch:
            # One value has no variance: such a batch is normalized by all the values so far.
            training = moments.count - before > 1 or moments.count < 2
            set_mode(layer, training)
            if not training:
                put(norm, moments)

    cls, own = type(module), isinstance(module, batchnorm._BatchNorm) and own_code(module)
    tracked = getattr(module, "track_running_stats", None)
    hook = module.register_forward_pre_hook(look, with_kwargs=True, prepend=True)
    if by_batch and own:
        module.track_running_stats = False  # in training mode, without a place to write to
    if by_batch and isinstance(module, nn.SyncBatchNorm):
        module.__class__ = _Local
    try:
        yield
    finally:
        hook.remove()
        module.__class__ = cls
        if own:
            module.track_running_stats = tracked
