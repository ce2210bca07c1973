"""What goes to the page: growing curves as binary frames, everything else as JSON.

A frame, little-endian, is made of records; one holds the new points of one trial:

    uint32  run
    uint32  trial, its place in the run
    uint32  place of the first point in the curve
    uint32  number of points n
    float32 n × `COLUMNS`: step, test metric, test loss, training loss

NaN stands for a value there is not.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from evenbatch.engine import Curve

COLUMNS = ("step", "metric", "test_loss", "train_loss")
HEADER = struct.Struct("<IIII")

Points = NDArray[np.float32]
"""(n, len(COLUMNS)) points of a curve."""


def points_of(curve: Curve) -> Points:
    """The points of a curve."""
    columns = (curve.step, curve.metric, curve.test_loss, curve.train_loss)
    return np.stack([np.asarray(c, np.float32) for c in columns], axis=1)


def record(run: int, trial: int, first: int, points: Points) -> bytes:
    """One record of a frame.

    >>> len(record(1, 0, 5, np.zeros((2, 4), np.float32)))
    48
    """
    return HEADER.pack(run, trial, first, len(points)) + points.astype("<f4").tobytes()


def records(frame: bytes) -> list[tuple[int, int, int, Points]]:
    """The way back, for tests and tools: (run, trial, first, points) of each record.

    >>> records(record(1, 2, 5, np.ones((3, 4), np.float32)))[0][:3]
    (1, 2, 5)
    """
    found, at = [], 0
    while at < len(frame):
        run, trial, first, n = HEADER.unpack_from(frame, at)
        at += HEADER.size
        size = n * len(COLUMNS)
        points = np.frombuffer(frame, "<f4", size, at).reshape(n, len(COLUMNS))
        found.append((run, trial, first, points))
        at += 4 * size
    return found


def text(message: Any) -> str:
    """A message as JSON, in which numbers that are none (NaN, infinity) are null.

    >>> text({"a": (1.0, float("inf")), "b": np.float64(2.5)})
    '{"a":[1.0,null],"b":2.5}'
    """
    return msgspec.json.encode(message, enc_hook=_plain).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a {type(value).__name__} is sent to no page")
