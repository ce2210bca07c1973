"""One tile of a matrix product: some rows, some registers wide, its sums held in registers.

It is emitted as LLVM vectors because a plain loop cannot say "keep these 16 vectors in registers".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from evenbatch.kernels._lanes import broadcast, call, suffix
from evenbatch.kernels._target import REGISTER_BYTES


def make_tile(rows: int, registers: int) -> Any:
    """A function that fills `rows` × `registers` of ``out`` from all of ``depth``.

    Its arguments: the flat arrays a, b, out; then in elements the start of the tile's operands (a0,
    b0, o0), the distance from row to row (a_row, o_row) and from k to k (a_step, b_step).
    """

    def tile(a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth):
        _in_numpy(rows, registers, a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth)

    @intrinsic
    def compiled(typingctx, a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth):
        if not a.dtype == b.dtype == out.dtype:
            return None

        def codegen(context, builder, sig, args):
            arrays = [
                context.make_array(kind)(context, builder, value).data
                for kind, value in zip(sig.args[:3], args[:3], strict=True)
            ]
            _Tile(builder, rows, registers, *arrays, *args[3:]).emit()
            return context.get_dummy_value()

        return types.void(a, b, out, *([types.intp] * 8)), codegen

    @overload(tile)
    def _(a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth):
        return lambda a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth: compiled(
            a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, depth
        )

    return tile


def _in_numpy(  # the tile's meaning, and what runs with the compiler off
    rows: int, registers: int, a: Any, b: Any, out: Any, a0: int, a_row: int, a_step: int, b0: int,
    b_step: int, o0: int, o_row: int, depth: int,
) -> None:  # fmt: skip
    columns = np.arange(registers * REGISTER_BYTES // out.itemsize)
    right = b[b0 + np.arange(depth)[:, None] * b_step + columns]
    for r in range(rows):
        left = a[a0 + r * a_row + np.arange(depth) * a_step]
        out[o0 + r * o_row + columns] = left @ right


class _Tile:
    """Emits one tile; its sums and pointers are stack slots, which LLVM turns into registers."""

    def __init__(
        self, builder: Any, rows: int, registers: int, a: Any, b: Any, out: Any, a0: Any,
        a_row: Any, a_step: Any, b0: Any, b_step: Any, o0: Any, o_row: Any, depth: Any,
    ) -> None:  # fmt: skip
        self.builder, self.rows, self.registers = builder, rows, registers
        self.out, self.o0, self.o_row, self.depth = out, o0, o_row, depth
        self.steps = a_step, b_step
        self.integer = integer = depth.type
        element = out.type.pointee
        self.align = 4 if isinstance(element, ir.FloatType) else 8
        self.vector = ir.VectorType(element, REGISTER_BYTES // self.align)
        zero = ir.Constant(self.vector, None)
        self.sums = [[self._slot(zero) for _ in range(registers)] for _ in range(rows)]
        # A pointer for every fourth row; the three after it are within reach of an address mode.
        starts = [builder.add(a0, builder.mul(a_row, integer(r))) for r in range(0, rows, 4)]
        self.left = [self._slot(self._opaque(builder.gep(a, [start]))) for start in starts]
        self.right = self._slot(builder.gep(b, [b0]))
        away = [self._opaque(builder.mul(a_row, integer(r))) for r in range(1, 4)]
        self.offsets = [integer(0), *away]

    def emit(self) -> None:
        # Not unrolled: four steps a turn were measured 15 to 25 % slower at a depth of 16 and 32.
        with cgutils.for_range(self.builder, self.depth):
            self._add_one_product()
        self._write()

    def _slot(self, value: Any) -> Any:
        place = cgutils.alloca_once(self.builder, value.type)
        self.builder.store(value, place)
        return place

    def _opaque(self, value: Any) -> Any:
        # An empty instruction hides where the value came from. Without it LLVM computes each row's
        # address from the one before, a chain that takes longer than the arithmetic.
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.asm(kind, "", "=r,0", [value], side_effect=False)

    def _vector_at(self, pointer: Any, j: int) -> Any:
        place = self.builder.gep(pointer, [self.integer(j * self.vector.count)])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def _add_one_product(self) -> None:
        """To every sum, the product of its row's and its column's element of this k."""
        builder, vector = self.builder, self.vector
        left, right = [builder.load(place) for place in self.left], builder.load(self.right)
        columns = []
        for j in range(self.registers):
            value = builder.load(self._vector_at(right, j))
            value.align = self.align
            columns.append(value)
        multiply_add = f"llvm.fmuladd.{suffix(vector)}"
        for r in range(self.rows):
            scalar = builder.load(builder.gep(left[r // 4], [self.offsets[r % 4]]))
            wide = broadcast(builder, scalar, vector)
            for j in range(self.registers):
                total = builder.load(self.sums[r][j])
                total = call(builder, multiply_add, vector, wide, columns[j], total)
                builder.store(total, self.sums[r][j])
        for pointer, place in zip(left, self.left, strict=True):
            builder.store(builder.gep(pointer, [self.steps[0]]), place)
        builder.store(builder.gep(right, [self.steps[1]]), self.right)

    def _write(self) -> None:
        builder = self.builder
        for r in range(self.rows):
            start = builder.add(self.o0, builder.mul(self.o_row, self.integer(r)))
            row = builder.gep(self.out, [start])
            for j in range(self.registers):
                value = builder.load(self.sums[r][j])
                builder.store(value, self._vector_at(row, j)).align = self.align
