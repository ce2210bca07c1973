#!/usr/bin/env bash
# imagen-pytorch 2.1.0: LayerNorm(features, stable=True), meant to keep large activations in range,
# divides each row by its largest value first. Where that value is negative, all of the row is
# negative, and dividing turns it over: what comes out is minus the layer norm. Where it is 0, the
# row is divided by zero and becomes NaN. Other rows come out as without stable=True.
#
# Seen by comparing a norm with its formula on rows around several means: a mean of -10 is as
# ordinary an input as a mean of 10.
#
# Fails if it does something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/v/bin/pip" install --quiet --disable-pip-version-check --no-deps imagen-pytorch==2.1.0

cat > "$folder/norm.py" <<'PY'
import ast
import importlib.metadata
import importlib.util
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

# The package's first file imports what images need; its layer needs none of it.
[root] = importlib.util.find_spec("imagen_pytorch").submodule_search_locations
tree = ast.parse((Path(root) / "imagen_pytorch.py").read_text("utf-8"))
tree.body = [part for part in tree.body if getattr(part, "name", "") == "LayerNorm"]
layers = {"torch": torch, "nn": nn}
exec(compile(tree, "imagen_pytorch.py", "exec"), layers)

print("imagen-pytorch", importlib.metadata.version("imagen-pytorch"), "torch", torch.__version__)
torch.manual_seed(0)
spread = torch.randn(64, 32)
plain, stable = layers["LayerNorm"](32), layers["LayerNorm"](32, stable=True)
for name, x, sign in (
    ("mean 0", spread, 1),
    ("mean 10", spread + 10, 1),
    ("mean -10", spread - 10, -1),
):
    right = F.layer_norm(x, (32,))
    ours, theirs = (float((layer(x) - right).detach().abs().max()) for layer in (plain, stable))
    turned = float((stable(x) + right).detach().abs().max())
    print(f"{name:8}  off by {ours:.4f}, stable {theirs:.4f}, stable from minus it {turned:.4f}")
    assert ours < 0.01, name
    assert (theirs < 0.01, turned < 0.01) == (sign > 0, sign < 0), name
rectified = -torch.relu(spread)
print("rows of at most 0, which hold a 0: NaN is", bool(stable(rectified).isnan().all()))
assert stable(rectified).isnan().all() and plain(rectified).isfinite().all()
PY
"$folder/v/bin/python" "$folder/norm.py"
