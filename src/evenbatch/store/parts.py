"""A curve as bytes, and back.

Every field of `Curve` goes in by its type, so a field that is added later is stored without a word
here: arrays of floats as float32 (which is what `Curve.rounded` keeps), of whole numbers as the
smallest type that holds them, nested dataclasses (the probes) the same way, plain values in the
head. Left out are the trial, which the row has in words, and the weights.

    4 bytes   length of the head
    head      JSON: for each field its name and what it is
    arrays    one after the other, little-endian
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch import engine
from evenbatch.engine import Curve

LEFT_OUT = ("trial", "weights")
_WHOLE = [(np.dtype(f"<{code}"), np.iinfo(code)) for code in ("i1", "i2", "i4", "i8")]
_encode = json.JSONEncoder(separators=(",", ":")).encode


def pack(curve: Curve) -> bytes:
    """All of a curve but its trial and weights."""
    arrays: list[bytes] = []
    with np.errstate(over="ignore"):  # a loss beyond float32 is infinite, as it is in training
        head = _encode(_describe(curve, arrays)).encode()
    return b"".join((struct.pack("<I", len(head)), head, *arrays))


def _describe(thing: Any, arrays: list[bytes]) -> list[Any]:
    """For each field [name, kind, …]; its array is put at the end of `arrays`."""
    found = []
    for name in _names(thing.__class__):
        value = getattr(thing, name)
        if isinstance(value, np.ndarray):
            stored = _narrow(value)
            found.append([name, "array", value.dtype.str, stored.dtype.str, list(value.shape)])
            arrays.append(stored.tobytes())
        elif is_dataclass(value):
            found.append([name, "parts", type(value).__name__, _describe(value, arrays)])
        elif value is None or isinstance(value, (str, bool, int, float)):
            found.append([name, "value", value])
        else:
            raise TypeError(f"{type(thing).__name__}.{name} is a {type(value).__name__}: parts.py "
                            "does not know how to store it")  # fmt: skip
    return found


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in LEFT_OUT)


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    kind = array.dtype.kind
    if kind == "f":
        return array.astype("<f4")
    if kind == "b":
        return array
    if kind != "i":
        raise TypeError(f"an array of {array.dtype} cannot be stored")
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype, limits in _WHOLE:
        if limits.min <= low and high <= limits.max:
            return array.astype(dtype)
    raise AssertionError("unreachable: every whole number fits i8")


def unpack(blob: bytes) -> dict[str, Any]:
    """The fields of a curve by name; ``Curve(trial, **fields)`` is the curve."""
    (length,) = struct.unpack_from("<I", blob)
    found, end = _restore(_head(blob[4 : 4 + length]), blob, 4 + length)
    if end != len(blob):
        raise ValueError(f"{len(blob)} bytes, of which {end} are described")
    return found


@lru_cache(1024)
def _head(text: bytes) -> Any:
    return json.loads(text)


def _restore(head: Any, blob: bytes, at: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    for name, kind, *rest in head:
        if kind == "array":
            dtype, stored, shape = rest
            values = np.frombuffer(blob, stored, math.prod(shape), at)
            at += values.nbytes
            found[name] = values.reshape(shape).astype(dtype)
        elif kind == "parts":
            of, inner = rest
            nested, at = _restore(inner, blob, at)
            found[name] = getattr(engine, of)(**nested)
        else:
            (found[name],) = rest
    return found, at
