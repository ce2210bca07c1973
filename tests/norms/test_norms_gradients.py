"""Gradients against finite differences of a randomly weighted loss, and a test of that test."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from norm_cases import assert_gradient, build, fits, run, sample

from evenbatch.norms import NORMALIZERS

SHAPES = {"short": (4, 4, 3), "long": (2, 2, 67), "flat": (5, 4)}
CASES = [
    (name, shape)
    for name, shape in itertools.product(NORMALIZERS, SHAPES)
    if fits(name, SHAPES[shape])
]


def _away_from_zero(norm: Any, shape: tuple[int, ...], mask: Any) -> Any:
    """An input whose normalized values keep clear of relu's corner."""
    for seed in itertools.count():
        x = sample(shape, seed=seed)
        activation, norm.activation = norm.activation, None
        z = norm(x, mask)
        norm.activation = activation
        if np.abs(z[z != 0]).min() > 2e-3 or activation is None:
            return x
    raise AssertionError("unreachable")


def _check(
    norm: Any, shape: tuple[int, ...], mask: Any = None, tamper: tuple[str, float] = ("", 1.0)
) -> None:
    """All gradients of sum(weights * norm(x)); `tamper` multiplies one of them first."""
    x = _away_from_zero(norm, shape, mask)
    weights = sample(shape, seed=99)
    analytic = run(norm, x, weights, mask)._asdict()
    if tamper[0]:
        analytic[tamper[0]] = analytic[tamper[0]] * tamper[1]

    def loss(_: Any) -> float:
        return float(np.sum(weights * norm(x, mask)))

    assert_gradient(loss, x, analytic["dx"], f"{norm} x")
    for name in ("gamma", "beta"):
        if getattr(norm, name) is not None:
            assert_gradient(loss, getattr(norm, name), analytic[f"d{name}"], f"{norm} {name}")


def _mask(norm: Any, shape: tuple[int, ...]) -> Any:
    random = np.random.default_rng(5)
    flags = random.random((shape[0], *shape[2:]) if norm.spec.per == "channel" else shape) < 0.7
    flags[0] = True
    return flags


@pytest.mark.parametrize(("name", "shape"), CASES)
@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name: str, shape: str, activation: str | None, masked: bool) -> None:
    norm = build(name, SHAPES[shape], dtype="float64", activation=activation, affine=True)
    _check(norm, SHAPES[shape], _mask(norm, SHAPES[shape]) if masked else None)


@pytest.mark.parametrize("name", [n for n in NORMALIZERS if NORMALIZERS[n].spec.running != "none"])
@pytest.mark.parametrize("shape", ["short", "long"])
@pytest.mark.parametrize("activation", [None, "relu"])
def test_gradients_with_running_statistics(name: str, shape: str, activation: str | None) -> None:
    """In evaluation the statistics are constants, so no gradient flows through them."""
    norm = build(
        name, SHAPES[shape], dtype="float64", activation=activation, affine=True,
        track_running_stats=True,
    )  # fmt: skip
    norm(sample(SHAPES[shape], seed=8))
    norm.eval()
    _check(norm, SHAPES[shape])


@pytest.mark.parametrize("name", NORMALIZERS)
@pytest.mark.parametrize("part", ["dx", "dgamma", "dbeta"])
@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_a_gradient_wrong_by_a_thousandth_is_caught(name: str, part: str, factor: float) -> None:
    norm = build(name, SHAPES["short"], dtype="float64", affine=True)
    if part == "dbeta" and norm.beta is None:
        return
    with pytest.raises(AssertionError, match=f"gradient of .* {part.removeprefix('d')}: off by"):
        _check(norm, SHAPES["short"], tamper=(part, factor))


@pytest.mark.parametrize("name", NORMALIZERS)
def test_a_single_wrong_element_is_caught(name: str) -> None:
    norm = build(name, SHAPES["short"], dtype="float64", affine=True)
    wrong = np.ones(SHAPES["short"])
    x = _away_from_zero(norm, SHAPES["short"], None)
    largest = np.abs(run(norm, x, sample(x.shape, seed=99)).dx).argmax()
    wrong.flat[largest] = 1.001
    with pytest.raises(AssertionError, match="gradient of"):
        _check(norm, SHAPES["short"], tamper=("dx", wrong))
