"""With the compiler off the kernels are plain Python: same tests, same curves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uncompiled

from evenbatch.engine import train

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OFF = {"NUMBA_DISABLE_JIT": "1", "EVENBATCH_CACHE_DIR": "off"}


def run(*command: str) -> str:
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | OFF | {"PYTHONPATH": path.rstrip(os.pathsep)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_kernels_tests_pass_uncompiled() -> None:
    out = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels",
        "--ignore=tests/kernels/test_jit.py",  # which is of the compiler
        "-k", "not pytorch",  # a test of the reference alone
    )  # fmt: skip
    passed = int(out.strip().splitlines()[-1].split(" passed")[0].split()[-1])
    assert passed > 150
    assert "skipped" not in out


def test_trainings_agree_with_the_compiled_ones() -> None:
    """To float32 rounding: the sums run in another order and exp is another one."""
    found: list[Any] = json.loads(run("-m", "uncompiled", "curves"))
    compiled = [uncompiled.numbers(curve) for curve in train(uncompiled.trials(), uncompiled.DATA)]
    assert len(found) == len(compiled) == 13
    for one, other in zip(found, compiled, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_evaluating_and_probing_are_not_counted_as_training() -> None:
    """By a clock that moves 1 in each step, and 1000 in each evaluation and probe."""
    assert json.loads(run("-m", "uncompiled", "clock")) == [0, 5, 10, 15, 20, 25]
