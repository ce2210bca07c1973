"""A vector of columns as one value, so that kernels keep sums in registers.

A lanes value holds 64 bytes: 16 float32 or 8 float64. Kernels of the engine walk a row-major matrix
whose rows are padded to a multiple of `PAD` columns, one lanes value at a time::

    for c in range(0, stride, lanes):
        total = splat(zero)
        for r in range(rows):
            total = total + load(z, at + r * stride + c)

LLVM maps a lanes value to whatever the machine has (one AVX-512 register, two AVX, four NEON), and
rows padded to 64 bytes need no masks and no leftover loops. The same loop over scalars was measured
3 to 4 times slower at 32 to 112 columns (`bench/matmul.py`): each row pays for the overlap checks
and the leftover loop again.

With the compiler off the functions below run as they stand, a lanes value being a short NumPy
array.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, overload, register_model

BYTES = 64
PAD = 16
"""Columns of a matrix in the workspace are padded to a multiple of this."""


def padded(columns: int) -> int:
    """`columns` rounded up to a multiple of `PAD`."""
    return -(-columns // PAD) * PAD


class Lanes(types.Type):
    """Numba's type of a lanes value."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


LANES32 = Lanes(types.float32)
LANES64 = Lanes(types.float64)
_OF = {types.float32: LANES32, types.float64: LANES64}


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes) -> None:
        scalar = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(scalar, BYTES * 8 // fe_type.dtype.bitwidth))


# ---- memory --------------------------------------------------------------------------


def lanes(array: Any) -> int:
    """Columns in one lanes value of this array's dtype."""
    return int(BYTES // array.itemsize)


def load(array: Any, at: int) -> Any:
    """The lanes value that starts at element `at` of a flat array."""
    return array[at : at + lanes(array)].copy()


def store(array: Any, at: int, value: Any) -> None:
    """Write a lanes value to the flat array, from element `at` on."""
    array[at : at + lanes(array)] = value


def splat(value: Any) -> Any:
    """The scalar in every lane."""
    return np.full(BYTES // value.itemsize, value)


@overload(lanes)
def _ov_lanes(array):
    count = BYTES * 8 // array.dtype.bitwidth
    return lambda array: count


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any, vector: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())


@intrinsic
def _load(typingctx, array, at):
    result = _OF[array.dtype]

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(result)
        value = builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], vector))
        value.align = result.dtype.bitwidth // 8
        return value

    return result(array, types.intp), codegen


@intrinsic
def _store(typingctx, array, at, value):
    if array.dtype != value.dtype:
        return None

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.args[2])
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], vector)
        builder.store(args[2], pointer).align = value.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


def broadcast(builder: Any, scalar: Any, vector: Any) -> Any:
    """Emit the vector that holds the scalar in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(first, undefined, zeros)


@intrinsic
def _splat(typingctx, value):
    result = _OF[value]

    def codegen(context, builder, sig, args):
        return broadcast(builder, args[0], context.get_value_type(result))

    return result(value), codegen


@overload(load)
def _ov_load(array, at):
    return lambda array, at: _load(array, at)


@overload(store)
def _ov_store(array, at, value):
    return lambda array, at, value: _store(array, at, value)


@overload(splat)
def _ov_splat(value):
    return lambda value: _splat(value)


# ---- arithmetic ----------------------------------------------------------------------


def _arithmetic(op: Any, method: str) -> None:
    cases_ = [signature(kind, kind, kind) for kind in (LANES32, LANES64)]

    class Template(ConcreteTemplate):
        cases = cases_

    infer_global(op)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*args)

    for kind in (LANES32, LANES64):
        lower_builtin(op, kind, kind)(lower)


for _op, _method in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _arithmetic(_op, _method)


def _call(builder: Any, name: str, result: Any, *args: Any) -> Any:
    """Call an LLVM or C function by name."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _suffix(vector: Any) -> str:
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def _unary(function: Any, emit: Any) -> None:
    """Give a lanes function its compiled form; `emit(builder, value) -> value`."""

    @intrinsic
    def compiled(typingctx, x):
        if not isinstance(x, Lanes):
            return None
        return x(x), lambda context, builder, sig, args: emit(builder, args[0])

    overload(function)(lambda x: lambda x: compiled(x))


def root(x: Any) -> Any:
    """Square root of every lane."""
    return np.sqrt(x)


_unary(root, lambda builder, x: _call(builder, f"llvm.sqrt.{_suffix(x.type)}", x.type, x))


def positive(x: Any, yes: Any, no: Any) -> Any:
    """`yes` in the lanes where x > 0, else `no` (so where x is NaN, `no`)."""
    return np.where(x > 0, yes, no)


@intrinsic
def _positive(typingctx, x, yes, no):
    def codegen(context, builder, sig, args):
        zero = ir.Constant(args[0].type, None)
        return builder.select(builder.fcmp_ordered(">", args[0], zero), args[1], args[2])

    return x(x, x, x), codegen


@overload(positive)
def _ov_positive(x, yes, no):
    return lambda x, yes, no: _positive(x, yes, no)


# ---- across the lanes ----------------------------------------------------------------


def total(x: Any) -> Any:
    """Sum of the lanes."""
    return x.sum()


def highest(x: Any) -> Any:
    """Largest lane, of numbers; with NaN among them, any lane."""
    return np.fmax.reduce(x)


@intrinsic
def _total(typingctx, x):
    def codegen(context, builder, sig, args):
        vector = args[0].type
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector.element, [vector.element, vector]),
            f"llvm.vector.reduce.fadd.{_suffix(vector)}",
        )
        # Without "reassoc" on the call itself the lanes are added one after the other.
        zero = ir.Constant(vector.element, -0.0)
        return builder.call(function, [zero, args[0]], fastmath=("reassoc",))

    return x.dtype(x), codegen


@intrinsic
def _highest(typingctx, x):
    def codegen(context, builder, sig, args):
        # Halves against each other; compare-and-select is one instruction, where the reduction
        # that LLVM offers spends three more on NaN at each level.
        value = args[0]
        undefined = ir.Constant(value.type, ir.Undefined)
        mask = ir.VectorType(ir.IntType(32), value.type.count)
        width = value.type.count
        while width > 1:
            width //= 2
            places = [(lane + width) % value.type.count for lane in range(value.type.count)]
            other = builder.shuffle_vector(value, undefined, mask(places))
            value = builder.select(builder.fcmp_ordered(">", value, other), value, other)
        return builder.extract_element(value, ir.IntType(32)(0))

    return x.dtype(x), codegen


@overload(total)
def _ov_total(x):
    return lambda x: _total(x)


@overload(highest)
def _ov_highest(x):
    return lambda x: _highest(x)


# ---- exponential and error function --------------------------------------------------

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
    if _suffix(vector).endswith("f64"):
        return _call(builder, f"llvm.exp.{_suffix(vector)}", vector, x)

    def number(value: float) -> Any:
        return ir.Constant(vector, [value] * vector.count)

    def fma(a: Any, b: Any, c: Any) -> Any:
        return _call(builder, f"llvm.fma.{_suffix(vector)}", vector, a, b, c)

    integer = ir.VectorType(ir.IntType(32), vector.count)
    # Compare-and-select keeps NaN (both comparisons are false), which min/max would not.
    x = builder.select(builder.fcmp_ordered(">", x, number(_EXP_MAX)), number(_EXP_MAX), x)
    vanishes = builder.fcmp_ordered("<", x, number(_EXP_MIN))
    x = builder.select(vanishes, number(_EXP_MIN), x)
    n = _call(
        builder, f"llvm.rint.{_suffix(vector)}", vector, builder.fmul(x, number(1 / math.log(2)))
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


_unary(exp, _emit_exp)


# Abramowitz & Stegun 7.1.26: |error| <= 1.5e-7; rounded to float32 at each step, 3.9e-7 was
# measured.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_T = 0.3275911


def erf(x: Any) -> Any:
    """Error function of every lane; float32 to within 4e-7, float64 exact to rounding."""
    return np.array([math.erf(v) for v in x], x.dtype)


def _emit_erf(builder: Any, x: Any) -> Any:
    vector = x.type
    if _suffix(vector).endswith("f64"):
        result = ir.Constant(vector, ir.Undefined)
        for i in range(vector.count):
            lane = ir.IntType(32)(i)
            value = _call(builder, "erf", vector.element, builder.extract_element(x, lane))
            result = builder.insert_element(result, value, lane)
        return result

    def number(value: float) -> Any:
        return ir.Constant(vector, [value] * vector.count)

    size = _call(builder, f"llvm.fabs.{_suffix(vector)}", vector, x)
    t = builder.fdiv(number(1.0), builder.fadd(number(1.0), builder.fmul(number(_ERF_T), size)))
    value = number(_ERF[-1])
    for coefficient in reversed(_ERF[:-1]):
        value = builder.fadd(builder.fmul(value, t), number(coefficient))
    decay = _emit_exp(builder, builder.fsub(number(0.0), builder.fmul(size, size)))
    value = builder.fsub(number(1.0), builder.fmul(builder.fmul(value, t), decay))
    return _call(builder, f"llvm.copysign.{_suffix(vector)}", vector, value, x)


_unary(erf, _emit_erf)
