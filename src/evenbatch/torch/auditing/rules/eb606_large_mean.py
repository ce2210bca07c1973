"""A large mean, from which a runtime's layer, group or instance norm cancels.

## What it does
For a model about to be deployed: on the batch, looks at layer, group and instance norms for means
of more than 100 standard deviations (300: an error).

## Why is this bad?
PyTorch takes the variance in two passes, or by Welford's sums. ExecuTorch (group and instance
norm; layer norm below 256 wide), TVM (group and instance norm) and ONNX Runtime
(GroupNormalization of opset 21, in the browser too) take the mean of squares less the square of
the mean, in float32: from 300 standard deviations the output is off by 0.1, from 1,000 to 3,000
it is NaN. A temperature in kelvin (293 ± 0.3) is enough.

## Example
```python
nn.GroupNorm(2, 4)(kelvin)
```

## Use instead
Take the mean off the data before (or batch norm first, whose running mean does it); for ONNX an
opset below 21, which is what is exported by default.

## Source
[onnxruntime#28463](https://github.com/microsoft/onnxruntime/issues/28463),
[executorch#16727](https://github.com/pytorch/executorch/pull/16727); measured, see docs/porting.md
"""

from __future__ import annotations

from collections.abc import Iterator

from evenbatch.torch.auditing.context import ONNX
from evenbatch.torch.auditing.findings import Found, Severity
from evenbatch.torch.auditing.rules._rule import rule
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.words import brief

WARN, FAIL = 100.0, 300.0
WIDE = 256  # a layer norm this wide is exact in ExecuTorch
CANCELS = {
    "group": ("executorch", "tvm", *ONNX),
    "instance": ("executorch", "tvm"),
    "layer": ("executorch",),
}


@rule("EB606", Severity.ERROR, "batch + context")
def cancels_when_deployed(subject: Subject) -> Iterator[Found]:
    """Norms whose inputs have a mean far from 0, for the runtimes that lose them."""
    for norm in subject.norms:
        far = max((call.far for call in subject.calls(norm)), default=0.0)
        if far <= WARN or not norm.does.mixes or not _cancels(subject, norm):
            continue
        if subject.deployed and subject.deployed.agrees(norm.key):
            continue  # by the opset, or the version
        tool = subject.context.deploy
        where = tool if isinstance(tool, str) else "ExecuTorch, TVM or ONNX Runtime (opset 21)"
        yield Found(
            (norm.path,),
            f"on this batch a mean is {brief(far)} standard deviations from 0; {where} "
            f"calculate{'s' * isinstance(tool, str)} a {norm.kind} norm's variance as the "
            "difference of two squares, which "
            + ("is off by 0.1 and more there, or NaN." if far > FAIL else "loses digits there."),
            "take the mean off before, or batch norm first; for ONNX an opset below 21.",
            {"standard_deviations": far},
            severity=None if far > FAIL else Severity.WARNING,
        )


def _cancels(subject: Subject, norm: Norm) -> bool:
    narrow = norm.kind != "layer" or norm.does.values() < WIDE
    return narrow and subject.context.goes_to(*CANCELS.get(norm.kind, ("",)))
