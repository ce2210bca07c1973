"""What the rewriting tests share: models, and running statistics that are not 0 and 1."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def worn(model: Any, seed: int = 0) -> Any:
    """The model in evaluation mode, its batch norms with statistics and parameters of some use."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.num_batches_tracked.fill_(7)
        if isinstance(module, _BatchNorm) and module.weight is not None:
            with torch.no_grad():
                module.weight.uniform_(-1, 2, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(generator=generator)
    return model.eval()


def reasons(done: Any) -> dict[str, str]:
    """Why each module was refused."""
    return {refusal.path: refusal.reason for refusal in done.refused}


def changed(done: Any) -> list[str]:
    """Paths of the changes."""
    return [change.path for change in done.changes]


class Model(nn.Module):
    """A model whose forward is given, for planted cases: ``Model(f, conv=…, norm=…)``."""

    def __init__(self, call: Any, **modules: nn.Module) -> None:
        super().__init__()
        self.call = call
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Any) -> Any:
        return self.call(self, x)


def small_resnet() -> Any:
    """transformers' ResNet from a tiny configuration, and a batch for it."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], num_labels=3)
    return ResNetForImageClassification(config), {"pixel_values": torch.randn(3, 3, 32, 32)}


def small_mobilenet() -> Any:
    """transformers' MobileNetV2 from a tiny configuration, and a batch for it."""
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    config = MobileNetV2Config(depth_multiplier=0.25, image_size=32, num_labels=3)
    return MobileNetV2ForImageClassification(config), {"pixel_values": torch.randn(3, 3, 64, 64)}
