"""Matrix products of small networks, held in registers.

`product` computes ``out = a @ b`` and `product_transposed` ``out = a.T @ b``: the forward product
and the weight gradient of a linear layer. The input gradient ``dz @ w.T`` is `product` with a
transposed copy of the weights (`transpose`). All matrices lie row-major in flat arrays, rows padded
to a multiple of 16 columns (`evenbatch.kernels._lanes`).

Why not BLAS: the products of a small network are around 32×32×32, and OpenBLAS has no good small
kernel for the transposed operand of ``x @ W.T``. Timed in turns on one core of a Sapphire Rapids
Xeon (``bench/matmul.py``), the tile below took 0.4 of its time there, and between 0.8 and 1.3 of it
for the other two products, from 32×16×32 to 128×128×128; on a quiet core it reached 130 GFLOP/s at
32×32×32 and 160, near all the core can do, at 64×64×64. It keeps 8 rows × 32 columns of ``out`` in
registers (4 × 16 without AVX-512) and reads both operands where they lie: no packing, no call into
a library, no thread pool to keep still. From `PACK_FROM` on, panels of the operands are copied to
where they lie close (`_packed`), which reached 0.65 to 0.9 of OpenBLAS's rate from 128×784×256 to
256×1024×1024, where the tile alone reached 0.25 to 0.6.

Every element is one sum over k, in order, so a result depends on its operands and the machine
alone: not on threads, neighbours, alignment or the tile's shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lanes import BYTES, PAD, lanes
from evenbatch.kernels._target import REGISTER_BYTES, REGISTERS
from evenbatch.kernels.engine._tile import make_tile

PACK_FROM = 4_000_000
"""Multiply-adds (rows × columns × depth) from which copying the operands pays."""
PANEL = 32
"""Columns of ``b`` that are copied together: a multiple of the tile's."""

# Rows of a tile that is two registers wide; half the registers hold its sums. On AVX2 (a Zen 3)
# 4 × 2 and 6 × 2 reached 60 to 90 GFLOP/s, 5 × 2, 4 × 3 and 3 × 4 less, and 3 rows of two lanes
# values, which are four registers each, 45.
ROWS = REGISTERS // 4


def reference_product(a: Any, b: Any) -> Any:
    """The float64 product the kernels are held against."""
    return np.asarray(a, np.float64) @ np.asarray(b, np.float64)


def _make_panel(rows: int, registers: int) -> Any:
    """A kernel that fills all `count` rows of a panel `registers` wide, `rows` at a time."""
    full, half, one = (make_tile(n, registers) for n in (rows, rows // 2, 1))

    @kernel
    def panel(a, b, out, a0, a_row, a_step, b0, b_step, o0, o_row, count, depth):
        r = 0
        while r + rows <= count:
            full(a, b, out, a0 + r * a_row, a_row, a_step, b0, b_step, o0 + r * o_row, o_row, depth)
            r += rows
        while r + rows // 2 <= count:
            half(a, b, out, a0 + r * a_row, a_row, a_step, b0, b_step, o0 + r * o_row, o_row, depth)
            r += rows // 2
        while r < count:
            one(a, b, out, a0 + r * a_row, a_row, a_step, b0, b_step, o0 + r * o_row, o_row, depth)
            r += 1

    return panel


# A last panel of one register has tiles of twice as many rows, so that as many sums run together.
_wide_panel, _slim_panel = _make_panel(ROWS, 2), _make_panel(2 * ROWS, 1)


@kernel
def _tiled(a, b, out, a0, a_row, a_step, b0, b_row, o0, o_row, rows, cols, depth):
    """``out[r, c] = sum_k a[r, k] b[k, c]``; `cols` counts padded columns."""
    width = REGISTER_BYTES // out.itemsize
    c = 0
    while c + 2 * width <= cols:
        _wide_panel(a, b, out, a0, a_row, a_step, b0 + c, b_row, o0 + c, o_row, rows, depth)
        c += 2 * width
    if c < cols:
        _slim_panel(a, b, out, a0, a_row, a_step, b0 + c, b_row, o0 + c, o_row, rows, depth)


# ---- transpose -----------------------------------------------------------------------


def _block_in_numpy(a: Any, a0: int, a_row: int, live: int, out: Any, o0: int, o_row: int) -> None:
    count = lanes(out)
    for i in range(count):
        for j in range(count):
            out[o0 + j * o_row + i] = a[a0 + i * a_row + j] if i < live else 0


@intrinsic
def _block_compiled(typingctx, a, a0, a_row, live, out, o0, o_row):
    """Transposes one square of lanes: log2(n) rounds of interleaving vector i with vector i + n/2.

    Seen as one run of n·n elements each round rotates the index bits by one, so after log2(n)
    rounds row and column bits have changed places.
    """

    def codegen(context, builder, sig, args):
        bits = sig.args[0].dtype.bitwidth
        count = BYTES * 8 // bits
        vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), count)
        source = context.make_array(sig.args[0])(context, builder, args[0]).data
        target = context.make_array(sig.args[4])(context, builder, args[4]).data
        _, a0, a_row, live, _, o0, o_row = args
        integer = a0.type
        rows = []
        last = builder.sub(live, integer(1))
        last = builder.select(builder.icmp_signed("<", last, integer(0)), integer(0), last)
        for i in range(count):
            inside = builder.icmp_signed("<", integer(i), live)
            row = builder.select(inside, integer(i), last)
            start = builder.gep(source, [builder.add(a0, builder.mul(row, a_row))])
            value = builder.load(builder.bitcast(start, vector.as_pointer()))
            value.align = bits // 8
            rows.append(builder.select(inside, value, ir.Constant(vector, None)))
        half = count // 2
        mask = ir.VectorType(ir.IntType(32), count)
        low = mask([i // 2 + (i % 2) * count for i in range(count)])
        high = mask([half + i // 2 + (i % 2) * count for i in range(count)])
        for _ in range(count.bit_length() - 1):
            pairs = [(rows[i], rows[i + half]) for i in range(half)]
            rows = [builder.shuffle_vector(x, y, m) for x, y in pairs for m in (low, high)]
        for j, row in enumerate(rows):
            start = builder.gep(target, [builder.add(o0, builder.mul(o_row, integer(j)))])
            builder.store(row, builder.bitcast(start, vector.as_pointer())).align = bits // 8
        return context.get_dummy_value()

    kinds = [types.intp] * 3
    return types.void(a, *kinds, out, types.intp, types.intp), codegen


@overload(_block_in_numpy)
def _(a, a0, a_row, live, out, o0, o_row):
    return lambda a, a0, a_row, live, out, o0, o_row: _block_compiled(
        a, a0, a_row, live, out, o0, o_row
    )


@kernel
def transpose(a, a0, a_row, out, o0, o_row, rows, cols):
    """``out = a.T`` for a (rows × cols); `o_row` and `a_row` are multiples of 16.

    Columns of ``out`` from `rows` to `o_row` become zero, so that a product with ``out`` leaves
    zeros in its padding. Rows of ``out`` are written up to the next multiple of 16 after `cols`.
    """
    width = lanes(out)
    for r in range(0, o_row, width):
        start = a0 + min(r, rows - 1) * a_row  # in float64 a block may lie in the padding alone
        for c in range(0, cols, width):
            _block_in_numpy(a, start + c, a_row, rows - r, out, o0 + c * o_row + r, o_row)


# ---- products ------------------------------------------------------------------------


@kernel(allocates=True)
def _packed(a, a0, a_row, b, b0, out, o0, rows, cols, depth, transposed):
    """Either product with its operands copied to where they lie close; `a` is (depth × rows) if
    `transposed`.

    Each panel of b becomes contiguous and stays in the second cache while every row of ``a`` goes
    past it. The order of each sum is that of the tile.
    """
    left, l0, l_row = a, a0, a_row
    if transposed:
        l_row = (depth + PAD - 1) // PAD * PAD
        left, l0 = np.empty((rows + PAD - 1) // PAD * PAD * l_row, a.dtype), 0
        transpose(a, a0, a_row, left, 0, l_row, depth, rows)
    panel = np.empty(depth * PANEL, a.dtype)
    for c in range(0, cols, PANEL):
        wide = min(PANEL, cols - c)
        for k in range(depth):
            for j in range(wide):
                panel[k * wide + j] = b[b0 + k * cols + c + j]
        _tiled(left, panel, out, l0, l_row, np.int64(1), 0, wide, o0 + c, cols, rows, wide, depth)


@kernel
def product(a, a0, a_row, b, b0, out, o0, rows, cols, depth):
    """``out = a @ b``.

    Args:
        a: flat array with the left matrix from element `a0` on, its rows `a_row` elements apart.
        b: flat array with the right matrix (depth × cols) from `b0` on.
        out: flat array that receives (rows × cols) from `o0` on.
        rows, cols, depth: sizes; `cols` is a multiple of 16 and is the row distance of b and out.
    """
    if rows * cols * depth < PACK_FROM:
        _tiled(a, b, out, a0, a_row, np.int64(1), b0, cols, o0, cols, rows, cols, depth)
    else:
        _packed(a, a0, a_row, b, b0, out, o0, rows, cols, depth, False)


@kernel
def product_transposed(a, a0, a_row, b, b0, out, o0, rows, cols, depth):
    """``out = a.T @ b`` with a (depth × rows, its rows `a_row` apart), b (depth × cols)."""
    if rows * cols * depth < PACK_FROM:
        _tiled(a, b, out, a0, np.int64(1), a_row, b0, cols, o0, cols, rows, cols, depth)
    else:
        _packed(a, a0, a_row, b, b0, out, o0, rows, cols, depth, True)
