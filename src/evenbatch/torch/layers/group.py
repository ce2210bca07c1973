"""Group normalization."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from evenbatch.torch.layers._arrays import channels_last
from evenbatch.torch.layers._base import Activated, check_mask, check_masked, reached
from evenbatch.torch.layers._formula import group_formula
from evenbatch.torch.layers._operators import group_norm


class GroupNorm(Activated, nn.GroupNorm):
    """`torch.nn.GroupNorm` on this package's kernels.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` over the channels of one group and all
    positions of one sample; everything else as PyTorch's layer, of which this is a subclass.

    Args:
        activation: "relu" applies it in the same pass, forward and backward; the other arguments
            are PyTorch's.

    Raises:
        ValueError: activation is neither None nor "relu".

    Wu, He: Group Normalization, 2018, equations 1 to 7, https://arxiv.org/abs/1803.08494

    >>> import torch
    >>> x = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [0.0, 0.0], [0.0, 8.0]]])
    >>> GroupNorm(2, 4, activation="relu")(x)[0, 1].tolist()
    [0.447..., 1.341...]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(num_groups, num_channels, eps, affine, device, dtype, **more)
        self._set_activation(activation)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize input (N, C, *spatial).

        Args:
            input: as PyTorch's layer takes it.
            mask: (N, *spatial) of bool, True where input is valid. What it leaves out enters no
                statistic, comes out as 0 and gets gradient 0.

        Raises:
            RuntimeError, ValueError: as PyTorch's layer.
            ValueError: the mask does not fit.
            TypeError: the mask is no tensor, or input with a mask not floating.
        """
        if self._small(input, mask, "group"):
            return self._activate(super().forward(input))
        if not isinstance(input, Tensor):
            return self._no_tensor(input, mask)
        if mask is not None:
            check_masked(type(self).__name__, input, mask)
        fits = (
            input.dim() > 1
            and input.shape[1] == self.num_channels
            and input.numel() > input.shape[0] * self.num_groups
        )
        # PyTorch's own channels-last backward for bfloat16 is 5 times slower than this one.
        half = mask is not None or channels_last(input) is not None
        fast = fits and reached(input, "group", half, (self.num_channels,), self.weight, self.bias)
        if mask is None and not fast:
            return self._activate(super().forward(input))
        if mask is not None:
            if input.dim() < 2 or input.shape[1] != self.num_channels:
                return self._activate(super().forward(input))  # which refuses it
            words = "input's shape without the channel axis"
            check_mask(type(self).__name__, mask, input, (input.shape[0], *input.shape[2:]), words)
        run = group_norm if fast else group_formula
        y: Tensor = run(input, self.weight, self.bias, mask, self.num_groups, self.eps, self._relu)[
            0
        ]
        return y

    def extra_repr(self) -> str:
        """PyTorch's, and the activation where there is one."""
        return self._mentioned(super().extra_repr())
