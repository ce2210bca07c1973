"""Masks: a padded batch gives what its valid positions alone would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from norm_cases import DTYPES, assert_answer, build, run, sample

from evenbatch.norms import NORMALIZERS, BatchNorm, GroupNorm, InstanceNorm, LayerNorm

NAMES = list(NORMALIZERS)
LENGTHS = {"short": (5, 6, 7), "long": (3, 4, 71)}


def _mask(norm: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """A mask for this normalizer, and the same flags in x's shape."""
    random = np.random.default_rng(3)
    if norm.spec.per == "feature":
        flags = random.random(shape[:2]) < 0.6
        return flags, np.broadcast_to(flags[:, :, None], shape)
    flags = random.random((shape[0], *shape[2:])) < 0.6
    return flags, np.broadcast_to(flags[:, None], shape)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [None, "relu"])
def test_masked_matches_reference(
    name: str, shape: str, dtype: str, activation: str | None
) -> None:
    x, dy = sample(LENGTHS[shape], dtype), sample(LENGTHS[shape], dtype, seed=1)
    norm = build(name, x.shape, dtype=dtype, activation=activation, affine=True)
    mask, full = _mask(norm, x.shape)
    assert_answer(norm, x, dy, mask, full)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", LENGTHS)
@pytest.mark.parametrize("rubbish", [np.nan, np.inf, 1e300, 0.0])
def test_what_masked_positions_hold_does_not_matter(name: str, shape: str, rubbish: float) -> None:
    x, dy = sample(LENGTHS[shape]), sample(LENGTHS[shape], seed=1)
    norm = build(name, x.shape, dtype="float64", activation="relu", affine=True)
    mask, full = _mask(norm, x.shape)
    clean = run(norm, x, dy, mask)
    dirty = run(norm, np.where(full, x, rubbish), np.where(full, dy, rubbish), mask)
    for a, b in zip(clean, dirty, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not dirty.y[~full].any()
    assert not dirty.dx[~full].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", LENGTHS)
def test_all_valid_is_no_mask(name: str, shape: str) -> None:
    x = sample(LENGTHS[shape])
    norm = build(name, x.shape, dtype="float64")
    mask, _ = _mask(norm, x.shape)
    for a, b in zip(run(norm, x, x), run(norm, x, x, np.ones_like(mask)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_padded_sequences_are_as_if_cut() -> None:
    """Batch of sequences of 5, 70 and 17 steps, padded to 70: statistics over the 92 real steps."""
    x = sample((3, 4, 70))
    mask = np.arange(70) < np.array([5, 70, 17])[:, None]
    norm = BatchNorm(4, dtype="float64")
    y = norm(x, mask)
    real = np.concatenate([x[i, :, : mask[i].sum()] for i in range(3)], axis=1)  # (C, 92)
    np.testing.assert_allclose(norm.running_mean, 0.1 * real.mean(1), rtol=1e-12)
    np.testing.assert_allclose(norm.running_var, 0.9 + 0.1 * real.var(1, ddof=1), rtol=1e-12)
    expected = (real - real.mean(1, keepdims=True)) / np.sqrt(real.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y[2, :, :17], expected[:, 75:], rtol=1e-9, atol=1e-12)


def test_padded_samples_of_a_flat_batch() -> None:
    x = sample((9, 5), "float32")
    mask = np.arange(9) < 6
    padded, cut = BatchNorm(5), BatchNorm(5)
    np.testing.assert_array_equal(padded(x, mask)[:6], cut(x[:6]))
    np.testing.assert_array_equal(padded.running_var, cut.running_var)
    np.testing.assert_array_equal(padded.backward(x)[:6], cut.backward(x[:6]))
    np.testing.assert_array_equal(padded.gamma_grad, cut.gamma_grad)


@pytest.mark.parametrize("length", [7, 70])
def test_group_and_instance_use_each_sample_s_own_length(length: int) -> None:
    x = sample((2, 4, length))
    mask = np.arange(length) < np.array([5, length])[:, None]
    for norm in (GroupNorm(2, 4, dtype="float64"), InstanceNorm(4, dtype="float64")):
        y = norm(x, mask)
        np.testing.assert_allclose(y[:1, :, :5], norm(x[:1, :, :5].copy()), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(y[1:], norm(x[1:]), rtol=1e-9, atol=1e-12)


def test_layer_mask_may_reach_into_the_features() -> None:
    x = sample((4, 6, 5))
    features = np.random.default_rng(0).random((4, 6, 5)) < 0.7
    norm = LayerNorm(5, dtype="float64")
    assert_answer(norm, x, sample(x.shape, seed=1), features, features)


def test_masked_evaluation_uses_running_statistics() -> None:
    x = sample((3, 4, 70))
    mask = np.arange(70) < np.array([5, 70, 17])[:, None]
    for length in (70, 7):
        for norm in (
            BatchNorm(4, dtype="float64"),
            InstanceNorm(4, track_running_stats=True, affine=True, dtype="float64"),
        ):
            part, flags = np.ascontiguousarray(x[..., :length]), mask[:, :length]
            norm(sample(part.shape, seed=4))
            plain = norm.eval()(part)
            full = np.broadcast_to(flags[:, None], part.shape)
            np.testing.assert_array_equal(norm(part, flags), np.where(full, plain, 0))
            dx = norm.backward(part)
            scale = (norm.gamma / np.sqrt(norm.running_var + norm.eps))[:, None]
            np.testing.assert_allclose(dx, np.where(full, part * scale, 0), rtol=1e-12)


def test_one_valid_value_is_refused_like_one_value() -> None:
    mask = np.zeros((4, 3), bool)
    mask[1, 1] = True
    with pytest.raises(ValueError, match="more than 1 value per channel, got 1"):
        BatchNorm(2)(np.zeros((4, 2, 3), "float32"), mask)
