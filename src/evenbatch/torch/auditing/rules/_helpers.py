"""What several rules ask: whether statistics agree with what comes in, which of them cannot be,
and how much examples see of each other."""

from __future__ import annotations

import math

import torch

from evenbatch.torch.auditing.sample import coupling
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.auditing.watched import Run
from evenbatch.torch.measuring import Norm
from evenbatch.torch.measuring.norms import running_statistics
from evenbatch.torch.models.words import brief, counted

Evidence = dict[str, float | int | str | bool]

EXAMPLES = 8  # fewer say too little
SHIFT, RATIO = 0.5, 2.0
APART = 10.0  # times the variance of batches' means that chance gives
BATCHES = 8
LITTLE = 1e-4  # of the median variance

CAUSES = (
    "Two things look like this: the data are prepared otherwise than those the layer was trained "
    "on, or its statistics are not those of its training (averaged or loaded weights, batches of "
    "one sort each). Give a batch of the training data, shuffled: found there too, it is the "
    "statistics, and evenbatch.torch.refresh mends them; not found, it is the data."
)


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
    seen = _seen(subject, norm)
    running = running_statistics(norm)
    if seen is None or running is None or running[0].shape != seen[0].shape:
        return None
    (mean, var), eps = running, norm.eps or 0.0
    spread = var >= LITTLE * var.median()  # what had none in training is EB216's
    assert subject.sample is not None
    shifts, ratios = ((seen[0] - mean) / var.sqrt())[spread], ((seen[1] + eps) / var)[spread]
    return judged(shifts, ratios, subject.sample.examples)


def _seen(subject: Subject, norm: Norm) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Mean and variance of each channel in evaluation, where the layer was called with numbers."""
    calls = subject.sample.evaluating.calls.get(norm.key) if subject.sample else None
    if not calls or calls[0].mean is None or calls[0].var is None or not calls[0].finite:
        return None
    return calls[0].mean, calls[0].var


def left_over(subject: Subject, norm: Norm) -> str:
    """A sentence, if statistics disagree only by what is left of their first values."""
    count, momentum = norm.updates, norm.momentum
    seen, running = _seen(subject, norm), running_statistics(norm)
    if not count or not momentum or not 0 < momentum < 1 or seen is None or running is None:
        return ""
    left = (1 - momentum) ** count
    mean, var = running[0] / (1 - left), (running[1] - left) / (1 - left)
    var = var.clamp(min=norm.eps or 1e-12)
    ratios = (seen[1] + (norm.eps or 0.0)) / var
    assert subject.sample is not None
    if judged((seen[0] - mean) / var.sqrt(), ratios, subject.sample.examples) is not None:
        return ""
    return young(norm, 0.0) + " Without these they agree with the batch."


def young(norm: Norm, least: float = 0.05) -> str:
    """A sentence for statistics that have seen too few batches, or "": 29 batches at a momentum of
    0.1 leave 5 % of the first values."""
    count, momentum = norm.updates, norm.momentum
    if not count or momentum is None or not 0 < momentum < 1:
        return ""
    left = (1 - momentum) ** count
    variance = norm.statistics.get("variance")
    small = 1.0 if variance is None else float(variance.double().median())
    what, share = "statistics are still the 0 and 1", left
    if left < small < 1:  # of a small variance even a little of the 1 is much
        what, share = "running variance is still the 1", left / small
    if share < least:
        return ""
    return (
        f" It has seen {counted(count, 'batch', 'batches')} so far, after which "
        f"{brief(100 * share)} % of its {what} it began with."
    )


def judged(
    shifts: torch.Tensor, ratios: torch.Tensor, examples: float
) -> tuple[float, float] | None:
    """Root mean square shift of the channels' means in running standard deviations, and the median
    ratio of the variances; None if both are what so many examples may show.

    The mean of a batch strays from the population's by about 1/√examples standard deviations; three
    times that, and never less than half a standard deviation, is taken to be beyond chance. So are
    three times what a median of as many variances strays by (the logarithm of one by about
    √(2 / (examples - 1)), a median by 1.25 times as much as a mean), and never less than a factor
    of 2.
    """
    shift, ratio = float(shifts.square().mean().sqrt()), float(ratios.median())
    strays = 3 * 1.25 * math.sqrt(2 / max(1.0, examples - 1) / max(1, len(ratios)))
    off = ratio <= 0 or abs(math.log(ratio)) > max(math.log(RATIO), strays)
    return (shift, ratio) if off or shift > max(SHIFT, 3 / math.sqrt(examples)) else None


def unlike_each_other(run: Run) -> bool:
    """Whether training batches differ by far more than chance."""
    batches, times = run.batches_apart
    return batches >= BATCHES and times > APART


def wrong_channels(norm: Norm) -> int:
    """Channels whose running statistics cannot be; of what is no variance any sign can."""
    wrong = None
    for role, values in norm.statistics.items():
        bad = ~torch.isfinite(values)
        if role in ("variance", "deviation"):
            bad = bad | (values < 0)
        bad = bad.flatten()
        wrong = bad if wrong is None or len(wrong) != len(bad) else wrong | bad
    return 0 if wrong is None else int(wrong.sum())


def types_met(subject: Subject, norm: Norm) -> tuple[torch.dtype, ...]:
    """The types of numbers that the layer meets: that of its parameters, or of what it was given,
    and that of autocast."""
    calls = subject.calls(norm)
    given = [p.dtype for p in norm.parameters.values()] or [call.dtype for call in calls]
    amp = getattr(torch, subject.context.amp) if subject.context.amp else None
    return (*given[:1], *([amp] if amp else []))


def coupled(subject: Subject) -> list[Norm]:
    """Norms that, in training, use statistics over the examples of a batch."""
    return [norm for norm in subject.of_kind("batch") if not norm.frozen]


def company(subject: Subject, norms: list[Norm]) -> tuple[str, Evidence]:
    """How much the examples see of each other through these norms: in a sentence and in numbers."""
    says = f"{counted(len(norms), 'batch norm')} mix the examples of a batch."
    evidence: Evidence = {"layers": len(norms)}
    if subject.sample is not None:
        moved = coupling(subject.lender, subject.norms, subject.sample.inputs, training=True)
        if moved is not None:
            evidence["coupling"] = moved
            says = (
                f"{counted(len(norms), 'batch norm')} mix the examples of a batch: taking half of "
                f"them away changes the others' outputs by {brief(100 * moved)} % of the largest."
            )
    return says, evidence
