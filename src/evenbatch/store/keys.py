"""What names a curve for good: keys of rows, check sums, and where a curve was made."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache

from evenbatch.data import Dataset, load
from evenbatch.engine import Trial
from evenbatch.engine.machine import machine, versions

Datasets = Mapping[str, Dataset]


class Fingerprints:
    """Keys of rows. A trial names its data set, and two tables may share a name: what names a curve
    for good is the trial and the data's own fingerprint."""

    def __init__(self, datasets: Datasets | None) -> None:
        self.datasets = datasets or {}
        self.found: dict[str, str] = {}

    def of(self, trial: Trial) -> str:
        """The fingerprint of a trial's data."""
        name = trial.data
        if name not in self.found:
            known = name in self.datasets
            dataset = self.datasets[name] if known else load(name)
            self.found[name] = dataset.fingerprint
        return self.found[name]

    def key(self, trial: Trial) -> bytes:
        """The key of its row."""
        return row_key(trial.key, self.of(trial))


def row_key(trial: str, data: str) -> bytes:
    """From the trial's key and the data's fingerprint."""
    return hashlib.sha256(f"{trial} {data}".encode()).digest()[:16]


def sum_of(key: bytes, trial: str, parts: bytes) -> int:
    """SQLite does not notice when the disk changes a byte of a row; this does."""
    return zlib.crc32(parts, zlib.crc32(trial.encode(), zlib.crc32(key)))


def timing_key(trials: Sequence[Trial], data: Fingerprints) -> bytes:
    """Seconds mean something only for the same runs in the same order on the same machine with
    the same packages and kernels."""
    from evenbatch.engine.session import kernels_version

    digest = hashlib.sha256(f"{this_machine()} {these_versions()} {kernels_version()}".encode())
    for trial in trials:
        digest.update(data.key(trial))
    return digest.digest()[:16]


@cache
def this_machine() -> str:
    """This machine as it is kept."""
    return json.dumps(machine(), sort_keys=True)


@cache
def these_versions() -> str:
    """The packages results depend on, as they are kept."""
    return json.dumps(versions(), sort_keys=True)
