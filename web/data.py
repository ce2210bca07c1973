"""The lesson's data sets for a page without a server: one packed file each. `web/kernels.py` writes
them beside the modules.

A file, once unpacked, is four bytes that say how long the header is, the header as JSON, and the
arrays that it names, one after the other, all little-endian. `web/src/engine/dataset.ts` reads it.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from evenbatch.data import load
from evenbatch.data.dataset import Dataset
from evenbatch.engine.feed import make_feed

ARRAYS = ("x_train", "x_test", "y_train", "y_test", "lengths_train", "lengths_test")


def laid_out(data: Dataset) -> bytes:
    """The file of a data set, before it is packed."""
    arrays = []
    for name in ARRAYS:
        array = getattr(data, name)
        if array is not None:
            kind = "float32" if array.dtype.kind == "f" else "int32"
            arrays.append(
                (name, kind, np.ascontiguousarray(array, np.dtype(kind).newbyteorder("<")))
            )
    spread = make_feed(data, np.dtype("float32")).sst  # NumPy adds in an order of its own
    header = {
        **{name: getattr(data, name) for name in ("name", "task", "features", "classes", "source")},
        **{name: getattr(data, name) for name in ("time_steps", "n_train", "n_test")},
        "spread": spread,
        "arrays": [[name, kind, array.size] for name, kind, array in arrays],
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    return b"".join([struct.pack("<I", len(text)), text, *(a.tobytes() for _, _, a in arrays)])


def write(folder: Path, names: Iterable[str]) -> None:
    """A file for each of these data sets."""
    for name in names:
        packed = gzip.compress(laid_out(load(name)), 9, mtime=0)
        (folder / f"{name}.bin.gz").write_bytes(packed)
