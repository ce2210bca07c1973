"""Exponential and error function of a lanes value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir

from evenbatch.kernels._lanes import call, suffix, unary

# exp(r) on |r| <= ln(2)/2, a least-maximum-error polynomial; with the exact scaling by 2^n the
# float32 result is within 2 units in the last place (tests/kernels/test_lanes.py measures it).
_EXP = (
    1.0,
    1.0,
    0.5,
    0.166666657,
    0.0416665554,
    0.00833345205,
    0.00139377732,
    0.000195780723,
)
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_EXP_MAX, _EXP_MIN = 88.0, -87.0


def exp(x: Any) -> Any:
    """e to the power of every lane; in float32 0 below -87 and constant above 88."""
    if x.dtype == np.float32:
        return np.where(x < _EXP_MIN, np.float32(0), np.exp(np.minimum(x, np.float32(_EXP_MAX))))
    return np.exp(x)


def _emit_exp(builder: Any, x: Any) -> Any:
    vector = x.type
    if suffix(vector).endswith("f64"):
        return call(builder, f"llvm.exp.{suffix(vector)}", vector, x)

    def number(value: float) -> Any:
        return ir.Constant(vector, [value] * vector.count)

    def fma(a: Any, b: Any, c: Any) -> Any:
        return call(builder, f"llvm.fma.{suffix(vector)}", vector, a, b, c)

    integer = ir.VectorType(ir.IntType(32), vector.count)
    # Compare-and-select keeps NaN (both comparisons are false), which min/max would not.
    x = builder.select(builder.fcmp_ordered(">", x, number(_EXP_MAX)), number(_EXP_MAX), x)
    vanishes = builder.fcmp_ordered("<", x, number(_EXP_MIN))
    x = builder.select(vanishes, number(_EXP_MIN), x)
    n = call(
        builder, f"llvm.rint.{suffix(vector)}", vector, builder.fmul(x, number(1 / math.log(2)))
    )
    # llvm.fma is never reordered by fast-math, so the two-part reduction stays exact.
    r = fma(n, number(-_LN2_HIGH), x)
    r = fma(n, number(-_LN2_LOW), r)
    value = number(_EXP[-1])
    for coefficient in reversed(_EXP[:-1]):
        value = fma(value, r, number(coefficient))
    safe = builder.select(builder.fcmp_ordered("ord", n, n), n, number(0.0))
    power = builder.add(builder.fptosi(safe, integer), ir.Constant(integer, [127] * vector.count))
    power = builder.shl(power, ir.Constant(integer, [23] * vector.count))
    value = builder.fmul(value, builder.bitcast(power, vector))
    return builder.select(vanishes, number(0.0), value)


unary(exp, _emit_exp)


# Abramowitz & Stegun 7.1.26: |error| <= 1.5e-7; rounded to float32 at each step, 3.9e-7 was
# measured.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_T = 0.3275911


def erf(x: Any) -> Any:
    """Error function of every lane; float32 to within 5e-7, float64 exact to rounding."""
    return np.array([math.erf(v) for v in x], x.dtype)


def _emit_erf(builder: Any, x: Any) -> Any:
    vector = x.type
    if suffix(vector).endswith("f64"):
        result = ir.Constant(vector, ir.Undefined)
        for i in range(vector.count):
            lane = ir.IntType(32)(i)
            value = call(builder, "erf", vector.element, builder.extract_element(x, lane))
            result = builder.insert_element(result, value, lane)
        return result

    def number(value: float) -> Any:
        return ir.Constant(vector, [value] * vector.count)

    size = call(builder, f"llvm.fabs.{suffix(vector)}", vector, x)
    t = builder.fdiv(number(1.0), builder.fadd(number(1.0), builder.fmul(number(_ERF_T), size)))
    value = number(_ERF[-1])
    for coefficient in reversed(_ERF[:-1]):
        value = builder.fadd(builder.fmul(value, t), number(coefficient))
    decay = _emit_exp(builder, builder.fsub(number(0.0), builder.fmul(size, size)))
    value = builder.fsub(number(1.0), builder.fmul(builder.fmul(value, t), decay))
    return call(builder, f"llvm.copysign.{suffix(vector)}", vector, value, x)


unary(erf, _emit_erf)
