"""A digit classifier with five things wrong with its normalization.

    evenbatch audit examples/audit_five.py:build

finds them. What each one is, and what to do about it: docs/audit.md and docs/rules.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from evenbatch.data import load


class ScaleNorm(nn.Module):
    """A norm layer of one's own, as many code bases have one."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.gain


class Digits(nn.Module):
    """Convolutions, a pooled vector, two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, bias=False), nn.BatchNorm2d(16, momentum=0.99), nn.ReLU()
        )
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 32))
        self.hidden = nn.Sequential(
            nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 32, bias=False), nn.BatchNorm1d(32)
        )
        self.groups = nn.GroupNorm(32, 32)
        self.norm = ScaleNorm(32)
        self.out = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(self.groups(self.hidden(self.pooled(self.stem(x))))))


def build() -> dict[str, Any]:
    """The model with what it is trained by: what `evenbatch audit` calls."""
    torch.manual_seed(0)
    model = Digits()
    data = load("digits")
    images = torch.tensor(data.x_train).reshape(-1, 1, 8, 8)[:1025]
    loader = DataLoader(TensorDataset(images), batch_size=32, shuffle=True)
    plain = [p for name, p in model.named_parameters() if p.ndim > 1 or "gain" in name]
    rest = [p for name, p in model.named_parameters() if not (p.ndim > 1 or "gain" in name)]
    groups = [{"params": plain}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05)
    return {"model": model, "loader": loader, "optimizer": optimizer}
