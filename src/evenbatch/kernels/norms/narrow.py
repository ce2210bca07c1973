"""The backward loops of short rows: K a multiple of 16, up to `WIDEST`, nothing masked.

They compute what `_gradient_sums` and `_gradient` of ``rows.py`` do, one lanes value at a time.
There a row of 64 numbers costs more in checks whether arrays overlap, and in starting and ending
loops, than in arithmetic: 4.6 ms against 2.8 for 65536 rows of 64 on one core; from 256 on there is
little difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic, overload

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import PAD, lanes, load, splat, store, total
from evenbatch.kernels.norms.planes import split_mean

WIDEST = 512


@kernel
def is_narrow(features: int) -> bool:
    """Whether rows of so many numbers belong here."""
    return features <= WIDEST and features % PAD == 0


def passing(z: Any, floor: Any, yes: Any) -> Any:
    """`yes` in the lanes where not z <= floor, else 0: NaN lets the gradient by."""
    return np.where(z <= floor, np.zeros_like(yes), yes)


@intrinsic
def _passing(typingctx, z, floor, yes):
    def codegen(context, builder, sig, args):
        stopped = builder.fcmp_ordered("<=", args[0], args[1])
        return builder.select(stopped, args[2].type(None), args[2])

    return z(z, z, z), codegen


@overload(passing)
def _ov_passing(z, floor, yes):
    return lambda z, floor, yes: _passing(z, floor, yes)


@kernel
def narrow_sums(
    x: Any,
    dy: Any,
    features: int,
    n: int,
    m: int,
    near: Any,
    rstd: Any,
    rest: Any,
    floor: Any,
    near2: Any,
    rstd2: Any,
    rest2: Any,
    floor2: Any,
    gamma: Any,
    beta: Any,
    dgamma: Any,
    dbeta: Any,
) -> tuple[Any, Any, Any, Any]:
    """Sums of h = d*gamma and of h*xhat for rows n and m; adds to dgamma and dbeta.

    Args:
        x, dy: (N * K,), flat.
        gamma, beta, dgamma, dbeta: (K,).
    """
    width = lanes(x)
    zero = splat(x.dtype.type(0))
    middle, scale, shift, low = splat(near), splat(rstd), splat(rest), splat(floor)
    middle2, scale2, shift2, low2 = splat(near2), splat(rstd2), splat(rest2), splat(floor2)
    totals, moments, totals2, moments2 = zero, zero, zero, zero
    for c in range(0, features, width):
        a = load(gamma, c)
        b = load(beta, c)
        xhat = (load(x, n * features + c) - middle) * scale + shift
        xhat2 = (load(x, m * features + c) - middle2) * scale2 + shift2
        d = passing(xhat * a + b, low, load(dy, n * features + c))
        d2 = passing(xhat2 * a + b, low2, load(dy, m * features + c))
        store(dgamma, c, load(dgamma, c) + (d * xhat + d2 * xhat2))
        store(dbeta, c, load(dbeta, c) + (d + d2))
        totals = totals + d * a
        moments = moments + d * a * xhat
        totals2 = totals2 + d2 * a
        moments2 = moments2 + d2 * a * xhat2
    return total(totals), total(moments), total(totals2), total(moments2)


@kernel
def narrow_gradient(
    x: Any,
    dy: Any,
    features: int,
    n: int,
    near: Any,
    rstd: Any,
    rest: Any,
    floor: Any,
    gamma: Any,
    beta: Any,
    slope: Any,
    level: Any,
    factor: Any,
    dx: Any,
) -> None:
    """dx = (d * gamma + xhat * slope + level) * factor for row n; arrays as in `narrow_sums`."""
    middle, scale, shift, low = splat(near), splat(rstd), splat(rest), splat(floor)
    slopes, levels, factors = splat(slope), splat(level), splat(factor)
    for c in range(0, features, lanes(x)):
        a = load(gamma, c)
        xhat = (load(x, n * features + c) - middle) * scale + shift
        d = passing(xhat * a + load(beta, c), low, load(dy, n * features + c))
        store(dx, n * features + c, (d * a + (xhat * slopes + levels)) * factors)


@kernel
def two_narrow_rows(
    x: Any,
    dy: Any,
    features: int,
    n: int,
    m: int,
    gamma: Any,
    beta: Any,
    eps: float,
    floor: Any,
    centered: bool,
    mean: Any,
    var: Any,
    dx: Any,
    dgamma: Any,
    dbeta: Any,
) -> None:
    """The gradients of rows n and m, which may be the same; see `_two_rows` of the other file.

    Args:
        mean, var: (N, 1) float64.
    """
    kind = x.dtype.type
    near, rstd, away = split_mean(x, mean[n, 0], var[n, 0], eps)
    near2, rstd2, away2 = split_mean(x, mean[m, 0], var[m, 0], eps)
    rest = kind(-away)
    rest2 = kind(-away2)
    floor2 = kind(np.inf) if n == m else floor
    whole, moment, whole2, moment2 = narrow_sums(
        x, dy, features, n, m, near, rstd, rest, floor, near2, rstd2, rest2, floor2,
        gamma, beta, dgamma, dbeta,
    )  # fmt: skip
    if not centered:
        whole = kind(0)
        whole2 = kind(0)
    narrow_gradient(
        x, dy, features, n, near, rstd, rest, floor, gamma, beta,
        kind(-moment / features), kind(-whole / features), rstd, dx,
    )  # fmt: skip
    if m != n:
        narrow_gradient(
            x, dy, features, m, near2, rstd2, rest2, floor, gamma, beta,
            kind(-moment2 / features), kind(-whole2 / features), rstd2, dx,
        )  # fmt: skip
