"""The batches of every training: the same for every arm with the same seed, in the same order."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import Dataset, TensorDataset, default_collate

from evenbatch.torch.comparing.errors import CompareError, short

TEST_BATCH = 512
SAMPLED = 32  # items whose content stands for a data set that is not held as tensors


class Feed(Protocol):
    """Where batches come from."""

    def training(self, seed: int) -> Iterator[Any]:
        """Batches without end; the same ones for the same seed."""
        ...

    def testing(self, seed: int) -> Iterable[Any]:
        """The test batches."""
        ...

    def fingerprint(self) -> str:
        """A hash of the data."""
        ...

    def words(self) -> str:
        """How much there is of it."""
        ...


def feed_of(data: Any, batch_size: int, rank: int, world: int) -> Feed:
    """A feed from what the user gave as `data`.

    Raises:
        CompareError: it is neither a pair (training, test) nor a function of the seed.
    """
    if callable(data) and not isinstance(data, (Dataset, Sequence)):
        return Loaders(data)
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        found = f"{type(data).__name__} of {len(data)}" if isinstance(data, (tuple, list)) else ""
        raise CompareError(
            f"data is a {found or type(data).__name__}; give (training, test), each a Dataset or a "
            "tuple of tensors (inputs …, target), or a function that makes both loaders from a seed"
        )
    return Rows(_dataset(data[0], "training"), _dataset(data[1], "test"), batch_size, rank, world)


def _dataset(part: Any, what: str) -> Any:
    if isinstance(part, (tuple, list)) and part and all(torch.is_tensor(t) for t in part):
        sizes = {len(t) for t in part}
        if len(sizes) > 1:
            raise CompareError(f"the {what} data are tensors of {sorted(sizes)} rows; give as many")
        part = TensorDataset(*part)
    if not hasattr(part, "__getitem__") or not hasattr(part, "__len__"):
        raise CompareError(
            f"the {what} data are a {type(part).__name__}; they must be a Dataset with a length, "
            "or a tuple of tensors (inputs …, target). For an iterable, give a function that makes "
            "both loaders from a seed"
        )
    if not len(part):
        raise CompareError(f"the {what} data have no rows")
    return part


class Rows:
    """Rows in an order that follows from the seed; each batch is split among the processes.

    Where rows are made at random when they are read (augmentation), PyTorch's, Python's and NumPy's
    random numbers are set from seed and step before each batch, and put back.
    """

    def __init__(self, train: Any, test: Any, batch_size: int, rank: int, world: int) -> None:
        if batch_size % world:
            raise CompareError(
                f"batch_size is {batch_size}, which {world} processes cannot share evenly"
            )
        if batch_size > len(train):
            raise CompareError(
                f"batch_size is {batch_size}, but there are {len(train)} training rows"
            )
        self.train, self.test = train, test
        self.batch_size, self.rank, self.world = batch_size, rank, world

    def training(self, seed: int) -> Iterator[Any]:
        """See `Feed`; each pass over the rows has an order of its own, the rest is left out."""
        for epoch in range(1 << 62):
            order = np.random.default_rng([seed, epoch]).permutation(len(self.train))
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                rows = order[start : start + self.batch_size][self.rank :: self.world]
                with seeded(hash((seed, epoch, start)) % (1 << 32)):
                    batch = _read(self.train, rows)
                yield batch

    def testing(self, seed: int) -> Iterable[Any]:
        """See `Feed`."""
        for start in range(0, len(self.test), TEST_BATCH):
            rows = np.arange(start, min(start + TEST_BATCH, len(self.test)))
            with seeded(start):
                batch = _read(self.test, rows)
            yield batch

    def fingerprint(self) -> str:
        """All of it where it is held in tensors, else the length and some items."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            if isinstance(part, TensorDataset):
                whole: Any = part.tensors
            else:
                with seeded(0):
                    picked = np.linspace(0, len(part) - 1, min(SAMPLED, len(part))).astype(int)
                    whole = [len(part), [part[int(i)] for i in picked]]
            _take_in(digest, whole)
        return digest.hexdigest()[:24]

    def words(self) -> str:
        """See `Feed`."""
        return f"{len(self.train)} training and {len(self.test)} test rows"


def _read(data: Any, rows: Any) -> Any:
    if isinstance(data, TensorDataset):
        picked = torch.from_numpy(rows)
        return tuple(t[picked.to(t.device)] for t in data.tensors)
    return default_collate([data[int(row)] for row in rows])


class Loaders:
    """The user's own loaders: ``make(seed)`` gives (training, test), each iterable again and again.

    That the same seed gives the same batches is the function's promise; the first batch of each
    training is compared, and another one is an error.
    """

    def __init__(self, make: Callable[[int], Any]) -> None:
        self.make = make
        self.seen: dict[int, str] = {}
        self.made: tuple[int, Any] | None = None

    def _both(self, seed: int) -> Any:
        try:
            both = self.make(seed)
            train, test = both
            iter(train), iter(test)
        except Exception as error:
            raise CompareError(
                f"data({seed}) must give two loaders, (training, test): {short(error)}"
            ) from error
        return train, test

    def training(self, seed: int) -> Iterator[Any]:
        """See `Feed`."""
        train, test = self._both(seed)
        self.made = seed, test
        first = True
        while True:
            empty = True
            for batch in train:
                if first:
                    self._compare(seed, batch)
                first = empty = False
                yield batch
            if empty:
                raise CompareError(
                    f"the training loader of seed {seed} gave no batch on pass "
                    f"{1 if first else 2}; a loader must be iterable again and again"
                )

    def _compare(self, seed: int, batch: Any) -> None:
        digest = hashlib.sha256()
        _take_in(digest, batch)
        if self.seen.setdefault(seed, digest.hexdigest()) != digest.hexdigest():
            raise CompareError(
                f"data({seed}) gave another first batch than before, so arms would not see the "
                "same batches; let the order follow from the seed, as with "
                "DataLoader(…, shuffle=True, generator=torch.Generator().manual_seed(seed))"
            )

    def testing(self, seed: int) -> Iterable[Any]:
        """See `Feed`."""
        if self.made is None or self.made[0] != seed:
            self.made = seed, self._both(seed)[1]
        found: Iterable[Any] = self.made[1]
        return found

    def fingerprint(self) -> str:
        """The first batches of seed 0."""
        digest = hashlib.sha256()
        for loader in self._both(0):
            _take_in(digest, next(iter(loader)))
        return digest.hexdigest()[:24]

    def words(self) -> str:
        """See `Feed`."""
        return "loaders of your own"


def _take_in(digest: Any, value: Any) -> None:
    """Feed a nest of tensors and plain values to a hash."""
    if torch.is_tensor(value):
        digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    elif isinstance(value, Mapping):
        for name, item in value.items():
            digest.update(str(name).encode())
            _take_in(digest, item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _take_in(digest, item)
    else:
        digest.update(repr(value).encode())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of PyTorch (CPU), Python and NumPy from this seed; afterwards as before."""
    before = random.getstate(), np.random.get_state(), torch.random.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.random.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.random.set_rng_state(before[2])


def moved(batch: Any, device: Any) -> Any:
    """The batch on the device; what is no tensor stays.

    >>> moved({"x": torch.zeros(2), "ids": ["a", "b"]}, "cpu")["ids"]
    ['a', 'b']
    """
    if torch.is_tensor(batch):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {name: moved(item, device) for name, item in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(item, device) for item in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(moved(item, device) for item in batch)
    return batch


def rows_in(batch: Any) -> int:
    """Rows of a batch: the length of its first tensor.

    >>> rows_in((torch.zeros(8, 3), torch.zeros(8)))
    8
    """
    if torch.is_tensor(batch):
        return len(batch) if batch.dim() else 1
    inside = list(batch.values()) if isinstance(batch, Mapping) else batch
    if isinstance(inside, (tuple, list)):
        for item in inside:
            if torch.is_tensor(item) or isinstance(item, (tuple, list, Mapping)):
                return rows_in(item)
    return 1
