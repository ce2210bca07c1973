"""torch.func: ``vmap(grad(functional_call))`` over stacked module state.

Set up as https://docs.pytorch.org/tutorials/intermediate/ensembling.html shows: the models'
parameters and buffers are stacked by ``stack_module_state``, a skeleton on the ``meta`` device is
called functionally, and ``vmap`` maps it over trials, each with its own minibatch. Running
statistics: https://docs.pytorch.org/docs/stable/func.batch_norm.html warns that ``vmap`` cannot
write them into an unmapped buffer; the stacked buffers are mapped over, so each trial's
``BatchNorm1d`` updates its own. ``num_batches_tracked`` is dropped: nothing reads it.

``compiled=True`` puts the whole step, transforms and update, through ``torch.compile``
(https://docs.pytorch.org/docs/stable/generated/torch.compile.html): one graph to fuse.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn import functional as F

from bench.peers.torch_eager import NORMS, network
from bench.peers.work import Floats, Workload, dataset, initial, orders


def setup(
    work: Workload, trials: range, seed: int, *, compiled: bool = False, threads: int = 1
) -> Ensemble:
    """Prepare the ensemble of `trials`."""
    torch.set_num_threads(threads)
    return Ensemble(work, trials, seed, compiled)


class Ensemble:
    """Steps of all trials at once."""

    def __init__(self, work: Workload, trials: range, seed: int, compiled: bool) -> None:
        self.work, self.done = work, 0
        rows, labels = dataset(work)
        self.rows, self.labels = torch.from_numpy(rows), torch.from_numpy(labels)
        order = torch.from_numpy(orders(work, trials, seed)).transpose(0, 1).contiguous()
        self.order = order.unbind()  # one (trials, batch) index per step
        weights = initial(work, trials, seed)
        models = [network(work, weights, place) for place in range(len(trials))]
        for norm in (module for model in models for module in model.modules()):
            if isinstance(norm, NORMS):
                norm.num_batches_tracked = None
        parameters, self.buffers = stack_module_state(models)
        self.parameters = {name: tensor.detach() for name, tensor in parameters.items()}
        self.skeleton = models[0].to("meta")
        self.step = torch.compile(self._step, fullgraph=True) if compiled else self._step

    def _loss(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, label: Tensor
    ) -> Tensor:
        logits = functional_call(self.skeleton, (parameters, buffers), (x,))
        return F.cross_entropy(logits, label)

    def _step(self, index: Tensor) -> Tensor:
        x, label = self.rows[index], self.labels[index]
        steps = vmap(grad_and_value(self._loss))
        gradients, losses = steps(self.parameters, self.buffers, x, label)
        torch._foreach_add_(
            list(self.parameters.values()),
            [gradients[name] for name in self.parameters],
            alpha=-self.work.learning_rate,
        )
        return losses

    def __call__(self, steps: int) -> Floats:
        for step in range(self.done, self.done + steps):
            losses = self.step(self.order[step % len(self.order)])
        self.done += steps
        return losses.numpy()

    def running(self) -> tuple[list[Any], list[Any]]:
        named = self.buffers.items()
        means = [tensor.numpy() for name, tensor in named if name.endswith("running_mean")]
        return means, [tensor.numpy() for name, tensor in named if name.endswith("running_var")]
