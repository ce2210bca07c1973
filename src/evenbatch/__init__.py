"""evenbatch measures what normalization buys a neural network, on your machine and your data::

    load, load_table        a data set by name, or your own table, as a Dataset
    Network, Trial, train   descriptions of a network and of one run; runs, many at once, to Curves
    Session                 the same step by step
    Store                   a file that keeps runs and answers those it knows
    race                    one network with a normalizer against the same one without
    prove, CLAIMS           the lesson's claims, measured, with verdicts

    evenbatch.norms         the normalizers, as NumPy objects
    evenbatch.torch         audit, rewrite and compare models in PyTorch

The names are imported when first used, so ``import evenbatch`` itself costs nothing.

>>> import evenbatch
>>> net = evenbatch.Network(inputs=64, hidden=(16,), outputs=10, norm="batch")
>>> [curve] = evenbatch.train([evenbatch.Trial(net, data="digits", steps=200)])
>>> curve.ended
'finished'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenbatch import claims, data, engine, norms, torch
    from evenbatch.app.api import prove, race
    from evenbatch.claims import CLAIMS
    from evenbatch.data import Dataset, load, load_table
    from evenbatch.engine import Curve, Network, Session, Trial, train
    from evenbatch.store import Store

__version__ = "0.1.0"

__all__ = [
    "CLAIMS",
    "Curve",
    "Dataset",
    "Network",
    "Session",
    "Store",
    "Trial",
    "__version__",
    "claims",
    "data",
    "engine",
    "load",
    "load_table",
    "norms",
    "prove",
    "race",
    "torch",
    "train",
]

_FLOORS = ("claims", "data", "engine", "norms", "torch")
_ROOMS = {
    "app.api": ("prove", "race"),
    "claims": ("CLAIMS",),
    "data": ("Dataset", "load", "load_table"),
    "engine": ("Curve", "Network", "Session", "Trial", "train"),
    "store": ("Store",),
}
_FROM = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _FLOORS:
        return import_module(f"evenbatch.{name}")
    if name in _FROM:
        return getattr(import_module(f"evenbatch.{_FROM[name]}"), name)
    raise AttributeError(f"module 'evenbatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
