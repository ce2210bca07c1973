"""NumPy's draws as a kernel, so that a network in a page starts from the weights it has in Python.

`numpy.random.Generator(Philox(key=[seed, layer]))`, its ``uniform`` and ``normal``: Philox 4×64
with 10 rounds (Salmon et al. 2011) and the ziggurat with 256 layers (Marsaglia & Tsang 2000;
Doornik 2005), whose tables are those that Numba has for it.
"""

from __future__ import annotations

import numpy as np
from numba.np.random import _constants

from evenbatch.kernels._jit import kernel
from evenbatch.kernels._lane_math import exp
from evenbatch.kernels._scalars import log

U = np.uint64
BELOW, WIDTH, HEIGHT = (
    getattr(_constants, f"{name}_double").copy() for name in ("ki", "wi", "fi")
)  # fmt: skip
TAIL, TAIL_INVERSE = float(_constants.ziggurat_nor_r), float(_constants.ziggurat_nor_inv_r)
M0, M1 = U(0xD2E7470EE14C6C93), U(0xCA5A826395121157)
W0, W1 = U(0x9E3779B97F4A7C15), U(0xBB67AE8584CAA73B)
LOW, HALF = U(0xFFFFFFFF), U(32)
# Places in `state`: two of the key, four of the counter, four of the block, one of the place in it.
KEY, COUNTER, BLOCK, PLACE, STATE = 0, 2, 6, 10, 11


@kernel
def _high(a, b):
    """The upper 64 bits of a product, by 16 bits of b at a time: LLVM, if it recognized what this
    is, would call a C library."""
    a0, a1 = a & LOW, a >> HALF
    so_far = U(0)
    for k in range(0, 64, 16):
        digit = (b >> U(k)) & U(0xFFFF)
        low = a0 * digit + (so_far & LOW)
        high = a1 * digit + (so_far >> HALF) + (low >> HALF)
        so_far = (high << U(16)) | ((low & LOW) >> U(16))
    return so_far


@kernel
def _bits(state):
    place = np.int64(state[PLACE])
    if place < 4:
        state[PLACE] = U(place + 1)
        return state[BLOCK + place]
    for i in range(COUNTER, BLOCK):
        state[i] += U(1)
        if state[i] != U(0):
            break
    a, b, c, d = state[COUNTER], state[COUNTER + 1], state[COUNTER + 2], state[COUNTER + 3]
    k0, k1 = state[KEY], state[KEY + 1]
    for _ in range(10):
        a, b, c, d = _high(M1, c) ^ b ^ k0, M1 * c, _high(M0, a) ^ d ^ k1, M0 * a
        k0, k1 = k0 + W0, k1 + W1
    state[BLOCK], state[BLOCK + 1], state[BLOCK + 2], state[BLOCK + 3] = a, b, c, d
    state[PLACE] = U(1)
    return a


@kernel
def _uniform(state):
    return np.float64(_bits(state) >> U(11)) * (1.0 / 9007199254740992.0)


@kernel
def _log1p(x):
    """log(1 + x) with Kahan's correction; one normal draw in 3,000 asks for it."""
    u = 1.0 + x
    return x if u == 1.0 else log(u) * x / (u - 1.0)


@kernel
def _normal(state):
    while True:
        r = _bits(state)
        i = np.int64(r & U(0xFF))
        r >>= U(8)
        size = (r >> U(1)) & U(0x000FFFFFFFFFFFFF)
        x = np.float64(size) * WIDTH[i]
        if r & U(1):
            x = -x
        if size < BELOW[i]:
            return x
        if i == 0:
            while True:
                a = -TAIL_INVERSE * _log1p(-_uniform(state))
                b = -_log1p(-_uniform(state))
                if b + b > a * a:
                    return -(TAIL + a) if (size >> U(8)) & U(1) else TAIL + a
        elif (HEIGHT[i - 1] - HEIGHT[i]) * _uniform(state) + HEIGHT[i] < exp(-0.5 * x * x):
            return x


@kernel(entry=True)
def draw(state, normal, scale, out):
    """Fill `out` with draws, uniform or `normal`: scale[0] + scale[1] · a draw from 0 to 1, or of
    mean 0 and variance 1.

    `state` holds `STATE` numbers: seed and layer first, and 4 at `PLACE`, before the first call.
    """
    for i in range(out.size):
        value = _normal(state) if normal else _uniform(state)
        out[i] = scale[0] + scale[1] * value
