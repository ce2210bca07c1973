"""Do a batch norm's running statistics agree with what comes in?"""

from __future__ import annotations

import math

import torch

from evenbatch.torch.auditing.findings import brief, counted
from evenbatch.torch.auditing.layers import Norm, running_statistics
from evenbatch.torch.auditing.subject import Subject

EXAMPLES = 8  # fewer say too little
SHIFT, RATIO = 0.5, 2.0
LEFT_OVER = 0.05  # of the statistics' first values: 29 batches at momentum 0.1


def enough(subject: Subject) -> bool:
    """Whether there are real data enough to compare with."""
    sample = subject.sample
    return (
        sample is not None
        and not sample.inputs.synthetic
        and not sample.evaluating.error
        and sample.examples >= EXAMPLES
    )


def disagreement(subject: Subject, norm: Norm) -> tuple[float, float] | None:
    """The shift of the mean and the ratio of the variances, if one of them is beyond chance."""
    calls = subject.sample.evaluating.calls.get(norm.path, []) if subject.sample else []
    if not calls:
        return None
    examples = subject.sample.examples if subject.sample else 1
    first = calls[0]
    if first.mean is None or first.var is None or not first.finite:
        return None
    return beyond_chance(norm, first.mean, first.var, examples)


def beyond_chance(
    norm: Norm, seen_mean: torch.Tensor, seen_var: torch.Tensor, examples: int
) -> tuple[float, float] | None:
    """As `judged`, from each channel's mean and variance on a batch."""
    running = running_statistics(norm)
    if running is None or running[0].shape != seen_mean.shape:
        return None
    mean, var = running
    eps = norm.eps or 0.0
    return judged((seen_mean - mean) / var.sqrt(), (seen_var + eps) / var, examples)


def young(norm: Norm) -> str:
    """A sentence for statistics that have seen too few batches, or ""."""
    count, momentum = norm.updates, norm.momentum
    if not count or momentum is None or not 0 < momentum < 1:
        return ""
    left = (1 - momentum) ** count
    if left < LEFT_OVER:
        return ""
    return (
        f" It has seen {counted(count, 'batch', 'batches')} so far, after which "
        f"{brief(100 * left)} % of its statistics are still the 0 and 1 it began with."
    )


def judged(shifts: torch.Tensor, ratios: torch.Tensor, examples: int) -> tuple[float, float] | None:
    """Root mean square shift of the channels' means in running standard deviations, and the median
    ratio of the variances; None if both are what so many examples may show.

    The mean of a batch strays from the population's by about 1/√examples standard deviations; three
    times that, and never less than half a standard deviation, is taken to be beyond chance.
    """
    shift, ratio = float(shifts.square().mean().sqrt()), float(ratios.median())
    if shift > max(SHIFT, 3 / math.sqrt(examples)) or not 1 / RATIO < ratio < RATIO:
        return shift, ratio
    return None
