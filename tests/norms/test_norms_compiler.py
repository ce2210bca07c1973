"""What compiling does to the normalizers' kernels, and the same kernels without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numba import float32, int64, none
from numba.core.caching import NullCache

from evenbatch.kernels._jit import kernel
from evenbatch.kernels.norms import channels_last, columns, planes, rows

KINDS = {
    "array": float32[:, :, ::1],
    "matrix": float32[:, ::1],
    "vector": float32[::1],
    "number": float32,
    "index": int64,
    "none": none,
}


@pytest.mark.parametrize(
    ("loop", "arguments"),
    [
        (planes.plane_apply, "array none index index" + " number" * 5 + " array"),
        (planes.plane_gradient, "array array none index index" + " number" * 7 + " array"),
        (
            rows._apply,
            "array none index index number number number matrix matrix number array",
        ),
        (rows._stage, "vector vector none index number vector vector"),
        (rows._unstage, "vector none index vector"),
        (
            columns.column_apply,
            "index index matrix index" + " vector" * 4 + " number matrix",
        ),
        (
            columns.column_gradient,
            "index index matrix matrix index" + " vector" * 4 + " number vector vector matrix",
        ),
        (channels_last._apply, "matrix index" + " vector" * 4 + " number matrix"),
        (
            channels_last._gradient,
            "matrix matrix index" + " vector" * 4 + " number vector vector matrix",
        ),
        (
            columns.add_gradients,
            "matrix matrix index index" + " vector" * 4 + " number number vector vector",
        ),
    ],
)
def test_float32_is_not_computed_in_float64(loop: Any, arguments: str) -> None:
    """No conversion between the two in the loops that write float32 results."""
    signature = tuple(KINDS[word] for word in arguments.split())
    fresh = kernel(entry=True, reorder=True)(loop.py_func)
    fresh._cache = NullCache()  # code from the cache cannot be looked at
    fresh.compile(signature)
    code = fresh.inspect_llvm(signature)
    body = re.search(rf"define [^\n]*@_ZN9evenbatch[^\n]*{loop.__name__}.*?\n}}\n", code, re.DOTALL)
    assert body is not None
    assert "float" in body.group()
    assert not re.findall(r"\b(fpext|fptrunc|double)\b", body.group())


def test_with_the_compiler_off() -> None:
    """Every kernel gives the same answers as plain Python."""
    file = Path(__file__).with_name("test_norms_kernels.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"\d{3} passed in", done.stdout), done.stdout[-500:]
