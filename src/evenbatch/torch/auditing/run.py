"""What a watched training loop showed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from evenbatch.torch.auditing.findings import counted


@dataclass
class Seen:
    """One norm layer over the whole run."""

    moves: int = 0  # forward passes that moved its running statistics
    moves_without_grad: int = 0  # of them, while evaluating: no gradient was asked for
    moves_in_backward: int = 0  # of them, recomputations by checkpointing
    calls_now: int = 0
    most_calls: int = 0  # in one forward pass of the model, in training mode
    input_finite: bool = True
    broke_at: int | None = None  # the model's training pass after which statistics were not finite
    broke_on_finite_input: bool = False
    frozen_at: dict[str, torch.Tensor] = field(default_factory=dict)
    drift: float = 0.0  # of a frozen layer's running mean, in its standard deviations
    examples: int = 0  # in evaluation mode
    values: int = 0
    total: torch.Tensor | None = None
    squares: torch.Tensor | None = None

    def take_evaluation(self, x: torch.Tensor) -> None:
        """Add a batch to the mean and variance of what came in during evaluation."""
        if x.dim() < 2 or not x.numel() or not self.input_finite:
            return
        over = [axis for axis in range(x.dim()) if axis != 1]
        wide = x.detach().double()
        total, squares = wide.sum(over).cpu(), wide.square().sum(over).cpu()
        if self.total is None or self.squares is None or self.total.shape != total.shape:
            self.total, self.squares = torch.zeros_like(total), torch.zeros_like(squares)
            self.examples = self.values = 0
        self.total += total
        self.squares += squares
        self.examples += x.shape[0]
        self.values += x.numel() // x.shape[1]

    @property
    def evaluated(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Mean and variance for each channel of what came in during evaluation."""
        if self.total is None or self.squares is None:
            return None
        mean = self.total / self.values
        return mean, (self.squares / self.values - mean.square()).clamp(min=0)


@dataclass
class Run:
    """The whole run: passes of the model, and each norm layer by its path."""

    seen: dict[str, Seen] = field(default_factory=dict)
    training_passes: int = 0
    evaluating_passes: int = 0
    most_forwards: int = 0  # training passes before one backward

    def described(self) -> str:
        """For the report."""
        return (
            f"run: {counted(self.training_passes, 'forward pass').replace('passs', 'passes')} in "
            f"training mode, {self.evaluating_passes} in evaluation mode"
        )
