"""The norm layers of other packages: what each does by measurement, and what the audit and every
rewrite make of it. Writes layers.json and layers.md beside itself.

    python docs/layers.py             in a new environment, with all the packages (some 10 minutes)
    python docs/layers.py --here      with what is installed here
    python docs/layers.py --render    the page from what is recorded

Packages are installed without what they depend on, as many want other versions of PyTorch; what
they need to be imported is listed here.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import venv
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORD, PAGE = HERE / "layers.json", HERE / "layers.md"

EXTRAS = (
    "aiohttp", "asteroid_filterbanks", "cffi", "decorator", "einops", "einx", "ema_pytorch",
    "frozendict", "ftfy", "jaxtyping", "kornia_rs", "lightning_utilities", "linear_operator",
    "loguru", "opt_einsum_fx", "pycparser", "soundfile", "tensorly", "tensorly-torch",
    "torch-einops-utils", "torchmetrics", "torchvision==0.28.0", "xxhash",
)  # fmt: skip

# Distribution, module, the layer, and the shape of what it is given.
LAYERS: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("timm", "timm.layers", "BatchNormAct2d(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "FrozenBatchNormAct2d(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "GroupNorm1(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "GroupNormAct(8, 4)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "LayerNorm2d(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "RmsNorm(8)", (6, 5, 8)),
    ("timm", "timm.layers", "RmsNorm2d(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "SimpleNorm(8)", (6, 5, 8)),
    ("timm", "timm.layers", "EvoNorm2dB0(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "EvoNorm2dB1(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "EvoNorm2dS0(8, 4)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "FilterResponseNormAct2d(8)", (6, 8, 5, 5)),
    ("timm", "timm.layers", "SplitBatchNorm2d(8, num_splits=2)", (6, 8, 5, 5)),
    ("torchvision", "torchvision.ops", "FrozenBatchNorm2d(8)", (6, 8, 5, 5)),
    ("torchvision", "torchvision.models.convnext", "LayerNorm2d(8)", (6, 8, 5, 5)),
    ("torch_geometric", "torch_geometric.nn", "BatchNorm(8)", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "InstanceNorm(8)", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "LayerNorm(8)", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "GraphNorm(8)", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "PairNorm()", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "MeanSubtractionNorm()", (12, 8)),
    ("torch_geometric", "torch_geometric.nn", "DiffGroupNorm(8, 2)", (12, 8)),
    ("monai", "monai.networks.nets.navit", "_RMSNorm(2, 8)", (6, 2, 5, 8)),
    ("monai", "monai.apps.generation.maisi.networks.autoencoderkl_maisi",
     "MaisiGroupNorm3D(2, 8, 1e-5, True, True, False)", (2, 8, 4, 4, 4)),
    ("kornia", "kornia.models.common", "LayerNorm2d(8)", (6, 8, 5, 5)),
    ("kornia", "kornia.feature.hynet", "FilterResponseNorm2d(8)", (6, 8, 5, 5)),
    ("kornia", "kornia.models.paligemma.modeling_paligemma", "GemmaRMSNorm(8)", (6, 5, 8)),
    ("kornia", "kornia.models.qwen25.vision", "Qwen25RMSNorm(8)", (6, 5, 8)),
    ("x_transformers", "x_transformers.x_transformers", "RMSNorm(8)", (6, 5, 8)),
    ("x_transformers", "x_transformers.x_transformers", "ScaleNorm(8)", (6, 5, 8)),
    ("x_transformers", "x_transformers.x_transformers", "LayerNorm(8)", (6, 5, 8)),
    ("x_transformers", "x_transformers.x_transformers", "SimpleRMSNorm(8)", (6, 5, 8)),
    ("transformers", "transformers.models.llama.modeling_llama", "LlamaRMSNorm(8)", (6, 5, 8)),
    ("transformers", "transformers.models.gemma.modeling_gemma", "GemmaRMSNorm(8)", (6, 5, 8)),
    ("transformers", "transformers.models.t5.modeling_t5", "T5LayerNorm(8)", (6, 5, 8)),
    ("transformers", "transformers.models.nemotron.modeling_nemotron", "NemotronLayerNorm1P(8)",
     (6, 5, 8)),
    ("transformers", "transformers.models.convnext.modeling_convnext",
     "ConvNextLayerNorm(8, data_format='channels_first')", (6, 8, 5, 5)),
    ("transformers", "transformers.models.detr.modeling_detr", "DetrFrozenBatchNorm2d(8)",
     (6, 8, 5, 5)),
    ("diffusers", "diffusers.models.normalization", "RMSNorm(8, 1e-6)", (6, 5, 8)),
    ("diffusers", "diffusers.models.normalization", "GlobalResponseNorm(8)", (6, 5, 5, 8)),
    ("diffusers", "diffusers.models.normalization", "FP32LayerNorm(8)", (6, 5, 8)),
    ("spikingjelly", "spikingjelly.activation_based.layer", "BatchNorm2d(8, step_mode='m')",
     (3, 4, 8, 5, 5)),
    ("spikingjelly", "spikingjelly.activation_based.layer",
     "ThresholdDependentBatchNorm2d(1.0, 1.0, 8)", (3, 4, 8, 5, 5)),
    ("spikingjelly", "spikingjelly.activation_based.layer", "NeuNorm(8, 5, 5, 0.9)", (4, 8, 5, 5)),
    ("snntorch", "snntorch", "BatchNormTT1d(8, 1)[0]", (6, 8)),
    ("snntorch", "snntorch", "BatchNormTT2d(8, 1)[0]", (6, 8, 5, 5)),
    ("pytorch_tabnet", "pytorch_tabnet.tab_network", "GBN(8, virtual_batch_size=6)", (12, 8)),
    ("e3nn", "e3nn.nn", "BatchNorm('8x0e')", (12, 8)),
    ("e3nn", "e3nn.nn", "BatchNorm('2x0e + 2x1o')", (12, 8)),
    ("complextorch", "complextorch.nn", "BatchNorm1d(8)", (12, 8)),
    ("complextorch", "complextorch.nn", "LayerNorm(8)", (6, 5, 8)),
    ("normflows", "normflows.flows", "ActNorm(8)", (12, 8)),
    ("normflows", "normflows.flows", "BatchNorm(1e-5)", (12, 8)),
    ("nflows", "nflows.transforms", "BatchNorm(8)", (12, 8)),
    ("nflows", "nflows.transforms", "ActNorm(8)", (12, 8)),
    ("pyro-ppl", "pyro.distributions.transforms", "BatchNorm(8)", (12, 8)),
    ("lightly", "lightly.models.batchnorm", "SplitBatchNorm(8, num_splits=2)", (6, 8, 5, 5)),
    ("asteroid", "asteroid.masknn.norms", "GlobLN(8)", (6, 8, 10)),
    ("asteroid", "asteroid.masknn.norms", "ChanLN(8)", (6, 8, 10)),
    ("asteroid", "asteroid.masknn.norms", "CumLN(8)", (6, 8, 10)),
    ("fairscale", "fairscale.nn.pipe.batchnorm", "DeferredBatchNorm(8, chunks=2)", (6, 8, 5, 5)),
    ("vit-pytorch", "vit_pytorch.cvt", "LayerNorm(8)", (6, 8, 5, 5)),
    ("vit-pytorch", "vit_pytorch.simple_vit_with_qk_norm", "RMSNorm(2, 8)", (6, 2, 5, 8)),
    ("vit-pytorch", "vit_pytorch.crossformer", "LayerNorm(8)", (6, 8, 5, 5)),
    ("denoising-diffusion-pytorch", "denoising_diffusion_pytorch.denoising_diffusion_pytorch",
     "RMSNorm(8)", (6, 8, 5, 5)),
    ("denoising-diffusion-pytorch", "denoising_diffusion_pytorch.karras_unet", "PixelNorm(1)",
     (6, 8, 5, 5)),
    ("open_clip_torch", "open_clip.transformer", "LayerNormFp32(8)", (6, 5, 8)),
    ("hyper-connections", "hyper_connections.hyper_connections", "RMSNorm(8)", (6, 5, 8)),
    ("hyper-connections", "hyper_connections.hyper_connections_channel_first", "RMSNorm(8)",
     (6, 8, 5, 5)),
    ("vector_quantize_pytorch", "vector_quantize_pytorch.finite_scalar_perturbation",
     "VectorNorm()", (6, 5, 8)),
    ("complexPyTorch", "complexPyTorch.complexLayers", "ComplexBatchNorm1d(8)", (12, 8)),
    ("complexPyTorch", "complexPyTorch.complexLayers", "NaiveComplexBatchNorm1d(8)", (12, 8)),
    ("open_clip_torch", "open_clip.transformer", "LayerNorm(8)", (6, 5, 8)),
    ("transformers", "transformers.models.gemma3.modeling_gemma3", "Gemma3RMSNorm(8)", (6, 5, 8)),
    ("mambapy", "mambapy.mamba", "RMSNorm(8)", (6, 5, 8)),
    ("neuraloperator", "neuralop.layers.normalization_layers", "InstanceNorm()", (6, 8, 5, 5)),
)  # fmt: skip

VERBS = ("place", "swap", "fold", "freeze", "refresh", "sync", "accelerate")
COLUMNS = ("kind", "does", "eps", "keeps", "one value", "mean 1e4", "float16")


def outcomes(layer: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """What is measured of the layer, what the audit finds, and what each rewrite does with it,
    behind a layer with a matrix and after three batches."""
    import torch
    from torch import nn

    import evenbatch.torch as eb
    from evenbatch.torch.measuring import Unfit, measured

    numbers = torch.complex64 if "omplex" in type(layer).__module__ else torch.float32
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=numbers)
    try:
        does = measured(layer, x)
        found = dict.fromkeys(COLUMNS, "–") if does is None else described(does)
        found["kind"] = "no norm" if does is None else does.kind
    except Unfit as error:
        found = dict.fromkeys(COLUMNS, "–") | {"kind": "not placed", "does": str(error)}
    first = {2: nn.Linear, 4: nn.Conv2d, 5: nn.Conv3d}.get(len(shape), nn.Identity)
    first = nn.Identity if x.is_complex() else first
    channels = (shape[1], shape[1]) if first is not nn.Identity else ()
    size = (1,) if first not in (nn.Linear, nn.Identity) else ()
    model = nn.Sequential(first(*channels, *size), layer)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(3):
            model.train()(x + i)
    try:
        report = eb.audit(model.train(), x)
        found["audit"] = [finding.code for finding in report]
        found["not audited"] = [note.says for note in report.notes]
    except Exception as error:  # a row of the table, not the end of it
        found["audit"] = [type(error).__name__]
    found["verbs"] = {verb: applied(verb, model, x) for verb in VERBS}
    return found


def described(does: Any) -> dict[str, Any]:
    """A behaviour in the table's words."""
    kept = [f"{k.name} ({k.role}{', biased' if k.biased else ''})" for k in does.kept]
    return {
        "does": does.described(),
        "eps": None if does.eps is None else float(f"{does.eps:.3g}"),
        "keeps": kept,
        "one value": does.one_value,
        "mean 1e4": float(f"{does.large_mean:.3g}") if does.large_mean < 1e30 else "NaN",
        "float16": "300 lost" if any("16" in str(t) for t in does.lost) else "",
    }


def applied(verb: str, model: Any, x: Any) -> str:
    """ "changed", or the reason, or "" where the rewrite is not about such a layer."""
    import evenbatch.torch as eb
    from evenbatch.torch.models.copying import copied

    own = copied(model)
    given: dict[str, Any] = {
        "swap": {"old": "batch", "new": "group", "batch": x}, "refresh": {"loader": [x]},
        "sync": {}, "place": {"batch": x}, "freeze": {"batch": x},
    }.get(verb, {"batch": x})  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if verb == "fold":
                own.eval()
            done = getattr(eb, verb)(own, **given)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if any(change.path.startswith("1") for change in done.changes):
        return "changed"
    return next((r.reason for r in done.refused if r.path.startswith("1")), "")


def made(module: str, expression: str) -> Any:
    """The layer."""
    from torch import nn

    names = {**vars(importlib.import_module(module)), "nn": nn}
    return eval(expression, names)


def record(only: tuple[str, ...] = ()) -> dict[str, Any]:
    """The whole table, of what can be imported here."""
    import torch

    from evenbatch import __version__
    from evenbatch.torch.auditing.rules import RULES

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = torch.library.Library("torchvision", "DEF")  # its own code is for another PyTorch
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        rows, missing = [], []
        for package, module, expression, shape in LAYERS:
            if only and package not in only:
                continue
            try:
                torch.manual_seed(0)
                layer = made(module, expression)
            except Exception as error:
                missing.append(f"{package} {expression}: {type(error).__name__}: {error}")
                continue
            try:
                found = outcomes(layer, shape)
            except Exception as error:
                missing.append(f"{package} {expression}: {type(error).__name__}: {error}")
                continue
            version = importlib.metadata.version(package)
            rows.append({"package": package, "version": version, "layer": expression,
                         "module": module, "shape": list(shape), **found})  # fmt: skip
            print(f"{package} {version} {expression}: {found['kind']}", file=sys.stderr)
    return {
        "evenbatch": __version__, "torch": torch.__version__.partition("+")[0],
        "rules": list(RULES), "verbs": list(VERBS), "missing": missing, "layers": rows,
    }  # fmt: skip


HEAD = """# Norm layers of other packages

What {layers} layers of {packages} packages do, measured by evenbatch {evenbatch} with PyTorch
{torch} on random numbers of one shape, and what the audit and each rewrite make of them: behind a
linear layer or convolution, after three batches in training mode. [layers.py](layers.py) installs
the packages and writes this page; reasons in full are in [layers.json](layers.json).

*mean 1e4*: the spread that comes out for a mean of 10,000 and a spread of 1, where 1 is right.
*one value*: what training does with one value to a statistic. *lost*: inputs of 300 in float16 come
out as 0, infinite or NaN. Of the rewrites: "yes", changed; "no", refused with a reason; empty, not
its concern.

"""


def render(content: dict[str, Any]) -> str:
    """The page."""
    rows = content["layers"]
    text = HEAD.format(layers=len(rows), packages=len({r["package"] for r in rows}), **{
        key: content[key] for key in ("evenbatch", "torch")})  # fmt: skip
    names = ["package", "layer", "kind", "eps", "keeps", "one value", "mean 1e4", "float16",
             "audit", *VERBS]  # fmt: skip
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    alike = Counter((row["package"], row["layer"]) for row in rows)
    for row in rows:
        file = row["module"].rpartition(".")[2]
        layer = (
            row["layer"] if alike[row["package"], row["layer"]] == 1 else f"{file}.{row['layer']}"
        )
        verbs = [{"changed": "yes", "": ""}.get(row["verbs"][v], "no") for v in VERBS]
        keeps = ", ".join(row["keeps"]) if isinstance(row["keeps"], list) else row["keeps"]
        cells = [f"{row['package']} {row['version']}", f"`{layer}`", row["kind"],
                 "" if row["eps"] is None else row["eps"], keeps, row["one value"],
                 row["mean 1e4"], row["float16"], ", ".join(row["audit"]), *verbs]  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    text += "\n".join(lines) + "\n"
    unplaced = [row for row in rows if row["kind"] == "not placed"]
    if unplaced:
        text += "\n## Like a norm, and not placed\n\n"
        text += "\n".join(f"- {r['package']} `{r['layer']}`: {r['does']}" for r in unplaced) + "\n"
    return text


def installed() -> None:
    """Run this file in a new environment that holds the packages, on top of what is here."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        site = next(Path(folder).glob("lib/python*/site-packages"))
        paths = [p for p in sys.path if p and Path(p).is_dir()]
        (site / "here.pth").write_text("\n".join(paths), encoding="utf-8")
        packages = dict.fromkeys((*EXTRAS, *(layer[0] for layer in LAYERS)))
        for package in packages:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", package]
            if subprocess.run(pip, check=False).returncode:
                print(f"{package} cannot be installed", file=sys.stderr)
        subprocess.run([str(python), __file__, "--here"], check=True)


def main() -> None:
    """By the command line."""
    if "--render" not in sys.argv and "--here" not in sys.argv:
        installed()
        return
    if "--here" in sys.argv:
        text = json.dumps(record(), indent=1, ensure_ascii=False) + "\n"
        RECORD.write_text(text, encoding="utf-8")
    PAGE.write_text(render(json.loads(RECORD.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
