"""Everything the rules may look at, gathered once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.graph import Graph
from evenbatch.torch.auditing.layers import Norm
from evenbatch.torch.auditing.run import Run
from evenbatch.torch.auditing.sample import Sample


@dataclass(frozen=True)
class Subject:
    """A model and what is known about it; parts that could not be had are None.

    Args:
        model: without the wrappers of ``torch.compile`` and DistributedDataParallel.
        norms: its norm layers.
        context: what was declared, and what the wrappers showed.
        optimizer, loader: as given.
        sample: what the batch showed.
        graph: what feeds what.
        averaged: the AveragedModel around it, if there is one.
        run: what a watched training loop showed.
    """

    model: nn.Module
    norms: tuple[Norm, ...]
    context: Context
    optimizer: Any = None
    loader: Any = None
    sample: Sample | None = None
    graph: Graph | None = None
    averaged: Any = None
    run: Run | None = None

    def with_run(self, run: Run) -> Subject:
        """The same with what a run showed."""
        return replace(self, run=run)

    def of_kind(self, *kinds: str) -> Iterator[Norm]:
        """The norm layers of these kinds."""
        for norm in self.norms:
            if norm.kind in kinds:
                yield norm

    @property
    def batch_size(self) -> int | None:
        """Examples in one forward pass on one device: declared, the loader's, or the batch's."""
        if self.context.batch_size is not None:
            return self.context.batch_size
        own = getattr(self.loader, "batch_size", None)
        if isinstance(own, int):
            return own
        return (self.sample.examples or None) if self.sample else None

    @property
    def trains(self) -> bool:
        """Whether any parameter is to be trained."""
        return any(p.requires_grad for p in self.model.parameters())
