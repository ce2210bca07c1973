"""`cookies` and `cookies-taste`: an invented factory whose truth is known.

Each row is one tray of cookies: what went in, how it was baked, and what came out. Rows come in
shift order, 100 trays a shift. The ingredients are in the units a baker uses (cups, grams, pinches,
kilograms, degrees, seconds), so their numbers differ by a factor of 60,000, and from shift to shift
they drift: another team, another bag of flour, another oven setting.

The truth, written out (h, w and the shares are plain numbers; docs/data.md has the same in prose):

    h = ln(bake_s / 720) + (oven_c - 180) / 80 - 2/3 ln(cookie_g / 40)          heat
    w = ln((butter_g + 20 eggs + 30 sugar_cups) / flour_g)                      wetness

    cookie = burnt    if h >  0.28
             raw      if h < -0.28
             flat     if w >  0.12     (among the others)
             crumbly  if w < -0.14
             perfect  otherwise

    taste  = 1 + 6 exp(-(h / 0.6)² - (w / 0.45)²) + 2 tanh((chocolate_pieces - 100) / 40)
               - ((salt_pinches - 12) / 8)² + 0.5 tanh((vanilla_ml - 15) / 5),  within 0 and 10

h and w carry a little noise (0.008 and 0.005 a step of `bell`), taste 0.15 points. soda_kg and
humidity_pct change nothing: they are there to be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenbatch.data.dataset import Dataset, from_rows
from evenbatch.data.errors import DataError

Floats = NDArray[np.float64]

TRAYS_PER_SHIFT = 100
MEMORY = 0.7  # how much of its drift a shift hands to the next
CLASSES = ("perfect", "burnt", "raw", "flat", "crumbly")
SOURCE = "Invented: evenbatch's seeded cookie factory, ground truth in docs/data.md; Apache-2.0."


@dataclass(frozen=True)
class Ingredient:
    """One column: ``typical + drift · (the shift's drift) + spread · bell``, rounded, kept ≥ least.

    All five numbers are in the column's own unit, which its name ends in.
    """

    name: str
    typical: float
    drift: float
    spread: float
    step: float  # what the scale, clock or thermometer can tell apart
    least: float


INGREDIENTS = (
    Ingredient("sugar_cups", 6, 1, 1.7, 0.1, 0.5),
    Ingredient("flour_g", 600, 50, 110, 1, 150),
    Ingredient("butter_g", 300, 25, 55, 1, 50),
    Ingredient("eggs", 6, 0.8, 1.6, 1, 1),
    Ingredient("chocolate_pieces", 120, 20, 40, 1, 0),
    Ingredient("salt_pinches", 12, 2, 4, 1, 0),
    Ingredient("soda_kg", 0.012, 0.001, 0.003, 0.0005, 0.0005),
    Ingredient("vanilla_ml", 20, 3, 6, 0.5, 0),
    Ingredient("oven_c", 180, 10, 20, 1, 100),
    Ingredient("bake_s", 720, 60, 150, 5, 240),
    Ingredient("cookie_g", 40, 4, 9, 0.5, 10),
    Ingredient("humidity_pct", 55, 12, 4, 1, 10),
)


@dataclass(frozen=True, eq=False)
class Trays:
    """What the factory made, in shift order: row i is the same tray in all four arrays."""

    columns: tuple[str, ...]
    x: Floats  # (n, 12), in the columns' units
    cookie: NDArray[np.int64]  # (n,) index into CLASSES
    taste: Floats  # (n,) points from 0 to 10
    shift: NDArray[np.int64]  # (n,) 0, 0, … 1, 1, …


def generate(n: int = 4000, seed: int = 0) -> Trays:
    """Bake `n` trays, in shift order.

    The first trays of a longer run are the trays of a shorter one, and the numbers are the same on
    every machine: they come from PCG64's raw words, and every reading is rounded.

    Args:
        n: trays, at least 1.
        seed: chooses the factory's whole history; 0 or more.

    >>> trays = generate(250, seed=0)
    >>> trays.x.shape, trays.shift.max()
    ((250, 12), np.int64(2))
    >>> [CLASSES[c] for c in trays.cookie[96:100]]
    ['raw', 'burnt', 'flat', 'raw']
    """
    for what, value, least in (("n", n, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise DataError(f"cookies: {what} is {value!r}; a whole number of at least {least}.")
    columns = len(INGREDIENTS)
    typical, drift, spread, step, least_ = np.array(
        [(i.typical, i.drift, i.spread, i.step, i.least) for i in INGREDIENTS]
    ).T
    moved = np.zeros(columns)
    x, noise = [], []
    for shift in range(-(-n // TRAYS_PER_SHIFT)):
        draws = _bell(columns + TRAYS_PER_SHIFT * (columns + 2), seed, shift)
        moved = MEMORY * moved + np.sqrt(1 - MEMORY**2) * draws[:columns]
        trays = draws[columns:].reshape(TRAYS_PER_SHIFT, columns + 2)
        amounts = typical + drift * moved + spread * trays[:, :columns]
        x.append(np.maximum(np.rint(amounts / step), np.rint(least_ / step)) * step)
        noise.append(trays[:, columns:])
    # Tenths are no binary fractions: 56 · 0.1 is 5.6000000000000005 until it is rounded again.
    x_all, noise_all = np.round(np.concatenate(x)[:n], 4), np.concatenate(noise)[:n]
    cookie, taste = truth(x_all, noise_all)
    shifts = np.arange(n, dtype=np.int64) // TRAYS_PER_SHIFT
    return Trays(tuple(i.name for i in INGREDIENTS), x_all, cookie, taste, shifts)


def _bell(count: int, seed: int, shift: int) -> Floats:
    """Bell-shaped numbers of mean 0 and deviation 1: twelve uniform numbers added, minus six.

    Additions only, so no machine's logarithm or cosine can change a reading; nothing beyond ±6.
    """
    words = np.random.PCG64(np.random.SeedSequence([seed, shift])).random_raw(12 * count)
    uniform = (words >> np.uint64(11)) * 2.0**-53
    return np.asarray(uniform.reshape(count, 12).sum(axis=1) - 6)


def truth(x: Floats, noise: Floats) -> tuple[NDArray[np.int64], Floats]:
    """What comes out of the oven: class (n,) and taste (n,), by the formulas at the top.

    Args:
        x: (n, 12) amounts in the columns' units.
        noise: (n, 2) bell-shaped: what no column tells (oven and dough, the tasters' mood). Zeros
            give the answer of someone who knows everything that can be known.
    """
    c = dict(zip((i.name for i in INGREDIENTS), x.T, strict=True))
    heat = np.log(c["bake_s"] / 720) + (c["oven_c"] - 180) / 80 - 2 / 3 * np.log(c["cookie_g"] / 40)
    wet = np.log((c["butter_g"] + 20 * c["eggs"] + 30 * c["sugar_cups"]) / c["flour_g"])
    heat = heat + 0.008 * noise[:, 0]
    wet = wet + 0.005 * noise[:, 0]

    rules = [heat > 0.28, heat < -0.28, wet > 0.12, wet < -0.14]
    cookie = np.select(rules, [1, 2, 3, 4], default=0).astype(np.int64)

    baked = np.exp(-((heat / 0.6) ** 2) - (wet / 0.45) ** 2)
    taste = 1 + 6 * baked + 2 * np.tanh((c["chocolate_pieces"] - 100) / 40)
    taste = taste - ((c["salt_pinches"] - 12) / 8) ** 2
    taste = taste + 0.5 * np.tanh((c["vanilla_ml"] - 15) / 5) + 0.15 * noise[:, 1]
    return cookie, np.round(np.clip(taste, 0, 10), 1)


def load(n: int = 4000, seed: int = 0, test_share: float = 0.2) -> Dataset:
    """12 amounts in, one of five kinds of cookie out: "perfect", "burnt", "raw", "flat", "crumbly".

    Training and test rows come from all shifts, chosen by `seed`; each part stays in shift order.

    Args:
        n: trays baked in all.
        seed: chooses the factory's history and the split.
        test_share: part of the trays kept for testing.

    >>> load()  # doctest: +ELLIPSIS
    Dataset('cookies': classification, 12 features, 5 classes, 3200 training + 800 test rows, ...)
    """
    trays = generate(n, seed)
    return from_rows(
        "cookies",
        trays.x,
        trays.cookie,
        features=trays.columns,
        classes=CLASSES,
        test_share=test_share,
        seed=seed,
        source=SOURCE,
    )


def load_taste(n: int = 4000, seed: int = 0, test_share: float = 0.2) -> Dataset:
    """The same trays; what comes out is their taste, 0 to 10 points.

    >>> load_taste()  # doctest: +ELLIPSIS
    Dataset('cookies-taste': regression, 12 features, 1 target, 3200 training + 800 test rows, ...)
    """
    trays = generate(n, seed)
    return from_rows(
        "cookies-taste",
        trays.x,
        trays.taste[:, None],
        features=trays.columns,
        test_share=test_share,
        seed=seed,
        source=SOURCE,
    )
