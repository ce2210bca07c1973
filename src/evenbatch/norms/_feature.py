"""What layer and RMS normalization share: each position's trailing features are one row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evenbatch.norms import _over_rows
from evenbatch.norms._base import Array, Normalizer, Saved


class FeatureNormalizer(Normalizer):
    """A normalizer over the trailing axes of x, with one gamma (and beta) per feature.

    The mask covers the leading axes of x: its shape must be ``x.shape[:mask.ndim]``. One that stops
    before the features marks whole positions; one that reaches into them leaves features out of
    their position's statistics.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        *,
        eps: float,
        affine: bool,
        activation: str | None,
        dtype: npt.DTypeLike,
    ) -> None:
        given = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(int(size) for size in given)
        if not self.normalized_shape or min(self.normalized_shape) < 1:
            raise ValueError(
                f"{self._name}: normalized_shape must name at least one axis, each of size 1 or "
                f"more, got {self.normalized_shape}"
            )
        super().__init__(
            self.normalized_shape, eps=eps, affine=affine, activation=activation, dtype=dtype
        )

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ValueError(
                f"{self._name}: x has shape {shape}, must end in {self.normalized_shape}"
            )

    def _accept_mask(self, mask: Array, shape: tuple[int, ...]) -> Array | None:
        if mask.ndim == 0 or mask.shape != shape[: mask.ndim]:
            raise ValueError(
                f"{self._name}: mask has shape {mask.shape}, must be leading axes of x, "
                f"which has shape {shape}"
            )
        mask = self._flags(mask)
        if mask.all():
            return None
        mask = mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim))
        return np.ascontiguousarray(np.broadcast_to(mask, shape)).reshape(-1, self._features)

    @property
    def _features(self) -> int:
        return math.prod(self.normalized_shape)

    def _rows(self, x: Array) -> Array:
        return x.reshape(x.size // self._features, 1, self._features)

    def _spelled(self) -> tuple[Array, Array]:
        gamma, beta = self._affine()
        return gamma[None], beta[None]

    def _forward(self, x: Array, valid: Array | None, y: Array) -> tuple[Array, Array, bool]:
        mean, var = _over_rows.forward(
            self._rows(x), valid, *self._spelled(), self.eps, self._slope,
            self.spec.centered, self._rows(y),
        )  # fmt: skip
        return mean, var, True

    def _backward(self, saved: Saved, dy: Array, dx: Array) -> tuple[Array, Array]:
        return _over_rows.backward(
            self._rows(saved.x), self._rows(dy), saved.valid, *self._spelled(), self.eps,
            self._slope, self.spec.centered, saved.mean, saved.var, self._rows(dx),
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        shape = {"normalized_shape": self.normalized_shape, "affine": self.gamma is not None}
        return {**shape, **super()._settings()}
