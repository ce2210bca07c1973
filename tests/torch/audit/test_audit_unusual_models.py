"""Healthy models of unusual structure: no crash, everything looked at, no error found."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from everything import everything
from planted import Net, images, rows
from torch import nn
from torch.nn import functional as F

from evenbatch.torch import Severity, audit
from evenbatch.torch.models.inputs import Inputs

Case = tuple[nn.Module, Any]
Batch = namedtuple("Batch", "x y")


def conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


def generator() -> Case:
    return nn.Sequential(
        nn.ConvTranspose2d(16, 8, 4, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh(),
    ), images(16, 16, 1)  # fmt: skip


def discriminator() -> Case:
    """Spectral norm moves its buffers in training mode."""
    spectral = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(
        spectral(nn.Conv2d(3, 8, 4, 2, 1)), nn.InstanceNorm2d(8), nn.LeakyReLU(0.2), nn.Flatten(),
        spectral(nn.Linear(128, 1)),
    ), images()  # fmt: skip


def unet() -> Case:
    def run(net: Any, x: Any) -> Any:
        a = net.a(x)
        b = net.b(F.max_pool2d(a, 2))
        return net.out(net.c(torch.cat([net.up(b), a], 1)))

    return Net(
        run, a=conv(3, 8), b=conv(8, 16), up=nn.ConvTranspose2d(16, 8, 2, 2), c=conv(16, 8),
        out=nn.Conv2d(8, 2, 1),
    ), images()  # fmt: skip


class Packed(nn.Module):
    """Sequences of unequal length, packed: padding never reaches the norm layer's statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.norm = nn.LSTM(4, 8, batch_first=True), nn.LayerNorm(8)

    def forward(self, x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        return self.norm(nn.utils.rnn.pad_packed_sequence(self.cells(packed)[0], True)[0])


def packed() -> Case:
    return Packed(), (images(8, 3, 4)[:, 0], torch.tensor([4, 3, 2, 1, 4, 3, 2, 1]))


def experts() -> Case:
    """Some experts get no row at all."""

    def run(net: Any, x: Any) -> Any:
        chosen, y = net.gate(x).argmax(-1), torch.zeros_like(x)
        for i, expert in enumerate(net.experts):
            y[chosen == i] = expert(x[chosen == i])
        return y

    each = [nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4)) for _ in range(16)]
    return Net(run, gate=nn.Linear(4, 16), experts=nn.ModuleList(each)), rows()


class Detector(nn.Module):
    """A list of images of several sizes, and targets that evaluation does without."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = conv(3, 8), nn.Conv2d(8, 4, 1)

    def forward(self, pictures: Any, targets: Any = None) -> Any:
        x = torch.stack([F.interpolate(p[None], (16, 16))[0] for p in pictures])
        return [{"boxes": y} for y in self.head(self.stem(x))]


def detector() -> Case:
    pictures = [images(1, 3, side)[0] for side in (8, 9, 10, 11, 12, 13)]
    return Detector(), (pictures,)


def force_field() -> Case:
    """The forward pass differentiates within itself."""

    def run(net: Any, x: Any) -> Any:
        x = x.detach().requires_grad_()
        energy = net.energy(x).sum()
        return {"energy": energy, "forces": -torch.autograd.grad(energy, x)[0]}

    energy = nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.SiLU(), nn.Linear(16, 1))
    return Net(run, energy=energy), rows()


def takes_the_whole_batch() -> Case:
    net = Net(lambda net, x: net.norm(x["a"]) + x["b"], norm=nn.BatchNorm1d(4))
    return net, {"a": rows(), "b": torch.zeros(8, 1)}


def takes_the_whole_tuple() -> Case:
    net = Net(lambda net, x: net.norm(x[0]) + x[1], norm=nn.BatchNorm1d(4))
    return net, ((rows(), torch.zeros(8, 1)),)


def a_label_too() -> Case:
    return Net(lambda net, x: net.norm(x), norm=nn.BatchNorm1d(4)), {"x": rows(), "label": rows()}


def a_named_tuple() -> Case:
    return nn.BatchNorm1d(4), Batch(rows(), torch.zeros(8))


def instance_norm_by_batch_norm() -> Case:
    """Examples among the channels, as adaptive instance norm is often written."""

    def run(net: Any, x: Any) -> Any:
        x = net.conv(x)
        y = F.batch_norm(x.reshape(1, -1, *x.shape[2:]), None, None, training=True)
        return net.out(y.reshape(x.shape))

    return Net(run, conv=nn.Conv2d(3, 8, 3), out=nn.Conv2d(8, 3, 3)), images()


def equilibrium() -> Case:
    def run(net: Any, x: Any) -> Any:
        z = torch.zeros_like(x)
        for _ in range(10):
            z = torch.tanh(net.norm(net.linear(z) + x))
        return z

    return Net(run, linear=nn.Linear(4, 4), norm=nn.LayerNorm(4)), rows()


def ghost() -> Case:
    """One batch norm over parts of one batch: called several times, on data alike."""

    def run(net: Any, x: Any) -> Any:
        return torch.cat([net.norm(part) for part in x.chunk(4)])

    return Net(run, norm=nn.BatchNorm1d(4)), rows(256)


def expanded_buffer() -> Case:
    """One value that stands for many cannot be copied back, and need not."""
    net = Net(lambda net, x: net.norm(x * net.scale), norm=nn.BatchNorm1d(4))
    net.register_buffer("scale", torch.ones(1, 1).expand(8, 4))
    return net, rows()


def made_in_inference_mode() -> Case:
    with torch.inference_mode():
        return nn.Sequential(nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4)), rows()


def sparse_buffer() -> Case:
    net = Net(lambda net, x: net.norm(torch.sparse.mm(net.graph, x)), norm=nn.BatchNorm1d(4))
    net.register_buffer("graph", torch.eye(8).to_sparse())
    return net, rows()


def complex_weights() -> Case:
    net = Net(
        lambda net, x: torch.fft.irfft(torch.fft.rfft(net.norm(x)) * net.w, n=4),
        norm=nn.LayerNorm(4),
    )
    net.w = nn.Parameter(torch.ones(3, dtype=torch.cfloat))
    return net, rows()


def bfloat16_on_the_cpu() -> Case:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return model.bfloat16(), torch.randn(8, 6, 16).bfloat16()


@dataclass
class Output:
    scores: torch.Tensor
    more: dict[str, Any]


def any_output() -> Case:
    net = Net(lambda net, x: Output(net.norm(x), {"a": [x, None, "text"]}), norm=nn.BatchNorm1d(4))
    return net, rows()


class Stubborn(nn.Sequential):
    def train(self, mode: bool = True) -> Any:
        raise RuntimeError("this model is for inference")


def refuses_to_train() -> Case:
    return Stubborn(nn.BatchNorm1d(4)), rows()


def auxiliary_head() -> Case:
    """Another output in training than in evaluation."""

    def run(net: Any, x: Any) -> Any:
        y = net.stem(x)
        return (net.head(y), net.other(y)) if net.training else net.head(y)

    return Net(run, stem=conv(3, 8), head=nn.Conv2d(8, 2, 1), other=conv(8, 2)), images()


CASES: list[Callable[[], Case]] = [
    generator, discriminator, unet, packed, experts, detector, force_field, takes_the_whole_batch,
    takes_the_whole_tuple, a_label_too, a_named_tuple, instance_norm_by_batch_norm, equilibrium,
    ghost, expanded_buffer, made_in_inference_mode, sparse_buffer, complex_weights,
    bfloat16_on_the_cpu, any_output, refuses_to_train, auxiliary_head,
]  # fmt: skip


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_healthy_model(make: Callable[[], Case]) -> None:
    torch.manual_seed(0)
    model, batch = make()
    both = [model, batch]
    before = everything(both)
    report = audit(model, batch)
    assert report.complete, report.notes
    assert report.worst is None or report.worst < Severity.WARNING, str(report)
    assert everything(both) == before


def test_examples_of_a_list_of_images() -> None:
    model, batch = detector()
    inputs = Inputs.of(batch, model)
    assert inputs.examples == 6
    assert len(inputs.first(2).args[0]) == 2


def test_where_a_forward_fails() -> None:
    """The module whose own code failed, not the one that was entered last."""

    def run(net: Any, x: Any) -> Any:
        return net.norm(x) @ torch.zeros(7)

    [note] = [n for n in audit(nn.Sequential(Net(run, norm=nn.BatchNorm1d(4))), rows()).notes
              if n.problem]  # fmt: skip
    assert "failed in '0' (test_audit_unusual_models.py, line " in note.says
