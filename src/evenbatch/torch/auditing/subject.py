"""Everything the rules may look at, gathered once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.graph import Graph
from evenbatch.torch.auditing.sample import Call, Sample
from evenbatch.torch.auditing.watched import Run
from evenbatch.torch.deploying import Deployed
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.keeping import Lender


@dataclass(frozen=True)
class Subject:
    """A model and what is known about it; parts that could not be had are None.

    Args:
        model: without the wrappers of ``torch.compile`` and DistributedDataParallel.
        norms: its norm layers.
        context: what was declared, and what the wrappers showed.
        lender: of copies that may be run.
        optimizer, loader: as given.
        sample: what the batch showed.
        graph: what feeds what.
        averaged: the AveragedModel around it, if there is one.
        run: what a watched training loop showed.
        deployed: what another runtime made of it.
    """

    model: nn.Module
    norms: tuple[Norm, ...]
    context: Context
    lender: Lender
    optimizer: Any = None
    loader: Any = None
    sample: Sample | None = None
    graph: Graph | None = None
    averaged: Any = None
    run: Run | None = None
    deployed: Deployed | None = None

    def with_run(self, run: Run) -> Subject:
        """The same with what a run showed."""
        return replace(self, run=run)

    def of_kind(self, *kinds: str) -> Iterator[Norm]:
        """The norm layers of these kinds."""
        for norm in self.norms:
            if norm.kind in kinds:
                yield norm

    def calls(self, norm: Norm) -> list[Call]:
        """What the norm was given in evaluation mode, call by call; none without a batch."""
        return [] if self.sample is None else self.sample.evaluating.calls.get(norm.key, [])

    @property
    def declared_size(self) -> int | None:
        """Examples in one forward pass on one device, as declared, or as the loader's."""
        own = self.context.batch_size or getattr(self.loader, "batch_size", None)
        return own if isinstance(own, int) else None

    @property
    def batch_size(self) -> int | None:
        """The same, or those of the batch."""
        return self.declared_size or ((self.sample.examples or None) if self.sample else None)

    @property
    def branches(self) -> bool:
        """Whether there are layers that this batch did not reach, and another one may."""
        if self.sample is None:
            return False
        layers = (nn.Linear, nn.modules.conv._ConvNd, *(type(n.module) for n in self.norms))
        return any(
            path not in self.sample.evaluating.entered
            for path, module in self.model.named_modules()
            # Attention multiplies by its matrices without calling them.
            if isinstance(module, layers) and not path.endswith("out_proj")
        )

    @property
    def trains(self) -> bool:
        """Whether any parameter is to be trained."""
        return any(p.requires_grad for p in self.model.parameters())
