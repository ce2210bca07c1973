"""The lesson's own normalizer: four steps, each of them on show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CookieSteps:
    """What `CookieNormalizer.normalize_batch` did, step by step; one entry per ingredient.

    Args:
        average: step 1, the typical amount of each ingredient.
        spread: step 2, the average squared distance from it (the variance).
        standardized: step 3, ``(ingredients - average) / sqrt(spread + eps)``.
        result: step 4, ``gamma * standardized + beta``.
    """

    average: Any
    spread: Any
    standardized: Array
    result: Array


class CookieNormalizer:
    """The magic machine of the cookie factory: any batch of ingredients, made even.

    Each ingredient (column) is averaged over the batch (rows), shifted to 0, divided by its spread,
    and then tuned by two knobs: ``gamma * (x - average) / sqrt(spread + 0.001) + beta``.

    Args:
        gamma: the strength knob, one number or one per ingredient.
        beta: the adjustment dial, likewise.
        eps: keeps an ingredient that never changes from being divided by zero.

    `BatchNorm` is the same machine grown up: it also learns its knobs and remembers averages.

    Ioffe, Szegedy: Batch Normalization, 2015, algorithm 1, https://arxiv.org/abs/1502.03167

    >>> steps = CookieNormalizer().normalize_batch([2, 10, 6], steps=True)  # cups of sugar
    >>> steps.average
    6.0
    >>> round(steps.spread, 3)
    10.667
    >>> steps.result.round(2)
    array([-1.22,  1.22,  0.  ])
    """

    def __init__(
        self, gamma: npt.ArrayLike = 1.0, beta: npt.ArrayLike = 0.0, eps: float = 0.001
    ) -> None:
        if not (eps >= 0 and np.isfinite(eps)):
            raise ValueError(f"CookieNormalizer: eps must be a finite number >= 0, got {eps}")
        self.gamma: Array = np.asarray(gamma, np.float64)
        self.beta: Array = np.asarray(beta, np.float64)
        self.eps = float(eps)

    @overload
    def normalize_batch(
        self, ingredients: npt.ArrayLike, *, steps: Literal[False] = False
    ) -> Array: ...
    @overload
    def normalize_batch(
        self, ingredients: npt.ArrayLike, *, steps: Literal[True]
    ) -> CookieSteps: ...
    def normalize_batch(
        self, ingredients: npt.ArrayLike, *, steps: bool = False
    ) -> Array | CookieSteps:
        """Make a batch even.

        Args:
            ingredients: (recipes,) for one ingredient or (recipes, ingredients), in any units.
            steps: return a `CookieSteps` instead of only its result.

        Raises:
            ValueError: the batch is empty or has another shape, or a knob does not fit it.
        """
        batch = np.asarray(ingredients, np.float64)
        if batch.ndim not in (1, 2) or batch.size == 0:
            raise ValueError(
                "CookieNormalizer: ingredients must be a list of amounts or a table of recipes by "
                f"ingredients, with at least one entry; got shape {batch.shape}"
            )
        for name, knob in (("gamma", self.gamma), ("beta", self.beta)):
            if knob.shape not in ((), batch.shape[1:]):
                raise ValueError(
                    f"CookieNormalizer: {name} has shape {knob.shape}, must be one number or one "
                    f"per ingredient, {batch.shape[1:]}"
                )
        average = batch.mean(axis=0)
        spread = batch.var(axis=0)
        standardized = (batch - average) / np.sqrt(spread + self.eps)
        result: Array = self.gamma * standardized + self.beta
        if not steps:
            return result
        if batch.ndim == 1:
            return CookieSteps(float(average), float(spread), standardized, result)
        return CookieSteps(average, spread, standardized, result)
