"""The runtimes that a model can be carried out by, and how it gets there: a new one is a function
and a line in `RUNTIMES`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import logging
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from evenbatch.torch.models.words import short

Tensors = Sequence[torch.Tensor]
Carried = Callable[[Tensors], list[torch.Tensor]]
Convert = Callable[[nn.Module, Tensors, int | None, Path], Carried]


class DeployError(ValueError):
    """A model that cannot be carried out elsewhere as asked; the message says why."""


@dataclass(frozen=True)
class Runtime:
    """Where a model can be carried out.

    Args:
        name: as in ``Context(deploy=…)``.
        needs: the packages, the last one being that which computes.
        convert: from a model of tensors, and tensors, to what computes there.
        opset: of an ONNX file, where it is not PyTorch's default.
        extra: of this package, with which the others come.
    """

    name: str
    needs: tuple[str, ...]
    convert: Convert
    opset: int | None = None
    extra: str = "deploy"

    @property
    def onnx(self) -> bool:
        """Whether the model gets there as an ONNX file."""
        return "onnx" in self.needs

    @property
    def described(self) -> str:
        """Name and version.

        >>> runtime("torchscript").described
        'torchscript by torch ...'
        """
        package = self.needs[-1]
        named = f"{self.name} by {package}" if package != self.name else package
        opset = f", opset {self.opset}" if self.opset else ""
        return f"{named} {importlib.metadata.version(package)}{opset}"

    def given(self, model: nn.Module, tensors: Tensors) -> list[torch.Tensor]:
        """What the model gives there for these tensors.

        Raises:
            DeployError: it cannot be converted, or does not run.
        """
        step = "converted for"
        with TemporaryDirectory() as folder, silent():
            try:
                carried = self.convert(model, tensors, self.opset, Path(folder))
                step = "run by"
                return [t.double() for t in carried(tensors)]
            except Exception as error:
                while error.__cause__ is not None:  # an exporter's own words come first
                    error = error.__cause__  # type: ignore[assignment]
                raise DeployError(
                    f"it could not be {step} {self.described}: {short(error)}"
                ) from None


def runtime(name: str) -> Runtime:
    """The runtime of that name; of ONNX's with an opset after a colon, as in ``onnxruntime:21``.

    Raises:
        DeployError: there is none, or it is not installed.
    """
    word, colon, opset = str(name).partition(":")
    found = RUNTIMES.get(word)
    if found is None:
        raise DeployError(
            f"{word!r} is no runtime that models are run by here; there are {', '.join(RUNTIMES)}. "
            "For others there are rules: Context(deploy=…), or --context deploy=…"
        )
    if word == "onnx" and importlib.util.find_spec("onnxruntime"):  # the reference is slow
        found = replace(RUNTIMES["onnxruntime"], name=word)
    if colon:
        if not found.onnx or not opset.isdecimal():
            raise DeployError(
                f"{name!r}: an ONNX opset may stand after a colon, as in onnxruntime:21, and "
                "nothing else"
            )
        found = replace(found, opset=int(opset))
    missing = [package for package in found.needs if importlib.util.find_spec(package) is None]
    if missing:
        raise DeployError(
            f"{word} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed: "
            f'pip install "evenbatch[{found.extra}]"'
        )
    return found


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Converters print, log and warn; what counts is said by what comes out."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(level)


def _names(tensors: Tensors) -> list[str]:
    return [f"x{i}" for i in range(len(tensors))]


def _exported(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Path:
    file = folder / "model.onnx"
    torch.onnx.export(
        model, tuple(tensors), str(file), dynamo=True, opset_version=opset,
        input_names=_names(tensors), verbose=False,
    )  # fmt: skip
    return file


def _onnxruntime(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    file = _exported(model, tensors, opset, folder)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    wanted = [i.name for i in session.get_inputs()]
    return lambda xs: _arrays(session.run(None, _fed(wanted, xs)))


def _reference(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    import onnx
    from onnx.reference import ReferenceEvaluator

    loaded = onnx.load(str(_exported(model, tensors, opset, folder)))
    evaluator = ReferenceEvaluator(loaded)
    wanted = [i.name for i in loaded.graph.input]
    return lambda xs: _arrays(evaluator.run(None, _fed(wanted, xs)))


def _openvino(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    import openvino

    # As its users call it, without shapes. Where bfloat16 is fast it would compute in that.
    converted = openvino.convert_model(model, example_input=tuple(tensors))
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(converted, "CPU", exact)
    return lambda xs: _arrays(compiled([x.cpu().numpy() for x in xs]).values())


def _torchscript(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    frozen = torch.jit.freeze(torch.jit.trace(model, tuple(tensors), check_trace=False))

    def carried(xs: Tensors) -> list[torch.Tensor]:
        with torch.no_grad():
            return list(frozen(*xs))

    return carried


def _executorch(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime as Interpreter

    exported = torch.export.export(model, tuple(tensors))
    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
    written = lowered.to_executorch().buffer

    def carried(xs: Tensors) -> list[torch.Tensor]:
        # A method keeps neither its program alive nor what that was read from.
        program = Interpreter.get().load_program(written)
        method = program.load_method("forward")
        if method is None:
            raise ValueError("the program has no forward")
        return [y.clone() for y in method.execute(list(xs))]

    return carried


def _ncnn(model: nn.Module, tensors: Tensors, opset: int | None, folder: Path) -> Carried:
    import ncnn
    import pnnx

    if strange := {x.dtype for x in tensors} - set(_WORDS):
        raise ValueError(f"pnnx takes no {str(strange.pop()).removeprefix('torch.')}")
    torch.jit.trace(model, tuple(tensors), check_trace=False).save(str(folder / "m.pt"))
    shapes = ",".join(f"{list(x.shape)}{_WORDS[x.dtype]}".replace(" ", "") for x in tensors)
    command = [pnnx.EXEC_PATH, "m.pt", f"inputshape={shapes}", "fp16=0"]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    # Where the batch is among the axes, pnnx leaves in a script alone.
    script = folder / "m_ncnn.py"
    if not script.exists():
        raise ValueError("pnnx does not convert it")
    text = script.read_text("utf-8")
    given = [int(b) for b in re.findall(r"in\d+\.numpy\(\), batch_index=(\d+)\)", text)]
    made = {name: int(b) for name, b in re.findall(r"(out\d+)\.numpy\(batch_index=(\d+)", text)}
    if len(given) != len(tensors) or not made:
        raise ValueError("pnnx does not write down where the batch is; try a newer one")
    net = ncnn.Net()
    for kind in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{kind}", False)
    files = [str(folder / f"m.ncnn.{part}") for part in ("param", "bin")]
    if net.load_param(files[0]) or net.load_model(files[1]):
        raise ValueError("ncnn does not read what pnnx made of it")

    def carried(xs: Tensors) -> list[torch.Tensor]:
        with net.create_extractor() as extractor:
            for i, (x, batch) in enumerate(zip(xs, given, strict=True)):
                extractor.input(f"in{i}", ncnn.Mat(x.numpy(), batch_index=batch).clone())
            found = [extractor.extract(name)[1].numpy(batch_index=b) for name, b in made.items()]
            return _arrays(found)

    return carried


_WORDS = {torch.float32: "f32", torch.float64: "f64", torch.int64: "i64", torch.int32: "i32"}


def _fed(wanted: Sequence[str], xs: Tensors) -> dict[str, Any]:
    return {name: x.cpu().numpy() for name, x in zip(_names(xs), xs, strict=True) if name in wanted}


def _arrays(outputs: Any) -> list[torch.Tensor]:
    return [torch.from_numpy(y.copy()) for y in outputs]


RUNTIMES: dict[str, Runtime] = {
    made.name: made
    for made in (
        Runtime("onnx", ("onnxscript", "onnx"), _reference),
        Runtime("onnxruntime", ("onnx", "onnxscript", "onnxruntime"), _onnxruntime),
        Runtime("openvino", ("openvino",), _openvino),
        Runtime("torchscript", ("torch",), _torchscript),
        Runtime("executorch", ("executorch",), _executorch, extra="executorch"),
        Runtime("ncnn", ("pnnx", "ncnn"), _ncnn),
    )
}
"""By name. "onnx" is onnx's own reference evaluator, and onnxruntime where that is installed."""
