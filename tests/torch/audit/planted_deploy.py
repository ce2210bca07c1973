"""EB605 to EB612: what tools make of a model, each with the context that names the tool."""

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


def unequal_numbers_for_ncnn() -> dict[str, Any]:
    return to("ncnn", *_wide(channels=6))


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


class _Wider(nn.LayerNorm):
    """Another class, which does the same."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.float()).to(x.dtype)


def equal_subclass_for_quanto() -> dict[str, Any]:
    model = nn.Sequential(_Wider(8))
    nn.init.normal_(model[0].weight)
    return to("quanto", model)


def _zero_gain(*before: nn.Module) -> nn.Module:
    model = nn.Sequential(*before, nn.BatchNorm2d(3))
    with torch.no_grad():
        model[-1].weight[1] = 0
    return model


def zero_gain_for_torchao() -> dict[str, Any]:
    return to("torchao", _zero_gain(nn.Conv2d(3, 3, 3, bias=False)), images())


def zero_gain_behind_a_relu() -> dict[str, Any]:
    return to("torchao", _zero_gain(nn.ReLU()), images())


def zero_gain_for_onnx() -> dict[str, Any]:
    return to("onnx", _zero_gain(nn.Conv2d(3, 3, 3, bias=False)), images())


def small_gain_for_torchao() -> dict[str, Any]:
    arguments = zero_gain_for_torchao()
    nn.init.constant_(arguments["model"][1].weight, 1e-4)
    return arguments


class _Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = (
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Any) -> Any:
        return self.last(self.relu(self.norm(self.conv(x))))


def _adapted(**settings: Any) -> dict[str, Any]:
    import peft

    config = peft.LoraConfig(r=2, target_modules=["conv"], **settings)
    return {"model": peft.get_peft_model(_Images(), config), "batch": images()}


def adapter_without_statistics() -> dict[str, Any]:
    return _adapted()


def adapter_with_another_module() -> dict[str, Any]:
    return _adapted(modules_to_save=["last"])


def adapter_with_statistics() -> dict[str, Any]:
    return _adapted(modules_to_save=["norm"])


def no_adapter() -> dict[str, Any]:
    return {"model": _Images(), "batch": images()}


def carried_out_by_torchscript() -> dict[str, Any]:
    model, batch = _wide()
    return {"model": _shifted(model), "batch": batch, "to": "torchscript"}


def unequal_numbers_by_torchscript() -> dict[str, Any]:
    model, batch = _wide(channels=6)
    return {"model": _shifted(model), "batch": batch, "to": "torchscript"}


def rows_by_torchscript() -> dict[str, Any]:
    arguments = rows_to_rows()
    del arguments["context"]
    return {**arguments, "model": _shifted(arguments["model"]), "to": "torchscript"}


def _shifted(model: nn.Module) -> nn.Module:
    model[1].running_mean.copy_(torch.arange(len(model[1].running_mean)))
    return model.eval()


CASES = {
    "EB605": Case(
        shows=(
            linear_then_channels,
            linear_then_channels_for_executorch,
            unequal_numbers_for_openvino,
            unequal_numbers_for_ncnn,
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
        silent=(
            adaptive_instance_norm_for_executorch,
            no_eps_for_onnx,
            subclass_for_ncnn,
            equal_subclass_for_quanto,
        ),
        mended=instance_norm_itself,
        at=("0",),
        says="written with the running statistics that it is given, it normalizes no longer",
    ),
    "EB610": Case(
        shows=(carried_out_by_torchscript,),
        silent=(unequal_numbers_by_torchscript,),
        mended=rows_by_torchscript,
        at=("1",),
        says="by itself, given the same, it agrees: what stands before it is changed. EB605 says",
    ),
    "EB611": Case(
        shows=(zero_gain_for_torchao,),
        silent=(zero_gain_behind_a_relu, zero_gain_for_onnx),
        mended=small_gain_for_torchao,
        at=("1",),
        says="1 gamma of 3 is exactly 0",
    ),
    "EB612": Case(
        shows=(adapter_without_statistics, adapter_with_another_module),
        silent=(no_adapter,),
        mended=adapter_with_statistics,
        at=("base_model.model.norm",),
        says="the running statistics of 1 norm layer move while the adapter trains",
    ),
    "EB609": Case(
        shows=(dead_channel,),
        silent=(dead_channel_not_deployed,),
        mended=dead_channel_at_zero,
        at=("0",),
        says="sets of values on this batch are constant and not 0",
    ),
}
