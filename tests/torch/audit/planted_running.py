"""EB5: while it trains. These give a training loop to watch, too."""

from __future__ import annotations

from typing import Any

import torch
from planted import Case, Net, conv_bn, frozen, images
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.checkpoint import checkpoint

from evenbatch.torch import Context


def train(model: Any, steps: int = 5, x: Any = None) -> None:
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(images() if x is None else x).square().mean().backward()
        optimizer.step()


def evaluate(model: Any, x: Any = None, eval_mode: bool = True) -> None:
    if eval_mode:
        model.eval()
    with torch.no_grad():
        for _ in range(3):
            model(images(16) if x is None else x)
    model.train()


def eval_forgotten() -> dict[str, Any]:
    def loop(model: Any) -> None:
        train(model)
        evaluate(model, eval_mode=False)

    return {"model": conv_bn(), "loop": loop}


def eval_forgotten_in_inference_mode() -> dict[str, Any]:
    def loop(model: Any) -> None:
        with torch.inference_mode():
            model(images())

    return {"model": conv_bn(), "loop": loop}


def trained_and_evaluated() -> dict[str, Any]:
    def loop(model: Any) -> None:
        train(model, 40)
        evaluate(model)

    return {"model": conv_bn(), "loop": loop}


def statistics_estimated() -> dict[str, Any]:
    """update_bn runs in training mode without gradients, on purpose."""

    def loop(model: Any) -> None:
        train(model)
        update_bn([images(), images()], model)

    return {"model": conv_bn(), "loop": loop}


class Checkpointed(nn.Module):
    """A block whose activations are recomputed."""

    def __init__(self, block: nn.Module, reentrant: bool = False) -> None:
        super().__init__()
        self.block = block
        self.reentrant = reentrant

    def forward(self, x: Any) -> Any:
        if self.reentrant:
            x = x.requires_grad_()
        return checkpoint(self.block, x, use_reentrant=self.reentrant)


def checkpointed() -> dict[str, Any]:
    return {"model": Checkpointed(conv_bn()), "loop": train}


def checkpointed_reentrant() -> dict[str, Any]:
    return {"model": Checkpointed(conv_bn(), reentrant=True), "loop": train}


def checkpointing_declared() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(checkpointing=True)}


def checkpointed_layer_norm() -> dict[str, Any]:
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))
    return {"model": Checkpointed(block), "loop": train}


def one_infinity() -> dict[str, Any]:
    def loop(model: Any) -> None:
        train(model, 2)
        x = images()
        x[0, 0, 0, 0] = float("inf")
        with torch.enable_grad():
            model(x)
        train(model, 2)

    return {"model": conv_bn(), "loop": loop}


def overflowing_statistics() -> dict[str, Any]:
    """Finite values whose square is not."""

    def loop(model: Any) -> None:
        model.train()
        model(1e20 * images())

    return {"model": nn.Sequential(nn.BatchNorm2d(3)), "loop": loop}


def broken_before() -> dict[str, Any]:
    """EB202's: it did not happen while watched."""

    def loop(model: Any) -> None:
        evaluate(model)

    model = conv_bn()
    model[1].running_mean[0] = float("inf")
    return {"model": model, "loop": loop}


def evaluated_on_other_data() -> dict[str, Any]:
    def loop(model: Any) -> None:
        train(model, 40)
        evaluate(model, 255 * images(16))

    return {"model": conv_bn(), "loop": loop}


def evaluated_before_and_after() -> dict[str, Any]:
    """Each evaluation is compared with the statistics of its moment, not with the last ones."""

    def loop(model: Any) -> None:
        train(model, 40)
        evaluate(model)
        train(model, 40, 100 * images(16))
        evaluate(model, 100 * images(16))

    return {"model": nn.Sequential(nn.BatchNorm2d(3)), "loop": loop}


def evaluated_only() -> dict[str, Any]:
    """A new model: nothing is expected of its statistics."""

    def loop(model: Any) -> None:
        evaluate(model, 255 * images(16))

    return {"model": conv_bn(), "loop": loop}


def frozen_and_trained() -> dict[str, Any]:
    return {"model": nn.Sequential(frozen(conv_bn()), nn.Conv2d(8, 2, 1)), "loop": train}


def frozen_and_kept() -> dict[str, Any]:
    def loop(model: Any) -> None:
        model[0].train = lambda mode=True: model[0]
        train(model)

    model = nn.Sequential(frozen(conv_bn()), nn.Conv2d(8, 2, 1))
    model[0].eval()
    return {"model": model, "loop": loop}


def _twice(model: Any) -> None:
    """A discriminator's step: real and generated, one backward."""
    model.train()
    for _ in range(2):
        loss = model(images()).mean() - model(images() + 1).mean()
        loss.backward()


def two_passes_on_two_devices() -> dict[str, Any]:
    return {"model": conv_bn(), "loop": _twice, "context": Context(world_size=2)}


def two_passes_declared() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(world_size=2, forwards_per_backward=2)}


def two_passes_on_one_device() -> dict[str, Any]:
    return {"model": conv_bn(), "loop": _twice}


def one_pass_on_two_devices() -> dict[str, Any]:
    return {"model": conv_bn(), "loop": train, "context": Context(world_size=2)}


def two_passes_without_broadcasting() -> dict[str, Any]:
    context = Context(world_size=2, broadcast_buffers=False)
    return {"model": conv_bn(), "loop": _twice, "context": context}


def shared_while_training() -> dict[str, Any]:
    def run(net: Any, x: Any) -> Any:
        return net.bn(net.bn(x).relu())

    return {"model": Net(run, bn=nn.BatchNorm2d(3)), "loop": train}


def _back(model: Any, x: Any) -> None:
    model(x).square().mean().backward()


def validated_in_the_middle() -> dict[str, Any]:
    """vsepp#4: eval() after some steps, train() only at the beginning of an epoch."""

    def loop(model: Any) -> None:
        train(model, 2)
        model.eval()
        for _ in range(3):
            _back(model, images())

    return {"model": conv_bn(), "loop": loop}


def never_in_training_mode() -> dict[str, Any]:
    def loop(model: Any) -> None:
        for _ in range(3):
            _back(model.eval(), images())

    return {"model": conv_bn(), "loop": loop}


def frozen_norms_in_training() -> dict[str, Any]:
    """Only the norms are in evaluation mode: their statistics are kept on purpose."""

    def loop(model: Any) -> None:
        model.train()
        model[1].eval()
        for _ in range(3):
            _back(model, images())

    return {"model": conv_bn(), "loop": loop}


def gradients_of_an_input() -> dict[str, Any]:
    """Saliency: a backward pass in evaluation mode that trains nothing."""

    def loop(model: Any) -> None:
        x = images().requires_grad_()
        torch.autograd.grad(model.eval()(x).sum(), x)

    return {"model": conv_bn(), "loop": loop}


def _of_one_sort(ordered: bool) -> dict[str, Any]:
    def loop(model: Any) -> None:
        numbers = torch.Generator().manual_seed(0)
        for step in range(16):
            sorts = torch.full((32, 1), step // 4) if ordered else torch.arange(32)[:, None] % 4
            _back(model.train(), 6.0 * sorts + torch.randn(32, 4, generator=numbers))

    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8))
    return {"model": model, "loop": loop}


def batches_of_one_sort() -> dict[str, Any]:
    return _of_one_sort(True)


def batches_of_all_sorts() -> dict[str, Any]:
    return _of_one_sort(False)


CASES = {
    "EB507": Case(
        shows=(validated_in_the_middle, never_in_training_mode),
        silent=(frozen_norms_in_training, gradients_of_an_input),
        mended=trained_and_evaluated,
        at=("1",),
        says="3 backward passes with the model in evaluation mode",
    ),
    "EB508": Case(
        shows=(batches_of_one_sort,),
        silent=(trained_and_evaluated,),
        mended=batches_of_all_sorts,
        at=("1",),
        says="the means of 16 training batches",
    ),
    "EB501": Case(
        shows=(eval_forgotten, eval_forgotten_in_inference_mode),
        silent=(statistics_estimated, checkpointed_reentrant),
        mended=trained_and_evaluated,
        at=("1",),
        says="in 3 forward passes without gradients",
    ),
    "EB502": Case(
        shows=(checkpointed, checkpointed_reentrant, checkpointing_declared),
        silent=(trained_and_evaluated, checkpointed_layer_norm),
        at=("block.1",),
        says="moved again in 5 backward passes",
    ),
    "EB503": Case(
        shows=(one_infinity, overflowing_statistics),
        silent=(broken_before,),
        mended=trained_and_evaluated,
        at=("1",),
        says="in training pass 3, first in '1'; its input was not finite",
    ),
    "EB504": Case(
        shows=(evaluated_on_other_data,),
        silent=(evaluated_only, evaluated_before_and_after),
        mended=trained_and_evaluated,
        at=("1",),
        says="than the 48 examples evaluated",
    ),
    "EB505": Case(
        shows=(frozen_and_trained,),
        silent=(trained_and_evaluated,),
        mended=frozen_and_kept,
        at=("0.1",),
        says="1 frozen batch norm moved",
    ),
    "EB506": Case(
        shows=(two_passes_on_two_devices, two_passes_declared),
        silent=(two_passes_on_one_device, one_pass_on_two_devices),
        mended=two_passes_without_broadcasting,
        at=("1",),
        says="2 forward passes before a backward pass on 2 devices",
    ),
}
