"""Layer normalization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evenbatch.norms._feature import FeatureNormalizer
from evenbatch.norms._spec import NormSpec


class LayerNorm(FeatureNormalizer):
    """Each sample's features made even among themselves; the batch plays no part.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta``, mean and biased variance over the trailing
    axes `normalized_shape`, gamma and beta per feature. Training and evaluation are the same.
    Conventions are PyTorch's; ONNX names the first normalized axis instead of their sizes, and
    Keras takes the last axis with eps 0.001.

    Args:
        normalized_shape: sizes of the trailing axes that are normalized together.
        eps: added to the variance.
        affine: have gamma and beta.
        activation: "relu" applies ``max(y, 0)`` in the same pass, forward and backward.
        dtype: float32 or float64, of inputs, parameters and results.

    Raises:
        ValueError: an argument is out of range; when called, x or mask does not fit.

    The mask's shape is ``x.shape[:mask.ndim]``: valid positions of a padded batch, or, when it
    reaches into the features, the features that count.

    Ba, Kiros, Hinton: Layer Normalization, 2016, equation 3, https://arxiv.org/abs/1607.06450

    >>> import numpy as np
    >>> LayerNorm(3)(np.array([[2, 10, 6], [0, 0, 0]], np.float32)).round(3)
    array([[-1.225,  1.225,  0.   ],
           [ 0.   ,  0.   ,  0.   ]], dtype=float32)
    """

    spec = NormSpec(
        name="layer",
        title="layer normalization",
        over=("features",),
        per="feature",
        centered=True,
        running="none",
        formula="y = gamma * (x - mean) / sqrt(var + eps) + beta",
        paper="Ba, Kiros, Hinton: Layer Normalization, 2016, equation 3",
        url="https://arxiv.org/abs/1607.06450",
    )

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        activation: str | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        super().__init__(
            normalized_shape, eps=eps, affine=affine, activation=activation, dtype=dtype
        )
