"""`audit`: gather what there is to see of a model, ask every rule, report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from evenbatch.torch.auditing import graph, sample
from evenbatch.torch.auditing.choosing import chosen
from evenbatch.torch.auditing.context import Context, completed
from evenbatch.torch.auditing.findings import AuditError, Finding, Note
from evenbatch.torch.auditing.report import Report
from evenbatch.torch.auditing.rules import RULES
from evenbatch.torch.auditing.subject import Subject
from evenbatch.torch.measuring import Norm, Norms, find, find_on
from evenbatch.torch.measuring.norms import is_lazy
from evenbatch.torch.models.inputs import BatchError, Inputs
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.words import counted, short


def audit(
    model: nn.Module,
    batch: Any = None,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    loader: Any = None,
    context: Context | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> Report:
    """What is wrong with the normalization of a model.

    The model is left as it was: what runs is a copy of it.

    Args:
        model: any ``torch.nn.Module``; a compiled or DistributedDataParallel one is unwrapped.
        batch: what the model is called with: a tensor, a tuple of positional arguments, or a
            mapping of keywords. With it shapes, statistics and ``torch.export``'s graph are
            audited too. Real data say more than random numbers.
        optimizer: to see its parameter groups.
        loader: a DataLoader; its first batch is the batch if none is given.
        context: how the model is trained and used.
        select, ignore: codes or their beginnings; the longer one wins.

    Raises:
        AuditError: `model` is no module, or a code or the context cannot be.

    >>> from torch import nn
    >>> print(audit(nn.Linear(2, 2)))
    Looked at: 1 module, no norm layers; graph: torch.fx, 1 operation; context: nothing declared.
    Not audited: what shapes and data show (no batch given).
    <BLANKLINE>
    Nothing found.
    """
    refuse_others(model, context)
    chosen(RULES, select, ignore)  # what cannot be is said before anything runs
    context = completed(context or Context(), model)
    subject, report = gather(model, batch, optimizer, loader, context)
    ask(subject, report, select, ignore)
    report.again = partial(
        audit, model, report.inputs or batch, optimizer=optimizer, loader=loader, context=context
    )
    return report


def ask(
    subject: Subject, report: Report, select: Iterable[str] = (), ignore: Iterable[str] = ()
) -> None:
    """Put the findings of the chosen rules into the report, worst first."""
    codes = chosen(RULES, select, ignore)
    for code, rule in RULES.items():
        if code not in codes:
            continue
        try:
            report.findings += rule.findings(subject)
        except Exception as error:
            says = f"{code} {rule.name}: it could not be checked, {short(error)}"
            report.notes.append(Note(says))
    report.findings.sort(key=_order)


def _order(finding: Finding) -> tuple[int, str]:
    return -finding.severity, finding.code


def refuse_others(model: Any, context: Any) -> None:
    """Raise AuditError for what is no model, or no context."""
    if context is not None and not isinstance(context, Context):
        raise AuditError(
            f"the context is {context!r:.80}; write it as evenbatch.torch.Context(world_size=8, …)"
        )
    if isinstance(model, torch.export.ExportedProgram):
        raise AuditError("an ExportedProgram is no torch.nn.Module; audit what its .module() gives")
    if not isinstance(model, nn.Module):
        raise AuditError(
            f"there is no torch.nn.Module to audit but {type(model).__name__}: {model!r:.80}"
        )


def gather_state(
    model: nn.Module,
    optimizer: Any,
    context: Context | None,
    select: Iterable[str],
    ignore: Iterable[str],
) -> tuple[Subject, Report]:
    """What the model, the optimizer and the context show without a forward pass."""
    refuse_others(model, context)
    chosen(RULES, select, ignore)
    context = completed(context or Context(), model)
    inner, averaged = unwrapped(model)
    found = find(inner)
    report = Report(model=inner, looked_at=[_tree(inner, found)], notes=_unplaced(found))
    optimizer = _look_around(report, inner, optimizer, context)
    subject = Subject(inner, found.norms, context, Lender(inner), optimizer, averaged=averaged)
    return subject, report


def _look_around(report: Report, model: nn.Module, optimizer: Any, context: Context) -> Any:
    """Enter optimizer and context into the report; the optimizer, if it is one."""
    groups = getattr(optimizer, "param_groups", None)
    if optimizer is not None and not isinstance(groups, list):
        kind = optimizer.__name__ if isinstance(optimizer, type) else type(optimizer).__name__
        says = (
            f"the optimizer's groups: what was given is of type {kind}; give a "
            "torch.optim.Optimizer, of several the one that trains the norm layers"
        )
        report.notes.append(Note(says, problem=True))
        optimizer = None
    elif isinstance(groups, list):
        report.looked_at.append(
            f"optimizer: {type(optimizer).__name__}, {counted(len(groups), 'parameter group')}"
        )
        own = {id(p) for p in model.parameters()}
        if own and not any(id(p) in own for group in groups for p in group["params"]):
            says = (
                "the optimizer's groups: it holds none of this model's parameters. It was made for "
                "another model, or before these were replaced; make it from model.parameters()"
            )
            report.notes.append(Note(says, problem=True))
    declared = ", ".join(f"{k}={v}" for k, v in context.declared().items())
    report.looked_at.append(f"context: {declared or 'nothing declared'}")
    return optimizer


def gather(
    model: nn.Module, batch: Any, optimizer: Any, loader: Any, context: Context
) -> tuple[Subject, Report]:
    """What there is to see of the model, and the report so far."""
    inner, averaged = unwrapped(model)
    report, lender = Report(model=inner), Lender(inner)
    if batch is None and loader is not None:
        batch, note = first_batch(loader)
        report.notes += note
    if batch is None and loader is None:
        report.notes.append(Note("what shapes and data show (no batch given)."))
    obstacle = cannot_run(inner)
    if obstacle:
        report.notes.append(Note(f"what shapes and data show: {obstacle}", problem=True))
    elif batch is not None:
        report.inputs, note = _inputs(batch, inner)
        report.notes += note
    found = _found(inner, lender, report)
    report.looked_at.append(_tree(inner, found))
    subject = Subject(inner, found.norms, context, lender, loader=loader, averaged=averaged)
    subject = _with_passes(subject, report)
    report.notes += _unplaced(found) + (_common(lender) if report.inputs is not None else [])
    optimizer = _look_around(report, inner, optimizer, context)
    return replace(subject, optimizer=optimizer), report


def _found(model: nn.Module, lender: Lender, report: Report) -> Norms:
    """The norms, measured on what they are given in one pass, which need not come to its end."""
    if report.inputs is None:
        return find(model)
    found, report.inputs = find_on(lender, report.inputs)
    return found


def _unplaced(found: Norms) -> list[Note]:
    return [
        Note(f"what {path!r} ({class_name}) does, which is like a norm layer: {words}")
        for path, (class_name, words) in found.unplaced.items()
    ]


def _common(lender: Lender) -> list[Note]:
    """What the audit could not do on a copy."""
    if lender.refused:
        says = (
            f"on a copy: the model cannot be copied ({lender.refused}). It was run itself, and "
            "everything in it that can be reached was put back"
        )
        return [Note(says)]
    if lender.shared:
        held = ", ".join(lender.shared[:3])
        return [Note(f"on a copy: {held}, which cannot be copied, and which the copies shared")]
    return []


def _inputs(batch: Any, model: nn.Module) -> tuple[Inputs | None, list[Note]]:
    """The batch as arguments, and what is wrong with it."""
    try:
        inputs = Inputs.of(batch, model)
    except BatchError as error:
        return None, [Note(f"what shapes and data show: {error}", problem=True)]
    tensors = inputs.tensors()
    if tensors and not inputs.examples:
        says = f"what shapes and data show: the batch {inputs.described()} holds no examples"
        return None, [Note(says, problem=True)]
    if any(t.device.type == "meta" for t in tensors):
        says = f"what shapes and data show: the batch {inputs.described()} is on the meta device"
        return None, [Note(says, problem=True)]
    if any(t.is_floating_point() and not bool(torch.isfinite(t).all()) for t in tensors):
        says = "statistics on this batch mean nothing: it holds NaN or infinity"
        return inputs, [Note(says, problem=True)]
    return inputs, []


def _with_passes(subject: Subject, report: Report) -> Subject:
    """The subject with what the batch and the graph show."""
    if report.inputs is not None:
        shown, notes = sample.take(subject.lender, subject.norms, report.inputs)
        report.notes += notes
        subject = replace(subject, sample=shown)
        report.looked_at.append(f"batch: {report.inputs.described()}")
    failed = subject.sample is not None and subject.sample.evaluating.error
    traced, how = graph.trace(subject.lender, subject.norms, None if failed else report.inputs)
    if traced is None:
        # Of a model that could not be run either, the first reason is the one to mend.
        why = "either" if failed or any(note.problem for note in report.notes) else f"({how})"
        report.notes.append(Note(f"what feeds what: the model could not be traced {why}"))
    else:
        report.looked_at.append(f"graph: {how}")
    return replace(subject, graph=traced)


def unwrapped(model: nn.Module) -> tuple[nn.Module, Any]:
    """The model inside its wrappers (parallel, compiled, averaged), and the AveragedModel."""
    averaged = None
    while True:
        if isinstance(model, torch.optim.swa_utils.AveragedModel):
            averaged, model = model, model.module
        elif isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod
        else:
            return model, averaged


def first_batch(loader: Any) -> tuple[Any, list[Note]]:
    """The loader's first batch; nothing is taken from what can be gone through only once."""
    try:
        with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed for its workers
            iterator = iter(loader)
            if iterator is not loader:
                return next(iterator), []
        says = "the loader's batches: it is an iterator, and an audit would use one up"
        return None, [Note(says, problem=True)]
    except StopIteration:
        return None, [Note("the loader's batches: it has none", problem=True)]
    except Exception as error:
        return None, [Note(f"the loader's batches: {short(error)}", problem=True)]


def cannot_run(model: nn.Module) -> str:
    """Why the model cannot be run at all, or ""."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for name, tensor in tensors:
        if is_lazy(tensor):
            return (
                f"{name!r} has no shape yet (a lazy module): run one batch through the model first"
            )
        if tensor.device.type == "meta":
            return f"{name!r} is on the meta device, without values: load or initialize it first"
    for path, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            return (
                f"{repr(path) if path else 'the model'} is scripted, and cannot be watched inside: "
                "audit the module it was made from"
            )
    return ""


def _tree(model: nn.Module, found: Norms) -> str:
    total = counted(sum(1 for _ in model.modules()), "module")
    layers = [norm for norm in found.norms if not norm.call]
    words = [f"{counted(len(layers), 'norm layer')} ({_listed(layers)})"]
    words = words if layers else ["no norm layers"]
    calls = [norm for norm in found.norms if norm.call]
    if calls:
        words.append(f"{counted(len(calls), 'call')} of norm functions ({_listed(calls)})")
    return ", ".join((total, *words))


def _listed(norms: list[Norm]) -> str:
    kinds = Counter(norm.class_name for norm in norms)
    return ", ".join(f"{number} {name}" for name, number in kinds.items())
