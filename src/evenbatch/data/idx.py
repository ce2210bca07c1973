"""The IDX format of MNIST and its relatives: a magic number, the sizes, then unsigned bytes.

byte 0-1  0
byte 2    8 (unsigned bytes; no other type is used here)
byte 3    number of dimensions
then      each dimension, 4 bytes, most significant first
then      the values, last dimension fastest
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.errors import DataError

_WHAT = {1: "labels", 3: "images"}


def read_idx(path: Path, dimensions: int) -> tuple[NDArray[np.uint8], str]:
    """Read one IDX file, plain or gzip-compressed (told by its content, not its name).

    Args:
        path: the file.
        dimensions: 3 for images (count, rows, columns), 1 for labels (count).

    Returns:
        The array, and the SHA-256 of the uncompressed file.

    Raises:
        DataError: for another kind of file, a truncated one, or one with bytes left over.
    """
    content = _content(path)
    shape = _shape(path, content, dimensions)
    start = 4 + 4 * dimensions
    expected, found = math.prod(shape), len(content) - start
    if found != expected:
        how = "is cut off" if found < expected else "has bytes left over"
        sizes = " × ".join(str(size) for size in shape)
        raise DataError(
            f"{path}: the file {how}: its header says {sizes} = {expected} values, "
            f"and {found} bytes follow. Copy or download it again."
        )
    values = np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
    return values, hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path}: damaged gzip file ({error}). Copy or download it again."
        ) from error


def _shape(path: Path, content: bytes, dimensions: int) -> tuple[int, ...]:
    if not content:
        raise DataError(f"{path}: the file is empty. Copy or download it again.")
    wanted = bytes([0, 0, 8, dimensions])
    found = content[:4]
    if found != wanted:
        message = f"{path}: no IDX file of {_WHAT[dimensions]}: it begins with {found.hex(' ')}, "
        message += f"not {wanted.hex(' ')}."
        if found[:3] == wanted[:3] and found[3] in _WHAT:
            message += f" It holds {_WHAT[found[3]]}: were two files swapped?"
        elif content[:1] == b"<":
            message += " It looks like a web page saved in place of the file."
        raise DataError(message)
    header = content[4 : 4 + 4 * dimensions]
    if len(header) < 4 * dimensions:
        raise DataError(
            f"{path}: the file is cut off within its header. Copy or download it again."
        )
    return tuple(int(size) for size in np.frombuffer(header, dtype=">u4"))
