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
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch

from evenbatch.kernels.parallel import on_openmp


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
def gomp_parallel() -> int | None:
    """The address of the function that enters a parallel region, None where there is none."""
    path = loaded_openmp()
    if path is None:
        return None
    try:
        library = ctypes.CDLL(path, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
        return ctypes.cast(library.GOMP_parallel, ctypes.c_void_p).value
    except (OSError, AttributeError):
        return None


def pytorchs_threads() -> AbstractContextManager[None]:
    """Kernels divide their work as PyTorch does, among as many threads, and the same ones."""
    return on_openmp(torch.get_num_threads(), gomp_parallel())
