"""Normalizers as NumPy objects: call one, then `backward`.

========  ==============  =============================================  =========
name      class           statistics over                                gamma per
========  ==============  =============================================  =========
batch     `BatchNorm`     batch and positions                            channel
layer     `LayerNorm`     features of a sample                           feature
rms       `RMSNorm`       features of a sample, not centred              feature
group     `GroupNorm`     a group of channels and positions of a sample  channel
instance  `InstanceNorm`  positions of a channel of a sample             channel
========  ==============  =============================================  =========

Conventions are PyTorch's; each class says where others differ. `NORMALIZERS` maps names to classes,
and each class's ``spec`` says what it is, its formula and its paper. `CookieNormalizer` is the
lesson's own, in four visible steps.

Inputs are float32 or float64, as the normalizer was constructed. Large inputs are split over
threads (`set_threads`), with the same result for any number of them. Large results reuse memory
that nobody refers to any more (`release_buffers` forgets it); pass ``out=`` to choose the array.
"""

from evenbatch.kernels.parallel import set_threads, using_threads
from evenbatch.norms._base import Normalizer
from evenbatch.norms._buffers import release_buffers
from evenbatch.norms._spec import NormSpec
from evenbatch.norms.batch import BatchNorm
from evenbatch.norms.cookie import CookieNormalizer, CookieSteps
from evenbatch.norms.group import GroupNorm
from evenbatch.norms.instance import InstanceNorm
from evenbatch.norms.layer import LayerNorm
from evenbatch.norms.rms import RMSNorm

NORMALIZERS: dict[str, type[Normalizer]] = {
    "batch": BatchNorm,
    "layer": LayerNorm,
    "rms": RMSNorm,
    "group": GroupNorm,
    "instance": InstanceNorm,
}
"""Every normalizer by the name used for it everywhere."""

__all__ = [
    "NORMALIZERS",
    "BatchNorm",
    "CookieNormalizer",
    "CookieSteps",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "NormSpec",
    "Normalizer",
    "RMSNorm",
    "release_buffers",
    "set_threads",
    "using_threads",
]
