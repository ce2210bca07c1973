"""Holding a rewritten model to what it was, in each mode that counts, on batches of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.copying import copied
from evenbatch.torch.models.inputs import Inputs
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import difference, forward, set_mode
from evenbatch.torch.models.words import short
from evenbatch.torch.rewrite._given import mismatch
from evenbatch.torch.rewrite._result import Change, Refusal, RewriteError

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
"""How far an output may move in its own dtype, in parts of its largest value, where float64 cannot
say more: deep networks let rounding grow."""

SAME = 1e-8  # in float64, where that is rounding and nothing else
AS_FAR = 3.0  # times; both are the largest of many errors
FINE = 1e-3  # tolerances above it are those of half precision

Tensors = list[torch.Tensor]
Back = list[Callable[[], Any]]


@dataclass(frozen=True)
class Step:
    """One change that can be applied: it enters its way back and says what it did."""

    path: str
    apply: Callable[[Back], Change]
    root: nn.Module | None = None  # what the model is afterwards, if it was itself replaced


class Judge(Protocol):
    """What says why a rewritten model is not right, or nothing."""

    def problem(self, model: nn.Module) -> str:
        """Why not, or ""."""
        ...


class Witness:
    """A model's outputs as they were.

    Args:
        model: before it is rewritten.
        inputs: the batch; in evaluation its first half and its first example are tried, too.
        training: compare the whole of it in training mode as well.
        same: the outputs are to stay; else the model need only run where it did.

    Attributes:
        gap: the largest change of an output, in parts of its largest value.
        blind: whether there was no finite number to compare.
    """

    def __init__(
        self, model: nn.Module, inputs: Inputs, training: bool = False, same: bool = True
    ) -> None:
        self.same, self.gap, self.blind = same, 0.0, True
        self.original: Any = None
        with suppress(Exception):
            self.original = copied(model) if same else None
        dtypes = {p.dtype for p in model.parameters() if p.is_floating_point()}
        self.allowed = max((TOLERANCE.get(d, 0.1) for d in dtypes), default=1e-4)
        self.least = max((torch.finfo(d).eps for d in dtypes), default=0.0)
        self.usual = 0.0  # error of the model as it was, in any of the comparisons
        n = inputs.examples
        cuts = [k for k in dict.fromkeys((n // 2, 1)) if 0 < k < n]
        self.before = [
            (part, mode, old)
            for part in (inputs, *(inputs.first(k) for k in cuts))
            for mode in ((False, True) if training and part is inputs else (False,))
            if (old := _tried(model, part, mode)) is not None
        ]

    def problem(self, model: nn.Module) -> str:
        """Why the model is not what it was, or "" if it is."""
        self.gap, self.blind = 0.0, True
        for inputs, training, old in self.before:
            try:
                new = outputs(model, inputs, training)
            except Exception as error:
                return (
                    f"the rewritten model fails on the batch: {short(error)}"
                    f"{mismatch(model, inputs)}; it was {inputs.described()}"
                )
            if not self.same or not any(
                t.device.type != "meta" and bool(t.isfinite().any()) for t in old
            ):
                continue
            gap, self.blind = difference(old, new), self.blind and training
            if not self._explained(old, new, model, inputs, training):
                mode = " in training mode" if training else ""
                return (
                    f"the model's output on a batch of {inputs.examples}{mode} changed by "
                    f"{gap:.1e} of its largest value, more than rounding explains"
                )
            self.gap = max(self.gap, gap)
        return ""

    def _explained(
        self, old: Tensors, new: Tensors, model: nn.Module, inputs: Inputs, training: bool
    ) -> bool:
        """Whether rounding explains the change. Where it is larger than usual, or half precision
        would hide what is wrong, the model as it was says in float64 what is right: the rewritten
        one may be `AS_FAR` from that as it was itself, or agree with it in float64."""
        gap, half = difference(old, new), self.allowed > FINE
        if gap == 0 or (gap <= self.allowed and not half):
            return True
        try:
            given = inputs.mapped(lambda t: t.double() if t.is_floating_point() else t)
            right = outputs(copied(self.original).double(), given, training)
            self.usual = max(self.usual, difference(right, old))
            if difference(right, new) <= AS_FAR * self.usual + self.least:
                return True
            return difference(right, outputs(copied(model).double(), given, training)) <= SAME
        except Exception:  # a model that calculates in its own type alone
            return gap <= self.allowed

    @property
    def evidence(self) -> str:
        """For the result."""
        if self.blind:
            return (
                "no finite number was found in the model's output on the batch: it was not compared"
            )
        return f"the model's output on the batch changed by {self.gap:.1e} of its largest value"


def outputs(model: nn.Module, inputs: Inputs, training: bool = False) -> list[torch.Tensor]:
    """What a copy of the model gives; in training mode also what its norm layers then keep."""
    with Lender(model).lend() as run:
        set_mode(run, training)
        given = forward(run, inputs)
        if training:
            norms = [m for m in run.modules() if kind_of(m) is not None]
            kept = [b for m in norms for b in m.buffers(recurse=False) if b.is_floating_point()]
            given += [b.detach().double().clone() for b in kept if b.device.type != "meta"]
        return given


def _tried(model: nn.Module, inputs: Inputs, training: bool) -> list[torch.Tensor] | None:
    try:
        return outputs(model, inputs, training)
    except Exception:
        return None


def settled(
    what: str, model: nn.Module, steps: Sequence[Step], judge: Judge | None
) -> tuple[nn.Module, list[Change], list[Refusal], Back]:
    """Apply the steps, all of them or, where the judge finds something wrong, those that it finds
    nothing wrong with.

    Returns: what the model is afterwards, what was changed, what was undone and why, and the way
        back.

    Raises:
        RewriteError: none is right; everything was put back.
    """
    back: Back = []
    changes = [step.apply(back) for step in steps]
    root = next((step.root for step in steps if step.root is not None), model)
    why = judge.problem(root) if judge is not None and steps else ""
    if not why or judge is None:
        return root, changes, [], back
    undo(back)
    changes, refused, root = [], [], model
    for step in steps if len(steps) > 1 else ():
        mark = len(back)
        change = step.apply(back)
        after = step.root or root
        one = judge.problem(after)
        if one:
            undo(back, mark)
            refused.append(Refusal(step.path, f"{one}: it was put back"))
        else:
            changes.append(change)
            root = after
    if not changes:
        head, colon, tail = why.partition(": ")
        raise RewriteError(f"{what}: {head}, so nothing was changed{colon}{tail}")
    judge.problem(root)
    return root, changes, refused, back


def undo(back: Back, mark: int = 0) -> None:
    """Go back to where the way was `mark` long."""
    while len(back) > mark:
        back.pop()()
