"""EB1: structure."""

from __future__ import annotations

from typing import Any

import torch
from planted import Case, Net, conv_bn, frozen, images, rows
from torch import nn


def bias() -> dict[str, Any]:
    return {"model": conv_bn(bias=True), "batch": images()}


def bias_without_a_batch() -> dict[str, Any]:
    return {"model": conv_bn(bias=True)}


def bias_read_by_another_too() -> dict[str, Any]:
    """The convolution's output skips past the norm: its bias matters."""

    def run(net: Any, x: Any) -> Any:
        y = net.conv(x)
        return net.bn(y) + y

    return {"model": Net(run, conv=nn.Conv2d(3, 8, 3), bn=nn.BatchNorm2d(8)), "batch": images()}


def bias_with_an_activation_between() -> dict[str, Any]:
    return {
        "model": nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8)),
        "batch": rows(),
    }


def bias_before_a_layer_norm() -> dict[str, Any]:
    """Layer norm takes the mean over the features: their own biases stay."""
    return {"model": nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8)), "batch": rows()}


def bias_of_features_that_are_no_channels() -> dict[str, Any]:
    """(N, L, C) into BatchNorm1d(L): each position's mean is over the features, and keeps them."""
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(10))
    return {"model": model, "batch": torch.randn(32, 10, 4)}


def dropout() -> dict[str, Any]:
    model = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 8, bias=False), nn.BatchNorm1d(8)
    )
    return {"model": model, "batch": rows()}


def dropout_after() -> dict[str, Any]:
    model = nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 8)
    )
    return {"model": model, "batch": rows()}


def dropout_of_nothing() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Dropout(0.0), nn.BatchNorm1d(4)), "batch": rows()}


def dropout_before_a_layer_norm() -> dict[str, Any]:
    """As in every transformer: layer norm has no running statistics."""
    return {"model": nn.Sequential(nn.Dropout(0.5), nn.LayerNorm(4)), "batch": rows()}


def _steps(net: Any, x: Any) -> Any:
    for _ in range(3):
        x = net.bn(net.conv(x)).relu()
    return x


def _conv(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, 3, 3, padding=1, bias=False)


def shared() -> dict[str, Any]:
    return {"model": Net(_steps, conv=_conv(3), bn=nn.BatchNorm2d(3)), "batch": images()}


def shared_without_a_batch() -> dict[str, Any]:
    return {"model": Net(_steps, conv=_conv(3), bn=nn.BatchNorm2d(3))}


def conv_shared_norms_apart() -> dict[str, Any]:
    def run(net: Any, x: Any) -> Any:
        for bn in (net.bn1, net.bn2):
            x = bn(net.conv(x)).relu()
        return x

    model = Net(run, conv=_conv(3), bn1=nn.BatchNorm2d(3), bn2=nn.BatchNorm2d(3))
    return {"model": model, "batch": images()}


def layer_norm_shared() -> dict[str, Any]:
    def run(net: Any, x: Any) -> Any:
        return net.ln(net.ln(x).relu())

    return {"model": Net(run, ln=nn.LayerNorm(4)), "batch": rows()}


def registered_twice_called_once() -> dict[str, Any]:
    bn = nn.BatchNorm2d(3)

    def run(net: Any, x: Any) -> Any:
        return net.bn(x)

    return {"model": Net(run, bn=bn, also=bn), "batch": images()}


class Added(nn.Module):
    """Dropout's output is added to what goes around it, or put beside it."""

    def __init__(self, join: Any, rate: float) -> None:
        super().__init__()
        self.join, self.first, self.drop = join, nn.Linear(4, 4), nn.Dropout(rate)
        self.last = nn.Linear(8 if join is beside else 4, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        return self.norm(self.last(self.join(x, self.drop(self.first(x).relu()))))


def beside(x: Any, y: Any) -> Any:
    return torch.cat([x, y], 1)


def dropout_through_an_addition() -> dict[str, Any]:
    return {"model": Added(torch.add, 0.9), "batch": 3 * rows(256)}


def dropout_through_a_concatenation() -> dict[str, Any]:
    return {"model": Added(beside, 0.9), "batch": 3 * rows(256)}


def dropout_thinned_by_what_is_added() -> dict[str, Any]:
    return {"model": Added(lambda x, y: 20 * x + y, 0.1), "batch": rows(256)}


def dropout_before_batch_statistics() -> dict[str, Any]:
    """What keeps no running variance has none that is wrong."""
    norm = nn.BatchNorm1d(4, track_running_stats=False)
    return {"model": nn.Sequential(nn.Dropout(0.5), norm), "batch": rows(), "select": ["EB1"]}


def _adapting(**settings: Any) -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, **settings), nn.ReLU(), nn.Dropout2d(0.3)
    )
    frozen(model)[1].requires_grad_(True)
    return model.train()


def adapting_with_dropout() -> dict[str, Any]:
    return {"model": _adapting(track_running_stats=False), "batch": images()}


def adapting_in_evaluation_mode() -> dict[str, Any]:
    return {"model": _adapting(track_running_stats=False).eval(), "batch": images()}


def fine_tuning_of_norms() -> dict[str, Any]:
    """With running statistics it is training, and dropout belongs to it."""
    return {"model": _adapting(), "batch": images()}


CASES = {
    "EB104": Case(
        shows=(adapting_with_dropout,),
        silent=(fine_tuning_of_norms,),
        mended=adapting_in_evaluation_mode,
        at=("3",),
        says="1 dropout layer (p = 0.3) is in training mode too",
    ),
    "EB101": Case(
        shows=(bias, bias_without_a_batch),
        silent=(
            bias_read_by_another_too,
            bias_with_an_activation_between,
            bias_before_a_layer_norm,
            bias_of_features_that_are_no_channels,
        ),
        at=("0",),
        says="8 parameters that nothing depends on",
    ),
    "EB102": Case(
        shows=(dropout, dropout_through_an_addition, dropout_through_a_concatenation),
        silent=(
            dropout_of_nothing,
            dropout_before_a_layer_norm,
            dropout_thinned_by_what_is_added,
            dropout_before_batch_statistics,
        ),
        mended=dropout_after,
        at=("4",),
        says="(p = 0.5)",
    ),
    "EB103": Case(
        shows=(shared, shared_without_a_batch),
        silent=(layer_norm_shared, registered_twice_called_once),
        mended=conv_shared_norms_apart,
        at=("bn",),
        says="called 3 times in one forward pass",
    ),
}
