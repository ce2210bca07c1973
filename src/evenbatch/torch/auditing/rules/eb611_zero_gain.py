"""A gain of exactly 0 that quantization-aware training divides by.

## What it does
For a model about to be trained quantization-aware (``Context(deploy="torchao")``): looks for batch
norms behind a convolution or linear layer of which a gamma is exactly 0, as zero-initialized
residual branches and pruned channels have.

## Why is this bad?
To train the folded layer, the convolution's weights are multiplied by gamma / √variance, and its
output is divided by the same: 0 / 0 is NaN. The first forward pass gives NaN in the output and
leaves it in the running statistics, in PyTorch's own flow and in torchao's.

## Example
```python
nn.init.zeros_(block.bn2.weight)  # "zero init residual"
prepare_qat_pt2e(exported, quantizer)
```

## Use instead
Train in floating point first, or start from a small number instead of 0, such as 1e-4.

## Source
[pytorch#85744](https://github.com/pytorch/pytorch/pull/85744); measured, see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.models.words import counted


@rule("EB611", Severity.ERROR, "state + graph + context")
def zero_gain_in_quantized_training(subject: Subject) -> Iterator[Found]:
    """Batch norms that are merged with the layer before them, with a gamma of 0."""
    if subject.graph is None or subject.context.deploy != "torchao":
        return
    merged = {
        op.owner for op in subject.graph.of_kind("batch_norm")
        if op.source is not None and op.source.kind in ("conv", "conv_transpose", "linear")
    }  # fmt: skip
    for norm in subject.norms:
        gamma = norm.parameters.get("weight")
        if norm.path not in merged or kind_of(norm.module) != "batch" or gamma is None:
            continue
        zeros = int((gamma == 0).sum())
        if zeros:
            yield Found(
                (norm.path,),
                f"{counted(zeros, 'gamma')} of {gamma.numel()} "
                f"{'is' if zeros == 1 else 'are'} exactly 0: quantization-aware training divides "
                "by it, and its first forward pass gives NaN.",
                "train in floating point first, or start from a small number, such as 1e-4.",
                {"zeros": zeros, "channels": gamma.numel()},
            )
