"""`mnist`: 70,000 handwritten digits of 28 × 28 pixels, from four files you have or download."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenbatch.data import folders
from evenbatch.data.dataset import Dataset
from evenbatch.data.errors import DataError
from evenbatch.data.idx import read_idx

BRIGHTEST = 255

SOURCE = "MNIST (LeCun, Cortes & Burges 1998, http://yann.lecun.com/exdb/mnist); CC BY-SA 3.0."

# Name, SHA-256 of the file, SHA-256 of the .gz it is published as.
FILES = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load(
    data_dir: str | os.PathLike[str] | None = None, download: bool = False, check: bool = True
) -> Dataset:
    """28 × 28 digits, 10 classes, the published split; a pixel is its brightness from 0 to 1.

    The bytes 0 to 255 are divided by 255, the brightest value there can be: a change of unit, not a
    statistic of the data.

    Args:
        data_dir: folder with the four IDX files, plain or .gz; if left out, the one that
            ``EVENBATCH_MNIST_DIR`` names, else the folder downloads are kept in.
        download: fetch the files that are missing (11.6 MB in all), checked by SHA-256.
        check: insist on the published content. False reads other data in the same four files
            (Fashion-MNIST, your own); where two folders hold different data under this name, tell
            them apart by their fingerprint.

    Raises:
        DataError: for missing, damaged or other files.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to
    document recognition", Proc. IEEE 86 (1998), https://doi.org/10.1109/5.726791.
    """
    folder = _folder(data_dir)
    if download:
        fetch(folder)
    x_train, y_train = _part(folder, "train", check)
    x_test, y_test = _part(folder, "t10k", check)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{folder}: training images are {x_train.shape[1:]} pixels, "
            f"test images {x_test.shape[1:]}; the files belong to different data sets."
        )
    rows, columns = x_train.shape[1:]
    classes = max(int(y_train.max()), int(y_test.max())) + 1
    return Dataset(
        name="mnist",
        task="classification",
        x_train=_flat(x_train),
        y_train=y_train.astype(np.int64),
        x_test=_flat(x_test),
        y_test=y_test.astype(np.int64),
        features=tuple(f"pixel_{r}_{c}" for r in range(rows) for c in range(columns)),
        classes=tuple(str(d) for d in range(classes)),
        source=SOURCE if check else f"Four IDX files in {folder}; not checked against MNIST.",
        shape=(rows, columns, 1),
    )


def _folder(data_dir: str | os.PathLike[str] | None) -> Path:
    chosen = data_dir if data_dir is not None else os.environ.get("EVENBATCH_MNIST_DIR")
    if chosen:
        return Path(chosen).expanduser()
    kept = folders.wanted_folder()
    if kept is None:
        raise DataError(
            "mnist: no folder to look in. Pass data_dir='FOLDER' or set EVENBATCH_MNIST_DIR."
        )
    return kept / "mnist"


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(BRIGHTEST)


def _find(folder: Path, name: str) -> Path | None:
    """The file under its published name or the one unpackers give it, plain or compressed."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    return None


def _part(folder: Path, part: str, check: bool) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, rows, columns) and labels (count,) of "train" or "t10k"."""
    missing = [name for name in FILES if _find(folder, name) is None]
    if missing:
        raise DataError(
            f"mnist: {folder} lacks {', '.join(missing)}\n(each may also end in .gz). Point "
            "data_dir or EVENBATCH_MNIST_DIR at the folder that holds the four files,\nor download "
            "them: load('mnist', download=True), which needs pip install 'evenbatch[mnist]'."
        )
    images = _read(folder, f"{part}-images-idx3-ubyte", 3, check)
    labels = _read(folder, f"{part}-labels-idx1-ubyte", 1, check)
    if len(images) != len(labels):
        raise DataError(
            f"{folder}: {len(images)} {part} images but {len(labels)} labels; "
            "the files belong to different data sets."
        )
    if images.size == 0:
        raise DataError(f"{folder}: the {part} files hold no images.")
    return images, labels


def _read(folder: Path, name: str, dimensions: int, check: bool) -> NDArray[np.uint8]:
    path = _find(folder, name)
    assert path is not None
    values, sha256 = read_idx(path, dimensions)
    published = FILES[name][0]
    if check and sha256 != published:
        raise DataError(
            f"{path}: not the published MNIST file: SHA-256 {sha256[:12]}…, expected "
            f"{published[:12]}….\nCopy or download it again; if it is meant to be other data "
            "(Fashion-MNIST, your own), pass check=False."
        )
    return values


def fetch(
    folder: Path,
    mirrors: Sequence[str] = MIRRORS,
    checksums: Mapping[str, str] | None = None,
) -> None:
    """Download the files that `folder` lacks, each checked by SHA-256, with pooch.

    Args:
        folder: where to put them; made if need be.
        mirrors: addresses to try in this order, each ending in "/".
        checksums: name of each file without ".gz" to the SHA-256 of its .gz.

    Raises:
        DataError: without pooch, without a writable folder, or when every mirror failed.
    """
    checksums = checksums or {name: gz for name, (_, gz) in FILES.items()}
    missing = [name for name in checksums if _find(folder, name) is None]
    if not missing:
        return
    try:
        import pooch  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError as error:
        raise DataError(
            "mnist: downloading needs pooch: pip install 'evenbatch[mnist]'. Or put the four files "
            f"into {folder} yourself."
        ) from error
    for name in missing:
        failures = []
        for mirror in mirrors:
            url = f"{mirror}{name}.gz"
            try:
                pooch.retrieve(url, f"sha256:{checksums[name]}", fname=f"{name}.gz", path=folder)
                break
            except (OSError, ValueError) as error:  # no connection, no such file, wrong checksum
                failures.append(f"{url}: {type(error).__name__}: {error}")
        else:
            raise DataError(
                f"mnist: {name}.gz could not be downloaded to {folder}:\n  "
                + "\n  ".join(failures)
                + "\nGet the four files another way and point EVENBATCH_MNIST_DIR at them."
            )
