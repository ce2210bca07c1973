"""Every norm layer of a model, so that a rewrite says something of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from torch import nn

from evenbatch.torch.measuring import Norm, Norms, find, find_on
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.measuring.norms import class_name
from evenbatch.torch.measuring.probing import numeric
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.rewrite._given import inputs_of
from evenbatch.torch.rewrite._result import Refusal


def seen(model: nn.Module, batch: Any, what: str) -> Norms:
    """The norms of a model by what they do, with a batch or without."""
    if batch is not None and all(p.device.type != "meta" for p in model.parameters()):
        return find_on(Lender(model), inputs_of(batch, model, what))[0]
    found = find(model)
    unplaced = dict(found.unplaced)
    known = {norm.path for norm in found.norms}
    for path, module in model.named_modules():
        around = any(p.startswith(f"{path}.") or not path for p in known)
        if path in known or around or type(module).__module__.startswith("torch.nn"):
            continue
        kept = [
            name for name, t in module._buffers.items()
            if t is not None and numeric(t) and t.numel() > 1
            and name not in module._non_persistent_buffers_set
        ]  # fmt: skip
        kernels = any(p.dim() > 2 for p in module.parameters(recurse=False))
        if kept and batch is None and not kernels:
            why = f"it keeps {', '.join(kept)} and could not be called without a batch; give one"
            unplaced.setdefault(path, (class_name(module), why))
    return replace(found, unplaced=unplaced)


def refusals(
    found: Norms, listed: Collection[str], why: Callable[[Norm], str]
) -> tuple[list[Refusal], str]:
    """The norms that are not listed yet, each with a reason; and in a sentence those that the
    rewrite is not about, of which `why` says nothing."""
    refused, aside = [], Counter[str]()
    for norm in found.norms:
        if norm.path in listed and not norm.call:
            continue
        reason = why(norm)
        name = norm.call.split(":")[1] if norm.call else norm.class_name
        if reason and norm.call:
            reason = f"it calls {name} in its code, which is no layer that could be changed"
        if reason:
            refused.append(Refusal(norm.path, reason))
        else:
            aside[name] += 1
    refused += [
        Refusal(path, f"not understood ({name}): {words}")
        for path, (name, words) in found.unplaced.items() if path not in listed
    ]  # fmt: skip
    others = ", ".join(f"{number} {name}" for name, number in aside.items())
    return refused, f"not its concern: {others}" if others else ""


def foreign(norm: Norm) -> str:
    """Why a layer of another class than torch.nn's is left alone."""
    if kind_of(norm.module) is not None:
        return f"{norm.class_name} is a class of its own, not torch.nn's"
    return f"{norm.class_name} is a class of its own, not torch.nn's ({norm.does.described()})"
