"""Stories: their rule, their balance, that order decides; and data sets of sequences."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenbatch.data import DataError, Dataset, load
from evenbatch.data.dataset import from_rows
from evenbatch.data.stories import INGREDIENTS, WORDS, generate, truth

TOLD = generate()
STORIES = [
    [WORDS[word] for word in words[:length]]
    for words, length in zip(TOLD.words, TOLD.lengths, strict=True)
]


def plain_truth(story: list[str]) -> str:
    """docs/data.md again, in plain Python."""
    bowl = []
    before = ""
    for word in story:
        if word in ("sugar", "butter", "chocolate") and before != "no":
            bowl.append(word)
        before = word
    return bowl[-1]


def test_truth_is_the_documented_one() -> None:
    for story, answer in zip(STORIES, TOLD.last, strict=True):
        assert INGREDIENTS[answer] == plain_truth(story), story


def test_the_documented_examples() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    rows = [line.split("|")[1:3] for line in text.splitlines() if "| butter stir no" in line]
    rows += [line.split("|")[1:3] for line in text.splitlines() if "| sugar taste" in line]
    assert len(rows) == 2
    for story, answer in rows:
        said = story.split()
        assert plain_truth(said) == answer.strip()
        assert INGREDIENTS[truth(np.array([[WORDS.index(w) for w in said]]))[0]] == answer.strip()


def test_stories_follow_the_rule() -> None:
    free: Counter[str] = Counter()
    for story in STORIES:
        assert 4 <= len(story) <= 24
        assert story[0] in INGREDIENTS
        assert story[-1] != "no"
        for before, word in itertools.pairwise(story[:-1]):
            if before == "no":
                assert word in INGREDIENTS
            else:
                free["ingredient" if word in INGREDIENTS else word] += 1
    total = free.total()
    assert free["ingredient"] / total == pytest.approx(0.25, abs=0.01)
    assert free["no"] / total == pytest.approx(0.15, abs=0.01)
    for idle in ("stir", "wait", "taste", "sing"):
        assert free[idle] / total == pytest.approx(0.15, abs=0.01)
    assert (TOLD.words[np.arange(24) >= TOLD.lengths[:, None]] == -1).all()


def test_lengths_and_answers_are_balanced() -> None:
    lengths = np.bincount(TOLD.lengths)[4:]
    assert len(lengths) == 21
    chi = ((lengths - 2000 / 21) ** 2 / (2000 / 21)).sum()
    assert chi < 20 + 3.3 * np.sqrt(40)
    assert np.abs(np.bincount(TOLD.last) / 2000 - 1 / 3).max() < 0.03


def test_order_decides() -> None:
    """What docs/data.md says of counting words, and of the last ingredient named."""
    from sklearn.linear_model import LogisticRegression

    counts = np.array([[story.count(word) for word in WORDS] for story in STORIES])
    by_count = LogisticRegression(max_iter=2000).fit(counts[:1600], TOLD.last[:1600])
    assert 0.5 < by_count.score(counts[1600:], TOLD.last[1600:]) < 0.68
    named = [[w for w in story if w in INGREDIENTS][-1] for story in STORIES]
    last = np.mean([INGREDIENTS[a] == n for a, n in zip(TOLD.last, named, strict=True)])
    assert round(100 * last) == 76


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = generate(50, seed=7), generate(80, seed=7)
    np.testing.assert_array_equal(long.words[:50], short.words)
    np.testing.assert_array_equal(long.last[:50], short.last)
    assert not np.array_equal(generate(50, seed=8).words, short.words)
    assert generate(1, longest=4).words.shape == (1, 4)


def test_the_data_set_holds_the_stories() -> None:
    data = load("stories")
    assert (data.n_train, data.n_test, data.n_features, data.time_steps) == (1600, 400, 8, 24)
    assert data.features == WORDS
    assert data.x_train.shape == (1600, 24 * 8)
    assert "up to 24 time steps of 8 features, 3 classes" in repr(data)
    for part in ("train", "test"):
        x, lengths = getattr(data, f"x_{part}"), getattr(data, f"lengths_{part}")
        said = x.reshape(len(x), 24, 8)
        np.testing.assert_array_equal(said.sum(axis=2), np.arange(24) < lengths[:, None])
        for one, length, answer in zip(said, lengths, getattr(data, f"y_{part}"), strict=True):
            story = [WORDS[word] for word in one[:length].argmax(axis=1)]
            assert data.classes[answer] == plain_truth(story)


def test_options_are_part_of_the_name() -> None:
    other = load("stories:longest=9,n=200,seed=3")
    assert other.name == "stories:longest=9,n=200,seed=3"
    assert load("stories", seed=3, n=200, longest=9) is other
    assert (other.time_steps, other.n_train + other.n_test) == (9, 200)
    assert other.lengths_train is not None
    assert set(other.lengths_train) == set(range(4, 10))


def test_fingerprint_is_pinned() -> None:
    """If this fails the data has changed, and every stored curve on it is worth nothing."""
    assert load("stories").fingerprint == "5b80a00371f93071"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "stories: n is 0; a whole number of at least 1"),
        ({"n": 2.5}, "n is 2.5"),
        ({"seed": -1}, "seed is -1; a whole number of at least 0"),
        ({"longest": 3}, "longest is 3; a whole number of at least 4"),
        ({"longest": True}, "longest is True"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        generate(**arguments)


# ---- data sets of sequences ----------------------------------------------------------------------


def make(**changes: Any) -> Dataset:
    x = np.ones((4, 3, 2), np.float32)
    lengths = np.array([1, 3, 2, 3])
    x[np.arange(3) >= lengths[:, None]] = 0
    fields: dict[str, Any] = {
        "name": "toy",
        "task": "classification",
        "x_train": x.reshape(4, 6),
        "y_train": np.array([0, 1, 0, 1]),
        "x_test": np.ones((1, 6), np.float32),
        "y_test": np.array([1]),
        "features": ("a", "b"),
        "classes": ("x", "y"),
        "time_steps": 3,
        "lengths_train": lengths,
        "lengths_test": np.array([3]),
    }
    return Dataset(**{**fields, **changes})


def test_sequences_are_read_only_and_known_by_their_lengths() -> None:
    base = make()
    assert base.lengths_train is not None
    with pytest.raises(ValueError, match="read-only"):
        base.lengths_train[0] = 2
    assert make(name="other", features=("c", "d")).fingerprint == base.fingerprint
    zeros = {"x_train": np.zeros((4, 6), np.float32), "x_test": np.zeros((1, 6), np.float32)}
    found = {
        make(**zeros).fingerprint,
        make(**zeros, lengths_train=np.array([1, 3, 2, 2])).fingerprint,
        make(**zeros, lengths_test=np.array([2])).fingerprint,
        make(**zeros, time_steps=6, features=("a",)).fingerprint,
        make(**zeros, time_steps=0, lengths_train=None, lengths_test=None,
             features=tuple("abcdef")).fingerprint,
    }  # fmt: skip
    assert len(found) == 5


TOO_LONG = np.array([1, 4, 2, 3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_steps": -1}, "time_steps is -1; it must be a whole number, 0 for rows"),
        ({"time_steps": True}, "time_steps is True"),
        ({"time_steps": 2.0}, "time_steps is 2.0"),
        ({"time_steps": 2}, "6 columns, but 2 feature names were given for each of 2 time steps"),
        ({"lengths_test": None}, r"lengths_test is missing; sequences need int64 \(1,\)"),
        ({"lengths_train": np.ones(3, np.int64)}, r"lengths_train is int64 \(3,\); .* \(4,\)"),
        ({"lengths_train": np.ones(4)}, r"lengths_train is float64 \(4,\)"),
        ({"lengths_train": TOO_LONG}, r"lengths_train\[1\] is 4; a sequence has from 1 to .*=3"),
        ({"lengths_test": np.array([0])}, r"lengths_test\[0\] is 0; a sequence has from 1"),
        (
            {"lengths_test": np.array([2])},
            r"x_test\[0\] is not zero at time step 2, but lengths_test\[0\] is 2; pad with zeros",
        ),
        (
            {"time_steps": 0, "features": tuple("abcdef")},
            "lengths_train is given, but time_steps is 0",
        ),
    ],
)
def test_sequences_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"toy: .*{message}"):
        make(**changes)


def test_rows_are_split_with_their_lengths() -> None:
    lengths = np.arange(20) % 4 + 1
    x = np.where(np.arange(4)[:, None] < lengths[:, None, None], lengths[:, None, None], 0)
    data = from_rows(
        "rows", x.astype(np.float32), lengths % 2, features=("a",), classes=("x", "y"),
        test_share=0.3, seed=0, source="", lengths=lengths,
    )  # fmt: skip
    assert data.time_steps == 4
    for part in ("train", "test"):
        np.testing.assert_array_equal(
            getattr(data, f"x_{part}")[:, 0], getattr(data, f"lengths_{part}")
        )
