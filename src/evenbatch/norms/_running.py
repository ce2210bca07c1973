"""Running statistics: what evaluation uses in place of the batch's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from evenbatch.norms._base import Array, ChannelNormalizer


class RunningNormalizer(ChannelNormalizer):
    """A channel normalizer that can keep a running mean and variance per channel.

    Attributes:
        running_mean, running_var: (channels,), or None when they are not kept.
        num_batches_tracked: how many batches entered them.
        momentum: weight of the new value, or None for the average of all batches so far.
    """

    def __init__(
        self,
        channels: int,
        *,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        activation: str | None,
        dtype: npt.DTypeLike,
    ) -> None:
        super().__init__(channels, eps=eps, affine=affine, activation=activation, dtype=dtype)
        if momentum is not None and not 0 <= momentum <= 1:
            raise ValueError(
                f"{self._name}: momentum must be between 0 and 1, or None for the average of all "
                f"batches, got {momentum}"
            )
        self.momentum = momentum
        self.running_mean: Array | None = None
        self.running_var: Array | None = None
        if track_running_stats:
            self.running_mean = np.zeros(channels, self.dtype)
            self.running_var = np.ones(channels, self.dtype)
        self.num_batches_tracked = 0

    def _uses_running(self) -> bool:
        return not self.training and self.running_mean is not None

    def _running(self) -> tuple[Array, Array]:
        """running_mean and running_var in float64, checked."""
        both = []
        for name in ("running_mean", "running_var"):
            value = np.asarray(getattr(self, name), np.float64)
            if value.shape != (self.channels,):
                raise ValueError(
                    f"{self._name}: {name} has shape {value.shape}, must be {(self.channels,)}"
                )
            both.append(value.copy())
        return both[0], both[1]

    def _update(self, mean: Array, unbiased_var: Array) -> None:
        """Let one batch's statistics enter the running ones."""
        if not self.training or self.running_mean is None:
            return
        old_mean, old_var = self._running()
        self.num_batches_tracked += 1
        new = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        with np.errstate(over="ignore", invalid="ignore"):  # inf and NaN stay, as in PyTorch
            self.running_mean = ((1 - new) * old_mean + new * mean).astype(self.dtype)
            self.running_var = ((1 - new) * old_var + new * unbiased_var).astype(self.dtype)

    def _settings(self) -> dict[str, Any]:
        return {
            "channels": self.channels,
            "momentum": self.momentum,
            "affine": self.gamma is not None,
            "track_running_stats": self.running_mean is not None,
            **super()._settings(),
        }
