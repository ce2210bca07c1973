"""EB605 to EB609: what tools make of a model, each with the context that names the tool."""

from __future__ import annotations

from typing import Any

import torch
from planted import Case, Net, conv_bn, images
from torch import nn
from torch.nn import functional as F

from evenbatch.torch import Context


def to(tool: str | bool, model: nn.Module, batch: Any = None) -> dict[str, Any]:
    return {"model": model.eval(), "batch": batch, "context": Context(deploy=tool)}


def _wide(axes: int = 4, channels: int = 4) -> tuple[nn.Module, torch.Tensor]:
    norm = {3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[axes](channels)
    shape = (8, channels, 5, 16) if axes == 4 else (8, channels, 16)
    numbers = torch.Generator().manual_seed(1)
    model = nn.Sequential(nn.Linear(16, 4, bias=False), norm)
    return model, torch.randn(shape, generator=numbers)


def linear_then_channels() -> dict[str, Any]:
    return to(True, *_wide())


def linear_then_channels_for_executorch() -> dict[str, Any]:
    return to("executorch", *_wide())


def unequal_numbers_for_openvino() -> dict[str, Any]:
    return to("openvino", *_wide(channels=6))


def linear_then_channels_for_onnxruntime() -> dict[str, Any]:
    return to("onnxruntime", *_wide())


def three_axes_for_openvino() -> dict[str, Any]:
    return to("openvino", *_wide(3))


def rows_to_rows() -> dict[str, Any]:
    return to(
        True, nn.Sequential(nn.Linear(16, 4, bias=False), nn.BatchNorm1d(4)), torch.randn(8, 16)
    )


def _kelvin(spread: float = 0.3) -> torch.Tensor:
    return 293.15 + spread * images(8, 4)


def kelvin_for_executorch() -> dict[str, Any]:
    return to("executorch", nn.Sequential(nn.GroupNorm(2, 4)), _kelvin())


def kelvin_anywhere() -> dict[str, Any]:
    return to(True, nn.Sequential(nn.InstanceNorm2d(4)), _kelvin())


def kelvin_for_openvino() -> dict[str, Any]:
    return to("openvino", nn.Sequential(nn.GroupNorm(2, 4)), _kelvin())


def kelvin_to_a_wide_layer_norm() -> dict[str, Any]:
    return to("executorch", nn.Sequential(nn.LayerNorm((4, 8, 8))), _kelvin())


def celsius() -> dict[str, Any]:
    return to("executorch", nn.Sequential(nn.GroupNorm(2, 4)), _kelvin() - 293)


def _kept(mean: float, var: float) -> nn.Module:
    model = conv_bn(eps=1e-12)
    model[1].running_mean.fill_(mean)
    model[1].running_var.fill_(var)
    return model


def tiny_variance() -> dict[str, Any]:
    return to("coreml", _kept(0.5, 1e-10))


def far_mean() -> dict[str, Any]:
    return to("openvino", _kept(1000.0, 1.0))


def tiny_variance_for_onnx() -> dict[str, Any]:
    return to("onnx", _kept(0.5, 1e-10))


def ordinary_statistics() -> dict[str, Any]:
    return to(True, _kept(0.5, 2.0))


class _AdaIN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("m", torch.zeros(4))
        self.register_buffer("v", torch.ones(4))

    def forward(self, x: Any) -> Any:
        n = len(x)
        y = x.reshape(1, n * 4, *x.shape[2:])
        mean, var = self.m.repeat(n), self.v.repeat(n)
        return F.batch_norm(y, mean, var, None, None, True).view(x.shape)


def adaptive_instance_norm() -> dict[str, Any]:
    return to("onnx", nn.Sequential(_AdaIN()), images(4, 4))


def no_eps_for_ncnn() -> dict[str, Any]:
    return to("ncnn", nn.Sequential(nn.RMSNorm(8)))


def three_axes_for_ncnn() -> dict[str, Any]:
    return to("ncnn", nn.Sequential(nn.LayerNorm((4, 8, 8))))


def tracking_for_coreml() -> dict[str, Any]:
    return to("coreml", nn.Sequential(nn.InstanceNorm2d(4, track_running_stats=True)))


class _OnePlus(nn.LayerNorm):
    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, self.normalized_shape, self.weight + 1, self.bias, self.eps)


def subclass_for_quanto() -> dict[str, Any]:
    return to("quanto", nn.Sequential(_OnePlus(8)))


def subclass_for_ncnn() -> dict[str, Any]:
    return to("ncnn", nn.Sequential(_OnePlus(8)))


def adaptive_instance_norm_for_executorch() -> dict[str, Any]:
    return to("executorch", nn.Sequential(_AdaIN()), images(4, 4))


def instance_norm_itself() -> dict[str, Any]:
    return to("onnx", Net(lambda net, x: F.instance_norm(x)), images(4, 4))


def no_eps_for_onnx() -> dict[str, Any]:
    return to("onnx", nn.Sequential(nn.RMSNorm(8)))


def dead_channel() -> dict[str, Any]:
    x = images(4, 4)
    x[:, 0] = 10000.3
    return to(True, nn.Sequential(nn.InstanceNorm2d(4)), x)


def dead_channel_at_zero() -> dict[str, Any]:
    x = images(4, 4)
    x[:, 0] = 0.0
    return to(True, nn.Sequential(nn.InstanceNorm2d(4)), x)


def dead_channel_not_deployed() -> dict[str, Any]:
    arguments = dead_channel()
    del arguments["context"]
    return arguments


CASES = {
    "EB605": Case(
        shows=(
            linear_then_channels,
            linear_then_channels_for_executorch,
            unequal_numbers_for_openvino,
        ),
        silent=(linear_then_channels_for_onnxruntime, three_axes_for_openvino),
        mended=rows_to_rows,
        at=("0", "1"),
        says="the linear layer has its 4 features on the last axis of (8, 4, 5, 4)",
    ),
    "EB606": Case(
        shows=(kelvin_for_executorch, kelvin_anywhere),
        silent=(kelvin_for_openvino, kelvin_to_a_wide_layer_norm),
        mended=celsius,
        at=("0",),
        says="standard deviations from 0; executorch calculate",
    ),
    "EB607": Case(
        shows=(tiny_variance, far_mean),
        silent=(tiny_variance_for_onnx,),
        mended=ordinary_statistics,
        at=("1",),
        says="the least running variance with eps is 1.01e-10",
    ),
    "EB608": Case(
        shows=(
            adaptive_instance_norm,
            no_eps_for_ncnn,
            three_axes_for_ncnn,
            tracking_for_coreml,
            subclass_for_quanto,
        ),
        silent=(adaptive_instance_norm_for_executorch, no_eps_for_onnx, subclass_for_ncnn),
        mended=instance_norm_itself,
        at=("0",),
        says="written with the running statistics that it is given, it normalizes no longer",
    ),
    "EB609": Case(
        shows=(dead_channel,),
        silent=(dead_channel_not_deployed,),
        mended=dead_channel_at_zero,
        at=("0",),
        says="sets of values on this batch are constant and not 0",
    ),
}
