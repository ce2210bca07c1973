"""A batch norm that cannot be folded into the layer before it, though it looks as if it could.

## What it does
For a model about to be deployed: looks for a convolution or linear layer followed by a batch
norm, where the layer is called more than once or read by something else, or is a grouped
transposed convolution. It folds a copy the plain way and measures the difference in the output.

## Why is this bad?
Folding scales the layer's weights by gamma / √(variance + eps). That is right only if every
output of the layer goes through this batch norm and nowhere else, exactly once. Tools that look
at pairs alone fold anyway: the output changes silently, or the conversion fails. Transposed
convolutions with groups lay their channels out differently.

## Example
```python
y1 = self.bn1(self.head(p3))
y2 = self.bn2(self.head(p4))  # one head, two batch norms
```

## Use instead
Leave these unfolded. ``evenbatch.torch.fold`` folds what can be and says what it left.

## Source
[pytorch#197539](https://github.com/pytorch/pytorch/issues/197539),
[pytorch#180995](https://github.com/pytorch/pytorch/issues/180995),
[executorch#20601](https://github.com/pytorch/executorch/issues/20601),
[ultralytics#25364](https://github.com/ultralytics/ultralytics/issues/25364)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.graph import Graph, Op
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.models.running import difference, forward, set_mode
from evenbatch.torch.models.words import brief, short


@rule("EB601", Severity.WARNING, "graph + context")
def unsafe_fold(subject: Subject) -> Iterator[Found]:
    """Pairs of a layer and a batch norm that folding would break."""
    if subject.graph is None or not subject.context.deploy:
        return
    norms: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for op in subject.graph.of_kind("batch_norm"):
        source = op.source
        if source is None or source.kind not in ("conv", "conv_transpose", "linear"):
            continue
        why = _obstacle(subject.graph, source, op)
        if why and op.owner not in norms.setdefault(source.owner, []):
            norms[source.owner].append(op.owner)
            reasons.setdefault(source.owner, why)
    for layer, why in reasons.items():
        measured, evidence = _folded(subject, layer, norms[layer])
        yield Found(
            (layer, *norms[layer]),
            f"{why}.{measured}",
            "leave these unfolded; evenbatch.torch.fold folds the others.",
            evidence,
        )


def _obstacle(graph: Graph, source: Op, norm: Op) -> str:
    calls = [op.owner for op in graph.ops if op.names]
    users = graph.real_users(source)
    if calls.count(source.owner) > 1:
        return f"{source.owner!r} is called {calls.count(source.owner)} times"
    if calls.count(norm.owner) > 1:
        return f"{norm.owner!r} is called {calls.count(norm.owner)} times"
    if len(users) > 1:
        return f"{source.owner!r} is read by {len(users)} operations, not by the batch norm alone"
    if source.kind == "conv_transpose" and source.groups > 1:
        return f"{source.owner!r} is a transposed convolution with {source.groups} groups"
    return ""


def _folded(
    subject: Subject, layer: str, norms: list[str]
) -> tuple[str, dict[str, float | int | str | bool]]:
    """What the plain fold does to the output of a copy."""
    sample = subject.sample
    if sample is None or sample.evaluating.error:
        return "", {"folded": False}
    try:
        with subject.lender.lend() as folded:
            set_mode(folded, False)
            for norm in norms:
                _fold(folded, layer, norm)
            gap = difference(sample.evaluating.output, forward(folded, sample.inputs))
    except Exception as error:
        return f" PyTorch's own fold fails: {short(error, 120)}.", {"folded": False}
    return (
        f" Folded all the same, the output on this batch changes by {brief(100 * gap)} % of its "
        "largest value.",
        {"folded": True, "output_difference": gap},
    )


def _fold(model: nn.Module, layer: str, norm: str) -> None:
    first, second = model.get_submodule(layer).eval(), model.get_submodule(norm).eval()
    if isinstance(first, nn.Linear):
        fused: Any = fuse_linear_bn_eval(first, second)
    else:
        fused = fuse_conv_bn_eval(
            first, second, transpose=isinstance(first, nn.modules.conv._ConvTransposeNd)
        )
    for path, module in ((layer, fused), (norm, nn.Identity())):
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, module)
