"""What an audit cannot see in a model: how it will be trained and used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from evenbatch.torch.auditing.findings import AuditError

METHODS = ("", "contrastive", "gan", "dp-sgd", "federated")
HALVES = ("", "float16", "bfloat16")
ONNX = ("onnx", "onnxruntime", "onnxruntime-web")
TOOLS = (*ONNX, "openvino", "coreml", "ncnn", "executorch", "tvm", "litert", "torchscript",
         "quanto", "brevitas", "torchao")  # fmt: skip


@dataclass(frozen=True)
class Context:
    """How the model is trained and used, as far as the caller says so.

    Args:
        batch_size: examples in one forward pass on one device.
        world_size: devices that train together (DistributedDataParallel).
        broadcast_buffers: DistributedDataParallel's argument of that name (``forward_sync_buffers``
            from PyTorch 2.13 on).
        forwards_per_backward: forward passes before each backward pass.
        accumulation: backward passes before each optimizer step.
        amp: "float16" or "bfloat16" if trained under autocast.
        ema: evaluated with averaged weights (EMA, SWA).
        checkpointing: activations are recomputed in the backward pass.
        vmap: run under ``torch.func.vmap``, ``jacrev`` or ``hessian``.
        deploy: about to be exported, converted or served: True, or the name of the tool (`TOOLS`),
            which then is the only one that is spoken of.
        method: "contrastive", "gan", "dp-sgd" or "federated".

    Raises:
        AuditError: a value that cannot be.

    >>> Context(world_size=8, batch_size=2).declared()
    {'batch_size': 2, 'world_size': 8}
    """

    batch_size: int | None = None
    world_size: int = 1
    broadcast_buffers: bool = True
    forwards_per_backward: int = 1
    accumulation: int = 1
    amp: str = ""
    ema: bool = False
    checkpointing: bool = False
    vmap: bool = False
    deploy: bool | str = False
    method: str = ""

    def __post_init__(self) -> None:
        for name in ("world_size", "forwards_per_backward", "accumulation", "batch_size"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not (whole and value > 0) and (value is not None or name != "batch_size"):
                raise AuditError(f"context: {name} = {value!r}; it is a count from 1 up")
        for name in ("broadcast_buffers", "ema", "checkpointing", "vmap"):
            if not isinstance(getattr(self, name), bool):
                raise AuditError(f"context: {name} = {getattr(self, name)!r}; it is True or False")
        if not isinstance(self.deploy, bool) and self.deploy not in TOOLS:
            raise AuditError(
                f"context: deploy = {self.deploy!r}; it is True or False, or one of "
                f"{', '.join(TOOLS)}"
            )
        for name, known in (("amp", HALVES), ("method", METHODS)):
            value = getattr(self, name)
            if value not in known:
                names = " or ".join(known[1:])
                raise AuditError(f"context: {name} = {value!r}; it is {names}, or left out")

    def goes_to(self, *tools: str) -> bool:
        """Whether it is to be deployed with one of these tools, as far as that is known."""
        return self.deploy is True or self.deploy in tools

    def declared(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }

    @classmethod
    def parse(cls, items: Iterable[str]) -> Context:
        """From ``name=value`` texts, as the command line gives them.

        >>> Context.parse(["world_size=8", "ema=yes"])
        Context(batch_size=None, world_size=8, ..., ema=True, ...)
        """
        known = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for item in items:
            name, equals, text = (part.strip() for part in item.partition("="))
            name = name.replace("-", "_")
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise AuditError(
                    f"context: there is no {name!r}.{hint} It takes {', '.join(known)}."
                )
            if not equals:
                raise AuditError(f"context: {item!r} has no value; write {name}=VALUE")
            values[name] = _read(name, str(known[name].type), text)
        return cls(**values)


def _read(name: str, kind: str, text: str) -> Any:
    if kind.startswith("bool"):
        word = text.lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off"):
            return False
        if "str" in kind:
            return word
        raise AuditError(f"context: {name} = {text!r}; it is yes or no")
    if kind.startswith("int"):
        try:
            return int(text)
        except ValueError:
            raise AuditError(f"context: {name} = {text!r}; it is a whole number") from None
    return text


def completed(context: Context, model: nn.Module) -> Context:
    """The context with what the model itself shows: its wrappers and its checkpointing."""
    import torch

    found: dict[str, Any] = {}
    if isinstance(model, nn.parallel.DistributedDataParallel):
        found["world_size"] = max(
            context.world_size, torch.distributed.get_world_size(model.process_group)
        )
        # `forward_sync_buffers` is its name since PyTorch 2.13, where the old one warns.
        synced = vars(model).get("forward_sync_buffers", vars(model).get("broadcast_buffers", True))
        found["broadcast_buffers"] = bool(synced)
    if isinstance(model, torch.optim.swa_utils.AveragedModel):
        found["ema"] = True
    if _checkpoints(model):
        found["checkpointing"] = True
    return replace(context, **found)


def _checkpoints(model: nn.Module) -> bool:
    """Whether a model of `transformers` says that it recomputes activations."""
    for name in ("is_activation_checkpointing", "is_gradient_checkpointing"):
        if isinstance(getattr(type(model), name, None), property):
            return getattr(model, name) is True
    return False
