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


def call(builder: Any, name: str, result: Any, *args: Any) -> Any:
    """Call an LLVM or C function by name."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def suffix(vector: Any) -> str:
    """How the names of LLVM's functions of such a vector end."""
    return f"v{vector.count}f{32 if isinstance(vector.element, ir.FloatType) else 64}"


def root(x: Any) -> Any:
    """Square root of every lane."""
    return np.sqrt(x)


@intrinsic
def _root(typingctx, x):
    def codegen(context, builder, sig, args):
        return call(builder, f"llvm.sqrt.{suffix(args[0].type)}", args[0].type, args[0])

    return x(x), codegen


@overload(root)
def _ov_root(x):
    return lambda x: _root(x)


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


def _halves(builder: Any, value: Any, join: Any) -> Any:
    """One lane, from halves joined with each other again and again: an order of our own, where
    LLVM's reductions have one for each target."""
    count = width = value.type.count
    undefined = ir.Constant(value.type, ir.Undefined)
    mask = ir.VectorType(ir.IntType(32), count)
    while width > 1:
        width //= 2
        places = mask([(lane + width) % count for lane in range(count)])
        value = join(value, builder.shuffle_vector(value, undefined, places))
    return builder.extract_element(value, ir.IntType(32)(0))


@intrinsic
def _total(typingctx, x):
    def codegen(context, builder, sig, args):
        return _halves(builder, args[0], builder.fadd)

    return x.dtype(x), codegen


@intrinsic
def _highest(typingctx, x):
    def codegen(context, builder, sig, args):
        def larger(one: Any, other: Any) -> Any:
            # One instruction, where LLVM's reduction spends three more on NaN at each level.
            return builder.select(builder.fcmp_ordered(">", one, other), one, other)

        return _halves(builder, args[0], larger)

    return x.dtype(x), codegen


@overload(total)
def _ov_total(x):
    return lambda x: _total(x)


@overload(highest)
def _ov_highest(x):
    return lambda x: _highest(x)
