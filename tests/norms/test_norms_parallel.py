"""Threads change nothing but the time; results reuse only memory nobody can see."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from norm_cases import assert_answer, build, fits, run, sample

from evenbatch.kernels import parallel
from evenbatch.kernels._jit import jit_enabled, kernel
from evenbatch.norms import NORMALIZERS, _buffers, release_buffers, set_threads, using_threads

NAMES = list(NORMALIZERS)
LARGE = {"long": (11, 6, 3500), "short": (1201, 12, 16), "flat": (2003, 126)}


@pytest.mark.parametrize(
    ("name", "shape"), [(n, s) for n in NAMES for s in LARGE if fits(n, LARGE[s])]
)
def test_any_number_of_threads_gives_the_same_bits(name: str, shape: str) -> None:
    x, dy = sample(LARGE[shape], "float32"), sample(LARGE[shape], "float32", seed=1)
    assert x.size >= parallel.SPLIT_FROM
    answers = []
    for threads in (1, 2, 3, 7):
        norm = build(name, x.shape, activation="relu", affine=True)
        with using_threads(threads):
            answers.append(run(norm, x, dy))
    for answer in answers[1:]:
        for a, b in zip(answers[0], answer, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("name", "shape"), [(n, s) for n in NAMES for s in LARGE if fits(n, LARGE[s])]
)
def test_large_inputs_match_the_reference(name: str, shape: str) -> None:
    """Many chunks, each kernel, by the tolerance rule: joining the chunks loses nothing."""
    x, dy = sample(LARGE[shape], "float32"), sample(LARGE[shape], "float32", seed=1)
    drift = np.linspace(-3, 3, len(x), dtype="float32").reshape(-1, *(1,) * (x.ndim - 1))
    assert_answer(build(name, x.shape, activation="relu", affine=True), x + drift, dy)


def test_every_item_is_done_once() -> None:
    for items, threads in ((0, 4), (1, 4), (3, 7), (100, 3)):
        done: list[int] = []

        def kernel(first: int, last: int, more: list[int]) -> None:
            more.extend(range(first, last))  # list.extend is atomic

        with using_threads(threads):
            parallel.split(kernel, items, parallel.SPLIT_FROM, done)
        assert sorted(done) == list(range(items))


def test_small_work_stays_on_the_calling_thread() -> None:
    seen: set[int] = set()

    def kernel(first: int, last: int) -> None:
        seen.add(threading.get_ident())

    with using_threads(4):
        parallel.split(kernel, 100, parallel.SPLIT_FROM - 1)
        assert seen == {threading.get_ident()}
        parallel.split(kernel, 100, parallel.SPLIT_FROM)
    assert len(seen) > 1


def test_an_error_in_any_share_is_raised_after_all_have_ended() -> None:
    ended: list[int] = []

    def kernel(first: int, last: int, failing: int) -> None:
        if first <= failing < last:
            raise ZeroDivisionError(f"item {failing}")
        ended.append(first)

    with using_threads(3):
        for failing in (0, 50, 99):
            ended.clear()
            with pytest.raises(ZeroDivisionError, match=f"item {failing}"):
                parallel.split(kernel, 100, parallel.SPLIT_FROM, failing)
            assert len(ended) == 2


@kernel(entry=True)
def _count(first: int, last: int, done: Any, wrong: int) -> None:
    for i in range(first, last):
        done[i] += 1
        if i == wrong:
            raise ZeroDivisionError("the wrong item")


@pytest.mark.skipif(not jit_enabled(), reason="plain Python has the pool")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_of_another_library_do_every_share_once(threads: int) -> None:
    asked: list[int] = []

    def enter(body: int, common: int, shares: int, _flags: int) -> None:
        """As ``GOMP_parallel``, which may give fewer threads than there are shares."""
        asked.append(shares)
        run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(body)
        workers = [threading.Thread(target=run, args=(common,)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    words = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    entered = ctypes.CFUNCTYPE(None, *words)(enter)
    with parallel.on_openmp(5, ctypes.cast(entered, ctypes.c_void_p).value):
        assert parallel.threads() == 5
        done = np.zeros(13)
        parallel.split(_count, len(done), parallel.SPLIT_FROM, done, -1)
        assert (done == 1).all()
        assert asked == [5]
        with pytest.raises(ZeroDivisionError, match="the wrong item"):
            parallel.split(_count, len(done), parallel.SPLIT_FROM, done, 12)
        assert done[0] == 3  # again on the calling thread, which raised it
        with ThreadPoolExecutor(1) as pool:  # on this thread only
            assert pool.submit(parallel.threads).result() == parallel.available_cores()
    assert parallel.threads() == parallel.available_cores()


def test_set_threads() -> None:
    assert parallel.threads() == parallel.available_cores() >= 1
    with using_threads(5):
        assert parallel.threads() == 5
        with using_threads(None):
            assert parallel.threads() == parallel.available_cores()
        assert parallel.threads() == 5
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"threads must be at least 1, got {wrong}"):
            set_threads(wrong)


def test_callers_in_several_threads() -> None:
    """Normalizers of their own in threads of their own do not disturb each other."""
    x = sample(LARGE["long"], "float32")
    expected = build("batch", x.shape)(x).copy()

    def work(_: int) -> bool:
        return bool((build("batch", x.shape)(x) == expected).all())

    with using_threads(2), ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    # In a program of its own: other tests leave JAX in this one, which objects to any fork.
    command = [sys.executable, "-c", FORKS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


FORKS = """
import os
import warnings
import numpy as np
from evenbatch.norms import BatchNorm, using_threads

warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, the point of this
norm = BatchNorm(64)
x = np.random.default_rng(0).standard_normal((64, 64, 1024), np.float32)
with using_threads(2):
    norm(x)
    child = os.fork()
    if child == 0:
        norm(x)
        os._exit(0)
raise SystemExit(os.waitpid(child, 0)[1] != 0)
"""


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def test_a_result_in_use_is_never_reused() -> None:
    release_buffers()
    size = (_buffers.SMALLEST,)
    first = _buffers.empty(size, "float32")
    view, at = first[10:], _address(first)
    second = _buffers.empty(size, "float32")
    assert _address(second) != at
    del first
    assert _address(_buffers.empty(size, "float32")) != at, "a view still shows it"
    del view
    assert _address(_buffers.empty(size, "float32")) == at


def test_other_holders_count_too() -> None:
    import torch

    release_buffers()
    size = (_buffers.SMALLEST,)
    for hold in (torch.from_numpy, memoryview, lambda a: a.T, lambda a: [a]):
        result = _buffers.empty(size, "float64")
        at, holder = _address(result), hold(result)
        del result
        gc.collect()
        assert _address(_buffers.empty(size, "float64")) != at
        del holder


def test_outputs_kept_by_the_user_are_not_overwritten() -> None:
    norm = build("layer", (2000, 128))
    outputs, copies = [], []
    for seed in range(4):
        outputs.append(norm(sample((2000, 128), "float32", seed=seed)))
        copies.append(outputs[-1].copy())
    for kept, copy in zip(outputs, copies, strict=True):
        np.testing.assert_array_equal(kept, copy)


def test_memory_is_reused_across_normalizers_and_dtypes() -> None:
    release_buffers()
    x = sample((2000, 128), "float32")
    at = _address(build("layer", x.shape)(x))
    assert _address(build("batch", x.shape)(x)) == at
    half = sample((1000, 128), "float64")
    assert _address(build("rms", half.shape, dtype="float64")(half)) == at


def test_remembered_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    release_buffers()
    monkeypatch.setattr(_buffers, "KEPT", 4 * _buffers.SMALLEST)
    results = [_buffers.empty((_buffers.SMALLEST + k,), "uint8") for k in range(10)]
    for k, result in enumerate(results):
        result[:] = k
    assert sum(block.size for block in _buffers._blocks) <= _buffers.KEPT
    for k, result in enumerate(results):  # those forgotten live on with their user
        assert (result == k).all()
    release_buffers()
    assert _buffers._blocks == []


def test_small_results_are_plain_arrays() -> None:
    release_buffers()
    assert _buffers.empty((3, 5), "float32").base is None
    assert _buffers._blocks == []


def test_large_results_are_aligned() -> None:
    for size in (_buffers.SMALLEST, _buffers.SMALLEST + 4):
        assert _address(_buffers.empty((size,), "float32")) % _buffers.ALIGN == 0
