"""Running statistics: PyTorch's momentum, cumulative averages, unbiased variance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from norm_cases import DTYPES, sample

from evenbatch.norms import BatchNorm, InstanceNorm

SHAPES = [(6, 3), (4, 3, 5), (4, 3, 70)]


def _batches(shape: tuple[int, ...], dtype: str = "float64") -> list[Any]:
    return [sample(shape, dtype, seed=k) for k in range(4)]


def _statistics(norm: Any, x: Any) -> tuple[Any, Any]:
    """Mean and unbiased variance per channel, as this normalizer averages them."""
    x = x.astype("float64")
    if isinstance(norm, BatchNorm):
        axes = (0, *range(2, x.ndim))
        return x.mean(axes), x.var(axes, ddof=1)
    return x.mean(2).mean(0), x.var(2, ddof=1).mean(0)


def _each(shape: tuple[int, ...], **options: Any) -> list[Any]:
    norms: list[Any] = [BatchNorm(3, **options)]
    if len(shape) > 2:
        norms.append(InstanceNorm(3, track_running_stats=True, **options))
    return norms


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("momentum", [0.1, 0.3, 0.0, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_momentum_weights_the_new_value(
    shape: tuple[int, ...], momentum: float, dtype: str
) -> None:
    for norm in _each(shape, momentum=momentum, dtype=dtype):
        mean, var = np.zeros(3), np.ones(3)
        for x in _batches(shape, dtype):
            norm(x)
            new_mean, new_var = _statistics(norm, x)
            mean = (1 - momentum) * mean + momentum * new_mean
            var = (1 - momentum) * var + momentum * new_var
        tolerance = 1e-12 if dtype == "float64" else 1e-6
        np.testing.assert_allclose(norm.running_mean, mean, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(norm.running_var, var, rtol=tolerance)
        assert norm.running_mean.dtype == norm.running_var.dtype == np.dtype(dtype)
        assert norm.num_batches_tracked == 4


@pytest.mark.parametrize("shape", SHAPES)
def test_no_momentum_means_the_average_of_all_batches(shape: tuple[int, ...]) -> None:
    for norm in _each(shape, momentum=None, dtype="float64"):
        seen = []
        for x in _batches(shape):
            norm(x)
            seen.append(_statistics(norm, x))
            means, variances = zip(*seen, strict=True)
            np.testing.assert_allclose(norm.running_mean, np.mean(means, 0), rtol=1e-12)
            np.testing.assert_allclose(norm.running_var, np.mean(variances, 0), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_uses_them_and_leaves_them(shape: tuple[int, ...]) -> None:
    for norm in _each(shape, dtype="float64"):
        for x in _batches(shape):
            norm(x)
        mean, var = norm.running_mean.copy(), norm.running_var.copy()
        x = sample(shape, seed=9)
        wide = (3, *(1,) * (len(shape) - 2))
        expected = (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + norm.eps)
        np.testing.assert_allclose(norm.eval()(x), expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(norm.running_mean, mean)
        np.testing.assert_array_equal(norm.running_var, var)
        assert norm.num_batches_tracked == 4


def test_without_tracking_evaluation_uses_the_batch() -> None:
    x = sample((4, 3, 5))
    norm = BatchNorm(3, track_running_stats=False, dtype="float64")
    trained = norm(x)
    assert norm.running_mean is None
    assert norm.running_var is None
    np.testing.assert_array_equal(norm.eval()(x), trained)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(np.ones((1, 3)))


def test_gradient_does_not_flow_through_running_statistics() -> None:
    x, dy = sample((4, 3, 5)), sample((4, 3, 5), seed=1)
    norm = BatchNorm(3, dtype="float64")
    norm(x)
    norm.eval()(x)
    scale = (norm.gamma / np.sqrt(norm.running_var + norm.eps))[:, None]
    np.testing.assert_allclose(norm.backward(dy), dy * scale, rtol=1e-12)
    assert norm.training is False


def test_running_statistics_of_another_shape_are_refused() -> None:
    norm = BatchNorm(3, dtype="float64").eval()
    norm.running_var = np.ones(4)
    with pytest.raises(ValueError, match=r"running_var has shape \(4,\), must be \(3,\)"):
        norm(np.ones((2, 3)))


def test_short_samples_do_not_enter_instance_statistics() -> None:
    x = sample((3, 2, 6))
    mask = np.array([[1] * 6, [1] + [0] * 5, [1] * 4 + [0] * 2], bool)
    norm = InstanceNorm(2, track_running_stats=True, momentum=1.0, dtype="float64")
    norm(x, mask)
    variances = [x[0].var(1, ddof=1), x[2, :, :4].var(1, ddof=1)]
    np.testing.assert_allclose(norm.running_var, np.mean(variances, 0), rtol=1e-12)
