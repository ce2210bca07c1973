"""The processes that train one model together: one, or those that torchrun started."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from itertools import zip_longest
from typing import Any, NoReturn

import torch
from torch import distributed

from evenbatch.torch.comparing.errors import CompareError, short


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Every decision of a comparison follows from numbers that all ranks share, so that all of them
    do the same runs in the same order.

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

    def mean(self, value: float, failed: Exception | None = None) -> float:
        """The mean over the processes; not finite if one of them is not.

        Raises:
            Exception: `failed`, where this process could not calculate its value.
            CompareError: another process could not.
        """
        if self.world > 1:
            total = torch.zeros(1 + self.world, dtype=torch.float64, device=self._carrier)
            total[0] = value
            total[1 + self.rank] = failed is not None
            distributed.all_reduce(total)
            value, *failures = total.tolist()
            if any(failures):
                self._end_with(failures.index(1), failed)
            value /= self.world
        if failed is not None:
            raise failed
        return value

    def _end_with(self, who: int, failed: Exception | None) -> NoReturn:
        """Tell all processes what failed in the first that did."""
        holder: list[Any] = [None]
        if failed is not None:
            holder[0] = str(failed) if isinstance(failed, CompareError) else short(failed)
        distributed.broadcast_object_list(holder, src=who, device=self._carrier)
        if failed is None:
            raise CompareError(f"process {who} failed: {holder[0]}")
        raise failed

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Around what each process does by itself. If it fails in one, all of them end here: one
        that leaves would let the others wait for it in what they do together."""
        failed = None
        try:
            yield
        except Exception as error:
            failed = error
        self.mean(0.0, failed)

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
        with self.agreed():
            own = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
            other = next((a for a in zip_longest(own, self.shared(own)) if a[0] != a[1]), None)
            if other is not None:
                raise CompareError(
                    f"the model of process {self.rank} is another than that of process 0: its "
                    f"{_said(other[0])} stands where there {_said(other[1])} is; make_model must "
                    "give the same in every process"
                )
        devices = [self.device.index] if self.device.type == "cuda" else None
        parallel = torch.nn.parallel.DistributedDataParallel
        known = signature(parallel).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        options: dict[str, Any] = {name: False}  # `same_buffers` does it
        return parallel(model, device_ids=devices, **options)

    def same_buffers(self, model: Any) -> None:
        """Give all processes the first one's buffers, as DistributedDataParallel does.

        It would do so inside the forward pass, where a process whose loss function fails before it
        calls the model leaves the others waiting.
        """
        if self.world == 1:
            return
        kinds: dict[Any, list[Any]] = {}
        for buffer in model.buffers():
            kinds.setdefault(buffer.dtype, []).append(buffer)
        with torch.no_grad():
            for buffers in kinds.values():
                flat = torch.cat([buffer.reshape(-1) for buffer in buffers])
                distributed.broadcast(flat, src=0)
                parts = flat.split([buffer.numel() for buffer in buffers])
                for buffer, part in zip(buffers, parts, strict=True):
                    buffer.copy_(part.view_as(buffer))


def joined(device: str | None) -> Ranks:
    """This process's place; a process group is made under torchrun if there is none yet.

    It stays for the next comparison: made anew under one torchrun, a group may find the addresses
    of the one before, and one that ends while models still hold it can wait for itself for ever.

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
        atexit.register(_leave)
    if available and distributed.is_initialized():
        return Ranks(place, distributed.get_rank(), distributed.get_world_size())
    return Ranks(place)


def _leave() -> None:
    if distributed.is_initialized():
        gc.collect()  # models wrapped for the group, which would outlive it
        distributed.destroy_process_group()


def _said(parameter: Any) -> str:
    return "nothing" if parameter is None else f"{parameter[0]!r} {parameter[1]}"


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
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if several else 1
        if device.index is None and beside > torch.cuda.device_count():
            raise CompareError(
                f"there are {beside} processes on this machine, but PyTorch sees "
                f"{torch.cuda.device_count()} CUDA devices; start as many processes as devices, or "
                'say device="cpu"'
            )
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) if several else 0)
        if device.index >= torch.cuda.device_count():
            raise CompareError(
                f"device is {device}, but PyTorch sees {torch.cuda.device_count()} CUDA devices"
            )
    return device
