"""The arms' models: made by the user's factory, started from the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from evenbatch.torch.comparing.batches import seeded
from evenbatch.torch.comparing.errors import CompareError, short
from evenbatch.torch.comparing.ranks import Ranks
from evenbatch.torch.measuring.known import kind_of
from evenbatch.torch.rewrite import Rewrite, sync

OPTIMIZERS: dict[str, Callable[[Any, float], Any]] = {
    "sgd": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
    "momentum": lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
    "adamw": lambda parameters, rate: torch.optim.AdamW(parameters, lr=rate),
}

Make = Callable[[str], Any]


def made(make_model: Make, arm: str, seed: int) -> nn.Module:
    """One arm's model, its random numbers set by the seed.

    Raises:
        CompareError: the factory fails, or gives no module.
    """
    with seeded(seed):
        try:
            model = make_model(arm)
        except CompareError:
            raise
        except Exception as error:
            raise CompareError(f"make_model({arm!r}) fails: {short(error)}") from error
    if isinstance(model, Rewrite):
        model = model.model
    if not isinstance(model, nn.Module):
        hint = "; does it return its model?" if model is None else ""
        raise CompareError(
            f"make_model({arm!r}) gives a {type(model).__name__}, not a torch.nn.Module{hint}"
        )
    for name, tensor in model.named_parameters():
        if isinstance(tensor, nn.parameter.UninitializedParameter):
            raise CompareError(
                f"make_model({arm!r}): {name} is lazy, its shape is not known yet; run the model "
                "on a batch in make_model"
            )
    return model


def paired(make_model: Make, arms: Sequence[str], arm: str, seed: int) -> tuple[nn.Module, float]:
    """One arm's model with the first arm's initial weights, and the share of weights they share.

    A weight is taken over where name and shape agree, and what is left in order where layer and
    shape do. Norm layers keep their own start unless both arms have one there.
    """
    model = made(make_model, arm, seed)
    if arm == arms[0]:
        return model, 1.0
    first = made(make_model, arms[0], seed)
    ours, theirs = _tensors(model), _tensors(first)
    pairs = {
        name: name
        for name, (owner, tensor) in ours.items()
        if name in theirs and _alike(owner, tensor, *theirs[name])
    }
    left = [name for name in theirs if name not in pairs]
    for name, (owner, tensor) in ours.items():
        if name not in pairs and not _is_norm(owner):
            for place, other in enumerate(left):
                if _alike(owner, tensor, *theirs[other]) and not _is_norm(theirs[other][0]):
                    pairs[name] = other
                    del left[: place + 1]
                    break
    with torch.no_grad():
        for name, other in pairs.items():
            ours[name][1].copy_(theirs[other][1])
    weights = {n: t.numel() for n, (owner, t) in ours.items() if not _is_norm(owner)}
    shared = sum(size for name, size in weights.items() if name in pairs)
    return model, shared / max(sum(weights.values()), 1)


def _tensors(model: nn.Module) -> dict[str, tuple[nn.Module, Any]]:
    """Parameters by name, each with the layer it belongs to."""
    return {
        f"{path}.{name}" if path else name: (owner, tensor)
        for path, owner in model.named_modules()
        for name, tensor in owner.named_parameters(recurse=False)
    }


def _is_norm(owner: nn.Module) -> bool:
    return kind_of(owner) is not None


def _alike(owner: nn.Module, tensor: Any, other: nn.Module, theirs: Any) -> bool:
    if tensor.shape != theirs.shape or tensor.is_meta or theirs.is_meta:
        return False
    own = not any(type(layer).__module__.startswith("torch.nn") for layer in (owner, other))
    return type(owner) is type(other) or (own and not _is_norm(owner) and not _is_norm(other))


def synced(model: nn.Module, arm: str, ranks: Ranks) -> nn.Module:
    """The model with batch norm statistics over all processes.

    Raises:
        CompareError: on the CPU, where PyTorch has no synchronized batch norm.
    """
    if ranks.world > 1 and ranks.device.type != "cuda":
        raise CompareError(
            f"sync=True, but {arm!r} trains on {ranks.device.type}, and PyTorch's SyncBatchNorm "
            "works on CUDA devices only; leave sync out (each process then normalizes its own "
            "share of the batch) or train on CUDA"
        )
    return sync(model).model


def optimizer_of(optimizer: Any, model: nn.Module, rate: float, arm: str) -> Any:
    """An optimizer over the model's parameters.

    Raises:
        CompareError: the user's function fails or gives no optimizer, or nothing can be trained.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise CompareError(f"the model of {arm!r} has no parameters that can be trained")
    if isinstance(optimizer, str):
        return OPTIMIZERS[optimizer](parameters, rate)
    try:
        found = optimizer(parameters, rate)
    except Exception as error:
        raise CompareError(
            f"optimizer(parameters, learning_rate) fails for {arm!r}: {short(error)}"
        ) from error
    if not hasattr(found, "step") or not hasattr(found, "zero_grad"):
        raise CompareError(
            f"optimizer(parameters, learning_rate) gives a {type(found).__name__}, no optimizer"
        )
    return found
