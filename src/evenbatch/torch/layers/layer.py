"""Layer normalization."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from evenbatch.torch.layers._base import Activated, check_mask, check_masked, reached
from evenbatch.torch.layers._formula import row_formula
from evenbatch.torch.layers._operators import row_norm


class Rows(Activated, nn.Module):
    """What layer and RMS normalization share; stands before PyTorch's class."""

    _kind = "layer"
    _centered = True
    _half = False  # of bfloat16 PyTorch's layer norm is faster

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize the trailing axes of input.

        Args:
            input: as PyTorch's layer takes it.
            mask: of bool, its shape the beginning of input's: True at valid positions. What it
                leaves out enters no statistic, comes out as 0 and gets gradient 0.

        Raises:
            RuntimeError: as PyTorch's layer.
            ValueError: the mask does not fit.
            TypeError: the mask is no tensor, or input with a mask not floating.
        """
        if self._small(input, mask, self._kind):
            return self._activate(super().forward(input))
        if not isinstance(input, Tensor):
            return self._no_tensor(input, mask)
        if mask is not None:
            check_masked(type(self).__name__, input, mask)
        dims = len(self.normalized_shape)
        bias = getattr(self, "bias", None)
        fits = tuple(input.shape[-dims:]) == tuple(self.normalized_shape)
        half = self._half or mask is not None
        fast = fits and reached(
            input, self._kind, half, tuple(self.normalized_shape), self.weight, bias
        )
        if mask is None and not fast:
            return self._activate(super().forward(input))
        if mask is not None:
            if not fits:
                return self._activate(super().forward(input))  # which refuses it
            shape = tuple(input.shape[: max(mask.dim(), 1)])
            words = f"the beginning of input's shape {tuple(input.shape)}"
            check_mask(type(self).__name__, mask, input, shape, words)
        run = row_norm if fast else row_formula
        y: Tensor = run(
            input, self.weight, bias, mask, dims, self._centered, self._eps(input), self._relu
        )[0]
        return y

    def _eps(self, input: Tensor) -> float:
        return float(self.eps)

    def extra_repr(self) -> str:
        """PyTorch's, and the activation where there is one."""
        return str(self._mentioned(super().extra_repr()))


class LayerNorm(Rows, nn.LayerNorm):
    """`torch.nn.LayerNorm` on this package's kernels.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` over the trailing axes; everything else as
    PyTorch's layer, of which this is a subclass.

    Args:
        activation: "relu" applies it in the same pass, forward and backward; the other arguments
            are PyTorch's.

    Raises:
        ValueError: activation is neither None nor "relu".

    Ba, Kiros, Hinton: Layer Normalization, 2016, equation 3, https://arxiv.org/abs/1607.06450

    >>> import torch
    >>> LayerNorm(3)(torch.tensor([[2.0, 10.0, 6.0]])).tolist()
    [[-1.2247..., 1.2247..., 0.0]]
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str | None = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, bias, device, dtype)
        self._set_activation(activation)
