"""RMS normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evenbatch.torch.layers._arrays import WIDE
from evenbatch.torch.layers.layer import Rows


class RMSNorm(Rows, nn.RMSNorm):
    """`torch.nn.RMSNorm` on this package's kernels.

    ``y = gamma * x / sqrt(mean(x^2) + eps)`` over the trailing axes; everything else as PyTorch's
    layer, of which this is a subclass.

    Args:
        activation: "relu" applies it in the same pass, forward and backward; the other arguments
            are PyTorch's.

    Raises:
        ValueError: activation is neither None nor "relu".

    Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, https://arxiv.org/abs/1910.07467

    >>> import torch
    >>> RMSNorm(2)(torch.tensor([[3.0, 4.0]])).tolist()
    [[0.848..., 1.131...]]
    """

    _kind = "rms"
    _centered = False
    _half = True

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, device, dtype)
        self._set_activation(activation)

    def _eps(self, input: Tensor) -> float:
        if self.eps is not None:
            return float(self.eps)
        return float(torch.finfo(WIDE.get(input.dtype, torch.float32)).eps)
