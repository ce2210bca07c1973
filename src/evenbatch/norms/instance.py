"""Instance normalization."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evenbatch.norms import _over_batch, _over_rows
from evenbatch.norms._base import Array, Saved
from evenbatch.norms._running import RunningNormalizer
from evenbatch.norms._spec import NormSpec


class InstanceNorm(RunningNormalizer):
    """Each channel of each sample made even over its own positions.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta``, mean and biased variance over the positions
    of one channel of one sample, gamma and beta per channel.

    Conventions are PyTorch's: no gamma and beta and no running statistics unless asked for; where
    kept, running statistics average those of the samples (unbiased variance), `momentum` weights
    the new value, and evaluation uses them. ONNX has gamma and beta always and no running
    statistics; frameworks whose momentum weights the old value write 0.9 for 0.1 here. One
    difference: momentum None means the average of all batches, where PyTorch's layer would never
    update.

    Args:
        channels: C of an input ``(N, C, L, *more)``.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics, or None for the average of all
            batches so far.
        affine: have gamma and beta.
        track_running_stats: keep running statistics.
        activation: "relu" applies ``max(y, 0)`` in the same pass, forward and backward.
        dtype: float32 or float64, of inputs, parameters and results.

    Raises:
        ValueError: an argument is out of range; when called, x or mask does not fit, or there is a
            single position to normalize.

    The mask has shape ``(N, *spatial)``: positions of a padded batch that are valid. Samples with
    fewer than two of them do not enter the running statistics.

    Ulyanov, Vedaldi, Lempitsky: Instance Normalization, 2016, equation 2,
    https://arxiv.org/abs/1607.08022

    >>> import numpy as np
    >>> InstanceNorm(1)(np.array([[[2, 10, 6]]], np.float32)).round(3)
    array([[[-1.225,  1.225,  0.   ]]], dtype=float32)
    """

    spec = NormSpec(
        name="instance",
        title="instance normalization",
        over=("spatial",),
        per="channel",
        centered=True,
        running="optional",
        formula="y = gamma * (x - mean) / sqrt(var + eps) + beta",
        paper="Ulyanov, Vedaldi, Lempitsky: Instance Normalization: The Missing Ingredient for "
        "Fast Stylization, 2016, equation 2",
        url="https://arxiv.org/abs/1607.08022",
    )

    _least_dims = 3

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        activation: str | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(
            channels,
            eps=eps,
            momentum=momentum,
            affine=affine,
            track_running_stats=track_running_stats,
            activation=activation,
            dtype=dtype,
        )

    def _forward(self, x: Array, valid: Array | None, y: Array) -> tuple[Array, Array, bool]:
        planes = self._planes(x)
        gamma, beta = self._affine()
        if self._uses_running():
            mean, var = _over_batch.forward(
                planes, valid, gamma, beta, self.eps, self._slope, self._running(), self._planes(y)
            )
            return mean, var, False
        if planes.shape[2] == 1:
            raise ValueError(
                f"{self._name}: needs more than 1 position per channel, got 1 in an input of shape "
                f"{x.shape}; GroupNorm or LayerNorm need none"
            )
        mean, var = _over_rows.forward_groups(
            planes, valid, self.channels, gamma, beta, self.eps, self._slope, self._planes(y)
        )
        self._update_from_samples(mean, var, planes.shape, valid)
        return mean, var, True

    def _update_from_samples(
        self, mean: Array, var: Array, shape: tuple[int, ...], valid: Array | None
    ) -> None:
        counts = np.full(shape[0], shape[2]) if valid is None else valid.sum(1)
        enough = counts > 1
        if enough.any():
            n = counts[enough][:, None]
            self._update(mean[enough].mean(0), (var[enough] * (n / (n - 1))).mean(0))

    def _backward(self, saved: Saved, dy: Array, dx: Array) -> tuple[Array, Array]:
        x, valid, mean, var, own = saved
        gamma, beta = self._affine()
        views = self._planes(x), self._planes(dy), valid
        if not own:
            return _over_batch.backward(
                *views, gamma, beta, self.eps, self._slope, mean, var, False, self._planes(dx)
            )
        return _over_rows.backward_groups(
            *views, self.channels, gamma, beta, self.eps, self._slope, mean, var, self._planes(dx)
        )
