"""A kernel's shares on the threads of an OpenMP library, without Python in between.

A region is entered as compiled C code enters one: by a call of the library's ``GOMP_parallel``,
with a function that every thread runs. Here that function is compiled with the kernel; it takes the
shares nobody has taken yet, one after the other, and never needs the interpreter. Through a Python
function, each thread would wait for the interpreter's lock first, and make itself known to it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from evenbatch.kernels._jit import kernel

_WORD = ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()
_BODY = ir.FunctionType(ir.VoidType(), [_POINTER])
_NEXT, _FAILED, _SHARES, _ITEMS, _GIVEN = range(5)  # what lies where in the threads' common record


@intrinsic
def _in_parallel(typingctx, share, gomp_parallel, shares, items, given):
    called = share.get_call_type(typingctx, (types.int64, types.int64, *given.types), {})

    def codegen(context, builder, signature, values):
        record = ir.LiteralStructType([_WORD] * 4 + [values[4].type])
        common = cgutils.alloca_once(builder, record)
        zero = ir.Constant(_WORD, 0)
        for place, value in enumerate((zero, zero, *values[2:])):
            builder.store(value, cgutils.gep_inbounds(builder, common, 0, place))
        body = _body(context, builder.module, share, called, record)
        enter = ir.FunctionType(ir.VoidType(), [body.type, _POINTER, *[ir.IntType(32)] * 2])
        count = builder.trunc(values[2], ir.IntType(32))
        builder.call(
            builder.inttoptr(values[1], enter.as_pointer()),
            [body, builder.bitcast(common, _POINTER), count, ir.Constant(ir.IntType(32), 0)],
        )
        return builder.load(cgutils.gep_inbounds(builder, common, 0, _FAILED))

    return types.int64(share, gomp_parallel, shares, items, given), codegen


def _body(context: Any, module: Any, share: Any, called: Any, record: Any) -> Any:
    """The function each thread runs: shares are taken by counting up, until none is left."""
    compiled = share.dispatcher.overloads[called.args]
    context.active_code_library.add_linking_library(compiled.library)
    body = ir.Function(module, _BODY, f"{compiled.fndesc.llvm_func_name}.body")
    body.linkage = "internal"
    start, test, work, fail, stop = (
        body.append_basic_block(name) for name in ("start", "test", "work", "fail", "stop")
    )
    builder = ir.IRBuilder(start)
    common = builder.bitcast(body.args[0], record.as_pointer())
    at = [cgutils.gep_inbounds(builder, common, 0, place) for place in range(5)]
    shares, items, given = (builder.load(at[place]) for place in (_SHARES, _ITEMS, _GIVEN))
    one = ir.Constant(_WORD, 1)
    builder.branch(test)

    builder.position_at_end(test)
    k = builder.atomic_rmw("add", at[_NEXT], one, "monotonic")
    builder.cbranch(builder.icmp_signed("<", k, shares), work, stop)

    builder.position_at_end(work)
    ends = k, builder.add(k, one)
    first, last = (builder.sdiv(builder.mul(items, end), shares) for end in ends)
    arguments = [first, last, *cgutils.unpack_tuple(builder, given)]
    status, _ = context.call_internal_no_propagate(builder, compiled.fndesc, called, arguments)
    builder.cbranch(status.is_error, fail, test)

    builder.position_at_end(fail)
    builder.store(one, at[_FAILED])
    builder.branch(test)

    builder.position_at_end(stop)
    builder.ret_void()
    return body


@cache
def region_of(entry: Any) -> Any:
    """The kernel `entry` of ``(first, last, *args)``, its shares done by an OpenMP library.

    Returns: a kernel of ``(gomp_parallel, shares, items, *args)``, the first being the address of
    that function. It gives 0, or 1 when a share has raised.
    """
    share = kernel(**entry.asked)(entry.py_func)

    def region(gomp_parallel: int, shares: int, items: int, *given: Any) -> int:
        return int(_in_parallel(share, gomp_parallel, shares, items, given))

    # Beside the kernel's own code, where nothing else is called with these arguments.
    return kernel(entry=True, beside=entry.py_func, **entry.asked)(region)
