#!/usr/bin/env bash
# OpenVINO 2026.4.1 (CPU): a batch norm behind a matrix product of four axes is folded into the
# product where the file leaves the channels' axis without a size. The product's columns lie on the
# last axis, the channels on the second: the output is wrong, by as much as it is large, in silence.
# With that size in the file (whatever else is left open), or with three axes, it is right.
# onnxruntime 1.32.0 and onnx's own reference evaluator agree with each other in every case.
#
# Whoever exports a model with all axes dynamic ("any input size") meets it; whoever leaves only the
# batch dynamic does not. `model.reshape` with the true size before `compile_model` mends it.
#
# Fails if it does something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --disable-pip-version-check \
    openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat > "$folder/fold.py" <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print(f"openvino {openvino.__version__}, onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}")
draw = np.random.default_rng(0)
CONSTANTS = {
    "weight": draw.normal(size=(8, 4)), "gamma": np.ones(4), "beta": np.zeros(4),
    "mean": np.arange(4.0), "variance": np.arange(1.0, 5.0),
}


def model(axes):
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("BatchNormalization", ["product", "gamma", "beta", "mean", "variance"], ["y"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, axes)
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, [*axes[:-1], 4])
    constants = [numpy_helper.from_array(v.astype(np.float32), name) for name, v in CONSTANTS.items()]
    graph = helper.make_graph(nodes, "folded", [given], [gives], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def off(axes, shape, sized=False):
    """How far OpenVINO and onnxruntime are from the reference, as a share of its largest value."""
    file, x = model(axes), draw.normal(size=shape).astype(np.float32)
    wanted = ReferenceEvaluator(onnx.load_from_string(file)).run(None, {"x": x})[0]
    core = openvino.Core()
    read = core.read_model(file)
    if sized:
        read.reshape(shape)
    compiled = core.compile_model(read, "CPU")
    other = onnxruntime.InferenceSession(file).run(None, {"x": x})[0]
    outputs = (compiled(x)[compiled.output(0)], other)
    return [float(np.abs(one - wanted).max() / np.abs(wanted).max()) for one in outputs]


FOUR, THREE = (2, 4, 4, 8), (2, 4, 8)
wrong = []
for words, axes, shape, sized in (
    ("all sizes given", [2, 4, 4, 8], FOUR, False),
    ("batch open", ["n", 4, 4, 8], FOUR, False),
    ("all open but the channels", ["n", 4, "h", "w"], FOUR, False),
    ("channels open", [2, "c", 4, 8], FOUR, False),
    ("all open", ["n", "c", "h", "w"], FOUR, False),
    ("all open, then model.reshape", ["n", "c", "h", "w"], FOUR, True),
    ("three axes, all open", ["n", "c", "w"], THREE, False),
):
    found, other = off(axes, shape, sized)
    print(f"{words:29} openvino {found:.1e} off, onnxruntime {other:.1e}")
    assert other < 1e-5
    assert found < 1e-5 or found > 0.1
    wrong += [words] * (found > 0.1)
assert wrong == ["channels open", "all open"], wrong
PY
"$folder/v/bin/python" "$folder/fold.py"
