"""`stories`: a baker tells, word by word, what went into the bowl. What went in last?

A story is a row of words of varying length. An ingredient goes into the bowl when it is named,
unless the word before it is "no": "no sugar" leaves the sugar out. The other words change nothing.

    butter stir no sugar wait sing            → butter
    sugar taste chocolate no butter stir      → chocolate

Which words occur says little; their order decides. The last ingredient named is the right answer
where no "no" stands before it; to be right everywhere, a network has to remember an ingredient over
many words and to tell "sugar" from "no sugar".

The rule word by word: the first word is an ingredient; after "no" comes an ingredient; any other
word is an ingredient with probability 0.25, "no" with 0.15 (never as the last word), or one of the
four idle words. All ingredients are equally likely, all idle words too, and so are all lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, from_rows
from evenbatch.data.errors import DataError

INGREDIENTS = ("sugar", "butter", "chocolate")
WORDS = (*INGREDIENTS, "no", "stir", "wait", "taste", "sing")
NO = WORDS.index("no")
SHORTEST = 4
INGREDIENT_SHARE, NO_SHARE = 0.25, 0.15
SOURCE = "Invented: evenbatch's seeded story teller, rule in docs/data.md; Apache-2.0."


@dataclass(frozen=True, eq=False)
class Stories:
    """What was told: story i has `lengths[i]` words; -1 stands where it has ended."""

    words: NDArray[np.int64]  # (n, longest) index into WORDS, or -1
    lengths: NDArray[np.int64]  # (n,)
    last: NDArray[np.int64]  # (n,) index into INGREDIENTS


def generate(n: int = 2000, seed: int = 0, longest: int = 24) -> Stories:
    """Tell `n` stories.

    The first stories of a longer run are those of a shorter one. The numbers are the same on every
    machine: they come from PCG64's raw words.

    Args:
        n: stories, at least 1.
        seed: chooses the stories; 0 or more.
        longest: words of the longest story, at least 4 (no story is shorter than that).

    >>> told = generate(3, seed=1, longest=12)
    >>> for story, length in zip(told.words, told.lengths, strict=True):
    ...     print(" ".join(WORDS[word] for word in story[:length]))
    chocolate chocolate no butter stir taste no butter butter sugar wait sing
    butter stir stir butter sing no sugar sugar sing wait
    butter wait stir chocolate stir sing wait sugar sing butter
    """
    least = (("n", n, 1), ("seed", seed, 0), ("longest", longest, SHORTEST))
    for what, value, low in least:
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
            raise DataError(f"stories: {what} is {value!r}; a whole number of at least {low}.")
    words = np.full((n, longest), -1, np.int64)
    lengths = np.zeros(n, np.int64)
    for i in range(n):
        raw = np.random.PCG64(np.random.SeedSequence([seed, i])).random_raw(2 * longest + 1)
        uniform: NDArray[np.float64] = np.asarray((raw >> np.uint64(11)) * 2.0**-53, np.float64)
        lengths[i] = SHORTEST + int(uniform[-1] * (longest - SHORTEST + 1))
        words[i, : lengths[i]] = _tell(uniform[:-1].reshape(longest, 2)[: lengths[i]])
    return Stories(words, lengths, truth(words))


def _tell(uniform: NDArray[np.float64]) -> list[int]:
    """The words of one story; each takes two numbers from [0, 1): which kind, and which of them."""
    story: list[int] = []
    for kind, which in uniform:
        final = len(story) == len(uniform) - 1
        if not story or story[-1] == NO or kind < INGREDIENT_SHARE:
            story.append(int(which * len(INGREDIENTS)))
        elif kind < INGREDIENT_SHARE + NO_SHARE and not final:
            story.append(NO)
        else:
            story.append(NO + 1 + int(which * (len(WORDS) - NO - 1)))
    return story


def truth(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ingredient that went in last: (n,) index into `INGREDIENTS`, of words (n, longest).

    >>> said = "butter stir no sugar wait".split()
    >>> INGREDIENTS[truth(np.array([[WORDS.index(word) for word in said]]))[0]]
    'butter'
    """
    added = (words >= 0) & (words < NO)
    added[:, 1:] &= words[:, :-1] != NO
    place = words.shape[1] - 1 - added[:, ::-1].argmax(axis=1)
    return np.asarray(words[np.arange(len(words)), place])


def load(n: int = 2000, seed: int = 0, longest: int = 24, test_share: float = 0.2) -> Dataset:
    """Stories in, the ingredient that went in last out: "sugar", "butter" or "chocolate".

    A sequence: each time step has a column for each word, 1 for the one that is said.

    Args:
        n: stories told in all.
        seed: chooses the stories and the split.
        longest: words of the longest story; lengths from 4 to this are equally likely.
        test_share: part of the stories kept for testing.

    >>> load()  # doctest: +ELLIPSIS
    Dataset('stories': classification, up to 24 time steps of 8 features, 3 classes, 1600 ...)
    """
    told = generate(n, seed, longest)
    x = (told.words[:, :, None] == np.arange(len(WORDS))).astype(np.float32)
    return from_rows(
        "stories",
        x,
        told.last,
        features=WORDS,
        classes=INGREDIENTS,
        test_share=test_share,
        seed=seed,
        source=SOURCE,
        lengths=told.lengths,
    )
