"""Layers that let examples of a batch see each other in training."""

from __future__ import annotations

from evenbatch.torch.auditing.findings import brief, counted
from evenbatch.torch.auditing.layers import Norm
from evenbatch.torch.auditing.sample import coupling
from evenbatch.torch.auditing.subject import Subject


def coupled(subject: Subject) -> list[Norm]:
    """Batch norms that use the batch's statistics in training."""
    return [norm for norm in subject.of_kind("batch") if norm.is_torch and not norm.frozen]


def measured(
    subject: Subject, norms: list[Norm]
) -> tuple[str, dict[str, float | int | str | bool]]:
    """The evidence in a sentence and in numbers."""
    says = f"{counted(len(norms), 'batch norm')} mix the examples of a batch."
    evidence: dict[str, float | int | str | bool] = {"layers": len(norms)}
    if subject.sample is not None:
        moved = coupling(subject.model, subject.norms, subject.sample.inputs, training=True)
        if moved is not None:
            evidence["coupling"] = moved
            says = (
                f"{counted(len(norms), 'batch norm')} mix the examples of a batch: taking half of "
                f"them away changes the others' outputs by {brief(100 * moved)} % of the largest."
            )
    return says, evidence
