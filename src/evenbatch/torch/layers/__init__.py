"""PyTorch's normalization layers on this package's kernels: faster on the CPU, else the same."""

from evenbatch.torch.layers.batch import BatchNorm1d, BatchNorm2d, BatchNorm3d
from evenbatch.torch.layers.group import GroupNorm
from evenbatch.torch.layers.instance import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from evenbatch.torch.layers.layer import LayerNorm
from evenbatch.torch.layers.rms import RMSNorm

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
]
