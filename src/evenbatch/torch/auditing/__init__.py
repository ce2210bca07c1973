"""What is wrong with the normalization of a PyTorch model: `audit(model, batch)`, `watch(model)`.

The rules and what they look for: docs/rules.md. How to use it: docs/audit.md.

>>> import torch
>>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8, momentum=0.9))
>>> report = audit(model, torch.zeros(2, 3, 8, 8), select=["EB2"])
>>> [(finding.code, finding.where) for finding in report]
[('EB205', '1')]
"""

from evenbatch.torch.auditing.context import Context
from evenbatch.torch.auditing.deploying import deployed
from evenbatch.torch.auditing.findings import AuditError, Finding, Note, Severity
from evenbatch.torch.auditing.gathering import audit
from evenbatch.torch.auditing.report import Fixes, Report
from evenbatch.torch.auditing.watching import watch

__all__ = [
    "AuditError",
    "Context",
    "Finding",
    "Fixes",
    "Note",
    "Report",
    "Severity",
    "audit",
    "deployed",
    "watch",
]
