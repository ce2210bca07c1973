"""The ratio to expect in a setting that was not measured, with an 80 % interval.

Gradient boosting of three quantiles (scikit-learn's `GradientBoostingRegressor`) on two thirds of
the settings; on the others its interval is made wider or narrower until it holds 80 % of them:
conformalized quantile regression (Romano, Patterson & Candès 2019, arXiv:1905.03222).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenbatch.atlas.design import AXES, NORMS, Setting
from evenbatch.atlas.measure import Row
from evenbatch.protocol.verdict import ExperimentError

LEVEL = 0.8
QUANTILES = (0.1, 0.5, 0.9)
HELD_OUT = 1 / 3
"""Share of the settings, drawn at random, that the model does not learn from."""
LEAST = 10
"""Held-out settings without which there is no interval."""
FOLKLORE = 3.0, 5.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Expected:
    """A ratio to expect.

    Attributes:
        value: times fewer steps.
        low, high: its 80 % interval.
    """

    value: float
    low: float
    high: float


class Model:
    """Expected ratios, learned from an atlas.

    Args:
        rows: of the atlas; those without a ratio (neither arm learned) say nothing here.

    Attributes:
        held_out: the rows it did not learn from.

    Raises:
        ModuleNotFoundError: scikit-learn is missing.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        from sklearn.ensemble import GradientBoostingRegressor

        found = [row for row in rows if np.isfinite(row["ratio"])]
        numbers = sorted({row["setting"] for row in found})
        order = np.random.default_rng(0).permutation(len(numbers))
        rest = {numbers[place] for place in order[: int(HELD_OUT * len(numbers))]}
        if len(rest) < LEAST:
            raise ExperimentError(
                f"only {len(numbers)} settings of this atlas have a ratio, too few to foretell "
                f"others: measure more, for example evenbatch atlas --settings {10 * LEAST}"
            )
        kept = [row for row in found if row["setting"] not in rest]
        self.held_out = [row for row in found if row["setting"] in rest]
        x, y = features([(Setting.of(r), r["norm"]) for r in kept]), logs(kept)
        self._models = [
            GradientBoostingRegressor(
                loss="quantile", alpha=q, n_estimators=120, learning_rate=0.08, max_depth=4,
                min_samples_leaf=10, subsample=0.7, max_features=0.5, random_state=0,
            ).fit(x, y)
            for q in QUANTILES
        ]  # fmt: skip
        self._wider = {
            norm: self._widening([row for row in self.held_out if row["norm"] == norm])
            for norm in NORMS
        }

    def _widening(self, rows: Sequence[Row]) -> float:
        """By how much the interval must grow to hold `LEVEL` of these rows."""
        low, _, high = self._quantiles([(Setting.of(r), r["norm"]) for r in rows])
        beyond = np.sort(np.maximum(low - logs(rows), logs(rows) - high))
        place = int(np.ceil(LEVEL * (len(beyond) + 1))) - 1
        return float(beyond[min(place, len(beyond) - 1)])

    def _quantiles(self, asked: Sequence[tuple[Setting, str]]) -> Floats:
        """(3, n) quantiles of log ratios, in order."""
        x = features(asked)
        found: Floats = np.sort(np.array([model.predict(x) for model in self._models]), axis=0)
        return found

    def expected(self, asked: Sequence[tuple[Setting, str]]) -> list[Expected]:
        """What to expect of settings and normalizers."""
        found = []
        for (_, norm), (low, value, high) in zip(asked, self._quantiles(asked).T, strict=True):
            wider = self._wider[norm]
            low, high = min(low - wider, value), max(high + wider, value)
            found.append(Expected(*(float(v) for v in np.exp([value, low, high]))))
        return found

    def importances(self, norm: str) -> dict[str, tuple[float, float]]:
        """By factor: how much the error of the median grows if its values are shuffled among the
        held-out settings (Breiman 2001), as a factor of the ratio; and the standard deviation of 20
        shuffles."""
        rows = [row for row in self.held_out if row["norm"] == norm]
        rng, found = np.random.default_rng(0), {}
        asked = [(Setting.of(r), norm) for r in rows]
        base, truth = np.abs(self._quantiles(asked)[1] - logs(rows)).mean(), logs(rows)
        for name in AXES:
            values = [getattr(s, name) for s, _ in asked]
            grown = []
            for _ in range(20):
                order = rng.permutation(len(values))
                mixed = [
                    (Setting(**{**vars(s), name: values[k]}), norm)
                    for (s, _), k in zip(asked, order, strict=True)
                ]
                grown.append(np.abs(self._quantiles(mixed)[1] - truth).mean() - base)
            found[name] = float(np.exp(np.mean(grown))), float(np.std(grown))
        return found


def logs(rows: Sequence[Row]) -> Floats:
    """The log ratios of rows."""
    return np.asarray(np.log(np.array([row["ratio"] for row in rows], float)))


def features(asked: Sequence[tuple[Setting, str]]) -> Floats:
    """(n, columns): logarithms of numbers, and a column for each value of what is none."""
    table: list[list[float]] = []
    for setting, norm in asked:
        line = [float(norm == name) for name in NORMS]
        for name, values in AXES.items():
            own: Any = getattr(setting, name)
            if isinstance(values[0], str):
                line += [float(own == value) for value in values]
            else:
                line.append(float(np.log2(1 + own)))
        table.append(line)
    return np.array(table)


@dataclass(frozen=True)
class Check:
    """A model on settings that were measured after it was made.

    Attributes:
        norm: of these rows.
        rows: how many have a ratio.
        covered: how many of them the 80 % interval holds.
        error: typical factor by which the model is off: exp of the mean |log|.
        folklore: that of "always 3 to 5 times", which is right anywhere between.
        median: that of the median of all measured settings.
    """

    norm: str
    rows: int
    covered: int
    error: float
    folklore: float
    median: float

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        low, high = FOLKLORE
        return (
            f"{self.norm}: of {self.rows} settings the 80 % interval held {self.covered} "
            f"({100 * self.covered / self.rows:.0f} %). Typical error: a factor of "
            f"{self.error:.2f}; of “always {low:g} to {high:g} times” {self.folklore:.2f}, of “the "
            f"same as the median” {self.median:.2f}"
        )


def check(model: Model, known: Sequence[Row], fresh: Sequence[Row]) -> list[Check]:
    """The model on fresh rows, against two answers that need none."""
    found = []
    for norm in NORMS:
        rows = [r for r in fresh if r["norm"] == norm and np.isfinite(r["ratio"])]
        if not rows:
            continue
        truth = logs(rows)
        guesses = model.expected([(Setting.of(r), norm) for r in rows])
        inside = sum(g.low <= r["ratio"] <= g.high for g, r in zip(guesses, rows, strict=True))
        usual = np.median(logs([r for r in known if r["norm"] == norm and np.isfinite(r["ratio"])]))
        low, high = np.log(FOLKLORE)
        off = np.maximum(np.maximum(low - truth, truth - high), 0)
        found.append(
            Check(
                norm, len(rows), inside,
                _typical(truth - np.log([g.value for g in guesses])),
                _typical(off), _typical(truth - usual),
            )
        )  # fmt: skip
    return found


def _typical(off: Floats) -> float:
    return float(np.exp(np.abs(off).mean()))
