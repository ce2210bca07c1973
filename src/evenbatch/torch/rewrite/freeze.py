"""Freeze batch norm on its running statistics, whatever mode the model is in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules import batchnorm

from evenbatch.torch.rewrite._result import Change, Refusal, Rewrite, summary
from evenbatch.torch.rewrite._tree import check_model


class Frozen:
    """A batch norm in evaluation mode for good; stands before the class that is frozen.

    `training` is False and stays so when set: by ``model.train()``, or by hand.
    """

    training = property(lambda self: False, lambda self, mode: None)

    def __reduce__(self) -> Any:
        return _rebuilt, (type(self).__mro__[2],), self.__dict__


@cache
def frozen_class(cls: Any) -> Any:
    """The frozen form of a batch norm class; the same one each time."""
    return type(f"Frozen{cls.__name__}", (Frozen, cls), {"__doc__": Frozen.__doc__})


def _rebuilt(cls: Any) -> Any:
    made = frozen_class(cls)
    return made.__new__(made)


def freeze(model: nn.Module, *, parameters: bool = True) -> Rewrite:
    """Make every batch norm use its running statistics, and leave them alone, in any mode.

    What ``requires_grad = False`` does not do (the statistics go on moving), and what ``eval()``
    does until the next ``model.train()``. The layers keep their place, parameters, buffers and
    hooks; their class becomes a subclass of what it was, whose `training` is always False.

    Args:
        model: any module; changed in place.
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
    changes, refused = [], []
    back: list[Callable[[], Any]] = []
    for path, module in model.named_modules():
        if not isinstance(module, batchnorm._BatchNorm):
            continue
        problem = _problem(module)
        if problem is not None:
            refused.append(Refusal(path, problem))
            continue
        before = summary(module)
        cls: Any = type(module)
        back.append(partial(_thaw, module, cls, module.training))
        module.__class__ = frozen_class(cls)
        said = "uses its running statistics"
        own = [p for p in module.parameters(recurse=False) if p.requires_grad]
        if parameters and own:
            for p in own:
                p.requires_grad_(False)
            back.append(partial(_train_again, own))
            said += ", gamma and beta no longer trained"
        changes.append(Change(path, before, summary(module), said))
    return Rewrite("freeze", model, tuple(changes), tuple(refused), "", back)


def _problem(module: Any) -> str | None:
    if isinstance(module, Frozen):
        return "it is frozen already"
    mean, var = module.running_mean, module.running_var
    if mean is None or var is None:
        return "it keeps no running statistics to use"
    if mean.device.type == "meta":
        return "its running statistics are on the meta device and hold no numbers"
    if not bool(torch.isfinite(mean).all() and torch.isfinite(var).all()):
        return "its running statistics are not finite"
    counted = module.num_batches_tracked
    fresh = bool((mean == 0).all() and (var == 1).all())
    if fresh and counted is not None and int(counted) == 0:
        return "its running statistics have never been updated; load or train the model first"
    return None


def _thaw(module: Any, cls: Any, training: bool) -> None:
    module.__class__ = cls
    module.training = training


def _train_again(parameters: list[Any]) -> None:
    for p in parameters:
        p.requires_grad_(True)
