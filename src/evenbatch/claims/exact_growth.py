"""How much batch norm makes gradients grow at initialization: the exact factor a layer, and data on
which it can be measured."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from evenbatch.data.dataset import Dataset

ROWS, CLASSES = 512, 10


def exact_growth(activation: str, batch: int) -> float:
    """Factor by which the squared gradient norm grows with each layer, counted from the output.

    For layers of infinite width with batch norm of `batch` examples (B), at initialization:

        identity:  (B − 2) / (B − 3)
        relu:      B/((½ − c)(B − 3)) · [(B − 2)/2 + (½ + (B − 1)q)/B − (B − 1)(½ − c)/B] / (B − 1)

    with ρ = −1/(B − 1), c = (√(1 − ρ²) + ρ(π − arccos ρ)) / 2π the mean product of two examples'
    activations and q = ¼ + arcsin(ρ)/2π the chance that both are positive. Why: a unit's normalized
    batch is a random direction in the B − 1 dimensions orthogonal to (1, …, 1), divided by its
    length. The mean of 1/length² is 1/((½ − c)(B − 3)), or (B − 1)/(B(B − 3)) for the identity; the
    rest is the mean over directions of what the backward pass lets through. As B grows, relu tends
    to π/(π − 1) = 1.467.

    Args:
        activation: "identity" or "relu".
        batch: examples in a batch, more than 3.

    Source: Yang et al. 2019, arXiv:1902.08129.

    >>> exact_growth("identity", 8), round(exact_growth("relu", 8), 3)
    (1.2, 1.788)
    >>> round(exact_growth("relu", 1_000_000), 3), round(math.pi / (math.pi - 1), 3)
    (1.467, 1.467)
    """
    if batch <= 3:
        raise ValueError(f"batch is {batch}; for 3 and fewer the mean is infinite")
    if activation == "identity":
        return (batch - 2) / (batch - 3)
    rho = -1 / (batch - 1)
    c = (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)
    q = 0.25 + math.asin(rho) / (2 * math.pi)
    half = 0.5 - c
    through = (batch - 2) / 2 + (0.5 + (batch - 1) * q) / batch - (batch - 1) * half / batch
    return batch / (half * (batch - 3)) * through / (batch - 1)


@lru_cache(maxsize=4)
def random_data(features: int) -> Dataset:
    """Normal inputs and classes drawn at random: there is nothing to learn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, features)).astype(np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    names = tuple(f"x{i}" for i in range(features))
    classes = tuple(str(i) for i in range(CLASSES))
    return Dataset("random", "classification", x, y, x[:8], y[:8], names, classes)
