"""The kernels on PyTorch's own threads.

PyTorch divides its operations among the threads of an OpenMP library, and between two of them those
threads spin, waiting, for milliseconds. Threads of our own would share the cores with them in just
that time: in a network, always. So the kernels' shares are handed to the same library, as one more
parallel region. This reaches GNU's library, which the wheels for Linux carry; elsewhere the
kernels' own pool works.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from evenbatch.kernels.parallel import Team, on_team


def loaded_openmp() -> str | None:
    """The file of the GNU OpenMP library that PyTorch brought and that is in this process."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    home = str(Path(torch.__file__).resolve().parent)
    files = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines() if "/" in line}
    found = [f for f in files if f.startswith(home) and Path(f).name.startswith("libgomp")]
    return found[0] if len(found) == 1 else None


@cache
def openmp_team() -> Team | None:
    """PyTorch's OpenMP threads, or None where they cannot be reached."""
    path = loaded_openmp()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        run, number, size = (
            library.GOMP_parallel,
            # Called with the GIL held: they only read a number.
            ctypes.PyDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW).omp_get_thread_num,
            ctypes.PyDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW).omp_get_num_threads,
        )
    except (OSError, AttributeError):
        return None
    body_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    run.argtypes = [body_type, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    run.restype = None

    def team(work: Callable[[int], None], shares: int) -> None:
        def body(_: Any) -> None:
            # The region may get fewer threads than asked for, within another one for instance.
            for k in range(number(), shares, size()):
                work(k)

        run(body_type(body), None, shares, 0)

    return team


def pytorchs_threads() -> AbstractContextManager[None]:
    """Kernels divide their work as PyTorch does, among as many threads, and the same ones."""
    return on_team(torch.get_num_threads(), openmp_team())
