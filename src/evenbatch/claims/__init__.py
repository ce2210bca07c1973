"""The claims: one claim, one file, and the table below to find it.

To add a claim, write `<claim>.py` with a `CLAIM`, and add its line to `CLAIMS`.
"""

from __future__ import annotations

from evenbatch.claims import (
    batch_size,
    covariate_shift,
    depth,
    epsilon,
    feature_scaling,
    gamma_beta,
    gradients,
    initialization,
    ioffe_2015,
    layer_norm,
    learning_rate,
    placement,
    regularization,
    sequences,
    smoothness,
    speed,
    train_eval,
    yang_2019,
)
from evenbatch.claims.claim import EFFORTS, Claim, Effort
from evenbatch.claims.speed import race_study

__all__ = ["CLAIMS", "EFFORTS", "Claim", "Effort", "race_study"]

CLAIMS: dict[str, Claim] = {
    module.CLAIM.id: module.CLAIM
    for module in (
        speed,
        depth,
        gradients,
        initialization,
        covariate_shift,
        smoothness,
        learning_rate,
        layer_norm,
        sequences,
        placement,
        regularization,
        batch_size,
        epsilon,
        gamma_beta,
        train_eval,
        feature_scaling,
        yang_2019,
        ioffe_2015,
    )
}
