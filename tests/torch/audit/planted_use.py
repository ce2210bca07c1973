"""EB6 and EB7: deployment, several devices, and examples that must not mix."""

from __future__ import annotations

from typing import Any

import torch
from planted import Case, Net, conv_bn, frozen, images
from torch import nn

from evenbatch.torch import Context

DEPLOY = Context(deploy=True)


def _estimated(model: nn.Module, *shape: int) -> nn.Module:
    """Statistics other than 0 and 1, so that folding has something to do."""
    model.train()
    with torch.no_grad():
        for k in range(4):
            model(2 + 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(k)))
    return model.eval()


def _one_head_two_norms(net: Any, x: Any) -> Any:
    return net.bn1(net.head(x)) + net.bn2(net.head(2 * x))


def reused_convolution() -> dict[str, Any]:
    """pytorch#197539: a head over two levels, each with its own batch norm."""
    model = Net(
        _one_head_two_norms,
        head=nn.Conv2d(3, 4, 1, bias=False),
        bn1=nn.BatchNorm2d(4),
        bn2=nn.BatchNorm2d(4),
    )
    return {"model": _estimated(model, 8, 3, 8, 8), "batch": images(), "context": DEPLOY}


def skipped_around() -> dict[str, Any]:
    def run(net: Any, x: Any) -> Any:
        y = net.conv(x)
        return net.bn(y) + y

    model = Net(run, conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4))
    return {"model": _estimated(model, 8, 3, 8, 8), "batch": images(), "context": DEPLOY}


def grouped_and_transposed() -> dict[str, Any]:
    model = nn.Sequential(nn.ConvTranspose2d(4, 8, 2, groups=2, bias=False), nn.BatchNorm2d(8))
    return {
        "model": _estimated(model, 8, 4, 8, 8), "batch": images(channels=4), "context": DEPLOY
    }  # fmt: skip


def foldable() -> dict[str, Any]:
    return {"model": _estimated(conv_bn(), 8, 3, 8, 8), "batch": images(), "context": DEPLOY}


def reused_but_not_deployed() -> dict[str, Any]:
    arguments = reused_convolution()
    del arguments["context"]
    return arguments


def exported_in_training_mode() -> dict[str, Any]:
    return {"model": conv_bn().train(), "batch": images(), "context": DEPLOY}


def in_training_mode_for_training() -> dict[str, Any]:
    return {"model": conv_bn().train(), "batch": images()}


def deployed_layer_norm() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4)).train(), "context": DEPLOY}


def _synced() -> nn.Module:
    return nn.SyncBatchNorm.convert_sync_batchnorm(conv_bn())


def synced_on_the_cpu() -> dict[str, Any]:
    return {"model": _synced(), "batch": images()}


def synced_and_deployed() -> dict[str, Any]:
    context = Context(deploy=True, world_size=8)
    return {"model": _synced().eval(), "batch": images(), "context": context}


def synced_for_eight() -> dict[str, Any]:
    return {"model": _synced(), "batch": images(), "context": Context(world_size=8)}


def plain() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images()}


def under_vmap() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(vmap=True)}


def under_vmap_in_evaluation_mode() -> dict[str, Any]:
    return {"model": conv_bn().eval(), "context": Context(vmap=True)}


def under_vmap_without_statistics() -> dict[str, Any]:
    model = torch.func.replace_all_batch_norm_modules_(conv_bn())
    return {"model": model, "context": Context(vmap=True)}


def eight_devices() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(world_size=8, batch_size=4)}


def eight_devices_frozen() -> dict[str, Any]:
    model = nn.Sequential(frozen(conv_bn()).eval(), nn.Conv2d(8, 2, 1))
    return {"model": model, "context": Context(world_size=8, batch_size=4)}


def contrastive() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(), "context": Context(method="contrastive")}


def contrastive_synced() -> dict[str, Any]:
    context = Context(method="contrastive", world_size=8)
    return {"model": _synced(), "batch": images(), "context": context}


def _grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))


def contrastive_with_group_norm() -> dict[str, Any]:
    return {"model": _grouped(), "context": Context(method="contrastive")}


def gan() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(), "context": Context(method="gan")}


def gan_with_instance_norm() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8))
    return {"model": model, "batch": images(), "context": Context(method="gan")}


def private() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(), "context": Context(method="dp-sgd")}


class DPOptimizer(torch.optim.SGD):
    """Called as Opacus calls its own."""


def private_by_its_optimizer() -> dict[str, Any]:
    model = conv_bn()
    return {"model": model, "optimizer": DPOptimizer(model.parameters(), lr=0.1)}


def private_with_tracking_instance_norm() -> dict[str, Any]:
    model = nn.Sequential(nn.InstanceNorm2d(3, affine=True, track_running_stats=True))
    return {"model": model, "context": Context(method="dp-sgd")}


def private_with_group_norm() -> dict[str, Any]:
    return {"model": _grouped(), "context": Context(method="dp-sgd")}


def federated() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(method="federated")}


def federated_with_group_norm() -> dict[str, Any]:
    return {"model": _grouped(), "context": Context(method="federated")}


def _synced(**settings: Any) -> nn.Module:
    return nn.SyncBatchNorm.convert_sync_batchnorm(conv_bn(**settings))


def synced_in_evaluation() -> dict[str, Any]:
    return {"model": _synced(track_running_stats=False), "context": Context(world_size=4)}


def synced_and_evaluated_in_training_mode() -> dict[str, Any]:
    def loop(model: Any) -> None:
        with torch.no_grad():
            model.train()(images())

    return {"model": _synced(), "context": Context(world_size=4), "loop": loop}


def synced_with_running_statistics() -> dict[str, Any]:
    return {"model": _synced(), "context": Context(world_size=4)}


def synced_on_one_device() -> dict[str, Any]:
    return {"model": _synced(track_running_stats=False)}


CASES = {
    "EB706": Case(
        shows=(synced_in_evaluation, synced_and_evaluated_in_training_mode),
        silent=(synced_on_one_device,),
        mended=synced_with_running_statistics,
        at=("1",),
        says="with 4 devices",
    ),
    "EB601": Case(
        shows=(reused_convolution, skipped_around, grouped_and_transposed),
        silent=(reused_but_not_deployed,),
        mended=foldable,
        at=("head", "bn1", "bn2"),
        says="'head' is called 2 times. Folded all the same, the output on this batch changes by",
    ),
    "EB602": Case(
        shows=(exported_in_training_mode,),
        silent=(in_training_mode_for_training, deployed_layer_norm, foldable),
        at=("1",),
        says="1 norm layer with running statistics is in training mode",
    ),
    "EB603": Case(
        shows=(synced_on_the_cpu, synced_and_deployed),
        silent=(synced_for_eight, plain),
        at=("1",),
        says="1 SyncBatchNorm layer, and the model is on the CPU",
    ),
    "EB604": Case(
        shows=(under_vmap,),
        silent=(plain, under_vmap_in_evaluation_mode),
        mended=under_vmap_without_statistics,
        at=("1",),
        says="1 norm layer in training mode",
    ),
    "EB701": Case(
        shows=(eight_devices,),
        silent=(plain, eight_devices_frozen),
        mended=synced_for_eight,
        at=("1",),
        says="take statistics from 4 examples of 32",
    ),
    "EB702": Case(
        shows=(contrastive,),
        silent=(plain, contrastive_synced),
        mended=contrastive_with_group_norm,
        at=("1",),
        says="taking half of them away changes the others' outputs by",
    ),
    "EB703": Case(
        shows=(gan,),
        silent=(plain,),
        mended=gan_with_instance_norm,
        at=("1",),
        says="taking half of them away changes the others' outputs by",
    ),
    "EB704": Case(
        shows=(private, private_by_its_optimizer, private_with_tracking_instance_norm),
        silent=(plain,),
        mended=private_with_group_norm,
        at=("1",),
        says="Clipping each example's gradient then bounds nothing",
    ),
    "EB705": Case(
        shows=(federated,),
        silent=(plain,),
        mended=federated_with_group_norm,
        at=("1",),
        says="1 batch norm with 3 buffers",
    ),
}
