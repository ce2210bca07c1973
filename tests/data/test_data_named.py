"""load(): names, options, the cache; one contract for all data sets; digits and MNIST-1D."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evenbatch.data as data
from evenbatch.data import DATASETS, DataError, Dataset, load, mnist1d

LOCAL = [name for name in DATASETS if name != "mnist"]  # mnist needs files: test_data_mnist.py


@pytest.fixture
def _cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_cache", {})


@pytest.mark.parametrize("name", LOCAL)
def test_contract(name: str) -> None:
    dataset = load(name)
    assert dataset.name == name
    assert load(name) is dataset
    assert dataset.x_train.dtype == np.float32
    assert dataset.n_train > 3 * dataset.n_test > 0
    assert len(dataset.features) == len(set(dataset.features)) == dataset.n_features
    assert dataset.source.endswith(".")
    assert "2.0" in dataset.source or "4.0" in dataset.source  # its licence
    # Nothing is standardized: no data set has columns of mean 0 and deviation 1 by construction.
    means, spreads = dataset.x_train.mean(axis=0), dataset.x_train.std(axis=0)
    assert not np.allclose(means, 0, atol=0.01)
    assert not np.allclose(spreads, 1, atol=0.01)
    if dataset.task == "classification":
        shares = np.bincount(dataset.y_train) / dataset.n_train
        assert shares.min() > 0.5 / dataset.n_outputs
        assert shares.max() < 2 / dataset.n_outputs
    else:
        assert dataset.y_train.dtype == np.float32


def test_tasks() -> None:
    assert {name: load(name).task for name in LOCAL} == {
        "cookies": "classification",
        "cookies-taste": "regression",
        "digits": "classification",
        "mnist1d": "classification",
        "stories": "classification",
    }


def test_every_data_set_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for name in DATASETS:
        assert f"## `{name}`" in text or f"and `{name}`" in text, name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "there is no data set 'digit'. Did you mean 'digits'?"),
        ("Cookies", "Did you mean 'cookies'?"),
        ("mnist-1d", "Did you mean 'mnist1d'?"),
        (
            "zebra",
            "Data sets: 'cookies', 'cookies-taste', 'digits', 'mnist1d', 'mnist', 'stories'.",
        ),
        ("my/wine.csv", "A file of your own is loaded with load_table('my/wine.csv', target="),
        ("", "there is no data set ''"),
        ("table:wine", "no table was loaded as 'table:wine' in this process"),
        ("cookies:sed=3", "cookies has no option 'sed'. Did you mean 'seed'?"),
        ("cookies:seed=three", "Options are written like cookies:n=4000,seed=0"),
        ("cookies:seed", "cookies: cannot read 'seed'"),
        ("mnist:check=maybe", "cannot read 'check=maybe'"),
        ("mnist:data_dir=x", "cannot read 'data_dir=x'"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        load(name)
    assert message in str(error.value)


def test_unknown_options() -> None:
    with pytest.raises(DataError, match=r"no option 'sed'\. Did you mean 'seed'") as error:
        load("cookies", sed=3)
    assert "'n', 'seed', 'test_share'" in str(error.value)
    with pytest.raises(DataError, match="options belong to load_table"):
        load("table:wine", seed=1)


def test_a_name_says_all_that_decides_the_content() -> None:
    other = load("cookies", seed=3, n=400)
    assert other.name == "cookies:n=400,seed=3"
    assert load("cookies:n=400,seed=3") is other
    assert load("cookies:seed=3", n=400) is other
    assert other.fingerprint != load("cookies", n=400).fingerprint
    assert load("cookies", n=4000, seed=0) is load("cookies")
    assert load("digits", test_share=0.25).name == "digits:test_share=0.25"
    assert load("digits:test_share=0.25").n_test == 449


@pytest.mark.usefixtures("_cold")
def test_threads_share_one_data_set() -> None:
    loaded: list[Dataset] = []
    threads = [threading.Thread(target=lambda: loaded.append(load("cookies"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(dataset) for dataset in loaded}) == 1


def test_importing_the_data_floor_is_light() -> None:
    """The heavy packages are met only by those who need them; digits need none of them."""
    heavy = {"sklearn", "scipy", "pandas", "pyarrow", "mnist1d", "matplotlib", "pooch", "numba"}
    program = (
        "import sys, evenbatch.data as d; d.load('digits'); d.load('cookies'); "
        f"print({heavy} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert out.stdout.strip() == "set()"


# digits


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    ours = load("digits")
    rows = np.concatenate([ours.x_train, ours.x_test]) * 16
    labels = np.concatenate([ours.y_train, ours.y_test])
    order = np.lexsort(np.column_stack([rows, labels]).T)
    theirs = np.lexsort(np.column_stack([bunch.data, bunch.target]).T)
    np.testing.assert_array_equal(rows[order], bunch.data[theirs])
    np.testing.assert_array_equal(labels[order], bunch.target[theirs])
    assert (ours.x_train.min(), ours.x_train.max()) == (0, 1)


def test_digits_fingerprint_is_pinned() -> None:
    assert load("digits").fingerprint == "f0b1ff934bfe628c"


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the times the real generator is asked; it answers with 20 cheap rows."""
    asked: list[int] = []
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 40)).astype(np.float32)
    y = np.arange(20) % 10

    def generate(seed: int) -> dict[str, Any]:
        asked.append(seed)
        return {"x_train": x + seed, "y_train": y, "x_test": x[:10], "y_test": y[:10]}

    monkeypatch.setattr(mnist1d, "_generate", generate)
    return asked


def test_mnist1d_is_the_published_data() -> None:
    """Sizes, classes, and the scale the authors' generator gives all points together."""
    ours = load("mnist1d")
    assert (ours.x_train.shape, ours.x_test.shape) == ((4000, 40), (1000, 40))
    both = np.concatenate([ours.x_train, ours.x_test])
    assert abs(both.mean()) < 1e-5
    assert abs(both.std() - 1) < 1e-5
    assert np.bincount(np.concatenate([ours.y_train, ours.y_test])).tolist() == [500] * 10
    # The first row of the published file, by eye from the generator at its default seed.
    expected = [-0.33200567, -0.47191037, -0.77869708, -1.00974083, -0.88235257]
    np.testing.assert_allclose(ours.x_train[0, :5], expected, atol=1e-6)
    assert ours.y_train[:10].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1]


def test_mnist1d_leaves_the_process_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """No file in the current folder, no word, and the global generators untouched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENBATCH_DATA_DIR", "off")
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    expected = np.random.rand(), random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    first = mnist1d.load(seed=7)
    assert (np.random.rand(), random.random()) == expected  # noqa: NPY002
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert first.fingerprint != load("mnist1d").fingerprint


def test_mnist1d_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated: list[int]
) -> None:
    monkeypatch.setenv("EVENBATCH_DATA_DIR", str(tmp_path / "new" / "folder"))
    first = mnist1d.load()
    again = mnist1d.load()
    assert generated == [42]
    assert again.fingerprint == first.fingerprint
    assert again.source == first.source
    mnist1d.load(seed=1)
    assert generated == [42, 1]
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not really", None])
def test_mnist1d_survives_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated: list[int], damage: bytes | None
) -> None:
    monkeypatch.setenv("EVENBATCH_DATA_DIR", str(tmp_path))
    first = mnist1d.load()
    (kept,) = tmp_path.iterdir()
    if damage is None:  # whole, but not what was written
        with np.load(kept) as file:
            arrays = dict(file)
        arrays["x_train"] = arrays["x_train"] + 1
        np.savez(kept, **arrays)
    else:
        kept.write_bytes(damage)
    assert mnist1d.load().fingerprint == first.fingerprint
    assert generated == [42, 42]
    mnist1d.load()
    assert generated == [42, 42]


@pytest.mark.parametrize("how", ["off", "blocked", "no home"])
def test_mnist1d_survives_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generated: list[int], how: str
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    if how == "no home":

        def no_home() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("EVENBATCH_DATA_DIR")
        for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setattr(Path, "home", staticmethod(no_home))
    else:
        monkeypatch.setenv("EVENBATCH_DATA_DIR", "off" if how == "off" else str(blocked / "x"))
    first, second = mnist1d.load(), mnist1d.load()
    assert generated == [42, 42]
    assert first.fingerprint == second.fingerprint
    assert list(tmp_path.iterdir()) == [blocked]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True])
def test_mnist1d_refuses_a_seed_the_generator_cannot_take(seed: Any) -> None:
    with pytest.raises(DataError, match="mnist1d: seed is"):
        mnist1d.load(seed)
