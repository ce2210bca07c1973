"""EB3 and EB4: optimizer, batches and shapes."""

from __future__ import annotations

from typing import Any

import torch
from planted import Case, conv_bn, frozen, images, rows
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from evenbatch.torch import Context


class RMSNorm(nn.Module):
    """A norm layer of one's own, which filters by class do not know."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Any) -> Any:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


def _groups(model: nn.Module, no_decay: Any) -> list[dict[str, Any]]:
    rest = [p for p in model.parameters() if not any(p is q for q in no_decay)]
    return [{"params": rest}, {"params": list(no_decay), "weight_decay": 0.0}]


def all_decayed() -> dict[str, Any]:
    model = conv_bn()
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), weight_decay=0.1)}


def own_norm_missed() -> dict[str, Any]:
    """transformers#35927: the filter knows nn.LayerNorm, and the model has its own RMSNorm."""
    model = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), RMSNorm(4))
    groups = _groups(model, [*model[0].parameters(), model[1].bias])
    return {"model": model, "optimizer": torch.optim.AdamW(groups, weight_decay=0.1)}


def none_decayed() -> dict[str, Any]:
    model = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), RMSNorm(4))
    groups = _groups(model, [p for p in model.parameters() if p.ndim == 1])
    return {"model": model, "optimizer": torch.optim.AdamW(groups, weight_decay=0.1)}


def no_decay_at_all() -> dict[str, Any]:
    model = conv_bn()
    return {"model": model, "optimizer": torch.optim.SGD(model.parameters(), lr=0.1)}


def decay_of_frozen_ones() -> dict[str, Any]:
    """Without a gradient the optimizer does not touch them."""
    model = nn.Sequential(frozen(conv_bn()).eval(), nn.Conv2d(8, 2, 1))
    return {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), weight_decay=0.1)}


def _pooled() -> nn.Module:
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
    )


def one_example_pooled() -> dict[str, Any]:
    """mmsegmentation#272: a pooled branch, and one example on the device."""
    return {"model": _pooled(), "batch": images(1)}


def two_examples_pooled() -> dict[str, Any]:
    return {"model": _pooled(), "batch": images(2)}


def one_example_with_a_map() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(1)}


def one_example_for_inference() -> dict[str, Any]:
    return {"model": frozen(_pooled()), "batch": images(1)}


def two_per_device() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(2)}


def loader_of_two() -> dict[str, Any]:
    return {"model": conv_bn(), "loader": DataLoader(TensorDataset(images(8)), batch_size=2)}


def two_declared() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(8), "context": Context(batch_size=2)}


def eight() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(8)}


def two_but_more_declared() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": images(2), "context": Context(batch_size=32)}


def two_synced_over_eight() -> dict[str, Any]:
    model = nn.SyncBatchNorm.convert_sync_batchnorm(conv_bn())
    return {"model": model, "context": Context(batch_size=2, world_size=8)}


def two_with_group_norm() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8)), "batch": images(2)}


def two_with_frozen_norms() -> dict[str, Any]:
    model = nn.Sequential(frozen(conv_bn()).eval(), nn.Conv2d(8, 2, 1))
    return {"model": model, "batch": images(2)}


def one_value_per_group() -> dict[str, Any]:
    """opacus#567: batch norm on (N, C) replaced by as many groups as channels."""
    return {"model": nn.Sequential(nn.Linear(4, 8), nn.GroupNorm(8, 8)), "batch": rows()}


def layer_norm_of_one() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 1), nn.LayerNorm(1))}


def instance_norm_of_one() -> dict[str, Any]:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.InstanceNorm2d(3))
    return {"model": model, "batch": images()}


def two_values_per_group() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 8), nn.GroupNorm(4, 8)), "batch": rows()}


def a_group_per_channel_on_maps() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(8, 8)), "batch": images()}


def _loader(examples: int, size: int, **settings: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(images(examples)), batch_size=size, **settings)


def one_left_over_pooled() -> dict[str, Any]:
    return {"model": _pooled(), "loader": _loader(17, 8)}


def one_left_over() -> dict[str, Any]:
    return {"model": conv_bn(), "loader": _loader(17, 8)}


def last_batch_dropped() -> dict[str, Any]:
    return {"model": _pooled(), "loader": _loader(17, 8, drop_last=True)}


def two_left_over() -> dict[str, Any]:
    return {"model": _pooled(), "loader": _loader(18, 8)}


def one_left_over_without_batch_norm() -> dict[str, Any]:
    return {"model": nn.Conv2d(3, 3, 1), "loader": _loader(17, 8)}


def sequences(n: int = 8, length: int = 6, channels: int = 4) -> torch.Tensor:
    return torch.randn(n, length, channels, generator=torch.Generator().manual_seed(3))


def channels_last() -> dict[str, Any]:
    """rcg#9: as long as there are channels, and nothing fails."""
    return {
        "model": nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU()),
        "batch": sequences(length=6),
    }


def channels_last_and_failing() -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 5, bias=False), nn.BatchNorm1d(5))
    return {"model": model, "batch": sequences(length=6)}


class Transposed(nn.Sequential):
    """The second of two layers gets its channels where it wants them."""

    def forward(self, x: Any) -> Any:
        return self[1](self[0](x).transpose(1, 2)).transpose(1, 2)


def channels_transposed() -> dict[str, Any]:
    model = Transposed(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6))
    return {"model": model, "batch": sequences(length=6)}


def convolution_as_long_as_wide() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv1d(4, 6, 1, bias=False), nn.BatchNorm1d(6))
    return {"model": model, "batch": sequences(length=4, channels=6)}


class Masked(nn.Module):
    """A layer over sequences, called with a mask it may or may not use."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 1)
        self.norm = norm

    def forward(self, x: Any, attention_mask: Any) -> Any:
        return self.norm(self.conv(x))


def _padded(share: float) -> dict[str, torch.Tensor]:
    x = 3 + sequences(8, 4, 60)  # (N, C, T)
    mask = torch.ones(8, 60, dtype=torch.long)
    if share:
        mask[:4, -int(60 * share) :] = 0
    return {"x": x * mask[:, None, :], "attention_mask": mask}


def padded() -> dict[str, Any]:
    return {"model": Masked(nn.BatchNorm1d(4)), "batch": _padded(0.6)}


def padded_group_norm() -> dict[str, Any]:
    return {"model": Masked(nn.GroupNorm(2, 4)), "batch": _padded(0.6)}


def padded_instance_norm() -> dict[str, Any]:
    return {"model": Masked(nn.InstanceNorm1d(4)), "batch": _padded(0.6)}


def masked_but_alike() -> dict[str, Any]:
    """What the mask leaves out is like the rest: nothing shifts but by chance."""
    x = sequences(16, 4, 200)
    mask = torch.ones(16, 200, dtype=torch.long)
    mask[:, 120:] = 0
    return {"model": Masked(nn.BatchNorm1d(4)), "batch": {"x": x, "attention_mask": mask}}


def masked_but_alike_for_each_example() -> dict[str, Any]:
    return {"model": Masked(nn.InstanceNorm1d(4)), "batch": masked_but_alike()["batch"]}


def not_padded() -> dict[str, Any]:
    return {"model": Masked(nn.BatchNorm1d(4)), "batch": _padded(0.0)}


class LayerNormOverChannels(nn.LayerNorm):
    """One position at a time."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def padded_layer_norm() -> dict[str, Any]:
    return {"model": Masked(LayerNormOverChannels(4)), "batch": _padded(0.6)}


def accumulated() -> dict[str, Any]:
    return {"model": conv_bn(), "context": Context(accumulation=8, batch_size=4)}


def accumulated_with_group_norm() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))
    return {"model": model, "context": Context(accumulation=8, batch_size=4)}


def accumulated_with_frozen_norms() -> dict[str, Any]:
    model = nn.Sequential(frozen(conv_bn()).eval(), nn.Conv2d(8, 2, 1))
    return {"model": model, "context": Context(accumulation=8, batch_size=4)}


class Wide(nn.Module):
    """A layer norm behind a convolution, over whichever axis comes last."""

    def __init__(self, norm: nn.Module, turn: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.turn = nn.Conv2d(3, 8, 1), norm, turn

    def forward(self, x: Any) -> Any:
        x = self.conv(x).relu()
        if self.turn:
            return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.norm(x)


def over_the_width() -> dict[str, Any]:
    """ConvNeXt#112: as wide as there are channels, and nothing fails."""
    return {"model": Wide(nn.LayerNorm(8)), "batch": images()}


def own_norm_over_the_width() -> dict[str, Any]:
    return {"model": Wide(RMSNorm(8)), "batch": images()}


def over_time() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv1d(4, 12, 1), nn.RMSNorm(12))
    return {"model": model, "batch": sequences(16, 4, 12)}


def over_all_of_the_picture() -> dict[str, Any]:
    return {"model": Wide(nn.LayerNorm((8, 8, 8))), "batch": images()}


class ChannelsFirst(nn.LayerNorm):
    """As ConvNeXt has it: over axis 1."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def over_the_channels_first() -> dict[str, Any]:
    return {"model": Wide(ChannelsFirst(8)), "batch": images()}


def over_the_channels_last() -> dict[str, Any]:
    return {"model": Wide(nn.LayerNorm(8), turn=True), "batch": images()}


class ByClass(torch.utils.data.Dataset[Any]):
    """Rows around four centres, one class after the other."""

    def __init__(self, ordered: bool = True) -> None:
        self.ordered = ordered

    def __len__(self) -> int:
        return 640

    def __getitem__(self, i: int) -> torch.Tensor:
        numbers = torch.Generator().manual_seed(i)
        return 6.0 * (i // 160 if self.ordered else i % 4) + torch.randn(4, generator=numbers)


def _of_classes(ordered: bool = True, **settings: Any) -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8))
    return {"model": model, "loader": DataLoader(ByClass(ordered), batch_size=32, **settings)}


def sorted_and_not_shuffled() -> dict[str, Any]:
    return _of_classes()


def not_sorted() -> dict[str, Any]:
    return _of_classes(ordered=False)


def sorted_and_shuffled() -> dict[str, Any]:
    return _of_classes(shuffle=True)


def sorted_for_a_layer_norm() -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8))
    return {"model": model, "loader": DataLoader(ByClass(), batch_size=32)}


def nodes_as_channels() -> dict[str, Any]:
    """pytorch_geometric#1066: as many channels as nodes, features last."""
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(10), nn.ReLU())
    return {"model": model, "batch": sequences(32, 10, 4)}


class TimeFirst(nn.BatchNorm1d):
    """(T, N, C): the channels are last, and are what it normalizes."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.flatten(0, 1)).view_as(x)


def time_first() -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 10, bias=False), TimeFirst(10))
    return {"model": model, "batch": sequences(10, 8, 4)}


def few_time_steps_many_examples() -> dict[str, Any]:
    model = nn.Sequential(nn.Linear(4, 10, bias=False), TimeFirst(10))
    return {"model": model, "batch": sequences(3, 64, 4)}


class Allows(nn.Module):
    """Makes provision for one row: the running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        b = self.inner
        if len(x) > 1:
            return b(x)
        return nn.functional.batch_norm(x, b.running_mean, b.running_var, b.weight, b.bias)


def one_row_is_allowed() -> dict[str, Any]:
    return {"model": nn.Sequential(Allows()), "batch": rows(1)}


class Marked(nn.Module):
    """A batch norm behind a convolution with a stride; the padding is marked somehow."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(4, 6, 4, stride=4), norm

    def forward(self, x: Any, mark: Any, rest: Any = None) -> Any:
        return self.norm(self.conv(x))


def _marked(mark: Any, norm: nn.Module | None = None) -> dict[str, Any]:
    """60 positions of which in half of the examples 24 are data."""
    x = 3 + sequences(8, 4, 60)
    lengths = torch.tensor([60, 24] * 4)
    x = x * (torch.arange(60)[None, None] < lengths[:, None, None])
    return {"model": Marked(norm or nn.BatchNorm1d(6)), "batch": (x, mark(lengths))}


def padded_by_lengths() -> dict[str, Any]:
    return _marked(lambda lengths: lengths)


def padded_by_relative_lengths() -> dict[str, Any]:
    return _marked(lambda lengths: lengths / 60)


def padded_where_it_is_true() -> dict[str, Any]:
    return _marked(lambda lengths: torch.arange(60)[None] >= lengths[:, None])


def padded_group_norm_behind_strides() -> dict[str, Any]:
    return _marked(lambda n: torch.arange(60)[None] < n[:, None], nn.GroupNorm(2, 6))


class Rows(nn.Module):
    """attention-learn-to-route#8: padded positions flattened to rows."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Any, mask: Any) -> Any:
        return self.norm(x.reshape(-1, 4)).view_as(x) * mask[..., None]


def padded_rows() -> dict[str, Any]:
    batch = _padded(0.6)
    x, mask = batch["x"].transpose(1, 2), batch["attention_mask"].float()
    return {"model": Rows(), "batch": {"x": x.contiguous(), "mask": mask}}


def labels_that_are_no_lengths() -> dict[str, Any]:
    """One number for each example, and no padding where it ends."""
    model = Marked(nn.BatchNorm1d(6))
    return {"model": model, "batch": (3 + sequences(8, 4, 60), torch.arange(8) % 5 + 1)}


class MasksItself(nn.Module):
    """Takes its statistics over the positions of the mask."""

    def forward(self, x: Any, mask: Any) -> Any:
        real = mask[:, None].to(x.dtype)
        count = real.sum((0, 2), keepdim=True)
        mean = (x * real).sum((0, 2), keepdim=True) / count
        var = ((x - mean).square() * real).sum((0, 2), keepdim=True) / count
        return (x - mean) / (var + 1e-5).sqrt()


def padded_for_a_layer_that_masks() -> dict[str, Any]:
    net = MaskedNet()
    return {"model": net, "batch": _padded(0.6)}


class MaskedNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = MasksItself()

    def forward(self, x: Any, attention_mask: Any) -> Any:
        return self.norm(x, attention_mask)


class Adaptive(nn.Module):
    """A group norm whose gain and shift come from elsewhere (AdaGroupNorm)."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups, self.linear = groups, nn.Linear(5, 16)

    def forward(self, x: Any, given: Any) -> Any:
        scale, shift = self.linear(given).chunk(2, 1)
        return nn.functional.group_norm(x, self.groups) * (1 + scale) + shift


def adaptive_with_one_value() -> dict[str, Any]:
    net = Conditioned(Adaptive(8))
    return {"model": net, "batch": (rows(8, 8), rows(8, 5))}


def adaptive_with_four_values() -> dict[str, Any]:
    return {"model": Conditioned(Adaptive(2)), "batch": (rows(8, 8), rows(8, 5))}


class Conditioned(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Any, given: Any) -> Any:
        return self.norm(x, given)


CASES = {
    "EB408": Case(
        shows=(over_the_width, own_norm_over_the_width, over_time),
        silent=(over_all_of_the_picture, over_the_channels_first),
        mended=over_the_channels_last,
        at=("norm",),
        says="has its features on axis 1; the statistics are taken over axis 3",
    ),
    "EB409": Case(
        shows=(sorted_and_not_shuffled,),
        silent=(not_sorted, sorted_for_a_layer_norm),
        mended=sorted_and_shuffled,
        at=("1",),
        says="the loader does not shuffle",
    ),
    "EB301": Case(
        shows=(all_decayed, own_norm_missed),
        silent=(none_decayed, no_decay_at_all, decay_of_frozen_ones),
        at=("1",),
        says="weight decay 0.1 pulls 16 parameters of 1 norm layer",
    ),
    "EB401": Case(
        shows=(one_example_pooled,),
        silent=(one_example_with_a_map, one_example_for_inference, one_row_is_allowed),
        mended=two_examples_pooled,
        at=("2",),
        says="(1, 8, 1, 1)",
    ),
    "EB402": Case(
        shows=(two_per_device, loader_of_two, two_declared),
        silent=(
            two_but_more_declared,
            two_synced_over_eight,
            two_with_group_norm,
            two_with_frozen_norms,
            few_time_steps_many_examples,
            one_row_is_allowed,
        ),
        mended=eight,
        at=("1",),
        says="2 examples",
    ),
    "EB404": Case(
        shows=(
            one_value_per_group,
            layer_norm_of_one,
            instance_norm_of_one,
            adaptive_with_one_value,
        ),
        silent=(a_group_per_channel_on_maps, adaptive_with_four_values),
        mended=two_values_per_group,
        at=("1",),
        says="(8, 8)",
    ),
    "EB403": Case(
        shows=(one_left_over_pooled, one_left_over),
        silent=(two_left_over, one_left_over_without_batch_norm),
        mended=last_batch_dropped,
        at=("2",),
        says="17 examples in batches of 8 leave a last batch of 1, and here that is one value",
    ),
    "EB405": Case(
        shows=(channels_last, channels_last_and_failing, nodes_as_channels),
        silent=(convolution_as_long_as_wide, time_first),
        mended=channels_transposed,
        at=("1",),
        says="length and channels are both 6",
    ),
    "EB406": Case(
        shows=(
            padded,
            padded_group_norm,
            padded_instance_norm,
            padded_by_lengths,
            padded_by_relative_lengths,
            padded_where_it_is_true,
            padded_group_norm_behind_strides,
            padded_rows,
        ),
        silent=(
            not_padded,
            masked_but_alike,
            masked_but_alike_for_each_example,
            labels_that_are_no_lengths,
            padded_for_a_layer_that_masks,
        ),
        mended=padded_layer_norm,
        at=("norm",),
        says="30 % of the positions are padding",
    ),
    "EB407": Case(
        shows=(accumulated,),
        silent=(eight, accumulated_with_frozen_norms),
        mended=accumulated_with_group_norm,
        at=("1",),
        says="4 examples each, not 32; momentum 0.1 becomes 0.57",
    ),
}
