"""Logarithm, cosine and powers of one float64, written out for the reason `_lane_math` gives."""

from __future__ import annotations

import math

import numpy as np

from evenbatch.kernels._jit import kernel

# Their sum is ln 2; the first has 41 bits, so that its product with an exponent is exact.
LN2_HIGH, LN2_LOW = 0.693147180559663, 2.8235290563031577e-13
_FRACTION, _ONE, _ROOT_TWO = (1 << 52) - 1, 1023 << 52, math.sqrt(2)
_SUBNORMAL = 2.0**54


@kernel
def log(x):
    """Natural logarithm, within 1 unit in the last place (tests/kernels/test_scalars.py).

    With x = 2^k (1 + f), 1 + f between √½ and √2, and s = f/(2 + f):

        log(1 + f) = log((1 + s)/(1 − s)) = f − s (f − R),   R = 2 (s²/3 + s⁴/5 + …)

    f is exact, so the rounding of s enters by a small factor only. Ten terms of R are left at
    |s| <= 0.172.
    """
    if not x > 0.0:
        return -math.inf if x == 0.0 else math.nan
    if x == math.inf:
        return math.inf
    small = x < 2.0**-1022
    bits = np.float64(x * _SUBNORMAL if small else x).view(np.int64)
    part = np.int64((bits & _FRACTION) | _ONE).view(np.float64)
    above = part > _ROOT_TWO
    k = np.float64((bits >> 52) - (1077 if small else 1023) + above)
    f = (0.5 * part if above else part) - 1.0
    s = f / (2.0 + f)
    z = s * s
    rest = 2.0 / 21.0
    for odd in range(19, 1, -2):
        rest = rest * z + 2.0 / odd
    return k * LN2_HIGH + (f - (s * (f - rest * z) - k * LN2_LOW))


@kernel
def half_turn(x):
    """cos(π x) for 0 <= x <= 1, within 4e-16: the Taylor series of sin(π y) at y = ½ − x."""
    y = math.pi * (0.5 - x)
    square = y * y
    value = 1.0
    for k in range(22, 0, -2):
        value = 1.0 - square * (1.0 / (k * (k + 1.0))) * value
    return y * value


@kernel
def power(base, exponent):
    """`base` to a whole power from 0 on, by squaring; relative error at most exponent · 1.2e-16."""
    result, base = 1.0, np.float64(base)
    while exponent > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result
