"""What a watched training loop showed."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from evenbatch.torch.measuring.norms import Norm, running_statistics
from evenbatch.torch.models.words import counted

FEATURES, BATCHES = 1024, 1000


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
        running, axis = running_statistics(norm), norm.does.channel
        if running is None or axis is None or axis >= x.dim() or not x.numel():
            return
        mean, var = running
        if x.shape[axis] != len(mean) or not x.is_floating_point():
            return
        over = [other for other in range(x.dim()) if other != axis]
        wide, count = x.detach().double(), x.numel() // x.shape[axis]
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
    trained_in_evaluation: int = 0  # backward passes through the model in evaluation mode
    # Of the model's first input, in training passes: means and variances by feature, and examples.
    inputs: list[tuple[torch.Tensor, torch.Tensor, int]] = field(default_factory=list)

    def take_input(self, x: torch.Tensor) -> None:
        """Remember what a training batch looks like, by up to `FEATURES` of its features."""
        if x.is_floating_point() and x.dim() > 1 and len(x) > 1 and len(self.inputs) < BATCHES:
            rows = x.detach().flatten(1)
            rows = rows[:, :: max(1, rows.shape[1] // FEATURES)].float()
            self.inputs.append((rows.mean(0), rows.var(0), len(x)))

    @property
    def batches_apart(self) -> tuple[int, float]:
        """How many training batches were seen, and the variance of their means in parts of what
        their examples' spread gives: the median over features."""
        same = [item for item in self.inputs if item[0].shape == self.inputs[0][0].shape]
        if len(same) < 2:
            return len(same), 1.0
        means, spreads = torch.stack([m for m, _, _ in same]), torch.stack([v for _, v, _ in same])
        counts = torch.tensor([[float(n)] for *_, n in same], device=spreads.device)
        chance = (spreads / counts).mean(0)
        there = chance > 0
        times = means.var(0)[there] / chance[there]
        return len(same), float(times.median()) if bool(there.any()) else 1.0

    def of(self, norm: Norm) -> Seen:
        """What was seen of one norm layer."""
        return self.seen.get(norm.key) or Seen()

    def overwritten(self, norm: Norm) -> bool:
        """Whether its frozen gamma or beta changed all the same."""
        return self.of(norm).overwritten

    def described(self) -> str:
        """For the report."""
        return (
            f"run: {counted(self.training_passes, 'forward pass', 'forward passes')} in "
            f"training mode, {self.evaluating_passes} in evaluation mode"
        )
