"""The check of Yang et al. 2019 on gradients that grow by a known factor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evenbatch.claims import CLAIMS, yang_2019
from evenbatch.claims.yang_2019 import exact_growth
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.verdict import NotHere
from support.curves import Model, curve, luck, probed, tea
from support.studies import NEEDED, QUICK, by_id, concluded, study_of

CASES = [f"{name}-{batch}" for name in ("identity", "relu") for batch in (8, 16, 64)]


def small(seeds: int = 5, width: int = 32) -> Any:
    return study_of("yang-2019", yang_2019.random_data(width), seeds=seeds)


def growing(factor: Callable[[str, int], float], spread: float = 0.002) -> Model:
    """Squared gradient norms that grow by `factor` of activation and batch size."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        log = math.log(factor(net.activation, trial.batch_size)) + spread * luck(trial)
        layers = np.arange(net.depth + 1)
        return probed(curve(trial, 0.5), gradient_norm=np.exp(-log * layers / 2)[None])

    return model


@pytest.mark.parametrize("batch", [8, 16, 64])
@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_the_exact_factor_is_that_of_a_wide_network(activation: str, batch: int) -> None:
    """Straight from the definition: normalized rows, back through one layer, averaged over units.

    Units are independent given the layer below, whose covariance over the batch at the fixed point
    is that of the activations of random directions.
    """
    rng = np.random.default_rng(batch)
    units = 100_000
    act = (lambda y: np.maximum(y, 0)) if activation == "relu" else (lambda y: y)

    def normalized(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = h - h.mean(axis=1, keepdims=True)
        length = np.sqrt((centred**2).mean(axis=1, keepdims=True))
        return centred / length, length

    y, _ = normalized(rng.normal(size=(units, batch)))
    below = act(y)
    covariance = below.T @ below / units
    spread = np.mean(np.diag(covariance)) - np.mean(covariance[~np.eye(batch, dtype=bool)])
    h = rng.normal(size=(units, batch)) * math.sqrt(spread)
    x, length = normalized(h)
    above = rng.normal(size=(units, batch))
    above -= above.mean(axis=1, keepdims=True)
    through = above * (x > 0) if activation == "relu" else above
    back = through - through.mean(axis=1, keepdims=True)
    back = (back - x * (back * x).mean(axis=1, keepdims=True)) / length
    ratio = (back**2).sum() / (above**2).sum()
    assert ratio == pytest.approx(exact_growth(activation, batch), rel=0.02)


def test_the_exact_factor_needs_a_batch_of_four() -> None:
    assert exact_growth("identity", 4) == 2.0
    with pytest.raises(ValueError, match="batch is 3"):
        exact_growth("relu", 3)


@pytest.mark.parametrize(
    ("factor", "answer"),
    [
        (exact_growth, "holds"),
        (lambda a, b: exact_growth(a, b) * (1.1 if a == "relu" else 1.0), "holds in part"),
        (lambda _a, _b: 1.0, "holds in part"),  # (B − 2)/(B − 3) is 1.016 for 64
        (lambda _a, _b: 0.9, "does not hold"),
        (lambda a, b: 1 / exact_growth(a, b) ** 3, "does not hold"),
    ],
    ids=["exact", "one activation", "none", "shrinking", "the other way"],
)
def test_the_rule_compares_with_the_exact_factor(
    factor: Callable[[str, int], float], answer: str
) -> None:
    verdict = concluded(small(), growing(factor))
    assert verdict.answer == answer, verdict.sentence


def test_wide_intervals_and_few_seeds_tell_nothing() -> None:
    assert concluded(small(), growing(exact_growth, 0.1)).answer == "cannot tell"
    few = concluded(small(4), growing(exact_growth))
    assert (few.answer, NEEDED in few.reason) == ("cannot tell", True)


def test_a_gradient_that_vanished_altogether_is_no_agreement() -> None:
    def model(trial: Trial) -> Curve:
        found = growing(exact_growth)(trial)
        return probed(found, gradient_norm=np.zeros((1, trial.network.depth + 1)))

    verdict = concluded(small(), model)
    assert verdict.answer == "cannot tell", verdict.sentence


def test_growth_is_counted_towards_the_input_and_beside_the_exact_factor() -> None:
    found = by_id(concluded(small(), growing(lambda _a, _b: 1.3, 0.0)))
    for case in CASES:
        name, batch = case.split("-")
        assert found[f"factor/{case}"].value == pytest.approx(1.3)
        assert found[f"off/{case}"].value == pytest.approx(1.3 / exact_growth(name, int(batch)))
    misses = [100 * (found[f"off/{case}"].value - 1) for case in CASES]
    assert found["miss"].value == pytest.approx(np.mean(misses))


def test_a_real_network_of_some_width_grows_as_it_should() -> None:
    study = small(6, width=64)
    found = by_id(study.verdict(carry_out(study, threads=1).curves))
    for name in ("identity", "relu"):
        factor = found[f"factor/{name}-8"].value
        assert factor == pytest.approx(exact_growth(name, 8), rel=0.1)
    assert found["factor/none"].value == pytest.approx(1, abs=0.1)


def test_it_is_about_no_other_data() -> None:
    claim = CLAIMS["yang-2019"]
    with pytest.raises(NotHere, match="not about tea"):
        claim.on(tea(), QUICK)
    assert claim.alone is not None
    assert claim.alone(QUICK).name == "random"
    assert claim.data == ()


def test_what_is_shown() -> None:
    verdict = concluded(small(), growing(exact_growth))
    figures = {figure.id: figure for figure in verdict.figures}
    measured, exact = figures["factors"].series[:2]
    assert measured.y == pytest.approx(exact.y, rel=0.01)
    assert len(figures["layers"].series) == len(CASES) + 1
    assert len(verdict.tables[0].rows) == len(CASES) + 1
