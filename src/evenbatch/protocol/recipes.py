"""Data sets made from a given one, step by step: standardized, in other units, with fewer rows.

A step holds all its numbers (means, factors, chosen rows), so another program makes the same data
from the same rows. Each data set that is made has a name of its own, which says what was done:
"digits, 200 rows". The test rows stay what they are, except where their columns must change with
those of the training rows, or fewer of them are wanted.

>>> from evenbatch.data import load
>>> few = Prepared(load("digits")).fewer_rows(200)
>>> few.data.name, few.data.n_train, few.data.n_test
('digits, 200 rows', 200, 359)
>>> made(load("digits"), few.recipe).fingerprint == few.data.fingerprint
True
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.data.split import random_order
from evenbatch.protocol.picked import balanced, sharing
from evenbatch.protocol.verdict import NotHere

ALIKE = 5.0
"""Columns are of one scale if the middle half of their standard deviations lies within this
factor."""


class Standardize(msgspec.Struct, frozen=True, tag="standardize"):
    """Each column minus `mean`, divided by `deviation`; a `deviation` of 0 makes the column 0."""

    mean: list[float]
    deviation: list[float]
    suffix: str = "columns standardized"


class StandardizeTarget(msgspec.Struct, frozen=True, tag="standardize-target"):
    """Each target minus `mean`, divided by `deviation`."""

    mean: list[float]
    deviation: list[float]
    suffix: str = "target standardized"


class Rescale(msgspec.Struct, frozen=True, tag="rescale"):
    """Each column times a factor, as if it were written in another unit."""

    factors: list[float]
    suffix: str


class BlackAndWhite(msgspec.Struct, frozen=True, tag="black-and-white"):
    """1 where a value is above half, else 0."""

    suffix: str = "black and white"


class AddColumn(msgspec.Struct, frozen=True, tag="add-column"):
    """One more column that is the same in every row."""

    value: float
    suffix: str


class TakeRows(msgspec.Struct, frozen=True, tag="take-rows"):
    """These training rows alone."""

    rows: list[int]
    suffix: str


class TakeTests(msgspec.Struct, frozen=True, tag="take-tests"):
    """These test rows alone."""

    rows: list[int]
    suffix: str


class TakeTargets(msgspec.Struct, frozen=True, tag="take-targets"):
    """Training row `rows[i]` gets the target of row `targets[i]`."""

    rows: list[int]
    targets: list[int]
    suffix: str


class OrderTests(msgspec.Struct, frozen=True, tag="order-tests"):
    """The test rows in this order."""

    order: list[int]
    suffix: str = "test rows shuffled"


Step = (
    Standardize
    | StandardizeTarget
    | Rescale
    | BlackAndWhite
    | AddColumn
    | TakeRows
    | TakeTests
    | TakeTargets
    | OrderTests
)


class Recipe(msgspec.Struct, frozen=True):
    """A data set: the name of the one it is made from, and the steps."""

    of: str
    steps: tuple[Step, ...] = ()


def _float32(values: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _each_even(
    data: Dataset, fields: tuple[str, str], step: Standardize | StandardizeTarget
) -> dict[str, Any]:
    divisor = np.where(np.array(step.deviation) > 0, step.deviation, np.inf)
    return {
        name: _float32((getattr(data, name).astype(np.float64) - np.array(step.mean)) / divisor)
        for name in fields
    }


def _applied(data: Dataset, step: Step) -> dict[str, Any]:
    """The fields of the data set that a step changes."""
    if isinstance(step, Standardize):
        return _each_even(data, ("x_train", "x_test"), step)
    if isinstance(step, StandardizeTarget):
        return _each_even(data, ("y_train", "y_test"), step)
    if isinstance(step, Rescale):
        by = np.array(step.factors)
        return {"x_train": _float32(data.x_train * by), "x_test": _float32(data.x_test * by)}
    if isinstance(step, BlackAndWhite):
        return {"x_train": _float32(data.x_train > 0.5), "x_test": _float32(data.x_test > 0.5)}
    if isinstance(step, AddColumn):
        x_train, x_test = (
            np.column_stack([x, np.full(len(x), step.value, np.float32)])
            for x in (data.x_train, data.x_test)
        )
        names = (*data.features, "constant")  # which has no place among positions
        return {"x_train": x_train, "x_test": x_test, "features": names, "shape": ()}
    if isinstance(step, TakeRows):
        return _rows(data, "train", step.rows)
    if isinstance(step, TakeTests):
        return _rows(data, "test", step.rows)
    if isinstance(step, TakeTargets):
        y = data.y_train.copy()
        y[step.rows] = y[step.targets]
        return {"y_train": y}
    return _rows(data, "test", step.order)


def _rows(data: Dataset, part: str, rows: list[int]) -> dict[str, Any]:
    """These rows of a part, with the lengths of sequences."""
    fields = {name: getattr(data, name) for name in (f"{n}_{part}" for n in ("x", "y", "lengths"))}
    return {name: values[rows] for name, values in fields.items() if values is not None}


def made(data: Dataset, recipe: Recipe) -> Dataset:
    """The data set of a recipe, from the one it names."""
    for step in recipe.steps:
        name = f"{data.name}, {step.suffix}"
        data = replace(data, name=name, fingerprint="", **_applied(data, step))
    return data


@dataclass(frozen=True, eq=False)
class Prepared:
    """A data set and how it came about; each method adds a step.

    Attributes:
        data: the data set.
        recipe: the steps that led to it.
    """

    data: Dataset
    recipe: Recipe = field(default=Recipe(""))

    def __post_init__(self) -> None:
        if not self.recipe.of:
            object.__setattr__(self, "recipe", Recipe(self.data.name))

    def then(self, step: Step) -> Prepared:
        """With one more step.

        Raises:
            NotHere: it changes columns, and the data are sequences, whose ends are padded.
        """
        of_columns = isinstance(step, Standardize | Rescale | BlackAndWhite | AddColumn)
        if of_columns and self.data.time_steps:
            raise NotHere(f"It is about columns, and the rows of {self.data.name} are sequences.")
        return Prepared(
            made(self.data, Recipe("", (step,))), Recipe(self.recipe.of, (*self.recipe.steps, step))
        )

    def standardized(self) -> Prepared:
        """Each column minus the mean of its training rows, divided by their standard deviation.

        A column that is constant in training becomes 0 there.

        >>> from evenbatch.data import load
        >>> even = Prepared(load("cookies")).standardized().data
        >>> even.name, bool(abs(even.x_train.std(axis=0) - 1).max() < 1e-3)
        ('cookies, columns standardized', True)
        """
        x = self.data.x_train.astype(np.float64)
        mean, deviation = x.mean(axis=0), x.std(axis=0)
        # A constant column of floats has a deviation of rounding errors, not of 0.
        deviation = np.where(deviation > 1e-6 * np.abs(mean), deviation, 0.0)
        return self.then(Standardize(mean.tolist(), deviation.tolist()))

    def of_one_scale(self) -> Prepared:
        """Standardized, unless the columns are of one scale already."""
        return self if alike(self.data) else self.standardized()

    def rescaled(self, factors: ArrayLike, suffix: str) -> Prepared:
        """Each column times a factor, as if it were written in another unit.

        >>> from evenbatch.data import load
        >>> digits = load("digits")
        >>> small = Prepared(digits).rescaled(0.01, "in units 100 times larger").data
        >>> round(float(digits.x_train.max() / small.x_train.max()))
        100
        """
        by = np.broadcast_to(np.asarray(factors, np.float64), self.data.n_features)
        return self.then(Rescale(by.tolist(), suffix))

    def black_and_white(self) -> Prepared:
        """1 where a value is above half, else 0."""
        return self.then(BlackAndWhite())

    def with_constant(self, value: float) -> Prepared:
        """One more column that is the same in every row.

        >>> from evenbatch.data import load
        >>> Prepared(load("digits")).with_constant(1.0).data.n_features
        65
        """
        return self.then(AddColumn(value, f"with a column of {value:g}"))

    def fewer_rows(self, rows: int, seed: int = 0) -> Prepared:
        """Some training rows, each class with its share as far as `rows` allow; all test rows."""
        return self.then(TakeRows(_some(self.data, "train", rows, seed), f"{rows} rows"))

    def fewer_tests(self, rows: int, seed: int = 0) -> Prepared:
        """At most so many test rows, each class with its share.

        >>> from evenbatch.data import load
        >>> Prepared(load("digits")).fewer_tests(100).data.name
        'digits, 100 of 359 test rows'
        """
        if self.data.n_test <= rows:
            return self
        suffix = f"{rows} of {self.data.n_test} test rows"
        return self.then(TakeTests(_some(self.data, "test", rows, seed), suffix))

    def balanced_tests(self, rows: int, seed: int = 0) -> Prepared:
        """Where most test rows are of one class, as many of each class; else `fewer_tests`.

        Accuracy on these is balanced accuracy, the mean of the shares of each class that are right
        (Brodersen et al. 2010): always answering with the common class gives 1 / classes.
        """
        data = self.data
        of_classes = data.task == "classification"
        kept = balanced(data.y_test, rows, seed) if of_classes else None
        if kept is None:
            return self.fewer_tests(rows, seed)
        return self.then(TakeTests(kept, f"{len(kept)} balanced test rows of {data.n_test}"))

    def shuffled_targets(self, share: float, seed: int = 0) -> Prepared:
        """A share of the training rows get each other's targets; the test rows keep theirs.

        >>> from evenbatch.data import load
        >>> noisy = Prepared(load("digits")).shuffled_targets(0.3).data
        >>> noisy.name, bool(0.2 < (noisy.y_train != load("digits").y_train).mean() < 0.3)
        ('digits, 30 % labels shuffled', True)
        """
        rows = random_order(self.data.n_train, seed)[: round(share * self.data.n_train)]
        what = "labels" if self.data.task == "classification" else "targets"
        suffix = f"{100 * share:g} % {what} shuffled"
        return self.then(TakeTargets(rows.tolist(), np.roll(rows, 1).tolist(), suffix))

    def learnable(self) -> Prepared:
        """The data set itself, unless it is a regression whose targets are far from the size of 1.

        Then the targets are standardized: learning rates are tried over a few decades, and a price
        in cents would put all of them out of reach. R² stays what it is.

        >>> from evenbatch.data import load
        >>> Prepared(load("cookies-taste")).learnable().data.name
        'cookies-taste'
        """
        if self.data.task == "classification":
            return self
        y = self.data.y_train.astype(np.float64)
        mean, deviation = y.mean(axis=0), y.std(axis=0)
        size = np.sqrt((y**2).mean(axis=0))
        if not deviation.all() or ((size >= 0.1) & (size <= 10)).all():
            return self
        return self.then(StandardizeTarget(mean.tolist(), deviation.tolist()))

    def shuffled_tests(self, seed: int = 0) -> Prepared:
        """The same test rows in another order: neighbours share nothing any more.

        >>> from evenbatch.data import load
        >>> Prepared(load("cookies")).shuffled_tests().data.name
        'cookies, test rows shuffled'
        """
        return self.then(OrderTests(random_order(self.data.n_test, seed).tolist()))


def _some(data: Dataset, part: str, rows: int, seed: int) -> list[int]:
    """Some rows of a part, in order, each class with its share as far as `rows` allow."""
    return sharing(getattr(data, f"y_{part}"), rows, seed, data.task == "classification")


def deviations(data: Dataset) -> NDArray[np.float64]:
    """Standard deviations of the columns that are not constant in training, largest last."""
    found = np.sort(data.x_train.std(axis=0, dtype=np.float64))
    found = found[found > 0]
    return found if len(found) else np.ones(1)


def alike(data: Dataset) -> bool:
    """Whether the columns are of one scale.

    >>> from evenbatch.data import load
    >>> alike(load("digits")), alike(load("cookies"))
    (True, False)
    """
    low, high = np.quantile(deviations(data), [0.25, 0.75])
    return bool(high < ALIKE * low)
