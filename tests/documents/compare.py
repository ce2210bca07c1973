"""What the reader of docs/compare.md has: a network for images, and data (less of it, and a smaller
budget, so that the page's example takes seconds).
"""

import functools

import torch
from torch import nn

import evenbatch.torch


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(8, 2),
        )  # fmt: skip


def pictures(count):
    labels = torch.arange(count) % 2
    images = torch.randn(count, 3, 32, 32) + 2 * labels[:, None, None, None]
    return torch.utils.data.TensorDataset(images, labels)


train_data, test_data = pictures(96), pictures(48)
real = evenbatch.torch.compare


@functools.wraps(real)
def quick(*args, **settings):
    return real(*args, **settings | {"budget": 10, "rates": (0.1,), "tuning_seeds": 1})


monkeypatch.setattr(evenbatch.torch, "compare", quick)  # noqa: F821
