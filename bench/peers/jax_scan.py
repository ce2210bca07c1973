"""JAX: ``jit(vmap(scan))`` over steps, trials mapped, state donated.

Set up as the documentation advises: the loop over steps is a ``lax.scan`` inside ``jit``
(https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html), trials are a ``vmap``
(https://docs.jax.dev/en/latest/automatic-vectorization.html), the state is donated
(https://docs.jax.dev/en/latest/buffer_donation.html), rows are gathered inside the scan with
``promise_in_bounds`` (https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html), and
timing waits for the result (https://docs.jax.dev/en/latest/benchmarking.html). Float32 throughout.

``chunk`` trains the trials in groups of that size, one after another, with
``lax.map(batch_size=chunk)``, so that a group's arrays stay in cache; 0 is the plain ``vmap``.
``unroll`` is scan's own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array, lax, nn
from jax import numpy as jnp

from bench.peers.work import EPS, MOMENTUM, Floats, Workload, dataset, initial, orders

Layers = list[dict[str, Array]]
Statistics = list[tuple[Array, Array]]


def setup(
    work: Workload, trials: range, seed: int, *, chunk: int = 0, unroll: int = 1,
    patches: bool = False,
) -> Scan:  # fmt: skip
    """Prepare `trials`; each new number of steps compiles once."""
    return Scan(work, trials, seed, chunk, unroll, patches)


def convolved(x: Array, weight: Array, stride: int, patches: bool) -> Array:
    """A convolution of x (rows, height, width, channels): XLA's own, or nine shifted copies side by
    side and one product."""
    if not patches:
        return lax.conv_general_dilated(
            x, weight.reshape(3, 3, x.shape[-1], -1), (stride, stride), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        x[:, ky : ky + height : stride, kx : kx + width : stride]
        for ky in range(3)
        for kx in range(3)
    ]
    return jnp.concatenate(shifted, -1) @ weight


def loss_of(
    layers: Layers, x: Array, label: Array, work: Workload, patches: bool
) -> tuple[Array, Statistics]:
    """Mean cross-entropy of one minibatch and each norm's batch mean and biased variance."""
    statistics = []
    if work.conv:
        x = x.reshape(-1, work.side, work.side, 1)
    for at, layer in enumerate(layers[:-1]):
        weight = layer["weight"]
        x = convolved(x, weight, work.conv[at][1], patches) if work.conv else x @ weight
        rows = tuple(range(x.ndim - 1))
        mean = x.mean(rows)
        variance = jnp.square(x - mean).mean(rows)
        x = nn.relu((x - mean) * (lax.rsqrt(variance + EPS) * layer["gamma"]) + layer["beta"])
        statistics.append((mean, variance))
    if work.conv:
        x = x.mean((1, 2))
    scores = nn.log_softmax(x @ layers[-1]["weight"] + layers[-1]["bias"])
    return -(scores * nn.one_hot(label, scores.shape[1])).sum(1).mean(), statistics


class Scan:
    """Steps of all trials in one compiled call."""

    def __init__(
        self, work: Workload, trials: range, seed: int, chunk: int, unroll: int, patches: bool
    ) -> None:
        self.work, self.done, self.patches = work, 0, patches
        rows, labels = dataset(work)
        self.rows, self.labels = jnp.asarray(rows), jnp.asarray(labels, jnp.int32)
        self.order = jnp.asarray(orders(work, trials, seed), jnp.int32)
        layers = jax.tree.map(jnp.asarray, initial(work, trials, seed))
        widths = [(len(trials), width) for _, width in work.layers[:-1]]
        running = [(jnp.zeros(shape), jnp.ones(shape)) for shape in widths]
        self.state: tuple[Layers, Statistics] = (layers, running)
        self.unroll = unroll
        one: Any = self._train

        def in_chunks(state: Any, order: Array, places: Array) -> Any:
            return lax.map(lambda trial: one(*trial, places), (state, order), batch_size=chunk)

        every = in_chunks if chunk else jax.vmap(one, (0, 0, None))
        self.run = jax.jit(every, donate_argnums=0)

    def _train(self, state: Any, order: Array, places: Array) -> tuple[Any, Array]:
        """One trial through the minibatches at `places` of its order."""
        step = partial(self._step, order)
        state, losses = lax.scan(step, state, places, unroll=self.unroll)
        return state, losses[-1]

    def _step(self, order: Array, state: Any, place: Array) -> tuple[Any, Array]:
        layers, running = state
        index = order[place]
        x = self.rows.at[index].get(mode="promise_in_bounds")
        label = self.labels.at[index].get(mode="promise_in_bounds")
        (loss, batch), slope = jax.value_and_grad(loss_of, has_aux=True)(
            layers, x, label, self.work, self.patches
        )
        layers = jax.tree.map(lambda p, g: p - self.work.learning_rate * g, layers, slope)
        counts = [self.work.batch * positions for positions in self.work.positions[:-1]]
        keep = 1 - MOMENTUM
        running = [
            (keep * mean + MOMENTUM * new_mean, keep * var + MOMENTUM * n / (n - 1) * new_var)
            for n, (mean, var), (new_mean, new_var) in zip(counts, running, batch, strict=True)
        ]
        return (layers, running), loss

    def __call__(self, steps: int) -> Floats:
        places = np.arange(self.done, self.done + steps, dtype=np.int32) % self.order.shape[1]
        self.state, losses = self.run(self.state, self.order, places)
        self.done += steps
        return np.asarray(losses)

    def running(self) -> tuple[list[Floats], list[Floats]]:
        means = [np.asarray(mean) for mean, _ in self.state[1]]
        return means, [np.asarray(variance) for _, variance in self.state[1]]
