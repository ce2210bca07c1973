"""A layer that a converter writes as another one.

## What it does
For a model about to be deployed: looks for layers that a tool is known to convert into something
else, in silence. What each does was measured; the list is in docs/porting.md.

## Why is this bad?
The file loads and runs, and its numbers are others.

## Example
```python
F.batch_norm(x, mean, var, training=True)  # in evaluation; ONNX gets mean and var
nn.RMSNorm(64)  # eps=None: 0 in ncnn, 1e-5 times the largest square in Core ML
nn.LayerNorm((64, 8, 8))  # per channel in ncnn
```

## Use instead
A layer that says what is meant: ``F.instance_norm``, an eps as a number, group norm with one
group.

## Source
[pytorch#49229](https://github.com/pytorch/pytorch/issues/49229),
[coremltools#2821](https://github.com/apple/coremltools/issues/2821); measured, see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import nn

from evenbatch.torch.auditing.context import ONNX
from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm, Probe, Unfit
from evenbatch.torch.measuring.known import kind_of, own_code
from evenbatch.torch.measuring.probing import apart
from evenbatch.torch.models.keeping import undisturbed
from evenbatch.torch.models.words import counted

Test = Callable[[Norm], bool]
EQUAL = 1e-5


def _no_eps(norm: Norm) -> bool:
    return kind_of(norm.module) == "rms" and not norm.call and norm.module.eps is None


def _three_axes(norm: Norm) -> bool:
    return kind_of(norm.module) == "layer" and len(getattr(norm.module, "normalized_shape", ())) > 2


def _tracks(norm: Norm) -> bool:
    return kind_of(norm.module) == "instance" and norm.tracks


def _averages(norm: Norm) -> bool:
    return kind_of(norm.module) == "batch" and norm.tracks and norm.module.momentum is None


def _subclass(norm: Norm) -> bool:
    """Whether a class made from layer norm does something else than that."""
    layer = norm.module
    if kind_of(layer) != "layer" or norm.call or own_code(layer):
        return False
    try:
        with undisturbed(layer):  # a copy of a layer may draw as it is made
            probe = Probe(layer, *norm.template).wide()
            x, plain = 4 * probe.random() + 1, nn.LayerNorm(layer.normalized_shape, layer.eps)
            own = {"weight": layer.weight, "bias": layer.bias}
            plain.load_state_dict({k: v for k, v in own.items() if v is not None}, strict=False)
            return apart(probe(x, training=False), Probe(plain, (x,)).wide()(x)) > EQUAL
    except (Unfit, TypeError, RuntimeError):  # it takes other inputs than layer norm
        return True


TABLE: tuple[tuple[tuple[str, ...], Test, Severity, str, str], ...] = (
    (("ncnn", "coreml"), _no_eps, Severity.WARNING, "eps=None becomes 0 in ncnn (zeros give NaN) "
     "and 1e-5 times the largest square in Core ML", "eps=1e-6, or another number."),
    (("ncnn",), _three_axes, Severity.ERROR, "a layer norm over three axes becomes one per channel",
     "nn.GroupNorm(1, C)."),
    (("coreml",), _tracks, Severity.ERROR, "its running statistics are dropped, and each input's "
     "own are taken", "track_running_stats=False and training with that, or batch norm."),
    (ONNX, _averages, Severity.INFO, "momentum=None is written as 1.0, which onnx2torch reads as "
     "0: trained on there, it never moves", "a momentum as a number before exporting."),
    (("quanto",), _subclass, Severity.WARNING, "with activations quantized, a class made from "
     "nn.LayerNorm is replaced by plain layer norm, whatever its own code does",
     "leave these layers out (exclude=…), or no subclass."),
)  # fmt: skip
"""Tools, which norms, how bad, what they become, and what to do."""


@rule("EB608", Severity.WARNING, "tree + graph + context")
def converted_otherwise(subject: Subject) -> Iterator[Found]:
    """Norms that one of the tools is known to write as another layer."""
    yield from _functions(subject)
    for tools, test, severity, becomes, fix in TABLE:
        if not subject.context.goes_to(*tools):
            continue
        found = [norm for norm in subject.norms if test(norm)]
        if found:
            yield Found(
                tuple(norm.path for norm in found),
                f"{counted(len(found), 'norm')} for {' and '.join(tools)}: {becomes}.",
                fix,
                {"layers": len(found), "tools": ", ".join(tools)},
                severity=severity,
            )


def _functions(subject: Subject) -> Iterator[Found]:
    """Functions that normalize by the batch in evaluation, with running statistics given."""
    if subject.graph is None or not subject.context.goes_to(*ONNX):
        return
    found = [
        op for op in subject.graph.of_kind("batch_norm")
        if op.training and ("running_mean" in op.names or len(op.inputs) > 2)
    ]  # fmt: skip
    if found:
        yield Found(
            tuple(dict.fromkeys(op.path for op in found)),
            f"{counted(len(found), 'batch norm function')} in training mode for ONNX: written with "
            "the running statistics that it is given, it normalizes no longer.",
            "F.instance_norm, or the arithmetic written out.",
            {"layers": len(found), "tools": ", ".join(ONNX)},
            severity=Severity.ERROR,
        )
