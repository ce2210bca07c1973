"""The loops over one plane: a run x[n, c, :] of neighbouring numbers that share gamma and beta.

Batch, group and instance normalization are made of these; they differ in which planes share their
statistics. The fused activation comes from Python as `slope`, 0 for relu and 1 for none, and enters
loops as `floor`, the least value it lets out: 0 or -inf, for which one comparison does. Written as
``floor if z < floor else z`` it lets NaN through, where ``max`` would hide it. `valid` is None or a
(N, S) array of flags; numba drops the dead branch when it is None.

Accuracy. Means and variances are summed in float64 (float32 blocks around a first value were tried:
no faster for planes of some hundred numbers, and ten times less exact). The mean is used as a
number of x's dtype, `near`, so that ``xhat = (x - near) * rstd`` runs in that dtype; what `near`
rounded away is folded into `shift`, and an offset of a million costs nothing. No factor is the
square of a scale, which would leave float32 at 1e19. The gradient's sums run over centred values
and need less than float64: blocks of `BLOCK` in x's own dtype, blocks added in float64 (measured 4
times faster than converting each element).

The loops are inlined where they are used: handing over three arrays by value was measured at a
quarter of the time for planes of 196 numbers. Bounds are unsigned because a signed index that may
be negative is checked at each access, and the check keeps the loop from being vectorized.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel

BLOCK = np.uint64(4096)


@kernel(inline=True, reorder=True)
def plane_total(x: Any, valid: Any, n: int, c: int) -> float:
    """The sum of a plane."""
    total = 0.0
    for s in range(x.shape[2]):
        if valid is None or valid[n, s]:
            total += np.float64(x[n, c, s])
    return total


@kernel(inline=True, reorder=True)
def plane_spread(x: Any, valid: Any, n: int, c: int, mean: float) -> float:
    """The sum of squares of what a plane is away from `mean`."""
    total = 0.0
    for s in range(x.shape[2]):
        if valid is None or valid[n, s]:
            d = np.float64(x[n, c, s]) - mean
            total += d * d
    return total


@kernel(inline=True, reorder=True)
def unit_statistics(
    x: Any, valid: Any, n0: int, n1: int, c0: int, c1: int, count: int, centered: bool
) -> tuple[float, float]:
    """Mean and biased variance of the planes ``n0 <= n < n1, c0 <= c < c1``, two passes.

    Args:
        count: valid numbers among them, 1 if there are none.
        centered: False gives mean 0 and the mean square.
    """
    mean = 0.0
    if centered:
        for n in range(n0, n1):
            for c in range(c0, c1):
                mean += plane_total(x, valid, n, c)
        mean /= count
    spread = 0.0
    for n in range(n0, n1):
        for c in range(c0, c1):
            spread += plane_spread(x, valid, n, c, mean)
    return mean, spread / count


@kernel(inline=True, reorder=True)
def plane_apply(
    x: Any,
    valid: Any,
    n: int,
    c: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    floor: Any,
    y: Any,
) -> None:
    """y = max(xhat * gamma + shift, floor)."""
    for s in range(x.shape[2]):
        z = (x[n, c, s] - near) * rstd * gamma + shift
        z = floor if z < floor else z
        if valid is None or valid[n, s]:
            y[n, c, s] = z
        else:
            y[n, c, s] = 0


@kernel(inline=True, reorder=True)
def _block_moments(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    c: int,
    start: Any,
    stop: Any,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    floor: Any,
) -> tuple[float, float]:
    zero = x.dtype.type(0)
    total = zero
    moment = zero
    for s in range(start, stop):
        xhat = (x[n, c, s] - near) * rstd
        g = dy[n, c, s]  # loaded first: a load that may not happen becomes a branch
        g = zero if xhat * gamma + shift <= floor else g
        if valid is None or valid[n, s]:
            total += g
            moment += g * xhat
    return np.float64(total), np.float64(moment)


@kernel(inline=True, reorder=True)
def plane_moments(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    c: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    floor: Any,
) -> tuple[float, float]:
    """Sums of g and of g * xhat, g being dy where the activation let it by."""
    total = 0.0
    moment = 0.0
    length = np.uint64(x.shape[2])
    start = np.uint64(0)
    while start < length:
        stop = min(start + BLOCK, length)
        a, b = _block_moments(x, dy, valid, n, c, start, stop, near, rstd, gamma, shift, floor)
        total += a
        moment += b
        start = stop
    return total, moment


@kernel(inline=True, reorder=True)
def plane_gradient(
    x: Any,
    dy: Any,
    valid: Any,
    n: int,
    c: int,
    near: Any,
    rstd: Any,
    gamma: Any,
    shift: Any,
    floor: Any,
    tilt: Any,
    level: Any,
    dx: Any,
) -> None:
    """dx = (g * gamma + xhat * tilt + level) * rstd."""
    zero = x.dtype.type(0)
    for s in range(x.shape[2]):
        xhat = (x[n, c, s] - near) * rstd
        g = dy[n, c, s]
        g = zero if xhat * gamma + shift <= floor else g
        if valid is None or valid[n, s]:
            dx[n, c, s] = (g * gamma + (xhat * tilt + level)) * rstd
        else:
            dx[n, c, s] = zero


@kernel(reorder=True)
def reciprocal_root(var: float, eps: float) -> float:
    """1 / sqrt(var + eps), inf where that divides by zero (compiled code would raise)."""
    spread = var + eps
    return np.inf if spread == 0.0 else 1.0 / np.sqrt(spread)


@kernel(reorder=True)
def floor_of(x: Any, slope: float) -> Any:
    """The least value that the fused activation of this slope left of zero lets out."""
    return x.dtype.type(0.0) if slope == 0.0 else x.dtype.type(-np.inf)


@kernel(reorder=True)
def split_mean(x: Any, mean: float, var: float, eps: float) -> tuple[Any, Any, float]:
    """(near, rstd, rest): the exact xhat is ``(x - near) * rstd - rest``."""
    kind = x.dtype.type
    rstd = reciprocal_root(var, eps)
    near = kind(mean)
    return near, kind(rstd), (mean - np.float64(near)) * rstd
