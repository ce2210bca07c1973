"""The data a network is trained on: loaded by name, split by a seed, never standardized::

    load("digits")                    one of the data sets in `DATASETS`
    load("cookies", seed=3)           with options; its name is then "cookies:seed=3"
    load("cookies:seed=3")            the same data set, by that name
    load_table("wine.csv", "class")   your own table; afterwards load("table:wine") finds it

One file each: cookies.py, stories.py, digits.py, mnist1d.py, mnist.py, and the folder table/.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from typing import Any

from evenbatch.data import cookies, digits, mnist, mnist1d, stories
from evenbatch.data.dataset import Dataset, check_batch_size
from evenbatch.data.errors import DataError, did_you_mean, listed
from evenbatch.data.table import TableError, TableOptions, load_table, recall

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "TableError",
    "TableOptions",
    "check_batch_size",
    "load",
    "load_table",
]

DATASETS: dict[str, Callable[..., Dataset]] = {
    "cookies": cookies.load,
    "cookies-taste": cookies.load_taste,
    "digits": digits.load,
    "mnist1d": mnist1d.load,
    "mnist": mnist.load,
    "stories": stories.load,
}
"""What loads each data set, by its name."""

_PLACES = ("data_dir", "download")  # say where the data lies, not what it is: not in the name
_cache: dict[tuple[str, str], Dataset] = {}
_lock = threading.Lock()


def load(name: str, **options: Any) -> Dataset:
    """A data set by its name; loaded once in a process, then shared.

    The name of what comes back says all that decides its content: ``load("cookies", seed=3)`` is
    called "cookies:seed=3", and loading that name gives the same data set. An option that has its
    default value is left out of the name.

    Args:
        name: a name in `DATASETS`, with ":option=value,…" after it or not, or "table:<name>".
        options: those of the loader (``help(evenbatch.data.DATASETS["cookies"])``).

    Raises:
        DataError: for a name or an option that does not exist (the nearest one is suggested), or
            for data that is not there.

    >>> load("digits")  # doctest: +ELLIPSIS
    Dataset('digits': classification, 64 features, 10 classes, 1438 training + 359 test rows, ...)
    >>> load("cookies", n=500) is load("cookies:n=500")
    True
    """
    if name.startswith("table:"):
        if options:
            raise DataError(f"{name}: options belong to load_table, which read the file.")
        return recall(name)
    base, _, written = name.partition(":")
    if base not in DATASETS:
        raise DataError(_unknown(name, base))
    loader = DATASETS[base]
    defaults = {p.name: p.default for p in signature(loader).parameters.values()}
    options = {**_parse(base, written, defaults), **options}
    for option in options:
        if option not in defaults:
            raise DataError(
                f"{base} has no option {option!r}.{did_you_mean(option, defaults)} "
                f"Its options are {listed(defaults)}."
            )
    full = _full_name(base, {k: v for k, v in options.items() if v != defaults[k]})
    with _lock:
        key = (full, str(options.get("data_dir")))
        if key not in _cache:
            dataset = loader(**options)
            _cache[key] = dataset if full == base else replace(dataset, name=full)
        return _cache[key]


def _full_name(base: str, options: dict[str, Any]) -> str:
    said = [f"{k}={v}" for k, v in sorted(options.items()) if k not in _PLACES]
    return base + (":" + ",".join(said) if said else "")


def _parse(base: str, written: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """Options written in a name, in the type of their default: "n=500,seed=3"."""
    options: dict[str, Any] = {}
    for part in written.split(",") if written else []:
        option, equals, value = (piece.strip() for piece in part.partition("="))
        default = defaults.get(option)
        try:
            if not equals or option in _PLACES:
                raise ValueError
            if option not in defaults:
                options[option] = value  # refused by load(), with the nearest name
            elif isinstance(default, bool):
                options[option] = {"True": True, "False": False}[value]
            else:
                options[option] = {int: int, float: float}[type(default)](value)
        except (ValueError, KeyError) as error:
            known = [f"{k}={v}" for k, v in defaults.items() if k not in _PLACES]
            raise DataError(
                f"{base}: cannot read {part!r} in the name {base}:{written}. "
                f"Options are written like {base}:{','.join(known[:2])}."
            ) from error
    return options


def _unknown(name: str, base: str) -> str:
    message = f"there is no data set {name!r}.{did_you_mean(base, DATASETS)} "
    message += f"Data sets: {listed(DATASETS)}."
    if "." in name or "/" in name or "\\" in name:
        message += f" A file of your own is loaded with load_table({name!r}, target='COLUMN')."
    return message
