"""The claims: one claim, one file, and the table below to find it.

To add a claim, write `<claim>.py` with a `CLAIM`, and add its line to `FILES`.
"""

from __future__ import annotations

from importlib import import_module

from evenbatch.claims.claim import EFFORTS, Claim, Effort
from evenbatch.claims.speed import race_study

__all__ = ["CLAIMS", "EFFORTS", "Claim", "Effort", "race_study"]

FILES = (
    "speed",
    "depth",
    "gradients",
    "initialization",
    "covariate_shift",
    "smoothness",
    "learning_rate",
    "layer_norm",
    "sequences",
    "placement",
    "regularization",
    "batch_size",
    "epsilon",
    "gamma_beta",
    "train_eval",
    "feature_scaling",
    "yang_2019",
    "ioffe_2015",
)
_CLAIMS: list[Claim] = [import_module(f"{__name__}.{name}").CLAIM for name in FILES]
CLAIMS: dict[str, Claim] = {claim.id: claim for claim in _CLAIMS}
