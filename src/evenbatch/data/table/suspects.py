"""What is usable, but worth a second look: one sentence for each kind, never an error."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset
from evenbatch.data.errors import listed
from evenbatch.data.table.columns import Column

DATE = re.compile(
    r"((1[5-9]|20)\d\d[-/.](0?[1-9]|1[0-2])([-/.]\d{1,2})?|\d{1,2}[-/.](\d{1,2}[-/.](\d{2})?\d{2}|\d{4}))"
    r"([T ]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?"
    r"|(?=.*\d)(.*[\d ,./-])?(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?"
    r"|sept?(ember)?|oct(ober)?|nov(ember)?|dec(ember)?)([\d .,/-].*)?",
    re.IGNORECASE,
)

_ID = re.compile(r"(?:^|[\W_])(?:id|ids|key|uuid|guid|zip|nr|serial|index)(?:$|[\W_])|[a-z]I[Dd]$")
_CODES = frozenset([-9.0, *(s * (10.0**k - 1) for k in range(2, 7) for s in (1, -1))])
_ROWS, _CELLS = 2000, 500_000  # looked at for what gives the target away, at most
_BLOCK = 256  # rows whose keys are made at a time
_COLUMNS = 200  # and so many columns together
_FEW_TESTED, _MOSTLY, _COPIED = 50, 0.8, 0.01


def is_date(texts: Sequence[str]) -> bool:
    """Whether most texts are dates or times."""
    return 2 * sum(DATE.fullmatch(text) is not None for text in texts[:50]) > len(texts[:50])


class Suspects:
    """Looks at columns one by one, and says at the end what it noticed."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str]] = defaultdict(dict)  # kind -> column -> detail

    def look(self, column: Column, is_target: bool) -> None:
        """One more column."""
        if column.codes is not None:
            self._look_at_texts(column, list(column.used), is_target)
        elif not is_target:
            self._look_at_numbers(column)

    def _look_at_texts(self, column: Column, texts: list[str], is_target: bool) -> None:
        folded = Counter(" ".join(text.casefold().split()) for text in texts)
        alike = [t for t in texts if folded[" ".join(t.casefold().split())] > 1]
        if alike:
            self._found["spelling"][column.name] = listed(alike, 4)
        if is_target:
            return
        if 2 * len(texts) > len(column.numbers):
            self._found["unique"][column.name] = f"{len(texts)} in {len(column.numbers)} rows"
        elif is_date(texts):
            self._found["dates"][column.name] = texts[0]

    def _look_at_numbers(self, column: Column) -> None:
        values = column.numbers[~np.isnan(column.numbers)]
        if len(values) < 2:
            return
        low, high = float(values.min()), float(values.max())
        for code in {low, high} & _CODES:
            rest = values[values != code]
            times = len(values) - len(rest)
            if len(rest) == 0:
                continue
            only_negative = code < 0 <= rest.min() and times > 1
            if only_negative or np.abs(rest - code).min() > rest.max() - rest.min():
                self._found["codes"][column.name] = f"{code:g} in {times:,} rows"
        if not (values[:100] == np.rint(values[:100])).all() or low == high:
            return
        if column.padded_with_zeros:
            self._found["zeros"][column.name] = repr(column.padded_with_zeros)
        elif self._is_identifier(column, values):
            self._found["identifiers"][column.name] = f"{values[0]:.0f}, {values[1]:.0f}, …"
        elif len(values) > 10 and (np.diff(values) == 1).all():
            self._found["counting"][column.name] = f"{values[0]:.0f}, {values[1]:.0f}, …"
        elif low >= 19000101 and high <= 21001231 and ((values // 100 % 100) <= 12).all():
            self._found["dates"][column.name] = f"{values[0]:.0f}"

    @staticmethod
    def _is_identifier(column: Column, values: NDArray[np.float64]) -> bool:
        named = _ID.search(column.name) or _ID.search(column.name.casefold())
        return bool(named) and 2 * len(np.unique(values)) > len(values)

    def notes(self, left_out: Set[str]) -> list[str]:
        """A sentence for each kind of thing noticed, without the columns that are not used."""
        sentences = {
            "counting": "Whole numbers that rise by 1 from row to row, used as numbers: {}. Where "
            "they only count the rows, --drop leaves them out.",
            "identifiers": "Whole numbers that look like identifiers, used as numbers: {}. "
            "--drop leaves them out.",
            "zeros": "Numbers that begin with a zero, so probably names: {}. --categories reads "
            "them as such, --drop leaves them out.",
            "codes": "A number far from all others, so probably a code for a missing value: {}. "
            "--missing reads it so.",
            "dates": "Dates, used as they stand: {}. --drop leaves them out.",
            "unique": "Texts of which almost every row has its own: {}. --drop leaves them out.",
            "spelling": "Texts that differ in case or spaces only: {}. They count as different.",
        }
        said = []
        for kind, sentence in sentences.items():
            found = {n: d for n, d in self._found[kind].items() if n not in left_out}
            shown = [f"{name!r} ({detail})" for name, detail in list(found.items())[:10]]
            more = f" and {len(found) - 10} more" if len(found) > 10 else ""
            said += [sentence.format(", ".join(shown) + more)] if found else []
        return said


def of_dataset(data: Dataset, target: Sequence[str]) -> list[str]:
    """What is noticed about all columns together, once they are split into training and test."""
    most = min(data.n_train, _ROWS, max(50, _CELLS // data.n_features))
    rows = np.linspace(0, data.n_train - 1, most).astype(int)
    x, y = data.x_train[rows].astype(np.float64), data.y_train[rows]
    notes = []
    if data.task == "classification":
        notes += _classes(data)
        told = [data.features[j] for j in range(x.shape[1]) if _tells_class(x[:, j], y)]
    else:
        told = [data.features[j] for j in range(x.shape[1]) if _tells_number(x[:, j], y[:, 0])]
        notes += [] if told else _sums(data, x, y, target)
    if told:
        many = "gives" if len(told) == 1 else "give"
        notes.insert(0, f"{listed(told)} alone {many} the target away in every row looked at.")
    if data.n_test < _FEW_TESTED:
        points = f": each is {100 / data.n_test:.1f} points of accuracy" * (not notes or True)
        notes.append(
            f"Only {data.n_test} test rows"
            + (points if data.task == "classification" else ", so R² hangs on a few of them")
            + "."
        )
    low = data.x_train.min(axis=0)
    still = np.flatnonzero(low == data.x_train.max(axis=0))  # no table of truths beside it
    differ = {j for j in still if (data.x_test[:, j] != low[j]).any()}
    for places, sentence in (
        ([j for j in still if j not in differ], "The same value in every row: {}."),
        ([j for j in still if j in differ], "Nothing to learn from, as only test rows differ: {}."),
    ):
        if places:
            notes.append(sentence.format(listed([data.features[j] for j in places])))
    copies = _copies(data)
    if copies > _COPIED * data.n_test:
        are = "are copies of rows that are" if copies > 1 else "is a copy of a row that is"
        notes.append(f"{copies:,} of {data.n_test:,} test rows {are} learned from.")
    return notes


def _classes(data: Dataset) -> list[str]:
    """Imbalance, and classes that are hardly tested."""
    counts = np.bincount(data.y_train, minlength=len(data.classes))
    tested = np.bincount(data.y_test, minlength=len(data.classes))
    counts, notes = counts + tested, []
    share = counts.max() / counts.sum()
    if share >= _MOSTLY:
        notes.append(
            f"{100 * share:.1f} % of the rows are {data.classes[counts.argmax()]!r}: always "
            "answering so is right as often. A race is judged on as many test rows of each class."
        )
    single = [c for c, count in zip(data.classes, counts, strict=True) if count == 1]
    if single:
        notes.append(f"Classes with a single row are never tested: {listed(single)}.")
    rare = {c: t for c, t, n in zip(data.classes, tested, counts, strict=True) if n > 1 and t < 5}
    if rare and data.n_test >= _FEW_TESTED:
        shown = ", ".join(f"{c!r} ({t})" for c, t in list(rare.items())[:10])
        notes.append(f"Classes with fewer than 5 test rows (how many): {shown}.")
    return notes


def _tells_class(x: NDArray[np.float64], y: NDArray[np.int64]) -> bool:
    """Whether each class has an interval of values of its own."""
    if len(x) < 20:
        return False
    order = np.argsort(x, kind="stable")
    values, classes = x[order], y[order]
    changes = classes[1:] != classes[:-1]
    return changes.sum() == len(np.unique(y)) - 1 and bool((np.diff(values)[changes] > 0).all())


def _tells_number(x: NDArray[np.float64], y: NDArray[np.float32]) -> bool:
    """Whether the target rises, or falls, with every rise of this column."""
    if len(x) < 20 or len(np.unique(x)) < 10 or len(np.unique(y)) < 10:
        return False
    for sign in (1, -1):
        order = np.lexsort((sign * y, x))
        if (np.diff(sign * y[order]) >= 0).all() and all(
            a == b or c != d
            for (a, b), (c, d) in zip(pairwise(y[order]), pairwise(x[order]), strict=True)
        ):
            return True
    return False


def _sums(
    data: Dataset, x: NDArray[np.float64], y: NDArray[np.float32], target: Sequence[str]
) -> list[str]:
    """Targets that are a weighted sum of columns, up to rounding."""
    spread = x.std(axis=0)
    used = np.flatnonzero(spread)[:_COLUMNS]
    if len(x) < 2 * len(used) + 10:
        return []
    even = np.column_stack([(x[:, used] - x[:, used].mean(axis=0)) / spread[used], np.ones(len(x))])
    notes = []
    for k, name in enumerate(target):
        wanted = y[:, k].astype(np.float64)
        weights = np.linalg.lstsq(even, wanted, rcond=None)[0]
        if np.abs(even @ weights - wanted).max() > 1e-5 * wanted.std():
            continue
        weights = weights[:-1]
        parts = used[np.abs(weights) > 1e-3 * np.abs(weights).max()]
        notes.append(
            f"The target {name!r} is a weighted sum of "
            f"{listed([data.features[j] for j in parts])}, which give it away."
        )
    return notes


def _copies(data: Dataset) -> int:
    """How many test rows are also among the training rows, target included."""
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 1 << 63, data.x_train.shape[1] + data.n_outputs, dtype=np.uint64) | 1

    def keys(x: NDArray[np.float32], y: NDArray[np.generic]) -> NDArray[np.uint64]:
        found = np.zeros(len(x), np.uint64)
        columns = np.asarray(y, np.float32).reshape(len(x), -1)
        for start in range(0, len(x), _BLOCK):  # a block at a time: no second copy of the table
            both = np.column_stack([x[start : start + _BLOCK], columns[start : start + _BLOCK]])
            words = np.ascontiguousarray(both).view(np.uint32).astype(np.uint64)
            found[start : start + _BLOCK] = words @ weights[: words.shape[1]]
        return found

    return int(np.isin(keys(data.x_test, data.y_test), keys(data.x_train, data.y_train)).sum())
