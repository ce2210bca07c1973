"""Statistics that half precision cannot hold, in a model deployed in it.

## What it does
For a model about to be deployed to Core ML: looks for a running variance or eps below 6e-8. To
OpenVINO: for running means of more than 100 standard deviations.

## Why is this bad?
Both write half precision unless asked not to. Its smallest number is 6e-8: a variance of 1e-10
becomes that, and the output is 34 times too small. A mean of 1,000 standard deviations is rounded
to steps of half a deviation: 0.48 off, at 100 it is 0.03.

## Example
```python
# compute_precision is float16 by default
ct.convert(traced, inputs=[ct.TensorType(shape=batch.shape)])
```

## Use instead
``compute_precision=ct.precision.FLOAT32``; ``compress_to_fp16=False`` in OpenVINO; or fold the
batch norms first (``evenbatch.torch.fold``).

## Source
[coremltools#2603](https://github.com/apple/coremltools/issues/2603); measured, see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.norms import running_statistics
from evenbatch.torch.models.words import brief

TINY = 6e-8
FAR = 100.0


@rule("EB607", Severity.WARNING, "state + context")
def below_half_precision(subject: Subject) -> Iterator[Found]:
    """Batch norms whose statistics lose their meaning in float16."""
    for norm in subject.norms:
        found = running_statistics(norm)
        if found is None or not norm.does.uses_kept:
            continue
        mean, var = found
        least = float(var.min())
        far = float((mean.abs() / var.sqrt()).max())
        if subject.context.goes_to("coreml") and least < TINY:
            says = f"the least running variance with eps is {brief(least)}; float16 has 6e-08."
        elif subject.context.goes_to("openvino") and far > FAR:
            says = (
                f"a running mean is {brief(far)} standard deviations from 0, which float16 rounds "
                f"by {brief(far / 2048)} of them."
            )
        else:
            continue
        yield Found(
            (norm.path,),
            says,
            "convert in float32, or fold the batch norm first (evenbatch.torch.fold).",
            {"least_variance": least, "standard_deviations": far},
        )
