"""`deployed`: what another runtime makes of a model, measured, with the rules that say why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing.choosing import chosen
from evenbatch.torch.auditing.context import Context, completed
from evenbatch.torch.auditing.findings import AuditError, Note
from evenbatch.torch.auditing.gathering import ask, audit, gather, refuse_others
from evenbatch.torch.auditing.report import Report
from evenbatch.torch.auditing.rules import RULES
from evenbatch.torch.deploying import DeployError, compared, runtime


def deployed(
    model: nn.Module,
    batch: Any = None,
    *,
    to: str = "onnx",
    optimizer: torch.optim.Optimizer | None = None,
    loader: Any = None,
    context: Context | None = None,
    select: Iterable[str] = ("EB6",),
    ignore: Iterable[str] = (),
) -> Report:
    """Carry a copy of the model out by another runtime, and audit what becomes of its norms.

    The model is converted in the mode that it is in, and compared, output and norm by norm, with
    PyTorch in evaluation mode and with float64: what is 10 times as far from that as PyTorch
    itself, and more than 1e-4 of the largest value (half precision: 0.02 or 0.1), is no rounding.

    Args:
        model, batch, optimizer, loader, context, select, ignore: as for `audit`; the batch's shapes
            are those that the model is converted for.
        to: "onnx" (by ONNX Runtime, or onnx's reference where that is missing), "onnxruntime",
            "openvino" or "torchscript"; an ONNX opset may follow, as in "onnxruntime:21".

    Returns: the report; its ``deployed`` has every norm's figures, and EB610 names the first norm
        that differs. A model that cannot be converted is a note.

    Raises:
        AuditError: there is no such runtime, it is not installed, or there is no batch.

    >>> model = nn.Sequential(nn.Linear(16, 4), nn.BatchNorm2d(4)).eval()
    >>> model[1].running_mean = torch.arange(4.0)
    >>> report = deployed(model, torch.randn(2, 4, 5, 16), to="torchscript")
    >>> [(finding.code, finding.where) for finding in report]
    [('EB605', '0, 1'), ('EB610', '1')]
    >>> report.deployed.output.differs, report.deployed.alone.differs
    (True, False)
    """
    refuse_others(model, context)
    chosen(RULES, select, ignore)
    try:
        where = runtime(to)
    except DeployError as error:
        raise AuditError(f"deployed: {error}") from None
    if batch is None and loader is None:
        raise AuditError(f"deployed: give a batch, with which {where.name} can be compared")
    context = replace(completed(context or Context(), model), deploy=where.name)
    subject, report = gather(model, batch, optimizer, loader, context)
    if subject.sample is not None and not subject.sample.evaluating.error:
        assert report.inputs is not None
        try:
            result = compared(subject.lender, subject.norms, report.inputs, where)
        except DeployError as error:
            says = f"what {where.name} makes of the model: {error}"
            report.notes.append(Note(says, problem=True))
        else:
            report.deployed, subject = result, replace(subject, deployed=result)
            report.looked_at.append(f"deployed to {result.described()}")
    ask(subject, report, select, ignore)
    report.again = partial(
        audit, model, report.inputs or batch, optimizer=optimizer, loader=loader, context=context
    )
    return report
