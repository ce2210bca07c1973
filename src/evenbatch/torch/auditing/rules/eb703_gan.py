"""Batch norm in a GAN, where real and generated examples meet.

## What it does
If the context declares ``method="gan"``: looks for batch norms, and measures how much half a
batch's outputs change with the other half's company.

## Why is this bad?
A discriminator with batch norm judges an example by its company. Real and generated examples in
one batch share statistics, which gives each away; in separate batches the two are normalized
differently, and which of the two happens in training and which in evaluation changes the result.
With a gradient penalty, which is defined for single examples, batch norm is ruled out altogether.

## Example
```python
scores = discriminator(torch.cat([real, fake]))
```

## Use instead
Separate batches of real and of generated examples, in training as in evaluation; or spectral,
layer or instance norm in the discriminator.

## Source
[ganhacks#52](https://github.com/soumith/ganhacks/issues/52); Gulrajani et al. 2017, "Improved
training of Wasserstein GANs", [arXiv:1704.00028](https://arxiv.org/abs/1704.00028), section 4
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._helpers import company, coupled
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject


@rule("EB703", Severity.INFO, "context + batch")
def gan_company(subject: Subject) -> Iterator[Found]:
    """Batch norms of a GAN."""
    found = coupled(subject)
    if subject.context.method == "gan" and found:
        seen, evidence = company(subject, found)
        yield Found(
            tuple(norm.path for norm in found),
            f"{seen} In a discriminator it matters whether real and generated ones share a batch.",
            "batches of one sort each; with a gradient penalty no batch norm at all.",
            evidence,
        )
