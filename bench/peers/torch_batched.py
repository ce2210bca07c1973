"""PyTorch batched by hand: every trial's tensors stacked, one ``bmm`` a layer for all trials.

A weight product is one ``torch.bmm``, the last one, with its bias, ``torch.baddbmm``
(https://docs.pytorch.org/docs/stable/generated/torch.baddbmm.html); all trials' norms are one call
of ``F.batch_norm`` with trials x width channels. The update is one ``_foreach_add_`` over the
stacked parameters; ``torch.optim.SGD``, fused or foreach, took 1.1 times as long a step.

* Run eagerly, activations are kept as (trials, width, batch): the batch norm kernel then finds each
  channel contiguous, and nothing is copied. Norms written out with ``var_mean`` took 2.4 times as
  long a step.
* ``compiled=True`` puts the whole step through ``torch.compile``
  (https://docs.pytorch.org/docs/stable/generated/torch.compile.html). Activations are then
  (trials, batch, width), which it turns into vector loops over width (the other layout took 3 times
  as long), and gradients come from ``torch.func.grad_and_value``, which leaves it one graph to fuse
  (with ``torch.autograd.grad`` a step took 3 times as long).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.peers.work import EPS, MOMENTUM, Floats, Workload, dataset, initial, orders


def setup(
    work: Workload, trials: range, seed: int, *, compiled: bool = False, threads: int = 1
) -> Batched:
    """Prepare the stacked networks of `trials`."""
    torch.set_num_threads(threads)
    return Batched(work, trials, seed, compiled)


class Batched:
    """Steps of all trials at once."""

    def __init__(self, work: Workload, trials: range, seed: int, compiled: bool) -> None:
        self.work, self.trials, self.done = work, len(trials), 0
        self.compiled = compiled
        rows, labels = dataset(work)
        self.rows, self.labels = torch.from_numpy(rows), torch.from_numpy(labels)
        order = torch.from_numpy(orders(work, trials, seed)).transpose(0, 1).contiguous()
        self.order = order.view(len(order), -1).unbind()  # one flat index per step
        self.layers = [self._stack(layer) for layer in initial(work, trials, seed)]
        self.means = [torch.zeros(self.trials * width) for width in work.hidden]
        self.variances = [torch.ones(self.trials * width) for width in work.hidden]
        self.step = torch.compile(self._step, fullgraph=True) if compiled else self._step

    def _stack(self, layer: dict[str, Floats]) -> list[Tensor]:
        """[weight, gamma, beta] of a hidden layer, [weight, bias] of the last one."""
        weight, *vectors = (torch.from_numpy(array) for array in layer.values())
        if self.compiled:
            return [weight, *(v.unsqueeze(1) if "bias" in layer else v.flatten() for v in vectors)]
        vectors = [v.unsqueeze(2) if "bias" in layer else v.flatten() for v in vectors]
        return [t.requires_grad_() for t in (weight.transpose(1, 2).contiguous(), *vectors)]

    def _step(self, index: Tensor) -> Tensor:
        parameters = [tensor for layer in self.layers for tensor in layer]
        if self.compiled:
            grad = torch.func.grad_and_value(self._loss, has_aux=True)
            gradients, (_, losses) = grad(self.layers, index)
            gradients = [tensor for layer in gradients for tensor in layer]
        else:
            loss, losses = self._loss(self.layers, index)
            gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-self.work.learning_rate)
        return losses.detach()

    def _loss(self, layers: list[list[Tensor]], index: Tensor) -> tuple[Tensor, Tensor]:
        x = self.rows.index_select(0, index).view(self.trials, self.work.batch, -1)
        label = self.labels.index_select(0, index).view(self.trials, self.work.batch)
        logits = (self._width_last if self.compiled else self._width_first)(layers, x)
        losses = F.cross_entropy(logits, label, reduction="none").mean(1)
        return losses.sum(), losses

    def _width_first(self, layers: list[list[Tensor]], x: Tensor) -> Tensor:
        x = x.transpose(1, 2)  # (trials, width, batch)
        for place, (weight, *affine) in enumerate(layers[:-1]):
            x = torch.bmm(weight, x)
            x = self._norm(x.view(1, -1, self.work.batch), place, affine).view_as(x)
        weight, bias = layers[-1]
        return torch.baddbmm(bias, weight, x)

    def _width_last(self, layers: list[list[Tensor]], x: Tensor) -> Tensor:
        for place, (weight, *affine) in enumerate(layers[:-1]):
            x = torch.bmm(x, weight).transpose(0, 1)  # (batch, trials, width)
            x = self._norm(x.flatten(1), place, affine).view(x.shape).transpose(0, 1)
        weight, bias = layers[-1]
        return torch.baddbmm(bias, x, weight).transpose(1, 2)

    def _norm(self, x: Tensor, place: int, affine: list[Tensor]) -> Tensor:
        mean, variance = self.means[place], self.variances[place]
        gamma, beta = affine
        x = F.batch_norm(x, mean, variance, gamma, beta, True, MOMENTUM, EPS)
        return F.relu(x, inplace=True)

    def __call__(self, steps: int) -> Floats:
        for step in range(self.done, self.done + steps):
            losses = self.step(self.order[step % len(self.order)])
        self.done += steps
        return losses.numpy()

    def running(self) -> tuple[list[Any], list[Any]]:
        means = [tensor.view(self.trials, -1).numpy() for tensor in self.means]
        return means, [tensor.view(self.trials, -1).numpy() for tensor in self.variances]
