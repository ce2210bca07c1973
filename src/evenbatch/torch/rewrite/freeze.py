"""Freeze norm layers on their running statistics, whatever mode the model is in."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.measuring import Norm, Probe, Unfit
from evenbatch.torch.measuring.kept import changed_names
from evenbatch.torch.measuring.known import made_up
from evenbatch.torch.measuring.probing import apart
from evenbatch.torch.models.keeping import Snapshot
from evenbatch.torch.models.running import set_mode
from evenbatch.torch.models.words import brief
from evenbatch.torch.rewrite._proof import Back, undo
from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, summary
from evenbatch.torch.rewrite._seen import refusals, seen
from evenbatch.torch.rewrite._tree import check_model


class Frozen:
    """A norm in evaluation mode for good; stands before the class that is frozen.

    `training` is False and stays so when set: by ``model.train()``, or by hand.
    """

    training = property(lambda self: False, lambda self, mode: None)

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self).__mro__[2],), self.__dict__


@cache
def frozen_class(cls: Any) -> Any:
    """The frozen form of a class; the same one each time."""
    return type(f"Frozen{cls.__name__}", (Frozen, cls), {"__doc__": Frozen.__doc__})


def _rebuilt(cls: Any) -> Any:
    made = frozen_class(cls)
    return made.__new__(made)


def freeze(model: nn.Module, *, batch: Any = None, parameters: bool = True) -> Rewrite:
    """Make every norm with running statistics use these, and leave them alone, in any mode.

    What ``requires_grad = False`` does not do (the statistics go on moving), and what ``eval()``
    does until the next ``model.train()``. The layers keep their place, parameters, buffers and
    hooks; their class becomes a subclass of what it was, whose `training` is always False. A copy
    of each is then run in training mode: a layer whose statistics go on moving, or whose output is
    not that of evaluation, is put back and refused.

    Args:
        model: any module; changed in place.
        batch: what the model is called with; needed for layers that are not torch.nn's and take
            more than one tensor, and to see functions that normalize.
        parameters: also stop training gamma and beta.

    Returns: what was frozen, and what was not and why; its `undo` thaws.

    Raises:
        RewriteError: not a module, or one that cannot be changed.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    >>> _ = model(torch.randn(4, 3, 8, 8))  # its statistics have seen something
    >>> done = freeze(model)
    >>> before = model[1].running_mean.clone()
    >>> _ = model.train()(torch.randn(4, 3, 8, 8) + 50)
    >>> model[1].training, torch.equal(model[1].running_mean, before)
    (False, True)
    """
    check_model(model, "freeze")
    changes: list[Change] = []
    refused: list[Refusal] = []
    back: Back = []
    found = seen(model, batch, "freeze")
    norms = {norm.path: norm for norm in found.norms if not norm.call}
    for path, module in model.named_modules():
        norm = norms.get(path)
        moves = norm is not None and norm.moves_when_training
        if not moves and not isinstance(module, batchnorm._BatchNorm):
            continue
        mark = len(back)
        made = _problem(module, norm) or _apply(path, module, norm, parameters, back)
        if isinstance(made, str):
            undo(back, mark)
            refused.append(Refusal(path, made))
        else:
            changes.append(made)
    listed = {change.path for change in changes} | {refusal.path for refusal in refused}
    others, aside = refusals(found, listed, _not_frozen)
    return Rewrite("freeze", model, tuple(changes), (*refused, *others), "", back, aside)


def _not_frozen(norm: Norm) -> str:
    if norm.moves_when_training:
        return "its statistics move"
    if norm.tracks:
        return "nothing of it moves in training mode"
    return "it keeps no running statistics to use" if norm.kind == "batch" else ""


def _apply(path: str, module: Any, norm: Norm | None, parameters: bool, back: Back) -> Change | str:
    """Freeze one layer; or why that does not do."""
    cls: Any = type(module)
    before, probe = summary(module), _probe(module, norm)
    if module.training and cls.train is not nn.Module.train:
        # A `train` of its own may do more than set a flag, such as join the statistics of parts.
        back.append(Snapshot(module).put_back)
        set_mode(module, False)
    back.append(partial(_thaw, module, cls, module.training))
    module.__class__ = frozen_class(cls)
    statistics = {kept.name for kept in norm.does.kept} if norm else None
    why = _goes_on(probe, _probe(module, norm), statistics)
    if why:
        return why
    said = "uses its running statistics"
    own = [p for p in module.parameters(recurse=False) if p.requires_grad]
    if parameters and own:
        for p in own:
            p.requires_grad_(False)
        back.append(partial(_train_again, own))
        said += ", gamma and beta no longer trained"
    return Change(path, before, summary(module), said)


def _probe(module: nn.Module, norm: Norm | None) -> Probe:
    if norm is not None:
        return Probe(module, *norm.template)
    return Probe(module, (torch.zeros(made_up(module)),))


def _goes_on(before: Probe, after: Probe, statistics: set[str] | None) -> str:
    """Why the layer is not frozen, or ""; it may count its calls, if these are its statistics."""
    x = before.random(1)
    try:
        wanted = before(x, training=False)
        outputs, layer = after.calls([x, 2 * x + 1])
    except Unfit as error:
        return f"it could not be run to see whether its statistics stop ({error}); give a batch"
    moved = [
        name for name in changed_names(after.layer, layer)
        if statistics is None or name in statistics
    ]  # fmt: skip
    if moved:
        return f"its {', '.join(moved)} would go on moving in training mode"
    gap = apart(wanted, outputs[0])
    return (
        "" if gap < CLOSE else f"frozen, its output would be {brief(100 * gap)} % off evaluation's"
    )


CLOSE = 1e-2  # parts of the output's size; rounding in half precision


def _problem(module: Any, norm: Norm | None) -> str | None:
    if isinstance(module, Frozen):
        return "it is frozen already"
    if isinstance(module, batchnorm._BatchNorm):
        found = {"mean": module.running_mean, "variance": module.running_var}
    else:
        found = norm.statistics if norm is not None else {}
    if any(t is None for t in found.values()):
        return "it keeps no running statistics to use"
    if any(t.device.type == "meta" for t in (*module.parameters(), *module.buffers())):
        return "its running statistics are on the meta device and hold no numbers"
    if not all(bool(torch.isfinite(t).all()) for t in found.values()):
        return "its running statistics are not finite"
    gathers = type(module).train is not nn.Module.train  # it may keep them elsewhere until eval()
    if norm is not None and norm.fresh and not norm.updates and not gathers:
        return "its running statistics have never been updated; load or train the model first"
    return None


def _thaw(module: Any, cls: Any, training: bool) -> None:
    module.__class__ = cls
    module.training = training


def _train_again(parameters: list[Any]) -> None:
    for p in parameters:
        p.requires_grad_(True)
