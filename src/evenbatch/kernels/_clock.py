"""A monotonic clock that compiled kernels can read without the interpreter's lock."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload


def _find() -> tuple[int, int]:
    """(address of clock_gettime, its monotonic clock id); (0, 0) where there is none."""
    try:
        library = ctypes.CDLL(None)
        address = ctypes.cast(library.clock_gettime, ctypes.c_void_p).value
    except (OSError, TypeError, AttributeError):
        return 0, 0
    return address or 0, 6 if sys.platform == "darwin" else 1


CLOCK_ADDRESS, CLOCK_ID = _find()


def seconds(address: int, clock_id: int) -> float:
    """Seconds since some fixed moment; 0 where `address` is 0."""
    return time.perf_counter()


@intrinsic
def _read(typingctx, address, clock_id):
    def codegen(context, builder, sig, args):
        i32, i64 = ir.IntType(32), ir.IntType(64)
        pair = ir.ArrayType(i64, 2)
        slot = cgutils.alloca_once(builder, pair)
        kind = ir.FunctionType(i32, [i32, pair.as_pointer()])
        clock = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(clock, [builder.trunc(args[1], i32), slot])
        now = builder.load(slot)
        whole = builder.sitofp(builder.extract_value(now, 0), ir.DoubleType())
        part = builder.sitofp(builder.extract_value(now, 1), ir.DoubleType())
        return builder.fadd(whole, builder.fmul(part, ir.DoubleType()(1e-9)))

    return types.float64(types.intp, types.intp), codegen


@overload(seconds)
def _ov_seconds(address, clock_id):
    def read(address, clock_id):
        if address == 0:
            return 0.0
        return _read(address, clock_id)

    return read


def available() -> Any:
    """True where kernels can read the clock."""
    return CLOCK_ADDRESS != 0
