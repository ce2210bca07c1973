"""What feeds what: the operations of a forward pass, from `torch.export`, or `torch.fx` without."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from evenbatch.torch.measuring import Norm
from evenbatch.torch.models.inputs import Inputs, tensors_in
from evenbatch.torch.models.keeping import Lender
from evenbatch.torch.models.running import set_mode
from evenbatch.torch.models.words import counted, short

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
    moves: tuple[int, ...] = ()  # arguments of a transposition
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

    def into(self, path: str) -> Op | None:
        """What gives the module at this path its first input."""
        for op in self.ops:
            if op.path == path or op.path.startswith(f"{path}."):
                outside = [s for s in op.inputs if s.of_data]
                within = outside and f"{outside[0].path}.".startswith(f"{path}.")
                return outside[0] if outside and not within else None
        return None

    def real_users(self, op: Op) -> list[Op]:
        """Who reads the operation's output, looking through those that only hand it on."""
        found: list[Op] = []
        for user in op.users:
            found += self.real_users(user) if user.kind in PASS_ON else [user]
        return found


KEEPS_AXES = ("relu", "gelu", "silu", "tanh", "sigmoid", "dropout", "leaky_relu", "elu", "softplus",
              "hardswish", "relu6", "selu", "mish", "add", "sub", "mul", "div", "to", "where",
              *PASS_ON, *NORMS)  # fmt: skip


def features(op: Op | None) -> int | None:
    """The axis of an operation's output on which the features lie of the layer that made them:
    the first behind the batch for a convolution, the last for a linear layer and an embedding;
    None if that is not known."""
    if op is None or op.shape is None:
        return None
    n = len(op.shape)
    if op.kind in ("conv", "conv_transpose"):
        return 1
    if op.kind in ("linear", "embedding", "scaled_dot_product_attention"):
        return n - 1
    data = [source for source in op.inputs if source.of_data]
    if op.kind in ("matmul", "bmm", "einsum", "mm"):
        last = data[-1] if data else None
        return n - 1 if features(last) == n - 1 else None
    before = data[0] if data else None
    axis = features(before)
    if before is None or axis is None or before.shape is None:
        return None
    if op.kind in ("transpose", "permute") and len(before.shape) == n:
        to = [m % n for m in op.moves]
        if op.kind == "permute":
            return to.index(axis) if len(to) == n else None
        return {to[0]: to[1], to[1]: to[0]}.get(axis, axis) if len(to) == 2 else None
    if op.kind in KEEPS_AXES or "pool" in op.kind:
        return axis if len(before.shape) == n else None
    if op.kind in ("view", "reshape", "flatten", "_unsafe_view", "expand"):
        if axis == len(before.shape) - 1 and op.shape[-1] == before.shape[-1]:
            return n - 1
        return axis if op.shape[: axis + 1] == before.shape[: axis + 1] else None
    return None


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


def trace(
    lender: Lender, norms: tuple[Norm, ...], inputs: Inputs | None
) -> tuple[Graph | None, str]:
    """The graph, or None; and what was used or why it could not be had."""
    kinds = {norm.path: norm.kind for norm in norms if not norm.call}
    tries: list[tuple[str, Callable[[nn.Module], Graph]]] = []
    if inputs is not None:
        tries.append(("torch.export", lambda model: _exported(model, inputs)))
    tries.append(("torch.fx", lambda model: _symbolic(model, kinds)))
    reasons = []
    for name, attempt in tries:
        try:
            with lender.lend() as model, _quiet():
                set_mode(model, False)
                graph = attempt(model)
        except (Exception, SystemExit) as error:
            reasons.append(f"{name}: {short(error, 160)}")
        else:
            return graph, f"{name}, {counted(len(graph.ops), 'operation')}"
    return None, "; ".join(reasons)


@contextmanager
def _quiet() -> Iterator[None]:
    """What `torch.export` logs and prints of a model that it cannot follow becomes one note."""
    logger = logging.getLogger("torch")
    level, disabled = logger.level, logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        logger.setLevel(level)


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
        op.moves = tuple(
            int(a) for arg in node.args[1:] for a in (arg if isinstance(arg, list) else [arg])
            if isinstance(a, int)
        )  # fmt: skip
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


class Tracer(fx.Tracer):
    """Norm layers that are not torch.nn's are looked at from outside, too: those at `paths`."""

    def __init__(self, paths: Collection[str]) -> None:
        super().__init__()
        self.paths = paths

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether it is one operation."""
        here = module_qualified_name in self.paths
        return here or super().is_leaf_module(m, module_qualified_name)


def _symbolic(model: nn.Module, kinds: Mapping[str, str]) -> Graph:
    ops: dict[Any, Op] = {}
    modules = dict(model.named_modules(remove_duplicate=False))
    first = {id(module): path for path, module in model.named_modules()}
    for node in Tracer(kinds).trace(model).nodes:
        if node.op == "call_module":
            module = modules[node.target]
            op = _op_of_module(module, str(node.target), kinds.get(first[id(module)]))
        elif node.op in ("call_function", "call_method"):
            op = _op_of_function(node)
        else:
            continue
        _connect(op, node, ops, lambda source: source.op == "placeholder")
    return Graph(list(ops.values()), "torch.fx")


def _op_of_module(module: nn.Module, path: str, kind: str | None) -> Op:
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
