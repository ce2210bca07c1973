"""What a rewrite did, and what it refused to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn


class RewriteError(ValueError):
    """Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True)
class Change:
    """One module that was changed.

    Args:
        path: its name in the model, "" for the model itself.
        before, after: what stood and what stands there.
        evidence: what was measured or seen that makes it safe.
    """

    path: str
    before: str
    after: str
    evidence: str = ""

    def __str__(self) -> str:
        why = f"  ({self.evidence})" if self.evidence else ""
        return f"{self.path or 'the model'}: {self.before} -> {self.after}{why}"


@dataclass(frozen=True)
class Refusal:
    """One module that was left as it was, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'the model'}: left as it is, {self.reason}"


@dataclass(frozen=True, repr=False)
class Rewrite:
    """What one of the rewriting functions did to a model.

    Args:
        what: in a word, such as "fold".
        model: the rewritten model; the one that was given, unless that was itself replaced.
        changes: the modules that were changed.
        refused: the modules it would have changed, and why it did not.
        evidence: what was measured of the model as a whole.
        aside: the norm layers seen that the rewrite is not about, in a sentence.

    `len()` and iteration go over the changes; ``print(rewrite)`` shows all of it. `undo` puts
    everything back.

    >>> import torch
    >>> from evenbatch.torch import swap
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> done = swap(model, "batch", "group", batch=torch.zeros(2, 3, 8, 8))
    >>> print(done)
    swap: 1 changed, 0 left as they were
      1: BatchNorm2d(8) -> GroupNorm(4, 8)  (72 values per group, running statistics dropped)
      the model runs on the batch; outputs (2, 8, 6, 6)
    >>> done.undo()
    >>> model[1]
    BatchNorm2d(8, ...)
    """

    what: str
    model: Any
    changes: tuple[Change, ...] = ()
    refused: tuple[Refusal, ...] = ()
    evidence: str = ""
    _back: list[Callable[[], Any]] = field(default_factory=list)
    aside: str = ""

    def __len__(self) -> int:
        return len(self.changes)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __str__(self) -> str:
        count, left = len(self.changes), len(self.refused)
        were = "it was" if left == 1 else "they were"
        lines = [f"{self.what}: {count} changed, {left} left as {were}"]
        lines += [f"  {item}" for item in (*self.changes, *self.refused)]
        lines += [f"  {words}" for words in (self.evidence, self.aside) if words]
        return "\n".join(lines)

    __repr__ = __str__

    def undo(self) -> None:
        """Put back everything this rewrite changed, in reverse; a second time does nothing.

        What was trained, loaded or moved since is kept where the same parameters stand in both.
        """
        while self._back:
            self._back.pop()()


def summary(module: nn.Module) -> str:
    """A module in a few words: its class, its sizes and what is unusual about it.

    >>> summary(nn.BatchNorm2d(8, affine=False)), summary(nn.Conv2d(4, 8, 3, groups=2))
    ('BatchNorm2d(8, affine=False)', 'Conv2d(4, 8, groups=2)')
    >>> summary(nn.Linear(4, 2)), summary(nn.Identity())
    ('Linear(4, 2)', 'Identity()')
    """
    names = "in_channels out_channels in_features out_features num_groups num_channels"
    names += " num_features normalized_shape"
    words = [str(getattr(module, name)) for name in names.split() if hasattr(module, name)]
    unusual = {"groups": 1, "affine": True, "elementwise_affine": True, "activation": None}
    for name, usual in unusual.items():
        value = getattr(module, name, usual)
        if value != usual:
            words.append(f"{name}={value!r}")
    return f"{type(module).__name__}({', '.join(words)})"
