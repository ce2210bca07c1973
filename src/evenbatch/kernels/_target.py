"""The vector registers of the machine that kernels are compiled for, which shape some of them.

That is this machine, unless ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` ask Numba for another.
"""

from __future__ import annotations

import platform

from numba.core import config
from numba.core.codegen import get_host_cpu_features


def _registers() -> tuple[int, int]:
    """(bytes of a vector register, how many there are)."""
    asked = config.CPU_FEATURES
    features = (get_host_cpu_features() if asked is None else asked).split(",")
    if "+avx512f" in features:
        return 64, 32
    if platform.machine().lower() in ("arm64", "aarch64"):
        return 16, 32
    return (32 if "+avx2" in features else 16), 16


REGISTER_BYTES, REGISTERS = _registers()
