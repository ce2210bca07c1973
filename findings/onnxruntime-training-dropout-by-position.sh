#!/usr/bin/env bash
# onnxruntime 1.32.0 (CPU): whether a Dropout whose training_mode is the constant true drops
# anything depends on where it stands. Fed by the graph's input, or giving the graph's output, it
# drops; between two other nodes the default optimizations ("basic" and above) take it out, in
# silence. With optimizations off it drops everywhere, as onnx's own reference evaluator does.
#
# Whoever exports a model that was left in training mode sees a file that is noisy or not by the
# place of its last dropout; whoever wants dropout on (Monte Carlo dropout) gets one answer from
# two files of the same layers. `disabled_optimizers=["EliminateDropout"]` keeps it.
#
# Fails if it does something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

cat > "$folder/dropout.py" <<'PY'
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print(f"onnxruntime {ort.__version__}, onnx {onnx.__version__}")
X = np.ones((8, 64), np.float32)


def model(before, after):
    names = ["x", *(["a"] if before else []), "d" if after else "y", *(["y"] if after else [])]
    nodes, at = [], 0
    for kind in [*(["Relu"] if before else []), "Dropout", *(["Relu"] if after else [])]:
        more = ["ratio", "training"] if kind == "Dropout" else []
        nodes.append(helper.make_node(kind, [names[at], *more], [names[at + 1]]))
        at += 1
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, X.shape) for name in "xy"]
    constants = [numpy_helper.from_array(np.array(0.5, np.float32), "ratio"),
                 numpy_helper.from_array(np.array(True), "training")]
    graph = helper.make_graph(nodes, "dropout", shape[:1], shape[1:], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(made, full_check=True)
    return made


def drops(made, level):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    session = ort.InferenceSession(made.SerializeToString(), options)
    return bool((session.run(None, {"x": X})[0] == 0).any())


levels = ort.GraphOptimizationLevel
found = []
for words, before, after in (("first", False, True), ("last", True, False), ("between", True, True)):
    made = model(before, after)
    plain, default = (drops(made, getattr(levels, name))
                      for name in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"))
    reference = bool((ReferenceEvaluator(made).run(None, {"x": X})[0] == 0).any())
    print(f"{words}: drops in the reference {reference}, optimizations off {plain}, default {default}")
    found.append((reference, plain, default))
expected = [(True, True, True), (True, True, True), (True, True, False)]
raise SystemExit(0 if found == expected else "this has changed")
PY
"$folder/v/bin/python" "$folder/dropout.py"
