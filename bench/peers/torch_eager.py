"""PyTorch eager: one ``torch.nn`` network at a time.

Set up as https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html advises:
no bias before a batch norm, ``zero_grad(set_to_none=True)`` (the default), no ``.item()`` in the
loop, threads set. https://docs.pytorch.org/docs/stable/optim.html recommends the fused optimizer
over foreach over the plain loop; all three are variants here, as are one and two threads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bench.peers.work import EPS, MOMENTUM, Floats, Workload, dataset, initial, orders


def setup(
    work: Workload, trials: range, seed: int, *, optimizer: str = "fused", threads: int = 1
) -> EagerLoop:
    torch.set_num_threads(threads)
    return EagerLoop(work, trials, seed, optimizer)


class EagerLoop:
    def __init__(self, work: Workload, trials: range, seed: int, optimizer: str) -> None:
        rows, labels = dataset(work)
        self.rows, self.labels = torch.from_numpy(rows), torch.from_numpy(labels)
        self.order = torch.from_numpy(orders(work, trials, seed))
        self.done = 0
        weights = initial(work, trials, seed)
        self.models = [network(work, weights, place) for place in range(len(trials))]
        flags = {optimizer: True} if optimizer in ("fused", "foreach") else {"foreach": False}
        self.optimizers = [
            torch.optim.SGD(model.parameters(), lr=work.learning_rate, **flags)
            for model in self.models
        ]

    def __call__(self, steps: int) -> Floats:
        losses = []
        for place, (model, optimizer) in enumerate(zip(self.models, self.optimizers, strict=True)):
            order = self.order[place].unbind()
            for step in range(self.done, self.done + steps):
                index = order[step % len(order)]
                loss = F.cross_entropy(
                    model(self.rows.index_select(0, index)), self.labels.index_select(0, index)
                )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            losses.append(loss.detach())
        self.done += steps
        return torch.stack(losses).numpy()

    def running(self) -> tuple[list[Floats], list[Floats]]:
        norms = [[m for m in model if isinstance(m, NORMS)] for model in self.models]
        layers = list(zip(*norms, strict=True))
        means = [np.stack([norm.running_mean.numpy() for norm in layer]) for layer in layers]
        variances = [np.stack([norm.running_var.numpy() for norm in layer]) for layer in layers]
        return means, variances


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def network(work: Workload, weights: list[dict[str, Floats]], place: int) -> nn.Sequential:
    """The workload's network as modules, with the initial weights of one trial."""
    modules: list[nn.Module] = []
    if work.conv:
        modules.append(nn.Unflatten(1, (1, work.side, work.side)))
    for at, ((fan_in, fan_out), layer) in enumerate(zip(work.layers, weights, strict=True)):
        weight = torch.from_numpy(layer["weight"][place].T)
        if at < len(work.conv):
            stride = work.conv[at][1]
            linear: nn.Module = nn.Conv2d(fan_in // 9, fan_out, 3, stride, padding=1, bias=False)
            weight = weight.reshape(fan_out, 3, 3, -1).movedim(-1, 1)
        else:
            linear = nn.Linear(fan_in, fan_out, bias="bias" in layer)
        with torch.no_grad():
            linear.weight.copy_(weight)
            if "bias" in layer:
                linear.bias.copy_(torch.from_numpy(layer["bias"][place]))
        modules.append(linear)
        if "gamma" in layer:
            norm = nn.BatchNorm2d if work.conv else nn.BatchNorm1d
            modules += [norm(fan_out, eps=EPS, momentum=MOMENTUM), nn.ReLU(inplace=True)]
        if at == len(work.conv) - 1:
            modules += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*modules)
