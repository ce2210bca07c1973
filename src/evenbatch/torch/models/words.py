"""Numbers, counts and errors in few words."""

from __future__ import annotations

import math
import sysconfig
import traceback
from pathlib import Path

LIBRARIES = {"site-packages", "dist-packages", "importlib"}  # folders of code that is no user's
STANDARD = sysconfig.get_path("stdlib")


def counted(number: int, noun: str, several: str = "") -> str:
    """
    >>> counted(1, "layer"), counted(3, "layer"), counted(2, "bias", "biases")
    ('1 layer', '3 layers', '2 biases')
    """
    return f"{number} {noun if number == 1 else several or noun + 's'}"


def brief(value: float) -> str:
    """A number in as few characters as a reader needs.

    >>> brief(0.0), brief(12.0), brief(1.23456), brief(1e-8), brief(12345.678)
    ('0', '12', '1.23', '1e-08', '12346')
    """
    if math.isfinite(value) and abs(value) < 1e6 and value == int(value):
        return f"{int(value)}"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def places(paths: tuple[str, ...], limit: int = 3) -> str:
    """Module paths in a few words; "" is the model itself.

    >>> places(("a", "b", "c", "d", "e"))
    'a, b, c and 2 more'
    """
    shown = [path or "the model itself" for path in paths[:limit]]
    rest = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def short(error: BaseException, limit: int = 300) -> str:
    """An exception in one line; of one that carries a worker's traceback the last of it."""
    whole = str(error).strip()
    if "Traceback (most recent call last)" in whole:
        return whole.splitlines()[-1][:limit]
    text = " ".join(whole.split())
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def line_of(error: BaseException) -> str:
    """ " (file, line)" of the innermost line outside of libraries that it came through, or ""."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parents[1])
    own = [
        f for f in frames
        if not f.filename.startswith((here, STANDARD, "<"))
        and not LIBRARIES & set(Path(f.filename).parts)
    ]  # fmt: skip
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
