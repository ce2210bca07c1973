"""The lesson's normalizer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evenbatch.norms import BatchNorm, CookieNormalizer


def test_the_lesson_s_example() -> None:
    """2, 10 and 6 cups of sugar: average 6."""
    steps = CookieNormalizer().normalize_batch([2, 10, 6], steps=True)
    assert steps.average == 6.0
    assert steps.spread == pytest.approx(32 / 3)
    np.testing.assert_allclose(steps.standardized, np.array([-4, 4, 0]) / np.sqrt(32 / 3 + 0.001))
    np.testing.assert_array_equal(steps.result, steps.standardized)


def test_each_ingredient_by_itself() -> None:
    """Sugar in cups and flour in grams: each column ends up centred, with a spread near 1."""
    batch = np.array([[2, 120], [10, 6000], [6, 900], [4, 2500]])
    steps = CookieNormalizer(gamma=[2, 1], beta=[0.5, 0]).normalize_batch(batch, steps=True)
    np.testing.assert_array_equal(steps.average, [5.5, 2380])
    np.testing.assert_allclose(steps.standardized.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(steps.standardized.std(0), 1, rtol=1e-3)
    np.testing.assert_allclose(steps.result, steps.standardized * [2, 1] + [0.5, 0])


def test_without_steps_only_the_result() -> None:
    batch = np.arange(12.0).reshape(4, 3)
    cook = CookieNormalizer()
    np.testing.assert_array_equal(
        cook.normalize_batch(batch), cook.normalize_batch(batch, steps=True).result
    )


def test_agrees_with_batch_norm() -> None:
    batch = np.random.default_rng(0).standard_normal((7, 11)) * 5 + 3
    norm = BatchNorm(11, eps=0.001, dtype="float64")
    norm.gamma, norm.beta = np.linspace(0.5, 2, 11), np.linspace(-1, 1, 11)
    cook = CookieNormalizer(norm.gamma, norm.beta)
    np.testing.assert_allclose(cook.normalize_batch(batch), norm(batch), rtol=1e-12, atol=1e-13)


def test_an_ingredient_that_never_changes_becomes_zero() -> None:
    """That is what eps is for (the lesson's third question)."""
    assert not CookieNormalizer().normalize_batch([3, 3, 3]).any()


def test_steps_are_frozen_and_input_untouched() -> None:
    batch = np.array([2.0, 10, 6])
    steps = CookieNormalizer().normalize_batch(batch, steps=True)
    with pytest.raises(dataclasses.FrozenInstanceError):
        steps.average = 5.0  # type: ignore[misc]
    np.testing.assert_array_equal(batch, [2, 10, 6])


@pytest.mark.parametrize("wrong", [[], [[]], 3.0, np.zeros((2, 2, 2))])
def test_other_shapes_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="list of amounts or a table of recipes by ingredients"):
        CookieNormalizer().normalize_batch(wrong)  # type: ignore[call-overload]


def test_knobs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gamma has shape \(2,\), must be one number or one per"):
        CookieNormalizer(gamma=[1, 2]).normalize_batch(np.ones((4, 3)))
    with pytest.raises(ValueError, match="eps must be a finite number >= 0, got -1"):
        CookieNormalizer(eps=-1)
