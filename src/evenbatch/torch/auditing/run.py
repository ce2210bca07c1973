"""What a watched training loop showed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from evenbatch.torch.auditing.findings import counted
from evenbatch.torch.auditing.layers import Norm, running_statistics


@dataclass
class Seen:
    """One norm layer over the whole run."""

    moves: int = 0  # forward passes that moved its running statistics
    moves_without_grad: int = 0  # of them, while evaluating: no gradient was asked for
    in_a_row: int = 0
    most_in_a_row: int = 0  # of these, without a pass with gradients between them
    moves_in_backward: int = 0  # of them, recomputations by checkpointing
    calls_now: int = 0
    most_calls: int = 0  # in one forward pass of the model, in training mode
    broke_at: int | None = None  # the model's training pass after which statistics were not finite
    broke_on_finite_input: bool = False
    frozen_at: dict[str, torch.Tensor] = field(default_factory=dict)
    overwritten: bool = False  # its frozen gamma or beta changed: it follows another layer's
    drift: float = 0.0  # of a frozen layer's running mean, in its standard deviations
    # In evaluation mode, measured by the running statistics of the moment: of (x - mean) / sd the
    # sum and the sum of squares for each channel.
    examples: int = 0
    values: int = 0
    total: torch.Tensor | None = None
    squares: torch.Tensor | None = None

    def take_evaluation(self, norm: Norm, x: torch.Tensor) -> None:
        """Add a batch to what came in during evaluation."""
        running = running_statistics(norm)
        if running is None or x.dim() < 2 or not x.numel() or x.shape[1] != len(running[0]):
            return
        mean, var = running
        over = [axis for axis in range(x.dim()) if axis != 1]
        wide, count = x.detach().double(), x.numel() // x.shape[1]
        plain, square = wide.sum(over).cpu(), wide.square().sum(over).cpu()
        total = (plain - count * mean) / var.sqrt()
        squares = (square - 2 * mean * plain + count * mean.square()) / var
        if not bool(torch.isfinite(squares).all()):
            return
        self.total = total if self.total is None else self.total + total
        self.squares = squares if self.squares is None else self.squares + squares
        self.examples += x.shape[0]
        self.values += count

    @property
    def evaluated(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """For each channel of what came in during evaluation: the shift of the mean in running
        standard deviations, and the ratio of the variances."""
        if self.total is None or self.squares is None:
            return None
        shift = self.total / self.values
        return shift, (self.squares / self.values - shift.square()).clamp(min=0)


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
            f"run: {counted(self.training_passes, 'forward pass', 'forward passes')} in "
            f"training mode, {self.evaluating_passes} in evaluation mode"
        )
