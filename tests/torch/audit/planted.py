"""Models with one planted problem each, near misses, and the mended ones: what a case is.

A case's functions give the arguments of `audit`. The table is in planted_cases.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Build = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A problem as its thread shows it, small; what must stay silent; and the problem mended."""

    shows: tuple[Build, ...]
    silent: tuple[Build, ...]
    mended: Build | None = None  # for problems with no automatic fix
    at: tuple[str, ...] = ()  # the paths the first one is found at
    says: str = ""  # a part of what it says, with the number measured


class Net(nn.Module):
    """Any modules, and a forward given as a function of the net and its input."""

    def __init__(self, run: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


def images(n: int = 8, channels: int = 3, side: int = 8) -> torch.Tensor:
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(1))


def rows(n: int = 8, features: int = 4) -> torch.Tensor:
    return torch.randn(n, features, generator=torch.Generator().manual_seed(2))


def conv_bn(**settings: Any) -> nn.Sequential:
    """A healthy pair, unless the settings say otherwise."""
    bias = settings.pop("bias", False)
    return nn.Sequential(nn.Conv2d(3, 8, 3, bias=bias), nn.BatchNorm2d(8, **settings), nn.ReLU())


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)
