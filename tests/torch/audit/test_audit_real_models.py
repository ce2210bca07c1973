"""Real architectures, built small from their configurations without weights, and some of one's own:
no crash, everything audited, and no error found in what is healthy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from everything import everything
from torch import nn

from evenbatch.torch import Report, Severity, audit

pytestmark = pytest.mark.xdist_group("transformers")  # which takes seconds to import

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1]}
SPEECH: dict[str, Any] = {
    "vocab_size": 10,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    **SMALL,
}
WORDS: dict[str, Any] = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}

# Model and configuration in `transformers`; settings that make it small; what the batch is; the
# number of its norm layers; what is found in it.
MODELS: dict[str, tuple[str, dict[str, Any], str, int, set[str]]] = {
    "ResNet": ("Model", {"embedding_size": 8, "layer_type": "basic", **STAGES}, "images", 6, set()),
    "RegNet": ("Model", {"embedding_size": 8, "groups_width": 4, **STAGES}, "images", 9, set()),
    # Its 0.997 is TensorFlow's: in PyTorch the running statistics are those of the last batch.
    "MobileNetV2": (
        "Model", {"depth_multiplier": 0.25, "image_size": 32, "min_depth": 4}, "images", 52,
        {"EB205", "EB207"},
    ),
    "EfficientNet": (
        "Model", {"width_coefficient": 0.25, "depth_coefficient": 0.25, "hidden_dim": 320},
        "images", 22, {"EB205", "EB207"},
    ),
    "ConvNext": ("Model", {"num_stages": 2, **STAGES}, "images", 5, set()),
    "Bit": (
        "Model", {"embedding_size": 32, "hidden_sizes": [32, 64], "depths": [1, 1],
                  "num_groups": 8}, "images", 7, set(),
    ),
    "ViT": ("Model", {"image_size": 32, "patch_size": 8, **SMALL}, "images", 5, set()),
    "Swin": (
        "Model", {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1],
                  "num_heads": [2, 4], "window_size": 4}, "images", 7, set(),
    ),
    "Bert": ("Model", {**WORDS, **SMALL}, "words", 5, set()),
    "GPT2": ("Model", {"n_embd": 32, "n_layer": 2, "n_head": 4, **WORDS}, "words", 5, set()),
    "Llama": ("Model", {"num_key_value_heads": 2, **WORDS, **SMALL}, "words", 5, set()),
    "T5": (
        "EncoderModel", {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4,
                         **WORDS}, "words", 5, set(),
    ),
    "Wav2Vec2": ("Model", SPEECH, "sound", 7, set()),
    "Wav2Vec2Conformer": ("Model", SPEECH, "sound", 15, set()),
}  # fmt: skip


def batch(of: str) -> dict[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(0)
    if of == "images":
        return {"pixel_values": torch.randn(8, 3, 32, 32, generator=numbers)}
    if of == "sound":
        return {"input_values": torch.randn(8, 800, generator=numbers)}
    words = torch.randint(3, 50, (8, 12), generator=numbers)
    return {"input_ids": words, "attention_mask": torch.ones_like(words)}


def healthy(report: Report, expected: set[str], norms: int) -> None:
    assert report.complete, report.notes
    assert not report.notes, "everything could be audited"
    assert report.worst is None or report.worst < Severity.ERROR
    assert {finding.code for finding in report} == expected
    counted = f", {norms} norm layer{'s' * (norms != 1)} (" if norms else ", no norm layers"
    assert counted in report.looked_at[0]


@pytest.mark.parametrize("name", MODELS)
def test_an_architecture_of_transformers(name: str) -> None:
    import transformers

    torch.manual_seed(0)
    ending, settings, of, norms, expected = MODELS[name]
    config = getattr(transformers, f"{name}Config")(**settings)
    model = getattr(transformers, name + ending)(config)
    before = everything(model)
    healthy(audit(model, batch(of)), expected, norms)
    assert everything(model) == before


def test_the_momentum_of_mobilenet_is_fixed() -> None:
    import transformers

    settings = MODELS["MobileNetV2"][1]
    model = transformers.MobileNetV2Model(transformers.MobileNetV2Config(**settings))
    report = audit(model, batch("images"))
    [fixed] = report.fix().changed
    assert fixed.difference == 0
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.003}


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Any) -> Any:
        return torch.relu(x + self.body(x))


class Recurrent(nn.Module):
    """Sequences of any length, normalized step by step, with a loop that data decide."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 8)
        self.norm = nn.LayerNorm(8)
        self.out = nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        h = x.new_zeros(len(x), 8)
        for step in x.unbind(1):
            h = self.norm(self.cell(step, h))
            if float(h.abs().max()) > 1e6:
                break
        return {"logits": self.out(h), "state": h}


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def unet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(),
        nn.ConvTranspose2d(8, 8, 2, stride=2), nn.InstanceNorm2d(8), nn.Conv2d(8, 3, 1),
    )  # fmt: skip


def tied() -> nn.Module:
    """Weights of one layer in two places."""
    first, second = nn.Linear(8, 8), nn.Linear(8, 8)
    second.weight = first.weight
    return nn.Sequential(first, nn.LayerNorm(8), second)


OWN: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "residual": (lambda: nn.Sequential(Residual(4), Residual(4)), (8, 4, 8, 8), 4),
    "transformer": (transformer, (8, 6, 16), 4),
    "unet": (unet, (8, 3, 8, 8), 2),
    "tied": (tied, (8, 8), 1),
    "one-dimensional": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3, bias=False), nn.BatchNorm1d(4)), (8, 3, 9), 1,
    ),
    "three-dimensional": (
        lambda: nn.Sequential(nn.Conv3d(2, 4, 3, bias=False), nn.BatchNorm3d(4)), (4, 2, 5, 5, 5),
        1,
    ),
    "a layer alone": (lambda: nn.BatchNorm1d(4), (8, 4), 1),
    "none": (lambda: nn.Linear(4, 4), (8, 4), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_model_of_ones_own(name: str) -> None:
    make, shape, norms = OWN[name]
    torch.manual_seed(0)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = {"EB402"} if name == "three-dimensional" else set()
    healthy(audit(make(), x), expected, norms)


def test_a_model_whose_path_the_data_decide() -> None:
    """It cannot be traced, which is said; all else is audited."""
    report = audit(Recurrent(), torch.randn(8, 5, 4))
    assert report.complete
    assert not report.findings
    [note] = report.notes
    assert note.says.startswith("what feeds what: the model could not be traced (torch.export: ")


def test_trained_for_a_while_it_is_still_healthy() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Residual(8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(60):
        x = torch.randn(16, 3, 12, 12)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), (x.mean((1, 2, 3)) > 0).long()).backward()
        optimizer.step()
    report = audit(model.eval(), torch.randn(32, 3, 12, 12), optimizer=optimizer)
    assert not report.findings, str(report)
