"""What feeds what: the operations of a forward pass, from `torch.export`, or `torch.fx` without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from evenbatch.torch.auditing.findings import counted
from evenbatch.torch.auditing.layers import kind_of
from evenbatch.torch.auditing.running import (
    Inputs,
    left_as_it_was,
    set_mode,
    short,
    tensors_in,
)

NORMS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
# Operations that hand their input on with the same statistics in every channel.
PASS_ON = ("identity", "contiguous", "clone", "detach", "to", "alias", "_assert_tensor_metadata")


@dataclass(eq=False)
class Op:
    """One operation: its kind ("conv", "conv_transpose", "linear", "batch_norm", "dropout",
    "relu", …), the module that ran it, the names of its parameters, and its neighbours."""

    kind: str
    path: str
    names: dict[str, str] = field(default_factory=dict)  # role -> name of the parameter or buffer
    inputs: list[Op] = field(default_factory=list)
    users: list[Op] = field(default_factory=list)
    training: bool | None = None
    rate: float = 0.0
    groups: int = 1
    shape: tuple[int, ...] | None = None
    of_data: bool = True  # False for calculations on weights alone, such as weight standardization

    @property
    def owner(self) -> str:
        """The module that holds its parameters, or else the one that ran it."""
        for name in self.names.values():
            return name.rpartition(".")[0]
        return self.path

    @property
    def source(self) -> Op | None:
        """What produced its first input, looking through operations that only hand it on."""
        op = self.inputs[0] if self.inputs else None
        while op is not None and op.kind in PASS_ON:
            op = op.inputs[0] if op.inputs else None
        return op


@dataclass
class Graph:
    """The operations in the order they run."""

    ops: list[Op]
    origin: str  # "torch.export" or "torch.fx"

    def of_kind(self, *kinds: str) -> Iterator[Op]:
        """Operations of these kinds on data; those on weights alone are nobody's layer."""
        for op in self.ops:
            if op.kind in kinds and op.of_data:
                yield op

    def real_users(self, op: Op) -> list[Op]:
        """Who reads the operation's output, looking through those that only hand it on."""
        found: list[Op] = []
        for user in op.users:
            found += self.real_users(user) if user.kind in PASS_ON else [user]
        return found


# Where each operation's arguments stand: role -> position.
_ARGUMENTS: dict[str, dict[str, int]] = {
    "conv": {"weight": 1, "bias": 2, "groups": 6},
    "conv_transpose": {"weight": 1, "bias": 2, "groups": 6},
    "linear": {"weight": 1, "bias": 2},
    "batch_norm": {"weight": 1, "bias": 2, "running_mean": 3, "running_var": 4, "training": 5},
    "instance_norm": {"weight": 1, "bias": 2, "running_mean": 3, "running_var": 4, "training": 5},
    "layer_norm": {"weight": 2, "bias": 3},
    "rms_norm": {"weight": 2},
    "group_norm": {"weight": 2, "bias": 3},
    "dropout": {"rate": 1, "training": 2},
}


def kind_of_operation(name: str) -> str:
    """One word for an operation, whatever its dimension and spelling.

    >>> [kind_of_operation(n) for n in ("conv2d", "conv_transpose1d", "relu_", "native_dropout")]
    ['conv', 'conv_transpose', 'relu', 'dropout']
    """
    name = name.rstrip("_")
    for stem in ("conv_transpose", "conv", *NORMS):
        if name in (stem, f"{stem}1d", f"{stem}2d", f"{stem}3d"):
            return stem
    if "dropout" in name:
        return "dropout"
    return name


def trace(model: nn.Module, inputs: Inputs | None) -> tuple[Graph | None, str]:
    """The graph, or None; and what was used or why it could not be had."""
    tries: list[tuple[str, Callable[[], Graph]]] = []
    if inputs is not None:
        tries.append(("torch.export", lambda: _exported(model, inputs)))
    tries.append(("torch.fx", lambda: _symbolic(model)))
    reasons = []
    for name, attempt in tries:
        try:
            with left_as_it_was(model):
                set_mode(model, False)
                graph = attempt()
        except (Exception, SystemExit) as error:
            reasons.append(f"{name}: {short(error, 160)}")
        else:
            return graph, f"{name}, {counted(len(graph.ops), 'operation')}"
    return None, "; ".join(reasons)


def _exported(model: nn.Module, inputs: Inputs) -> Graph:
    program = torch.export.export(
        _TensorsOnly(model), inputs.args, dict(inputs.kwargs), strict=False
    )
    signature = program.graph_signature
    named = {
        node: name.removeprefix("model.")
        for node, name in (
            *signature.inputs_to_parameters.items(),
            *signature.inputs_to_buffers.items(),
        )
    }
    data = set(signature.user_inputs)
    ops: dict[Any, Op] = {}
    for node in program.graph.nodes:
        if node.op != "call_function":
            continue
        op = _op_of_function(node)
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor):
            op.shape = tuple(int(n) for n in value.shape)
        for role, place in _ARGUMENTS.get(op.kind, {}).items():
            argument = node.args[place] if place < len(node.args) else None
            if isinstance(argument, fx.Node) and argument.name in named:
                op.names[role] = named[argument.name]
        _connect(op, node, ops, lambda source: source.name in data)
    return Graph(list(ops.values()), "torch.export")


class _TensorsOnly(nn.Module):
    """The model with its output as a list of tensors: `torch.export` knows no caches."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *args: Any, **kwargs: Any) -> list[torch.Tensor]:
        return tensors_in(self.model(*args, **kwargs))


def _op_of_function(node: fx.Node) -> Op:
    """An operation with its settings, from a call of one of torch's functions."""
    name = str(getattr(node.target, "__name__", node.target)).split(".")[0]
    op = Op(kind_of_operation(name), _path(node))
    is_aten = isinstance(node.target, torch._ops.OpOverload)
    for role in ("training", "rate", "groups"):
        place = _ARGUMENTS.get(op.kind, {}).get(role)
        value = node.kwargs.get(role)
        if is_aten and place is not None and place < len(node.args):
            value = node.args[place]
        if isinstance(value, (bool, int, float)):
            setattr(op, role, value)
    return op


def _path(node: fx.Node) -> str:
    """The module whose forward ran the node."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]).split("@")[0] if stack else ""
    return "" if path == "model" else path.removeprefix("model.")


def _connect(op: Op, node: fx.Node, ops: dict[Any, Op], is_data: Callable[[fx.Node], bool]) -> None:
    """Enter the operation behind those it reads; `is_data` knows the model's own inputs."""
    op.of_data = False
    for source in node.all_input_nodes:
        if source in ops:
            op.inputs.append(ops[source])
            ops[source].users.append(op)
            op.of_data |= ops[source].of_data
        else:
            op.of_data |= is_data(source)
    ops[node] = op


class _Tracer(fx.Tracer):
    """Norm layers that are not torch.nn's are looked at from outside, too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return kind_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


def _symbolic(model: nn.Module) -> Graph:
    ops: dict[Any, Op] = {}
    modules = dict(model.named_modules(remove_duplicate=False))
    for node in _Tracer().trace(model).nodes:
        if node.op == "call_module":
            op = _op_of_module(modules[node.target], str(node.target))
        elif node.op in ("call_function", "call_method"):
            op = _op_of_function(node)
        else:
            continue
        _connect(op, node, ops, lambda source: source.op == "placeholder")
    return Graph(list(ops.values()), "torch.fx")


def _op_of_module(module: nn.Module, path: str) -> Op:
    kind = kind_of(module)
    name = type(module).__name__.lower()
    if kind is not None:
        op = Op(f"{kind}_norm" if kind in ("batch", "instance", "group", "layer", "rms") else kind,
                path)  # fmt: skip
        op.training = False
    elif isinstance(module, nn.modules.conv._ConvTransposeNd):
        op = Op("conv_transpose", path)
    elif isinstance(module, nn.modules.conv._ConvNd):
        op = Op("conv", path)
    else:
        op = Op(kind_of_operation(name), path)
    op.groups = int(getattr(module, "groups", 1)) if op.kind.startswith("conv") else 1
    op.rate = float(getattr(module, "p", 0.0)) if op.kind == "dropout" else 0.0
    for role in ("weight", "bias"):
        if isinstance(getattr(module, role, None), nn.Parameter):
            op.names[role] = f"{path}.{role}".lstrip(".")
    return op
