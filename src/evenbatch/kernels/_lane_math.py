"""Exponential and error function of a lanes value, or of one number.

Written out, so that they are the same function wherever a kernel runs: a C library has its own, and
some targets have none. Products and sums are fused where that is fast and rounded apart where not;
both keep the accuracies stated here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from evenbatch.kernels._lanes import Lanes, call, suffix
from evenbatch.kernels._scalars import LN2_HIGH, LN2_LOW


def _elementwise(function: Any, emit: Any) -> None:
    """Give a function of lanes, or of a number, its compiled form; `emit(builder, value)`."""

    @intrinsic
    def compiled(typingctx, x):
        if isinstance(x, Lanes):
            return x(x), lambda context, builder, sig, args: emit(builder, args[0])
        if not isinstance(x, types.Float):
            return None

        def one(context, builder, sig, args):
            place = ir.IntType(32)(0)
            undefined = ir.Constant(ir.VectorType(args[0].type, 1), ir.Undefined)
            wide = builder.insert_element(undefined, args[0], place)
            return builder.extract_element(emit(builder, wide), place)

        return x(x), one

    overload(function)(lambda x: lambda x: compiled(x))


def _number(vector: Any, value: float) -> Any:
    return ir.Constant(vector, [value] * vector.count)


def _polynomial(builder: Any, coefficients: tuple[float, ...], x: Any) -> Any:
    """The value at x, by Horner's rule; coefficients in rising order."""
    value = _number(x.type, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = _multiply_add(builder, value, x, _number(x.type, coefficient))
    return value


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return call(builder, f"llvm.fmuladd.{suffix(a.type)}", a.type, a, b, c)


# ---- exponential ---------------------------------------------------------------------

# exp(r) on |r| <= ln(2)/2: in float32 a least-maximum-error polynomial, in float64 Taylor's, whose
# first term left out is below 5e-18. With the exact scaling by 2^n a result is within 2 units in
# the last place (tests/kernels/test_lanes.py measures it).
_EXP32 = (
    1.0,
    1.0,
    0.5,
    0.166666657,
    0.0416665554,
    0.00833345205,
    0.00139377732,
    0.000195780723,
)
_EXP64 = tuple(1 / math.factorial(k) for k in range(14))
# ln 2 in two parts, the first short enough that n times it is exact; then least and largest x.
_RANGE32 = (0.693359375, -2.12194440e-4, -87.0, 88.0)
_RANGE64 = (LN2_HIGH, LN2_LOW, -708.0, 709.0)


def exp(x: Any) -> Any:
    """e to the power of every lane; 0 below -87 and constant above 88 (float64: -708 and 709)."""
    _, _, least, most = _RANGE32 if x.dtype == np.float32 else _RANGE64
    return np.where(x < least, x.dtype.type(0), np.exp(np.minimum(x, x.dtype.type(most))))


def _emit_exp(builder: Any, x: Any) -> Any:
    vector = x.type
    single = isinstance(vector.element, ir.FloatType)
    high, low, least, most = _RANGE32 if single else _RANGE64
    bits, bias, shift = (32, 127, 23) if single else (64, 1023, 52)
    integer = ir.VectorType(ir.IntType(bits), vector.count)

    def number(value: float) -> Any:
        return _number(vector, value)

    # Compare-and-select keeps NaN (both comparisons are false), which min/max would not.
    x = builder.select(builder.fcmp_ordered(">", x, number(most)), number(most), x)
    vanishes = builder.fcmp_ordered("<", x, number(least))
    x = builder.select(vanishes, number(least), x)
    n = builder.fmul(x, number(1 / math.log(2)))
    n = call(builder, f"llvm.rint.{suffix(vector)}", vector, n)
    r = _multiply_add(builder, n, number(-high), x)
    r = _multiply_add(builder, n, number(-low), r)
    value = _polynomial(builder, _EXP32 if single else _EXP64, r)
    safe = builder.select(builder.fcmp_ordered("ord", n, n), n, number(0.0))
    power = builder.add(builder.fptosi(safe, integer), _number(integer, bias))
    power = builder.shl(power, _number(integer, shift))
    value = builder.fmul(value, builder.bitcast(power, vector))
    return builder.select(vanishes, number(0.0), value)


_elementwise(exp, _emit_exp)


# ---- error function ------------------------------------------------------------------

# erf(x) = 1 − t P(t) exp(−x²), t = 1/(1 + _ERF_T x), for x >= 0. float32: Abramowitz & Stegun
# 7.1.26, |error| <= 1.5e-7; rounded at each step, 3.9e-7 was measured. float64: P interpolated at
# 64 Chebyshev points in t with 60 digits and cut after 22 terms, |error| <= 2e-16.
_ERF_T = 0.3275911
_ERF32 = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF64 = (
    0.18482348628295123,
    0.1848234862831205,
    0.17490623420781562,
    0.15507173197911855,
    0.1269163286000845,
    0.09363442885912157,
    0.0595631063849247,
    0.02963565818058662,
    0.0055866104829741985,
    0.002686230038052357,
    -0.04471493507188193,
    0.11434071803982111,
    -0.31849915897464215,
    0.6619419720298386,
    -1.0625786468463845,
    1.3318938848338833,
    -1.253782781836894,
    0.8547613970840926,
    -0.408116832901676,
    0.12967504277463965,
    -0.024712234242333077,
    0.002144273812786403,
)


def erf(x: Any) -> Any:
    """Error function of every lane, within 5.1e-7 in float32 and 7e-16 in float64."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)[()]


def _emit_erf(builder: Any, x: Any) -> Any:
    vector = x.type
    one = _number(vector, 1.0)
    size = call(builder, f"llvm.fabs.{suffix(vector)}", vector, x)
    t = builder.fdiv(one, builder.fadd(one, builder.fmul(_number(vector, _ERF_T), size)))
    single = isinstance(vector.element, ir.FloatType)
    value = _polynomial(builder, _ERF32 if single else _ERF64, t)
    decay = _emit_exp(builder, builder.fsub(_number(vector, 0.0), builder.fmul(size, size)))
    value = builder.fsub(one, builder.fmul(builder.fmul(value, t), decay))
    return call(builder, f"llvm.copysign.{suffix(vector)}", vector, value, x)


_elementwise(erf, _emit_erf)
