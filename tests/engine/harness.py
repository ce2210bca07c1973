"""Small data sets, random weights and comparisons that the engine's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from evenbatch.data.dataset import Dataset
from evenbatch.engine import LayerWeights, Network, NormWeights, Weights, initial_weights


def classification(
    features: int, classes: int, n_train: int = 97, n_test: int = 41, seed: int = 0
) -> Dataset:
    """Classes around random centres: learnable, with overlap."""
    draw = np.random.default_rng([seed, features, classes])
    centres = draw.normal(0, 1, (classes, features))
    labels = draw.integers(0, classes, n_train + n_test)
    x = (centres[labels] + draw.normal(0, 1, (len(labels), features))).astype(np.float32)
    return Dataset(
        f"classes-{features}-{classes}-{n_train}-{seed}",
        "classification",
        x[:n_train],
        labels[:n_train],
        x[n_train:],
        labels[n_train:],
        tuple(f"f{i}" for i in range(features)),
        tuple(f"c{i}" for i in range(classes)),
    )


def regression(
    features: int, targets: int, n_train: int = 97, n_test: int = 41, seed: int = 0
) -> Dataset:
    """Targets from a random smooth function of the features."""
    draw = np.random.default_rng([seed, features, targets, 7])
    x = draw.normal(0, 1, (n_train + n_test, features)).astype(np.float32)
    y = np.tanh(x @ draw.normal(0, 1 / np.sqrt(features), (features, targets)))
    y = (y + 0.1 * draw.normal(0, 1, y.shape)).astype(np.float32)
    return Dataset(
        f"targets-{features}-{targets}-{n_train}-{seed}",
        "regression",
        x[:n_train],
        y[:n_train],
        x[n_train:],
        y[n_train:],
        tuple(f"f{i}" for i in range(features)),
        (),
    )


def sequences(
    data: Dataset, time_steps: int, features: int, lengths: tuple[int, ...] = (), seed: int = 0
) -> Dataset:
    """The same targets for random sequences, of lengths 1 to `time_steps` or of those given."""
    draw = np.random.default_rng([seed, time_steps, features])
    parts = []
    for n in (data.n_train, data.n_test):
        x = draw.normal(0.2, 1, (n, time_steps, features)).astype(np.float32)
        some = draw.choice(lengths or np.arange(1, time_steps + 1), n).astype(np.int64)
        x[np.arange(time_steps) >= some[:, None]] = 0
        parts += [x.reshape(n, -1), some]
    return Dataset(
        f"{data.name}-{time_steps}x{features}-{seed}", data.task, parts[0], data.y_train, parts[2],
        data.y_test, tuple(f"f{i}" for i in range(features)), data.classes,
        time_steps=time_steps, lengths_train=parts[1], lengths_test=parts[3],
    )  # fmt: skip


def planes(data: Dataset, *shape: int) -> Dataset:
    """The same examples, their columns taken for positions; the last number is the channels'."""
    return replace(data, name=f"{data.name}-{'x'.join(map(str, shape))}", shape=shape)


def random_weights(network: Network, seed: int, dtype: Any) -> Weights:
    """Initial weights, with biases, gammas, betas and running statistics away from 0 and 1."""
    start = initial_weights(network, seed, np.float64)
    draw = np.random.default_rng([seed, 99])
    linears = tuple(
        LayerWeights(
            layer.weight.astype(dtype),
            None if layer.bias is None else draw.normal(0, 0.1, layer.bias.shape).astype(dtype),
        )
        for layer in start.linears
    )
    norms = []
    for norm in start.norms:
        n = len(norm.gamma)
        running = ()
        if norm.running_mean is not None:
            shape = norm.running_mean.shape
            running = (
                draw.normal(0, 0.3, shape).astype(dtype),
                draw.uniform(0.5, 2, shape).astype(dtype),
            )
        gamma, beta = draw.uniform(0.6, 1.4, n), draw.normal(0, 0.2, n)
        norms.append(NormWeights(gamma.astype(dtype), beta.astype(dtype), *running))
    return Weights(linears, tuple(norms))


def random_batches(n_train: int, batch_size: int, steps: int, seed: int) -> Any:
    """Minibatches drawn with repetition, in no order."""
    return np.random.default_rng([seed, 5]).integers(0, n_train, (steps, batch_size))


def arrays(weights: Weights) -> Iterator[tuple[str, Any]]:
    """(name, array) of every parameter and running statistic."""
    for i, layer in enumerate(weights.linears):
        yield f"linear {i} weight", layer.weight
        if layer.bias is not None:
            yield f"linear {i} bias", layer.bias
    for i, norm in enumerate(weights.norms):
        yield f"norm {i} gamma", norm.gamma
        yield f"norm {i} beta", norm.beta
        if norm.running_mean is not None:
            yield f"norm {i} running mean", norm.running_mean
            yield f"norm {i} running variance", norm.running_var


def same_bits(one: Any, other: Any) -> bool:
    """Equal to the bit, NaN equal to NaN."""
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)


def assert_same_curves(one: Any, other: Any) -> None:
    """Two curves agree to the bit, seconds aside."""
    assert one.trial == other.trial
    assert (one.ended, one.ended_at) == (other.ended, other.ended_at)
    for name in ("step", "train_loss", "test_loss", "metric", "train_eval_loss", "train_metric"):
        assert same_bits(getattr(one, name), getattr(other, name)), name
    assert (one.probes is None) == (other.probes is None)
    if one.probes is not None:
        for name, values in vars(one.probes).items():
            assert same_bits(values, getattr(other.probes, name)), f"probe {name}"
    assert (one.landscape is None) == (other.landscape is None)
    if one.landscape is not None:
        for name, values in vars(one.landscape).items():
            assert same_bits(values, getattr(other.landscape, name)), f"landscape {name}"
    assert (one.weights is None) == (other.weights is None)
    if one.weights is not None:
        for (name, a), (_, b) in zip(arrays(one.weights), arrays(other.weights), strict=True):
            assert same_bits(a, b), name
