"""Instance normalization."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from evenbatch.torch.layers._arrays import channels_last
from evenbatch.torch.layers._base import Activated, check_mask, check_masked, reached
from evenbatch.torch.layers._formula import batch_formula, group_formula
from evenbatch.torch.layers._operators import batch_norm, group_norm


class _InstanceNorm(Activated, nn.modules.instancenorm._InstanceNorm):
    """The part that is the same for every number of dimensions; stands before PyTorch's class."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
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
        """Normalize input (N, C, *spatial), or (C, *spatial) of one sample.

        Args:
            input: as PyTorch's layer takes it.
            mask: (N, *spatial), or (*spatial), of bool, True where input is valid. What it leaves
                out enters no statistic, comes out as 0 and gets gradient 0.

        Raises:
            ValueError: as PyTorch's layer, and where the mask does not fit.
            TypeError: the mask is no tensor, or input with a mask not floating.
        """
        if self._small(input, mask, "instance"):
            return self._activate(super().forward(input))
        if not isinstance(input, Tensor):
            return self._no_tensor(input, mask)
        if mask is not None:
            check_masked(type(self).__name__, input, mask)
        self._check_input_dim(input)
        if input.dim() == self._get_no_batch_dim():
            one = None if mask is None else mask.unsqueeze(0)
            return self.forward(input.unsqueeze(0), one).squeeze(0)
        own = self.training or not self.track_running_stats
        fixed = (None, None) if own else (self.running_mean, self.running_var)
        fits = input.shape[1] == self.num_features and input.numel() > input.shape[0] * max(
            self.num_features, 1
        )
        half = mask is not None or channels_last(input) is not None
        fast = fits and reached(
            input, "instance", half, (self.num_features,), self.weight, self.bias, *fixed
        )
        if mask is None and not fast:
            return self._activate(super().forward(input))
        if mask is not None:
            if not fits:
                raise ValueError(
                    f"{type(self).__name__}: with a mask, input must have {self.num_features} "
                    f"channels and more than 1 position per channel, got {tuple(input.shape)}"
                )
            words = "input's shape without the channel axis"
            check_mask(type(self).__name__, mask, input, (input.shape[0], *input.shape[2:]), words)
        return self._normalized(input, mask, own, fast)

    def _normalized(self, x: Tensor, mask: Tensor | None, own: bool, fast: bool) -> Tensor:
        if not own:
            run: Any = batch_norm if fast else batch_formula
            given = (self.running_mean, self.running_var)
            y: Tensor = run(x, self.weight, self.bias, *given, mask, self.eps, self._relu)[0]
            return y
        run = group_norm if fast else group_formula
        y, mean, var = run(x, self.weight, self.bias, mask, x.shape[1], self.eps, self._relu)
        if self.running_mean is not None:
            self._track(mean.detach(), var.detach(), x, mask)
        return y

    def _track(self, mean: Tensor, var: Tensor, x: Tensor, mask: Tensor | None) -> None:
        """Let the samples' statistics, averaged, enter the running ones.

        Samples with fewer than two valid positions stay out. As in PyTorch, momentum None means
        that nothing is ever updated.
        """
        with torch.no_grad():
            share: Any = 0.0 if self.momentum is None else self.momentum
            if mask is None:
                count: Any = x.shape[2:].numel()
                mean, var = mean.mean(0), var.mean(0) * (count / (count - 1))
            else:
                count = mask.flatten(1).sum(1, keepdim=True)
                enough = (count > 1).double()
                samples = enough.sum().clamp(min=1)
                mean = (mean * enough).sum(0) / samples
                var = (var * enough * (count / (count - 1).clamp(min=1))).sum(0) / samples
                share = share * enough.max()
            for running, new in ((self.running_mean, mean), (self.running_var, var)):
                running.mul_(1 - share).add_((new * share).to(running.dtype))

    def extra_repr(self) -> str:
        """PyTorch's, and the activation where there is one."""
        return str(self._mentioned(super().extra_repr()))


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """`torch.nn.InstanceNorm1d` on this package's kernels.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` over the positions of one channel of one
    sample; everything else as PyTorch's layer, of which this is a subclass.

    Args:
        activation: "relu" applies it in the same pass, forward and backward; the other arguments
            are PyTorch's.

    Raises:
        ValueError: activation is neither None nor "relu".

    Ulyanov, Vedaldi, Lempitsky: Instance Normalization, 2016, equation 2,
    https://arxiv.org/abs/1607.08022

    >>> import torch
    >>> InstanceNorm1d(1)(torch.tensor([[[2.0, 10.0, 6.0]]])).tolist()
    [[[-1.2247..., 1.2247..., 0.0]]]
    """


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` on this package's kernels; see `InstanceNorm1d`.

    >>> import torch
    >>> InstanceNorm2d(3)(torch.randn(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """`torch.nn.InstanceNorm3d` on this package's kernels; see `InstanceNorm1d`.

    >>> import torch
    >>> InstanceNorm3d(3)(torch.randn(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])
    """
