"""Layers that nobody here wrote, in small: what they share, keep and use is found by measuring."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from evenbatch.torch.measuring import Behaviour, Kept, Recorded, Unfit, find, measured


def of(layer: nn.Module, *args: Any) -> Behaviour:
    found = measured(layer, *args)
    assert found is not None
    return found


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (4, 8, 6, 6)), generator=torch.Generator().manual_seed(0))


class Affine(nn.Module):
    def __init__(self, size: int, start: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((size,), start))
        self.bias = nn.Parameter(torch.zeros(size))


class OnePlus(Affine):
    """A gain stored less 1 (Gemma, Nemotron)."""

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x, (x.shape[-1],), self.weight + 1, self.bias, 1e-5)


class ChannelsFirst(Affine):
    """Over axis 1 (ConvNeXt, timm's LayerNorm2d)."""

    def forward(self, x: Any) -> Any:
        mean = x.mean(1, keepdim=True)
        var = (x - mean).square().mean(1, keepdim=True)
        y = (x - mean) / (var + 1e-6).sqrt()
        return y * self.weight[:, None, None] + self.bias[:, None, None]


class Activated(nn.BatchNorm2d):
    """Batch norm and relu in one (timm's BatchNormAct2d)."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).relu()


class TimeFirst(nn.BatchNorm2d):
    """(T, N, C, H, W) (spikingjelly's multi-step layers)."""

    def forward(self, x: Any) -> Any:
        return super().forward(x.flatten(0, 1)).view_as(x)

    def _check_input_dim(self, x: Any) -> None:
        pass


class Halves(nn.BatchNorm2d):
    """Each half of the batch for itself; the first is the layer's own (AdvProp)."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.other = nn.BatchNorm2d(size)

    def forward(self, x: Any) -> Any:
        if not self.training:
            return super().forward(x)
        first, second = x.chunk(2)
        return torch.cat([super().forward(first), self.other(second)])


class EverySecond(Affine):
    """Examples 0, 2, 4, … and 1, 3, 5, … (lightly's SplitBatchNorm)."""

    def forward(self, x: Any) -> Any:
        n, c, *space = x.shape
        y = F.batch_norm(x.view(n // 2, 2 * c, *space), None, None, training=True)
        return y.view(x.shape) * self.weight[:, None, None] + self.bias[:, None, None]


class Graphs(nn.Module):
    """Over the nodes of each graph (PyG's InstanceNorm)."""

    def forward(self, x: Any, batch: Any) -> Any:
        sums = x.new_zeros(int(batch.max()) + 1, x.shape[1])
        count = torch.bincount(batch).to(x.dtype)[:, None]
        mean = sums.index_add(0, batch, x) / count
        var = sums.index_add(0, batch, (x - mean[batch]).square()) / count
        return (x - mean[batch]) / (var + 1e-5).sqrt()[batch]


class Cumulative(nn.Module):
    """Over channels and all frames so far (asteroid's cumulative layer norm)."""

    def forward(self, x: Any) -> Any:
        count = x.shape[1] * torch.arange(1, x.shape[2] + 1, dtype=x.dtype)
        mean = x.sum(1, keepdim=True).cumsum(2) / count
        square = x.square().sum(1, keepdim=True).cumsum(2) / count
        return (x - mean) / (square - mean.square() + 1e-8).sqrt()


class Response(Affine):
    """Divides by the root mean square over the map (filter response norm), with a threshold."""

    def forward(self, x: Any) -> Any:
        y = x * (x.square().mean((2, 3), keepdim=True) + 1e-6).rsqrt()
        return (y * self.weight[:, None, None] + self.bias[:, None, None]).clamp(min=0)


class Frozen(nn.Module):
    """A fixed map by what is kept (FrozenBatchNorm2d)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, torch.full((size,), float(value)))

    def forward(self, x: Any) -> Any:
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class Deferred(nn.Module):
    """Writes its statistics after every second call (fairscale), from sums and a plain counter."""

    def __init__(self, size: int) -> None:
        super().__init__()
        for name, value in (("mean", 0), ("var", 1), ("sum", 0), ("squares", 0)):
            self.register_buffer(name, torch.full((size,), float(value)))
        self.counter = self.seen = 0

    def forward(self, x: Any) -> Any:
        if not self.training:
            return (x - self.mean) / (self.var + 1e-5).sqrt()
        self.sum += x.sum(0)
        self.squares += x.square().sum(0)
        self.counter, self.seen = self.counter + len(x), self.seen + 1
        if self.seen == 2:
            mean = self.sum / self.counter
            self.mean.lerp_(mean, 0.1)
            self.var.lerp_(self.squares / self.counter - mean.square(), 0.1)
            self.sum.zero_()
            self.squares.zero_()
            self.counter = self.seen = 0
        return F.batch_norm(x, None, None, training=True)


class OfAttributes(nn.Module):
    """Keeps a mean and a deviation in plain attributes, and each batch counts the same."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.sd, self.count = torch.zeros(8), torch.ones(8), 0

    def forward(self, x: Any) -> Any:
        if not self.training:
            return (x - self.mean.to(x)) / self.sd.to(x)
        mean, sd = x.mean(0), x.std(0, correction=0)
        self.count += 1
        self.mean = self.mean + (mean - self.mean) / self.count
        self.sd = self.sd + (sd - self.sd) / self.count
        return (x - mean) / (sd + 1e-6)


class Biased(nn.Module):
    """Keeps the biased variance, by another momentum."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("moving_mean", torch.zeros(8))
        self.register_buffer("moving_variance", torch.ones(8))

    def forward(self, x: Any) -> Any:
        mean, var = self.moving_mean, self.moving_variance
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            self.moving_mean.lerp_(mean, 0.25)
            self.moving_variance.lerp_(var, 0.25)
        return (x - mean) / (var + 1e-3).sqrt()


class NeverUsed(nn.Module):
    """Statistics that are kept, and a call in training mode whatever the mode (MAML)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("var", torch.ones(8))

    def forward(self, x: Any) -> Any:
        return F.batch_norm(x, self.mean, self.var, training=True)


class FirstBatch(nn.Module):
    """Sets its parameters from the first batch that it sees (ActNorm)."""

    def __init__(self) -> None:
        super().__init__()
        self.shift, self.scale = nn.Parameter(torch.zeros(8)), nn.Parameter(torch.ones(8))
        self.done = False

    def forward(self, x: Any) -> Any:
        if not self.done:
            self.shift.data, self.scale.data = -x.mean(0), 1 / x.std(0)
            self.done = True
        return (x + self.shift) * self.scale


class Conditioned(nn.Module):
    """Group norm whose gain and shift come from a second argument (AdaGroupNorm)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 16)

    def forward(self, x: Any, given: Any) -> Any:
        scale, shift = self.linear(given)[:, :, None, None].chunk(2, 1)
        return F.group_norm(x, 4) * (1 + scale) + shift


class Whitened(nn.Module):
    """A complex batch norm: a covariance is kept, whose entries may be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running_var", torch.eye(2)[..., None].repeat(1, 1, 8))

    def forward(self, x: Any) -> Any:
        parts = torch.stack([x.real, x.imag])
        if self.training:
            parts = parts - parts.mean(1, keepdim=True)
            cov = torch.einsum("inc,jnc->ijc", parts, parts) / len(x)
            self.running_var.lerp_(cov, 0.1)
        else:
            cov = self.running_var
        root = torch.linalg.inv(torch.linalg.cholesky(cov.permute(2, 0, 1)))
        return torch.complex(*torch.einsum("cij,jnc->inc", root, parts))


MEASURED: dict[str, tuple[nn.Module, tuple[Any, ...], dict[str, Any]]] = {
    "1 + weight": (OnePlus(8, 0.0), (maps(4, 8),), {
        "kind": "layer", "gamma": "weight", "beta": "bias", "offset": 1.0, "eps": 1e-5}),
    "zero gamma": (OnePlus(8, -1.0), (maps(4, 8),), {"kind": "layer", "offset": 1.0}),
    "channels first": (ChannelsFirst(8), (maps(),), {
        "kind": "layer", "axes": ("own", "shared", "own", "own"), "channel": 1, "eps": 1e-6}),
    "activation": (Activated(8), (maps(),), {
        "kind": "batch", "affine": False, "gamma": "weight", "beta": "bias"}),
    "time first": (TimeFirst(8), (maps(3, 4, 8, 5, 5),), {
        "kind": "batch", "channel": 2, "axes": ("shared", "shared", "own", "shared", "shared")}),
    "halves": (Halves(8), (maps(),), {
        "kind": "batch", "groups": 2, "axes": ("groups", "own", "shared", "shared")}),
    "every second": (EverySecond(8), (maps(),), {
        "kind": "batch", "groups": 2, "axes": ("strided", "own", "shared", "shared"),
        "mixes": True, "kept": ()}),
    "graphs": (Graphs(), (maps(10, 8), torch.tensor([0] * 3 + [1] * 7)), {
        "kind": "graph", "axes": ("part", "own")}),
    "cumulative": (Cumulative(), (maps(2, 4, 12),), {
        "kind": "cumulative", "axes": ("own", "shared", "past"), "large_mean": float("inf")}),
    "response": (Response(8), (maps(),), {
        "kind": "instance", "centred": False, "affine": False, "lost": (torch.float16,)}),
    "frozen": (Frozen(8), (maps(),), {
        "kind": "frozen batch", "moves": (), "mixes": False,
        "kept": (Kept("running_mean", "mean"), Kept("running_var", "variance"))}),
    "deferred": (Deferred(8), (maps(16, 8),), {
        "kind": "batch", "uses_kept": True,
        "moves": ("counter", "seen", "sum", "squares")}),
    "attributes": (OfAttributes(), (maps(16, 8),), {
        "kind": "batch", "eps_place": "deviation", "eps": 1e-6,
        "kept": (Kept("mean", "mean", saved=False),
                 Kept("sd", "deviation", biased=True, saved=False))}),
    "biased": (Biased(), (maps(16, 8),), {
        "kind": "batch", "eps": 1e-3,
        "kept": (Kept("moving_mean", "mean", 0.25),
                 Kept("moving_variance", "variance", 0.25, True))}),
    "never used": (NeverUsed(), (maps(16, 8),), {
        "kind": "batch", "mixes": True, "uses_kept": False, "moves": ("mean", "var")}),
    "first batch": (FirstBatch(), (maps(16, 8),), {"kind": "other", "sets_itself": True}),
    "conditioned": (Conditioned(), (maps(), maps(4, 5)), {"kind": "group", "groups": 4}),
    "covariance": (Whitened(), (torch.complex(maps(16, 8), maps(16, 8).flip(0)),), {
        "kind": "batch", "kept": (Kept("running_var", "spread", 0.1),)}),
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_a_layer_is_what_it_does(name: str) -> None:
    layer, args, expected = MEASURED[name]
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    plain = {key: value for key, value in vars(layer).items() if isinstance(value, (int, bool))}
    does = of(layer, *args)
    assert {key: getattr(does, key) for key in expected} == expected
    for key, value in layer.state_dict().items():
        assert torch.equal(value, before[key]), "the layer itself was run"
    assert {key: vars(layer)[key] for key in plain} == plain


class Mixing(nn.Module):
    """Decorrelates features: more than statistics of each."""

    def forward(self, x: Any) -> Any:
        x = x - x.mean(0)
        cov = x.T @ x / len(x) + 1e-5 * torch.eye(x.shape[1], dtype=x.dtype)
        return x @ torch.linalg.inv(torch.linalg.cholesky(cov)).T


class Fused(nn.Module):
    """A matrix and a norm in one: what is divided by is not a spread of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(maps(8, 8))

    def forward(self, x: Any) -> Any:
        return F.layer_norm(x @ self.w, (8,))


@pytest.mark.parametrize("layer", [Mixing(), Fused()], ids=lambda m: type(m).__name__)
def test_what_cannot_be_placed_says_what_was_seen(layer: nn.Module) -> None:
    with pytest.raises(Unfit, match="divides by a spread, and its elements act on each other"):
        measured(layer, maps(32, 8))


class Softly(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.softmax(-1)


class Gate(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * (x > x.mean(-1, keepdim=True))


class Sign(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.sign()


class Pairs(nn.Module):
    """Softmax over pairs that lie apart (ResNeSt's), which numbers far apart saturate."""

    def forward(self, x: Any) -> Any:
        return x.view(len(x), 2, -1).softmax(1).flatten(1)


class Shares(nn.Module):
    """Attention weights by hand."""

    def forward(self, x: Any) -> Any:
        return x.relu() / (x.relu().sum(-1, keepdim=True) + 1e-6)


@pytest.mark.parametrize(
    "layer", [Softly(), Gate(), Sign(), Pairs(), Shares()], ids=lambda m: type(m).__name__
)
def test_what_is_no_norm(layer: nn.Module) -> None:
    assert measured(layer, maps(8, 16)) is None


class Net(nn.Module):
    """A function between layers, a layer whose name says nothing, and one whose name lies."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.xyz = nn.Conv2d(3, 8, 3), ChannelsFirst(8)
        self.batch_norm = Named()
        self.gain = nn.Parameter(torch.ones(8))
        self.register_buffer("mean", torch.zeros(8))
        self.register_buffer("var", torch.ones(8))

    def forward(self, x: Any) -> Any:
        x = self.batch_norm(self.xyz(self.conv(x)))
        return F.batch_norm(x, self.mean, self.var, self.gain, None, self.training)


class Named(nn.Module):
    def forward(self, x: Any) -> Any:
        return 2 * x


def test_functions_between_layers_are_found_and_names_are_labels() -> None:
    model, run = Net().eval(), Net().eval()
    recorded = Recorded()
    with torch.no_grad(), recorded.listening(run):
        run(maps(4, 3, 8, 8))
    layer, function = find(model, recorded, run).norms
    assert (layer.path, layer.class_name, layer.kind) == ("xyz", "ChannelsFirst", "layer")
    assert (function.path, function.class_name, function.kind) == ("", "F.batch_norm", "batch")
    assert function.moves_when_training
    assert function.statistics["mean"] is not None
    assert function.statistics["variance"].data_ptr() == model.var.data_ptr()
    assert function.parameters["weight"] is model.gain


class Pooled(nn.Module):
    """It would be a norm on rows; the model gives it maps, of which it makes rows."""

    def forward(self, x: Any) -> Any:
        x = x.flatten(2).mean(-1) if x.dim() > 2 else x
        return x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()


def test_shapes_are_not_made_up_for_what_the_batch_has_reached() -> None:
    model, run = nn.Sequential(Pooled()), nn.Sequential(Pooled())
    recorded = Recorded()
    with recorded.listening(run):
        run(maps())
    assert [norm.kind for norm in find(model).norms] == ["rms"]
    assert find(model, recorded, run).norms == ()


def test_statistics_of_another_size_than_was_measured_are_none() -> None:
    does = of(nn.GroupNorm(4, 8), maps(4, 8, 5))
    assert does.statistics(maps(4, 6, 5)) is None


def test_without_a_batch_numbers_are_made_up() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), ChannelsFirst(8), OnePlus(8), Frozen(8), Biased())
    kinds = [norm.kind for norm in find(model).norms]
    assert kinds == ["layer", "layer", "frozen batch", "batch"]
    meta = find(model.to("meta")).norms
    assert [norm.kind for norm in meta] == kinds
