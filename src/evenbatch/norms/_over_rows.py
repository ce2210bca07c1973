"""Statistics per row or per group of planes: which kernel, and joining what its parts give."""

from __future__ import annotations

import numpy as np

from evenbatch.kernels.norms.groups import group_backward, group_forward
from evenbatch.kernels.norms.rows import chunk_samples, row_backward, row_forward
from evenbatch.kernels.parallel import split
from evenbatch.norms._base import Array
from evenbatch.norms._buffers import empty

SHORT = 32


def as_rows(planes: int, length: int) -> bool:
    """Whether groups of so many planes of this length are faster as one row each.

    Measured: 2 times at a length of 4; a plane alone is 2 times faster as the plane it is.
    """
    return planes > 1 and length < SHORT


def forward(
    x: Array,
    valid: Array | None,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    centered: bool,
    y: Array,
) -> tuple[Array, Array]:
    """Normalize each row of x (N, G, K) into y; returns mean and biased variance, (N, G) float64.

    Args:
        valid: None or (N, K) flags.
        gamma, beta: (G, K).
    """
    mean, var = np.empty(x.shape[:2]), np.empty(x.shape[:2])
    split(
        row_forward, mean.size, x.size,
        x, valid, gamma, beta, eps, slope, centered, mean, var, y,
    )  # fmt: skip
    return mean, var


def backward(
    x: Array,
    dy: Array,
    valid: Array | None,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    centered: bool,
    mean: Array,
    var: Array,
    dx: Array,
) -> tuple[Array, Array]:
    """Write dx; returns the float64 gradients of gamma and beta, (G, K)."""
    samples = chunk_samples(gamma.size)
    chunks = -(-x.shape[0] // samples)
    dgammas, dbetas = (empty((chunks, *gamma.shape), np.float64) for _ in range(2))
    split(
        row_backward, chunks, x.size,
        x, dy, valid, samples, gamma, beta, eps, slope, centered, mean, var, dx, dgammas, dbetas,
    )  # fmt: skip
    return dgammas.sum(0), dbetas.sum(0)


def forward_groups(
    x: Array,
    valid: Array | None,
    groups: int,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    y: Array,
) -> tuple[Array, Array]:
    """Normalize each group of planes of x (N, C, S) into y; mean and variance are (N, G).

    Args:
        valid: None or (N, S) flags.
        gamma, beta: (C,).
    """
    batch, channels, length = x.shape
    if as_rows(channels // groups, length):
        rows = (batch, groups, channels // groups * length)
        gammas, betas = (np.repeat(a, length).reshape(rows[1:]) for a in (gamma, beta))
        flags = _tiled(valid, channels // groups)
        return forward(x.reshape(rows), flags, gammas, betas, eps, slope, True, y.reshape(rows))
    mean, var = np.empty((batch, groups)), np.empty((batch, groups))
    split(
        group_forward, mean.size, x.size,
        x, valid, groups, gamma, beta, eps, slope, mean, var, y,
    )  # fmt: skip
    return mean, var


def backward_groups(
    x: Array,
    dy: Array,
    valid: Array | None,
    groups: int,
    gamma: Array,
    beta: Array,
    eps: float,
    slope: float,
    mean: Array,
    var: Array,
    dx: Array,
) -> tuple[Array, Array]:
    """Write dx; returns the float64 gradients of gamma and beta, (C,)."""
    batch, channels, length = x.shape
    if as_rows(channels // groups, length):
        rows = (batch, groups, channels // groups * length)
        gammas, betas = (np.repeat(a, length).reshape(rows[1:]) for a in (gamma, beta))
        flags = _tiled(valid, channels // groups)
        dgamma, dbeta = backward(
            x.reshape(rows), dy.reshape(rows), flags, gammas, betas, eps, slope, True,
            mean, var, dx.reshape(rows),
        )  # fmt: skip
        parts = (channels, length)
        return dgamma.reshape(parts).sum(1), dbeta.reshape(parts).sum(1)
    dgammas, dbetas = np.empty((batch, channels)), np.empty((batch, channels))
    split(
        group_backward, mean.size, x.size,
        x, dy, valid, groups, gamma, beta, eps, slope, mean, var, dx, dgammas, dbetas,
    )  # fmt: skip
    return dgammas.sum(0), dbetas.sum(0)


def _tiled(valid: Array | None, planes: int) -> Array | None:
    return None if valid is None else np.tile(valid, (1, planes))
