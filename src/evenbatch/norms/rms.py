"""RMS normalization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from evenbatch.norms._feature import FeatureNormalizer
from evenbatch.norms._spec import NormSpec


class RMSNorm(FeatureNormalizer):
    """Each sample's features scaled to a root mean square of one, without centring them.

    ``y = gamma * x / sqrt(mean(x^2) + eps)`` over the trailing axes `normalized_shape`, gamma per
    feature, no beta. Training and evaluation are the same. As in PyTorch, eps defaults to the
    dtype's machine epsilon; ONNX's default is 1e-5.

    Args:
        normalized_shape: sizes of the trailing axes that are normalized together.
        eps: added to the mean square; None for the machine epsilon of `dtype`.
        affine: have gamma.
        activation: "relu" applies ``max(y, 0)`` in the same pass, forward and backward.
        dtype: float32 or float64, of inputs, parameters and results.

    Raises:
        ValueError: an argument is out of range; when called, x or mask does not fit.

    The mask is as in `LayerNorm`.

    Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, https://arxiv.org/abs/1910.07467

    >>> import numpy as np
    >>> RMSNorm(2)(np.array([[3, 4]], np.float32)).round(3)
    array([[0.849, 1.131]], dtype=float32)
    """

    spec = NormSpec(
        name="rms",
        title="RMS normalization",
        over=("features",),
        per="feature",
        centered=False,
        running="none",
        formula="y = gamma * x / sqrt(mean(x^2) + eps)",
        paper="Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, section 4",
        url="https://arxiv.org/abs/1910.07467",
    )

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        affine: bool = True,
        *,
        activation: str | None = None,
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        if eps is None:
            kind = np.dtype(dtype)
            eps = float(np.finfo(kind).eps) if kind.kind == "f" else 0.0
        super().__init__(
            normalized_shape, eps=eps, affine=affine, activation=activation, dtype=dtype
        )
