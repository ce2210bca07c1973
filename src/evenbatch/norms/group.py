"""Group normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from evenbatch.norms import _over_rows
from evenbatch.norms._base import Array, ChannelNormalizer, Saved
from evenbatch.norms._spec import NormSpec


class GroupNorm(ChannelNormalizer):
    """Each sample's channels, in groups, made even within their group.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta``, mean and biased variance over the channels
    of one group and all positions of one sample, gamma and beta per channel. Training and
    evaluation are the same. Conventions are PyTorch's (ONNX before opset 21 had gamma and beta per
    group).

    Args:
        groups: how many groups; divides channels.
        channels: C of an input ``(N, C, *spatial)``.
        eps: added to the variance.
        affine: have gamma and beta.
        activation: "relu" applies ``max(y, 0)`` in the same pass, forward and backward.
        dtype: float32 or float64, of inputs, parameters and results.

    Raises:
        ValueError: an argument is out of range; when called, x or mask does not fit, or the whole
            input holds one value per channel and group.

    The mask has shape ``(N, *spatial)``: positions of a padded batch that are valid.

    Wu, He: Group Normalization, 2018, equations 1 to 7, https://arxiv.org/abs/1803.08494

    >>> import numpy as np
    >>> x = np.array([[[1, 3], [5, 7], [0, 0], [0, 8]]], np.float32)
    >>> GroupNorm(2, 4)(x).round(2)
    array([[[-1.34, -0.45],
            [ 0.45,  1.34],
            [-0.58, -0.58],
            [-0.58,  1.73]]], dtype=float32)
    """

    spec = NormSpec(
        name="group",
        title="group normalization",
        over=("channels", "spatial"),
        per="channel",
        centered=True,
        running="none",
        formula="y = gamma * (x - mean) / sqrt(var + eps) + beta",
        paper="Wu, He: Group Normalization, 2018, equations 1 to 7",
        url="https://arxiv.org/abs/1803.08494",
    )

    def __init__(
        self,
        groups: int,
        channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        activation: str | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(channels, eps=eps, affine=affine, activation=activation, dtype=dtype)
        if groups < 1 or channels % groups:
            raise ValueError(
                f"{self._name}: groups must divide the channels, got {groups} groups for "
                f"{channels} channels"
            )
        self.groups = groups

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        super()._check_shape(shape)
        if math.prod(shape) == self.groups:
            raise ValueError(
                f"{self._name}: needs more than 1 value per group, got 1 in an input of shape "
                f"{shape}; use fewer groups"
            )

    def _forward(self, x: Array, valid: Array | None, y: Array) -> tuple[Array, Array, bool]:
        mean, var = _over_rows.forward_groups(
            self._planes(x), valid, self.groups, *self._affine(), self.eps, self._slope,
            self._planes(y),
        )  # fmt: skip
        return mean, var, True

    def _backward(self, saved: Saved, dy: Array, dx: Array) -> tuple[Array, Array]:
        return _over_rows.backward_groups(
            self._planes(saved.x), self._planes(dy), saved.valid, self.groups, *self._affine(),
            self.eps, self._slope, saved.mean, saved.var, self._planes(dx),
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        shape = {"groups": self.groups, "channels": self.channels}
        return {**shape, "affine": self.gamma is not None, **super()._settings()}
