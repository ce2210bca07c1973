#!/usr/bin/env bash
# encodec 0.1.1: norm="layer_norm", one of the norms its convolutions are documented to take, gives
# a layer whose forward returns nothing. A convolution alone hands on None in silence; the encoder
# fails at the next layer with an error that does not name the norm. The other norms work.
#
# Seen by asking what the layer does instead of believing its name: it is a torch.nn.LayerNorm by
# class, its parameters and buffers are as they should be, and no output comes out.
#
# Fails if it does something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 einops==0.8.2
"$folder/v/bin/pip" install --quiet --disable-pip-version-check --no-deps encodec==0.1.1

cat > "$folder/norm.py" <<'PY'
import importlib.metadata
import importlib.util
import sys
import types
import warnings

import torch

# The package's first file imports its audio tools; its layers need none of them.
package = types.ModuleType("encodec")
package.__path__ = list(importlib.util.find_spec("encodec").submodule_search_locations)
sys.modules["encodec"] = package
from encodec.modules import NormConv1d, SEANetEncoder  # noqa: E402
from encodec.modules.conv import CONV_NORMALIZATIONS  # noqa: E402

warnings.simplefilter("ignore")
print("encodec", importlib.metadata.version("encodec"), "torch", torch.__version__)
assert "layer_norm" in CONV_NORMALIZATIONS
torch.manual_seed(0)
sound = torch.randn(2, 1, 640)
for norm in ("none", "weight_norm", "time_group_norm", "layer_norm"):
    out = NormConv1d(1, 4, 3, norm=norm)(sound)
    made = "nothing" if out is None else tuple(out.shape)
    try:
        whole = str(tuple(SEANetEncoder(n_filters=4, dimension=8, norm=norm, lstm=0)(sound).shape))
    except Exception as error:
        whole = f"{type(error).__name__}: {error}"
    print(f"{norm:16} convolution: {made}; encoder: {whole}")
    fails = norm == "layer_norm"
    assert (out is None) == fails, norm
    assert ("Error" in whole) == fails, norm
PY
"$folder/v/bin/python" "$folder/norm.py"
