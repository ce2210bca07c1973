"""Noise that makes what a layer hands on drift: another distribution for each unit at each step.

    y_nj = s_nj z_nj + m_nj        s_nj = 1 + strength (σ_j − 1 + 0.1 g_nj)
                                   m_nj = strength (μ_j + 0.1 u_nj)

with σ_j uniform in 1 … 1.25 and μ_j uniform in −0.5 … 0.5, drawn for unit j once a step; g_nj of
mean 0 and standard deviation 1 and u_nj uniform in −1 … 1, drawn for each example n. With strength
1 these are the numbers of Santurkar et al. 2018 (arXiv:1805.11604, section 2.1 and its appendix),
whose g is normal. Here it is the sum of a hash's four bytes, which is a bell within ±3.45 and needs
no logarithm.

All are hashes of a key, of j and of n: the same for any thread and any chunking, and paired between
networks of the same widths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.engine.dense import mix

SHIFT, SPREAD, JITTER = 0.5, 0.25, 0.1
BYTES_MEAN = 510  # of the sum of four bytes
BYTES_SPREAD = (4 * (256**2 - 1) / 12) ** 0.5
# One stream of hashes each: multiples of 2³²/golden ratio, far apart in every bit.
UNIT_SHIFT, UNIT_SPREAD = 0x9E3779B9, 0x3C6EF372
SHIFT_JITTER, SPREAD_JITTER = 0xDAA66D2B, 0x78DDE6E4


def reference_noise(key: int, rows: int, columns: int, strength: float) -> tuple[Any, Any]:
    """float64: (s, m), each (rows, columns)."""

    def hashed(values: Any) -> Any:
        x = values ^ (values >> np.uint32(16))
        x = x * np.uint32(0x7FEB352D)
        x = x ^ (x >> np.uint32(15))
        x = x * np.uint32(0x846CA68B)
        return x ^ (x >> np.uint32(16))

    def stream(number: int, shape: tuple[int, ...]) -> Any:
        start = hashed(np.array([key ^ number], np.uint32))
        return hashed(np.arange(np.prod(shape), dtype=np.uint32) ^ start).reshape(shape)

    def share(number: int, shape: tuple[int, ...]) -> Any:
        return (stream(number, shape) >> np.uint32(8)) / 2.0**24

    every = (rows, columns)
    raw = stream(SPREAD_JITTER, every)
    total = sum((raw >> np.uint32(k) & np.uint32(255)).astype(np.int64) for k in (0, 8, 16, 24))
    bell = (total - BYTES_MEAN) / BYTES_SPREAD
    scale = 1 + strength * (SPREAD * share(UNIT_SPREAD, (columns,)) + JITTER * bell)
    shift = SHIFT * (2 * share(UNIT_SHIFT, (columns,)) - 1)
    return scale, strength * (shift + JITTER * (2 * share(SHIFT_JITTER, every) - 1))


@kernel
def add_drift(ws, z, rows, stride, columns, scale_at, unit_at, key, strength):
    """``z ← s z + m`` in place; s at `scale_at` (rows × stride, padding 0), for the way back.

    `unit_at` has room for 2 · stride elements.
    """
    kind = ws.dtype.type
    _draw_units(ws, unit_at, stride, columns, key, strength)
    unit_scale = ws[unit_at : unit_at + columns]
    unit_shift = ws[unit_at + stride : unit_at + stride + columns]
    by_scale = kind(strength * JITTER / BYTES_SPREAD)
    by_shift = kind(strength * JITTER / (1 << 23))
    scale_key = mix(np.uint32(key) ^ np.uint32(SPREAD_JITTER))
    shift_key = mix(np.uint32(key) ^ np.uint32(SHIFT_JITTER))
    for r in range(rows):
        row = ws[z + r * stride : z + r * stride + columns]
        scale = ws[scale_at + r * stride : scale_at + (r + 1) * stride]
        first = np.uint32(r * columns)
        for c in range(columns):
            place = np.uint32(first + np.uint32(c))
            raw = mix(place ^ scale_key)
            # Two bytes at a time, side by side.
            pair = (raw & np.uint32(0xFF00FF)) + ((raw >> np.uint32(8)) & np.uint32(0xFF00FF))
            bell = np.int32((pair & np.uint32(0xFFFF)) + (pair >> np.uint32(16))) - BYTES_MEAN
            away = np.int32(mix(place ^ shift_key) >> np.uint32(8)) - (1 << 23)
            s = unit_scale[c] + by_scale * kind(bell)
            scale[c] = s
            row[c] = row[c] * s + (unit_shift[c] + by_shift * kind(away))
        for c in range(columns, stride):
            scale[c] = 0


@kernel
def _draw_units(ws, unit_at, stride, columns, key, strength):
    """Each unit's part of s, and of m."""
    scale_key = mix(np.uint32(key) ^ np.uint32(UNIT_SPREAD))
    shift_key = mix(np.uint32(key) ^ np.uint32(UNIT_SHIFT))
    for c in range(columns):
        wide = (mix(np.uint32(c) ^ scale_key) >> np.uint32(8)) / 2.0**24
        away = (mix(np.uint32(c) ^ shift_key) >> np.uint32(8)) / 2.0**23 - 1
        ws[unit_at + c] = 1 + strength * SPREAD * wide
        ws[unit_at + stride + c] = strength * SHIFT * away
