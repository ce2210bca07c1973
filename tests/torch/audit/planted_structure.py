"""EB1: structure."""

from __future__ import annotations

from typing import Any

from planted import Case, Net, conv_bn, images, rows
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


CASES = {
    "EB101": Case(
        shows=(bias, bias_without_a_batch),
        silent=(
            bias_read_by_another_too,
            bias_with_an_activation_between,
            bias_before_a_layer_norm,
        ),
        at=("0",),
        says="8 parameters that nothing depends on",
    ),
    "EB102": Case(
        shows=(dropout,),
        silent=(dropout_of_nothing, dropout_before_a_layer_norm),
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
