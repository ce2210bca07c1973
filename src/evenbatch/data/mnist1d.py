"""`mnist1d`: ten digits drawn as lines, stretched, shifted and noisy; small, and not easy."""

from __future__ import annotations

import io
import random
import warnings
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from evenbatch.data import folders
from evenbatch.data.dataset import Dataset
from evenbatch.data.errors import DataError

SOURCE = (
    "MNIST-1D (Greydanus & Kobak 2024, arXiv:2011.14439), generated here by the authors' "
    "package mnist1d; Apache-2.0."
)
ABSENT = (
    "mnist1d is made by its authors' generator, which is not installed: "
    'pip install "evenbatch[mnist1d]"'
)
PARTS = ("x_train", "y_train", "x_test", "y_test")


def load(seed: int = 42) -> Dataset:
    """4,000 training and 1,000 test lines of 40 points, 10 classes.

    The generator divides by the spread of all points together; that is part of the published data
    and is left as it is. The split is the authors' own. The arrays are generated once (about two
    seconds) and kept in `folders.wanted_folder()`.

    Args:
        seed: of the generator; the published data has 42.

    Source: S. Greydanus and D. Kobak, "Scaling down deep learning with MNIST-1D", ICML 2024,
    https://arxiv.org/abs/2011.14439.

    >>> load()  # doctest: +ELLIPSIS
    Dataset('mnist1d': classification, 40 features, 10 classes, 4000 training + 1000 test rows, ...)
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise DataError(f"mnist1d: seed is {seed!r}; it must be a whole number from 0 to 2^32 - 1.")
    _generator()  # or an error that says how to get it
    arrays = _kept(seed)
    if arrays is None:
        arrays = _generate(seed)
        _keep(seed, arrays)
    return _dataset(arrays)


def _dataset(arrays: dict[str, NDArray[np.generic]]) -> Dataset:
    return Dataset(
        name="mnist1d",
        task="classification",
        x_train=arrays["x_train"].astype(np.float32),
        y_train=arrays["y_train"].astype(np.int64),
        x_test=arrays["x_test"].astype(np.float32),
        y_test=arrays["y_test"].astype(np.int64),
        features=tuple(f"point_{i}" for i in range(40)),
        classes=tuple(str(d) for d in range(10)),
        source=SOURCE,
        shape=(40, 1),
    )


def _generate(seed: int) -> dict[str, NDArray[np.generic]]:
    """Run the package's generator and leave the process as it was.

    The package seeds the global generators of NumPy and Python, and imports matplotlib; neither may
    show. Its `get_dataset` is not used: it downloads a pickle, or writes one to the current folder.
    It is an extra because of what it brings along: matplotlib and scikit-learn, 160 MiB.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mnist1d.data import get_dataset_args, make_dataset

            args = get_dataset_args()
            args.seed = seed
            made = make_dataset(args)
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
    return {
        "x_train": made["x"].astype(np.float32),
        "y_train": made["y"].astype(np.int64),
        "x_test": made["x_test"].astype(np.float32),
        "y_test": made["y_test"].astype(np.int64),
    }


def _file(seed: int) -> str:
    return f"mnist1d-{_generator()}-seed{seed}.npz"


def _generator() -> str:
    """The version of the package that makes the data."""
    try:
        return version("mnist1d")
    except PackageNotFoundError:
        raise DataError(ABSENT) from None


def _kept(seed: int) -> dict[str, NDArray[np.generic]] | None:
    """The arrays generated earlier, or None when there are none or the file is damaged."""
    folder = folders.wanted_folder()
    if folder is None:
        return None
    try:
        # Opened here: np.load leaves a file open that it cannot read.
        with (folder / _file(seed)).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {part: file[part] for part in PARTS}
            fingerprint = str(file["fingerprint"])
        return arrays if _dataset(arrays).fingerprint == fingerprint else None
    except Exception:  # whatever is wrong with a kept file, it can be made again
        return None


def _keep(seed: int, arrays: dict[str, NDArray[np.generic]]) -> None:
    folder = folders.writable_folder()
    if folder is None:
        return
    fingerprint = np.array(_dataset(arrays).fingerprint)
    content = io.BytesIO()
    np.savez_compressed(content, fingerprint=fingerprint, **arrays)  # type: ignore[arg-type]
    folders.write_whole(folder / _file(seed), content.getvalue())
