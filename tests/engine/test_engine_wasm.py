"""The kernels in WebAssembly give what Numba gives on a processor that fuses no product and sum.

To the bit: training is chaotic, so a tolerance would say nothing of a whole run. The processor is
asked for by name; this machine has more. So does the page's half of the engine, in TypeScript.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import in_node
import in_wasm
import numpy as np
import pytest
from in_wasm import Module

from evenbatch.engine import Network, Trial
from evenbatch.kernels._jit import jit_enabled
from evenbatch.lesson.app import ENGINE
from harness import same_bits

WEB = Path(__file__).parents[2] / "web"
PLAIN = {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""}

pytest.importorskip("wasmtime")
pytest.importorskip("ziglang")
pytestmark = [
    pytest.mark.timeout(3600),  # two minutes of one core's work, which others may be using
    pytest.mark.skipif(not jit_enabled(), reason="the compiler is off"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="no x86-64-v2 here"),
]


def build(*folder: str) -> None:
    command = [sys.executable, str(WEB / "kernels.py"), *folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "need other tools" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder() -> Path:
    """The modules that the page is served with; `make test` has built them."""
    build()
    return ENGINE


@pytest.fixture(scope="module")
def modules(folder: Path) -> dict[str, Module]:
    names = ("float32", "float64")
    return {name: Module(folder / f"kernels-{name}.wasm") for name in names}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("native") / "learned.npz"
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(Path(in_wasm.__file__)), str(file)],
        env=os.environ | PLAIN | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(file) as found:
        return dict(found)


def test_what_is_learned_is_the_same_to_the_bit(
    modules: dict[str, Module], native: dict[str, Any]
) -> None:
    shuffle = lambda **given: modules["float32"].call("shuffle", **given)  # noqa: E731
    found = dict(in_wasm.learned(in_wasm.advance_in(modules))) | dict(in_wasm.orders(shuffle))
    assert found.keys() == native.keys()
    wrong = [name for name, array in found.items() if not same_bits(array, native[name])]
    assert not wrong
    statuses = {found[f"{what}: counters"][1] for what, _, _ in in_wasm.trials()}
    assert statuses == {1, 2}, "some finish and some diverge"


def test_the_page_trains_the_same_to_the_bit(
    folder: Path, native: dict[str, Any], tmp_path: Path
) -> None:
    """In slices, from weights that it drew itself, to curves, probes and landscapes."""
    trials = in_wasm.trials()
    names = [what for what, _, _ in trials]
    assert len(set(names)) == len(names) > 30
    job = {
        "data": {data.name: data for _, _, data in trials},
        "runs": [(what, trial.as_dict()) for what, trial, _ in trials],
    }
    found = in_node.done_in_node(tmp_path, folder, job)
    wanted = dict(in_node.runs_in_python(native))
    assert not [name for name in wanted if found.get(name) != wanted[name]]
    assert {found[f"{what}: ended"][0] for what in names} == {"finished", "diverged"}


def test_the_page_begins_with_the_same_arrays(folder: Path, tmp_path: Path) -> None:
    """Tapes, plans, weights, data as the kernels read them: all there is before the first step."""
    tapes, starts = in_node.random_tapes(2000), in_node.random_trials(200)
    job = {
        "data": {data.name: data for data in in_node.random_data()},
        "tapes": [(settings(network), rows, keep) for network, rows, keep in tapes],
        "starts": [trial.as_dict() for trial, _ in starts],
    }
    found = in_node.done_in_node(tmp_path, folder, job)
    wanted = in_node.tapes_in_python(tapes) | dict(in_node.starts_in_python(starts))
    assert not [name for name in wanted if found.get(name) != wanted[name]]
    assert len({found[f"tape {i}"] for i in range(len(tapes))}) > len(tapes) / 2
    least = Network(**in_node.LEAST)
    wanted = json.loads(json.dumps([settings(least), Trial(least).as_dict()]))
    assert found["defaults"] == wanted


def settings(network: Network) -> dict[str, Any]:
    """As a trial writes them, without what is about convolutions alone."""
    return Trial(network).as_dict()["network"]  # type: ignore[no-any-return]


def test_the_page_reads_the_lessons_data_as_python_does(folder: Path, tmp_path: Path) -> None:
    files = {path.name.split(".")[0]: path for path in sorted(folder.glob("*.bin.gz"))}
    assert files.keys() >= {"cookies", "digits", "stories"}
    job = {"data": {name: str(path) for name, path in files.items()}, "feeds": list(files)}
    found = in_node.done_in_node(tmp_path, folder, job)
    wanted = dict(in_node.feeds_in_python(files))
    assert not [name for name in wanted if found[name] != wanted[name]]


def test_the_page_shows_what_layers_receive_as_python_does(folder: Path, tmp_path: Path) -> None:
    """Sums are not in one order here, nor is tanh one and the same: a few values change bins."""
    trials = in_node.plain_trials()
    job = {
        "data": {data.name: data for _, data in trials},
        "layers": [trial.as_dict() for trial, _ in trials],
    }
    found = in_node.done_in_node(tmp_path, folder, job)
    moved = 0
    for i, (trial, data) in enumerate(trials):
        shown = found[f"layers {i}"]
        assert shown["step"] == 10
        wanted = in_node.layers_in_python(trial, data, shown["theta"])
        assert len(shown["layers"]) == len(wanted) == 2
        for one, other in zip(shown["layers"], wanted, strict=True):
            numbers = ("low", "high", "mean", "std")
            np.testing.assert_allclose(
                [one[name] for name in numbers],
                [getattr(other, name) for name in numbers],
                rtol=1e-6,
                atol=1e-9,
            )
            counts = np.array([one["below"], *one["counts"], one["above"]])
            moved += int(np.abs(counts - [other.below, *other.counts, other.above]).sum())
    assert moved <= 10


def test_the_page_trains_in_a_pool_of_workers(folder: Path, tmp_path: Path) -> None:
    """Workers die, the learner stops, a trial does not fit: see the script."""
    command = [*in_node.bundled(tmp_path, "pool_in_node.mjs"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("normal", [False, True])
def test_draws_are_numpys(modules: dict[str, Module], normal: bool) -> None:
    """Uniform ones to the bit. Of normal ones one in 3,000 has a logarithm in it, which is another
    library's: its last digit may differ, and be gone in float32.
    """
    draws, count = in_wasm.draws(), 200_000
    for seed, layer in ((7, 3), (2**62 + 5, 0)):
        stream = np.random.Generator(np.random.Philox(key=[seed, layer]))
        wanted = stream.normal(0.1, 0.25, count) if normal else stream.uniform(-0.5, 0.25, count)
        state, out = np.zeros(draws.STATE, np.uint64), np.zeros(count)
        state[:2], state[draws.PLACE] = (seed, layer), 4
        scale = np.array([0.1, 0.25] if normal else [-0.5, 0.75])
        modules["float32"].call("draw", state=state, normal=normal, scale=scale, out=out)
        same = int((out == wanted).sum())
        assert same == count if not normal else same >= count - 10
        np.testing.assert_allclose(out, wanted, rtol=1e-14)
        np.testing.assert_array_equal(out.astype(np.float32), wanted.astype(np.float32))


def test_twice_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    build(str(tmp_path))
    again = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(again) >= 3
    assert again == {name: (folder / name).read_bytes() for name in again}
