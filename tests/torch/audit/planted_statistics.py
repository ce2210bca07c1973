"""EB2: statistics and state."""

from __future__ import annotations

import copy
from typing import Any

import torch
from planted import Case, Net, conv_bn, frozen, images, rows
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from evenbatch.torch import Context


def frozen_backbone() -> dict[str, Any]:
    model = nn.Sequential(frozen(trained()), nn.Conv2d(8, 2, 1))
    return {"model": model.train(), "batch": images()}


def frozen_and_in_eval_mode_until_train() -> dict[str, Any]:
    """eval() once is undone by the next train()."""
    model = nn.Sequential(frozen(trained()), nn.Conv2d(8, 2, 1))
    return {"model": model, "batch": images()}


def average_of_a_trained_encoder() -> dict[str, Any]:
    """The target network of BYOL: its statistics are meant to move."""
    online = trained()
    target = frozen(copy.deepcopy(online))
    with torch.no_grad():
        for p in target.parameters():
            p += 0.01 * torch.randn_like(p)

    def run(net: Any, x: Any) -> Any:
        return net.online(x), net.target(x)

    return {"model": Net(run, online=online, target=target).train(), "batch": images()}


def frozen_block_beside_one_of_its_shape() -> dict[str, Any]:
    blocks = [nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8)) for _ in range(2)]
    model = nn.Sequential(frozen(blocks[0]), blocks[1])
    return {"model": model.train(), "batch": images(channels=8)}


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


def frozen_with_momentum_zero() -> dict[str, Any]:
    """Its statistics cannot move."""
    return {"model": nn.Sequential(frozen(conv_bn(momentum=0.0)), nn.Conv2d(8, 2, 1))}


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


class Unregistered(nn.Module):
    def __init__(self, norms: Any) -> None:
        super().__init__()
        self.fc, self.norms = nn.Linear(4, 8, bias=False), norms

    def forward(self, x: Any) -> Any:
        x = self.fc(x)
        for norm in self.norms.values() if isinstance(self.norms, dict) else self.norms:
            x = norm(x)
        return x


def norms_in_a_list() -> dict[str, Any]:
    """They are never trained."""
    model = Unregistered([nn.LayerNorm(8), nn.LayerNorm(8)])
    return {"model": model, "batch": rows()}


def norms_in_a_dictionary() -> dict[str, Any]:
    """A batch norm among them is in training mode for good, which EB214 leaves to EB219."""
    model = Unregistered({"a": nn.Sequential(nn.BatchNorm1d(8)), "b": nn.ReLU()})
    return {"model": model.eval(), "batch": rows()}


def norms_beside_what_holds_itself() -> dict[str, Any]:
    model = Unregistered([nn.LayerNorm(8), nn.LayerNorm(8)])
    model.around = around = dict[str, Any]()
    around["itself"] = around
    return {"model": model, "batch": rows()}


def norms_in_a_list_that_is_known() -> dict[str, Any]:
    """A second, plain list of layers that are the model's own."""
    model = Unregistered(nn.ModuleList([nn.LayerNorm(8), nn.LayerNorm(8)]))
    model.order = list(model.norms)  # type: ignore[assignment]
    return {"model": model, "batch": rows()}


def other_layers_in_a_list() -> dict[str, Any]:
    return {"model": Unregistered([nn.ReLU()]), "batch": rows()}


class OldWeight(nn.Module):
    """A batch norm whose momentum is the weight of what it keeps, as in Keras."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x: Any) -> Any:
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean(0), x.var(0, unbiased=False)
            with torch.no_grad():
                self.mean.mul_(self.momentum).add_(mean * (1 - self.momentum))
                self.var.mul_(self.momentum).add_(var * (1 - self.momentum))
        return (x - mean) / torch.sqrt(var + 1e-3)


class LastBatch(OldWeight):
    """Standardizes by the batch that it was given last; it has no momentum."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 0.0)
        self.momentum = None  # type: ignore[assignment]

    def forward(self, x: Any) -> Any:
        if self.training:
            self.mean.copy_(x.mean(0))
            self.var.copy_(x.var(0))
        return (x - self.mean) / torch.sqrt(self.var + 1e-3)


def momentum_the_other_way() -> dict[str, Any]:
    """0.1, as in PyTorch, in a class that means the weight of the old value by it."""
    return {"model": nn.Sequential(nn.Linear(4, 8), OldWeight(8, 0.1)), "batch": rows()}


def momentum_of_keras_in_a_class_of_its_own() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 8), OldWeight(8, 0.99)), "batch": rows()}


def statistics_of_the_last_batch_on_purpose() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 8), LastBatch(8)), "batch": rows()}


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


def trained(scale: float = 1.0, steps: int = 60) -> nn.Sequential:
    """A pair whose statistics were estimated on images times `scale`."""
    model = conv_bn()
    model.train()
    numbers = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for _ in range(steps):
            model(scale * torch.randn(16, 3, 8, 8, generator=numbers))
    return model.eval()


def averaged() -> dict[str, Any]:
    """Lightning#14866: averaged weights, the last model's buffers, and no batch to compare with."""
    model = trained()
    swa = AveragedModel(model)
    swa.update_parameters(model)
    with torch.no_grad():
        model[0].weight *= -1
    swa.update_parameters(model)
    return {"model": swa}


def averaged_and_measured() -> dict[str, Any]:
    model = trained()
    swa = AveragedModel(model)
    swa.update_parameters(model)
    with torch.no_grad():
        model[0].weight *= -0.9
    swa.update_parameters(model)
    return {"model": swa, "batch": images(64)}


def averaged_elsewhere() -> dict[str, Any]:
    return {"model": trained(), "context": Context(ema=True)}


def averaged_with_its_buffers() -> dict[str, Any]:
    model = trained()
    swa = AveragedModel(model, use_buffers=True)
    swa.update_parameters(model)
    return {"model": swa}


def averaged_without_batch_norm() -> dict[str, Any]:
    return {"model": AveragedModel(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)))}


def averaged_and_estimated_again() -> dict[str, Any]:
    arguments = averaged_and_measured()
    swa = arguments["model"]
    numbers = torch.Generator().manual_seed(6)
    update_bn([torch.randn(64, 3, 8, 8, generator=numbers) for _ in range(4)], swa)
    return {"model": swa.eval(), "batch": images(64)}


def trained_on_small_evaluated_on_large() -> dict[str, Any]:
    return {"model": trained(1 / 255), "batch": images(16)}


def trained_and_evaluated_alike() -> dict[str, Any]:
    return {"model": trained(), "batch": images(16)}


def never_updated() -> dict[str, Any]:
    return {"model": conv_bn(), "batch": 100 * images(16) + 50}


def a_few_examples_apart() -> dict[str, Any]:
    """Two examples stray from the population's statistics by chance alone."""
    return {"model": trained(), "batch": 1.5 * images(2) + 0.5}


class HalfRMSNorm(nn.Module):
    """Calculates in the type it is given; `upcast` is what everyone should do."""

    def __init__(self, size: int, eps: float, upcast: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps
        self.upcast = upcast

    def forward(self, x: Any) -> Any:
        wide = x.float() if self.upcast else x
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return wide.to(x.dtype) * self.weight


def eps_zero_in_half() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 4), HalfRMSNorm(4, 1e-8)).half()}


def eps_zero_under_autocast() -> dict[str, Any]:
    return {"model": HalfRMSNorm(4, 1e-8), "context": Context(amp="float16")}


def eps_left_out() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4, eps=0.0))}


class LargestFirst(nn.LayerNorm):
    """Divides by the largest value first, so that squares stay small: 0 / 0 at zeros."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input / input.amax(-1, keepdim=True).detach())


def eps_is_not_the_cause() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 4), LargestFirst(4))}


def small_eps_in_float32() -> dict[str, Any]:
    return {"model": HalfRMSNorm(4, 1e-8), "batch": rows()}


def small_eps_upcast() -> dict[str, Any]:
    return {"model": HalfRMSNorm(4, 1e-8, upcast=True).half()}


def small_eps_of_torch_in_half() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4, eps=1e-8)).half()}


def tiny_inputs() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.BatchNorm1d(4)), "batch": 1e-4 * rows()}


def tiny_inputs_to_a_layer_norm() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4)), "batch": 1e-4 * rows()}


def tiny_inputs_small_eps() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.BatchNorm1d(4, eps=1e-12)), "batch": 1e-4 * rows()}


def eps_as_large_as_the_variance() -> dict[str, Any]:
    """As in a new network with small weights: no matter."""
    return {"model": nn.Sequential(nn.BatchNorm1d(4, eps=1e-3)), "batch": 0.03 * rows()}


def some_dead_channels() -> dict[str, Any]:
    batch = rows()
    batch[:, :3] = 0
    return {"model": nn.Sequential(nn.BatchNorm1d(4)), "batch": batch}


def _stack(*eps: float) -> nn.Sequential:
    return nn.Sequential(*(nn.LayerNorm(4, eps=e) for e in eps))


def one_odd_eps() -> dict[str, Any]:
    return {"model": _stack(1e-3, 1e-3, 1e-3, 1e-3, 1e-5)}


def every_other_eps() -> dict[str, Any]:
    """Megatron-Bridge#5712: the norms after each block were built without the model's eps."""
    return {"model": _stack(1e-6, 1e-5, 1e-6, 1e-5)}


def eps_by_class() -> dict[str, Any]:
    return {"model": nn.Sequential(*_stack(*[1e-6] * 5), nn.BatchNorm1d(4))}


def one_eps() -> dict[str, Any]:
    return {"model": _stack(*[1e-3] * 5)}


def halved() -> dict[str, Any]:
    model = conv_bn()
    model[1].running_var[:2] = 1e-9
    return {"model": model.half(), "batch": images().half()}


def halved_without_statistics() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)).half()}


def halved_but_for_the_norms() -> dict[str, Any]:
    model = conv_bn().half()
    model[1].float()
    return {"model": model, "batch": images().half()}


def without_running_statistics() -> dict[str, Any]:
    return {"model": conv_bn(track_running_stats=False), "batch": images()}


def replaced_for_functorch() -> dict[str, Any]:
    return {"model": torch.func.replace_all_batch_norm_modules_(conv_bn())}


def without_running_statistics_for_vmap() -> dict[str, Any]:
    return {"model": conv_bn(track_running_stats=False), "context": Context(vmap=True)}


def instance_norm() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.InstanceNorm2d(3)), "batch": images()}


def instance_norm_with_statistics() -> dict[str, Any]:
    model = nn.Sequential(nn.InstanceNorm2d(3, track_running_stats=True))
    return {"model": model, "batch": 2 * images()}


def part_in_training_mode() -> dict[str, Any]:
    model = nn.Sequential(conv_bn(), nn.Conv2d(8, 2, 1)).eval()
    model[0].train()
    return {"model": model, "batch": images()}


def all_in_evaluation_mode() -> dict[str, Any]:
    return {"model": conv_bn().eval(), "batch": images()}


def dropout_in_training_mode() -> dict[str, Any]:
    """Monte Carlo dropout: meant, and no statistics move."""
    model = nn.Sequential(conv_bn(), nn.Dropout()).eval()
    model[1].train()
    return {"model": model, "batch": images()}


def parameters_halved() -> dict[str, Any]:
    model = conv_bn()
    for parameter in model[1].parameters():
        parameter.data = parameter.data.half()
    return {"model": model}


def all_float() -> dict[str, Any]:
    return {"model": conv_bn()}


def all_half() -> dict[str, Any]:
    return {"model": conv_bn().half()}


class Functional(nn.Module):
    """Batch norm by its function, with the mode fixed or followed."""

    def __init__(self, follow: bool) -> None:
        super().__init__()
        self.follow = follow
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("var", torch.ones(4))

    def forward(self, x: Any) -> Any:
        training = self.training if self.follow else True
        return nn.functional.batch_norm(x, self.mean, self.var, training=training)


def stuck() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4), Functional(follow=False)), "batch": rows()}


def stuck_without_a_batch() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4), Functional(follow=False))}


def stuck_in_an_exported_graph() -> dict[str, Any]:
    """pytorch#115715: exported in training mode."""
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4)).train()
    return {"model": torch.export.export(model, (rows(),)).module(), "batch": rows()}


class Standardized(nn.Conv2d):
    """Weight standardization, by a batch norm on the weights: no data in it."""

    def forward(self, x: Any) -> Any:
        flat = self.weight.reshape(1, self.out_channels, -1)
        weight = nn.functional.batch_norm(flat, None, None, training=True)
        return nn.functional.conv2d(x, weight.reshape_as(self.weight))


def standardized_weights() -> dict[str, Any]:
    return {"model": nn.Sequential(Standardized(3, 8, 3), nn.GroupNorm(2, 8)), "batch": images()}


def standardized_weights_without_a_batch() -> dict[str, Any]:
    return {"model": nn.Sequential(Standardized(3, 8, 3), nn.GroupNorm(2, 8))}


def follows() -> dict[str, Any]:
    return {"model": nn.Sequential(nn.LayerNorm(4), Functional(follow=True)), "batch": rows()}


def _copied(model: nn.Module, share: float = 1.0) -> nn.Module:
    """A new model with the parameters of a trained one, and buffers of its own."""
    new = conv_bn()
    for a, b in zip(new.parameters(), model.parameters(), strict=True):
        a.data = share * b.data
    return new


def _trained_beta() -> nn.Sequential:
    model = trained()
    with torch.no_grad():
        model[1].bias += torch.linspace(-1, 1, 8)
    return model


def target_network() -> dict[str, Any]:
    """stable-baselines3#996: parameters are copied, buffers are not."""
    online = _trained_beta()
    return {"model": nn.ModuleDict({"q": online, "target": _copied(online).eval()})}


def average_by_hand() -> dict[str, Any]:
    return {"model": _copied(_trained_beta()).eval(), "batch": images(64)}


def partly_loaded() -> dict[str, Any]:
    model = nn.Sequential(trained(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)).eval()
    return {"model": model, "batch": images()}


def unseen_domain() -> dict[str, Any]:
    norms = nn.ModuleList([nn.BatchNorm1d(4), nn.BatchNorm1d(4)])
    model = Net(lambda net, x: net.norms[0](x), norms=norms).train()
    for _ in range(10):
        model(5 * rows(64))
    return {"model": model.eval(), "batch": rows(64), "ignore": ["EB204"]}


def new_head_in_training() -> dict[str, Any]:
    model = nn.Sequential(trained(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)).train()
    return {"model": model, "batch": images()}


def copied_with_buffers() -> dict[str, Any]:
    online = _trained_beta()
    target = conv_bn()
    target.load_state_dict(online.state_dict())
    return {"model": nn.ModuleDict({"q": online, "target": target.eval()})}


def _constant_feature(value: float = 0.0, **settings: Any) -> nn.Sequential:
    model = nn.Sequential(nn.BatchNorm1d(5, **settings), nn.Linear(5, 2)).train()
    numbers = torch.Generator().manual_seed(7)
    for _ in range(300):
        x = torch.randn(64, 5, generator=numbers)
        x[:, 3] = value * torch.randn(64, generator=numbers)
        model(x)
    return model.eval()


def feature_without_spread() -> dict[str, Any]:
    return {"model": _constant_feature(), "batch": rows(64, 5)}


def gammas_of_zero() -> dict[str, Any]:
    model = trained()
    with torch.no_grad():
        model[1].weight[:3] = 0
    return {"model": model}


def feature_of_small_spread() -> dict[str, Any]:
    return {"model": _constant_feature(0.1)}


def zero_gamma_at_the_start() -> dict[str, Any]:
    """As at the end of each residual block, before training."""
    model = conv_bn()
    nn.init.zeros_(model[1].weight)
    return {"model": model}


def feature_left_out() -> dict[str, Any]:
    return {"model": _constant_feature(1.0)}


def broken_parameters() -> dict[str, Any]:
    model = conv_bn()
    with torch.no_grad():
        model[1].weight[2] = float("nan")
    return {"model": model, "batch": images()}


class Cancels(nn.Module):
    """A variance as the mean square less the square of the mean, in one pass."""

    def __init__(self, two_passes: bool = False) -> None:
        super().__init__()
        self.two_passes = two_passes

    def forward(self, x: Any) -> Any:
        mean = x.mean(-1, keepdim=True)
        var = x.square().mean(-1, keepdim=True) - mean.square()
        if self.two_passes:
            var = (x - mean).square().mean(-1, keepdim=True)
        return (x - mean) / (var + 1e-8).sqrt()


def root_of_less_than_nothing() -> dict[str, Any]:
    return {"model": nn.Sequential(Cancels()), "batch": 3.3 + 1e-4 * rows(64, 50)}


def infinite_masks() -> dict[str, Any]:
    """Scores that are minus infinity where there is nothing are meant."""
    net = Net(lambda net, x: net.norm(x).masked_fill(x < 0, -torch.inf), norm=nn.LayerNorm(4))
    return {"model": net, "batch": rows()}


def two_passes() -> dict[str, Any]:
    return {"model": nn.Sequential(Cancels(two_passes=True)), "batch": 3.3 + 1e-4 * rows(64, 50)}


def _half(upcast: bool, size: float) -> dict[str, Any]:
    model = nn.Sequential(HalfRMSNorm(16, 1e-5, upcast=upcast)).half()
    return {"model": model, "batch": (size * rows(8, 16)).half()}


def squares_overflow() -> dict[str, Any]:
    return _half(upcast=False, size=300)


def squares_overflow_under_autocast() -> dict[str, Any]:
    return {"model": HalfRMSNorm(16, 1e-5), "context": Context(amp="float16")}


def mean_is_far_from_zero() -> dict[str, Any]:
    return {"model": nn.Sequential(Cancels()), "batch": 300 + rows(64, 50)}


def squares_in_float32() -> dict[str, Any]:
    return {"model": HalfRMSNorm(16, 1e-5), "batch": 300 * rows(8, 16)}


def squares_upcast() -> dict[str, Any]:
    return _half(upcast=True, size=300)


CASES = {
    "EB215": Case(
        shows=(target_network, average_by_hand, partly_loaded, unseen_domain),
        silent=(never_updated, new_head_in_training, all_in_evaluation_mode),
        mended=copied_with_buffers,
        at=("target.1",),
        says="beta is trained in 1 norm layer",
    ),
    "EB216": Case(
        shows=(feature_without_spread, gammas_of_zero),
        silent=(feature_of_small_spread, zero_gamma_at_the_start, trained_and_evaluated_alike),
        mended=feature_left_out,
        at=("0",),
        says="a value 1 off the mean comes out as 316",
    ),
    "EB217": Case(
        shows=(broken_parameters, root_of_less_than_nothing),
        silent=(poisoned, infinite_masks),
        mended=two_passes,
        at=("1",),
        says="infinity or NaN in 1 parameter: 1.weight",
    ),
    "EB218": Case(
        shows=(squares_overflow, squares_overflow_under_autocast, mean_is_far_from_zero),
        silent=(squares_in_float32, two_passes),
        mended=squares_upcast,
        at=("0",),
        says="On this batch the largest are around 285",
    ),
    "EB201": Case(
        shows=(
            frozen_backbone,
            frozen_and_in_eval_mode_until_train,
            frozen_block_beside_one_of_its_shape,
        ),
        silent=(
            kept_in_eval,
            all_frozen_for_inference,
            frozen_with_momentum_zero,
            average_of_a_trained_encoder,
        ),
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
    "EB219": Case(
        shows=(norms_in_a_list, norms_in_a_dictionary, norms_beside_what_holds_itself),
        silent=(norms_in_a_list_that_is_known, other_layers_in_a_list),
        mended=norms_in_a_list_that_is_known,
        at=("",),
        says="'norms' is a plain list that holds 2 norm layers (LayerNorm)",
    ),
    "EB205": Case(
        shows=(keras_momentum, momentum_zero, momentum_negative, momentum_the_other_way),
        silent=(
            momentum_small,
            momentum_of_keras_in_a_class_of_its_own,
            statistics_of_the_last_batch_on_purpose,
            momentum_cumulative,
            momentum_zero_and_frozen,
            momentum_of_a_layer_without_statistics,
        ),
        at=("1",),
        says="momentum = 0.99",
    ),
    "EB203": Case(
        shows=(averaged, averaged_and_measured, averaged_elsewhere),
        silent=(averaged_with_its_buffers, averaged_without_batch_norm),
        mended=averaged_and_estimated_again,
        at=("1",),
        says="the mean of 2 models",
    ),
    "EB204": Case(
        shows=(trained_on_small_evaluated_on_large,),
        silent=(never_updated, a_few_examples_apart),
        mended=trained_and_evaluated_alike,
        at=("1",),
        says="1 batch norm expects other data than this batch",
    ),
    "EB206": Case(
        shows=(eps_zero_in_half, eps_zero_under_autocast, eps_left_out, eps_is_not_the_cause),
        silent=(small_eps_in_float32, small_eps_upcast, small_eps_of_torch_in_half),
        at=("1",),
        says="eps = 1e-08, which is 0 in float16",
    ),
    "EB207": Case(
        shows=(tiny_inputs, tiny_inputs_to_a_layer_norm),
        silent=(some_dead_channels, eps_as_large_as_the_variance),
        mended=tiny_inputs_small_eps,
        at=("0",),
        says="the output's spread is 0.02",
    ),
    "EB208": Case(
        shows=(one_odd_eps, every_other_eps),
        silent=(eps_by_class,),
        mended=one_eps,
        at=("4",),
        says="eps = 1e-05, where 4 other LayerNorm layers have 0.001",
    ),
    "EB209": Case(
        shows=(halved,),
        silent=(halved_without_statistics, halved_but_for_the_norms),
        at=("1",),
        says="are float16. 2 variances became 0",
    ),
    "EB210": Case(
        shows=(without_running_statistics, replaced_for_functorch),
        silent=(without_running_statistics_for_vmap, instance_norm),
        mended=keras_momentum,
        at=("1",),
        says="taking half of the examples away changes the others' outputs by",
    ),
    "EB211": Case(
        shows=(instance_norm_with_statistics,),
        silent=(all_in_evaluation_mode,),
        mended=instance_norm,
        at=("0",),
        says="the outputs of the two modes differ by",
    ),
    "EB212": Case(
        shows=(part_in_training_mode,),
        silent=(all_in_evaluation_mode, dropout_in_training_mode, frozen_backbone),
        at=("0.1",),
        says="1 norm layer in it is in training mode",
    ),
    "EB213": Case(
        shows=(parameters_halved,),
        silent=(all_float, all_half, halved_but_for_the_norms),
        at=("1",),
        says="weight float16, bias float16, running_mean float32",
    ),
    "EB214": Case(
        shows=(stuck, stuck_without_a_batch, stuck_in_an_exported_graph),
        silent=(
            without_running_statistics,
            standardized_weights,
            standardized_weights_without_a_batch,
        ),
        mended=follows,
        at=("1",),
        says="1 batch norm operation",
    ),
}
