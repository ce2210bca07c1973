"""evenbatch measures what normalization buys a neural network, on your machine and your data.

    evenbatch.norms         the normalizers, as NumPy objects
    evenbatch.data          the data sets, and your own table
    evenbatch.engine        Network, Trial, train, Session: many small trainings at once
    evenbatch.claims        claims, measured, with verdicts

The names below are imported when first used, so ``import evenbatch`` itself costs nothing.

>>> import evenbatch
>>> net = evenbatch.Network(inputs=64, hidden=(16,), outputs=10, norm="batch")
>>> [curve] = evenbatch.train([evenbatch.Trial(net, data="digits", steps=200)])
>>> curve.ended
'finished'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evenbatch import claims, data, engine, norms
    from evenbatch.engine import Curve, Network, Session, Trial, train

__version__ = "0.1.0"

__all__ = [
    "Curve",
    "Network",
    "Session",
    "Trial",
    "__version__",
    "claims",
    "data",
    "engine",
    "norms",
    "train",
]

_FLOORS = ("claims", "data", "engine", "norms")


def __getattr__(name: str) -> Any:
    if name in _FLOORS:
        return import_module(f"evenbatch.{name}")
    if name in __all__:
        return getattr(import_module("evenbatch.engine"), name)
    raise AttributeError(f"module 'evenbatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
