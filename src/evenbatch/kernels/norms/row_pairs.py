"""The backward loops of rows, two at a time and one lanes value after the other.

Two at a time because the running sums of gamma's and beta's gradients are then loaded and stored
half as often: measured, a quarter less time. On lanes because a row of 64 numbers costs more in
checks whether arrays overlap, and in starting and ending loops, than in arithmetic: 4.6 ms against
2.8 for 65536 rows of 64 on one core. Arrays are flat, and a row has at least one lanes value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import intrinsic, overload

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import lanes, load, positive, splat, store, total
from evenbatch.kernels.norms.planes import split_mean

BLOCK = 4096  # columns added in x's own dtype


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


@kernel(reorder=True)
def row_terms(x: Any, mean: float, var: float, eps: float, floor: Any) -> Any:
    """(near, rstd, rest, floor): xhat is ``(x - near) * rstd + rest``."""
    near, rstd, rest = split_mean(x, mean, var, eps)
    return near, rstd, x.dtype.type(-rest), floor


@kernel(inline=True, reorder=True)
def _step(
    x: Any, dy: Any, i: int, i2: int, terms: Any, terms2: Any, gamma: Any, beta: Any, dgamma: Any,
    dbeta: Any, p: int, keep: Any,
) -> Any:  # fmt: skip
    """One lanes value of two rows: adds to dgamma and dbeta, returns what enters the rows' sums.

    Args:
        i, i2: where it lies in the two rows.
        terms, terms2: near, rstd, rest and floor of the rows, spread over the lanes.
        p: where it lies in gamma, beta and their gradients.
        keep: 0 in lanes that do not count.
    """
    near, rstd, rest, floor = terms
    near2, rstd2, rest2, floor2 = terms2
    a, b = load(gamma, p), load(beta, p)
    xhat = (load(x, i) - near) * rstd + rest
    xhat2 = (load(x, i2) - near2) * rstd2 + rest2
    zero = splat(x.dtype.type(0))
    d = positive(keep, passing(xhat * a + b, floor, load(dy, i)), zero)
    d2 = positive(keep, passing(xhat2 * a + b, floor2, load(dy, i2)), zero)
    store(dgamma, p, load(dgamma, p) + (d * xhat + d2 * xhat2))
    store(dbeta, p, load(dbeta, p) + (d + d2))
    return d * a, d * a * xhat, d2 * a, d2 * a * xhat2


@kernel(reorder=True)
def _sums(
    x: Any, dy: Any, at: int, at2: int, size: int, terms: Any, terms2: Any, gamma: Any, beta: Any,
    dgamma: Any, dbeta: Any, p: int, live: Any,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Sums of h = d*gamma and of h*xhat for the rows at `at` and `at2`; adds to dgamma and dbeta.

    All arrays are flat. What is left over is done by a last lanes value that reaches back into what
    is done already, `live` (lanes of zeros, lanes of ones) keeping that out.
    """
    width = lanes(x)
    zero, one = splat(x.dtype.type(0)), splat(x.dtype.type(1))
    first = splat(terms[0]), splat(terms[1]), splat(terms[2]), splat(terms[3])
    second = splat(terms2[0]), splat(terms2[1]), splat(terms2[2]), splat(terms2[3])
    whole, moment, whole2, moment2 = zero, zero, zero, zero
    for c in range(0, size - width + 1, width):
        w, m, w2, m2 = _step(
            x, dy, at + c, at2 + c, first, second, gamma, beta, dgamma, dbeta, p + c, one
        )
        whole, moment, whole2, moment2 = whole + w, moment + m, whole2 + w2, moment2 + m2
    if size % width:
        c = size - width
        w, m, w2, m2 = _step(
            x, dy, at + c, at2 + c, first, second, gamma, beta, dgamma, dbeta, p + c,
            load(live, size % width),
        )  # fmt: skip
        whole, moment, whole2, moment2 = whole + w, moment + m, whole2 + w2, moment2 + m2
    return (
        np.float64(total(whole)), np.float64(total(moment)),
        np.float64(total(whole2)), np.float64(total(moment2)),
    )  # fmt: skip


@kernel(reorder=True)
def _gradient(
    x: Any, dy: Any, at: int, size: int, terms: Any, gamma: Any, beta: Any, p: int, tilt: Any,
    level: Any, factor: Any, dx: Any,
) -> None:  # fmt: skip
    """dx = (d * gamma + xhat * tilt + level) * factor, for the row at `at`."""
    width = lanes(x)
    near, rstd, rest, floor = splat(terms[0]), splat(terms[1]), splat(terms[2]), splat(terms[3])
    tilts, levels, factors = splat(tilt), splat(level), splat(factor)
    for c in range(0, size, width):
        i = min(c, size - width)
        a = load(gamma, p + i)
        xhat = (load(x, at + i) - near) * rstd + rest
        d = passing(xhat * a + load(beta, p + i), floor, load(dy, at + i))
        store(dx, at + i, (d * a + (xhat * tilts + levels)) * factors)


@kernel(inline=True, reorder=True)  # handing its arrays over took a fifth of the time of rows of 16
def two_rows(
    x: Any, dy: Any, at: int, at2: int, size: int, count: int, count2: int, terms: Any, terms2: Any,
    gamma: Any, beta: Any, centered: bool, dx: Any, dgamma: Any, dbeta: Any, p: int, live: Any,
) -> None:  # fmt: skip
    """The gradients of the rows at `at` and `at2`, which may be one, with `count` valid numbers."""
    kind = x.dtype.type
    # A last odd row is paired with itself, behind a floor that lets no gradient by.
    floor2 = kind(np.inf) if at == at2 else terms2[3]
    second = terms2[0], terms2[1], terms2[2], floor2
    whole, moment, whole2, moment2 = 0.0, 0.0, 0.0, 0.0
    for c in range(0, size, BLOCK):
        w, m, w2, m2 = _sums(
            x, dy, at + c, at2 + c, min(BLOCK, size - c), terms, second, gamma, beta,
            dgamma, dbeta, p + c, live,
        )  # fmt: skip
        whole, moment, whole2, moment2 = whole + w, moment + m, whole2 + w2, moment2 + m2
    if not centered:
        whole, whole2 = 0.0, 0.0
    # One value minus its own mean is 0 whatever it is: its gradient is 0, without a rounding.
    factor = kind(0) if centered and count == 1 else terms[1]
    tilt, level = kind(-moment / count), kind(-whole / count)
    _gradient(x, dy, at, size, terms, gamma, beta, p, tilt, level, factor, dx)
    if at2 != at:
        factor = kind(0) if centered and count2 == 1 else terms2[1]
        tilt, level = kind(-moment2 / count2), kind(-whole2 / count2)
        _gradient(x, dy, at2, size, terms2, gamma, beta, p, tilt, level, factor, dx)
