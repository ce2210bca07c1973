"""What runs in a worker: one chunk of trials, on one core.

A worker imports the evenbatch that is installed on its machine. Its kernels come from the cache of
that machine; the first worker of a machine compiles them while the others wait.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from evenbatch import __version__
from evenbatch.data import Dataset
from evenbatch.engine import Curve, Network, Trial, kernels_ready, train
from evenbatch.engine.machine import machine
from evenbatch.engine.session import kernels_version
from evenbatch.engine.trial import ENGINE_VERSION
from evenbatch.kernels._jit import cache_folder
from evenbatch.runners.errors import RunnerError

_data: dict[Any, Dataset] = {}


def code_version() -> tuple[str, int, str]:
    """What must be the same everywhere for a curve to be the same everywhere."""
    return __version__, ENGINE_VERSION, kernels_version()


def train_chunk(
    trials: Sequence[Trial], data: Mapping[str, Any], code: tuple[str, int, str]
) -> tuple[list[Curve], dict[str, Any], float]:
    """The curves, the machine they were trained on, and the seconds it took.

    Args:
        trials: the trials.
        data: references to their data sets.
        code: the driver's `code_version`.
    """
    if code != code_version():
        raise RunnerError(
            f"machine {platform.node()} has evenbatch {code_version()}, this one has {code}: "
            "install the same version on all of them"
        )
    prepare()
    datasets = {name: _fetched(reference) for name, reference in data.items()}
    began = time.perf_counter()
    curves = train(trials, datasets, threads=1)
    return curves, machine(), time.perf_counter() - began


def _fetched(reference: Any) -> Dataset:
    """The data set, which stays in this process for the chunks to come."""
    if reference not in _data:
        import ray

        _data[reference] = ray.get(reference)
    return _data[reference]


@cache
def prepare() -> None:
    """Have the kernels compiled, by one process of this machine."""
    with _alone():
        if not kernels_ready():
            train([Trial(Network(inputs=64, hidden=(4,), outputs=10), "digits", steps=1)])


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Only one process at a time is in here, where the system has such locks."""
    folder = cache_folder()
    try:
        import fcntl
    except ImportError:  # Windows
        folder = None
    if folder is None:
        yield
        return
    with (folder / "compiling.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
