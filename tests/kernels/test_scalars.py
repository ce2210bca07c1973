"""Logarithm, cosine and powers against 50 digits."""

from __future__ import annotations

import math
from decimal import Context, Decimal, localcontext

import numpy as np
import pytest

from compiled import cached
from evenbatch.kernels import _scalars
from evenbatch.kernels._jit import jit_enabled

log, half_turn, power = (cached(f) for f in (_scalars.log, _scalars.half_turn, _scalars.power))
COUNT = 5_000 if jit_enabled() else 300
UNIT = Decimal(2) ** -53
DIGITS = Context(prec=50, Emin=-10_000_000)
PI = Decimal("3.14159265358979323846264338327950288419716939937510582")


def numbers() -> list[float]:
    """Over all exponents, close to 1 from both sides, and around the root of two."""
    rng = np.random.default_rng(0)
    wide = np.exp(rng.uniform(-700, 700, COUNT))
    near = 1 + rng.uniform(-1, 1, COUNT) * 10.0 ** rng.uniform(-15, 0, COUNT)
    turning = math.sqrt(2) * (1 + rng.uniform(-1, 1, COUNT) * 1e-14)
    edges = [1.0, 2.0, 0.5, np.nextafter(1, 0), np.nextafter(1, 2), 2.0**-1022, 5e-324, 1.7e308]
    return [float(x) for x in (*wide, *near, *turning, *edges) if x > 0]


def test_log_is_within_one_unit_in_the_last_place() -> None:
    for x in numbers():
        exact = Decimal(x).ln(DIGITS)
        assert abs(Decimal(log(x)) - exact) <= Decimal(math.ulp(float(exact))), x


@pytest.mark.parametrize(
    ("x", "wanted"),
    [(1, 0), (0, -math.inf), (math.inf, math.inf), (-1, math.nan), (math.nan, math.nan)],
)
def test_log_at_the_ends(x: float, wanted: float) -> None:
    np.testing.assert_equal(log(float(x)), float(wanted))


def cosine(x: float) -> Decimal:
    """cos(π x) by its series."""
    with localcontext(DIGITS):
        square = -((PI * Decimal(x)) ** 2)
        total = term = Decimal(1)
        for k in range(2, 60, 2):
            term *= square / (k * (k - 1))
            total += term
        return total


def test_half_turn() -> None:
    """The argument of the series is rounded twice and it is summed from numbers below 1.6."""
    for x in (float(x) for x in np.linspace(0, 1, COUNT // 5 + 1)):
        assert abs(Decimal(half_turn(x)) - cosine(x)) <= 4 * UNIT, x
    assert half_turn(0.5) == 0


@pytest.mark.parametrize("base", [0.9, 0.999])
def test_power(base: float) -> None:
    """Squaring doubles the relative error, so `exponent` roundings are the most there are."""
    for exponent in (0, 1, 2, 3, 10, 255, 256, 3000, 100_000):
        exact = DIGITS.power(Decimal(base), exponent)
        error = abs(Decimal(power(base, exponent)) - exact)
        assert error <= max(exponent * UNIT * exact, Decimal("5e-324")), exponent
