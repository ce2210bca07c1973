"""The check of Yang et al. 2019 on gradients that grow by a known factor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from claims import Model, concluded, invented, probed, trained
from race_models import tea

from evenbatch.claims import CLAIMS, NotHere
from evenbatch.claims.yang_2019 import (
    Yang2019,
    alone,
    exact_growth,
    growth,
    on,
    random_data,
)
from evenbatch.engine import Curve, Trial
from evenbatch.protocol.carry_out import carry_out
from evenbatch.protocol.setup import QUICK


def small(seeds: int = 5) -> Yang2019:
    return replace(alone(QUICK), width=32, depth=10, seeds=seeds)


def growing(factor: Callable[[str, int], float], spread: float = 0.002) -> Model:
    """Squared gradient norms that grow by `factor` of activation and batch size."""

    def model(trial: Trial) -> Curve:
        net = trial.network
        rng = np.random.default_rng([trial.seed, trial.batch_size, *net.activation.encode()])
        log = math.log(factor(net.activation, trial.batch_size)) + spread * rng.normal()
        layers = np.arange(net.depth + 1)
        return probed(invented(trial, 0.5), gradient_norm=np.exp(-log * layers / 2)[None])

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
)
def test_the_rule_compares_with_the_exact_factor(
    factor: Callable[[str, int], float], answer: str
) -> None:
    verdict = concluded(small(), growing(factor))
    assert verdict.answer == answer, verdict.sentence


def test_wide_intervals_few_seeds_and_nothing_tell_nothing() -> None:
    assert concluded(small(), growing(exact_growth, 0.1)).answer == "cannot tell"
    few = concluded(small(seeds=4), growing(exact_growth))
    assert few.reason == "4 seeds measured and at least 5 are needed"
    assert small().verdict({}, ()).reason == "nothing is measured yet"


def test_a_gradient_that_vanished_altogether_is_no_agreement() -> None:
    def model(trial: Trial) -> Curve:
        curve = growing(exact_growth)(trial)
        return probed(curve, gradient_norm=np.zeros((1, trial.network.depth + 1)))

    verdict = concluded(small(), model)
    assert verdict.answer == "cannot tell", verdict.sentence


def test_growth_is_counted_towards_the_input() -> None:
    (case, *_) = small().cases
    trial = small().grid.trials(case)[0]
    assert growth(growing(lambda _a, _b: 1.3, 0.0)(trial)) == pytest.approx(1.3)


def test_a_real_network_of_some_width_grows_as_it_should() -> None:
    experiment = replace(small(), width=64, batches=(8,), seeds=6)
    verdict = experiment.verdict(carry_out(experiment, threads=1).curves, ())
    _, identity, relu, _ = verdict.effects
    assert identity.value == pytest.approx(exact_growth("identity", 8), rel=0.1)
    assert relu.value == pytest.approx(exact_growth("relu", 8), rel=0.1)


def test_it_is_about_no_other_data() -> None:
    with pytest.raises(NotHere, match="not about tea"):
        on(tea(), QUICK)
    claim = CLAIMS["yang-2019"]
    assert claim.alone is not None
    assert list(claim.alone(QUICK).datasets) == ["random"]
    assert claim.data == ()


def test_what_is_shown() -> None:
    experiment = small()
    curves = trained(experiment, growing(exact_growth))
    verdict = experiment.verdict(curves, ())
    factors, layers = verdict.figures
    measured, exact = factors.series[:2]
    assert measured.y == pytest.approx(exact.y, rel=0.01)
    assert len(layers.series) == len(experiment.cases) + 1
    (table,) = verdict.tables
    assert {key for keys in table.keys for key in keys} == set(curves)
    assert random_data(32).n_features == 32
