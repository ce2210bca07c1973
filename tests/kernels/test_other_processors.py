"""Elementary functions on processors that fuse a product and a sum, and on those that do not."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from evenbatch.kernels._jit import jit_enabled

FILES = [str(Path(__file__).with_name(f"test_{name}.py")) for name in ("lanes", "scalars")]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names of x86 processors")
@pytest.mark.parametrize(
    ("processor", "features"), [("x86-64-v2", ""), ("haswell", "+avx2,+fma,+bmi,+bmi2")]
)
def test_as_accurate_on_another_processor(processor: str, features: str) -> None:
    if not jit_enabled():
        return
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        env=os.environ | {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
