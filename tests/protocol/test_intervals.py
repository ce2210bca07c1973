"""Quantiles of our own, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from evenbatch.protocol.intervals import median_interval, student_t


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_student_t(confidence: float) -> None:
    freedoms = [1, 2, 3, 4, 5, 9, 10, 19, 30, 99, 1000, 5001]
    found = [student_t(confidence, freedom) for freedom in freedoms]
    exact = [-special.stdtrit(freedom, (1 - confidence) / 2) for freedom in freedoms]
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_ranks_of_a_median(confidence: float) -> None:
    """The innermost pair of ranks whose tails hold no more than is allowed."""
    for n in range(1, 200):
        low, high = median_interval(np.arange(float(n)), confidence)
        assert low + high == n - 1
        k = int(low)
        assert k == 0 or 2 * special.bdtr(k, n, 0.5) <= 1 - confidence
        further = k + 1 < (n + 1) // 2
        assert not further or 2 * special.bdtr(k + 1, n, 0.5) > 1 - confidence
