"""Batch normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evenbatch.torch.layers._base import Activated, check_mask, check_masked, reached
from evenbatch.torch.layers._formula import batch_formula
from evenbatch.torch.layers._operators import batch_norm


class _BatchNorm(Activated, nn.modules.batchnorm._BatchNorm):
    """The part that is the same for every number of dimensions; stands before PyTorch's class."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        activation: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, **more
        )
        self._set_activation(activation)

    def forward(self, input: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize input (N, C, *spatial).

        Args:
            input: as PyTorch's layer takes it.
            mask: (N, *spatial) of bool, True where input is valid. What it leaves out enters no
                statistic, comes out as 0 and gets gradient 0.

        Raises:
            ValueError: as PyTorch's layer, and where the mask does not fit.
            TypeError: the mask is no tensor, or input with a mask not floating.
        """
        if self._small(input, mask, "batch"):
            return self._activate(super().forward(input))
        if not isinstance(input, Tensor):
            return self._no_tensor(input, mask)
        columns = input.layout is torch.strided and (input.dim() == 2 or not input.is_contiguous())
        if columns and self._small(input, mask, "columns"):
            return self._activate(super().forward(input))
        if mask is not None:
            check_masked(type(self).__name__, input, mask)
        self._check_input_dim(input)
        own = self.training or (self.running_mean is None and self.running_var is None)
        fixed = (None, None) if own else (self.running_mean, self.running_var)
        shape = (self.num_features,)
        fits = input.shape[1] == self.num_features and input.numel() > self.num_features
        half = mask is not None
        fast = self.eps > 0 and fits
        fast = fast and reached(input, "batch", half, shape, self.weight, self.bias, *fixed)
        if mask is None and not fast:
            return self._activate(super().forward(input))
        count: Any = input.numel() // max(self.num_features, 1)
        if mask is not None:
            count = self._checked(input, mask, own)
        run: Any = batch_norm if fast else batch_formula
        y, mean, var = run(input, self.weight, self.bias, *fixed, mask, self.eps, self._relu)
        if self.training and self.track_running_stats and self.running_mean is not None:
            self._track(mean.detach(), var.detach(), count)
        return y

    def _checked(self, x: Tensor, mask: Tensor, own: bool) -> Any:
        """The number of valid positions, the mask being a right one."""
        name = type(self).__name__
        if x.shape[1] != self.num_features:
            raise ValueError(
                f"{name}: input has {x.shape[1]} channels on axis 1 (shape {tuple(x.shape)}), this "
                f"layer has {self.num_features}"
            )
        words = "input's shape without the channel axis"
        check_mask(name, mask, x, (x.shape[0], *x.shape[2:]), words)
        count = mask.sum()
        unknown = torch.compiler.is_compiling() or mask.device.type == "meta"
        if own and not unknown and int(count) == 1:
            raise ValueError(
                f"{name}: training needs more than 1 value per channel, the mask leaves 1 of "
                f"{mask.numel()}; use a larger batch, or eval() to use running statistics"
            )
        return count

    def _track(self, mean: Tensor, var: Tensor, count: Any) -> None:
        """Let this batch enter the running statistics; one without a valid position does not."""
        masked = isinstance(count, Tensor)
        with torch.no_grad():
            self.num_batches_tracked.add_((count > 0).to(torch.int64) if masked else 1)
            share: Any = self.momentum
            if share is None:
                share = 1.0 / max(float(self.num_batches_tracked), 1.0)
            if not masked:
                self.running_mean.mul_(1 - share).add_(mean, alpha=share)
                self.running_var.mul_(1 - share).add_(var, alpha=share * count / (count - 1))
                return
            share = share * (count > 0)
            unbiased = var * (count / (count - 1).clamp(min=1))
            for running, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.mul_(1 - share).add_(new * share)

    def extra_repr(self) -> str:
        """PyTorch's, and the activation where there is one."""
        return str(self._mentioned(super().extra_repr()))


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` on this package's kernels.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` per channel over the batch and its
    positions; everything else as PyTorch's layer, of which this is a subclass.

    Args:
        activation: "relu" applies it in the same pass, forward and backward; the other arguments
            are PyTorch's.

    Raises:
        ValueError: activation is neither None nor "relu".

    Ioffe, Szegedy: Batch Normalization, 2015, algorithms 1 and 2, https://arxiv.org/abs/1502.03167

    >>> import torch
    >>> BatchNorm1d(1)(torch.tensor([[2.0], [10.0], [6.0]])).flatten().tolist()
    [-1.2247..., 1.2247..., 0.0]
    """


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` on this package's kernels; see `BatchNorm1d`.

    >>> import torch
    >>> norm = BatchNorm2d(3, activation="relu")
    >>> mask = torch.ones(2, 4, 4, dtype=torch.bool)
    >>> mask[1, :, 2:] = False  # padding
    >>> y = norm(torch.randn(2, 3, 4, 4), mask)
    >>> bool((y[1, :, :, 2:] == 0).all())
    True
    """


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` on this package's kernels; see `BatchNorm1d`.

    >>> import torch
    >>> BatchNorm3d(3)(torch.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """
