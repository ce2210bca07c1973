"""Batch normalization."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evenbatch.norms import _over_batch
from evenbatch.norms._base import Array, Saved
from evenbatch.norms._running import RunningNormalizer
from evenbatch.norms._spec import NormSpec


class BatchNorm(RunningNormalizer):
    """Each channel made even over the batch and its positions.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta``, mean and biased variance per channel over
    the batch and all spatial positions. In evaluation the running statistics stand in for them.

    Conventions are PyTorch's: `momentum` weights the new value,
    ``running = (1 - momentum) * running + momentum * new``, and the running variance is the
    unbiased one (divided by n - 1). MLX and tinygrad do the same. In Keras, Flax, Haiku, Equinox,
    Paddle and ONNX the momentum weights the old value (their 0.9 is 0.1 here) and the running
    variance is the biased one: n / (n - 1) times smaller. docs/porting.md has the table.

    Args:
        channels: C of an input ``(N, C, *spatial)``.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics, or None for the average of all
            batches so far.
        affine: have gamma and beta.
        track_running_stats: keep running statistics; without them evaluation uses the batch's.
        activation: "relu" applies ``max(y, 0)`` in the same pass, forward and backward.
        dtype: float32 or float64, of inputs, parameters and results.

    Raises:
        ValueError: an argument is out of range; when called, x or mask does not fit, or training
            has a single value per channel.

    The mask has shape ``(N, *spatial)``: positions of a padded batch that are valid. A batch
    without any valid position gives zeros and leaves the running statistics alone.

    Ioffe, Szegedy: Batch Normalization, 2015, algorithms 1 and 2, https://arxiv.org/abs/1502.03167

    >>> import numpy as np
    >>> norm = BatchNorm(2, dtype=np.float64)
    >>> x = np.array([[2.0, 1.0], [10.0, 1.0], [6.0, 1.0]])
    >>> norm(x).round(3)
    array([[-1.225,  0.   ],
           [ 1.225,  0.   ],
           [ 0.   ,  0.   ]])
    >>> norm.running_mean.round(3)
    array([0.6, 0.1])
    >>> norm(x, mask=np.array([True, True, False])).round(3)
    array([[-1.,  0.],
           [ 1.,  0.],
           [ 0.,  0.]])
    """

    spec = NormSpec(
        name="batch",
        title="batch normalization",
        over=("batch", "spatial"),
        per="channel",
        centered=True,
        running="kept",
        formula="y = gamma * (x - mean) / sqrt(var + eps) + beta",
        paper="Ioffe, Szegedy: Batch Normalization: Accelerating Deep Network Training by "
        "Reducing Internal Covariate Shift, 2015, algorithms 1 and 2",
        url="https://arxiv.org/abs/1502.03167",
    )

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
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
        own = not self._uses_running()
        count = planes.shape[0] * planes.shape[2] if valid is None else int(valid.sum())
        if own and count == 1:
            raise ValueError(
                f"{self._name}: training needs more than 1 value per channel, got 1 in an input of "
                f"shape {x.shape}; use a larger batch, or eval() to use running statistics"
            )
        gamma, beta = self._affine()
        fixed = None if own else self._running()
        if count == 0:
            y[...] = 0
            return np.zeros(self.channels), np.ones(self.channels), own
        mean, var = _over_batch.forward(
            planes, valid, gamma, beta, self.eps, self._slope, fixed, self._planes(y)
        )
        if own:
            self._update(mean, var * (count / (count - 1)))
        return mean, var, own

    def _backward(self, saved: Saved, dy: Array, dx: Array) -> tuple[Array, Array]:
        x, valid, mean, var, own = saved
        if x.size == 0 or (valid is not None and not valid.any()):
            dx[...] = 0
            return np.zeros(self.channels), np.zeros(self.channels)
        gamma, beta = self._affine()
        return _over_batch.backward(
            self._planes(x), self._planes(dy), valid, gamma, beta, self.eps, self._slope,
            mean, var, own, self._planes(dx),
        )  # fmt: skip
