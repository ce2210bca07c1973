"""How kernels are compiled and kept: flags, the cache folder, and when a kept kernel is stale."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from compiled import cached
from evenbatch.engine import loop
from evenbatch.kernels import _clock, _folder, _jit
from evenbatch.kernels.engine import columns, dense


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """`cache_folder` answers anew, now and after the test."""
    _folder.cache_folder.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    _folder.cache_folder.cache_clear()


def test_flags_keep_nan_and_infinity() -> None:
    """`nnan` and `ninf` let the compiler delete the checks that notice a divergence."""
    for flags in (_jit.FUSED, _jit.REORDERED):
        assert flags <= {"reassoc", "contract", "arcp", "nsz"}
    if _jit.jit_enabled():
        options = columns.batch_statistics.targetoptions
        assert options["nogil"] is True
        assert options["fastmath"] == {"contract"}, "the engine's sums have an order of their own"
        assert not options.get("parallel")


def test_the_cache_folder_is_the_one_asked_for(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fresh.setenv("EVENBATCH_CACHE_DIR", str(tmp_path / "kept"))
    folder = _jit.cache_folder()
    assert folder is not None
    assert folder.is_dir()
    assert tmp_path / "kept" in folder.parents


def test_the_cache_can_be_turned_off(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("EVENBATCH_CACHE_DIR", "off")
    assert _jit.cache_folder() is None


def test_a_folder_that_cannot_be_made_is_survived(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file stands where the folder should be: nobody, not even root, can make it."""
    (tmp_path / "file").write_text("")
    fresh.setenv("EVENBATCH_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    assert _jit.cache_folder() is None


def test_a_folder_that_cannot_be_written_is_survived(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh.setenv("EVENBATCH_CACHE_DIR", str(tmp_path))

    def refuse(**_: object) -> None:
        raise PermissionError("read-only file system")

    fresh.setattr(_folder.tempfile, "TemporaryFile", refuse)
    assert _jit.cache_folder() is None


def test_an_unknown_home_is_survived(fresh: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    fresh.delenv("EVENBATCH_CACHE_DIR", raising=False)
    fresh.delenv("XDG_CACHE_HOME", raising=False)
    fresh.setattr(_folder.Path, "home", refuse)
    assert _jit.cache_folder() is None


def test_old_kernels_are_forgotten(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "kernels"
    kept.mkdir()
    old = time.time() - (_folder.KEEP_DAYS + 1) * 86400
    for name, age in (("old.nbc", old), ("old.nbi", old), ("new.nbc", time.time()), ("a.txt", old)):
        (kept / name).write_text("")
        os.utime(kept / name, (age, age))
    fresh.setenv("EVENBATCH_CACHE_DIR", str(tmp_path))
    _jit.cache_folder()
    assert sorted(path.name for path in kept.iterdir()) == ["a.txt", "new.nbc"]


def test_the_loop_is_stale_when_any_kernel_it_calls_changes(tmp_path: Path) -> None:
    """Its hash covers every file it imports, and no file it does not."""
    package = Path(_folder.__file__).parent.parent
    copy = tmp_path / "evenbatch"
    for folder in ("kernels", "engine"):
        shutil.copytree(package / folder, copy / folder, ignore=shutil.ignore_patterns("*.pyc"))

    def hashed() -> str:
        """By a fresh copy of the module, which remembers nothing."""
        spec = importlib.util.spec_from_file_location(
            "folder_copy", copy / "kernels" / "_folder.py"
        )
        assert spec is not None
        assert spec.loader is not None
        folder_copy = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(folder_copy)
        return str(folder_copy.source_hash(str(copy / "engine" / "loop.py")))

    before = hashed()
    assert before == _folder.source_hash(loop.__file__)
    for name, matters in (
        ("kernels/engine/columns.py", True),
        ("kernels/_lanes.py", True),
        ("engine/layout.py", True),
        ("engine/operations.py", False),
        ("engine/tape.py", False),
        ("engine/session.py", False),
        ("kernels/parallel.py", False),
    ):
        path = copy / name
        text = path.read_text()
        path.write_text(text + "\n# changed\n")
        assert (hashed() != before) == matters, name
        path.write_text(text)


def test_a_kept_kernel_is_found_again() -> None:
    folder = _jit.cache_folder()
    if _jit.jit_enabled() and folder is not None:
        assert "KernelCache" in type(cached(columns.batch_statistics)._cache).__name__
        assert not _folder.is_cached(loop.__file__, "no_such_kernel")


def test_the_clock_runs_forward() -> None:
    readings = [_clock.seconds(_clock.CLOCK_ADDRESS, _clock.CLOCK_ID) for _ in range(100)]
    assert readings == sorted(readings)
    assert _clock.available() == (_clock.CLOCK_ADDRESS != 0)


UNKNOWN_NUMBA = """
import numba.core.caching
del numba.core.caching.CompileResultCacheImpl
from evenbatch.engine import Network, Trial, kernels_ready, train
from evenbatch.kernels import _jit
assert _jit._insides is None
assert _jit.cache_folder() is None
net = Network(inputs=64, hidden=(16,), outputs=10, norm="batch")
(curve,) = train([Trial(net, "digits", learning_rate=0.1, steps=20)])
assert curve.ended == "finished"
"""


@pytest.mark.skipif(not _jit.jit_enabled(), reason="the compiler is off")
def test_another_numba_compiles_in_each_process(tmp_path: Path) -> None:
    """Without the insides it was written for, a kernel is still compiled, and nothing is kept."""
    # Numba's own way optimizes each kernel with all it calls: 95 s of one core, unoptimized 39 s.
    where = {**os.environ, "EVENBATCH_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", UNKNOWN_NUMBA],
        env=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*.nb?"))


def test_numbas_insides_are_those_this_is_written_for() -> None:
    assert _jit._insides is not None


@pytest.mark.skipif(not _jit.jit_enabled(), reason="the compiler is off")
def test_python_cannot_call_a_kernel_without_machine_code() -> None:
    """Before any kernel that calls it was compiled, and after."""
    ws = np.zeros(64, np.float32)
    for _ in range(2):
        with pytest.raises(TypeError, match=r"add is a kernel that kernels call"):
            dense.add(ws, 0, 16, 32, 16)
        calls_add(ws)


@_jit.kernel(entry=True)
def calls_add(ws):  # type: ignore[no-untyped-def]
    dense.add(ws, 0, 16, 32, 16)
