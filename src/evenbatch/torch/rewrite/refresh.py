"""Give norm layers the statistics of a whole data set."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.measuring import Norm, Norms, Probe, Unfit, find
from evenbatch.torch.measuring.kept import filled, state
from evenbatch.torch.measuring.known import own_code
from evenbatch.torch.models.words import counted
from evenbatch.torch.rewrite._moments import (
    Moments,
    all_ranks,
    by_role,
    channel_of,
    of_channels,
    on,
    put,
)
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, RewriteError, summary
from evenbatch.torch.rewrite._seen import refusals, seen
from evenbatch.torch.rewrite._tree import check_model
from evenbatch.torch.rewrite.freeze import Frozen


def refresh(
    model: nn.Module, loader: Iterable[Any], *, passes: int = 1, limit: int | None = None
) -> Rewrite:
    """Set every batch norm's running statistics to the exact ones of the loader's data.

    Running statistics lag behind the weights, and weights that were averaged (SWA, EMA) or loaded
    from elsewhere have none of their own. Here the mean and the unbiased variance are those of all
    values a layer is given, over all batches, whatever their sizes: not an average of batch
    variances. A layer called several times counts all its calls; under `torch.distributed` all
    ranks' values are joined, once at the end, so ranks may have different numbers of batches.

    A layer of another class than torch.nn's is first run once in training mode, on a copy: if its
    own update does not write the mean and variance of what it is given, it is refused.

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
    first, loader = _peeked(loader)
    layers, refused, aside = _judged(model, _found(model, first))
    if not layers:
        return Rewrite("refresh", model, (), tuple(refused), "", [], aside)
    old = {path: {r: t.clone() for r, t in n.statistics.items()} for path, n in layers.items()}
    moments: dict[str, Moments] = {}
    seen_batches = 0
    try:
        for number in range(passes):
            moments, seen_batches = all_ranks(model, layers, loader, limit, by_batch=number == 0)
            for path, norm in layers.items():
                if _usable(moments[path]) is None:
                    put(norm, moments[path])
    except BaseException:
        for path, norm in layers.items():
            _set(norm, old[path])
        raise
    changes = []
    for path, norm in layers.items():
        why = _usable(moments[path])
        if why is not None:
            refused.append(Refusal(path, why))
            continue
        name = summary(norm.module)
        changes.append(Change(path, name, name, _moved(by_role(norm, moments[path]), old[path])))
    back: list[Any] = [partial(_set, layers[change.path], old[change.path]) for change in changes]
    text = (
        f"statistics of {counted(seen_batches, 'batch', 'batches')}, "
        f"{counted(passes, 'pass', 'passes')}"
    )
    return Rewrite("refresh", model, tuple(changes), tuple(refused), text, back, aside)


def _judged(model: nn.Module, found: Norms) -> tuple[dict[str, Norm], list[Refusal], str]:
    """The layers that can be given statistics, those that cannot, and the rest in a sentence."""
    norms = {norm.path: norm for norm in found.norms if not norm.call}
    layers, refused = {}, []
    for path, module in model.named_modules():
        norm = norms.get(path)
        if isinstance(module, batchnorm._BatchNorm) or (norm and norm.moves_when_training):
            why = _problem(module, norm)
            if norm is None or why is not None:
                refused.append(Refusal(path, why or "what it does could not be measured"))
            else:
                layers[path] = norm
    others, aside = refusals(found, {*layers, *(r.path for r in refused)}, _not_refreshed)
    return layers, [*refused, *others], aside


def _peeked(loader: Iterable[Any]) -> tuple[Any, Iterable[Any]]:
    """The first batch, and a loader that still gives all of them."""
    with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed for its workers
        iterator = iter(loader)
        first = next(iterator, None)
    return first, chain([first], iterator) if iterator is loader and first is not None else loader


def _found(model: nn.Module, first: Any) -> Norms:
    """The norms, measured on the first batch, where the model takes it."""
    with suppress(RewriteError):
        device = next((t.device for t in (*model.parameters(), *model.buffers())), None)
        return seen(model, on(device, first), "refresh")
    return find(model)


def _not_refreshed(norm: Norm) -> str:
    if isinstance(norm.module, Frozen):
        return "it is frozen"
    if norm.moves_when_training:
        return "its statistics move"
    if norm.kind == "frozen batch":
        return "its statistics are fixed"
    return "it keeps no running statistics" if norm.kind == "batch" else ""


def _problem(module: Any, norm: Norm | None) -> str | None:
    """Why the layer cannot be given statistics, or None."""
    if isinstance(module, Frozen):
        return "it is frozen"
    if isinstance(module, batchnorm._BatchNorm) and None in (
        module.running_mean, module.running_var
    ):  # fmt: skip
        return "it keeps no running statistics"
    if any(t.device.type == "meta" for t in module.buffers()):
        return "its running statistics are on the meta device and cannot hold any"
    if norm is None:
        return None
    roles = {kept.role: kept for kept in norm.does.kept if kept.role != "other"}
    if not of_channels(norm.does):
        return f"what it keeps is not of all values of a channel: it {norm.does.described()}"
    if not {"variance", "deviation"} & set(roles) or len(roles) > 2 or "spread" in roles:
        kept = ", ".join(f"{k.name} ({k.role})" for k in norm.does.kept)
        return f"it keeps {kept}, which is no mean and variance of each channel"
    return None if own_code(module) else _other_update(norm)


def _other_update(norm: Norm) -> str | None:
    """Why a layer's own update, in one pass in training mode, is not what would be written here; or
    None. With nothing kept before, it writes its weight times the batch's statistics."""
    x = 3 * Probe(norm.module, *norm.template).random(4) + 5
    written = [kept.name for kept in norm.does.kept if kept.name in norm.does.moves]
    expected = Moments()
    expected.see(x, channel_of(norm, tuple(x.shape)))
    try:
        probe = Probe(norm.module, *norm.template).wide()
        _, layer = probe.calls([x], edit=filled(written, 0.0))
    except Unfit as error:
        return f"its own update could not be seen: {error}"
    wanted = by_role(norm, expected)
    for kept in norm.does.kept:
        value = wanted.get(kept.role)
        if value is None:
            continue
        now = state(layer)[kept.name].double().cpu().flatten()
        weight = 1.0 if kept.weight is None else kept.weight
        if now.shape != value.shape or not torch.allclose(now, weight * value, rtol=1e-3):
            return f"its own update does not make {kept.name} the {kept.role} of what it is given"
    return None


def _usable(moments: Moments) -> str | None:
    """Why these moments cannot be a layer's statistics, or None."""
    if moments.count < 2:
        return f"it was given {moments.count} values per channel; a variance needs 2"
    if not moments.finite:
        return "some of its inputs were not finite"
    return None


def _set(norm: Norm, values: dict[str, torch.Tensor]) -> None:
    held = norm.statistics
    with torch.no_grad():
        for role, value in values.items():
            held[role].copy_(value)


def _moved(new: dict[str, torch.Tensor], old: dict[str, torch.Tensor]) -> str:
    """How far the new statistics are from these old ones."""
    said = []
    power = 1 if "variance" in new else 2
    spread = new.get("variance", new.get("deviation", torch.ones(())))
    var, was = (t.double().cpu().flatten() ** power for t in
                (spread, old.get("variance", old.get("deviation", spread))))  # fmt: skip
    if "mean" in new:
        shift = (new["mean"].cpu() - old["mean"].double().cpu().flatten()).abs()
        most = float((shift / var.clamp(min=1e-30).sqrt()).max())
        said.append(f"mean moved by up to {most:.2g} standard deviations")
    ratio = var.clamp(min=1e-30) / was.clamp(min=1e-30)
    said.append(f"variance times {float(ratio.min()):.2g} to {float(ratio.max()):.2g}")
    return ", ".join(said)
