"""EB2: statistics and state."""

from __future__ import annotations

from typing import Any

from planted import Case, conv_bn, frozen, images
from torch import nn


def frozen_backbone() -> dict[str, Any]:
    model = nn.Sequential(frozen(conv_bn()), nn.Conv2d(8, 2, 1))
    return {"model": model.train(), "batch": images()}


def frozen_and_in_eval_mode_until_train() -> dict[str, Any]:
    """eval() once is undone by the next train()."""
    model = nn.Sequential(frozen(conv_bn()), nn.Conv2d(8, 2, 1))
    model[0].eval()
    return {"model": model, "batch": images()}


class KeptInEval(nn.Module):
    """A model whose own train() keeps the backbone in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = frozen(conv_bn())
        self.head = nn.Conv2d(8, 2, 1)

    def train(self, mode: bool = True) -> KeptInEval:
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x: Any) -> Any:
        return self.head(self.backbone(x))


def kept_in_eval() -> dict[str, Any]:
    return {"model": KeptInEval().train(), "batch": images()}


def all_frozen_for_inference() -> dict[str, Any]:
    return {"model": frozen(conv_bn()), "batch": images()}


def poisoned() -> dict[str, Any]:
    model = conv_bn()
    model[1].running_mean[3] = float("inf")
    model[1].running_var[3] = float("nan")
    return {"model": model, "batch": images()}


def negative_variance() -> dict[str, Any]:
    model = conv_bn()
    model[1].running_var[0] = -1.0
    return {"model": model}


def large_but_finite() -> dict[str, Any]:
    model = conv_bn()
    model[1].running_var[0] = 1e30
    return {"model": model, "batch": images()}


def statistics_estimated_again() -> dict[str, Any]:
    arguments = poisoned()
    arguments["model"][1].reset_running_stats()
    return arguments


def keras_momentum() -> dict[str, Any]:
    return {"model": conv_bn(momentum=0.99), "batch": images()}


def momentum_zero() -> dict[str, Any]:
    return {"model": conv_bn(momentum=0.0)}


def momentum_negative() -> dict[str, Any]:
    return {"model": conv_bn(momentum=-0.1)}


def momentum_small() -> dict[str, Any]:
    return {"model": conv_bn(momentum=0.01)}


def momentum_cumulative() -> dict[str, Any]:
    return {"model": conv_bn(momentum=None)}


def momentum_zero_and_frozen() -> dict[str, Any]:
    return {"model": nn.Sequential(frozen(conv_bn(momentum=0.0)), nn.Conv2d(8, 2, 1))}


def momentum_of_a_layer_without_statistics() -> dict[str, Any]:
    return {"model": conv_bn(momentum=0.9, track_running_stats=False)}


CASES = {
    "EB201": Case(
        shows=(frozen_backbone, frozen_and_in_eval_mode_until_train),
        silent=(kept_in_eval, all_frozen_for_inference),
        at=("0.1",),
        says="1 of them is in training mode now",
    ),
    "EB202": Case(
        shows=(poisoned, negative_variance),
        silent=(large_but_finite,),
        mended=statistics_estimated_again,
        at=("1",),
        says="1 channel in 1 layer",
    ),
    "EB205": Case(
        shows=(keras_momentum, momentum_zero, momentum_negative),
        silent=(
            momentum_small,
            momentum_cumulative,
            momentum_zero_and_frozen,
            momentum_of_a_layer_without_statistics,
        ),
        at=("1",),
        says="momentum = 0.99",
    ),
}
