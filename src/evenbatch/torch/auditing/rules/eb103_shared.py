"""One batch norm called several times in a forward pass: one running mean for different data.

## What it does
Counts how often each batch norm with running statistics is called in one forward pass, in the
graph, on the batch or in a watched run. Where the batch shows the calls to get data of one kind,
as in ghost batch norm or with two views of the same pictures, it is info.

## Why is this bad?
In training mode each call is normalized with its own batch's statistics, but all calls move the
same running mean and variance. If the branches or time steps differ, evaluation uses an average
that fits none of them: the loss in evaluation mode is far worse than in training mode. Sharing
weights of the other layers is fine.

## Example
```python
x = self.bn(self.conv1(x))
x = self.bn(self.conv2(x))
```

## Use instead
```python
x = self.bn1(self.conv1(x))
x = self.bn2(self.conv2(x))
```

## Source
[pytorch#1738](https://github.com/pytorch/pytorch/issues/1738),
[keras#8794](https://github.com/keras-team/keras/issues/8794),
[keras#11927](https://github.com/keras-team/keras/issues/11927)
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import judged
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import Norm
from evenbatch.torch.models.words import brief


@rule("EB103", Severity.WARNING, "graph + batch + run")
def batch_norm_shared(subject: Subject) -> Iterator[Found]:
    """Batch norms with running statistics that are called more than once."""
    for norm in subject.of_kind("batch"):
        calls = _calls(subject, norm)
        if calls < 2 or not norm.statistics:
            continue
        apart, alike = _how_far_apart(subject, norm), _alike(subject, norm)
        measured = ""
        if apart is not None:
            measured = (
                f" On this batch the calls' means lie up to {brief(apart)} standard deviations "
                f"apart{', which is no more than chance' if alike else ''}."
            )
        evidence: dict[str, float | int | str | bool] = {"calls": calls}
        if apart is not None:
            evidence["means_apart"] = apart
        yield Found(
            (norm.path,),
            f"called {calls} times in one forward pass, and all calls move the same running "
            f"statistics.{measured}",
            "give each call a batch norm of its own; the layers around it may stay shared.",
            evidence,
            severity=Severity.INFO if alike else None,
        )


def _alike(subject: Subject, norm: Norm) -> bool:
    """Whether all calls get data of one kind, as far as the batch tells: parts of one batch (ghost
    batch norm), or two views of the same examples."""
    sample = subject.sample
    if sample is None or sample.inputs.synthetic:
        return False
    calls = subject.calls(norm)
    if len(calls) < 2:
        return False
    first, *others = calls
    if first.mean is None or first.var is None:
        return False
    var = first.var + (norm.eps or 0.0)
    return all(
        call.mean is not None
        and call.var is not None
        and judged((call.mean - first.mean) / var.sqrt(), call.var / var, call.shape[0] / 2) is None
        for call in others
    )


def _calls(subject: Subject, norm: Norm) -> int:
    if subject.run is not None:
        return subject.run.of(norm).most_calls
    if subject.sample is not None and not subject.sample.evaluating.error:
        return len(subject.calls(norm))
    if subject.graph is not None:
        paths = (norm.path, *norm.aliases)
        return sum(op.owner in paths for op in subject.graph.of_kind("batch_norm"))
    return 0


def _how_far_apart(subject: Subject, norm: Norm) -> float | None:
    """Largest distance of two calls' channel means, in the first call's standard deviations."""
    calls = subject.calls(norm)
    first = calls[0] if calls else None
    if first is None or first.mean is None or first.var is None:
        return None
    spread = (first.var + (norm.eps or 0.0)).sqrt()
    gaps = [
        float(((c.mean - first.mean) / spread).abs().max()) for c in calls if c.mean is not None
    ]
    return max(gaps, default=None)
