"""The processes that train one model together: one, or those that torchrun started."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from evenbatch.torch.comparing.errors import CompareError


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Every decision of a comparison follows from numbers that all ranks share, so that all of them
    train the same trainings in the same order.

    Attributes:
        device: where this process trains.
        rank, world: its number, and how many there are.
    """

    device: Any
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """True in the process that evaluates, shows progress and writes."""
        return self.rank == 0

    def shared(self, value: Any) -> Any:
        """The first process's value, in all of them."""
        if self.world == 1:
            return value
        holder = [value]
        distributed.broadcast_object_list(holder, src=0, device=self._carrier)
        return holder[0]

    def mean(self, value: float) -> float:
        """The mean over the processes; not finite if one of them is not."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self._carrier)
        distributed.all_reduce(total)
        return float(total) / self.world

    def finish_step(self) -> None:
        """Wait until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    @property
    def _carrier(self) -> Any:
        return self.device if distributed.get_backend() == "nccl" else torch.device("cpu")

    def wrapped(self, model: Any) -> Any:
        """The model as it is trained: with gradients averaged if there are several processes."""
        if self.world == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(model, device_ids=devices)


@contextmanager
def joined(device: str | None) -> Iterator[Ranks]:
    """This process's place; a process group is made under torchrun if there is none yet, and kept.

    Args:
        device: "cpu", "cuda", "cuda:1"; None for CUDA where there is any. Under torchrun "cuda"
            is the device of the local rank.

    Raises:
        CompareError: there is no such device.
    """
    available = distributed.is_available()
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    place = _device(device, several)
    if available and several and not distributed.is_initialized():
        if place.type == "cuda":
            torch.cuda.set_device(place)
        distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
        # It stays until the program ends: a second group, made after the first was destroyed, finds
        # the first one's addresses in the store, and its processes wait for each other for good.
        atexit.register(_leave)
        # One that leaves at once, having refused what was asked, would let another wait half an
        # hour for its connection.
        distributed.barrier(device_ids=[place.index] if place.type == "cuda" else None)
    if available and distributed.is_initialized():
        yield Ranks(place, distributed.get_rank(), distributed.get_world_size())
    else:
        yield Ranks(place)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _device(asked: str | None, several: bool) -> Any:
    there = torch.cuda.is_available()
    try:
        device = torch.device(asked or ("cuda" if there else "cpu"))
    except RuntimeError as error:
        raise CompareError(f"device is {asked!r}, which PyTorch does not know: {error}") from None
    if device.type == "cuda":
        if not there:
            raise CompareError(
                f"device is {asked!r}, but PyTorch sees no CUDA device here; leave it out or say "
                'device="cpu"'
            )
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) if several else 0)
        if device.index >= torch.cuda.device_count():
            raise CompareError(
                f"device is {device}, but PyTorch sees {torch.cuda.device_count()} CUDA devices"
            )
    return device
